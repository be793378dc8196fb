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
    event::{Event, Fields, Scalar},
    kind::Kind,
    signature::Form,
    spilled::Spilled,
};

/// Most bytes that a message can have: body and every attribute's name, type and value.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// Most bytes of a `MessageGroupId`.
const MAX_GROUP_ID_BYTES: usize = 128;

/// A callback as it goes to its queue. Only an [`Event`] becomes one, and a [`Spilled`] payload that was one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    kind: Kind,
    delivery_id: String,
    form: Form,
    received_at: String,
    attributes: Vec<Attribute>,
    group_id: Option<String>,
    body: Bytes,
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
        // Of a legal length already.
        let value = value?.as_str();
        is_legal(value).then(|| Self::text(name, value))
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
    /// Which queue it goes to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same for every retry of a callback: lower-case hex SHA-256 of the body.
    pub fn delivery_id(&self) -> &str {
        &self.delivery_id
    }

    /// What proved the callback.
    pub fn form(&self) -> Form {
        self.form
    }

    /// RFC 3339, UTC.
    pub fn received_at(&self) -> &str {
        &self.received_at
    }

    /// At most nine, each within SQS's rules.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Fair queues: one login's burst does not hold up the others.
    pub fn group_id(&self) -> Option<&str> {
        self.group_id.as_deref()
    }

    /// What Flinks sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message of an event that was received at `received_at`.
    pub fn of(event: &Event, received_at: SystemTime) -> Self {
        let body = event.callback.body();
        let delivery_id = hex::encode(Sha256::digest(body));
        Self::new(event.kind, &event.fields, delivery_id, event.callback.form(), rfc3339(received_at), body.clone())
    }

    /// The message that a spilled payload was to be.
    pub fn of_spilled(spilled: Spilled) -> Self {
        let Spilled { kind, delivery_id, form, received_at, body } = spilled;
        Self::new(kind, &Fields::read(&body), delivery_id, form, received_at, body)
    }

    fn new(kind: Kind, fields: &Fields, delivery_id: String, form: Form, received_at: String, body: Bytes) -> Self {
        let (group, [first, second]) = if kind == Kind::Pay {
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
            Some(Attribute::text("SignatureForm", form.as_str())),
            Some(Attribute::text("ReceivedAt", received_at.as_str())),
        ];
        Self {
            kind,
            delivery_id,
            form,
            received_at,
            attributes: attributes.into_iter().flatten().collect(),
            group_id: group.as_ref().map(Scalar::as_str).filter(|id| is_legal_group_id(id)).map(str::to_owned),
            body,
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
    // Piece by piece, each to its end: the compiler looks at many bytes at once where it need not stop at any.
    let has_control = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | control(*byte));
    // U+FFFE and U+FFFF are the only other characters that are not among them.
    let has_last_of_plane = || !text.is_ascii() && (text.contains('\u{FFFE}') || text.contains('\u{FFFF}'));
    !text.as_bytes().chunks(256).any(has_control) && !has_last_of_plane()
}

