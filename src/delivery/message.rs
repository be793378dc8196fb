//! The message for the queue, within SQS's rules.
//!
//! The body is what Flinks sent, byte for byte. Attributes carry what consumers route, search and dedupe by. Limits are
//! those of the SQS developer guide's page on message quotas and of the API reference for `SendMessage`.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

#[cfg(feature = "recovery")]
use crate::recovered_payload::RecoveredPayload;
use crate::{
    auth::SignatureForm,
    http::TraceHeader,
    routing::{ClassifiedCallback, Fields, Kind, Scalar},
    timestamp::rfc3339,
};

/// Maximum size of a message, in bytes: body and every attribute's name, type and value.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// Maximum length of a `MessageGroupId`.
const MAX_GROUP_ID_BYTES: usize = 128;

/// The same for every retry of a callback: the SHA-256 of its body, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    pub(super) fn of_body(body: &[u8]) -> Self {
        Self::from_digest(Sha256::digest(body).into())
    }

    pub(super) fn from_digest(digest: [u8; 32]) -> Self {
        Self(hex::encode(digest))
    }

    /// The id in the attribute of a message. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).ok()?;
        Some(Self::from_digest(digest)).filter(|id| id.0 == text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A payload on its way to its queue. It is made only from a [`ClassifiedCallback`], from a recovered payload, or from
/// the undelivered payload of an earlier one.
pub struct Message {
    kind: Kind,
    delivery_id: DeliveryId,
    signature_form: SignatureForm,
    received_at: String,
    attributes: Vec<Attribute>,
    group_id: Option<String>,
    trace_header: Option<TraceHeader>,
    body: Bytes,
}

/// A message attribute, legal for SQS.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub data_type: DataType,
    pub value: String,
}

impl fmt::Debug for Attribute {
    /// Without the value: it may be bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attribute").field("name", &self.name).finish_non_exhaustive()
    }
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

    /// The attribute for a payload's value, if SQS can carry it.
    fn from_field(name: &'static str, value: Option<&Scalar>) -> Option<Self> {
        // `Fields` has only values of a legal length.
        let value = value?.as_str();
        is_legal(value).then(|| Self::text(name, value))
    }

    /// The same, with the type `Number` if the value is a short whole number. SQS rejects longer or larger numbers.
    fn number_from_field(name: &'static str, value: Option<&Scalar>) -> Option<Self> {
        const MAX_DIGITS: usize = 18;
        let mut attribute = Self::from_field(name, value)?;
        if attribute.value.len() <= MAX_DIGITS && attribute.value.bytes().all(|byte| byte.is_ascii_digit()) {
            attribute.data_type = DataType::Number;
        }
        Some(attribute)
    }

    /// Its part of the message's size, as SQS counts it, in bytes.
    fn size(&self) -> usize {
        self.name.len() + self.data_type.as_str().len() + self.value.len()
    }
}

