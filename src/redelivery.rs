//! The way back: what is spilled goes to its queue once that takes it again.
//!
//! A run lists what is under `undelivered/`, each queue's payloads by themselves, and sends them oldest first, one by one,
//! until the [`Budget`] is used up. The queues go side by side: one that takes nothing, or that cannot be listed, holds up
//! no other. An object is removed only for the [`Receipt`] of its message. So two runs at once, or one that ends between
//! the two, send a payload twice, under the same DeliveryId, and lose none. Corrupt objects stay in place and are
//! reported.

use std::{
    collections::{BinaryHeap, HashMap, VecDeque},
    future::Future,
    mem,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    aws,
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    config::{LambdaFunction, RedeliveryConfig},
    kind::Kind,
    log::{Entry, Level, Line},
    message::Message,
    metric::Metric,
    retry::{self, attempt},
    spilled::{self, Spilled, SpilledKey},
    storage::{ClaimCheckObject, PayloadStore, Queues, Receipt, Storage},
    time_budget::{ATTEMPT, BUDGET, TimeBudget},
};

/// What the payload store must be able to do for a redelivery. Each call is one attempt.
pub trait SpilledPayloads {
    /// The objects under a prefix, page by page; `after` is what the page before named as [`Page::next`].
    fn list(
        &self,
        prefix: &str,
        depth: Depth,
        after: Option<String>,
    ) -> impl Future<Output = Result<Page, AwsError>> + Send;

    /// An object, whole. None if it is gone.
    fn get(&self, key: &SpilledKey) -> impl Future<Output = Result<Option<Object>, AwsError>> + Send;

    /// Deletes a claim check's object that no message points to.
    fn discard(&self, key: &str) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Removes an object that has been put on its queue.
    fn remove(&self, key: &SpilledKey, sent: &Receipt) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// What a listing names of the objects under its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Those with no slash behind the prefix. The others only as [`Page::common_prefixes`].
    One,
    All,
}

/// A page of a listing.
#[derive(Default)]
pub struct Page {
    pub listed: Vec<Listed>,
    /// What keys with a slash behind the prefix begin with, up to and with that slash.
    pub common_prefixes: Vec<String>,
    pub next: Option<String>,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub modified: SystemTime,
    pub bytes: u64,
}

impl Listed {
    /// The consoles of S3 make such an object to show an empty folder. It holds nothing.
    fn is_folder(&self) -> bool {
        self.bytes == 0 && self.key.ends_with('/')
    }
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
        /// However slow AWS is, fetching, sending and removing a payload take as long as a callback may, each. The rest is
        /// for what is not AWS.
        const LONGEST: Duration = BUDGET.saturating_mul(3).saturating_add(Duration::from_millis(1_500));
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        // With less time than the template gives, half of it at least. To be cut off is no loss: only an error too many.
        let time = left.saturating_sub(LONGEST).max(left / 2);
        Self { stop: Instant::now() + time, bytes_per_queue: BYTES_PER_QUEUE }
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.stop
    }

    /// When the listings of a run that begins now end: half of its time is left to send what they found.
    fn end_of_listing(&self) -> Instant {
        let now = Instant::now();
        now + self.stop.saturating_duration_since(now) / 2
    }
}

/// No callback is as large: Lambda's events end at 6 MB.
const LARGEST_BYTES: u32 = 6_291_456;
/// Most objects that a run deals with for each queue: the oldest. More cannot be sent in the time, and six queues' take
/// ten of the 256 megabytes that the function has at least.
const MOST_PER_QUEUE: usize = 20_000;
/// Most pages that are looked through for foreign objects. Nobody waits for those: they are only counted.
const MOST_FOREIGN_PAGES: usize = 20;
/// When so often in a row nothing could be sent, or be removed once it was sent, a queue is left alone until the next run.
const MOST_FAILURES: u32 = 3;
/// Most keys of damaged and foreign objects that are named.
const MOST_NAMED: usize = 10;
/// Longest part of a foreign key that is reported, in characters.
const LONGEST_KEY: usize = 128;

