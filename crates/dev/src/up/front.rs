//! The part of AWS between a sender and the receiver: API Gateway's route and the limits of API Gateway and Lambda.

use std::{sync::Arc, time::Instant};

use flinks_webhooks::{
    auth::{Authenticator, IpAllowlist},
    aws::{Clients, SecretsManager},
    config::Config,
    delivery::{Attribute, Message, StoredAs},
    http::read_event,
    routing::{ClassifiedCallback, ResponseTypes},
    telemetry::Record,
    time_budget::TimeBudget,
};
use local_lambda::gateway::{HttpResponse, response};
use tokio::sync::{Semaphore, mpsc};

use super::{
    callback::{Callback, Reason, Request},
    flinks::Flinks,
    journal::Journal,
};
use crate::stack::{self, AwsReceiver};

/// API Gateway's limit for a request's body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Lambda's limit for the event of a synchronous invocation, in bytes of JSON.
const MAX_EVENT_BYTES: usize = 6_291_456;
/// How many callbacks the receiver handles at the same time. The others wait. On Lambda they would not, because each
/// has an instance of its own. On one machine, a higher limit only makes more of them run out of time.
const MAX_CONCURRENT: usize = 64;

/// The receiver behind API Gateway's and Lambda's limits.
pub(super) struct Front {
    receiver: AwsReceiver,
    slots: Semaphore,
    pub(super) journal: Journal,
    done: mpsc::Sender<Arc<Callback>>,
    /// Only [`Front::message`] uses it.
    authenticator: Authenticator<SecretsManager>,
    response_types: ResponseTypes,
    payload_bucket: String,
    flinks: Option<Flinks>,
}

impl Front {
    /// Sends each callback to `done` when it has its response. The local Flinks, if there is one, gets its login.
    pub(super) fn new(
        config: &Config,
        journal: Journal,
        done: mpsc::Sender<Arc<Callback>>,
        flinks: Option<Flinks>,
    ) -> Self {
        Self {
            receiver: stack::receiver(config),
            slots: Semaphore::new(MAX_CONCURRENT),
            journal,
            done,
            // It checks only callbacks that passed the receiver's allow-list.
            authenticator: Authenticator::new(
                IpAllowlist::default(),
                Clients::new(config).secrets,
                config.policy.key_rules,
            ),
            response_types: config.policy.response_types.clone(),
            payload_bucket: config.storage.payload_bucket.clone(),
            flinks,
        }
    }

    /// Fetches the keys, as the function does at startup.
    pub(super) async fn prepare(&self) {
        // If this fails, the first callback retries and reports it.
        self.receiver.prepare().await;
    }

    /// Handles a request, even if its sender disconnects: Lambda does not notice that either.
    pub(super) async fn handle(self: &Arc<Self>, request: Request) -> (HttpResponse, Option<Arc<Callback>>) {
        let front = Arc::clone(self);
        let callback = Callback::new(request);
        match tokio::spawn(async move { front.invoke(callback).await }).await {
            Ok((response, callback)) => (response, Some(callback)),
            // The task panicked, so the callback is lost.
            Err(_) => (gateway_response(500, "Internal Server Error"), None),
        }
    }

    /// Rejects a request whose body exceeds API Gateway's limit. The server has read `body_bytes` of it.
    pub(super) async fn reject_body(&self, request: Request, body_bytes: usize) -> HttpResponse {
        let callback = Callback { body_bytes, ..Callback::new(request) };
        self.reject(callback, Reason::BodyTooLarge).await.0
    }

    async fn invoke(&self, mut callback: Callback) -> (HttpResponse, Arc<Callback>) {
        let started = Instant::now();
        let event = callback.request.event();
        if event.len() > MAX_EVENT_BYTES {
            return self.reject(callback, Reason::EventTooLarge).await;
        }
        let mut record = Record::default();
        // Nobody closes the semaphore, so this always gets a permit.
        let permit = self.slots.acquire().await;
        let answer = self.receiver.receive(read_event(&event), &mut record).await;
        drop(permit);
        callback.set_result(record);
        let answer = serde_json::to_vec(&answer.to_gateway()).unwrap_or_default();
        let response = response(&answer).unwrap_or_else(|_| {
            callback.reason = Some(Reason::BadResponse);
            gateway_response(500, "Internal Server Error")
        });
        callback.status = response.status;
        callback.took = started.elapsed();
        (response, self.publish(callback).await)
    }

    async fn reject(&self, mut callback: Callback, reason: Reason) -> (HttpResponse, Arc<Callback>) {
        let response = gateway_response(413, "Request Entity Too Large");
        callback.reason = Some(reason);
        callback.status = response.status;
        (response, self.publish(callback).await)
    }

    async fn publish(&self, callback: Callback) -> Arc<Callback> {
        // A forgery is not from Flinks.
        if !matches!(callback.status, 401 | 403) {
            self.add_login(&callback.request.body);
        }
        let callback = self.journal.add(callback);
        // This fails only if the printer has ended, which happens at shutdown.
        let _ = self.done.send(Arc::clone(&callback)).await;
        callback
    }

    /// Whether a local Flinks runs beside it, which gives back the data of the callbacks.
    pub(super) fn has_flinks(&self) -> bool {
        self.flinks.is_some()
    }

    /// Gives the local Flinks, if there is one, the login of a callback.
    pub(super) fn add_login(&self, payload: &[u8]) {
        if let Some(flinks) = &self.flinks {
            flinks.add(payload);
        }
    }

    /// The message of a stored callback, with the attributes that it has on its queue. A consumer may have deleted the
    /// message, so this builds it again from the request with the receiver's own code. `None` if the callback was not
    /// stored, or if it can no longer be verified because the key was rotated.
    pub(super) async fn message(&self, callback: &Callback) -> Option<(Message, Vec<Attribute>)> {
        let stored_as = callback.stored_as?;
        let received = read_event(&callback.request.event()).ok()?;
        let authentic = self.authenticator.authenticate(&received, TimeBudget::start()).await.outcome.ok()?;
        let classified = ClassifiedCallback::classify(authentic, &self.response_types);
        let message = Message::from_callback(&classified, callback.received_at);
        let attributes = match stored_as {
            StoredAs::ClaimCheck => message.claim_check(&self.payload_bucket, "").1,
            StoredAs::Inline | StoredAs::Undelivered => message.attributes().to_vec(),
        };
        Some((message, attributes))
    }
}

/// A response that API Gateway makes itself, without the function.
pub(super) fn gateway_response(status: u16, message: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!(r#"{{"message":"{message}"}}"#).into_bytes(),
    }
}
