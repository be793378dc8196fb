//! What delivery needs from AWS: narrow traits, and the types that they take and return. Each call makes one attempt.

use std::{collections::HashMap, future::Future, time::SystemTime};

use bytes::Bytes;

use super::{message::Attribute, undelivered::UndeliveredKey};
use crate::{aws_error::AwsError, http::TraceHeader, routing::Kind};

/// The queues, one for each kind.
pub trait Queues {
    /// Prepares for the first message. Returns at once; slow work continues in the background.
    fn preconnect(&self) {}

    /// Sends a message. `Ok` means that the queue has it.
    fn send(&self, message: OutboundMessage<'_>) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// A message as it is sent: with the payload itself as its body, or as a claim check.
pub struct OutboundMessage<'m> {
    /// Whose queue it goes to.
    pub kind: Kind,
    pub body: String,
    pub attributes: &'m [Attribute],
    pub group_id: Option<&'m str>,
    /// SQS keeps it beside the attributes: it counts neither towards their number nor towards the size.
    pub trace_header: Option<&'m TraceHeader>,
}

/// The bucket for payloads that no queue can carry, or that no queue took.
pub trait PayloadStore {
    /// The bucket's name, for claim checks.
    fn bucket(&self) -> &str;

    /// Stores an object. `Ok` means that the bucket has it.
    fn put(
        &self,
        key: &str,
        payload: Bytes,
        metadata: &[(&'static str, &str)],
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// What only the redelivery needs from the bucket.
pub trait UndeliveredStore {
    /// The objects under a prefix, page by page. `after` is [`Page::next`] of the page before.
    fn list(
        &self,
        prefix: &str,
        depth: Depth,
        after: Option<String>,
    ) -> impl Future<Output = Result<Page, AwsError>> + Send;

    /// A whole object. `None` if it is gone.
    fn get(&self, key: &UndeliveredKey) -> impl Future<Output = Result<Option<Object>, AwsError>> + Send;

    /// Deletes an object that no message points to, because its claim check was not sent.
    fn delete_unused(&self, key: &str) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Deletes an undelivered payload whose message is sent.
    fn remove(&self, key: &UndeliveredKey, sent: &Receipt) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// Which objects a listing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Objects without a slash after the prefix. The others appear only in [`Page::common_prefixes`].
    One,
    /// All objects.
    All,
}

/// A page of a listing.
#[derive(Default)]
pub struct Page {
    pub listed: Vec<Listed>,
    /// The beginnings of keys that have a slash after the prefix, up to and including that slash.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub modified: SystemTime,
    pub bytes: u64,
}

impl Listed {
    /// Whether this is the empty object that S3's console makes to show an empty folder.
    pub fn is_folder(&self) -> bool {
        self.bytes == 0 && self.key.ends_with('/')
    }
}

/// An object.
#[derive(Clone)]
pub struct Object {
    pub body: Bytes,
    pub metadata: HashMap<String, String>,
}

/// Says that a payload is stored. Only [`Storage`](super::Storage) makes a receipt.
#[derive(Debug)]
pub struct Receipt {
    stored_as: StoredAs,
}

impl Receipt {
    pub(super) fn new(stored_as: StoredAs) -> Self {
        Self { stored_as }
    }

    pub fn stored_as(&self) -> StoredAs {
        self.stored_as
    }
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// On its queue, as the body of a message.
    Inline,
    /// On its queue, as a claim check for an object in the bucket.
    ClaimCheck,
    /// Only in the bucket, because its queue did not take it. The redelivery sends it later.
    Undelivered,
}

impl StoredAs {
    pub const ALL: [Self; 3] = [Self::Inline, Self::ClaimCheck, Self::Undelivered];

    /// The name in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::ClaimCheck => "claim-check",
            Self::Undelivered => "undelivered",
        }
    }
}
