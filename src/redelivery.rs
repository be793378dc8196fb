//! The way back: what is spilled goes to its queue once that takes it again.
//!
//! A run lists what is under `undelivered/` and sends it oldest first, each queue's payloads one by one and the queues side
//! by side, until the [`Budget`] is used up. An object is removed only for the [`Receipt`] of its message. So two runs at
//! once, or one that ends between the two, send a payload twice, under the same DeliveryId, and lose none. What is no whole
//! spilled payload is left where it is, and told of.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    aws,
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    config::RedeliveryConfig,
    kind::Kind,
    log::{Entry, Level, Line},
    message::Message,
    metric::Metric,
    retry,
    spilled::{Spilled, SpilledKey},
    storage::{ClaimCheckObject, Joining, PayloadStore, Queues, Receipt, Storage},
    time_budget::TimeBudget,
};

/// What the payload store must be able to do for a redelivery. Each call is one attempt.
pub trait SpilledPayloads {
    /// What is spilled, page by page; `after` is what the page before named as [`Page::next`].
    fn list(&self, after: Option<String>) -> impl Future<Output = Result<Page, AwsError>> + Send;

    /// An object, whole. None if it is gone.
    fn get(&self, key: &SpilledKey) -> impl Future<Output = Result<Option<Object>, AwsError>> + Send;

    /// Removes an object that has been put on its queue.
    fn remove(&self, key: &SpilledKey, sent: &Receipt) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// A page of the listing.
#[derive(Default)]
pub struct Page {
    pub listed: Vec<Listed>,
    pub next: Option<String>,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub modified: SystemTime,
    pub bytes: u64,
}

/// An object.
#[derive(Clone)]
pub struct Object {
    pub body: Bytes,
    pub metadata: HashMap<String, String>,
}

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When it begins nothing more.
    pub stop: Instant,
    /// Most bytes that are sent to one queue.
    pub bytes_per_queue: u64,
}

impl Budget {
    /// The budget of a function that Lambda ends at `deadline`.
    pub fn until(deadline: SystemTime) -> Self {
        /// Enough for thousands of callbacks of usual sizes; a fortieth of it is held in memory at a time.
        const BYTES_PER_QUEUE: u64 = 250_000_000;
        /// However slow each call is: fetching takes 9 seconds at most, sending 11.5, removing 9.
        const LONGEST: Duration = Duration::from_secs(30);
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        // With less time than the template gives, half of it. To be cut off is no loss: only an error too many.
        let time = left.saturating_sub(LONGEST).max(left / 2);
        Self { stop: Instant::now() + time, bytes_per_queue: BYTES_PER_QUEUE }
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.stop
    }
}

/// No callback is as large: Lambda's events end at 6 MB.
const LARGEST_BYTES: u64 = 6_291_456;
/// Most objects that a run deals with: the oldest. More cannot be sent in the time, and each takes some memory.
const MOST_LISTED: usize = 20_000;
/// When so often in a row nothing could be sent, or be removed once it was sent, a queue is left alone until the next run.
const MOST_FAILURES: u32 = 3;
/// Most keys of damaged objects that are named.
const MOST_TOLD: usize = 10;

/// What a run did: the function's answer and its line in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects under `undelivered/` when the run began.
    pub found: usize,
    /// Payloads put on their queues.
    pub sent: usize,
    pub sent_bytes: u64,
    /// Objects that were gone when their turn came: another run sent them.
    pub gone: usize,
    /// Payloads that could not be fetched, sent or removed this time.
    pub failed: usize,
    /// Objects that are no whole spilled payload: their keys, where they have the form of one, and how many in all.
    pub damaged: usize,
    pub damaged_keys: Vec<String>,
    /// Objects that are still there at the end.
    pub left: usize,
    /// Age of the oldest when the run began.
    pub oldest_seconds: u64,
    /// Failed calls to AWS, including ones that a retry recovered.
    #[serde(skip_serializing_if = "FailedCalls::is_empty")]
    pub aws_failures: FailedCalls,
}

impl Summary {
    /// Notes an object that is no whole spilled payload.
    fn damaged(&mut self, key: Option<&SpilledKey>) {
        self.damaged += 1;
        self.damaged_keys.extend(key.map(ToString::to_string));
        self.damaged_keys.truncate(MOST_TOLD);
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.gone += other.gone;
        self.failed += other.failed;
        self.damaged += other.damaged;
        self.damaged_keys.extend(other.damaged_keys);
        self.damaged_keys.truncate(MOST_TOLD);
        self.aws_failures.extend(other.aws_failures);
    }

