//! SNS: standard topics whose subscribers are queues with raw message delivery. It serves `Publish` alone; topics and
//! subscriptions are prepared by [`LocalAws::subscribe`](crate::LocalAws::subscribe).

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use crate::error::ServiceError;
use crate::names::arn;
use crate::query;
use crate::sqs::Sqs;
use crate::sync::lock;
use crate::wire::{Call, Response};

/// The largest MaximumMessageSize of a topic (SNS developer guide, large message payloads).
const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// With raw delivery a message with more attributes is dropped as a client error (SNS developer guide, message
/// attributes).
const MAX_RAW_ATTRIBUTES: usize = 10;

/// The topics, by ARN, each with its subscriptions.
#[derive(Default)]
pub(crate) struct Sns {
    topics: Mutex<BTreeMap<String, Vec<Subscription>>>,
}

#[derive(Clone)]
struct Subscription {
    queue: String,
    dead_letter_queue: Option<String>,
}

impl Sns {
    /// Creates the topic if it is missing. Returns its ARN.
    pub(crate) fn subscribe(&self, topic: &str, queue: &str, dead_letter_queue: Option<&str>) -> String {
        let arn = arn("sns", topic);
        let dead_letter_queue = dead_letter_queue.map(str::to_owned);
        let subscription = Subscription { queue: queue.to_owned(), dead_letter_queue };
        lock(&self.topics).entry(arn.clone()).or_default().push(subscription);
        arn
    }

    pub(crate) fn publish(&self, sqs: &Sqs, call: &Call) -> Result<Response, ServiceError> {
        let form = query::parameters(call);
        let parameter = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let subscriptions = lock(&self.topics).get(parameter("TopicArn")).cloned();
        let subscriptions = subscriptions
            .ok_or_else(|| ServiceError::new(StatusCode::NOT_FOUND, "NotFound", "Topic does not exist"))?;
        let message = parameter("Message");
        if message.is_empty() {
            return Err(invalid("Empty message"));
        }
        let attributes = attributes(&form)?;
        let of_attributes = attributes.iter().map(|(name, value)| {
            let length = |member: &str| value.get(member).and_then(Value::as_str).map_or(0, str::len);
            name.len() + length("DataType") + length("StringValue")
        });
        if message.len() + of_attributes.sum::<usize>() > MAX_MESSAGE_BYTES {
            return Err(invalid("Message too long"));
        }
        let mut sent = json!({ "MessageBody": message, "MessageAttributes": attributes });
        if let Some(id) = form.get("MessageGroupId") {
            set(&mut sent, "MessageGroupId", json!(id));
        }
        // The SDK sends the trace of its own function here, also when it is not sampled.
        let is_sampled = |header: &&str| header.contains("Sampled=1");
        if let Some(header) = call.header("x-amzn-trace-id").filter(is_sampled) {
            let header = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": header } });
            set(&mut sent, "MessageSystemAttributes", header);
        }
        for Subscription { queue, dead_letter_queue } in subscriptions {
            let is_dropped = attributes.len() > MAX_RAW_ATTRIBUTES;
            // A client error is not retried. Without a dead-letter queue the message is lost for the subscriber.
            if is_dropped || !deliver(sqs, &mut sent, &queue) {
                dead_letter_queue.map(|queue| deliver(sqs, &mut sent, &queue));
            }
        }
        let id = uuid::Uuid::new_v4();
        let document = format!(
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>{id}\
             </MessageId></PublishResult></PublishResponse>"
        );
        let mut response = Response::new(Full::new(Bytes::from(document)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        Ok(response)
    }
}

/// Whether the queue took the message.
fn deliver(sqs: &Sqs, sent: &mut Value, queue: &str) -> bool {
    set(sent, "QueueUrl", json!(sqs.url(queue)));
    sqs.deliver(sent).is_ok()
}

fn set(sent: &mut Value, name: &str, value: Value) {
    if let Some(members) = sent.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The attributes, as SQS takes them. SNS knows fewer types than SQS: no labels after a dot.
fn attributes(form: &BTreeMap<String, String>) -> Result<Map<String, Value>, ServiceError> {
    let entry = |at: usize| {
        let member = |name: &str| form.get(&format!("MessageAttributes.entry.{at}.{name}"));
        Some((member("Name")?, member("Value.DataType"), member("Value.StringValue")))
    };
    let entries = (1..).map_while(entry);
    let attributes = entries.map(|(name, data_type, value)| match (data_type.map(String::as_str), value) {
        (Some(data_type @ ("String" | "Number")), Some(value)) if !value.is_empty() => {
            Ok((name.clone(), json!({ "DataType": data_type, "StringValue": value })))
        }
        _ => Err(ServiceError::bad_request(
            "ParameterValueInvalid",
            format!("The message attribute '{name}' is invalid"),
        )),
    });
    attributes.collect()
}

fn invalid(reason: &str) -> ServiceError {
    ServiceError::bad_request("InvalidParameter", format!("Invalid parameter: {reason}"))
}