/// `MessageGroupId`: 1 to 128 ASCII letters, digits and punctuation.
fn is_legal_group_id(id: &str) -> bool {
    (1..=MAX_GROUP_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// UTC, to the millisecond: always of one length.
pub fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = DateTime::from_secs(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX));
    let seconds = seconds.fmt(Format::DateTime).unwrap_or_default();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since_epoch.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{event::ResponseTypes, signature::AuthenticCallback};

    fn message_of(body: impl Into<Bytes>, form: Form) -> Message {
        let event = Event::read(AuthenticCallback::unproven(body, form), &ResponseTypes::new());
        Message::of(&event, SystemTime::UNIX_EPOCH + Duration::from_millis(1_760_000_000_123))
    }

    fn message(body: impl Into<Bytes>) -> Message {
        message_of(body, Form::Raw)
    }

    fn attributes(message: &Message) -> Vec<(&'static str, &'static str, &str)> {
        message.attributes.iter().map(|a| (a.name, a.data_type.as_str(), a.value.as_str())).collect()
    }

    #[test]
    fn an_aggregation_callback_has_these_attributes() {
        let kyc = message(
            r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"café","Login":{"Id":"l","IsScheduledRefresh":false}}"#,
        );
        assert_eq!(
            attributes(&kyc),
            [
                ("ResponseType", "String", "KYC"),
                ("DeliveryId", "String", kyc.delivery_id.as_str()),
                ("LoginId", "String", "l"),
                ("RequestId", "String", "r"),
                ("Tag", "String", "café"),
                ("HttpStatusCode", "Number", "200"),
                ("ScheduledRefresh", "String", "false"),
                ("SignatureForm", "String", "raw"),
                ("ReceivedAt", "String", "2025-10-09T08:53:20.123Z"),
            ]
        );
        assert_eq!(kyc.group_id.as_deref(), Some("l"));
    }

    #[test]
    fn a_time_is_always_of_one_length() {
        let at = |millis| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(1_760_000_000_000), "2025-10-09T08:53:20.000Z");
        assert_eq!(at(1_760_000_000_120), "2025-10-09T08:53:20.120Z");
    }

    #[test]
    fn a_pay_callback_has_session_and_status_in_the_place_of_login_and_request() {
        let body = r#"{"sessionId":"s","status":"Completed","RequestId":"r","Login":{"Id":"l"}}"#;
        for form in [Form::Raw, Form::Pay] {
            let pay = message_of(body, form);
            let names: Vec<_> = pay.attributes.iter().map(|attribute| attribute.name).collect();
            assert_eq!(names, ["DeliveryId", "SessionId", "Status", "SignatureForm", "ReceivedAt"]);
            assert_eq!(pay.group_id.as_deref(), Some("s"));
        }
    }

    #[test]
    fn the_delivery_id_is_the_lower_case_hex_sha_256_of_the_body() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(message("abc").delivery_id, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_value_that_sqs_cannot_carry_is_left_out() {
        for tag in ["", "\u{1}", "a\u{FFFF}", "\u{FFFE}"] {
            let message = message(json!({ "Tag": tag }).to_string());
            assert!(!message.attributes.iter().any(|attribute| attribute.name == "Tag"), "{tag:?}");
        }
    }

    #[test]
    fn a_status_code_is_a_number_only_where_sqs_takes_it_for_one() {
        let code = |json: &str| {
            let message = message(format!(r#"{{"HttpStatusCode":{json}}}"#));
            let code = message.attributes.iter().find(|attribute| attribute.name == "HttpStatusCode");
            code.map(|code| (code.data_type.as_str(), code.value.clone()))
        };
        assert_eq!(code("200"), Some(("Number", "200".to_owned())));
        assert_eq!(code("\"401\""), Some(("Number", "401".to_owned())));
        assert_eq!(code("1e999"), Some(("String", "1e999".to_owned())));
        assert_eq!(code("\"OK\""), Some(("String", "OK".to_owned())));
        assert_eq!(code("null"), None);
    }

    #[test]
    fn a_group_id_is_legal_or_none() {
        let group = |id: &str| message(json!({ "Login": { "Id": id } }).to_string()).group_id;
        assert_eq!(group("{5e115eac~1209}").as_deref(), Some("{5e115eac~1209}"));
        assert_eq!(group(&"a".repeat(128)), Some("a".repeat(128)));
        for id in ["", "a b", "é", &"a".repeat(129)] {
            assert_eq!(group(id), None, "{id}");
        }
    }

    #[test]
    fn a_message_of_the_largest_size_goes_inline_and_one_byte_more_does_not() {
        let room = MAX_MESSAGE_BYTES - message("").attributes.iter().map(Attribute::size).sum::<usize>();
        assert!(message("a".repeat(room)).inline_body().is_some());
        assert!(message("a".repeat(room + 1)).inline_body().is_none());
        // Bytes count, not characters.
        assert!(message("é".repeat(room / 2 + 1)).inline_body().is_none());
    }

    #[test]
    fn a_body_that_sqs_cannot_carry_does_not_go_inline() {
        for body in
            [&b""[..], b"\xff", b"\x00", b"\x1f", "\u{FFFE}".as_bytes(), "a\u{FFFF}".as_bytes(), b"\xed\xa0\x80"]
        {
            assert_eq!(message(body).inline_body(), None, "{body:x?}");
        }
        for body in ["\t\n\r ", "\x7f", "\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{1FFFF}\u{10FFFF}", "{}"] {
            assert_eq!(message(body).inline_body(), Some(body));
        }
    }

    #[test]
    fn an_illegal_character_is_found_wherever_it_is() {
        for illegal in ["\0", "\u{1}\u{2}", "\u{8}", "\u{b}", "\u{c}", "\u{e}", "\u{1f}", "\u{FFFE}", "\u{FFFF}"] {
            // Where pieces of the body meet, and across it.
            for before in [0, 1, 254, 255, 256, 257, 511, 512, 1000] {
                for (letter, after) in [("a", ""), ("a", "a"), ("é", "é")] {
                    let legal = letter.repeat(before);
                    let body = format!("{legal}{illegal}{after}");
                    assert_eq!(message(body).inline_body(), None, "{illegal:?} after {before} times {letter}");
                    let body = format!("{legal}\u{FFFD}{after}");
                    assert!(message(body).inline_body().is_some(), "{before} times {letter}");
                }
            }
        }
    }

    #[test]
    fn a_claim_check_has_the_extended_clients_format() {
        let big = message("body");
        let key = big.payload_key("unique");
        assert_eq!(key, format!("unclassified/{}/unique", big.delivery_id));
        let (pointer, attributes) = big.claim_check("bucket", "key");
        let expected =
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"key"}]"#;
        assert_eq!(pointer, expected);
        let size = attributes.last().map(|size| (size.name, size.data_type, size.value.as_str()));
        assert_eq!(size, Some(("ExtendedPayloadSize", DataType::Number, "4")));
    }

    #[test]
    fn a_claim_check_never_has_more_than_ten_attributes() {
        let full = message(
            r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"t","Login":{"Id":"l","IsScheduledRefresh":false}}"#,
        );
        assert_eq!(full.claim_check("b", "k").1.len(), 10);
    }
}