    /// The line of the log, with the metrics of the function of this name.
    pub fn line(&self, function_name: &str, now: SystemTime) -> Entry {
        let level = match self {
            Self { failed: 0, damaged: 0, left: 0, .. } => Level::Info,
            Self { failed: 0, damaged: 0, .. } => Level::Warn,
            _ => Level::Error,
        };
        let mut line = Line::new(level, "redelivery", now);
        line.set("found", self.found);
        line.set("gone", self.gone);
        line.set("damaged", self.damaged);
        if !self.damaged_keys.is_empty() {
            line.set("damagedKeys", &self.damaged_keys);
        }
        if !self.aws_failures.is_empty() {
            line.set("awsFailures", &self.aws_failures);
        }
        line.measure(Metric::Redelivered, self.sent);
        line.measure(Metric::RedeliveredBytes, self.sent_bytes);
        line.measure(Metric::RedeliveryFailures, self.failed + self.damaged);
        line.measure(Metric::Undelivered, self.left);
        line.measure(Metric::UndeliveredAge, self.oldest_seconds);
        line.finish(function_name, now)
    }
}

/// Sends on what is spilled.
pub struct Redelivery<Q, P> {
    storage: Storage<Q, P>,
    /// By the key of an undelivered payload, the key of a claim check's object that no message points to: its queue
    /// refused the message. The next run uses it again, or a queue that is down would leave one more object at each run.
    unused_objects: Mutex<HashMap<String, String>>,
}

/// The redelivery that runs on AWS.
pub type AwsRedelivery = Redelivery<aws::Sqs, aws::S3>;

impl AwsRedelivery {
    pub fn on_aws(config: &RedeliveryConfig) -> Self {
        Self::new(Storage::on_aws(&config.storage, &config.aws))
    }
}

impl<Q: Queues, P: PayloadStore + SpilledPayloads> Redelivery<Q, P> {
    pub fn new(storage: Storage<Q, P>) -> Self {
        Self { storage, unused_objects: Mutex::default() }
    }

    /// Sends on what is spilled, within the budget.
    ///
    /// # Errors
    /// When not even the first page of the listing can be had: then nothing is known of what waits.
    pub async fn run(&self, budget: Budget) -> Result<Summary, AwsError> {
        let mut summary = Summary::default();
        let oldest_first = self.list(budget, &mut summary).await?;
        if let Some(oldest) = oldest_first.first() {
            summary.oldest_seconds = oldest.modified.elapsed().unwrap_or_default().as_secs();
        }
        let keyed: Vec<_> = oldest_first.iter().map(|listed| (SpilledKey::read(&listed.key), listed)).collect();
        for _ in keyed.iter().filter(|(key, _)| key.is_none()) {
            summary.damaged(None);
        }
        let queues = Kind::ALL.map(|kind| {
            let of_kind = keyed.iter().filter_map(move |(key, listed)| {
                let key = key.as_ref().filter(|key| key.kind() == kind)?;
                Some((key, *listed))
            });
            self.send_all(of_kind, budget)
        });
        for of_queue in join_all(queues).await {
            summary.add(of_queue);
        }
        summary.left = summary.found.saturating_sub(summary.sent + summary.gone);
        Ok(summary)
    }

    /// What is spilled, oldest first.
    async fn list(&self, budget: Budget, summary: &mut Summary) -> Result<Vec<Listed>, AwsError> {
        let mut page = self.list_page(None, &mut summary.aws_failures).await?;
        let mut oldest = Vec::new();
        loop {
            summary.found += page.listed.len();
            oldest.append(&mut page.listed);
            oldest.sort_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
            oldest.truncate(MOST_LISTED);
            let Some(next) = page.next.take().filter(|_| budget.has_time()) else { return Ok(oldest) };
            match self.list_page(Some(next), &mut summary.aws_failures).await {
                Ok(next) => page = next,
                Err(failed) => {
                    summary.aws_failures.push(failed);
                    return Ok(oldest);
                }
            }
        }
    }

    async fn list_page(&self, after: Option<String>, failures: &mut FailedCalls) -> Result<Page, AwsError> {
        let limit = TimeBudget::start().end();
        retry::until(limit, Operation::ListObjectsV2, failures, || self.storage.payloads.list(after.clone())).await
    }

