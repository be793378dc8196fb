//! What AWS can do to a callback: single faults, and some time of trouble with one service or two.

use std::{collections::BTreeSet, time::Duration};

use flinks_dev::stack::PAYLOAD_BUCKET;
use flinks_webhooks::{delivery::StoredAs, http::Response};
use futures_util::future::join;
use local_aws::{Calls, Fault, Operation};
use tokio::time::{Instant, sleep};

use crate::support::{Bench, pointer};

const INLINE: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// An illegal character: goes through the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();

const SECOND: Duration = Duration::from_secs(1);

/// Faults that pass: a second attempt recovers.
const PASSING: [Fault; 6] = [
    Fault::Throttle,
    Fault::Error,
    Fault::Reset,
    Fault::ResetAfter,
    Fault::Hang,
    Fault::Reject("SignatureDoesNotMatch", "not now"),
];

/// Faults of a service that is down.
const DOWN: [Fault; 4] = [Fault::Throttle, Fault::Error, Fault::Reset, Fault::Hang];

/// An operation fails like this for some time from now on.
async fn for_some_time(bench: &Bench, operations: &[Operation], fault: Fault, time: Duration) {
    for operation in operations {
        bench.aws().fault(*operation, Calls::All, fault);
    }
    sleep(time).await;
    bench.aws().clear_faults();
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_call_to_a_queue_is_recovered() {
    for fault in PASSING {
        let bench = Bench::detached();
        bench.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = bench.post_signed(INLINE).await;
        // A queue that hangs for three seconds has the bucket join.
        let expected = if fault == Fault::Hang { StoredAs::Undelivered } else { StoredAs::Inline };
        assert_eq!(posted.record.stored_as, Some(expected), "{fault:?}");
        let messages = bench.messages();
        // A response that was lost makes two messages of one callback: consumers tell by the DeliveryId.
        let count = match fault {
            Fault::ResetAfter => 2,
            Fault::Hang => 0,
            _ => 1,
        };
        assert_eq!(messages.len(), count, "{fault:?}");
        assert!(messages.iter().all(|(_, message)| message.body.as_bytes() == INLINE), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_call_to_the_bucket_is_recovered() {
    for fault in PASSING {
        let bench = Bench::detached();
        bench.aws().fault(Operation::PutObject, Calls::Nth(1), fault);
        let posted = bench.post_signed(OFFLOADED).await;
        if fault != Fault::Hang {
            assert_eq!(posted.record.stored_as, Some(StoredAs::ClaimCheck), "{fault:?}");
            assert_eq!(bench.payload(&bench.message().1), OFFLOADED, "{fault:?}");
        }
        assert_eq!(posted.answer, Response::Stored, "{fault:?}");
        assert_eq!(bench.aws().objects(PAYLOAD_BUCKET).len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_check_that_is_sent_again_has_a_new_object_only_if_the_first_may_be_in_use() {
    for fault in PASSING {
        let bench = Bench::detached();
        bench.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = bench.post_signed(OFFLOADED).await;
        let is_unknown = matches!(fault, Fault::Reset | Fault::ResetAfter | Fault::Hang);
        let expected = if fault == Fault::Hang { StoredAs::Undelivered } else { StoredAs::ClaimCheck };
        assert_eq!(posted.record.stored_as, Some(expected), "{fault:?}");
        let messages = bench.messages();
        let objects: BTreeSet<_> = messages.iter().map(|(_, message)| pointer(message)).collect();
        assert_eq!(objects.len(), messages.len(), "{fault:?}");
        assert!(messages.iter().all(|(_, message)| bench.payload(message) == OFFLOADED), "{fault:?}");
        assert_eq!(bench.aws().objects(PAYLOAD_BUCKET).len(), if is_unknown { 2 } else { 1 }, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_check_that_its_queue_denies_is_not_sent_again() {
    let bench = Bench::detached();
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(bench.post_signed(OFFLOADED).await.record.stored_as, Some(StoredAs::Undelivered));
    assert_eq!(bench.aws().calls(Operation::SendMessage), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_call_for_a_key_is_recovered() {
    for fault in PASSING {
        let bench = Bench::detached();
        bench.aws().fault(Operation::GetSecretValue, Calls::Nth(1), fault);
        assert_eq!(bench.post_signed(INLINE).await.answer, Response::Stored, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_to_five_seconds_of_trouble_lose_nothing_and_are_over_within_twelve() {
    use Operation::{GetSecretValue, PutObject, SendMessage};

    let large = format!(r#"{{"ResponseType":"KYC","Tag":"{}"}}"#, "a".repeat(1_500_000));
    let services: [&[Operation]; 6] = [
        &[SendMessage],
        &[PutObject],
        &[GetSecretValue],
        &[SendMessage, PutObject],
        &[GetSecretValue, SendMessage],
        &[GetSecretValue, PutObject],
    ];
    for body in [INLINE, OFFLOADED, large.as_bytes()] {
        for operations in services {
            for fault in DOWN {
                for seconds in [0.1, 0.5, 2.0, 5.0] {
                    for is_cold in [true, false] {
                        let bench = Bench::detached();
                        if !is_cold {
                            bench.receiver.prepare().await;
                        }
                        let what =
                            format!("{operations:?} {fault:?} {seconds} s, cold: {is_cold}, {} bytes", body.len());
                        let trouble = for_some_time(&bench, operations, fault, Duration::from_secs_f64(seconds));
                        let started = Instant::now();
                        let posted = async {
                            let posted = bench.post_signed(body).await;
                            (posted, started.elapsed())
                        };
                        let ((posted, elapsed), ()) = join(posted, trouble).await;
                        assert_eq!(posted.answer, Response::Stored, "{what}");
                        assert!(elapsed < 12 * SECOND, "{what}: {elapsed:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_use_up_the_attempts_of_later_callbacks() {
    let bench = Bench::detached();
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    for _ in 0..60 {
        assert_eq!(bench.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Undelivered));
    }
    bench.aws().clear_faults();
    bench.aws().fault(Operation::SendMessage, Calls::Nth(1), Fault::Error);
    assert_eq!(bench.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    bench.aws().fault(Operation::PutObject, Calls::Nth(1), Fault::Error);
    assert_eq!(bench.post_signed(INLINE).await.answer, Response::Stored);
}

#[tokio::test(start_paused = true)]
async fn a_payload_goes_to_the_bucket_while_its_queue_is_down() {
    for fault in DOWN.into_iter().chain([Fault::Reject("AccessDenied", "no")]) {
        for body in [INLINE, OFFLOADED] {
            let bench = Bench::detached();
            bench.aws().fault(Operation::SendMessage, Calls::All, fault);
            let posted = bench.post_signed(body).await;
            assert_eq!(
                (posted.answer, posted.record.stored_as),
                (Response::Stored, Some(StoredAs::Undelivered)),
                "{fault:?}"
            );
            let key = format!("undelivered/KycQueue/{}", posted.record.delivery_id.unwrap());
            let object = bench.aws().objects(PAYLOAD_BUCKET).remove(&key).unwrap();
            assert_eq!(object.body, body, "{fault:?}");
            assert_eq!(object.metadata["signature-form"], "raw");
            assert!(bench.messages().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_503_only_when_neither_takes_it_for_the_whole_budget() {
    for (fault, takes) in [(Fault::Error, 11), (Fault::Hang, 11), (Fault::Reject("AccessDenied", "no"), 0)] {
        for body in [INLINE, OFFLOADED] {
            let bench = Bench::detached();
            bench.aws().fault(Operation::SendMessage, Calls::All, fault);
            bench.aws().fault(Operation::PutObject, Calls::All, fault);
            let started = Instant::now();
            assert_eq!(bench.post_signed(body).await.answer, Response::Unavailable, "{fault:?}");
            let elapsed = started.elapsed();
            assert!(elapsed >= takes * SECOND && elapsed < (takes + 1) * SECOND, "{fault:?}: {elapsed:?}");
            assert!(bench.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_down_does_not_hinder_what_the_queue_can_carry() {
    let bench = Bench::detached();
    bench.aws().fault(Operation::PutObject, Calls::All, Fault::Hang);
    assert_eq!(bench.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
}

#[tokio::test]
async fn a_service_that_nobody_listens_for_is_tried_for_the_whole_budget() {
    let bench = Bench::start().await;
    assert_eq!(bench.post_signed(INLINE).await.answer, Response::Stored);
    bench.aws().shutdown();
    let posted = bench.post_signed(INLINE).await;
    assert_eq!(posted.answer, Response::Unavailable);
    let attempts: Vec<_> = posted.record.failures.iter().map(|call| (call.error.operation, call.times)).collect();
    assert!(matches!(attempts[..], [(_, 5..), (_, 5..)]), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn secrets_manager_down_does_not_hinder_a_cached_key() {
    let bench = Bench::detached();
    assert_eq!(bench.post_signed(INLINE).await.answer, Response::Stored);
    bench.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Error);
    assert_eq!(bench.post_signed_with("forged", INLINE).await.answer, Response::Unauthorized);
    assert_eq!(bench.post_signed(INLINE).await.answer, Response::Stored);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_the_answer_is_503_when_only_the_time_to_store_is_left() {
    for fault in DOWN {
        let bench = Bench::detached();
        bench.aws().fault(Operation::GetSecretValue, Calls::All, fault);
        let started = Instant::now();
        assert_eq!(bench.post_signed(INLINE).await.answer, Response::Unavailable);
        let elapsed = started.elapsed();
        assert!(elapsed > 7 * SECOND && elapsed < 8 * SECOND, "{fault:?}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_skewed_clock_is_corrected_by_the_next_attempt() {
    // The local AWS does not check signatures: the error stands for AWS's.
    let bench = Bench::detached();
    for operation in [Operation::GetSecretValue, Operation::SendMessage] {
        bench.aws().fault(operation, Calls::Nth(1), Fault::Reject("RequestTimeTooSkewed", "the clocks differ"));
    }
    assert_eq!(bench.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
}
