//! A received message, and the operations on it.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client,
    config::http::HttpResponse,
    error::SdkError,
    operation::receive_message::ReceiveMessageError,
    types::{
        Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
        MessageSystemAttributeValue,
    },
};
use aws_smithy_types::{DateTime, date_time::Format};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use flinks_dev::failed_call::reason;

/// SQS's limit for messages in one receive (SQS API reference, ReceiveMessage). Also the number of concurrent calls.
const AT_ONCE: usize = 10;
/// With a wait, SQS asks all its servers. Without one it asks only some and may miss messages.
const WAIT_SECONDS: i32 = 1;

/// A received message. SQS hides it from other consumers for a while.
#[derive(Clone, Debug)]
pub struct Received(Message);

/// The body of a claim check. It names the payload's object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    pub bucket: String,
    pub key: String,
}

/// Receives up to `limit` messages, but at most ten, and hides them for `hidden_seconds`.
pub async fn receive(
    sqs: &Client,
    url: &str,
    limit: usize,
    hidden_seconds: i32,
) -> Result<Vec<Received>, SdkError<ReceiveMessageError, HttpResponse>> {
    let request = sqs
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(i32::try_from(limit.clamp(1, AT_ONCE)).unwrap_or(1))
        .visibility_timeout(hidden_seconds)
        .wait_time_seconds(WAIT_SECONDS)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All);
    Ok(request.send().await?.messages.unwrap_or_default().into_iter().map(Received).collect())
}

/// How long SQS hides a message that is only shown. It is given back earlier, unless giving back fails.
const HELD_SECONDS: i32 = 30;
/// How long to go on receiving. It leaves time to give the first message back before SQS shows it again.
const HOLDING: Duration = Duration::from_secs(15);

/// Receives up to `limit` messages, each once, and holds all of them. If it gave each one back at once, SQS would
/// return the same ones again. `expected` is SQS's approximate count.
pub async fn hold(
    sqs: &Client,
    url: &str,
    limit: usize,
    expected: u64,
) -> Result<Vec<Received>, SdkError<ReceiveMessageError, HttpResponse>> {
    let started = Instant::now();
    let mut held: Vec<Received> = Vec::new();
    while held.len() < limit && started.elapsed() < HOLDING {
        let received = receive(sqs, url, limit - held.len(), HELD_SECONDS).await;
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                give_back(sqs, url, &held).await;
                return Err(error);
            }
        };
        let none = received.is_empty();
        for message in received {
            match held.iter_mut().find(|other| other.id() == message.id()) {
                // SQS may deliver a message twice. Only the newest receipt is valid.
                Some(other) => *other = message,
                None => held.push(message),
            }
        }
        if none || u64::try_from(held.len()).is_ok_and(|held| held >= expected) {
            break;
        }
    }
    Ok(held)
}

/// Gives messages back at once: SQS shows them to consumers again. If that fails, SQS does so itself after the hidden
/// time.
pub async fn give_back(sqs: &Client, url: &str, messages: &[Received]) {
    hide(sqs, url, messages, 0).await;
}

/// Hides held messages for `seconds` from now. Returns the reason for each one that SQS did not hide.
pub async fn hide(sqs: &Client, url: &str, messages: &[Received], seconds: i32) -> Vec<String> {
    let hide = async |message: &Received| {
        let request = sqs.change_message_visibility().queue_url(url).receipt_handle(message.receipt());
        request.visibility_timeout(seconds).send().await.err().map(|error| reason(&error))
    };
    let failed = stream::iter(messages).map(hide).buffer_unordered(AT_ONCE);
    failed.filter_map(std::future::ready).collect().await
}

