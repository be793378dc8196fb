//! The operations on queues themselves: CreateQueue, GetQueueUrl, ListQueues, GetQueueAttributes.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{invalid, missing, no_queue};
use super::queue::Queue;
use super::settings::{QueueSettings, unknown_attribute};
use super::store::Sqs;
use crate::error::ServiceError;
use crate::names::arn;
use crate::sync::lock;

/// The most characters in a queue's name.
const MAX_NAME_CHARACTERS: usize = 80;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    queue_name: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    #[serde(default)]
    queue_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
}

impl Sqs {
    /// Does nothing if the queue exists with the same attributes.
    pub(super) fn create_queue(&self, request: CreateQueue) -> Result<Value, ServiceError> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        check_name(&name)?;
        let settings = QueueSettings::read(&request.attributes)?;
        let mut queues = lock(&self.queues);
        let dead_letters = settings.redrive.as_ref();
        if dead_letters.is_some_and(|redrive| !queues.contains_key(&redrive.dead_letter_queue)) {
            return Err(invalid(
                "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does \
                 not exist.",
            ));
        }
        let queue = queues.entry(name.clone()).or_insert_with(|| Queue::new(settings.clone(), self.clock));
        if queue.settings != settings {
            return Err(ServiceError::bad_request(
                "QueueAlreadyExists",
                "A queue already exists with the same name and a different value for an attribute.",
            ));
        }
        Ok(json!({ "QueueUrl": self.url(&name) }))
    }

    pub(super) fn get_queue_url(&self, request: GetQueueUrl) -> Result<Value, ServiceError> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        if !lock(&self.queues).contains_key(&name) {
            return Err(no_queue());
        }
        Ok(json!({ "QueueUrl": self.url(&name) }))
    }

    pub(super) fn list_queues(&self, request: ListQueues) -> Result<Value, ServiceError> {
        let queues = lock(&self.queues);
        let names = queues.keys();
        let names = names.filter(|name| name.starts_with(&request.queue_name_prefix));
        let urls: Vec<String> = names.map(|name| self.url(name)).collect();
        if urls.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "QueueUrls": urls }))
    }

    pub(super) fn get_queue_attributes(&self, request: GetQueueAttributes) -> Result<Value, ServiceError> {
        self.with_queue(request.queue_url.as_deref(), |name, queue| {
            let all = attributes(name, queue);
            let mut wanted = BTreeMap::new();
            for asked in &request.attribute_names {
                if asked == "All" {
                    return Ok(json!({ "Attributes": all }));
                }
                if let Some((name, value)) = all.get_key_value(asked.as_str()) {
                    wanted.insert(*name, value);
                } else if !OPTIONAL.contains(&asked.as_str()) {
                    return Err(unknown_attribute(asked));
                }
            }
            if wanted.is_empty() {
                return Ok(json!({}));
            }
            Ok(json!({ "Attributes": wanted }))
        })
    }
}

/// Attributes that a queue may lack. Requesting them is no error.
const OPTIONAL: [&str; 9] = [
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "Policy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

fn attributes(name: &str, queue: &mut Queue) -> BTreeMap<&'static str, String> {
    let counts = queue.counts();
    let created = seconds(queue.created);
    let mut attributes = queue.settings.attributes();
    attributes.extend([
        ("QueueArn", arn("sqs", name)),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", created.clone()),
        ("LastModifiedTimestamp", created),
        ("SqsManagedSseEnabled", "true".to_owned()),
    ]);
    attributes
}

fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().to_string()
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=MAX_NAME_CHARACTERS).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"))
}
