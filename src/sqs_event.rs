//! The event that Lambda makes of a queue's messages, and the response to it. The optional functions share them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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
    pub message_id: String,
    event_source: String,
    /// The queue that it comes from.
    #[serde(rename = "eventSourceARN")]
    pub event_source_arn: String,
    pub body: String,
    #[serde(default)]
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default)]
    pub attributes: SystemAttributes,
}

/// What SQS keeps beside the message attributes.
#[derive(Default, Deserialize)]
pub struct SystemAttributes {
    #[serde(rename = "MessageGroupId")]
    pub group_id: Option<String>,
    #[serde(rename = "AWSTraceHeader")]
    pub trace_header: Option<String>,
}

/// A message attribute. The receiver writes no binary one: a binary one has no `string_value`.
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

impl BatchResponse {
    /// The response that leaves these messages on the queue.
    pub fn failed(message_ids: impl IntoIterator<Item = String>) -> Self {
        let failures = message_ids.into_iter().map(|item_identifier| BatchItemFailure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}
