//! A payload that its queue did not take, as it waits in the payload store: `undelivered/QUEUE/DELIVERY-ID`.
//!
//! The key says which queue it belongs on and what its bytes must be. The metadata is all that cannot be read from the
//! payload again, and nothing of the payload's: S3 encrypts objects, not their metadata.

use std::{collections::HashMap, fmt};

use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{kind::Kind, message::Message, signature::Form};

/// What every key begins with.
pub const PREFIX: &str = "undelivered/";

const SIGNATURE_FORM: &str = "signature-form";
const RECEIVED_AT: &str = "received-at";

/// What the keys of a queue's payloads begin with.
pub fn prefix(kind: Kind) -> String {
    format!("{PREFIX}{}/", kind.queue())
}

/// The queue in whose place a key is, whatever comes behind. None for a key that is in no queue's.
pub fn queue_of(key: &str) -> Option<Kind> {
    let (queue, _) = key.strip_prefix(PREFIX)?.split_once('/')?;
    Kind::of_queue(queue)
}

/// The SHA-256 that the key of one of the queue's payloads names. None for a key that the receiver does not make.
pub fn digest(kind: Kind, key: &str) -> Option<[u8; 32]> {
    let delivery_id = key.strip_prefix(PREFIX)?.strip_prefix(kind.queue())?.strip_prefix('/')?;
    let mut digest = [0; 32];
    hex::decode_to_slice(delivery_id, &mut digest).ok()?;
    let lower_case = delivery_id.bytes().all(|digit| !digit.is_ascii_uppercase());
    lower_case.then_some(digest)
}

/// The metadata of a message's payload.
pub fn metadata(message: &Message) -> [(&'static str, &str); 2] {
    [(SIGNATURE_FORM, message.form().as_str()), (RECEIVED_AT, message.received_at())]
}

/// A payload's key. A retry of the callback shares it, and overwrites the object with the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpilledKey {
    kind: Kind,
    delivery_id: String,
}

impl SpilledKey {
    /// The key of a message's payload.
    pub fn of(message: &Message) -> Self {
        Self { kind: message.kind(), delivery_id: message.delivery_id().to_owned() }
    }

    /// Which queue the payload belongs on.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key of a payload with this SHA-256.
    pub fn new(kind: Kind, digest: [u8; 32]) -> Self {
        Self { kind, delivery_id: hex::encode(digest) }
    }
}

impl fmt::Display for SpilledKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}/{}", self.kind.queue(), self.delivery_id)
    }
}

/// A spilled payload, whole: proven authentic by the receiver before it was spilled, and unchanged since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spilled {
    pub(crate) kind: Kind,
    pub(crate) delivery_id: String,
    pub(crate) form: Form,
    pub(crate) received_at: String,
    pub(crate) body: Bytes,
}

impl Spilled {
    /// Reads an object. None when it is not what the receiver stored under this key: cut short, changed, or without its
    /// metadata. Such an object is left for somebody to look at.
    pub fn read(key: SpilledKey, body: Bytes, metadata: &HashMap<String, String>) -> Option<Self> {
        let SpilledKey { kind, delivery_id } = key;
        let received_at = metadata.get(RECEIVED_AT)?.clone();
        DateTime::from_str(&received_at, Format::DateTime).ok()?;
        let form = metadata.get(SIGNATURE_FORM)?.parse().ok()?;
        let whole = hex::encode(Sha256::digest(&body)) == delivery_id;
        whole.then_some(Self { kind, delivery_id, form, received_at, body })
    }
}
