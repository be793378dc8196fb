//! A message that was received, and what can be done with it.

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

/// Most messages in one receive (SQS API reference, ReceiveMessage).
const AT_ONCE: usize = 10;
/// With a wait SQS asks all its servers, without one only some: then a message that is there may be missed.
const WAIT_SECONDS: i32 = 1;

/// A message out of everybody else's sight for a while.
#[derive(Clone, Debug)]
pub struct Received(Message);

/// The body of a claim check: where its payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    pub bucket: String,
    pub key: String,
}

/// Receives up to `most` messages, of which SQS gives ten at most, and hides them for some seconds. None when there is
/// none.
pub async fn receive(
    sqs: &Client,
    url: &str,
    most: usize,
    hidden_seconds: i32,
) -> Result<Vec<Received>, SdkError<ReceiveMessageError, HttpResponse>> {
    let request = sqs
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(i32::try_from(most.clamp(1, AT_ONCE)).unwrap_or(1))
        .visibility_timeout(hidden_seconds)
        .wait_time_seconds(WAIT_SECONDS)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All);
    Ok(request.send().await?.messages.unwrap_or_default().into_iter().map(Received).collect())
}

/// How long a message is held that is only looked at. It is given back before; this is for when that fails.
const HELD_SECONDS: i32 = 30;
/// How long to go on receiving, so that the first message is given back before it comes back by itself.
const HOLDING: Duration = Duration::from_secs(15);

/// Receives up to `most` messages and holds them all, each once: what is given back at once would be received again.
/// `there` is about how many there are.
pub async fn hold(
    sqs: &Client,
    url: &str,
    most: usize,
    there: u64,
) -> Result<Vec<Received>, SdkError<ReceiveMessageError, HttpResponse>> {
    let started = Instant::now();
    let mut held: Vec<Received> = Vec::new();
    while held.len() < most && started.elapsed() < HOLDING {
        let received = receive(sqs, url, most - held.len(), HELD_SECONDS).await;
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
                // SQS delivers at least once; the newest receipt is the one that counts.
                Some(other) => *other = message,
                None => held.push(message),
            }
        }
        if none || u64::try_from(held.len()).is_ok_and(|held| held >= there) {
            break;
        }
    }
    Ok(held)
}

/// Gives messages back at once. One that cannot be given back comes back by itself, when its time is up.
pub async fn give_back(sqs: &Client, url: &str, messages: &[Received]) {
    hide(sqs, url, messages, 0).await;
}

/// Keeps held messages out of sight for so many seconds from now. Returns why SQS did not, for each with which it did
/// not.
pub async fn hide(sqs: &Client, url: &str, messages: &[Received], seconds: i32) -> Vec<String> {
    let hide = async |message: &Received| {
        let request = sqs.change_message_visibility().queue_url(url).receipt_handle(message.receipt());
        request.visibility_timeout(seconds).send().await.err().map(|error| reason(&error))
    };
    let failed = stream::iter(messages).map(hide).buffer_unordered(AT_ONCE);
    failed.filter_map(std::future::ready).collect().await
}

/// Sends a message with the same body, attributes, group and trace. Returns its id, or why it is not known that SQS took
/// it: then whatever it is a copy of has to stay.
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
    let answer = request.send().await.map_err(|error| reason(&error))?;
    // What SQS took has an id. An answer of 200 without one is some proxy's, or another server's.
    answer.message_id.filter(|id| !id.is_empty()).ok_or_else(|| NO_MESSAGE_ID.to_owned())
}

const NO_MESSAGE_ID: &str = "the answer was 200 without a message id, so it is not known whether SQS took the copy; the \
                             original stays";

/// Deletes a message. A claim check's object stays: deleting that is the consumer's part. Fails with why SQS did not.
pub async fn delete(sqs: &Client, url: &str, message: &Received) -> Result<(), String> {
    let request = sqs.delete_message().queue_url(url).receipt_handle(message.receipt());
    request.send().await.map(drop).map_err(|error| reason(&error))
}

impl Received {
    pub fn id(&self) -> &str {
        self.0.message_id().unwrap_or_default()
    }

    /// What giving it back takes, and no more: a body is up to 1 MiB.
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

    /// How often it was received, this time included. SQS calls it approximate.
    pub fn receive_count(&self) -> u32 {
        let count = self.system(&MessageSystemAttributeName::ApproximateReceiveCount);
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    pub fn group_id(&self) -> Option<&str> {
        self.system(&MessageSystemAttributeName::MessageGroupId)
    }

    /// When it was first sent, in UTC.
    pub fn sent_at(&self) -> Option<String> {
        let milliseconds = self.system(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
        DateTime::from_millis(milliseconds).fmt(Format::DateTime).ok()
    }

    /// The attributes by name, as text; a binary one in base64.
    pub fn attributes(&self) -> BTreeMap<&str, String> {
        let text = |value: &MessageAttributeValue| match (value.string_value(), value.binary_value()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(bytes)) => BASE64_STANDARD.encode(bytes),
            (None, None) => String::new(),
        };
        let attributes = self.0.message_attributes().into_iter().flatten();
        attributes.map(|(name, value)| (name.as_str(), text(value))).collect()
    }

    /// An attribute that is text.
    pub fn text_attribute(&self, name: &str) -> Option<&str> {
        self.0.message_attributes()?.get(name)?.string_value()
    }

    /// Whether the message says that it is a claim check.
    pub fn is_marked(&self) -> bool {
        self.0.message_attributes().is_some_and(|attributes| attributes.contains_key("ExtendedPayloadSize"))
    }

    /// Where the payload is, if the message is a claim check. The attribute makes it one: such a body alone could be
    /// anybody's.
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
