//! The redelivery with the SDK's real clients: an undelivered payload becomes the message that it was to be.

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

use crate::support::{Bench, pointer};

const INLINE: &[u8] = r#"{"ResponseType":"KYC","Tag":"Zoé","RequestId":"r","Login":{"Id":"l"}}"#.as_bytes();
/// An illegal character: goes through the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();
const PAY: &[u8] = br#"{"sessionId":"s","status":"Completed"}"#;
/// Not JSON: what kind it was is in its key alone.
const ODD_PAY: &[u8] = b"paid";

fn damaged_keys(summary: &Summary) -> Vec<&str> {
    summary.damaged_keys.iter().map(ReportedKey::as_str).collect()
}

async fn post_pay(bench: &Bench, body: &[u8]) -> Option<StoredAs> {
    bench.post(&[("X-Webhook-Signature", &sign::pay(body, PAY_SIGNING_SECRET))], body).await.record.stored_as
}

/// Takes each of the four bodies, and says how each was stored.
async fn post_all(bench: &Bench) -> Vec<Option<StoredAs>> {
    vec![
        bench.post_signed(INLINE).await.record.stored_as,
        bench.post_signed(OFFLOADED).await.record.stored_as,
        post_pay(bench, PAY).await,
        post_pay(bench, ODD_PAY).await,
    ]
}

fn redelivery(bench: &Bench) -> Redelivery<Sqs, S3> {
    let config = config(bench);
    Redelivery::new(aws::storage(&config.storage, &config.aws))
}

fn config(bench: &Bench) -> RedeliveryConfig {
    bench.stack.redelivery_config().unwrap()
}

/// Puts an object into the bucket that the receiver did not make.
async fn put(bench: &Bench, key: &str, payload: &'static [u8], metadata: &[(&'static str, &str)]) {
    let config = config(bench);
    let store = aws::storage(&config.storage, &config.aws).payloads;
    store.put(key, payload.into(), metadata).await.unwrap();
}

async fn run(bench: &Bench) -> Summary {
    let budget = RunBudget::until(SystemTime::now() + Duration::from_secs(300));
    redelivery(bench).run(budget).await.unwrap()
}

fn undelivered(bench: &Bench) -> Vec<String> {
    let objects = bench.aws().objects(PAYLOAD_BUCKET);
    objects.into_keys().filter(|key| key.starts_with("undelivered/")).collect()
}

/// What a consumer sees of a message; when it was received differs from one callback to the next.
fn seen(bench: &Bench, message: &StoredMessage) -> (Vec<u8>, BTreeMap<String, String>) {
    let mut attributes: BTreeMap<_, _> =
        message.attributes.iter().map(|(name, value)| (name.clone(), format!("{value:?}"))).collect();
    attributes.remove("ReceivedAt").unwrap();
    (bench.payload(message), attributes)
}