/// What a run did: the function's answer and its line in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects under `undelivered/` when the run began, without the empty ones that stand for folders.
    pub found: usize,
    /// Listings that failed or took too long. What they had not listed is one object each in `found` and `left`, however
    /// many there are.
    pub unlisted: usize,
    /// Payloads put on their queues.
    pub sent: usize,
    pub sent_bytes: u64,
    /// Objects that were gone when their turn came: another run sent them.
    pub gone: usize,
    /// Payloads that could not be fetched, sent or removed this time.
    pub failed: usize,
    /// Objects that are no whole spilled payload, foreign ones among them: how many, and the keys of some.
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
    /// Notes an object that a listing names.
    fn found(&mut self, listed: &Listed) {
        self.found += 1;
        self.oldest_seconds = self.oldest_seconds.max(listed.modified.elapsed().unwrap_or_default().as_secs());
    }

    /// Notes that a listing ended early: there is more.
    fn cut_short(&mut self) {
        self.unlisted += 1;
        self.found += 1;
    }

    /// Notes an object that is no whole spilled payload. What is foreign can have any name, so of its key only what cannot
    /// be taken for anything else in a log is shown.
    fn damaged(&mut self, key: &str) {
        self.damaged += 1;
        if self.damaged_keys.len() < MOST_NAMED {
            let is_safe = |character: &char| character.is_ascii_alphanumeric() || "/._=-".contains(*character);
            let shown = key.chars().take(LONGEST_KEY);
            self.damaged_keys.push(shown.map(|character| if is_safe(&character) { character } else { '?' }).collect());
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
        self.damaged_keys.truncate(MOST_NAMED);
        self.oldest_seconds = self.oldest_seconds.max(other.oldest_seconds);
        self.aws_failures.extend(other.aws_failures);
    }

    /// The line of the log, with the function's metrics.
    pub fn line(&self, function: &LambdaFunction, now: SystemTime) -> Entry {
        let level = match self {
            Self { failed: 0, damaged: 0, unlisted: 0, left: 0, .. } => Level::Info,
            Self { failed: 0, damaged: 0, unlisted: 0, .. } => Level::Warn,
            _ => Level::Error,
        };
        let mut line = Line::new(level, "redelivery", now);
        line.set("found", self.found);
        line.set("unlisted", self.unlisted);
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
        line.measure(Metric::RedeliveryFailures, self.failed + self.damaged + self.unlisted);
        line.measure(Metric::Undelivered, self.left);
        line.measure(Metric::UndeliveredAge, self.oldest_seconds);
        line.finish(function, now)
    }
}

