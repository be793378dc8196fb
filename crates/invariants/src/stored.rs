//! What the receiver stores for a callback: exactly once, byte for byte, and in a format that consumers can read.

use crate::{
    model::{
        payload::{self, Scalar},
        sqs,
    },
    scenario::{BUCKET, Effects, Put, Sent, Service},
};
use ring::digest::{SHA256, digest};

/// The most claim check objects without a message that a failing queue can leave behind: one, or two if the queue
/// hangs.
const MAX_ABANDONED: usize = 2;

/// An authentic callback.
pub struct Authentic<'c> {
    pub body: &'c [u8],
    /// `raw`, `ascii` or `pay`.
    pub form: &'static str,
}

impl Authentic<'_> {
    /// Checks that `effects` is right for this callback and for services with this behaviour. Returns how the callback
    /// is stored, or `None` if no service accepts it.
    pub fn check(&self, effects: &Effects, queues: Service, store: Service) -> Option<&'static str> {
        let goes_inline = self.fits_a_message() && queues != Service::Rejects;
        let queue_takes = match queues {
            Service::Works | Service::Rejects | Service::Stutters => true,
            Service::Fails | Service::Hangs => false,
        };
        let how = match (queue_takes, store == Service::Works) {
            (true, _) if goes_inline => Some("inline"),
            (true, true) => Some("claim-check"),
            (false, true) => Some("undelivered"),
            (_, false) => None,
        };
        for object in &effects.objects {
            assert_eq!(object.payload, self.body, "an object with another payload");
            assert!((1..=1024).contains(&object.key.len()), "a key that S3 rejects");
        }
        match (how, effects.messages.as_slice(), effects.objects.as_slice()) {
            (Some("inline"), [message], []) => {
                assert_eq!(message.body.as_bytes(), self.body);
                self.check_message(message, false);
            }
            (Some("claim-check"), [message], [object]) => {
                self.check_pointer(message, object);
                self.check_message(message, true);
            }
            (Some("undelivered"), [], [object]) if goes_inline => self.check_undelivered(object),
            // The other objects belong to messages that the queue did not accept.
            (Some("undelivered"), [], [abandoned @ .., object]) if (1..=MAX_ABANDONED).contains(&abandoned.len()) => {
                assert!(!goes_inline);
                self.check_undelivered(object);
            }
            (None, [], []) => {}
            (how, messages, objects) => {
                panic!("{how:?} has left {} messages and {} objects", messages.len(), objects.len());
            }
        }
        how
    }

    /// The lower-case hex SHA-256 of the body.
    pub fn delivery_id(&self) -> String {
        digest(&SHA256, self.body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn kind(&self) -> &'static str {
        self.read().0
    }

    fn read(&self) -> (&'static str, payload::Fields) {
        payload::read(self.body, self.form == "pay")
    }

    fn queue(&self) -> &'static str {
        match self.kind() {
            "kyc" => "KycQueue",
            "accounts-detail" => "AccountsDetailQueue",
            "investments" => "InvestmentsQueue",
            "pay" => "PayQueue",
            "upload-fraud" => "UploadFraudQueue",
            _ => "UnclassifiedQueue",
        }
    }

    /// Whether SQS can carry the body with its attributes.
    fn fits_a_message(&self) -> bool {
        // Every reception time has this length.
        let received_at = "2026-01-01T00:00:00.000Z";
        let attributes: usize = self.attributes(received_at).iter().map(sqs::size).sum();
        str::from_utf8(self.body).is_ok_and(sqs::allows_text) && self.body.len() + attributes <= sqs::MAX_BYTES
    }

    /// Every attribute that the documentation promises and SQS can carry.
    fn attributes(&self, received_at: &str) -> Vec<sqs::Attribute> {
        let (kind, fields) = self.read();
        let text = |name: &str, value: &str| (name.to_owned(), "String".to_owned(), value.to_owned());
        let field = |name: &str, value: &Option<Scalar>| {
            let value = value.as_ref().map(Scalar::as_str).filter(|value| sqs::allows_text(value));
            value.map(|value| text(name, value))
        };
        let [first, second] = if kind == "pay" {
            [field("SessionId", &fields.session_id), field("Status", &fields.status)]
        } else {
            [field("LoginId", &fields.login_id), field("RequestId", &fields.request_id)]
        };
        let whole = |value: &str| value.len() <= 18 && value.chars().all(|digit| digit.is_ascii_digit());
        let code = field("HttpStatusCode", &fields.http_status_code)
            .map(|(name, data_type, value)| (name, if whole(&value) { "Number".to_owned() } else { data_type }, value));
        [
            field("ResponseType", &fields.response_type),
            Some(text("DeliveryId", &self.delivery_id())),
            first,
            second,
            field("Tag", &fields.tag),
            code,
            field("ScheduledRefresh", &fields.scheduled_refresh),
            Some(text("SignatureForm", self.form)),
            Some(text("ReceivedAt", received_at)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn check_message(&self, message: &Sent, is_claim_check: bool) {
        sqs::check(&message.body, &message.attributes, message.group_id.as_deref());
        assert_eq!(message.kind.label(), self.kind());
        let received_at = message.attributes.iter().find(|(name, ..)| name == "ReceivedAt");
        let received_at = received_at.map(|(.., value)| value.as_str()).unwrap_or_default();
        check_time(received_at);
        let mut expected = self.attributes(received_at);
        if is_claim_check {
            expected.push(("ExtendedPayloadSize".to_owned(), "Number".to_owned(), self.body.len().to_string()));
        }
        let mut actual = message.attributes.clone();
        expected.sort();
        actual.sort();
        assert_eq!(actual, expected);
        let (kind, fields) = self.read();
        let id = if kind == "pay" { fields.session_id } else { fields.login_id };
        let id = id
            .filter(|id| id.as_str().len() <= 128 && id.as_str().chars().all(|character| character.is_ascii_graphic()));
        assert_eq!(message.group_id.as_deref(), id.as_ref().map(Scalar::as_str));
    }

    /// The format of the Amazon SQS Extended Client libraries.
    fn check_pointer(&self, message: &Sent, object: &Put) {
        let pointer: serde_json::Value = serde_json::from_str(&message.body).expect("a pointer is JSON");
        let expected = serde_json::json!([
            "software.amazon.payloadoffloading.PayloadS3Pointer",
            { "s3BucketName": BUCKET, "s3Key": object.key }
        ]);
        assert_eq!(pointer, expected);
        let own = object.key.strip_prefix(&format!("{}/{}/", self.kind(), self.delivery_id()));
        assert!(own.is_some_and(|own| !own.is_empty()), "{} is not a key of this message", object.key);
    }

    fn check_undelivered(&self, object: &Put) {
        assert_eq!(object.key, format!("undelivered/{}/{}", self.queue(), self.delivery_id()));
        let has = |name, value: &str| object.metadata.iter().any(|(known, is)| *known == name && is == value);
        assert!(has("signature-form", self.form));
        let received_at = object.metadata.iter().find(|(name, _)| *name == "received-at");
        check_time(received_at.map(|(_, value)| value.as_str()).unwrap_or_default());
    }
}

/// RFC 3339, in UTC, to the millisecond.
fn check_time(time: &str) {
    let shape: String =
        time.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");
}
