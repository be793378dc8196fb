//! ReceiveMessage, with long polling and redrive, and ChangeMessageVisibility.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::digest::{attributes_md5, md5_of_body};
use super::error::{invalid, missing, no_queue};
use super::message::{AttributeValue, Message, StoredAttribute};
use super::receipt::Receipt;
use super::store::{Queues, Sqs, queue_name};
use crate::error::ServiceError;
use crate::names::{ACCOUNT, arn};
use crate::sync::lock;

/// The longest visibility timeout, in seconds: 12 hours.
const MAX_VISIBILITY_TIMEOUT: i64 = 43_200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: Option<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    /// The former name of MessageSystemAttributeNames. Both count.
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeVisibility {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl Sqs {
    /// With a wait time, it responds as soon as there is a message, or without one at the end of that time.
    pub(super) async fn receive_message(&self, request: ReceiveMessage) -> Result<Value, ServiceError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let wanted = Wanted::check(&request)?;
        let mut deadline = None;
        loop {
            let arrival = self.arrivals.notified();
            tokio::pin!(arrival);
            // From here on no arrival is missed, even one before the select below.
            arrival.as_mut().enable();
            let (received, wait, next) = {
                let mut queues = lock(&self.queues);
                let received = receive(&mut queues, name, &wanted)?;
                let queue = queues.get(name).ok_or_else(no_queue)?;
                let usual = queue.settings.receive_message_wait_time_seconds;
                (received, wanted.wait.unwrap_or(usual), queue.next_visible())
            };
            let wait = Duration::from_secs(wait.into());
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + wait);
            if !received.is_empty() {
                return Ok(json!({ "Messages": received }));
            }
            if deadline <= Instant::now() {
                return Ok(json!({}));
            }
            let wake = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                () = &mut arrival => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    pub(super) fn change_visibility(&self, request: ChangeVisibility) -> Result<Value, ServiceError> {
        let handle = request.receipt_handle.ok_or_else(|| missing("ReceiptHandle"))?;
        let hidden = request.visibility_timeout;
        let hidden = hidden.ok_or_else(|| missing("VisibilityTimeout"))?;
        let hidden = in_range("VisibilityTimeout", hidden, 0, MAX_VISIBILITY_TIMEOUT)?;
        self.with_queue(request.queue_url.as_deref(), |name, queue| {
            let receipt = Receipt::read(&handle, name)?;
            if queue.get(receipt.place).is_none() {
                return Err(invalid(format!(
                    "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does \
                     not exist or is not available for visibility timeout change."
                )));
            }
            if !queue.change_visibility(&receipt, hidden) {
                return Err(ServiceError::bad_request(
                    "AWS.SimpleQueueService.MessageNotInflight",
                    "The specified message isn't in flight.",
                ));
            }
            Ok(json!({}))
        })?;
        // The message may now be visible.
        self.arrivals.notify_waiters();
        Ok(json!({}))
    }
}

/// The checked parameters of a receive.
struct Wanted<'a> {
    max: usize,
    hidden: Option<u32>,
    wait: Option<u32>,
    attributes: Vec<&'a str>,
    system_attributes: Vec<&'a str>,
}

impl Wanted<'_> {
    fn check(request: &ReceiveMessage) -> Result<Wanted<'_>, ServiceError> {
        let max = request.max_number_of_messages.unwrap_or(1);
        let max = in_range("MaxNumberOfMessages", max, 1, 10)?;
        let hidden = request.visibility_timeout;
        let hidden = hidden.map(|s| in_range("VisibilityTimeout", s, 0, MAX_VISIBILITY_TIMEOUT));
        let wait = request.wait_time_seconds;
        let wait = wait.map(|seconds| in_range("WaitTimeSeconds", seconds, 0, 20));
        let system = request.message_system_attribute_names.iter();
        let system = system.chain(&request.attribute_names);
        Ok(Wanted {
            max: usize::try_from(max).unwrap_or(1),
            hidden: hidden.transpose()?,
            wait: wait.transpose()?,
            attributes: request.message_attribute_names.iter().map(String::as_str).collect(),
            system_attributes: system.map(String::as_str).collect(),
        })
    }

    /// An attribute is returned only if requested: by name, by `prefix.*`, or with all others by `All` or `.*`.
    fn wants(&self, name: &str) -> bool {
        self.attributes.iter().any(|wanted| match *wanted {
            "All" | ".*" => true,
            wanted => match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => name == wanted,
            },
        })
    }

    fn wants_system(&self, name: &str) -> bool {
        let mut wanted = self.system_attributes.iter();
        wanted.any(|wanted| *wanted == "All" || *wanted == name)
    }
}