impl Message {
    /// Which queue it goes to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn delivery_id(&self) -> &DeliveryId {
        &self.delivery_id
    }

    /// What verified the payload: for a callback, the scheme and the encoding.
    pub fn signature_form(&self) -> SignatureForm {
        self.signature_form
    }

    /// RFC 3339, UTC.
    pub fn received_at(&self) -> &str {
        &self.received_at
    }

    /// Each within SQS's rules. At most nine: SQS allows ten, and a claim check adds `ExtendedPayloadSize`.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The `MessageGroupId`: the LoginId, or a Pay callback's SessionId. With it SQS shares a queue fairly among
    /// groups, so that a burst of one does not hold up the others.
    pub fn group_id(&self) -> Option<&str> {
        self.group_id.as_deref()
    }

    /// The X-Ray trace that a consumer's trace continues. The redelivery's messages have none.
    pub fn trace_header(&self) -> Option<&TraceHeader> {
        self.trace_header.as_ref()
    }

    /// What Flinks sent. A recovered payload has one member more.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message of a callback that was received at `received_at`.
    pub fn from_callback(classified: &ClassifiedCallback, received_at: SystemTime) -> Self {
        let ClassifiedCallback { callback, kind, fields } = classified;
        let (body, form) = (callback.body().clone(), callback.signature_form());
        Self::new(*kind, fields, DeliveryId::of_body(&body), form, rfc3339(received_at), body)
    }

    /// The message of a recovered payload that was fetched at `fetched_at`. The kind is always the same, whatever the
    /// payload says.
    #[cfg(feature = "recovery")]
    pub fn of_recovered(payload: &RecoveredPayload, fetched_at: SystemTime) -> Self {
        let body = payload.body().clone();
        let (fields, delivery_id) = (Fields::read(&body), DeliveryId::of_body(&body));
        Self::new(Kind::AccountsDetail, &fields, delivery_id, SignatureForm::Api, rfc3339(fetched_at), body)
    }

    pub(super) fn new(
        kind: Kind,
        fields: &Fields,
        delivery_id: DeliveryId,
        signature_form: SignatureForm,
        received_at: String,
        body: Bytes,
    ) -> Self {
        let (group, [owner, detail]) = if kind == Kind::Pay {
            (&fields.session_id, [("SessionId", &fields.session_id), ("Status", &fields.status)])
        } else {
            (&fields.login_id, [("LoginId", &fields.login_id), ("RequestId", &fields.request_id)])
        };
        let attributes = [
            Attribute::from_field("ResponseType", fields.response_type.as_ref()),
            Some(Attribute::text("DeliveryId", delivery_id.as_str())),
            Attribute::from_field(owner.0, owner.1.as_ref()),
            Attribute::from_field(detail.0, detail.1.as_ref()),
            Attribute::from_field("Tag", fields.tag.as_ref()),
            Attribute::number_from_field("HttpStatusCode", fields.http_status_code.as_ref()),
            Attribute::from_field("ScheduledRefresh", fields.scheduled_refresh.as_ref()),
            Some(Attribute::text("SignatureForm", signature_form.as_str())),
            Some(Attribute::text("ReceivedAt", received_at.as_str())),
        ];
        Self {
            kind,
            delivery_id,
            signature_form,
            received_at,
            attributes: attributes.into_iter().flatten().collect(),
            group_id: group.as_ref().map(Scalar::as_str).filter(|id| is_legal_group_id(id)).map(str::to_owned),
            trace_header: None,
            body,
        }
    }

    /// The same message as a part of this trace.
    pub fn with_trace(self, trace_header: Option<TraceHeader>) -> Self {
        Self { trace_header, ..self }
    }

    /// The body as text, if SQS can carry it as it is: not empty, UTF-8, only legal characters, and at most
    /// [`MAX_MESSAGE_BYTES`] together with the attributes. For any other body the message is a claim check.
    pub fn inline_body(&self) -> Option<&str> {
        let size = self.body.len() + self.attributes.iter().map(Attribute::size).sum::<usize>();
        if self.body.is_empty() || size > MAX_MESSAGE_BYTES {
            return None;
        }
        str::from_utf8(&self.body).ok().filter(|text| is_legal(text))
    }

    /// Where the claim check's payload is kept: an object of its own for this message, because the libraries that read
    /// claim checks delete the object together with the message. `unique` distinguishes it from every other delivery.
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
    // Check each piece to its end. Without an early exit the compiler makes code that checks many bytes at a time.
    let has_control = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | control(*byte));
    // The only other illegal characters are U+FFFE and U+FFFF.
    let has_noncharacter = || !text.is_ascii() && (text.contains('\u{FFFE}') || text.contains('\u{FFFF}'));
    !text.as_bytes().chunks(256).any(has_control) && !has_noncharacter()
}

/// `MessageGroupId`: 1 to 128 ASCII letters, digits and punctuation.
fn is_legal_group_id(id: &str) -> bool {
    (1..=MAX_GROUP_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
