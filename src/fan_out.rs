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
use tokio::time::Instant;

use crate::{
    aws_error::{AwsError, FailedCalls, Operation},
    config::{TopicRoute, TopicRoutes},
    delivery::DeliveryId,
    http::TraceHeader,
    retry,
    routing::Kind,
    sqs_event::{BatchResponse, MessageAttribute, QueueMessage},
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
        BatchResponse::failed(self.failed)
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
