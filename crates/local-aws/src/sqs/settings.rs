//! A queue's settings, as a struct and as the string attributes in requests.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::invalid;
use crate::error::ServiceError;
use crate::names::arn;

/// A queue's settings. The defaults are SQS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a received message is invisible, in seconds: 0 to 43,200, by default 30.
    pub visibility_timeout: u32,
    /// The size limit for body and attributes, in bytes: 1,024 to 1,048,576, which is the default.
    pub maximum_message_size: u32,
    /// How long a message is kept, in seconds: 60 to 1,209,600 (14 days), by default 345,600 (4
    /// days).
    pub message_retention_period: u32,
    /// How long a new message is invisible, in seconds: 0 to 900, by default 0.
    pub delay_seconds: u32,
    /// How long a receive waits by default, in seconds: 0 to 20, by default 0.
    pub receive_message_wait_time_seconds: u32,
    /// The redrive policy. By default there is none.
    pub redrive: Option<Redrive>,
}

/// The redrive policy: after a number of receives, a message moves to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue. While no queue has this name, messages stay.
    pub dead_letter_queue: String,
    /// The number of receives, 1 to 1,000. The message moves at the next receive after these.
    pub max_receive_count: u32,
}

impl Default for QueueSettings {
    fn default() -> QueueSettings {
        QueueSettings {
            visibility_timeout: 30,
            maximum_message_size: 1_048_576,
            message_retention_period: 345_600,
            delay_seconds: 0,
            receive_message_wait_time_seconds: 0,
            redrive: None,
        }
    }
}

/// The attributes that hold a number, each with its range.
const RANGES: [(&str, RangeInclusive<u32>); 5] = [
    ("VisibilityTimeout", 0..=43_200),
    ("MaximumMessageSize", 1_024..=1_048_576),
    ("MessageRetentionPeriod", 60..=1_209_600),
    ("DelaySeconds", 0..=900),
    ("ReceiveMessageWaitTimeSeconds", 0..=20),
];

impl QueueSettings {
    /// Reads the Attributes of CreateQueue. Fails with InvalidAttributeValue or InvalidAttributeName.
    pub(super) fn read(attributes: &BTreeMap<String, String>) -> Result<QueueSettings, ServiceError> {
        let mut settings = QueueSettings::default();
        for (name, value) in attributes {
            match name.as_str() {
                "RedrivePolicy" => settings.redrive = Some(Redrive::read(value)?),
                "FifoQueue" => return Err(invalid("FIFO queues are not served here.")),
                // Permissions and encryption have no effect here.
                "Policy"
                | "KmsMasterKeyId"
                | "KmsDataKeyReusePeriodSeconds"
                | "SqsManagedSseEnabled"
                | "RedriveAllowPolicy" => {}
                _ => settings.set(name, value)?,
            }
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ServiceError> {
        let range = RANGES.iter().find(|(known, _)| *known == name);
        let (_, range) = range.ok_or_else(|| unknown_attribute(name))?;
        let number = value.parse().ok().filter(|number| range.contains(number));
        let number = number.ok_or_else(|| invalid_value(name))?;
        if let Some(setting) = self.number(name) {
            *setting = number;
        }
        Ok(())
    }

    fn number(&mut self, name: &str) -> Option<&mut u32> {
        match name {
            "VisibilityTimeout" => Some(&mut self.visibility_timeout),
            "MaximumMessageSize" => Some(&mut self.maximum_message_size),
            "MessageRetentionPeriod" => Some(&mut self.message_retention_period),
            "DelaySeconds" => Some(&mut self.delay_seconds),
            "ReceiveMessageWaitTimeSeconds" => Some(&mut self.receive_message_wait_time_seconds),
            _ => None,
        }
    }

    /// The attributes as GetQueueAttributes returns them, all as text.
    pub(super) fn attributes(&self) -> BTreeMap<&'static str, String> {
        let mut copy = self.clone();
        let numbers = RANGES.iter().filter_map(|(name, _)| {
            let number = copy.number(name)?;
            Some((*name, number.to_string()))
        });
        let mut attributes: BTreeMap<_, _> = numbers.collect();
        if let Some(redrive) = &self.redrive {
            attributes.insert("RedrivePolicy", redrive.policy());
        }
        attributes
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    /// A number, or a number as text: SQS accepts both.
    max_receive_count: Value,
}

impl Redrive {
    fn read(policy: &str) -> Result<Redrive, ServiceError> {
        let policy: RedrivePolicy = serde_json::from_str(policy).map_err(|_| invalid_value("RedrivePolicy"))?;
        let count = match &policy.max_receive_count {
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let count = count.filter(|count| (1..=1_000).contains(count));
        let queue = policy.dead_letter_target_arn.rsplit(':').next();
        match (queue, count) {
            (Some(queue), Some(max_receive_count)) => {
                Ok(Redrive { dead_letter_queue: queue.to_owned(), max_receive_count })
            }
            _ => Err(invalid_value("RedrivePolicy")),
        }
    }

    fn policy(&self) -> String {
        json!({
            "deadLetterTargetArn": arn("sqs", &self.dead_letter_queue),
            "maxReceiveCount": self.max_receive_count,
        })
        .to_string()
    }
}

pub(super) fn unknown_attribute(name: &str) -> ServiceError {
    ServiceError::bad_request("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

fn invalid_value(name: &str) -> ServiceError {
    let message = format!("Invalid value for the parameter {name}.");
    ServiceError::bad_request("InvalidAttributeValue", message)
}
