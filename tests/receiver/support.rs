//! A receiver in this process, with the SDK's real clients, on a local AWS.

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

pub struct Bench {
    pub stack: Stack,
    pub receiver: stack::AwsReceiver,
}

/// What came back of one callback.
pub struct Posted {
    pub answer: Response,
    pub record: Record,
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// In virtual time and without sockets, for what takes its time: the clock must be paused.
    pub fn detached() -> Self {
        Self::detached_over(Duration::from_millis(1))
    }

    /// The same, over a network that the test makes up.
    pub fn detached_over(network: impl Network) -> Self {
        let stack = Stack::with_aws(LocalAws::detached(SystemTime::now()));
        let config = stack.config(&[]).unwrap();
        let Clients { secrets, storage } = Clients::with_http_client(stack.aws.http_client(network), &config);
        let receiver = Receiver::new(config.policy, secrets, storage);
        Self { stack, receiver }
    }

    /// With some variables of the environment changed.
    pub async fn with(changed: &[(&'static str, &str)]) -> Self {
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

    /// Hands over an event's bytes as the program does.
    pub async fn deliver(&self, event: &[u8]) -> Posted {
        let mut record = Record::default();
        let answer = self.receiver.receive(read_event(event), &mut record).await;
        Posted { answer, record }
    }

    /// Posts a body with the aggregation signature of the sample secret.
    pub async fn post_signed(&self, body: &[u8]) -> Posted {
        self.post_signed_with(SIGNING_SECRET, body).await
    }

    pub async fn post_signed_with(&self, secret: &str, body: &[u8]) -> Posted {
        let signature = sign::aggregation(body, secret);
        self.post(&[("Content-Type", "application/json"), ("flinks-authenticity-key", &signature)], body).await
    }

    /// All messages on all queues, with their kinds.
    pub fn messages(&self) -> Vec<(Kind, StoredMessage)> {
        let of = |kind: Kind| self.aws().messages(kind.queue()).into_iter().map(move |message| (kind, message));
        Kind::ALL.into_iter().flat_map(of).collect()
    }

    /// The one message on all queues.
    pub fn message(&self) -> (Kind, StoredMessage) {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "there should be one message");
        messages.remove(0)
    }

    /// What a consumer gets for a message: its body, or the object that it points at.
    pub fn payload(&self, message: &StoredMessage) -> Vec<u8> {
        match pointer(message) {
            None => message.body.clone().into_bytes(),
            Some(key) => self.aws().objects(PAYLOAD_BUCKET).remove(&key).unwrap().body.to_vec(),
        }
    }

    /// Nothing is on any queue and nothing in the bucket.
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

/// Runs `work` as on a machine that fails: with `polls`, it is gone after so many of them if it has not ended by then.
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