#[tokio::test]
async fn an_undelivered_payload_becomes_the_message_that_it_was_to_be() {
    let straight = Bench::start().await;
    post_all(&straight).await;

    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(post_all(&bench).await, [Some(StoredAs::Undelivered); 4]);
    bench.aws().clear_faults();
    let objects = bench.aws().objects(PAYLOAD_BUCKET);
    let summary = run(&bench).await;
    assert_eq!((summary.found, summary.sent, summary.left, summary.failed), (4, 4, 0, 0), "{summary:?}");
    assert!(undelivered(&bench).is_empty());

    let (was_to_be, is) = (straight.messages(), bench.messages());
    assert_eq!(is.len(), 4);
    for (kind, message) in &is {
        let seen_now = seen(&bench, message);
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
        let bench = Bench::start().await;
        bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
        bench.post_signed(INLINE).await;
        bench.aws().fault(Operation::SendMessage, Calls::All, fault);
        let summary = run(&bench).await;
        assert_eq!((summary.sent, summary.failed, summary.left), (0, 1, 1), "{fault:?}");
        assert_eq!(undelivered(&bench).len(), 1, "{fault:?}");
        bench.aws().clear_faults();
        assert_eq!(run(&bench).await.sent, 1, "{fault:?}");
        assert!(undelivered(&bench).is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn two_runs_at_once_lose_nothing() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_all(&bench).await;
    bench.aws().clear_faults();
    let (one, other) = tokio::join!(run(&bench), run(&bench));
    assert!(one.failed == 0 && other.failed == 0 && one.left == 0 && other.left == 0, "{one:?} {other:?}");
    assert!(undelivered(&bench).is_empty());
    let mut bodies: Vec<_> = bench.messages().iter().map(|(_, message)| bench.payload(message)).collect();
    bodies.sort();
    bodies.dedup();
    let mut expected = [INLINE, OFFLOADED, PAY, ODD_PAY].map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_half_written_object_stays_and_is_told_of() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    bench.post_signed(INLINE).await;
    bench.aws().clear_faults();
    let key = undelivered(&bench).remove(0);
    let metadata = [("signature-form", "raw"), ("received-at", "2026-01-01T00:00:00.000Z")];
    put(&bench, &key, INLINE.split_at(10).0, &metadata).await;
    let summary = run(&bench).await;
    assert_eq!((summary.sent, summary.damaged, damaged_keys(&summary)), (0, 1, vec![key.as_str()]));
    assert_eq!(undelivered(&bench), [key]);
    assert!(bench.messages().is_empty());
}

#[tokio::test]
async fn more_than_a_page_is_sent_on() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    for number in 0..1_100 {
        bench.post_signed(format!(r#"{{"ResponseType":"KYC","RequestId":"{number}"}}"#).as_bytes()).await;
    }
    bench.aws().clear_faults();
    let summary = run(&bench).await;
    assert_eq!((summary.found, summary.sent, summary.left), (1_100, 1_100, 0));
    assert_eq!(bench.messages().len(), 1_100);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_an_error() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::ListObjectsV2, Calls::All, Fault::Reject("AccessDenied", "no"));
    let failed = redelivery(&bench).run(RunBudget::until(SystemTime::now() + Duration::from_secs(300))).await;
    assert_eq!(failed.unwrap_err().code.as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn where_nothing_waits_one_call_is_made() {
    let bench = Bench::start().await;
    put(&bench, "undelivered/", b"", &[]).await;
    assert_eq!(run(&bench).await, Summary::default());
    assert_eq!(bench.aws().calls(Operation::ListObjectsV2), 1);
}

#[tokio::test]
async fn what_the_receiver_did_not_make_holds_nothing_up_whatever_its_name() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_all(&bench).await;
    bench.aws().clear_faults();
    for folder in ["undelivered/", "undelivered/KycQueue/", "undelivered/PayQueue/", "undelivered/archive/"] {
        put(&bench, folder, b"", &[]).await;
    }
    // Characters that XML cannot hold, that a query encodes, and that come between the queues' names.
    for key in ["undelivered/L\u{1}+ %2F/é", "undelivered/KycQueue/\u{1f}", "undelivered/NoQueue/1"] {
        put(&bench, key, b"foreign", &[]).await;
    }
    let summary = run(&bench).await;
    assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (7, 4, 3, 3), "{summary:?}");
    let expected = ["undelivered/KycQueue/?", "undelivered/L????2F/?", "undelivered/NoQueue/1"];
    assert_eq!(damaged_keys(&summary), expected);
    assert_eq!(undelivered(&bench).len(), 7);
}

#[tokio::test]
async fn a_queue_that_cannot_be_listed_holds_up_no_other() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    post_pay(&bench, PAY).await;
    bench.post_signed(INLINE).await;
    bench.aws().clear_faults();
    // The first call lists the queues.
    bench.aws().fault(Operation::ListObjectsV2, Calls::Nth(2), Fault::Reject("AccessDenied", "no"));
    let summary = run(&bench).await;
    assert_eq!((summary.found, summary.sent, summary.unlisted, summary.left), (2, 1, 1, 1), "{summary:?}");
    assert_eq!(summary.aws_failures.iter().next().unwrap().error.code.as_deref(), Some("AccessDenied"));
    assert_eq!(run(&bench).await.sent, 1);
}

/// Objects of claim checks for KYC callbacks.
fn claim_check_objects(bench: &Bench) -> usize {
    bench.aws().objects(PAYLOAD_BUCKET).keys().filter(|key| key.starts_with("kyc/")).count()
}

#[tokio::test]
async fn a_queue_that_rejects_messages_does_not_leave_one_more_object_at_each_run() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(bench.post_signed(OFFLOADED).await.record.stored_as, Some(StoredAs::Undelivered));
    for _ in 0..3 {
        assert_eq!(run(&bench).await.failed, 1);
        assert_eq!(claim_check_objects(&bench), 1, "the receiver's");
    }
    bench.aws().clear_faults();
    assert_eq!(run(&bench).await.sent, 1);
    assert_eq!(bench.payload(&bench.message().1), OFFLOADED);
}

#[tokio::test]
async fn after_an_unknown_outcome_the_run_leaves_the_queue_alone_and_the_next_one_uses_a_new_object() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::Next(2), Fault::Reject("AccessDenied", "no"));
    for body in [OFFLOADED, INLINE] {
        assert_eq!(bench.post_signed(body).await.record.stored_as, Some(StoredAs::Undelivered));
    }
    // The message is made, and nobody hears of it.
    bench.aws().fault(Operation::SendMessage, Calls::Nth(1), Fault::ResetAfter);
    let summary = run(&bench).await;
    assert_eq!((summary.sent, summary.failed, summary.left), (0, 1, 2));
    assert_eq!(run(&bench).await.sent, 2);
    let pointers: Vec<_> = bench.messages().iter().filter_map(|(_, message)| pointer(message)).collect();
    assert_eq!(pointers.len(), 2);
    assert_ne!(pointers[0], pointers[1]);
}
