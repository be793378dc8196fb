//! Redelivery: an undelivered payload goes to its queue once the queue works again.
//!
//! A run lists what is under `undelivered/`, separately for each queue, and sends the payloads oldest first, one by
//! one, until the [`RunBudget`] is used up. The queues go side by side: one that takes nothing, or that cannot be
//! listed, holds up no other. An object is removed only with the [`Receipt`] of its message, so no payload is lost. A
//! payload is sent twice, with the same DeliveryId, if two runs overlap, or if a run ends after it sent a message and
//! before it removed the object. Corrupt objects stay in place and are reported.

use std::{
    collections::{BinaryHeap, VecDeque},
    mem,
    time::{Duration, SystemTime},
};

use futures_util::future::{join, join_all};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    message::Message,
    ports::{Depth, Listed, Page, PayloadStore, Queues, Receipt, UndeliveredStore},
    storage::{ClaimCheckObject, Storage},
    undelivered::{self, UNDELIVERED_PREFIX, UndeliveredKey, UndeliveredPayload},
};
use crate::{
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    retry::{self, attempt},
    routing::Kind,
    time_budget::{ATTEMPT, BUDGET, CALLBACK_BYTES, TimeBudget, attempt_of, budget_of},
};

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct RunBudget {
    /// When the run starts no further work.
    pub stop: Instant,
    /// Maximum number of bytes that a run sends to one queue.
    pub bytes_per_queue: u64,
}

impl RunBudget {
    /// The budget of a function that Lambda ends at `deadline`.
    pub fn until(deadline: SystemTime) -> Self {
        /// Enough for thousands of callbacks of usual size. Only one payload of a queue is in memory at a time: at most
        /// 6 MB, and [`MAX_RECOVERED_BYTES`] of `AccountsDetailQueue`.
        const BYTES_PER_QUEUE: u64 = 250_000_000;
        /// However slow AWS is, fetching, sending and removing a callback each take at most [`BUDGET`]. The rest is for
        /// what is not AWS.
        const MAX_PER_PAYLOAD: Duration = BUDGET.saturating_mul(3).saturating_add(Duration::from_millis(1_500));
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        // If the function has a shorter timeout than in the template, use at least half of it. If Lambda then ends the
        // run early, no payload is lost; the only effect is one more failed invocation.
        let time = left.saturating_sub(MAX_PER_PAYLOAD).max(left / 2);
        Self { stop: Instant::now() + time, bytes_per_queue: BYTES_PER_QUEUE }
    }

    /// Whether there is time to fetch and send a payload of this length. One that is longer than a callback takes longer.
    fn has_time(&self, bytes: usize) -> bool {
        Instant::now() + 2 * (attempt_of(bytes) - ATTEMPT) < self.stop
    }

    /// When a run that begins now stops listing. Half of its time is left to send what it found.
    fn end_of_listing(&self) -> Instant {
        let now = Instant::now();
        now + self.stop.saturating_duration_since(now) / 2
    }
}

/// No recovered payload is larger: what is read of a response of Flinks' API, and one member more.
pub const MAX_RECOVERED_BYTES: usize = 64 * 1024 * 1024 + 64;
/// Maximum number of objects that a run handles for each queue, the oldest ones. A run has no time for more. For all
/// queues together they need about 10 MB of the function's memory, which is at least 256 MB.
const MAX_PER_QUEUE: usize = 20_000;
/// Maximum number of pages that are searched for foreign objects. They are only counted: no consumer waits for them.
const MAX_FOREIGN_PAGES: usize = 20;
/// After this many failures in a row, to send or to remove, the queue waits for the next run.
const MAX_FAILURES: u32 = 3;
/// Maximum number of keys of damaged and foreign objects that are reported.
const MAX_NAMED: usize = 10;
/// Maximum length of a reported key, in characters.
const MAX_KEY_CHARACTERS: usize = 128;