    /// Sends on what belongs on one queue.
    async fn send_all<'l>(
        &self,
        oldest_first: impl Iterator<Item = (&'l SpilledKey, &'l Listed)>,
        budget: Budget,
    ) -> Summary {
        let mut summary = Summary::default();
        let mut failures_in_a_row = 0;
        for (key, listed) in oldest_first {
            if listed.bytes > LARGEST_BYTES {
                summary.damaged(Some(key));
                continue;
            }
            let too_much = summary.sent_bytes + listed.bytes > budget.bytes_per_queue;
            if !budget.has_time() || too_much || failures_in_a_row == MOST_FAILURES {
                break;
            }
            match self.send(key, &mut summary.aws_failures).await {
                Ok(Sent::Yes) => {
                    failures_in_a_row = 0;
                    summary.sent += 1;
                    summary.sent_bytes += listed.bytes;
                }
                Ok(Sent::Gone) => summary.gone += 1,
                Ok(Sent::Damaged) => summary.damaged(Some(key)),
                Err(failed) => {
                    // What is the fault of one payload must not hold up the others: an object that cannot be fetched, a
                    // message that the queue will never carry. What was sent and stays would be sent at every run.
                    let of_one =
                        failed.operation == Operation::GetObject || failed.meaning() == Meaning::ContentRefused;
                    failures_in_a_row += u32::from(!of_one);
                    summary.failed += 1;
                    summary.aws_failures.push(failed);
                }
            }
        }
        summary
    }

    /// Sends on one payload and removes it.
    async fn send(&self, key: &SpilledKey, failures: &mut FailedCalls) -> Result<Sent, AwsError> {
        let limit = TimeBudget::start().end();
        let get = || self.storage.payloads.get(key);
        let Some(object) = retry::until(limit, Operation::GetObject, failures, get).await? else {
            return Ok(Sent::Gone);
        };
        let Some(spilled) = Spilled::read(key.clone(), object.body, &object.metadata) else {
            return Ok(Sent::Damaged);
        };
        let message = Message::of_spilled(spilled);
        let receipt = self.enqueue(key, &message, failures).await?;
        let limit = TimeBudget::start().end();
        let remove = || self.storage.payloads.remove(key, &receipt);
        retry::until(limit, Operation::DeleteObject, failures, remove).await?;
        Ok(Sent::Yes)
    }

    async fn enqueue(
        &self,
        key: &SpilledKey,
        message: &Message,
        failures: &mut FailedCalls,
    ) -> Result<Receipt, AwsError> {
        let (key, limit) = (key.to_string(), TimeBudget::start().end());
        let unused = || self.unused_objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut object = unused().remove(&key).map_or_else(ClaimCheckObject::default, ClaimCheckObject::unused);
        let sent = self.storage.enqueue(message, limit, &mut object, &Joining::new(limit), failures).await;
        if let Some(object) = object.into_unused() {
            unused().insert(key, object);
        }
        sent
    }
}

