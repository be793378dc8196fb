//! The redelivery with the real SDK clients: an undelivered payload becomes the message that it would have been.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use flinks_dev::{
    sign,
    stack::{PAY_SIGNING_SECRET, PAYLOAD_BUCKET},
};
use flinks_webhooks::{
    aws::{self, S3, Sqs},
    config::RedeliveryConfig,
    delivery::{PayloadStore, Redelivery, ReportedKey, RunBudget, StoredAs, Summary},
};
use local_aws::{Calls, Fault, Operation, StoredMessage};

use crate::support::{Fixture, pointer};

const INLINE: &[u8] = r#"{"ResponseType":"KYC","Tag":"Zoé","RequestId":"r","Login":{"Id":"l"}}"#.as_bytes();
/// Has an illegal character, so the payload goes to the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();
const PAY: &[u8] = br#"{"sessionId":"s","status":"Completed"}"#;
/// Not JSON: only the object's key says which kind it is.
const ODD_PAY: &[u8] = b"paid";

fn damaged_keys(summary: &Summary) -> Vec<&str> {
    summary.damaged_keys.iter().map(ReportedKey::as_str).collect()
}

async fn post_pay(fixture: &Fixture, body: &[u8]) -> Option<StoredAs> {
    fixture.post(&[("X-Webhook-Signature", &sign::pay(body, PAY_SIGNING_SECRET))], body).await.record.stored_as
}

/// Posts each of the four bodies. Returns how each was stored.
async fn post_all(fixture: &Fixture) -> Vec<Option<StoredAs>> {
    vec![
        fixture.post_signed(INLINE).await.record.stored_as,
        fixture.post_signed(OFFLOADED).await.record.stored_as,
        post_pay(fixture, PAY).await,
        post_pay(fixture, ODD_PAY).await,
    ]
}

fn redelivery(fixture: &Fixture) -> Redelivery<Sqs, S3> {
    let config = config(fixture);
    Redelivery::new(aws::storage(&config.storage, &config.aws))
}

fn config(fixture: &Fixture) -> RedeliveryConfig {
    fixture.stack.redelivery_config().unwrap()
}

/// Puts an object into the bucket that is not the receiver's.
async fn put(fixture: &Fixture, key: &str, payload: &'static [u8], metadata: &[(&'static str, &str)]) {
    let config = config(fixture);
    let store = aws::storage(&config.storage, &config.aws).payloads;
    store.put(key, payload.into(), metadata).await.unwrap();
}

async fn run(fixture: &Fixture) -> Summary {
    let budget = RunBudget::until(SystemTime::now() + Duration::from_secs(300));
    redelivery(fixture).run(budget).await.unwrap()
}

fn undelivered(fixture: &Fixture) -> Vec<String> {
    let objects = fixture.aws().objects(PAYLOAD_BUCKET);
    objects.into_keys().filter(|key| key.starts_with("undelivered/")).collect()
}

/// What a consumer sees of a message, without `ReceivedAt`, which differs for each callback.
fn seen(fixture: &Fixture, message: &StoredMessage) -> (Vec<u8>, BTreeMap<String, String>) {
    let mut attributes: BTreeMap<_, _> =
        message.attributes.iter().map(|(name, value)| (name.clone(), format!("{value:?}"))).collect();
    attributes.remove("ReceivedAt").unwrap();
    (fixture.payload(message), attributes)
}

#[tokio::test]
async fn an_undelivered_payload_becomes_the_message_it_would_have_been() {
    let straight = Fixture::start().await;
    post_all(&straight).await;

    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(post_all(&fixture).await, [Some(StoredAs::Undelivered); 4]);
    fixture.aws().clear_faults();
    let objects = fixture.aws().objects(PAYLOAD_BUCKET);
    let summary = run(&fixture).await;
    assert_eq!((summary.found, summary.sent, summary.left, summary.failed), (4, 4, 0, 0), "{summary:?}");
    assert!(undelivered(&fixture).is_empty());

    let (was_to_be, is) = (straight.messages(), fixture.messages());
    assert_eq!(is.len(), 4);
    for (kind, message) in &is {
        let seen_now = seen(&fixture, message);
        let same = |(other, was): &&(_, StoredMessage)| other == kind && seen(&straight, was) == seen_now;
        assert_eq!(was_to_be.iter().filter(same).count(), 1, "{message:?}");
        let id = &message.attributes["DeliveryId"].value;
        let object = &objects[&format!("undelivered/{}/{id}", kind.queue())];
        assert_eq!(message.attributes["ReceivedAt"].value, object.metadata["received-at"]);
    }
}