/// What a run did: the function's response and its log line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects under `undelivered/` when the run began, without the empty ones that stand for folders.
    pub found: usize,
    /// Listings that failed or took too long. Each counts as one object in `found` and `left`, because the number of
    /// objects that it did not list is unknown.
    pub unlisted: usize,
    /// Payloads put on their queues.
    pub sent: usize,
    pub sent_bytes: u64,
    /// Objects that were gone when their turn came: another run sent them.
    pub gone: usize,
    /// Payloads that could not be fetched, sent or removed this time.
    pub failed: usize,
    /// Objects that are not a whole undelivered payload, including foreign objects: their number, and the keys of some.
    pub damaged: usize,
    pub damaged_keys: Vec<ReportedKey>,
    /// Objects that are still there at the end.
    pub left: usize,
    /// Age of the oldest object when the run began.
    pub oldest_seconds: u64,
    /// Failed calls to AWS, including ones that a retry recovered.
    #[serde(skip_serializing_if = "FailedCalls::is_empty")]
    pub aws_failures: FailedCalls,
}

impl Summary {
    /// Counts an object of a listing.
    fn count_found(&mut self, listed: &Listed) {
        self.found += 1;
        self.oldest_seconds = self.oldest_seconds.max(listed.modified.elapsed().unwrap_or_default().as_secs());
    }

    /// Counts a listing that ended early: there are more objects.
    fn count_unlisted(&mut self) {
        self.unlisted += 1;
        self.found += 1;
    }

    /// Counts an object that is not a whole undelivered payload.
    fn count_damaged(&mut self, key: &str) {
        self.damaged += 1;
        if self.damaged_keys.len() < MAX_NAMED {
            self.damaged_keys.push(ReportedKey::new(key));
        }
    }

    fn add(&mut self, other: Self) {
        self.found += other.found;
        self.unlisted += other.unlisted;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.gone += other.gone;
        self.failed += other.failed;
        self.damaged += other.damaged;
        self.damaged_keys.extend(other.damaged_keys);
        self.damaged_keys.truncate(MAX_NAMED);
        self.oldest_seconds = self.oldest_seconds.max(other.oldest_seconds);
        self.aws_failures.extend(other.aws_failures);
    }
}

/// The key of a damaged or foreign object, for the log. A key can be any text, so a limited length of it is kept, in
/// safe characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReportedKey(String);