/// Receives visible messages, and moves those that were received too often to the dead-letter queue.
fn receive(queues: &mut Queues, name: &str, wanted: &Wanted) -> Result<Vec<Value>, ServiceError> {
    let queue = queues.get(name).ok_or_else(no_queue)?;
    let redrive = queue.settings.redrive.clone();
    let redrive = redrive.filter(|redrive| queues.contains_key(&redrive.dead_letter_queue));
    let queue = queues.get_mut(name).ok_or_else(no_queue)?;
    let hidden = wanted.hidden.unwrap_or(queue.settings.visibility_timeout);
    let dead_after = redrive.as_ref().map(|redrive| redrive.max_receive_count);
    let taken = queue.take(wanted.max, hidden, dead_after);
    let received = taken.received.iter().filter_map(|place| {
        let message = queue.get(*place)?;
        let receipt = Receipt { queue: name.to_owned(), place: *place, receive_count: message.receive_count };
        Some(shown(message, &receipt, wanted))
    });
    let received = received.collect();
    let dead_letters = redrive.and_then(|redrive| queues.get_mut(&redrive.dead_letter_queue));
    if let Some(dead_letters) = dead_letters {
        for mut message in taken.dead {
            message.dead_letter_source = Some(arn("sqs", name));
            dead_letters.push(message);
        }
    }
    Ok(received)
}

fn shown(message: &Message, receipt: &Receipt, wanted: &Wanted) -> Value {
    let attributes: Vec<(&str, &StoredAttribute)> = message
        .content
        .attributes
        .iter()
        .map(|(name, attribute)| (name.as_str(), attribute))
        .filter(|(name, _)| wanted.wants(name))
        .collect();
    let mut shown = Map::new();
    shown.insert("MessageId".into(), message.id.clone().into());
    shown.insert("ReceiptHandle".into(), receipt.handle().into());
    shown.insert("MD5OfBody".into(), md5_of_body(&message.content.body).into());
    shown.insert("Body".into(), message.content.body.clone().into());
    let system: Map<String, Value> = system_attributes(message)
        .into_iter()
        .filter(|(name, _)| wanted.wants_system(name))
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    if !system.is_empty() {
        shown.insert("Attributes".into(), Value::Object(system));
    }
    // The digest covers the returned attributes, because clients check these.
    if let Some(md5) = attributes_md5(attributes.iter().copied()) {
        shown.insert("MD5OfMessageAttributes".into(), md5.into());
        let attributes = attributes.into_iter();
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.wire()));
        shown.insert("MessageAttributes".into(), attributes.collect());
    }
    Value::Object(shown)
}

fn system_attributes(message: &Message) -> [(&'static str, Option<String>); 7] {
    let content = &message.content;
    let trace_header = content.trace_header.as_ref().map(|header| &header.value);
    [
        ("SenderId", Some(ACCOUNT.to_owned())),
        ("SentTimestamp", Some(milliseconds(message.sent))),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", message.first_received.map(milliseconds)),
        ("MessageGroupId", content.group_id.clone()),
        ("AWSTraceHeader", trace_header.map(|value| String::from_utf8_lossy(value.bytes()).into_owned())),
        ("DeadLetterQueueSourceArn", message.dead_letter_source.clone()),
    ]
}

impl StoredAttribute {
    fn wire(&self) -> Value {
        match &self.value {
            AttributeValue::Text(text) => {
                json!({ "DataType": self.data_type, "StringValue": text })
            }
            AttributeValue::Binary(bytes) => {
                json!({ "DataType": self.data_type, "BinaryValue": STANDARD.encode(bytes) })
            }
        }
    }
}

fn milliseconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}

fn in_range(name: &str, value: i64, min: u32, max: i64) -> Result<u32, ServiceError> {
    let number = u32::try_from(value).ok();
    let number = number.filter(|number| *number >= min && i64::from(*number) <= max);
    number.ok_or_else(|| {
        invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be >= {min} and <= \
             {max}, if provided."
        ))
    })
}
