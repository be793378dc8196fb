//! Rotation and forgeries against Secrets Manager, over HTTP.

use std::time::{Duration, SystemTime};

use flinks_dev::{
    sign,
    stack::{PAY_SIGNING_SECRET_ID, SIGNING_SECRET, SIGNING_SECRET_ID},
};
use flinks_webhooks::http::Response;
use local_aws::{Calls, Fault, Operation};

use crate::support::Bench;

const BODY: &[u8] = br#"{"ResponseType":"KYC"}"#;

#[tokio::test]
async fn a_rotated_key_works_at_the_next_callback_and_the_previous_one_still_does() {
    let bench = Bench::start().await;
    bench.receiver.prepare().await;
    assert_eq!(bench.post_signed(BODY).await.answer, Response::Stored);
    bench.aws().put_secret_value(SIGNING_SECRET_ID, "second");
    assert_eq!(bench.post_signed_with("second", BODY).await.answer, Response::Stored);
    assert_eq!(bench.post_signed_with(SIGNING_SECRET, BODY).await.answer, Response::Stored);
    assert_eq!(bench.post_signed_with("third", BODY).await.answer, Response::Unauthorized);
}

#[tokio::test]
async fn the_previous_key_is_refused_after_the_days_set() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (rotated_before, days, expected) in [
        (8 * day, "", Response::Unauthorized),
        (6 * day, "", Response::Stored),
        (8 * day, "9", Response::Stored),
        (Duration::ZERO, "0", Response::Unauthorized),
    ] {
        let bench = Bench::with(&[("PREVIOUS_KEY_DAYS", days)]).await;
        bench.aws().put_secret_value(SIGNING_SECRET_ID, "second");
        bench.aws().set_secret_created(SIGNING_SECRET_ID, "AWSCURRENT", SystemTime::now() - rotated_before);
        assert_eq!(bench.post_signed(BODY).await.answer, expected, "{rotated_before:?} {days}");
        assert_eq!(bench.post_signed_with("second", BODY).await.answer, Response::Stored);
    }
}

#[tokio::test]
async fn five_hundred_forgeries_cost_one_refresh() {
    let bench = Bench::start().await;
    bench.receiver.prepare().await;
    let before = bench.aws().calls(Operation::GetSecretValue);
    assert_eq!(before, 4, "two stages of two secrets");
    for _ in 0..500 {
        assert_eq!(bench.post_signed_with("forged", BODY).await.answer, Response::Unauthorized);
    }
    assert_eq!(bench.aws().calls(Operation::GetSecretValue) - before, 2);
    assert!(bench.is_empty());
}

#[tokio::test]
async fn without_the_secret_callbacks_are_told_to_come_again() {
    let bench = Bench::start().await;
    bench.aws().delete_secret(SIGNING_SECRET_ID);
    bench.receiver.prepare().await;
    assert_eq!(bench.post_signed(BODY).await.answer, Response::Unavailable);
    // The other scheme has its own key.
    let signature = sign::pay(BODY, flinks_dev::stack::PAY_SIGNING_SECRET);
    assert_eq!(bench.post(&[("X-Webhook-Signature", &signature)], BODY).await.answer, Response::Stored);
    bench.aws().create_secret(SIGNING_SECRET_ID, SIGNING_SECRET);
    assert_eq!(bench.post_signed(BODY).await.answer, Response::Stored);
}

#[tokio::test]
async fn a_failure_to_fetch_at_start_is_recovered_at_the_next_callback() {
    let bench = Bench::start().await;
    bench.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Reject("AccessDeniedException", "no"));
    let keys = bench.receiver.prepare().await.keys;
    let failures: Vec<_> = keys.failures.iter().map(|call| (call.error.code.as_deref(), call.times)).collect();
    assert_eq!(failures, [(Some("AccessDeniedException"), 4)]);
    assert_eq!(bench.post_signed(BODY).await.answer, Response::Unavailable);
    bench.aws().clear_faults();
    assert_eq!(bench.post_signed(BODY).await.answer, Response::Stored);
}

#[tokio::test]
async fn a_pasted_line_break_is_not_part_of_the_key() {
    let bench = Bench::start().await;
    bench.aws().put_secret_value(SIGNING_SECRET_ID, "pasted\r\n");
    bench.aws().put_secret_value(PAY_SIGNING_SECRET_ID, "pasted\n");
    assert_eq!(bench.post_signed_with("pasted", BODY).await.answer, Response::Stored);
    let posted = bench.post(&[("X-Webhook-Signature", &sign::pay(BODY, "pasted"))], BODY).await;
    assert_eq!(posted.answer, Response::Stored);
}
