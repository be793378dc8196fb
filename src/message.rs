//! The fourth step: the message for the queue, within SQS's rules.
//!
//! The body is what Flinks sent, byte for byte. Attributes carry what consumers route, search and dedupe by. Limits are
//! those of the SQS developer guide's page on message quotas and of the API reference for `SendMessage`.

use std::time::SystemTime;

use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    event::{Event, LONGEST_VALUE, Scalar},
    kind::Kind,
};

/// Most bytes that a message can have: body and every attribute's name, type and value.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// Most bytes of a `MessageGroupId`.
const MAX_GROUP_ID_BYTES: usize = 128;

/// A callback as it goes to its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// The same for every retry of a callback: lower-case hex SHA-256 of the body.
    pub delivery_id: String,
    pub attributes: Vec<Attribute>,
    /// Fair queues: one login's burst does not hold up the others.
    pub group_id: Option<String>,
    pub body: Bytes,
}

/// A message attribute, legal for SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub data_type: DataType,
    pub value: String,
}

/// An attribute's data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    String,
    Number,
}

impl DataType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
        }
    }
}

impl Attribute {
    fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, data_type: DataType::String, value: value.into() }
    }

    /// The attribute of a payload's value, where SQS can carry it.
    fn of(name: &'static str, value: Option<&Scalar>) -> Option<Self> {
        let value = value?.as_str();
        let legal = (1..=LONGEST_VALUE).contains(&value.len()) && is_legal(value);
        legal.then(|| Self::text(name, value))
    }

    /// The same, as a number where it is a plain whole one; SQS refuses numbers that are too long or too large.
    fn of_number(name: &'static str, value: Option<&Scalar>) -> Option<Self> {
        const MAX_DIGITS: usize = 18;
        let mut attribute = Self::of(name, value)?;
        if attribute.value.len() <= MAX_DIGITS && attribute.value.bytes().all(|byte| byte.is_ascii_digit()) {
            attribute.data_type = DataType::Number;
        }
        Some(attribute)
    }

    /// What SQS counts for it, in bytes.
    fn size(&self) -> usize {
        self.name.len() + self.data_type.as_str().len() + self.value.len()
    }
}

impl Message {
    /// The message of an event that was received at `received_at`.
    pub fn of(event: &Event, received_at: SystemTime) -> Self {
        let fields = &event.fields;
        let delivery_id = hex(&Sha256::digest(event.callback.body()));
        let (group, [first, second]) = if event.kind == Kind::Pay {
            (&fields.session_id, [("SessionId", &fields.session_id), ("Status", &fields.status)])
        } else {
            (&fields.login_id, [("LoginId", &fields.login_id), ("RequestId", &fields.request_id)])
        };
        let attributes = [
            Attribute::of("ResponseType", fields.response_type.as_ref()),
            Some(Attribute::text("DeliveryId", delivery_id.as_str())),
            Attribute::of(first.0, first.1.as_ref()),
            Attribute::of(second.0, second.1.as_ref()),
            Attribute::of("Tag", fields.tag.as_ref()),
            Attribute::of_number("HttpStatusCode", fields.http_status_code.as_ref()),
            Attribute::of("ScheduledRefresh", fields.scheduled_refresh.as_ref()),
            Some(Attribute::text("SignatureForm", event.callback.form().as_str())),
            Some(Attribute::text("ReceivedAt", rfc3339(received_at))),
        ];
        Self {
            kind: event.kind,
            delivery_id,
            attributes: attributes.into_iter().flatten().collect(),
            group_id: group.as_ref().map(Scalar::as_str).filter(|id| is_legal_group_id(id)).map(str::to_owned),
            body: event.callback.body().clone(),
        }
    }

    /// The body as text, if SQS can carry it as it is: UTF-8, not empty, of legal characters, and with its attributes
    /// no larger than a message can be.
    pub fn inline_body(&self) -> Option<&str> {
        let size = self.body.len() + self.attributes.iter().map(Attribute::size).sum::<usize>();
        if self.body.is_empty() || size > MAX_MESSAGE_BYTES {
            return None;
        }
        str::from_utf8(&self.body).ok().filter(|text| is_legal(text))
    }

    /// Where the claim check's payload is kept: an object of its own for this message, because the libraries that read
    /// claim checks delete the object together with the message. `unique` tells it from every other delivery.
    pub fn payload_key(&self, unique: &str) -> String {
        format!("{}/{}/{unique}", self.kind.label(), self.delivery_id)
    }

    /// The claim check for a payload that is kept in S3, in the format of the Amazon SQS Extended Client libraries:
    /// body and attributes.
    pub fn claim_check(&self, bucket: &str, key: &str) -> (String, Vec<Attribute>) {
        let pointer =
            json!(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": bucket, "s3Key": key}]);
        let size =
            Attribute { name: "ExtendedPayloadSize", data_type: DataType::Number, value: self.body.len().to_string() };
        (pointer.to_string(), [self.attributes.as_slice(), &[size]].concat())
    }
}

/// The characters that a message may have: #x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF.
fn is_legal(text: &str) -> bool {
    let control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    // U+FFFE and U+FFFF, the only other characters that are not among them, are EF BF BE and EF BF BF in UTF-8.
    let last_of_plane = |bytes: &[u8]| matches!(bytes, [0xEF, 0xBF, 0xBE | 0xBF]);
    !text.bytes().any(control) && (text.is_ascii() || !text.as_bytes().windows(3).any(last_of_plane))
}

/// `MessageGroupId`: 1 to 128 ASCII letters, digits and punctuation.
fn is_legal_group_id(id: &str) -> bool {
    (1..=MAX_GROUP_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble));
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).filter_map(digit).collect()
}

/// UTC, to the millisecond.
pub fn rfc3339(time: SystemTime) -> String {
    let millis = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let time = DateTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    time.fmt(Format::DateTime).unwrap_or_default()
}