/// What became of an object.
enum Sent {
    Yes,
    /// It was not there any more.
    Gone,
    /// It is no whole spilled payload.
    Damaged,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        aws_error::Reason,
        event::{Event, ResponseTypes},
        message::Attribute,
        signature::{AuthenticCallback, Form},
        spilled,
    };

    const SEND: &str = "SendMessage";
    const PUT: &str = "PutObject";
    const GET: &str = "GetObject";
    const REMOVE: &str = "DeleteObject";

    /// Queues and a store with objects of a given age, and what happened to them in order.
    #[derive(Default)]
    struct Fakes {
        objects: Mutex<Vec<(Listed, Object)>>,
        /// Operation and, for one object alone, its key: they fail.
        failing: Vec<(&'static str, Option<String>)>,
        /// Queues that take nothing, and keys of payloads that none will ever carry.
        closed: Vec<Kind>,
        uncarriable: Vec<String>,
        sent: Mutex<Vec<String>>,
        page: usize,
    }

    impl Fakes {
        /// Adds a spilled payload: a body of its own, last modified so many seconds ago.
        fn spill(&self, body: &'static str, age: u64) -> String {
            let event = Event::read(AuthenticCallback::unproven(body, Form::Raw), &ResponseTypes::new());
            let message = Message::of(&event, SystemTime::UNIX_EPOCH);
            let metadata = spilled::metadata(&message).map(|(name, value)| (name.to_owned(), value.to_owned()));
            let key = SpilledKey::of(&message).to_string();
            self.put(&key, age, body, metadata.into());
            key
        }

        fn spill_all(&self, bodies: &[&'static str]) -> Vec<String> {
            bodies.iter().map(|body| self.spill(body, 9)).collect()
        }

        fn put(&self, key: &str, age: u64, body: &'static str, metadata: HashMap<String, String>) {
            let modified = SystemTime::now() - Duration::from_secs(age);
            let listed = Listed { key: key.to_owned(), modified, bytes: body.len() as u64 };
            self.objects.lock().unwrap().push((listed, Object { body: body.into(), metadata }));
        }

        fn check(&self, operation: &'static str, key: Option<&str>) -> Result<(), AwsError> {
            let fails = |(failing, of): &(&str, Option<String>)| {
                *failing == operation && (of.is_none() || of.as_deref() == key)
            };
            let of = match operation {
                SEND => Operation::SendMessage,
                PUT => Operation::PutObject,
                GET => Operation::GetObject,
                REMOVE => Operation::DeleteObject,
                _ => Operation::ListObjectsV2,
            };
            if self.failing.iter().any(fails) { Err(AwsError::new(of, Reason::Service)) } else { Ok(()) }
        }

        async fn run(&self) -> Summary {
            self.run_within(Duration::from_secs(270), 1_000_000).await.unwrap()
        }

        async fn run_within(&self, time: Duration, bytes_per_queue: u64) -> Result<Summary, AwsError> {
            let redelivery = Redelivery::new(Storage::new(self, self));
            redelivery.run(Budget { stop: Instant::now() + time, bytes_per_queue }).await
        }

        fn sent(&self) -> Vec<String> {
            self.sent.lock().unwrap().clone()
        }

        fn left(&self) -> usize {
            self.objects.lock().unwrap().len()
        }
    }

    impl Queues for &Fakes {
        async fn send(
            &self,
            kind: Kind,
            body: String,
            attributes: &[Attribute],
            _: Option<&str>,
        ) -> Result<(), AwsError> {
            self.check(SEND, None)?;
            if self.closed.contains(&kind) {
                return Err(AwsError::new(Operation::SendMessage, Reason::Service));
            }
            let id = &attributes.iter().find(|attribute| attribute.name == "DeliveryId").unwrap().value;
            if self.uncarriable.iter().any(|key| key.ends_with(id)) {
                let code = Some("InvalidMessageContents".to_owned());
                return Err(AwsError { code, ..AwsError::new(Operation::SendMessage, Reason::Service) });
            }
            self.sent.lock().unwrap().push(body);
            Ok(())
        }
    }

    impl PayloadStore for &Fakes {
        fn bucket(&self) -> &str {
            "bucket"
        }

        async fn put(&self, _: &str, _: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
            self.check(PUT, None)
        }
    }

    impl SpilledPayloads for &Fakes {
        async fn list(&self, after: Option<String>) -> Result<Page, AwsError> {
            self.check(if after.is_some() { "next page" } else { "first page" }, None)?;
            let from: usize = after.map_or(0, |after| after.parse().unwrap());
            let objects = self.objects.lock().unwrap();
            let page = if self.page == 0 { usize::MAX } else { self.page };
            let next = objects.len() > from.saturating_add(page);
            let listed = objects.iter().skip(from).take(page).map(|(listed, _)| listed.clone()).collect();
            Ok(Page { listed, next: next.then(|| (from + page).to_string()) })
        }

        async fn get(&self, key: &SpilledKey) -> Result<Option<Object>, AwsError> {
            let key = key.to_string();
            self.check(GET, Some(&key))?;
            let objects = self.objects.lock().unwrap();
            Ok(objects.iter().find(|(listed, _)| listed.key == key).map(|(_, object)| object.clone()))
        }

        async fn remove(&self, key: &SpilledKey, _: &Receipt) -> Result<(), AwsError> {
            let key = key.to_string();
            self.check(REMOVE, Some(&key))?;
            self.objects.lock().unwrap().retain(|(listed, _)| listed.key != key);
            Ok(())
        }
    }

    const KYC: [&str; 4] = [
        r#"{"ResponseType":"KYC"}"#,
        r#"{"ResponseType":"KYC","Tag":"1"}"#,
        r#"{"ResponseType":"KYC","Tag":"2"}"#,
        r#"{"ResponseType":"KYC","Tag":"3"}"#,
    ];
    const FRAUD: &str = r#"{"DocumentAnalysis":[]}"#;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_whatever_page_it_is_on() {
        let fakes = Fakes { page: 2, ..Fakes::default() };
        for (body, age) in [(KYC[0], 10), (KYC[1], 30), (KYC[2], 20), (KYC[3], 40)] {
            fakes.spill(body, age);
        }
        let summary = fakes.run().await;
        assert_eq!(fakes.sent(), [KYC[3], KYC[1], KYC[2], KYC[0]]);
        assert_eq!((summary.found, summary.sent, summary.left, summary.oldest_seconds), (4, 4, 0, 40));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_does_not_take_stays() {
        let fakes = Fakes { failing: vec![(SEND, None)], ..Fakes::default() };
        fakes.spill_all(&KYC);
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.failed, summary.left, fakes.left()), (0, 3, 4, 4), "after three it gives up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_does_not_hold_up_the_others() {
        let fakes = Fakes { closed: vec![Kind::Kyc], ..Fakes::default() };
        fakes.spill_all(&KYC);
        fakes.spill(FRAUD, 1);
        assert_eq!(fakes.run().await.sent, 1);
        assert_eq!(fakes.sent(), [FRAUD]);
    }

    #[tokio::test(start_paused = true)]
    async fn objects_that_cannot_be_fetched_do_not_hold_up_the_others() {
        let mut fakes = Fakes::default();
        let keys = fakes.spill_all(&KYC);
        fakes.failing = keys.into_iter().take(3).map(|key| (GET, Some(key))).collect();
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.failed, summary.left), (1, 3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn payloads_that_no_queue_will_carry_do_not_hold_up_the_others() {
        let mut fakes = Fakes::default();
        fakes.uncarriable = fakes.spill_all(&KYC).into_iter().take(3).collect();
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.failed, summary.left), (1, 3, 3));
        assert_eq!(fakes.sent(), [KYC[3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_removes_nothing_does_not_have_everything_sent_again_and_again() {
        let fakes = Fakes { failing: vec![(REMOVE, None)], ..Fakes::default() };
        fakes.spill_all(&KYC);
        assert_eq!(fakes.run().await.failed, 3);
        assert_eq!(fakes.sent().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_and_not_removed_is_sent_again() {
        let mut fakes = Fakes { failing: vec![(REMOVE, None)], ..Fakes::default() };
        fakes.spill(FRAUD, 1);
        assert_eq!(fakes.run().await.left, 1);
        fakes.failing.clear();
        assert_eq!(fakes.run().await.left, 0);
        assert_eq!(fakes.sent(), [FRAUD, FRAUD]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_whole_spilled_payload_is_left_and_told() {
        let fakes = Fakes::default();
        let whole = fakes.spill(FRAUD, 1);
        let metadata = fakes.objects.lock().unwrap()[0].1.metadata.clone();
        let other = whole.replace("UploadFraudQueue", "KycQueue");
        fakes.put(&other, 2, "{\"DocumentAnalysis\":[", metadata.clone());
        let without_metadata = whole.replace("UploadFraudQueue", "PayQueue");
        fakes.put(&without_metadata, 3, FRAUD, HashMap::new());
        for key in ["undelivered/note.txt", &whole.replace("UploadFraudQueue", "NoQueue"), &whole.to_uppercase()] {
            fakes.put(key, 4, FRAUD, metadata.clone());
        }
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.damaged, summary.left, fakes.left()), (1, 5, 5, 5));
        assert_eq!(summary.damaged_keys, [other, without_metadata]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_ends_a_run_and_the_next_one_goes_on() {
        let fakes = Fakes::default();
        fakes.spill_all(&KYC);
        assert_eq!(fakes.run_within(Duration::ZERO, 1_000).await.unwrap().sent, 0, "no time");
        assert_eq!(fakes.run_within(Duration::from_secs(270), 60).await.unwrap().sent, 2, "no room for a third");
        assert_eq!(fakes.run().await.sent, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_leaves_time_for_its_last_payload() {
        let stops_after = |seconds| {
            let budget = Budget::until(SystemTime::now() + Duration::from_secs(seconds));
            (budget.stop - Instant::now()).as_secs_f64().round()
        };
        assert_eq!((stops_after(300), stops_after(40), stops_after(0)), (270.0, 20.0, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_fails_on_its_way_is_used_as_far_as_it_came() {
        let mut fakes = Fakes { page: 3, failing: vec![("next page", None)], ..Fakes::default() };
        fakes.spill_all(&KYC);
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.aws_failures.iter().count()), (3, 1));
        fakes.failing = vec![("first page", None)];
        assert!(fakes.run_within(Duration::from_secs(270), 1_000).await.is_err());
    }
}
