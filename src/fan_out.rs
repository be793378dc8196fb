//! Fan-out: what is on a queue goes to the SNS topic of its kind, and from there to the queue of each team that
//! subscribes (`docs/fan-out.md`).
//!
//! The bridge is the only consumer of a queue. A message that it reports as failed, or that it does not respond about,
//! stays on the queue. So nothing is lost, and a message may be published twice, with the same DeliveryId. The body,
//! the attributes and the group stay as they are. The queue that the message comes from decides the topic, never the
//! body.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    aws_error::{AwsError, FailedCalls, Operation},
    config::{TopicRoute, TopicRoutes},
    delivery::DeliveryId,
    http::TraceHeader,
    retry,
    routing::Kind,
};

/// The topics. Each call makes one attempt.
pub trait Topics {
    /// Publishes a message. `Ok` means that the topic has it.
    fn publish(&self, notification: Notification<'_>) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// A message of a queue as it is published.
pub struct Notification<'m> {
    pub topic_arn: &'m str,
    pub body: &'m str,
    pub attributes: &'m BTreeMap<String, MessageAttribute>,
    pub group_id: Option<&'m str>,
    pub trace_header: Option<&'m TraceHeader>,
}

/// What Lambda delivers of a queue. `None` for the event of anything else: the Lambda runtime would send a
/// deserialization error, which quotes the event, to the caller.
pub struct SqsEvent(pub Option<Vec<QueueMessage>>);

impl<'de> Deserialize<'de> for SqsEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Value::deserialize(deserializer)?;
        let records = serde_json::from_value(event).map(|Event { records }| records);
        let of_sqs = |records: &Vec<QueueMessage>| {
            !records.is_empty() && records.iter().all(|record| record.event_source == "aws:sqs")
        };
        Ok(Self(records.ok().filter(of_sqs)))
    }
}

/// As much of the event as is used. `aws_lambda_events` has all of it, behind a feature that needs seven more crates.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<QueueMessage>,
}

/// A message in the event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    message_id: String,
    event_source: String,
    /// The queue that it comes from.
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    body: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default)]
    attributes: SystemAttributes,
}

#[derive(Default, Deserialize)]
struct SystemAttributes {
    #[serde(rename = "MessageGroupId")]
    group_id: Option<String>,
    #[serde(rename = "AWSTraceHeader")]
    trace_header: Option<String>,
}

/// A message attribute. The receiver writes none that is binary, and one that is cannot be published: it has no text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttribute {
    pub data_type: String,
    #[serde(default)]
    pub string_value: Option<String>,
}

/// The function's response. A message that is not in the list is deleted from the queue.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    pub batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    pub item_identifier: String,
}

/// What became of a batch.
#[derive(Default)]
pub struct Batch {
    /// The kind of the queue that it comes from, if that queue has a topic.
    pub kind: Option<Kind>,
    pub published: usize,
    pub published_bytes: usize,
    /// The ids of the messages that stay on the queue.
    pub failed: Vec<String>,
    /// The DeliveryIds of those, for the log.
    pub failed_deliveries: Vec<DeliveryId>,
    /// Messages among those whose queue has no topic here.
    pub without_topic: usize,
    /// Failed calls to SNS, including ones that a retry recovered.
    pub aws_failures: FailedCalls,
}

impl Batch {
    pub fn response(self) -> BatchResponse {
        let failures = self.failed.into_iter().map(|item_identifier| BatchItemFailure { item_identifier });
        BatchResponse { batch_item_failures: failures.collect() }
    }
}

/// When the bridge stops trying, for a function that Lambda ends at `deadline`.
pub fn publish_until(deadline: SystemTime) -> Instant {
    /// Time to report the messages that failed.
    const TO_RESPOND: Duration = Duration::from_secs(2);
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left.saturating_sub(TO_RESPOND).max(left / 2)
}

/// Publishes the messages of a batch side by side, each until it is published, until it fails for good, or until
/// `limit`.
pub async fn publish_batch(
    topics: &impl Topics,
    routes: &TopicRoutes,
    messages: &[QueueMessage],
    limit: Instant,
) -> Batch {
    let outcomes = join_all(messages.iter().map(|message| publish(topics, routes, message, limit))).await;
    let mut batch = Batch::default();
    for (message, Outcome { route, published, failures }) in messages.iter().zip(outcomes) {
        batch.kind = batch.kind.or(route.map(|route| route.kind));
        batch.aws_failures.extend(failures);
        if published {
            batch.published += 1;
            batch.published_bytes += message.body.len();
            continue;
        }
        batch.without_topic += usize::from(route.is_none());
        batch.failed.push(message.message_id.clone());
        let delivery_id = message.message_attributes.get("DeliveryId").and_then(|id| id.string_value.as_deref());
        batch.failed_deliveries.extend(delivery_id.and_then(DeliveryId::parse));
    }
    batch
}

/// What became of a message.
struct Outcome<'r> {
    route: Option<&'r TopicRoute>,
    published: bool,
    failures: FailedCalls,
}

async fn publish<'r>(
    topics: &impl Topics,
    routes: &'r TopicRoutes,
    message: &QueueMessage,
    limit: Instant,
) -> Outcome<'r> {
    let mut failures = FailedCalls::default();
    let Some(route) = routes.of_queue(&message.event_source_arn) else {
        return Outcome { route: None, published: false, failures };
    };
    let trace_header = message.attributes.trace_header.as_deref().and_then(TraceHeader::parse);
    let published = retry::until(limit, Operation::Publish, &mut failures, || {
        topics.publish(Notification {
            topic_arn: &route.topic_arn,
            body: &message.body,
            attributes: &message.message_attributes,
            group_id: message.attributes.group_id.as_deref(),
            trace_header: trace_header.as_ref(),
        })
    })
    .await;
    let is_published = published.is_ok();
    if let Err(failed) = published {
        failures.push(failed);
    }
    Outcome { route: Some(route), published: is_published, failures }
}

#[cfg(test)]
mod tests;
