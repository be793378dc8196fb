//! Storing a message: on its queue or, failing that, in the bucket.
//!
//! The queue comes first, and transient failures are retried. The bucket joins when the queue is in trouble
//! ([`Joining`]). From then on both are tried side by side until one of them has the payload or the time is used up.
//! Sometimes both store it: then the consumer gets a duplicate with the same DeliveryId.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
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
    retry::{self, Retry, attempt, attempt_with},
    routing::PerKind,
    time_budget::{BUCKET_JOINS_AFTER, BUCKET_JOINS_BEFORE_THE_END, attempt_of},
};

/// The outcome of storing a message, and the failed calls on the way.
pub struct StoreResult {
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
/// Every message has an object of its own, because some clients delete the object together with the message. So an
/// object is used again only after a definite error response, one with an AWS error code: the attempt then counts as
/// not carried out. After an attempt whose outcome is unknown the next one gets a new object. If no message points to
/// an object in the end, the lifecycle rule deletes it, or the redelivery does if the queue rejected the message.
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

/// How to send a message at the next attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SendPlan<'m> {
    /// The body, if SQS can carry it as it is; otherwise a claim check is sent.
    inline: Option<&'m str>,
    with_group: bool,
}

impl SendPlan<'_> {
    /// The next plan after the queue rejected the content of this one, if there is one. SQS has one code for a group
    /// that it does not take and for a body over its limit, so the group is left out first.
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
    /// [`Rejection::NotStored`] if neither has confirmed by `limit` that it has the payload, or if both have failed for
    /// good.
    pub async fn store(&self, message: &Message, limit: Instant) -> StoreResult {
        let joining = Joining::new(limit, message.body().len());
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
            // The first receipt counts. If one side has failed for good, the other goes on.
            match select(pin!(queue), pin!(bucket)).await {
                Either::Left((Ok(receipt), _)) | Either::Right((Ok(receipt), _)) => Ok(receipt),
                Either::Left((Err(()), bucket)) => bucket.await,
                Either::Right((Err(()), queue)) => queue.await,
            }
        };
        let mut failures = on_queue;
        failures.extend(in_bucket);
        StoreResult { outcome: stored.map_err(|()| Rejection::NotStored), failures }
    }

    /// Puts a message on its queue: inline if SQS can carry it, otherwise as a claim check. Tries until `limit`.
    ///
    /// `joining` is `None` in the redelivery, which tries again at its next run. So it does not resend a claim check
    /// whose outcome is unknown: each resend would leave one more object in the bucket.
    ///
    /// # Errors
    /// The last failure: the queue, or the bucket for a claim check, failed for good or did not confirm by `limit`.
    /// Earlier failures are in `failures`.
    pub async fn enqueue(
        &self,
        message: &Message,
        limit: Instant,
        object: &mut ClaimCheckObject,
        joining: Option<&Joining>,
        failures: &mut FailedCalls,
    ) -> Result<Receipt, AwsError> {
        let rejects_groups = self.rejects_groups.get(message.kind());
        let mut plan = SendPlan {
            inline: message.inline_body(),
            with_group: message.group_id().is_some() && !rejects_groups.load(Ordering::Relaxed),
        };
        // The form, inline or claim check, in which the queue rejected the message with its group. Only if the same
        // form is then accepted without the group was the group the reason.
        let mut rejected_with_group = None;
        let mut retry = Retry::default();
        loop {
            if let Some(joining) = joining {
                joining.attempt_begins();
            }
            let sent = match plan.inline {
                Some(body) => self.send(message, body.to_owned(), message.attributes(), plan, limit).await,
                None => self.send_claim_check(message, plan, object, limit).await,
            };
            let Err(failed) = sent else {
                if rejected_with_group == Some(plan.stored_as()) {
                    rejects_groups.store(true, Ordering::Relaxed);
                }
                return Ok(Receipt::new(plan.stored_as()));
            };
            if let Some(joining) = joining {
                joining.attempt_failed();
            }
            let next = (failed.meaning() == Meaning::ContentRejected).then(|| plan.after(&failed)).flatten();
            let is_unknown = failed.operation == Operation::SendMessage && !failed.is_definite();
            let goes_on = match next {
                Some(next) => {
                    if plan.with_group && !next.with_group {
                        rejected_with_group = Some(plan.stored_as());
                    }
                    plan = next;
                    Instant::now() < limit
                }
                None if joining.is_none() && plan.inline.is_none() && is_unknown => false,
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
        plan: SendPlan<'_>,
        object: &mut ClaimCheckObject,
        limit: Instant,
    ) -> Result<(), AwsError> {
        let key = object.key.get_or_insert_with(|| message.payload_key(&Uuid::new_v4().to_string()));
        if !object.is_stored {
            let put = self.payloads.put(key, message.body().clone(), &[]);
            attempt_with(message.body().len(), Operation::PutObject, limit, put).await?;
            object.is_stored = true;
        }
        let (pointer, attributes) = message.claim_check(self.payloads.bucket(), key);
        let sent = self.send(message, pointer, &attributes, plan, limit).await;
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
        plan: SendPlan<'_>,
        limit: Instant,
    ) -> Result<(), AwsError> {
        let group_id = message.group_id().filter(|_| plan.with_group);
        let (kind, trace_header) = (message.kind(), message.trace_header());
        let outbound = OutboundMessage { kind, body, attributes, group_id, trace_header };
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
        let put = retry::until_with(message.body().len(), limit, Operation::PutObject, failures, put).await;
        put.map(|()| Receipt::new(StoredAs::Undelivered)).map_err(|failed| failures.push(failed))
    }
}

/// Decides when the bucket joins the queue: as soon as
///
/// - the queue has failed for good,
/// - an attempt on the queue has taken as long as one may ([`attempt_of`]), including the time to store a claim check's
///   object,
/// - [`BUCKET_JOINS_AFTER`] has passed since the first failed attempt on the queue, or
/// - an attempt on the queue has failed and less than [`BUCKET_JOINS_BEFORE_THE_END`] is left.
pub struct Joining {
    limit: Instant,
    attempt: Duration,
    queue: watch::Sender<QueueState>,
}

/// The attempts on the queue so far.
#[derive(Clone, Copy, Default)]
struct QueueState {
    /// When the latest attempt began.
    attempt_since: Option<Instant>,
    first_failure: Option<Instant>,
    /// The bucket starts now: the attempts on the queue have ended, or one of them took too long.
    bucket_starts: bool,
}

impl Joining {
    /// For a body of this length that has to be stored by `limit`.
    pub fn new(limit: Instant, bytes: usize) -> Self {
        Self { limit, attempt: attempt_of(bytes), queue: watch::Sender::default() }
    }

    fn attempt_begins(&self) {
        self.queue.send_modify(|state| state.attempt_since = Some(Instant::now()));
    }

    fn attempt_failed(&self) {
        let now = Instant::now();
        self.queue.send_modify(|state| {
            state.first_failure.get_or_insert(now);
            state.bucket_starts |= state.attempt_since.is_some_and(|since| now - since >= self.attempt);
        });
    }

    fn queue_has_ended(&self) {
        self.queue.send_modify(|state| state.bucket_starts = true);
    }

    /// When the bucket is tried, if that is already known.
    fn joins_at(&self, queue: QueueState) -> Option<Instant> {
        let near_the_end = self.limit.checked_sub(BUCKET_JOINS_BEFORE_THE_END).unwrap_or(self.limit);
        let after_failure = queue.first_failure.map(|at| (at + BUCKET_JOINS_AFTER).min(near_the_end.max(at)));
        let after_attempt = queue.attempt_since.map(|since| since + self.attempt);
        after_failure.into_iter().chain(after_attempt).min()
    }

    /// Waits until it is the bucket's turn.
    async fn wait(&self) {
        let mut queue = self.queue.subscribe();
        loop {
            let state = *queue.borrow_and_update();
            if state.bucket_starts {
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
