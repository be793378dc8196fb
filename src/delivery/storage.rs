//! Storing a message: on its queue or, failing that, in the bucket.
//!
//! The queue comes first, with retries while a failure may pass. The bucket joins when the queue is in trouble
//! ([`Joining`]). From then on both are tried side by side until one of them has the payload or the time is used up. Both
//! may end up with it: a duplicate with the same DeliveryId.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::{Either, select};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    message::{Attribute, Message},
    ports::{OutboundMessage, PayloadStore, Queues, Receipt, StoredAs},
    undelivered::{self, UndeliveredKey},
};
use crate::{
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    rejection::Rejection,
    retry::{self, Retry, attempt},
    routing::PerKind,
    time_budget::{ATTEMPT, BUCKET_JOINS_AFTER, BUCKET_JOINS_BEFORE_THE_END},
};

/// What became of storing a message.
pub struct Storing {
    pub outcome: Result<Receipt, Rejection>,
    /// Failed calls, including ones that a retry recovered.
    pub failures: FailedCalls,
}

/// The queues, with the bucket behind them.
pub struct Storage<Q, P> {
    pub queues: Q,
    pub payloads: P,
    /// Queues that accepted a message without its group after rejecting it with the group.
    rejects_groups: PerKind<AtomicBool>,
}

/// The object of a claim check, kept from one attempt to the next.
///
/// Every message has an object of its own, because some clients delete the object together with the message. So an object
/// is used again only after an error response, which says that the attempt made no message. After an attempt whose outcome
/// is unknown the next one gets a new object.
#[derive(Debug, Default)]
pub struct ClaimCheckObject {
    key: Option<String>,
    is_stored: bool,
}

impl ClaimCheckObject {
    /// The key of an object that no message points to, if there is one.
    pub fn into_unused(self) -> Option<String> {
        self.key
    }
}

/// In which form a message is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SentAs<'m> {
    /// The body, where SQS can carry it as it is; else a claim check is sent.
    inline: Option<&'m str>,
    with_group: bool,
}

impl SentAs<'_> {
    /// The next form to try after the queue rejected this one for its content, if there is one. SQS has one code for a
    /// group that it does not take and for a body over its limit, so the group is left out first.
    fn after(self, rejected: &AwsError) -> Option<Self> {
        const MAY_BE_ABOUT_THE_GROUP: [&str; 4] = [
            "AWS.SimpleQueueService.UnsupportedOperation",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "UnsupportedOperation",
        ];
        if self.with_group && rejected.has_code(&MAY_BE_ABOUT_THE_GROUP) {
            return Some(Self { with_group: false, ..self });
        }
        self.inline.is_some().then_some(Self { inline: None, ..self })
    }

    fn stored_as(self) -> StoredAs {
        if self.inline.is_some() { StoredAs::Inline } else { StoredAs::ClaimCheck }
    }
}

impl<Q, P> Storage<Q, P> {
    pub fn new(queues: Q, payloads: P) -> Self {
        Self { queues, payloads, rejects_groups: PerKind::default() }
    }
}

impl<Q: Queues, P: PayloadStore> Storage<Q, P> {
    /// Prepares for the first message, in the background.
    pub fn preconnect(&self) {
        self.queues.preconnect();
    }

    /// Stores a message: on its queue, or in the bucket for redelivery.
    ///
    /// [`Rejection::NotStored`] when neither has confirmed by `limit` that it has the payload, or when both have failed for
    /// good.
    pub async fn store(&self, message: &Message, limit: Instant) -> Storing {
        let joining = Joining::new(limit);
        let (mut on_queue, mut in_bucket) = (FailedCalls::default(), FailedCalls::default());
        let stored = {
            let queue = async {
                let mut object = ClaimCheckObject::default();
                let sent = self.enqueue(message, limit, &mut object, Some(&joining), &mut on_queue).await;
                joining.queue_has_ended();
                sent.map_err(|failed| on_queue.push(failed))
            };
            let bucket = async {
                joining.wait().await;
                self.put_undelivered(message, limit, &mut in_bucket).await
            };
            match select(pin!(queue), pin!(bucket)).await {
                Either::Left((Ok(receipt), _)) | Either::Right((Ok(receipt), _)) => Ok(receipt),
                Either::Left((Err(()), bucket)) => bucket.await,
                Either::Right((Err(()), queue)) => queue.await,
            }
        };
        let mut failures = on_queue;
        failures.extend(in_bucket);
        Storing { outcome: stored.map_err(|()| Rejection::NotStored), failures }
    }