/// Sends a copy with the same body, attributes, group and trace. Returns the copy's id.
///
/// # Errors
/// If SQS may not have accepted the copy. Then the original must stay.
pub async fn send_copy(sqs: &Client, url: &str, message: &Received) -> Result<String, String> {
    let trace = message.system(&MessageSystemAttributeName::AwsTraceHeader).map(|header| {
        let header = MessageSystemAttributeValue::builder().data_type("String").string_value(header).build();
        header.map(|header| HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, header)]))
    });
    let trace = trace.transpose().map_err(|error| error.to_string())?;
    let request = sqs
        .send_message()
        .queue_url(url)
        .message_body(message.body())
        .set_message_attributes(message.0.message_attributes.clone())
        .set_message_system_attributes(trace)
        .set_message_group_id(message.group_id().map(str::to_owned));
    let response = request.send().await.map_err(|error| reason(&error))?;
    // SQS gives each message that it accepts an id. A 200 without one comes from a proxy or another server.
    response.message_id.filter(|id| !id.is_empty()).ok_or_else(|| NO_MESSAGE_ID.to_owned())
}

const NO_MESSAGE_ID: &str = "the response was a 200 without a message id, so SQS may not have accepted the copy; the \
                             original stays";

/// Deletes a message. It does not delete a claim check's object, because that is the consumer's task.
///
/// # Errors
/// If SQS does not delete the message, with the reason.
pub async fn delete(sqs: &Client, url: &str, message: &Received) -> Result<(), String> {
    let request = sqs.delete_message().queue_url(url).receipt_handle(message.receipt());
    request.send().await.map(drop).map_err(|error| reason(&error))
}

impl Received {
    pub fn id(&self) -> &str {
        self.0.message_id().unwrap_or_default()
    }

    /// The message without its body, which may have 1 MiB. This is enough to give it back.
    pub fn without_content(&self) -> Self {
        let message = Message::builder().message_id(self.id()).receipt_handle(self.receipt());
        Self(message.build())
    }

    fn receipt(&self) -> &str {
        self.0.receipt_handle().unwrap_or_default()
    }

    pub fn body(&self) -> &str {
        self.0.body().unwrap_or_default()
    }

    fn system(&self, name: &MessageSystemAttributeName) -> Option<&str> {
        self.0.attributes()?.get(name).map(String::as_str)
    }

    /// How often the message was received, including this time. SQS calls the count approximate.
    pub fn receive_count(&self) -> u32 {
        let count = self.system(&MessageSystemAttributeName::ApproximateReceiveCount);
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    pub fn group_id(&self) -> Option<&str> {
        self.system(&MessageSystemAttributeName::MessageGroupId)
    }

    /// When the message was sent, in UTC.
    pub fn sent_at(&self) -> Option<String> {
        self.sent_time()?.fmt(Format::DateTime).ok()
    }

    /// When the message was sent, in seconds since 1970.
    pub fn sent_at_seconds(&self) -> Option<i64> {
        self.sent_time().map(|time| time.secs())
    }

    fn sent_time(&self) -> Option<DateTime> {
        let milliseconds = self.system(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
        Some(DateTime::from_millis(milliseconds))
    }

    /// The attributes by name, as text. A binary attribute is in base64.
    pub fn attributes(&self) -> BTreeMap<&str, String> {
        let text = |value: &MessageAttributeValue| match (value.string_value(), value.binary_value()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(bytes)) => BASE64_STANDARD.encode(bytes),
            (None, None) => String::new(),
        };
        let attributes = self.0.message_attributes().into_iter().flatten();
        attributes.map(|(name, value)| (name.as_str(), text(value))).collect()
    }

    /// The value of a text attribute.
    pub fn text_attribute(&self, name: &str) -> Option<&str> {
        self.0.message_attributes()?.get(name)?.string_value()
    }

    /// Whether the message has the attribute that marks a claim check.
    pub fn is_marked(&self) -> bool {
        self.0.message_attributes().is_some_and(|attributes| attributes.contains_key("ExtendedPayloadSize"))
    }

    /// The payload's place, if the message is a claim check. The attribute must mark it as one, because a sender may
    /// choose any body.
    pub fn pointer(&self) -> Option<Pointer> {
        let body: Value = serde_json::from_str(Some(self.body()).filter(|_| self.is_marked())?).ok()?;
        let [class, place] = body.as_array()?.as_slice() else {
            return None;
        };
        (class.as_str() == Some("software.amazon.payloadoffloading.PayloadS3Pointer")).then_some(())?;
        let text = |name| Some(place.get(name)?.as_str()?.to_owned());
        Some(Pointer { bucket: text("s3BucketName")?, key: text("s3Key")? })
    }
}
