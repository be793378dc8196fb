//! The consumer with everything in memory, and with a local S3 and a local DynamoDB.

mod cases;
mod local_aws;
mod memory;
mod mine;

use std::{
    cell::RefCell,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use lambda_runtime::Context;

use super::*;
use memory::{Folder, Memory};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
const BUCKET: &str = "flinks-payloads";

/// The record of a fixture.
fn record(fixture: &str) -> Value {
    let text = fs::read_to_string(format!("{FIXTURES}/sqs/{fixture}.json")).unwrap();
    let event: Value = serde_json::from_str(&text).unwrap();
    event["Records"][0].clone()
}

fn delivery_id(record: &Value) -> String {
    record["messageAttributes"]["DeliveryId"]["stringValue"].as_str().unwrap_or_default().to_owned()
}

fn event(records: &[Value], left: Duration) -> LambdaEvent<Value> {
    invocation(json!({ "Records": records }), left)
}

fn invocation(event: Value, left: Duration) -> LambdaEvent<Value> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let mut context = Context::default();
    context.request_id = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    context.deadline = u64::try_from(millis(SystemTime::now() + left)).unwrap();
    LambdaEvent::new(event, context)
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn consumer<D, P, F>(deliveries: D, payloads: P, process: F) -> Consumer<D, P, F> {
    Consumer { deliveries, payloads, bucket: BUCKET.to_owned(), reserve: Duration::ZERO, process }
}

/// The messages that failed.
fn failed(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

fn message_id(record: &Value) -> &str {
    record["messageId"].as_str().unwrap()
}

#[tokio::test]
async fn a_panic_fails_its_message_alone_and_gives_the_claim_back() {
    let panics = |id: &str| id == delivery_id(&record("kyc"));
    let consumer = consumer(Memory::default(), Folder::default(), async |id: &str, _: &Event, _: &[u8]| {
        assert!(!panics(id), "in the team's code");
        Ok(())
    });
    let (kyc, pay) = (record("kyc"), record("pay"));
    let response = consumer.handle(event(&[kyc.clone(), pay.clone()], HALF_A_MINUTE)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&kyc)]);
    assert_eq!(consumer.deliveries.ids(), [delivery_id(&pay)]);
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_fails_before_the_deadline_and_so_does_what_comes_after_it() {
    let started = RefCell::new(Vec::new());
    let consumer = Consumer {
        reserve: RESERVE,
        ..consumer(Memory::default(), Folder::default(), async |id: &str, _: &Event, _: &[u8]| {
            started.borrow_mut().push(id.to_owned());
            std::future::pending().await
        })
    };
    let kyc = record("kyc");
    let soon = RESERVE + Duration::from_millis(500);
    let response = consumer.handle(event(std::slice::from_ref(&kyc), soon)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&kyc)]);
    assert_eq!(*started.borrow(), [delivery_id(&kyc)]);
    assert!(consumer.deliveries.ids().is_empty(), "the claim is given back");

    let response = consumer.handle(event(std::slice::from_ref(&kyc), RESERVE)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&kyc)]);
    assert_eq!(started.borrow().len(), 1, "too late to begin");
}

#[tokio::test]
async fn a_claim_of_another_function_is_not_touched() {
    let consumer = consumer(Memory::default(), Folder::default(), async |_: &str, _: &Event, _: &[u8]| Ok(()));
    let kyc = record("kyc");
    let now = SystemTime::now();
    let lease = |owner| Lease { owner, from: now, until: now + HALF_A_MINUTE };
    assert_eq!(consumer.deliveries.claim(&delivery_id(&kyc), &lease("another")).await.unwrap(), Claim::Ours);
    let response = consumer.handle(event(std::slice::from_ref(&kyc), HALF_A_MINUTE)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&kyc)]);
    assert_eq!(consumer.deliveries.claim(&delivery_id(&kyc), &lease("a third")).await.unwrap(), Claim::InProgress);
}

#[tokio::test]
async fn an_effect_without_its_mark_is_not_repeated_by_a_duplicate_in_the_batch() {
    /// Where marks are lost.
    struct Unmarked(Memory);
    impl Deliveries for Unmarked {
        async fn claim(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<Claim, Failure> {
            self.0.claim(delivery_id, lease).await
        }
        async fn finish(&self, _: &str) -> Result<(), Failure> {
            Err(Failure::new("could not mark as done"))
        }
        async fn release(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<(), Failure> {
            self.0.release(delivery_id, lease).await
        }
    }
    let effects = RefCell::new(0);
    let consumer = consumer(Unmarked(Memory::default()), Folder::default(), async |_: &str, _: &Event, _: &[u8]| {
        *effects.borrow_mut() += 1;
        Ok(())
    });
    let (kyc, retry) = (record("kyc"), record("kyc.retry"));
    let response = consumer.handle(event(&[kyc.clone(), retry.clone()], HALF_A_MINUTE)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&kyc), message_id(&retry)]);
    assert_eq!(*effects.borrow(), 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_alone() {
    let consumer = consumer(Memory::default(), Folder::default(), async |_: &str, _: &Event, _: &[u8]| Ok(()));
    let (mut odd, pay) = (record("kyc"), record("pay"));
    odd["messageAttributes"]["Tag"] = json!({ "dataType": "Binary", "binaryValue": "not base64!" });
    let response = consumer.handle(event(&[odd.clone(), pay.clone()], HALF_A_MINUTE)).await.unwrap();
    assert_eq!(failed(&response), [message_id(&odd)]);
    assert_eq!(consumer.deliveries.ids(), [delivery_id(&pay)]);
}

#[tokio::test]
async fn a_delivery_id_that_is_no_hash_is_none() {
    let consumer = consumer(Memory::default(), Folder::default(), async |_: &str, _: &Event, _: &[u8]| Ok(()));
    let mut kyc = record("kyc");
    for id in ["", "Zoé Lefrançois", &delivery_id(&kyc).to_uppercase(), &delivery_id(&kyc)[1..]] {
        kyc["messageAttributes"]["DeliveryId"]["stringValue"] = id.into();
        let response = consumer.handle(event(std::slice::from_ref(&kyc), HALF_A_MINUTE)).await.unwrap();
        assert_eq!(failed(&response), [message_id(&kyc)], "{id}");
    }
    assert!(consumer.deliveries.ids().is_empty());
}

/// The team's code in a test: fails or crashes as a case wants it, and keeps what it got.
#[derive(Default)]
struct Effects {
    fails: Vec<String>,
    crashes: Vec<String>,
    seen: RefCell<Vec<Seen>>,
    crashed: tokio::sync::Notify,
}

struct Seen {
    delivery_id: String,
    event: Event,
    body: Vec<u8>,
}

impl Effects {
    async fn process(&self, delivery_id: &str, event: &Event, body: &[u8]) -> Result<(), Error> {
        if self.fails.iter().any(|id| id == delivery_id) {
            return Err("as the case wants it".into());
        }
        let seen = Seen { delivery_id: delivery_id.to_owned(), event: event.clone(), body: body.to_vec() };
        self.seen.borrow_mut().push(seen);
        if self.crashes.iter().any(|id| id == delivery_id) {
            // The driver drops the handler here, as the end of the process would.
            self.crashed.notify_one();
            return std::future::pending().await;
        }
        Ok(())
    }
}