    /// Puts a message on its queue: inline where SQS can carry it, else as a claim check. Tries until `limit`.
    ///
    /// Without a bucket that joins, the caller has time: a claim check whose outcome is unknown is not sent again, because
    /// each one more leaves an object behind.
    ///
    /// # Errors
    /// When the queue, or the store for a claim check, has not confirmed by `limit` that it has it, or has failed for good.
    /// The failures before the last one are in `failures`.
    pub async fn enqueue(
        &self,
        message: &Message,
        limit: Instant,
        object: &mut ClaimCheckObject,
        joining: Option<&Joining>,
        failures: &mut FailedCalls,
    ) -> Result<Receipt, AwsError> {
        let rejects_groups = self.rejects_groups.get(message.kind());
        let mut form = SentAs {
            inline: message.inline_body(),
            with_group: message.group_id().is_some() && !rejects_groups.load(Ordering::Relaxed),
        };
        // How the message was sent when it was rejected with its group.
        let mut rejected_with_group = None;
        let mut retry = Retry::default();
        loop {
            if let Some(joining) = joining {
                joining.attempt_begins();
            }
            let sent = match form.inline {
                Some(body) => self.send(message, body.to_owned(), message.attributes(), form, limit).await,
                None => self.send_claim_check(message, form, object, limit).await,
            };
            let Err(failed) = sent else {
                if rejected_with_group == Some(form.stored_as()) {
                    rejects_groups.store(true, Ordering::Relaxed);
                }
                return Ok(Receipt::new(form.stored_as()));
            };
            if let Some(joining) = joining {
                joining.attempt_failed();
            }
            let next = (failed.meaning() == Meaning::ContentRefused).then(|| form.after(&failed)).flatten();
            let is_unknown = failed.operation == Operation::SendMessage && !failed.is_definite();
            let goes_on = match next {
                Some(next) => {
                    if form.with_group && !next.with_group {
                        rejected_with_group = Some(form.stored_as());
                    }
                    form = next;
                    Instant::now() < limit
                }
                None if joining.is_none() && form.inline.is_none() && is_unknown => false,
                None => retry.is_worth_it(&failed) && retry.back_off.wait(limit).await,
            };
            if !goes_on {
                return Err(failed);
            }
            failures.push(failed);
        }
    }

    async fn send_claim_check(
        &self,
        message: &Message,
        form: SentAs<'_>,
        object: &mut ClaimCheckObject,
        limit: Instant,
    ) -> Result<(), AwsError> {
        let key = object.key.get_or_insert_with(|| message.payload_key(&Uuid::new_v4().to_string()));
        if !object.is_stored {
            attempt(Operation::PutObject, limit, self.payloads.put(key, message.body().clone(), &[])).await?;
            object.is_stored = true;
        }
        let (pointer, attributes) = message.claim_check(self.payloads.bucket(), key);
        let sent = self.send(message, pointer, &attributes, form, limit).await;
        if !sent.as_ref().is_err_and(AwsError::is_definite) {
            *object = ClaimCheckObject::default();
        }
        sent
    }

    async fn send(
        &self,
        message: &Message,
        body: String,
        attributes: &[Attribute],
        form: SentAs<'_>,
        limit: Instant,
    ) -> Result<(), AwsError> {
        let group_id = message.group_id().filter(|_| form.with_group);
        let outbound = OutboundMessage { kind: message.kind(), body, attributes, group_id };
        attempt(Operation::SendMessage, limit, self.queues.send(outbound)).await
    }

    /// Keeps a payload that its queue did not take, for the redelivery. Tries until `limit`.
    async fn put_undelivered(
        &self,
        message: &Message,
        limit: Instant,
        failures: &mut FailedCalls,
    ) -> Result<Receipt, ()> {
        let (key, metadata) = (UndeliveredKey::for_message(message).to_string(), undelivered::metadata(message));
        let put = || self.payloads.put(&key, message.body().clone(), &metadata);
        let put = retry::until(limit, Operation::PutObject, failures, put).await;
        put.map(|()| Receipt::new(StoredAs::Undelivered)).map_err(|failed| failures.push(failed))
    }
}

/// Decides when the bucket joins the queue: as soon as
///
/// - the queue has failed for good,
/// - an attempt on it, for a claim check its object included, has taken [`ATTEMPT`],
/// - [`BUCKET_JOINS_AFTER`] has passed since its first failed attempt, or
/// - it has failed and less than [`BUCKET_JOINS_BEFORE_THE_END`] is left.
pub struct Joining {
    limit: Instant,
    queue: watch::Sender<QueueState>,
}

/// What has become of the attempts on the queue.
#[derive(Clone, Copy, Default)]
struct QueueState {
    /// When the latest attempt began.
    attempt_since: Option<Instant>,
    first_failure: Option<Instant>,
    /// The bucket need not wait any longer.
    is_over: bool,
}

impl Joining {
    /// For a callback that has to be stored by `limit`.
    pub fn new(limit: Instant) -> Self {
        Self { limit, queue: watch::Sender::default() }
    }

    fn attempt_begins(&self) {
        self.queue.send_modify(|state| state.attempt_since = Some(Instant::now()));
    }

    fn attempt_failed(&self) {
        let now = Instant::now();
        self.queue.send_modify(|state| {
            state.first_failure.get_or_insert(now);
            state.is_over |= state.attempt_since.is_some_and(|since| now - since >= ATTEMPT);
        });
    }

    fn queue_has_ended(&self) {
        self.queue.send_modify(|state| state.is_over = true);
    }

    /// From when on the bucket is tried, as far as that is known.
    fn joins_at(&self, queue: QueueState) -> Option<Instant> {
        let near_the_end = self.limit.checked_sub(BUCKET_JOINS_BEFORE_THE_END).unwrap_or(self.limit);
        let after_failure = queue.first_failure.map(|at| (at + BUCKET_JOINS_AFTER).min(near_the_end.max(at)));
        let after_attempt = queue.attempt_since.map(|since| since + ATTEMPT);
        after_failure.into_iter().chain(after_attempt).min()
    }

    /// Waits until it is the bucket's turn.
    async fn wait(&self) {
        let mut queue = self.queue.subscribe();
        loop {
            let state = *queue.borrow_and_update();
            if state.is_over {
                return;
            }
            let changed = queue.changed();
            match self.joins_at(state) {
                None => drop(changed.await),
                Some(at) => {
                    if timeout_at(at, changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
