use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use bytes::Bytes;
use tokio::time::sleep;

use super::*;
use crate::{
    auth::{AuthenticCallback, SignatureForm},
    aws_error::Reason,
    config::LambdaFunction,
    delivery::{DeliveryId, Object, OutboundMessage},
    routing::{ClassifiedCallback, ResponseTypes},
    telemetry::redelivery_line,
};

fn damaged_keys(summary: &Summary) -> Vec<&str> {
    summary.damaged_keys.iter().map(ReportedKey::as_str).collect()
}

const SEND: &str = "SendMessage";
const PUT: &str = "PutObject";
const GET: &str = "GetObject";
const REMOVE: &str = "DeleteObject";

fn rejected(operation: Operation, code: &str) -> AwsError {
    AwsError { status: Some(400), code: Some(code.to_owned()), ..AwsError::new(operation, Reason::Service) }
}

/// Queues and a store with objects of a given age, and what happened to them in order.
#[derive(Default)]
struct FakeAws {
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

impl FakeAws {
    /// Adds an undelivered payload: a body of its own, last modified so many seconds ago.
    fn add(&self, body: impl Into<Bytes>, age: u64) -> String {
        let body = body.into();
        let callback = AuthenticCallback::for_test(body.clone(), SignatureForm::Raw);
        let classified = ClassifiedCallback::classify(callback, &ResponseTypes::new());
        let message = Message::from_callback(&classified, SystemTime::UNIX_EPOCH);
        let metadata = undelivered::metadata(&message).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let key = UndeliveredKey::for_message(&message).to_string();
        self.put(&key, age, body, metadata.into());
        key
    }

    fn add_all(&self, bodies: &[&'static str]) -> Vec<String> {
        bodies.iter().map(|body| self.add(*body, 9)).collect()
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
        let fails =
            |(failing, of): &(&str, Option<String>)| *failing == operation && (of.is_none() || of.as_deref() == key);
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
        redelivery.run(RunBudget { stop: Instant::now() + time, bytes_per_queue }).await
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }

    fn left(&self) -> usize {
        self.objects.lock().unwrap().len()
    }
}

impl Queues for &FakeAws {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let OutboundMessage { kind, body, attributes, .. } = message;
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

impl PayloadStore for &FakeAws {
    fn bucket(&self) -> &str {
        "bucket"
    }

    async fn put(&self, _: &str, _: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
        self.check(PUT, None)
    }
}

impl UndeliveredStore for &FakeAws {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        self.pages.lock().unwrap().push(prefix.to_owned());
        self.check(if after.is_some() { "next page" } else { "first page" }, Some(prefix))?;
        sleep(self.page_takes).await;
        let most = if self.page == 0 { usize::MAX } else { self.page };
        let mut page = Page::default();
        let mut last = after.unwrap_or_default();
        let objects = self.objects.lock().unwrap();
        for (key, (listed, _)) in objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
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

    async fn get(&self, key: &UndeliveredKey) -> Result<Option<Object>, AwsError> {
        let key = key.to_string();
        self.check(GET, Some(&key))?;
        Ok(self.objects.lock().unwrap().get(&key).map(|(_, object)| object.clone()))
    }

    async fn delete_unused(&self, key: &str) -> Result<(), AwsError> {
        self.check(REMOVE, Some(key))?;
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }

