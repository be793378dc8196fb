//! A payload that its queue did not take, as it waits in the bucket: `undelivered/QUEUE/DELIVERY-ID`.
//!
//! The key says which queue the payload belongs on and which bytes it has. The metadata has only what cannot be read
//! from the payload again, and nothing of the payload: S3 encrypts objects, but not their metadata.

use std::{collections::HashMap, fmt};

use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;

use super::message::{DeliveryId, Message};
use crate::{
    auth::SignatureForm,
    routing::{Fields, Kind},
};

/// What every key begins with.
pub const UNDELIVERED_PREFIX: &str = "undelivered/";

const SIGNATURE_FORM: &str = "signature-form";
const RECEIVED_AT: &str = "received-at";

/// What the keys of a queue's payloads begin with.
pub fn prefix(kind: Kind) -> String {
    format!("{UNDELIVERED_PREFIX}{}/", kind.queue())
}

/// The kind whose prefix a key has. `None` for the key of a foreign object, which is under no queue's prefix.
pub fn kind_of(key: &str) -> Option<Kind> {
    let (queue, _) = key.strip_prefix(UNDELIVERED_PREFIX)?.split_once('/')?;
    Kind::from_queue(queue)
}

/// The SHA-256 in the key of one of the queue's payloads. `None` for a key that the receiver does not make.
pub fn digest(kind: Kind, key: &str) -> Option<[u8; 32]> {
    let delivery_id = key.strip_prefix(UNDELIVERED_PREFIX)?.strip_prefix(kind.queue())?.strip_prefix('/')?;
    let mut digest = [0; 32];
    hex::decode_to_slice(delivery_id, &mut digest).ok()?;
    let is_lower_case = delivery_id.bytes().all(|digit| !digit.is_ascii_uppercase());
    is_lower_case.then_some(digest)
}

/// The metadata of a message's payload.
pub fn metadata(message: &Message) -> [(&'static str, &str); 2] {
    [(SIGNATURE_FORM, message.signature_form().as_str()), (RECEIVED_AT, message.received_at())]
}

/// A payload's key. A retry of the callback has the same key, and overwrites the object with the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeliveredKey {
    kind: Kind,
    delivery_id: DeliveryId,
}

impl UndeliveredKey {
    /// The key of a payload with this SHA-256.
    pub fn new(kind: Kind, digest: [u8; 32]) -> Self {
        Self { kind, delivery_id: DeliveryId::from_digest(digest) }
    }

    /// The key of a message's payload.
    pub fn for_message(message: &Message) -> Self {
        Self { kind: message.kind(), delivery_id: message.delivery_id().clone() }
    }

    /// Which queue the payload belongs on.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for UndeliveredKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{UNDELIVERED_PREFIX}{}/{}", self.kind.queue(), self.delivery_id)
    }
}

/// A whole undelivered payload: the receiver verified it before it stored it, and it has not changed since.
pub struct UndeliveredPayload {
    kind: Kind,
    delivery_id: DeliveryId,
    signature_form: SignatureForm,
    received_at: String,
    body: Bytes,
}

impl UndeliveredPayload {
    /// Reads an object. `None` when it is not what the receiver stored under this key: cut short, changed, or without
    /// its metadata. Such an object stays where it is for somebody to look at.
    pub fn read(key: UndeliveredKey, body: Bytes, metadata: &HashMap<String, String>) -> Option<Self> {
        let UndeliveredKey { kind, delivery_id } = key;
        let received_at = metadata.get(RECEIVED_AT)?.clone();
        DateTime::from_str(&received_at, Format::DateTime).ok()?;
        let signature_form = metadata.get(SIGNATURE_FORM)?.parse().ok()?;
        let is_whole = DeliveryId::of_body(&body) == delivery_id;
        is_whole.then_some(Self { kind, delivery_id, signature_form, received_at, body })
    }

    /// The message that its queue did not take.
    pub fn into_message(self) -> Message {
        let Self { kind, delivery_id, signature_form, received_at, body } = self;
        Message::new(kind, &Fields::read(&body), delivery_id, signature_form, received_at, body)
    }
}
