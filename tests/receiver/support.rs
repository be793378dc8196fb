//! A receiver in this process, with the real SDK clients and a local AWS.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, SystemTime},
};

use flinks_dev::{
    sign,
    stack::{self, PAYLOAD_BUCKET, SIGNING_SECRET, Stack},
};
use flinks_webhooks::{
    Receiver,
    aws::Clients,
    http::{Response, read_event},
    routing::Kind,
    telemetry::Record,
};
use local_aws::{LocalAws, Network, StoredMessage};
use local_lambda::gateway::{HttpRequest, event};
use serde::Deserialize;

pub struct Fixture {
    pub stack: Stack,
    pub receiver: stack::AwsReceiver,
}

/// The response to one callback, and what the receiver recorded.
pub struct Posted {
    pub response: Response,
    pub record: Record,
}

impl Fixture {
    pub async fn start() -> Self {
        Self::with_variables(&[]).await
    }

    /// Runs in virtual time and without sockets, for tests that wait. The clock must be paused.
    pub fn detached() -> Self {
        Self::detached_with_network(Duration::from_millis(1))
    }

    /// The same, with a simulated network.
    pub fn detached_with_network(network: impl Network) -> Self {
        let stack = Stack::with_aws(LocalAws::detached(SystemTime::now()));
        let config = stack.config(&[]).unwrap();
        let Clients { secrets, storage } = Clients::with_http_client(stack.aws.http_client(network), &config);
        let receiver = Receiver::new(config.policy, secrets, storage);
        Self { stack, receiver }
    }

    /// Starts a receiver with some environment variables changed.
    pub async fn with_variables(changed: &[(&'static str, &str)]) -> Self {
        let stack = Stack::start().await.unwrap();
        let receiver = stack::receiver(&stack.config(changed).unwrap());
        Self { stack, receiver }
    }

    pub fn aws(&self) -> &LocalAws {
        &self.stack.aws
    }

    pub async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Posted {
        let request = HttpRequest { method: "POST", path: "/webhooks/flinks", headers, body, ..HttpRequest::default() };
        self.deliver(&serde_json::to_vec(&event(&request)).unwrap()).await
    }

    /// Passes an event's bytes to the receiver as the program does.
    pub async fn deliver(&self, event: &[u8]) -> Posted {
        let mut record = Record::default();
        let response = self.receiver.receive(read_event(event), &mut record).await;
        Posted { response, record }
    }

    /// Posts a body, signed with the sample secret in the aggregation scheme.
    pub async fn post_signed(&self, body: &[u8]) -> Posted {
        self.post_signed_with(SIGNING_SECRET, body).await
    }

    pub async fn post_signed_with(&self, secret: &str, body: &[u8]) -> Posted {
        let signature = sign::aggregation(body, secret);
        self.post(&[("Content-Type", "application/json"), ("flinks-authenticity-key", &signature)], body).await
    }

    /// All messages on all queues, each with its kind.
    pub fn messages(&self) -> Vec<(Kind, StoredMessage)> {
        let of = |kind: Kind| self.aws().messages(kind.queue()).into_iter().map(move |message| (kind, message));
        Kind::ALL.into_iter().flat_map(of).collect()
    }

    /// The only message on all queues.
    pub fn message(&self) -> (Kind, StoredMessage) {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "there should be one message");
        messages.remove(0)
    }

    /// The payload that a consumer gets for a message: its body, or the object that it points to.
    pub fn payload(&self, message: &StoredMessage) -> Vec<u8> {
        match pointer(message) {
            None => message.body.clone().into_bytes(),
            Some(key) => self.aws().objects(PAYLOAD_BUCKET).remove(&key).unwrap().body.to_vec(),
        }
    }

    /// Whether all queues and the bucket are empty.
    pub fn is_empty(&self) -> bool {
        self.messages().is_empty() && self.aws().objects(PAYLOAD_BUCKET).is_empty()
    }
}

/// The key of the object that holds a claim check's payload.
pub fn pointer(message: &StoredMessage) -> Option<String> {
    message.attributes.get("ExtendedPayloadSize")?;
    let pointer: (String, Pointer) = serde_json::from_str(&message.body).unwrap();
    assert_eq!(pointer.0, "software.amazon.payloadoffloading.PayloadS3Pointer");
    assert_eq!(pointer.1.bucket, PAYLOAD_BUCKET);
    Some(pointer.1.key)
}

/// Runs `work` on a machine that may crash. With `polls`, the machine crashes after that many polls, if `work` has not
/// ended.
pub async fn crashing<T>(polls: Option<u32>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == Some(0) {
            return Poll::Ready(None);
        }
        let polled = work.as_mut().poll(context).map(Some);
        left = left.map(|left| left - 1);
        if polled.is_pending() && left == Some(0) { Poll::Ready(None) } else { polled }
    })
    .await
}

#[derive(Deserialize)]
struct Pointer {
    #[serde(rename = "s3BucketName")]
    bucket: String,
    #[serde(rename = "s3Key")]
    key: String,
}