    async fn remove(&self, key: &UndeliveredKey, _: &Receipt) -> Result<(), AwsError> {
        self.delete_unused(&key.to_string()).await
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
    let fake = FakeAws { page: 2, ..FakeAws::default() };
    for (body, age) in [(KYC[0], 10), (KYC[1], 30), (KYC[2], 20), (KYC[3], 40)] {
        fake.add(body, age);
    }
    let summary = fake.run().await;
    assert_eq!(fake.sent(), [KYC[3], KYC[1], KYC[2], KYC[0]]);
    assert_eq!((summary.found, summary.sent, summary.left, summary.oldest_seconds), (4, 4, 0, 40));
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_does_not_take_stays() {
    let fake = FakeAws { failing: vec![(SEND, None)], ..FakeAws::default() };
    fake.add_all(&KYC);
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.failed, summary.left, fake.left()), (0, 3, 4, 4), "after three it gives up");
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_does_not_hold_up_the_others() {
    let fake = FakeAws { closed: vec![Kind::Kyc], ..FakeAws::default() };
    fake.add_all(&KYC);
    fake.add(FRAUD, 1);
    assert_eq!(fake.run().await.sent, 1);
    assert_eq!(fake.sent(), [FRAUD]);
}

#[tokio::test(start_paused = true)]
async fn objects_that_cannot_be_fetched_do_not_hold_up_the_others() {
    let mut fake = FakeAws::default();
    let keys = fake.add_all(&KYC);
    fake.failing = keys.into_iter().take(3).map(|key| (GET, Some(key))).collect();
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.failed, summary.left), (1, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn payloads_that_no_queue_will_carry_do_not_hold_up_the_others() {
    let mut fake = FakeAws::default();
    fake.uncarriable = fake.add_all(&KYC).into_iter().take(3).collect();
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.failed, summary.left), (1, 3, 3));
    assert_eq!(fake.sent(), [KYC[3]]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_removes_nothing_does_not_have_everything_sent_again_and_again() {
    let fake = FakeAws { failing: vec![(REMOVE, None)], ..FakeAws::default() };
    fake.add_all(&KYC);
    assert_eq!(fake.run().await.failed, 3);
    assert_eq!(fake.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_not_removed_is_sent_again() {
    let mut fake = FakeAws { failing: vec![(REMOVE, None)], ..FakeAws::default() };
    fake.add(FRAUD, 1);
    assert_eq!(fake.run().await.left, 1);
    fake.failing.clear();
    assert_eq!(fake.run().await.left, 0);
    assert_eq!(fake.sent(), [FRAUD, FRAUD]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_object_stays_and_is_reported() {
    let fake = FakeAws::default();
    let whole = fake.add(FRAUD, 1);
    let metadata = fake.objects.lock().unwrap()[&whole].1.metadata.clone();
    let other = whole.replace("UploadFraudQueue", "KycQueue");
    fake.put(&other, 2, "{\"DocumentAnalysis\":[", metadata.clone());
    let without_metadata = whole.replace("UploadFraudQueue", "PayQueue");
    fake.put(&without_metadata, 3, FRAUD, HashMap::new());
    let no_queue = whole.replace("UploadFraudQueue", "NoQueue");
    let upper_case = whole.to_uppercase().replace("UNDELIVERED/UPLOADFRAUDQUEUE", "undelivered/UploadFraudQueue");
    for key in ["undelivered/note.txt", &no_queue, &upper_case] {
        fake.put(key, 4, FRAUD, metadata.clone());
    }
    fake.put(&UndeliveredKey::new(Kind::Pay, [1; 32]).to_string(), 5, vec![b' '; 6_291_457], metadata);
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.damaged, summary.left, fake.left()), (1, 6, 6, 6));
    let too_large = format!("undelivered/PayQueue/{}", "01".repeat(32));
    let expected = [&other, &without_metadata, &too_large, &upper_case, "undelivered/note.txt", &no_queue];
    assert_eq!(damaged_keys(&summary), expected);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_waits_one_call_is_made() {
    let fake = FakeAws::default();
    assert_eq!(fake.run().await, Summary::default());
    assert_eq!(*fake.pages.lock().unwrap(), ["undelivered/"]);
}

#[tokio::test(start_paused = true)]
async fn only_queues_that_have_something_are_listed() {
    let fake = FakeAws::default();
    fake.add(FRAUD, 1);
    assert_eq!(fake.run().await.sent, 1);
    assert_eq!(*fake.pages.lock().unwrap(), ["undelivered/", "undelivered/UploadFraudQueue/"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_with_more_payloads_than_a_run_can_take_starves_no_other() {
    let fake = FakeAws { closed: vec![Kind::Kyc], page: 1_000, ..FakeAws::default() };
    for number in 0..20_001 {
        fake.add(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#), 7_200);
    }
    for number in 0..5 {
        fake.add(format!(r#"{{"sessionId":"{number}","status":"Completed"}}"#), 60);
    }
    let summary = fake.run().await;
    assert_eq!((summary.found, summary.sent, summary.failed, summary.left), (20_006, 5, 3, 20_001));
    assert_eq!(fake.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_the_oldest_of_a_long_queue() {
    let fake = FakeAws { page: 1_000, ..FakeAws::default() };
    for number in 0..MAX_PER_QUEUE {
        fake.add(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#), 7_200);
    }
    let newer = [KYC[0], KYC[1]].map(|body| fake.add(body, 60));
    let summary = fake.run_within(Duration::from_secs(270), u64::MAX).await.unwrap();
    assert_eq!((summary.sent, summary.damaged, summary.left), (MAX_PER_QUEUE, 0, 2));
    assert!(newer.iter().all(|key| fake.objects.lock().unwrap().contains_key(key)));
    assert_eq!(fake.run().await.left, 0);
}

#[test]
fn six_long_queues_take_little_of_the_functions_memory() {
    // A heap grows to the next power of two.
    let bytes = MAX_PER_QUEUE.next_power_of_two() * size_of::<Waiting>() * Kind::ALL.len();
    assert!(bytes < 16 * 1024 * 1024, "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn the_empty_objects_of_a_console_that_stand_for_folders_are_ignored() {
    let fake = FakeAws::default();
    fake.add(KYC[0], 9);
    for key in ["", "KycQueue/", "KycQueue/archive/", "PayQueue/", "archive/", "archive/2026/"] {
        fake.put(&format!("undelivered/{key}"), 7_200, "", HashMap::new());
    }
    let summary = fake.run().await;
    assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (1, 1, 0, 0));
    assert_eq!((summary.unlisted, summary.oldest_seconds), (0, 9));
    assert_eq!(fake.run().await, Summary::default());
    assert_eq!(fake.left(), 6, "nothing is removed");
}

#[tokio::test(start_paused = true)]
async fn foreign_objects_are_counted_and_ten_of_them_named_in_safe_characters() {
    let fake = FakeAws { page: 2, ..FakeAws::default() };
    fake.add(KYC[0], 9);
    let long = format!("undelivered/{}", "x".repeat(200));
    fake.put_foreign(["undelivered/Zoé\n{\"a\": 1}+%.txt", &long, "undelivered/folder/", "undelivered/KycQueue"]);
    fake.put_foreign(["undelivered/KycQueue/a/b", "undelivered/NoQueue/1", "undelivered/NoQueue/2/3=_-."]);
    fake.put_foreign(["undelivered/a", "undelivered/b", "undelivered/c", "undelivered/d", "undelivered/e"]);
    let summary = fake.run().await;
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
    assert_eq!(damaged_keys(&summary), expected);
    assert_eq!(fake.left(), 12, "nothing foreign is removed");
}

#[tokio::test(start_paused = true)]
async fn so_many_foreign_objects_that_not_all_are_looked_at_hold_up_no_payload() {
    let fake = FakeAws { page: 1, ..FakeAws::default() };
    fake.add(KYC[0], 9);
    for number in 0..30 {
        fake.put_foreign([&format!("undelivered/{number}"), &format!("undelivered/folder-{number}/file")]);
    }
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.damaged, summary.unlisted, summary.left), (1, MAX_FOREIGN_PAGES, 1, 21));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_listed_holds_up_no_other_and_is_known_to_wait() {
    for (page, of_kyc) in [("first page", 0), ("next page", 2)] {
        let failing = vec![(page, Some("undelivered/KycQueue/".to_owned()))];
        let fake = FakeAws { page: 2, failing, ..FakeAws::default() };
        fake.add_all(&KYC);
        fake.add(FRAUD, 1);
        let summary = fake.run().await;
        assert_eq!((summary.found, summary.sent, summary.left), (of_kyc + 2, of_kyc + 1, 1), "{page}");
        assert_eq!((summary.unlisted, summary.aws_failures.iter().count()), (1, 1), "{page}");
        let function = LambdaFunction { name: "f".to_owned(), version: "$LATEST".to_owned() };
        let line: serde_json::Value =
            serde_json::from_slice(redelivery_line(&summary, &function, SystemTime::now()).as_bytes()).unwrap();
        assert_eq!(line["level"], "ERROR");
        for (field, count) in [("found", of_kyc + 2), ("unlisted", 1), ("Undelivered", 1), ("RedeliveryFailures", 1)] {
            assert_eq!(line[field], count, "{line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_failed_listing_is_reported_even_if_much_else_failed() {
    let failing = vec![(SEND, None), ("first page", Some("undelivered/UploadFraudQueue/".to_owned()))];
    let fake = FakeAws { failing, ..FakeAws::default() };
    for body in ["", "{", "3", r#"{"sessionId":1,"status":1}"#, r#"{"sessionId":2,"status":1}"#, FRAUD] {
        fake.add(body, 1);
    }
    for kind in ["KYC", "GetAccountsDetail", "Investments"] {
        for number in 0..3 {
            fake.add(format!(r#"{{"ResponseType":"{kind}","RequestId":"{number}"}}"#), 1);
        }
    }
    let summary = fake.run().await;
    let first = summary.aws_failures.iter().next().map(|call| call.error.operation);
    assert_eq!(first, Some(Operation::ListObjectsV2));
}

#[tokio::test(start_paused = true)]
async fn foreign_objects_that_cannot_be_listed_hold_up_no_payload() {
    for (page, prefix) in [("next page", "undelivered/"), ("first page", "undelivered/foreign/")] {
        let fake = FakeAws { page: 2, failing: vec![(page, Some(prefix.to_owned()))], ..FakeAws::default() };
        fake.add(FRAUD, 1);
        if prefix == "undelivered/" {
            // So the first page has no queue.
            fake.put_foreign(["undelivered/0", "undelivered/1"]);
        } else {
            fake.put_foreign(["undelivered/foreign/0"]);
        }
        let summary = fake.run().await;
        assert_eq!((summary.sent, summary.unlisted, summary.aws_failures.iter().count()), (1, 1, 1), "{page}");
        assert!(summary.left >= 1, "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_takes_too_long_leaves_half_of_the_time_to_send() {
    let fake = FakeAws { page: 1, page_takes: Duration::from_secs(2), ..FakeAws::default() };
    for body in KYC {
        fake.add(body, 1);
    }
    let summary = fake.run_within(Duration::from_secs(9), 1_000_000).await.unwrap();
    assert_eq!((summary.sent, summary.unlisted, summary.left, fake.left()), (2, 1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_a_run_and_the_next_one_goes_on() {
    let fake = FakeAws::default();
    fake.add_all(&KYC);
    assert_eq!(fake.run_within(Duration::ZERO, 1_000).await.unwrap().sent, 0, "no time");
    assert_eq!(fake.run_within(Duration::from_secs(270), 60).await.unwrap().sent, 2, "no room for a third");
    assert_eq!(fake.run().await.sent, 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_leaves_time_for_its_last_payload() {
    let stops_after = |seconds| {
        let budget = RunBudget::until(SystemTime::now() + Duration::from_secs(seconds));
        (budget.stop - Instant::now()).as_secs_f64().round()
    };
    assert_eq!((stops_after(300), stops_after(90)), (264.0, 54.0));
    assert_eq!((stops_after(40), stops_after(0)), (20.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_on_its_way_is_used_as_far_as_it_came() {
    let mut fake = FakeAws { page: 3, failing: vec![("next page", None)], ..FakeAws::default() };
    fake.add_all(&KYC);
    let summary = fake.run().await;
    assert_eq!((summary.sent, summary.left, summary.aws_failures.iter().count()), (3, 1, 1));
    fake.failing = vec![("first page", None)];
    assert!(fake.run_within(Duration::from_secs(270), 1_000).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn only_a_recovered_payload_may_be_longer_than_a_callback() {
    let longer = vec![b' '; CALLBACK_BYTES + 1];
    for kind in Kind::ALL {
        let fake = FakeAws::default();
        let digest: [u8; 32] = hex::decode(DeliveryId::of_body(&longer).as_str()).unwrap().try_into().unwrap();
        let metadata = [("signature-form", "api"), ("received-at", "2026-10-01T17:57:16.411Z")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned()));
        fake.put(&UndeliveredKey::new(kind, digest).to_string(), 5, longer.clone(), metadata.into());
        let is_recovered = usize::from(kind == Kind::AccountsDetail);
        let summary = fake.run_within(Duration::from_secs(270), 99_000_000).await.unwrap();
        assert_eq!((summary.sent, summary.damaged), (is_recovered, 1 - is_recovered), "{kind:?}");
    }
    let waiting = |bytes| {
        let key = UndeliveredKey::new(Kind::AccountsDetail, [1; 32]).to_string();
        Waiting::read(Kind::AccountsDetail, &Listed { key, modified: SystemTime::UNIX_EPOCH, bytes }).is_some()
    };
    assert!(waiting(MAX_RECOVERED_BYTES as u64) && !waiting(MAX_RECOVERED_BYTES as u64 + 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_payload_is_sent_if_there_is_time_or_if_it_is_the_first() {
    let long = |seed: u8| vec![seed; 10 * CALLBACK_BYTES];
    let metadata = || {
        let metadata = [("signature-form", "api"), ("received-at", "2026-10-01T17:57:16.411Z")];
        HashMap::from(metadata.map(|(name, value)| (name.to_owned(), value.to_owned())))
    };
    for (seconds, expected) in [(10, 1), (60, 2)] {
        let fake = FakeAws::default();
        for seed in [b'1', b'2'] {
            let digest: [u8; 32] = hex::decode(DeliveryId::of_body(&long(seed)).as_str()).unwrap().try_into().unwrap();
            let key = UndeliveredKey::new(Kind::AccountsDetail, digest).to_string();
            fake.put(&key, u64::from(seed), long(seed), metadata());
        }
        let summary = fake.run_within(Duration::from_secs(seconds), 999_000_000).await.unwrap();
        assert_eq!((summary.sent, summary.left), (expected, 2 - expected), "{seconds} s");
    }
}