#[tokio::test]
async fn an_object_is_removed_only_after_its_queue_took_it() {
    for fault in [Fault::Error, Fault::Hang, Fault::Reset] {
        let fixture = Fixture::start().await;
        fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
        fixture.post_signed(INLINE).await;
        fixture.aws().fault(Operation::SendMessage, Calls::All, fault);
        let summary = run(&fixture).await;
        assert_eq!((summary.sent, summary.failed, summary.left), (0, 1, 1), "{fault:?}");
        assert_eq!(undelivered(&fixture).len(), 1, "{fault:?}");
        fixture.aws().clear_faults();
        assert_eq!(run(&fixture).await.sent, 1, "{fault:?}");
        assert!(undelivered(&fixture).is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn two_runs_at_once_lose_nothing() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_all(&fixture).await;
    fixture.aws().clear_faults();
    let (one, other) = tokio::join!(run(&fixture), run(&fixture));
    assert!(one.failed == 0 && other.failed == 0 && one.left == 0 && other.left == 0, "{one:?} {other:?}");
    assert!(undelivered(&fixture).is_empty());
    let mut bodies: Vec<_> = fixture.messages().iter().map(|(_, message)| fixture.payload(message)).collect();
    bodies.sort();
    bodies.dedup();
    let mut expected = [INLINE, OFFLOADED, PAY, ODD_PAY].map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_half_written_object_stays_in_place_and_is_reported() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    fixture.post_signed(INLINE).await;
    fixture.aws().clear_faults();
    let key = undelivered(&fixture).remove(0);
    let metadata = [("signature-form", "raw"), ("received-at", "2026-01-01T00:00:00.000Z")];
    put(&fixture, &key, INLINE.split_at(10).0, &metadata).await;
    let summary = run(&fixture).await;
    assert_eq!((summary.sent, summary.damaged, damaged_keys(&summary)), (0, 1, vec![key.as_str()]));
    assert_eq!(undelivered(&fixture), [key]);
    assert!(fixture.messages().is_empty());
}

#[tokio::test]
async fn more_than_one_page_of_payloads_is_sent() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    for number in 0..1_100 {
        fixture.post_signed(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#).as_bytes()).await;
    }
    fixture.aws().clear_faults();
    let summary = run(&fixture).await;
    assert_eq!((summary.found, summary.sent, summary.left), (1_100, 1_100, 0));
    assert_eq!(fixture.messages().len(), 1_100);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_an_error() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::ListObjectsV2, Calls::All, Fault::Reject("AccessDenied", "no"));
    let failed = redelivery(&fixture).run(RunBudget::until(SystemTime::now() + Duration::from_secs(300))).await;
    assert_eq!(failed.unwrap_err().code.as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn one_call_is_made_if_nothing_waits() {
    let fixture = Fixture::start().await;
    put(&fixture, "undelivered/", b"", &[]).await;
    assert_eq!(run(&fixture).await, Summary::default());
    assert_eq!(fixture.aws().calls(Operation::ListObjectsV2), 1);
}

#[tokio::test]
async fn a_foreign_object_of_any_name_holds_nothing_up() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_all(&fixture).await;
    fixture.aws().clear_faults();
    for folder in ["undelivered/", "undelivered/KycQueue/", "undelivered/PayQueue/", "undelivered/archive/"] {
        put(&fixture, folder, b"", &[]).await;
    }
    // Keys with characters that XML cannot contain, that a query encodes, and that sort between the queues' names.
    for key in ["undelivered/L\u{1}+ %2F/é", "undelivered/KycQueue/\u{1f}", "undelivered/NoQueue/1"] {
        put(&fixture, key, b"foreign", &[]).await;
    }
    let summary = run(&fixture).await;
    assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (7, 4, 3, 3), "{summary:?}");
    let expected = ["undelivered/KycQueue/?", "undelivered/L????2F/?", "undelivered/NoQueue/1"];
    assert_eq!(damaged_keys(&summary), expected);
    assert_eq!(undelivered(&fixture).len(), 7);
}

#[tokio::test]
async fn a_queue_that_cannot_be_listed_holds_up_no_other() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_pay(&fixture, PAY).await;
    fixture.post_signed(INLINE).await;
    fixture.aws().clear_faults();
    // The first call lists the queues.
    fixture.aws().fault(Operation::ListObjectsV2, Calls::Nth(2), Fault::Reject("AccessDenied", "no"));
    let summary = run(&fixture).await;
    assert_eq!((summary.found, summary.sent, summary.unlisted, summary.left), (2, 1, 1, 1), "{summary:?}");
    assert_eq!(summary.aws_failures.iter().next().unwrap().error.code.as_deref(), Some("AccessDenied"));
    assert_eq!(run(&fixture).await.sent, 1);
}

/// The number of claim check objects for KYC callbacks.
fn claim_check_objects(fixture: &Fixture) -> usize {
    fixture.aws().objects(PAYLOAD_BUCKET).keys().filter(|key| key.starts_with("kyc/")).count()
}

#[tokio::test]
async fn a_queue_that_rejects_messages_leaves_no_extra_object_per_run() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(fixture.post_signed(OFFLOADED).await.record.stored_as, Some(StoredAs::Undelivered));
    for _ in 0..3 {
        assert_eq!(run(&fixture).await.failed, 1);
        assert_eq!(claim_check_objects(&fixture), 1, "the object that the receiver made");
    }
    fixture.aws().clear_faults();
    assert_eq!(run(&fixture).await.sent, 1);
    assert_eq!(fixture.payload(&fixture.message().1), OFFLOADED);
}

#[tokio::test]
async fn after_an_unknown_outcome_the_run_leaves_the_queue_alone_and_the_next_one_uses_a_new_object() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::SendMessage, Calls::Next(2), Fault::Reject("AccessDenied", "no"));
    for body in [OFFLOADED, INLINE] {
        assert_eq!(fixture.post_signed(body).await.record.stored_as, Some(StoredAs::Undelivered));
    }
    // SQS stores the message, but the response is lost.
    fixture.aws().fault(Operation::SendMessage, Calls::Nth(1), Fault::ResetAfter);
    let summary = run(&fixture).await;
    assert_eq!((summary.sent, summary.failed, summary.left), (0, 1, 2));
    assert_eq!(run(&fixture).await.sent, 2);
    let pointers: Vec<_> = fixture.messages().iter().filter_map(|(_, message)| pointer(message)).collect();
    assert_eq!(pointers.len(), 2);
    assert_ne!(pointers[0], pointers[1]);
}
