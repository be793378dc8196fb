//! What stands between a sender and the receiver on AWS: API Gateway's route and limits, and Lambda's.

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
    journal::Journal,
};
use crate::stack::{self, AwsReceiver};

/// API Gateway's limit for a request's body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Lambda's limit for the event of a synchronous invocation, in bytes of JSON.
const MAX_EVENT_BYTES: usize = 6_291_456;
/// Callbacks in the receiver at the same time. The others wait. On Lambda they would not, because each has an instance of
/// its own; on one machine, more at the same time only means that more of them run out of time.
const MAX_AT_ONCE: usize = 64;

/// The receiver, with what is in front of it.
pub(super) struct Front {
    receiver: AwsReceiver,
    at_once: Semaphore,
    pub(super) journal: Journal,
    answered: mpsc::Sender<Arc<Callback>>,
    /// For [`Front::message`].
    authenticator: Authenticator<SecretsManager>,
    response_types: ResponseTypes,
    payload_bucket: String,
}

impl Front {
    /// Each callback goes to `answered` once it is.
    pub(super) fn new(config: &Config, journal: Journal, answered: mpsc::Sender<Arc<Callback>>) -> Self {
        Self {
            receiver: stack::receiver(config),
            at_once: Semaphore::new(MAX_AT_ONCE),
            journal,
            answered,
            // The receiver has applied the allow-list.
            authenticator: Authenticator::new(
                IpAllowlist::default(),
                Clients::new(config).secrets,
                config.policy.key_rules,
            ),
            response_types: config.policy.response_types.clone(),
            payload_bucket: config.storage.payload_bucket.clone(),
        }
    }

    /// Fetches the keys, as the function does at its start.
    pub(super) async fn prepare(&self) {
        // What fails is tried again at the first callback, and reported there.
        self.receiver.prepare().await;
    }

    /// Takes a request to its answer, also when its sender has gone: Lambda does not notice either.
    pub(super) async fn take(self: &Arc<Self>, request: Request) -> (HttpResponse, Option<Arc<Callback>>) {
        let front = Arc::clone(self);
        let callback = Callback::new(request);
        match tokio::spawn(async move { front.answer(callback).await }).await {
            Ok((response, callback)) => (response, Some(callback)),
            // A panic, and nothing is known of the callback.
            Err(_) => (of_the_gateway(500, "Internal Server Error"), None),
        }
    }

    /// Answers a request whose body API Gateway does not take; `body_bytes` of it were read.
    pub(super) async fn reject_body(&self, request: Request, body_bytes: usize) -> HttpResponse {
        let callback = Callback { body_bytes, ..Callback::new(request) };
        self.reject(callback, Reason::BodyTooLarge).await.0
    }

    async fn answer(&self, mut callback: Callback) -> (HttpResponse, Arc<Callback>) {
        let started = Instant::now();
        let event = callback.request.event();
        if event.len() > MAX_EVENT_BYTES {
            return self.reject(callback, Reason::EventTooLarge).await;
        }
        let mut record = Record::default();
        // Never closed, so there is always a permit.
        let permit = self.at_once.acquire().await;
        let answer = self.receiver.receive(read_event(&event), &mut record).await;
        drop(permit);
        callback.note(record);
        let answer = serde_json::to_vec(&answer.to_gateway()).unwrap_or_default();
        let response = response(&answer).unwrap_or_else(|_| {
            callback.reason = Some(Reason::BadAnswer);
            of_the_gateway(500, "Internal Server Error")
        });
        callback.status = response.status;
        callback.took = started.elapsed();
        (response, self.publish(callback).await)
    }

    async fn reject(&self, mut callback: Callback, reason: Reason) -> (HttpResponse, Arc<Callback>) {
        let response = of_the_gateway(413, "Request Entity Too Large");
        callback.reason = Some(reason);
        callback.status = response.status;
        (response, self.publish(callback).await)
    }

    async fn publish(&self, callback: Callback) -> Arc<Callback> {
        let callback = self.journal.add(callback);
        // An error means that the printer has ended, which happens only at shutdown.
        let _ = self.answered.send(Arc::clone(&callback)).await;
        callback
    }

    /// The message of a callback that was stored, with the attributes that its queue has. Made again from the request
    /// by the receiver's own steps, because a consumer may have deleted the message. `None` if it can no longer be
    /// verified, after a rotation.
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

/// A response that API Gateway makes by itself.
pub(super) fn of_the_gateway(status: u16, message: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!(r#"{{"message":"{message}"}}"#).into_bytes(),
    }
}