impl ReportedKey {
    fn new(key: &str) -> Self {
        let is_safe = |character: &char| character.is_ascii_alphanumeric() || "/._=-".contains(*character);
        let shown = key.chars().take(MAX_KEY_CHARACTERS);
        Self(shown.map(|character| if is_safe(&character) { character } else { '?' }).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Sends undelivered payloads to their queues.
pub struct Redelivery<Q, P> {
    storage: Storage<Q, P>,
}

impl<Q: Queues, P: PayloadStore + UndeliveredStore> Redelivery<Q, P> {
    pub fn new(storage: Storage<Q, P>) -> Self {
        Self { storage }
    }

    /// Sends what is undelivered, within the budget.
    ///
    /// # Errors
    /// If the first page of the first listing fails: then nothing is known about what waits.
    pub async fn run(&self, budget: RunBudget) -> Result<Summary, AwsError> {
        let end_of_listing = budget.end_of_listing();
        // Usually nothing waits, and this is the only call.
        let mut failures = FailedCalls::default();
        let top = self.list_page(UNDELIVERED_PREFIX, Depth::One, None, &mut failures).await?;
        let keys = || top.common_prefixes.iter().chain(top.listed.iter().map(|listed| &listed.key));
        let waiting: Vec<_> = Kind::ALL
            .into_iter()
            // If there are so many foreign objects that there is a second page, the queues may be on that page.
            .filter(|kind| top.next.is_some() || keys().any(|key| undelivered::kind_of(key) == Some(*kind)))
            .collect();
        let queues = waiting.into_iter().map(async |kind| {
            let (oldest_first, listing) = self.list(kind, end_of_listing).await;
            (listing, self.send_all(kind, oldest_first, budget).await)
        });
        let (queues, foreign) = join(join_all(queues), self.list_foreign(top, end_of_listing)).await;
        let (mut listings, sendings): (Vec<_>, Vec<_>) = queues.into_iter().unzip();
        listings.push(foreign);

        let mut summary = Summary { aws_failures: failures, ..Summary::default() };
        // The summary names only some failures and keys, so the order matters: failed listings come first, and damaged
        // payloads come before foreign objects.
        for listing in &mut listings {
            summary.aws_failures.extend(mem::take(&mut listing.aws_failures));
        }
        for part in sendings.into_iter().chain(listings) {
            summary.add(part);
        }
        summary.left = summary.found.saturating_sub(summary.sent + summary.gone);
        Ok(summary)
    }

    /// What waits for a queue, oldest first.
    async fn list(&self, kind: Kind, end_of_listing: Instant) -> (Vec<Waiting>, Summary) {
        let prefix = undelivered::prefix(kind);
        let mut summary = Summary::default();
        let mut oldest = BinaryHeap::new();
        let mut after = None;
        loop {
            let page = match self.list_page(&prefix, Depth::All, after, &mut summary.aws_failures).await {
                Ok(page) => page,
                Err(failed) => {
                    summary.aws_failures.push(failed);
                    summary.count_unlisted();
                    break;
                }
            };
            for listed in page.listed.iter().filter(|listed| !listed.is_folder()) {
                summary.count_found(listed);
                match Waiting::read(kind, listed) {
                    Some(waiting) => oldest.push(waiting),
                    None => summary.count_damaged(&listed.key),
                }
                if oldest.len() > MAX_PER_QUEUE {
                    // `pop` removes the greatest, which is the newest.
                    oldest.pop();
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            if Instant::now() >= end_of_listing {
                summary.count_unlisted();
                break;
            }
        }
        (oldest.into_sorted_vec(), summary)
    }

    /// Counts the objects under `undelivered/` that are under no queue's prefix. `page` is the first page of the
    /// listing of `undelivered/` itself.
    async fn list_foreign(&self, mut page: Page, end_of_listing: Instant) -> Summary {
        let is_foreign = |key: &str| undelivered::kind_of(key).is_none();
        let mut summary = Summary::default();
        let mut folders = VecDeque::new();
        let (mut prefix, mut depth) = (UNDELIVERED_PREFIX.to_owned(), Depth::One);
        for pages in 1.. {
            for listed in page.listed.iter().filter(|listed| is_foreign(&listed.key) && !listed.is_folder()) {
                summary.count_found(listed);
                summary.count_damaged(&listed.key);
            }
            folders.extend(page.common_prefixes.into_iter().filter(|folder| is_foreign(folder)));
            // Each folder takes at least one page, so more folders could not be listed anyway.
            folders.truncate(MAX_FOREIGN_PAGES);
            if page.next.is_none() {
                let Some(folder) = folders.pop_front() else { return summary };
                (prefix, depth) = (folder, Depth::All);
            }
            if pages == MAX_FOREIGN_PAGES || Instant::now() >= end_of_listing {
                break;
            }
            page = match self.list_page(&prefix, depth, page.next, &mut summary.aws_failures).await {
                Ok(page) => page,
                Err(failed) => {
                    summary.aws_failures.push(failed);
                    break;
                }
            };
        }
        summary.count_unlisted();
        summary
    }

    async fn list_page(
        &self,
        prefix: &str,
        depth: Depth,
        after: Option<String>,
        failures: &mut FailedCalls,
    ) -> Result<Page, AwsError> {
        let list = || self.storage.payloads.list(prefix, depth, after.clone());
        retry::until(TimeBudget::start().end(), Operation::ListObjectsV2, failures, list).await
    }

    /// Sends the payloads of one queue.
    async fn send_all(&self, kind: Kind, oldest_first: Vec<Waiting>, budget: RunBudget) -> Summary {
        let mut summary = Summary::default();
        let mut failures_in_a_row = 0;
        for Waiting { digest, bytes, .. } in oldest_first {
            let length = usize::try_from(bytes).unwrap_or(usize::MAX);
            let too_much = summary.sent_bytes + u64::from(bytes) > budget.bytes_per_queue;
            // Send the first payload even if there may be too little time: the next run has no more.
            let is_first = summary.sent + summary.gone + summary.failed + summary.damaged == 0;
            if !budget.has_time(if is_first { 0 } else { length }) || too_much || failures_in_a_row == MAX_FAILURES {
                break;
            }
            let key = &UndeliveredKey::new(kind, digest);
            match self.send(key, length, &mut summary.aws_failures).await {
                Ok(Outcome::Sent) => {
                    failures_in_a_row = 0;
                    summary.sent += 1;
                    summary.sent_bytes += u64::from(bytes);
                }
                Ok(Outcome::Gone) => summary.gone += 1,
                Ok(Outcome::Damaged) => summary.count_damaged(&key.to_string()),
                Err(failed) => {
                    // A problem of one payload must not hold up the others: its object cannot be fetched, or the queue
                    // will never accept it. A failed removal counts, because the payload is sent again at every run.
                    let concerns_one_payload =
                        failed.operation == Operation::GetObject || failed.meaning() == Meaning::ContentRejected;
                    failures_in_a_row += u32::from(!concerns_one_payload);
                    // The queue is in trouble, and may have taken the message. Another attempt could send it twice and
                    // leave a claim check's object in the bucket, so this queue waits for the next run.
                    if failed.operation == Operation::SendMessage && !failed.was_rejected() {
                        failures_in_a_row = MAX_FAILURES;
                    }
                    summary.failed += 1;
                    summary.aws_failures.push(failed);
                }
            }
        }
        summary
    }

    /// Sends one payload and removes its object.
    async fn send(&self, key: &UndeliveredKey, bytes: usize, failures: &mut FailedCalls) -> Result<Outcome, AwsError> {
        let get = || self.storage.payloads.get(key);
        let limit = Instant::now() + budget_of(bytes);
        let object = retry::until_with(bytes, limit, Operation::GetObject, failures, get).await?;
        let Some(object) = object else { return Ok(Outcome::Gone) };
        let Some(payload) = UndeliveredPayload::read(key.clone(), object.body, &object.metadata) else {
            return Ok(Outcome::Damaged);
        };
        let message = payload.into_message();
        let receipt = self.enqueue(&message, failures).await?;
        let remove = || self.storage.payloads.remove(key, &receipt);
        retry::until(TimeBudget::start().end(), Operation::DeleteObject, failures, remove).await?;
        Ok(Outcome::Sent)
    }

    async fn enqueue(&self, message: &Message, failures: &mut FailedCalls) -> Result<Receipt, AwsError> {
        let mut object = ClaimCheckObject::default();
        let limit = Instant::now() + budget_of(message.body().len());
        let sent = self.storage.enqueue(message, limit, &mut object, None, failures).await;
        // Without this, a queue that rejects messages for a day would leave one more object in the bucket at each run.
        if sent.as_ref().is_err_and(AwsError::was_rejected)
            && let Some(unused) = object.into_unused()
        {
            let delete = self.storage.payloads.delete_unused(&unused);
            if let Err(failed) = attempt(Operation::DeleteObject, Instant::now() + ATTEMPT, delete).await {
                failures.push(failed);
            }
        }
        sent
    }
}

/// What is kept of a listed payload until its turn comes. The oldest is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    modified: SystemTime,
    /// The DeliveryId, as bytes: tens of thousands of these are in memory at a time.
    digest: [u8; 32],
    bytes: u32,
}

impl Waiting {
    /// `None` for an object that neither the receiver nor the recovery made: its key is not a payload's, or it is too
    /// large.
    fn read(kind: Kind, listed: &Listed) -> Option<Self> {
        let digest = undelivered::digest(kind, &listed.key)?;
        let longest = if kind == Kind::AccountsDetail { MAX_RECOVERED_BYTES } else { CALLBACK_BYTES };
        usize::try_from(listed.bytes).ok().filter(|bytes| *bytes <= longest)?;
        Some(Self { modified: listed.modified, digest, bytes: listed.bytes.try_into().ok()? })
    }
}

/// What happened to an undelivered payload.
enum Outcome {
    /// It was sent, and its object was removed.
    Sent,
    /// Its object was not there any more.
    Gone,
    /// Its object is not a whole undelivered payload.
    Damaged,
}

#[cfg(test)]
mod tests;
