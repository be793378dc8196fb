//! What AWS can do to a callback, one service and one fault at a time.

use std::collections::BTreeSet;

use flinks_dev::stack::PAYLOAD_BUCKET;
use flinks_webhooks::{answer::Answer, storage::StoredAs};
use local_aws::{Calls, Fault, Operation};

use crate::support::{Bench, pointer};

const INLINE: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// An illegal character: goes through the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();

/// Faults that pass, and what of them a second attempt makes up for.
const PASSING: [Fault; 5] = [Fault::Throttle, Fault::Error, Fault::Reset, Fault::ResetAfter, Fault::Hang];

#[tokio::test]
async fn a_fault_of_one_call_to_a_queue_is_made_up_for() {
    for fault in PASSING {
        let bench = Bench::start().await;
        bench.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = bench.post_signed(INLINE).await;
        assert_eq!(posted.record.stored_as, Some(StoredAs::Inline), "{fault:?}");
        let messages = bench.messages();
        // An answer that was lost makes two messages of one callback: consumers tell by the DeliveryId.
        assert_eq!(messages.len(), if fault == Fault::ResetAfter { 2 } else { 1 }, "{fault:?}");
        assert!(messages.iter().all(|(_, message)| message.body.as_bytes() == INLINE), "{fault:?}");
    }
}

#[tokio::test]
async fn a_fault_of_one_call_to_the_bucket_is_made_up_for() {
    for fault in PASSING {
        let bench = Bench::start().await;
        bench.aws().fault(Operation::PutObject, Calls::Nth(1), fault);
        let posted = bench.post_signed(OFFLOADED).await;
        assert_eq!(posted.record.stored_as, Some(StoredAs::ClaimCheck), "{fault:?}");
        assert_eq!(bench.payload(&bench.message().1), OFFLOADED, "{fault:?}");
        assert_eq!(bench.aws().objects(PAYLOAD_BUCKET).len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_claim_check_that_is_sent_again_has_an_object_of_its_own() {
    for fault in PASSING {
        let bench = Bench::start().await;
        bench.aws().fault(Operation::SendMessage, Calls::Nth(1), fault);
        let posted = bench.post_signed(OFFLOADED).await;
        assert_eq!(posted.record.stored_as, Some(StoredAs::ClaimCheck), "{fault:?}");
        let messages = bench.messages();
        assert_eq!(messages.len(), if fault == Fault::ResetAfter { 2 } else { 1 }, "{fault:?}");
        let objects: BTreeSet<_> = messages.iter().map(|(_, message)| pointer(message)).collect();
        assert_eq!(objects.len(), messages.len(), "{fault:?}");
        assert!(messages.iter().all(|(_, message)| bench.payload(message) == OFFLOADED), "{fault:?}");
        assert_eq!(bench.aws().calls(Operation::SendMessage), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_claim_check_that_its_queue_refuses_is_not_sent_again() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::SendMessage, Calls::All, Fault::Refuse("AccessDenied", "no"));
    assert_eq!(bench.post_signed(OFFLOADED).await.record.stored_as, Some(StoredAs::Spilled));
    assert_eq!(bench.aws().calls(Operation::SendMessage), 1);
}

#[tokio::test]
async fn a_fault_of_one_call_for_a_key_is_made_up_for() {
    for fault in PASSING {
        let bench = Bench::start().await;
        bench.aws().fault(Operation::GetSecretValue, Calls::Nth(1), fault);
        assert_eq!(bench.post_signed(INLINE).await.answer, Answer::Stored, "{fault:?}");
    }
}

#[tokio::test]
async fn a_queue_that_is_down_spills_to_the_bucket() {
    for fault in [Fault::Throttle, Fault::Error, Fault::Reset, Fault::Hang, Fault::Refuse("AccessDenied", "no")] {
        for body in [INLINE, OFFLOADED] {
            let bench = Bench::start().await;
            bench.aws().fault(Operation::SendMessage, Calls::All, fault);
            let posted = bench.post_signed(body).await;
            assert_eq!(
                (posted.answer, posted.record.stored_as),
                (Answer::Stored, Some(StoredAs::Spilled)),
                "{fault:?}"
            );
            let key = format!("undelivered/KycQueue/{}", posted.record.delivery_id.unwrap());
            let spilled = bench.aws().objects(PAYLOAD_BUCKET).remove(&key).unwrap();
            assert_eq!(spilled.body, body, "{fault:?}");
            assert_eq!(spilled.metadata["signature-form"], "raw");
            assert!(bench.messages().is_empty());
        }
    }
}

#[tokio::test]
async fn only_when_neither_takes_it_is_the_sender_told_to_come_again() {
    for fault in [Fault::Error, Fault::Hang] {
        for body in [INLINE, OFFLOADED] {
            let bench = Bench::start().await;
            bench.aws().fault(Operation::SendMessage, Calls::All, fault);
            bench.aws().fault(Operation::PutObject, Calls::All, fault);
            assert_eq!(bench.post_signed(body).await.answer, Answer::Unavailable, "{fault:?}");
            assert!(bench.is_empty());
        }
    }
}

#[tokio::test]
async fn a_bucket_that_is_down_does_not_hinder_what_the_queue_can_carry() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::PutObject, Calls::All, Fault::Hang);
    assert_eq!(bench.post_signed(INLINE).await.record.stored_as, Some(StoredAs::Inline));
}

#[tokio::test]
async fn nobody_listening_is_told_as_come_again() {
    let bench = Bench::start().await;
    assert_eq!(bench.post_signed(INLINE).await.answer, Answer::Stored);
    bench.aws().shutdown();
    let posted = bench.post_signed(INLINE).await;
    assert_eq!(posted.answer, Answer::Unavailable);
    assert_eq!(posted.record.failures.len(), 2, "{:?}", posted.record.failures);
}

#[tokio::test]
async fn secrets_manager_down_does_not_hinder_a_cached_key() {
    let bench = Bench::start().await;
    assert_eq!(bench.post_signed(INLINE).await.answer, Answer::Stored);
    bench.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Error);
    assert_eq!(bench.post_signed_with("forged", INLINE).await.answer, Answer::Unauthorized);
    assert_eq!(bench.post_signed(INLINE).await.answer, Answer::Stored);
}

#[tokio::test]
async fn secrets_manager_hanging_at_the_first_callback_is_told_as_come_again() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Hang);
    assert_eq!(bench.post_signed(INLINE).await.answer, Answer::Unavailable);
}