/// Sends on what is spilled.
pub struct Redelivery<Q, P> {
    storage: Storage<Q, P>,
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
        Self { storage }
    }

    /// Sends on what is spilled, within the budget.
    ///
    /// # Errors
    /// When not even the first page of the first listing can be had: then nothing is known of what waits.
    pub async fn run(&self, budget: Budget) -> Result<Summary, AwsError> {
        let end_of_listing = budget.end_of_listing();
        // Mostly nothing waits: then this is the only call.
        let mut failures = FailedCalls::default();
        let top = self.list_page(spilled::PREFIX, Depth::One, None, &mut failures).await?;
        let keys = || top.common_prefixes.iter().chain(top.listed.iter().map(|listed| &listed.key));
        let waiting: Vec<_> = Kind::ALL
            .into_iter()
            // With so many foreign objects that there is a second page, the queues may be on that one.
            .filter(|kind| top.next.is_some() || keys().any(|key| spilled::queue_of(key) == Some(*kind)))
            .collect();
        let queues = waiting.into_iter().map(async |kind| {
            let (oldest_first, listing) = self.list(kind, end_of_listing).await;
            (listing, self.send_all(kind, oldest_first, budget).await)
        });
        let (queues, foreign) = join(join_all(queues), self.list_foreign(top, end_of_listing)).await;
        let (mut listings, sendings): (Vec<_>, Vec<_>) = queues.into_iter().unzip();
        listings.push(foreign);

        let mut summary = Summary { aws_failures: failures, ..Summary::default() };
        // Where there is no room for all, the failed listings matter most, and damaged payloads more than foreign objects.
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
        let prefix = spilled::prefix(kind);
        let mut summary = Summary::default();
        let mut oldest = BinaryHeap::new();
        let mut after = None;
        loop {
            let page = match self.list_page(&prefix, Depth::All, after, &mut summary.aws_failures).await {
                Ok(page) => page,
                Err(failed) => {
                    summary.aws_failures.push(failed);
                    summary.cut_short();
                    break;
                }
            };
            for listed in page.listed.iter().filter(|listed| !listed.is_folder()) {
                summary.found(listed);
                match Waiting::read(kind, listed) {
                    Some(waiting) => oldest.push(waiting),
                    None => summary.damaged(&listed.key),
                }
                if oldest.len() > MOST_PER_QUEUE {
                    oldest.pop();
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            if Instant::now() >= end_of_listing {
                summary.cut_short();
                break;
            }
        }
        (oldest.into_sorted_vec(), summary)
    }

    /// Counts the objects under `undelivered/` that are in no queue's place. `page` is the first one of the level of the
    /// queues.
    async fn list_foreign(&self, mut page: Page, end_of_listing: Instant) -> Summary {
        let is_foreign = |key: &str| spilled::queue_of(key).is_none();
        let mut summary = Summary::default();
        let mut folders = VecDeque::new();
        let (mut prefix, mut depth) = (spilled::PREFIX.to_owned(), Depth::One);
        for pages in 1.. {
            for listed in page.listed.iter().filter(|listed| is_foreign(&listed.key) && !listed.is_folder()) {
                summary.found(listed);
                summary.damaged(&listed.key);
            }
            folders.extend(page.common_prefixes.into_iter().filter(|folder| is_foreign(folder)));
            // Each takes a page, so more are not looked into.
            folders.truncate(MOST_FOREIGN_PAGES);
            if page.next.is_none() {
                let Some(folder) = folders.pop_front() else { return summary };
                (prefix, depth) = (folder, Depth::All);
            }
            if pages == MOST_FOREIGN_PAGES || Instant::now() >= end_of_listing {
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
        summary.cut_short();
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

    /// Sends on what belongs on one queue.
    async fn send_all(&self, kind: Kind, oldest_first: Vec<Waiting>, budget: Budget) -> Summary {
        let mut summary = Summary::default();
        let mut failures_in_a_row = 0;
        for Waiting { digest, bytes, .. } in oldest_first {
            let bytes = u64::from(bytes);
            let too_much = summary.sent_bytes + bytes > budget.bytes_per_queue;
            if !budget.has_time() || too_much || failures_in_a_row == MOST_FAILURES {
                break;
            }
            let key = &SpilledKey::new(kind, digest);
            match self.send(key, &mut summary.aws_failures).await {
                Ok(Sent::Yes) => {
                    failures_in_a_row = 0;
                    summary.sent += 1;
                    summary.sent_bytes += bytes;
                }
                Ok(Sent::Gone) => summary.gone += 1,
                Ok(Sent::Damaged) => summary.damaged(&key.to_string()),
                Err(failed) => {
                    // What is the fault of one payload must not hold up the others: an object that cannot be fetched, a
                    // message that the queue will never carry. What was sent and stays would be sent at every run.
                    let of_one =
                        failed.operation == Operation::GetObject || failed.meaning() == Meaning::ContentRefused;
                    failures_in_a_row += u32::from(!of_one);
                    // The queue is in trouble, and may have taken the message. Each attempt may add one, and leave a claim
                    // check's object behind: enough for this run.
                    if failed.operation == Operation::SendMessage && !failed.was_rejected() {
                        failures_in_a_row = MOST_FAILURES;
                    }
                    summary.failed += 1;
                    summary.aws_failures.push(failed);
                }
            }
        }
        summary
    }

    /// Sends on one payload and removes it.
    async fn send(&self, key: &SpilledKey, failures: &mut FailedCalls) -> Result<Sent, AwsError> {
        let get = || self.storage.payloads.get(key);
        let object = retry::until(TimeBudget::start().end(), Operation::GetObject, failures, get).await?;
        let Some(object) = object else { return Ok(Sent::Gone) };
        let Some(spilled) = Spilled::read(key.clone(), object.body, &object.metadata) else {
            return Ok(Sent::Damaged);
        };
        let message = Message::of_spilled(spilled);
        let receipt = self.enqueue(&message, failures).await?;
        let remove = || self.storage.payloads.remove(key, &receipt);
        retry::until(TimeBudget::start().end(), Operation::DeleteObject, failures, remove).await?;
        Ok(Sent::Yes)
    }

    async fn enqueue(&self, message: &Message, failures: &mut FailedCalls) -> Result<Receipt, AwsError> {
        let mut object = ClaimCheckObject::default();
        let sent = self.storage.enqueue(message, TimeBudget::start().end(), &mut object, None, failures).await;
        // A queue that rejects messages for a day would leave an object behind at each run.
        if sent.as_ref().is_err_and(AwsError::was_rejected)
            && let Some(unused) = object.into_unused()
        {
            let discard = self.storage.payloads.discard(&unused);
            if let Err(failed) = attempt(Operation::DeleteObject, Instant::now() + ATTEMPT, discard).await {
                failures.push(failed);
            }
        }
        sent
    }
}

/// What is kept of a listed payload until its turn comes. The order is that of the age, oldest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    modified: SystemTime,
    /// The DeliveryId, as bytes: tens of thousands of these are in memory at a time.
    digest: [u8; 32],
    bytes: u32,
}

impl Waiting {
    /// None for an object that the receiver did not make: foreign, or too large.
    fn read(kind: Kind, listed: &Listed) -> Option<Self> {
        let digest = spilled::digest(kind, &listed.key)?;
        let bytes = listed.bytes.try_into().ok().filter(|bytes| *bytes <= LARGEST_BYTES)?;
        Some(Self { modified: listed.modified, digest, bytes })
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
    use std::{collections::BTreeMap, sync::Mutex};

    use tokio::time::sleep;

    use super::*;
    use crate::{
        aws_error::Reason,
        event::{Event, ResponseTypes},
        message::Attribute,
        signature::{AuthenticCallback, Form},
    };

    const SEND: &str = "SendMessage";
    const PUT: &str = "PutObject";
    const GET: &str = "GetObject";
    const REMOVE: &str = "DeleteObject";

    fn rejected(operation: Operation, code: &str) -> AwsError {
        AwsError { status: Some(400), code: Some(code.to_owned()), ..AwsError::new(operation, Reason::Service) }
    }

    /// Queues and a store with objects of a given age, and what happened to them in order.
    #[derive(Default)]
    struct Fakes {
        objects: Mutex<BTreeMap<String, (Listed, Object)>>,
        /// Operation and, for one object alone, its key, or for one listing its prefix: they fail.
        failing: Vec<(&'static str, Option<String>)>,
        /// Queues that take nothing, and keys of payloads that none will ever carry.
        closed: Vec<Kind>,
        uncarriable: Vec<String>,
        sent: Mutex<Vec<String>>,
        /// Most that a page has; 0 for no limit. How long each takes. The prefix of each that there was.
        page: usize,
        page_takes: Duration,
        pages: Mutex<Vec<String>>,
    }

    impl Fakes {
        /// Adds a spilled payload: a body of its own, last modified so many seconds ago.
        fn spill(&self, body: impl Into<Bytes>, age: u64) -> String {
            let body = body.into();
            let event = Event::read(AuthenticCallback::unproven(body.clone(), Form::Raw), &ResponseTypes::new());
            let message = Message::of(&event, SystemTime::UNIX_EPOCH);
            let metadata = spilled::metadata(&message).map(|(name, value)| (name.to_owned(), value.to_owned()));
            let key = SpilledKey::of(&message).to_string();
            self.put(&key, age, body, metadata.into());
            key
        }

        fn spill_all(&self, bodies: &[&'static str]) -> Vec<String> {
            bodies.iter().map(|body| self.spill(*body, 9)).collect()
        }

        fn put(&self, key: &str, age: u64, body: impl Into<Bytes>, metadata: HashMap<String, String>) {
            let body = body.into();
            let modified = SystemTime::now() - Duration::from_secs(age);
            let listed = Listed { key: key.to_owned(), modified, bytes: body.len() as u64 };
            self.objects.lock().unwrap().insert(key.to_owned(), (listed, Object { body, metadata }));
        }

        /// Adds objects that the receiver did not make.
        fn put_foreign<const N: usize>(&self, keys: [&str; N]) {
            for key in keys {
                self.put(key, 7_200, "foreign", HashMap::new());
            }
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
            if self.failing.iter().any(fails) { Err(rejected(of, "AccessDenied")) } else { Ok(()) }
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
                return Err(rejected(Operation::SendMessage, "AccessDenied"));
            }
            let id = &attributes.iter().find(|attribute| attribute.name == "DeliveryId").unwrap().value;
            if self.uncarriable.iter().any(|key| key.ends_with(id)) {
                return Err(rejected(Operation::SendMessage, "InvalidMessageContents"));
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
        async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
            self.pages.lock().unwrap().push(prefix.to_owned());
            self.check(if after.is_some() { "next page" } else { "first page" }, Some(prefix))?;
            sleep(self.page_takes).await;
            let most = if self.page == 0 { usize::MAX } else { self.page };
            let mut page = Page::default();
            let mut last = after.unwrap_or_default();
            let objects = self.objects.lock().unwrap();
            for (key, (listed, _)) in objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix))
            {
                let slash = key[prefix.len()..].find('/').filter(|_| depth == Depth::One);
                let name = slash.map_or(key.as_str(), |at| &key[..prefix.len() + at + 1]);
                if *name <= *last {
                    continue;
                }
                if page.listed.len() + page.common_prefixes.len() == most {
                    page.next = Some(last);
                    break;
                }
                match slash {
                    Some(_) => page.common_prefixes.push(name.to_owned()),
                    None => page.listed.push(listed.clone()),
                }
                last = name.to_owned();
            }
            Ok(page)
        }

        async fn get(&self, key: &SpilledKey) -> Result<Option<Object>, AwsError> {
            let key = key.to_string();
            self.check(GET, Some(&key))?;
            Ok(self.objects.lock().unwrap().get(&key).map(|(_, object)| object.clone()))
        }

        async fn discard(&self, key: &str) -> Result<(), AwsError> {
            self.check(REMOVE, Some(key))?;
            self.objects.lock().unwrap().remove(key);
            Ok(())
        }

        async fn remove(&self, key: &SpilledKey, _: &Receipt) -> Result<(), AwsError> {
            self.discard(&key.to_string()).await
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
        let metadata = fakes.objects.lock().unwrap()[&whole].1.metadata.clone();
        let other = whole.replace("UploadFraudQueue", "KycQueue");
        fakes.put(&other, 2, "{\"DocumentAnalysis\":[", metadata.clone());
        let without_metadata = whole.replace("UploadFraudQueue", "PayQueue");
        fakes.put(&without_metadata, 3, FRAUD, HashMap::new());
        let no_queue = whole.replace("UploadFraudQueue", "NoQueue");
        let upper_case = whole.to_uppercase().replace("UNDELIVERED/UPLOADFRAUDQUEUE", "undelivered/UploadFraudQueue");
        for key in ["undelivered/note.txt", &no_queue, &upper_case] {
            fakes.put(key, 4, FRAUD, metadata.clone());
        }
        fakes.put(&SpilledKey::new(Kind::Pay, [1; 32]).to_string(), 5, vec![b' '; 6_291_457], metadata);
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.damaged, summary.left, fakes.left()), (1, 6, 6, 6));
        let too_large = format!("undelivered/PayQueue/{}", "01".repeat(32));
        let expected = [&other, &without_metadata, &too_large, &upper_case, "undelivered/note.txt", &no_queue];
        assert_eq!(summary.damaged_keys, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_waits_one_call_is_made() {
        let fakes = Fakes::default();
        assert_eq!(fakes.run().await, Summary::default());
        assert_eq!(*fakes.pages.lock().unwrap(), ["undelivered/"]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_queues_that_have_something_are_listed() {
        let fakes = Fakes::default();
        fakes.spill(FRAUD, 1);
        assert_eq!(fakes.run().await.sent, 1);
        assert_eq!(*fakes.pages.lock().unwrap(), ["undelivered/", "undelivered/UploadFraudQueue/"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_with_more_payloads_than_a_run_can_take_starves_no_other() {
        let fakes = Fakes { closed: vec![Kind::Kyc], page: 1_000, ..Fakes::default() };
        for number in 0..20_001 {
            fakes.spill(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#), 7_200);
        }
        for number in 0..5 {
            fakes.spill(format!(r#"{{"sessionId":"{number}","status":"Completed"}}"#), 60);
        }
        let summary = fakes.run().await;
        assert_eq!((summary.found, summary.sent, summary.failed, summary.left), (20_006, 5, 3, 20_001));
        assert_eq!(fakes.sent().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_takes_the_oldest_of_a_long_queue() {
        let fakes = Fakes { page: 1_000, ..Fakes::default() };
        for number in 0..MOST_PER_QUEUE {
            fakes.spill(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#), 7_200);
        }
        let newer = [KYC[0], KYC[1]].map(|body| fakes.spill(body, 60));
        let summary = fakes.run_within(Duration::from_secs(270), u64::MAX).await.unwrap();
        assert_eq!((summary.sent, summary.damaged, summary.left), (MOST_PER_QUEUE, 0, 2));
        assert!(newer.iter().all(|key| fakes.objects.lock().unwrap().contains_key(key)));
        assert_eq!(fakes.run().await.left, 0);
    }

    #[test]
    fn six_long_queues_take_little_of_the_functions_memory() {
        // A heap grows to the next power of two.
        let bytes = MOST_PER_QUEUE.next_power_of_two() * size_of::<Waiting>() * Kind::ALL.len();
        assert!(bytes < 16 * 1024 * 1024, "{bytes}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_empty_objects_of_a_console_that_stand_for_folders_are_ignored() {
        let fakes = Fakes::default();
        fakes.spill(KYC[0], 9);
        for key in ["", "KycQueue/", "KycQueue/archive/", "PayQueue/", "archive/", "archive/2026/"] {
            fakes.put(&format!("undelivered/{key}"), 7_200, "", HashMap::new());
        }
        let summary = fakes.run().await;
        assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (1, 1, 0, 0));
        assert_eq!((summary.unlisted, summary.oldest_seconds), (0, 9));
        assert_eq!(fakes.run().await, Summary::default());
        assert_eq!(fakes.left(), 6, "nothing is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn foreign_objects_are_counted_and_ten_of_them_named_in_safe_characters() {
        let fakes = Fakes { page: 2, ..Fakes::default() };
        fakes.spill(KYC[0], 9);
        let long = format!("undelivered/{}", "x".repeat(200));
        fakes.put_foreign(["undelivered/Zoé\n{\"a\": 1}+%.txt", &long, "undelivered/folder/", "undelivered/KycQueue"]);
        fakes.put_foreign(["undelivered/KycQueue/a/b", "undelivered/NoQueue/1", "undelivered/NoQueue/2/3=_-."]);
        fakes.put_foreign(["undelivered/a", "undelivered/b", "undelivered/c", "undelivered/d", "undelivered/e"]);
        let summary = fakes.run().await;
        assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (13, 1, 12, 12));
        assert_eq!((summary.unlisted, summary.oldest_seconds), (0, 7_200));
        let expected = [
            "undelivered/KycQueue/a/b",
            "undelivered/KycQueue",
            "undelivered/Zo????a???1???.txt",
            "undelivered/a",
            "undelivered/b",
            "undelivered/c",
            "undelivered/d",
            "undelivered/e",
            &long[..128],
            "undelivered/NoQueue/1",
        ];
        assert_eq!(summary.damaged_keys, expected);
        assert_eq!(fakes.left(), 12, "nothing foreign is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_foreign_objects_that_not_all_are_looked_at_hold_up_no_payload() {
        let fakes = Fakes { page: 1, ..Fakes::default() };
        fakes.spill(KYC[0], 9);
        for number in 0..30 {
            fakes.put_foreign([&format!("undelivered/{number}"), &format!("undelivered/folder-{number}/file")]);
        }
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.damaged, summary.unlisted, summary.left), (1, MOST_FOREIGN_PAGES, 1, 21));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_cannot_be_listed_holds_up_no_other_and_is_known_to_wait() {
        for (page, of_kyc) in [("first page", 0), ("next page", 2)] {
            let failing = vec![(page, Some("undelivered/KycQueue/".to_owned()))];
            let fakes = Fakes { page: 2, failing, ..Fakes::default() };
            fakes.spill_all(&KYC);
            fakes.spill(FRAUD, 1);
            let summary = fakes.run().await;
            assert_eq!((summary.found, summary.sent, summary.left), (of_kyc + 2, of_kyc + 1, 1), "{page}");
            assert_eq!((summary.unlisted, summary.aws_failures.iter().count()), (1, 1), "{page}");
            let function = LambdaFunction { name: "f".to_owned(), version: "$LATEST".to_owned() };
            let line: serde_json::Value =
                serde_json::from_slice(summary.line(&function, SystemTime::now()).as_bytes()).unwrap();
            assert_eq!(line["level"], "ERROR");
            for (field, count) in
                [("found", of_kyc + 2), ("unlisted", 1), ("Undelivered", 1), ("RedeliveryFailures", 1)]
            {
                assert_eq!(line[field], count, "{line}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_failed_listing_is_reported_even_if_much_else_failed() {
        let failing = vec![(SEND, None), ("first page", Some("undelivered/UploadFraudQueue/".to_owned()))];
        let fakes = Fakes { failing, ..Fakes::default() };
        for body in ["", "{", "3", r#"{"sessionId":1,"status":1}"#, r#"{"sessionId":2,"status":1}"#, FRAUD] {
            fakes.spill(body, 1);
        }
        for kind in ["KYC", "GetAccountsDetail", "Investments"] {
            for number in 0..3 {
                fakes.spill(format!(r#"{{"ResponseType":"{kind}","RequestId":"{number}"}}"#), 1);
            }
        }
        let summary = fakes.run().await;
        let first = summary.aws_failures.iter().next().map(|call| call.error.operation);
        assert_eq!(first, Some(Operation::ListObjectsV2));
    }

    #[tokio::test(start_paused = true)]
    async fn foreign_objects_that_cannot_be_listed_hold_up_no_payload() {
        for (page, prefix) in [("next page", "undelivered/"), ("first page", "undelivered/foreign/")] {
            let fakes = Fakes { page: 2, failing: vec![(page, Some(prefix.to_owned()))], ..Fakes::default() };
            fakes.spill(FRAUD, 1);
            if prefix == "undelivered/" {
                // So the first page has no queue.
                fakes.put_foreign(["undelivered/0", "undelivered/1"]);
            } else {
                fakes.put_foreign(["undelivered/foreign/0"]);
            }
            let summary = fakes.run().await;
            assert_eq!((summary.sent, summary.unlisted, summary.aws_failures.iter().count()), (1, 1, 1), "{page}");
            assert!(summary.left >= 1, "{page}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_takes_too_long_leaves_half_of_the_time_to_send() {
        let fakes = Fakes { page: 1, page_takes: Duration::from_secs(2), ..Fakes::default() };
        for body in KYC {
            fakes.spill(body, 1);
        }
        let summary = fakes.run_within(Duration::from_secs(9), 1_000_000).await.unwrap();
        assert_eq!((summary.sent, summary.unlisted, summary.left, fakes.left()), (2, 1, 1, 2));
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
        assert_eq!((stops_after(300), stops_after(90)), (264.0, 54.0));
        assert_eq!((stops_after(40), stops_after(0)), (20.0, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_fails_on_its_way_is_used_as_far_as_it_came() {
        let mut fakes = Fakes { page: 3, failing: vec![("next page", None)], ..Fakes::default() };
        fakes.spill_all(&KYC);
        let summary = fakes.run().await;
        assert_eq!((summary.sent, summary.left, summary.aws_failures.iter().count()), (3, 1, 1));
        fakes.failing = vec![("first page", None)];
        assert!(fakes.run_within(Duration::from_secs(270), 1_000).await.is_err());
    }
}
