//! Key rotation and forgeries, with the local Secrets Manager over HTTP.

use std::time::{Duration, SystemTime};

use flinks_dev::{
    sign,
    stack::{PAY_SIGNING_SECRET_ID, SIGNING_SECRET, SIGNING_SECRET_ID},
};
use flinks_webhooks::http::Response;
use local_aws::{Calls, Fault, Operation};

use crate::support::Fixture;

const BODY: &[u8] = br#"{"ResponseType":"KYC"}"#;

#[tokio::test]
async fn a_rotated_key_works_at_the_next_callback_and_the_previous_one_still_does() {
    let fixture = Fixture::start().await;
    fixture.receiver.prepare().await;
    assert_eq!(fixture.post_signed(BODY).await.response, Response::Stored);
    fixture.aws().put_secret_value(SIGNING_SECRET_ID, "second");
    assert_eq!(fixture.post_signed_with("second", BODY).await.response, Response::Stored);
    assert_eq!(fixture.post_signed_with(SIGNING_SECRET, BODY).await.response, Response::Stored);
    assert_eq!(fixture.post_signed_with("third", BODY).await.response, Response::Unauthorized);
}

#[tokio::test]
async fn the_previous_key_is_rejected_after_the_configured_days() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (rotated_before, days, expected) in [
        (8 * day, "", Response::Unauthorized),
        (6 * day, "", Response::Stored),
        (8 * day, "9", Response::Stored),
        (Duration::ZERO, "0", Response::Unauthorized),
    ] {
        let fixture = Fixture::with_variables(&[("PREVIOUS_KEY_DAYS", days)]).await;
        fixture.aws().put_secret_value(SIGNING_SECRET_ID, "second");
        fixture.aws().set_secret_created(SIGNING_SECRET_ID, "AWSCURRENT", SystemTime::now() - rotated_before);
        assert_eq!(fixture.post_signed(BODY).await.response, expected, "{rotated_before:?} {days}");
        assert_eq!(fixture.post_signed_with("second", BODY).await.response, Response::Stored);
    }
}

#[tokio::test]
async fn five_hundred_forgeries_cost_one_refresh() {
    let fixture = Fixture::start().await;
    fixture.receiver.prepare().await;
    let before = fixture.aws().calls(Operation::GetSecretValue);
    assert_eq!(before, 4, "two stages of two secrets");
    for _ in 0..500 {
        assert_eq!(fixture.post_signed_with("forged", BODY).await.response, Response::Unauthorized);
    }
    assert_eq!(fixture.aws().calls(Operation::GetSecretValue) - before, 2);
    assert!(fixture.is_empty());
}

#[tokio::test]
async fn without_the_secret_callbacks_get_503_so_that_flinks_retries() {
    let fixture = Fixture::start().await;
    fixture.aws().delete_secret(SIGNING_SECRET_ID);
    fixture.receiver.prepare().await;
    assert_eq!(fixture.post_signed(BODY).await.response, Response::Unavailable);
    // The other scheme has its own key.
    let signature = sign::pay(BODY, flinks_dev::stack::PAY_SIGNING_SECRET);
    assert_eq!(fixture.post(&[("X-Webhook-Signature", &signature)], BODY).await.response, Response::Stored);
    fixture.aws().create_secret(SIGNING_SECRET_ID, SIGNING_SECRET);
    assert_eq!(fixture.post_signed(BODY).await.response, Response::Stored);
}

#[tokio::test]
async fn a_failure_to_fetch_at_start_is_recovered_at_the_next_callback() {
    let fixture = Fixture::start().await;
    fixture.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Reject("AccessDeniedException", "no"));
    let keys = fixture.receiver.prepare().await.keys;
    let failures: Vec<_> = keys.failures.iter().map(|call| (call.error.code.as_deref(), call.times)).collect();
    assert_eq!(failures, [(Some("AccessDeniedException"), 4)]);
    assert_eq!(fixture.post_signed(BODY).await.response, Response::Unavailable);
    fixture.aws().clear_faults();
    assert_eq!(fixture.post_signed(BODY).await.response, Response::Stored);
}

#[tokio::test]
async fn a_pasted_line_break_is_not_part_of_the_key() {
    let fixture = Fixture::start().await;
    fixture.aws().put_secret_value(SIGNING_SECRET_ID, "pasted\r\n");
    fixture.aws().put_secret_value(PAY_SIGNING_SECRET_ID, "pasted\n");
    assert_eq!(fixture.post_signed_with("pasted", BODY).await.response, Response::Stored);
    let posted = fixture.post(&[("X-Webhook-Signature", &sign::pay(BODY, "pasted"))], BODY).await;
    assert_eq!(posted.response, Response::Stored);
}
