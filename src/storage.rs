//! The last step: a queue or, failing that, the payload store takes the callback; a [`Receipt`] is the proof.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    answer::Rejection,
    aws_error::AwsError,
    deadline::Deadline,
    kind::Kind,
    message::{Attribute, Message},
    record::Record,
};

/// What the queues leave of the time to answer, so that a payload that they did not take can still be spilled.
const RESERVED_FOR_SPILLING: Duration = Duration::from_millis(2_500);

/// The queues, one for each kind.
pub trait Queues {
    /// Puts one message on the queue of `kind`. Done means that the queue has it.
    fn send(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// The store for payloads that no queue can carry, or that no queue took.
pub trait PayloadStore {
    /// The bucket's name, for pointers into it.
    fn bucket(&self) -> &str;

    /// Stores an object that must not be there yet. Done means that the store has it.
    fn create(&self, key: &str, payload: Bytes) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Stores an object, in the place of an older one if there is one.
    fn replace(
        &self,
        key: &str,
        payload: Bytes,
        metadata: &[(&'static str, String)],
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// Proof that a callback is stored. Only [`Storage::store`] makes one.
#[derive(Debug)]
pub struct Receipt {
    how: StoredAs,
}

impl Receipt {
    pub fn how(&self) -> StoredAs {
        self.how
    }
}

/// How a callback is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// On its queue, as it is.
    Inline,
    /// On its queue as a pointer to an object that holds it.
    ClaimCheck,
    /// Only in the payload store, because its queue did not take it: it waits there for redelivery.
    Spilled,
}

impl StoredAs {
    /// The name in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::ClaimCheck => "claim-check",
            Self::Spilled => "spilled",
        }
    }
}

/// The queues with the store behind them.
pub struct Storage<Q, P> {
    pub queues: Arc<Q>,
    pub payloads: Arc<P>,
}

impl<Q: Queues, P: PayloadStore> Storage<Q, P> {
    /// Stores a message: inline where SQS can carry it, else as a claim check, else spilled.
    ///
    /// # Errors
    /// [`Rejection::NotStored`] when nothing has confirmed in time that it holds the payload.
    pub async fn store(
        &self,
        message: &Message,
        deadline: Deadline,
        record: &mut Record,
    ) -> Result<Receipt, Rejection> {
        let queued = match message.inline_body() {
            Some(body) => match self.send(message, body.to_owned(), &message.attributes, deadline).await {
                Ok(()) => Ok(StoredAs::Inline),
                // The queue has other limits than it should: too small a maximum, other characters.
                Err(refused) if refused.has_code(&REFUSED_CONTENT) => {
                    record.failures.push(refused);
                    self.claim_check(message, deadline).await
                }
                Err(failed) => Err(failed),
            },
            None => self.claim_check(message, deadline).await,
        };
        let how = match queued {
            Ok(how) => how,
            Err(failed) => {
                record.failures.push(failed);
                self.spill(message, deadline).await.map_err(|failed| {
                    record.failures.push(failed);
                    Rejection::NotStored
                })?
            }
        };
        Ok(Receipt { how })
    }

    async fn claim_check(&self, message: &Message, deadline: Deadline) -> Result<StoredAs, AwsError> {
        let key = message.payload_key(&Uuid::new_v4().to_string());
        let put = self.payloads.create(&key, message.body.clone());
        within(deadline.remaining_but(RESERVED_FOR_SPILLING), PUT, put).await?;
        let (pointer, attributes) = message.claim_check(self.payloads.bucket(), &key);
        self.send(message, pointer, &attributes, deadline).await?;
        Ok(StoredAs::ClaimCheck)
    }

    async fn send(
        &self,
        message: &Message,
        body: String,
        attributes: &[Attribute],
        deadline: Deadline,
    ) -> Result<(), AwsError> {
        let sent = self.queues.send(message.kind, body, attributes, message.group_id.as_deref());
        within(deadline.remaining_but(RESERVED_FOR_SPILLING), SEND, sent).await
    }

    /// Keeps a payload that its queue did not take, under a key of its own that retries share. The metadata is all that
    /// cannot be read from the payload again.
    async fn spill(&self, message: &Message, deadline: Deadline) -> Result<StoredAs, AwsError> {
        let key = format!("undelivered/{}/{}", message.kind.queue(), message.delivery_id);
        let proof = |name| message.attributes.iter().find(|attribute| attribute.name == name);
        let metadata: Vec<_> = [("signature-form", "SignatureForm"), ("received-at", "ReceivedAt")]
            .into_iter()
            .filter_map(|(key, name)| Some((key, proof(name)?.value.clone())))
            .collect();
        within(deadline.remaining(), PUT, self.payloads.replace(&key, message.body.clone(), &metadata)).await?;
        Ok(StoredAs::Spilled)
    }
}

/// SQS's codes for a message that it will not carry, however often it is sent.
const REFUSED_CONTENT: [&str; 2] = ["InvalidMessageContents", "InvalidParameterValue"];

/// The operations, as failures name them.
const SEND: &str = "SendMessage";
const PUT: &str = "PutObject";

async fn within(
    budget: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<(), AwsError>>,
) -> Result<(), AwsError> {
    timeout(budget, call).await.unwrap_or_else(|_| Err(AwsError::timeout(operation)))
}
