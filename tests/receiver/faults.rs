//! Callbacks while AWS fails: single faults, and outages of one or two services.

use std::{collections::BTreeSet, time::Duration};

use flinks_dev::stack::PAYLOAD_BUCKET;
use flinks_webhooks::{delivery::StoredAs, http::Response};
use futures_util::future::join;
use local_aws::{Calls, Fault, Operation};
use tokio::time::{Instant, sleep};

use crate::support::{Fixture, pointer};

const INLINE: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// Has an illegal character, so the payload goes to the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();

const SECOND: Duration = Duration::from_secs(1);

/// Transient faults: a second attempt recovers.
const PASSING: [Fault; 6] = [
    Fault::Throttle,
    Fault::Error,
    Fault::Reset,
    Fault::ResetAfter,
    Fault::Hang,
    Fault::Reject("SignatureDoesNotMatch", "not now"),
];

/// Faults of a service during an outage.
const DOWN: [Fault; 4] = [Fault::Throttle, Fault::Error, Fault::Reset, Fault::Hang];

/// Makes the operations fail with this fault, from now on for `time`.
async fn for_some_time(fixture: &Fixture, operations: &[Operation], fault: Fault, time: Duration) {
    for operation in operations {
        fixture.aws().fault(*operation, Calls::All, fault);
    }
    sleep(time).await;
    fixture.aws().clear_faults();
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_call_to_a_queue_is_recovered() {
    for fault in PASSING {
        let fixture = Fixture::detached();
        fixture.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = fixture.post_signed(INLINE).await;
        // If the queue hangs for three seconds, the receiver also tries the bucket.
        let expected = if fault == Fault::Hang { StoredAs::Undelivered } else { StoredAs::Inline };
        assert_eq!(posted.record.stored_as, Some(expected), "{fault:?}");
        let messages = fixture.messages();
        // A lost response causes two messages for one callback. Consumers detect that by the DeliveryId.
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
        let fixture = Fixture::detached();
        fixture.aws().fault(Operation::PutObject, Calls::Nth(1), fault);
        let posted = fixture.post_signed(OFFLOADED).await;
        if fault != Fault::Hang {
            assert_eq!(posted.record.stored_as, Some(StoredAs::ClaimCheck), "{fault:?}");
            assert_eq!(fixture.payload(&fixture.message().1), OFFLOADED, "{fault:?}");
        }
        assert_eq!(posted.response, Response::Stored, "{fault:?}");
        assert_eq!(fixture.aws().objects(PAYLOAD_BUCKET).len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retried_claim_check_gets_a_new_object_only_if_the_first_may_be_in_use() {
    for fault in PASSING {
        let fixture = Fixture::detached();
        fixture.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = fixture.post_signed(OFFLOADED).await;
        let is_unknown = matches!(fault, Fault::Reset | Fault::ResetAfter | Fault::Hang);
        let expected = if fault == Fault::Hang { StoredAs::Undelivered } else { StoredAs::ClaimCheck };
        assert_eq!(posted.record.stored_as, Some(expected), "{fault:?}");
        let messages = fixture.messages();
        let objects: BTreeSet<_> = messages.iter().map(|(_, message)| pointer(message)).collect();
        assert_eq!(objects.len(), messages.len(), "{fault:?}");
        assert!(messages.iter().all(|(_, message)| fixture.payload(message) == OFFLOADED), "{fault:?}");
        assert_eq!(fixture.aws().objects(PAYLOAD_BUCKET).len(), if is_unknown { 2 } else { 1 }, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_check_is_not_retried_after_its_queue_denies_access() {
    let fixture = Fixture::detached();
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(fixture.post_signed(OFFLOADED).await.record.stored_as, Some(StoredAs::Undelivered));
    assert_eq!(fixture.aws().calls(Operation::SendMessage), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_call_for_a_key_is_recovered() {
    for fault in PASSING {
        let fixture = Fixture::detached();
        fixture.aws().fault(Operation::GetSecretValue, Calls::Nth(1), fault);
        assert_eq!(fixture.post_signed(INLINE).await.response, Response::Stored, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_up_to_five_seconds_loses_nothing_and_the_response_comes_within_twelve() {
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
                        let fixture = Fixture::detached();
                        if !is_cold {
                            fixture.receiver.prepare().await;
                        }
                        let what =
                            format!("{operations:?} {fault:?} {seconds} s, cold: {is_cold}, {} bytes", body.len());
                        let trouble = for_some_time(&fixture, operations, fault, Duration::from_secs_f64(seconds));
                        let started = Instant::now();
                        let posted = async {
                            let posted = fixture.post_signed(body).await;
                            (posted, started.elapsed())
                        };
                        let ((posted, elapsed), ()) = join(posted, trouble).await;
                        assert_eq!(posted.response, Response::Stored, "{what}");
                        assert!(elapsed < 12 * SECOND, "{what}: {elapsed:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_use_up_the_attempts_of_later_callbacks() {
    let fixture = Fixture::detached();
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    for _ in 0..60 {
        assert_eq!(fixture.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Undelivered));
    }
    fixture.aws().clear_faults();
    fixture.aws().fault(Operation::SendMessage, Calls::Nth(1), Fault::Error);
    assert_eq!(fixture.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
    fixture.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    fixture.aws().fault(Operation::PutObject, Calls::Nth(1), Fault::Error);
    assert_eq!(fixture.post_signed(INLINE).await.response, Response::Stored);
}

#[tokio::test(start_paused = true)]
async fn a_payload_goes_to_the_bucket_while_its_queue_is_down() {
    for fault in DOWN.into_iter().chain([Fault::Reject("AccessDenied", "no")]) {
        for body in [INLINE, OFFLOADED] {
            let fixture = Fixture::detached();
            fixture.aws().fault(Operation::SendMessage, Calls::All, fault);
            let posted = fixture.post_signed(body).await;
            assert_eq!(
                (posted.response, posted.record.stored_as),
                (Response::Stored, Some(StoredAs::Undelivered)),
                "{fault:?}"
            );
            let key = format!("undelivered/KycQueue/{}", posted.record.delivery_id.unwrap());
            let object = fixture.aws().objects(PAYLOAD_BUCKET).remove(&key).unwrap();
            assert_eq!(object.body, body, "{fault:?}");
            assert_eq!(object.metadata["signature-form"], "raw");
            assert!(fixture.messages().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_is_503_only_when_queue_and_bucket_fail_for_the_whole_budget() {
    for (fault, takes) in [(Fault::Error, 11), (Fault::Hang, 11), (Fault::Reject("AccessDenied", "no"), 0)] {
        for body in [INLINE, OFFLOADED] {
            let fixture = Fixture::detached();
            fixture.aws().fault(Operation::SendMessage, Calls::All, fault);
            fixture.aws().fault(Operation::PutObject, Calls::All, fault);
            let started = Instant::now();
            assert_eq!(fixture.post_signed(body).await.response, Response::Unavailable, "{fault:?}");
            let elapsed = started.elapsed();
            assert!(elapsed >= takes * SECOND && elapsed < (takes + 1) * SECOND, "{fault:?}: {elapsed:?}");
            assert!(fixture.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_sqs_can_carry_is_stored_while_the_bucket_is_down() {
    let fixture = Fixture::detached();
    fixture.aws().fault(Operation::PutObject, Calls::All, Fault::Hang);
    assert_eq!(fixture.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
}

#[tokio::test]
async fn an_unreachable_service_is_retried_for_the_whole_budget() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.post_signed(INLINE).await.response, Response::Stored);
    fixture.aws().shutdown();
    let posted = fixture.post_signed(INLINE).await;
    assert_eq!(posted.response, Response::Unavailable);
    let attempts: Vec<_> = posted.record.failures.iter().map(|call| (call.error.operation, call.times)).collect();
    assert!(matches!(attempts[..], [(_, 5..), (_, 5..)]), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cached_key_works_while_secrets_manager_is_down() {
    let fixture = Fixture::detached();
    assert_eq!(fixture.post_signed(INLINE).await.response, Response::Stored);
    fixture.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Error);
    assert_eq!(fixture.post_signed_with("forged", INLINE).await.response, Response::Unauthorized);
    assert_eq!(fixture.post_signed(INLINE).await.response, Response::Stored);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_the_response_is_503_once_only_the_time_to_store_is_left() {
    for fault in DOWN {
        let fixture = Fixture::detached();
        fixture.aws().fault(Operation::GetSecretValue, Calls::All, fault);
        let started = Instant::now();
        assert_eq!(fixture.post_signed(INLINE).await.response, Response::Unavailable);
        let elapsed = started.elapsed();
        assert!(elapsed > 7 * SECOND && elapsed < 8 * SECOND, "{fault:?}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_skewed_clock_is_corrected_by_the_next_attempt() {
    // The local AWS does not check request signatures, so the test injects the error that AWS would return.
    let fixture = Fixture::detached();
    for operation in [Operation::GetSecretValue, Operation::SendMessage] {
        fixture.aws().fault(operation, Calls::Nth(1), Fault::Reject("RequestTimeTooSkewed", "the clocks differ"));
    }
    assert_eq!(fixture.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
}
