use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::time::sleep;

use super::*;
use crate::{
    auth::{AuthenticCallback, SignatureForm},
    aws_error::Reason,
    routing::{ClassifiedCallback, ResponseTypes},
    time_budget::{ATTEMPT, BUDGET, RESPONSE},
};

const SECOND: Duration = Duration::from_secs(1);
/// A message that SQS carries as it is, in a group; and one that it does not carry.
const INLINE: &str = r#"{"Login":{"Id":"l"}}"#;
const OFFLOADED: &str = "{\"Login\":{\"Id\":\"l\"},\"Tag\":\"\u{FFFF}\"}";

/// What a service does with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Takes,
    Hangs,
    /// An error response, after this time.
    Fails(u16, Option<&'static str>, Duration),
    /// Takes it, and the connection breaks before the response.
    LosesResponse,
}

const ERROR: Does = Does::Fails(500, Some("InternalError"), Duration::from_millis(5));
const DENIED: Does = Does::Fails(403, Some("AccessDenied"), Duration::from_millis(5));

/// A call that was made: when, since the start, of which operation, and the key or the kind of the message.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    at: Duration,
    operation: Operation,
    what: String,
    with_group: bool,
}

/// A queue and a bucket whose responses a test sets.
struct Services {
    started: Instant,
    queue: Box<dyn Fn(&Call) -> Does + Send + Sync>,
    bucket: Box<dyn Fn(&Call) -> Does + Send + Sync>,
    calls: Mutex<Vec<Call>>,
    /// Keys of the objects that the messages on the queue point to, or "inline".
    messages: Mutex<Vec<String>>,
    objects: Mutex<BTreeSet<String>>,
}

impl Services {
    fn new(
        queue: impl Fn(&Call) -> Does + Send + Sync + 'static,
        bucket: impl Fn(&Call) -> Does + Send + Sync + 'static,
    ) -> Self {
        Self {
            started: Instant::now(),
            queue: Box::new(queue),
            bucket: Box::new(bucket),
            calls: Mutex::default(),
            messages: Mutex::default(),
            objects: Mutex::default(),
        }
    }

    fn call(&self, operation: Operation, what: String, with_group: bool) -> Call {
        let call = Call { at: self.started.elapsed(), operation, what, with_group };
        self.calls.lock().unwrap().push(call.clone());
        call
    }

    fn calls(&self, operation: Operation) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// Calls that put an undelivered payload into the bucket.
    fn undelivered(&self) -> Vec<Call> {
        let calls = self.calls(Operation::PutObject);
        calls.into_iter().filter(|call| call.what.starts_with("undelivered/")).collect()
    }

    fn objects(&self) -> usize {
        self.objects.lock().unwrap().len()
    }
}

async fn respond(does: Does, operation: Operation, take: impl FnOnce()) -> Result<(), AwsError> {
    match does {
        Does::Takes => {
            take();
            Ok(())
        }
        Does::Hangs => std::future::pending().await,
        Does::LosesResponse => {
            take();
            Err(AwsError::new(operation, Reason::Connection))
        }
        Does::Fails(status, code, after) => {
            sleep(after).await;
            let code = code.map(str::to_owned);
            Err(AwsError { status: Some(status), code, ..AwsError::new(operation, Reason::Service) })
        }
    }
}

impl Queues for &Services {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let OutboundMessage { body, attributes, group_id, .. } = message;
        let is_pointer = attributes.iter().any(|attribute| attribute.name == "ExtendedPayloadSize");
        let what = if is_pointer { body } else { "inline".to_owned() };
        let call = self.call(Operation::SendMessage, what.clone(), group_id.is_some());
        respond((self.queue)(&call), Operation::SendMessage, || self.messages.lock().unwrap().push(what)).await
    }
}

impl PayloadStore for &Services {
    fn bucket(&self) -> &str {
        "bucket"
    }

    async fn put(&self, key: &str, _: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let names: Vec<_> = metadata.iter().map(|(name, _)| *name).collect();
        let expected: &[&str] = if key.starts_with("undelivered/") { &["signature-form", "received-at"] } else { &[] };
        assert_eq!(names, expected);
        let call = self.call(Operation::PutObject, key.to_owned(), false);
        let take = || {
            self.objects.lock().unwrap().insert(key.to_owned());
        };
        respond((self.bucket)(&call), Operation::PutObject, take).await
    }
}

fn message(body: &'static str) -> Message {
    let callback = AuthenticCallback::for_test(body, SignatureForm::Raw);
    Message::from_callback(&ClassifiedCallback::classify(callback, &ResponseTypes::new()), SystemTime::UNIX_EPOCH)
}

/// How a body is stored, if it is, and how long it took.
async fn store(services: &Services, body: &'static str) -> (Option<StoredAs>, Duration) {
    store_in(&Storage::new(services, services), body, BUDGET).await
}

async fn store_in(
    storage: &Storage<&Services, &Services>,
    body: &'static str,
    budget: Duration,
) -> (Option<StoredAs>, Duration) {
    let started = Instant::now();
    let stored = storage.store(&message(body), started + budget).await;
    (stored.outcome.ok().map(|receipt| receipt.stored_as()), started.elapsed())
}

/// Works once this time has passed since the start. Before that it does something else.
fn until(seconds: f64, before: Does) -> impl Fn(&Call) -> Does + Send + Sync + 'static {
    move |call| if call.at.as_secs_f64() < seconds { before } else { Does::Takes }
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_takes_is_inline_and_costs_one_call() {
    let services = Services::new(|_| Does::Takes, |_| Does::Hangs);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
    assert_eq!(services.calls.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_cannot_carry_is_a_claim_check_and_costs_two_calls() {
    let services = Services::new(|_| Does::Takes, |_| Does::Takes);
    assert_eq!(store(&services, OFFLOADED).await.0, Some(StoredAs::ClaimCheck));
    assert_eq!((services.calls.lock().unwrap().len(), services.objects()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn trouble_of_both_services_that_ends_within_the_budget_loses_nothing() {
    let faults = [
        ERROR,
        Does::Hangs,
        Does::Fails(403, Some("RequestThrottled"), Duration::ZERO),
        Does::Fails(503, None, Duration::ZERO),
        Does::Fails(429, None, Duration::from_secs(1)),
    ];
    for body in [INLINE, OFFLOADED] {
        for fault in faults {
            for seconds in [0.3, 1.0, 2.0, 5.0] {
                let services = Services::new(until(seconds, fault), until(seconds, fault));
                let (how, elapsed) = store(&services, body).await;
                assert!(how.is_some(), "{fault:?} for {seconds} s");
                // An attempt, the longest wait, and what the claim check needs more.
                assert!(elapsed.as_secs_f64() < seconds + 4.5, "{fault:?} for {seconds} s: {elapsed:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_of_the_queue_does_not_send_a_callback_to_the_bucket() {
    let services = Services::new(until(0.3, ERROR), |_| Does::Takes);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
    assert!(services.undelivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_bucket_joins_at_once_when_the_queue_has_failed_for_good() {
    for body in [INLINE, OFFLOADED] {
        let services = Services::new(|_| DENIED, |_| Does::Takes);
        let (how, elapsed) = store(&services, body).await;
        assert_eq!(how, Some(StoredAs::Undelivered));
        assert!(elapsed < SECOND / 10, "{elapsed:?}");
        assert_eq!(services.calls(Operation::SendMessage).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_bucket_joins_when_an_attempt_on_the_queue_has_taken_three_seconds() {
    for body in [INLINE, OFFLOADED] {
        let services = Services::new(|_| Does::Hangs, |_| Does::Takes);
        assert_eq!(store(&services, body).await, (Some(StoredAs::Undelivered), ATTEMPT));
    }
    // Slower is not failed.
    let slow = |call: &Call| if call.at < SECOND { Does::Fails(500, None, 29 * SECOND / 10) } else { Does::Takes };
    let services = Services::new(slow, |_| Does::Takes);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
    assert!(services.undelivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_bucket_joins_a_second_after_the_queues_first_failure() {
    let services = Services::new(|_| ERROR, |_| Does::Takes);
    let (how, elapsed) = store(&services, INLINE).await;
    assert_eq!(how, Some(StoredAs::Undelivered));
    assert_eq!(elapsed, BUCKET_JOINS_AFTER + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn the_bucket_joins_as_soon_as_the_queue_fails_when_less_than_two_seconds_are_left() {
    let services = Services::new(|_| ERROR, |_| Does::Takes);
    let storage = Storage::new(&services, &services);
    let (how, elapsed) = store_in(&storage, INLINE, SECOND).await;
    assert_eq!((how, elapsed), (Some(StoredAs::Undelivered), Duration::from_millis(5)));
    // And when they are not left any more.
    let (how, elapsed) = store_in(&storage, INLINE, 5 * SECOND / 2).await;
    assert_eq!((how, elapsed), (Some(StoredAs::Undelivered), SECOND / 2));
}

#[tokio::test(start_paused = true)]
async fn once_the_bucket_has_joined_the_first_of_the_two_to_accept_counts() {
    let services = Services::new(until(5.0, ERROR), |_| ERROR);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
    let services = Services::new(|_| ERROR, until(5.0, ERROR));
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Undelivered));
    // A bucket that fails for good does not end the attempts on the queue.
    let services = Services::new(until(5.0, ERROR), |_| DENIED);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
    assert_eq!(services.undelivered().len(), 1);
    // A bucket that hangs does not hold up the queue, and the other way round.
    let services = Services::new(until(5.0, ERROR), |_| Does::Hangs);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Inline));
}

#[tokio::test(start_paused = true)]
async fn the_whole_budget_is_used_and_no_more() {
    for body in [INLINE, OFFLOADED] {
        for (queue, bucket) in [(ERROR, ERROR), (Does::Hangs, Does::Hangs), (ERROR, Does::Hangs), (DENIED, ERROR)] {
            let services = Services::new(move |_| queue, move |_| bucket);
            let (how, elapsed) = store(&services, body).await;
            assert_eq!(how, None);
            assert!(elapsed < RESPONSE && elapsed > BUDGET - SECOND / 10, "{elapsed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_early_only_when_both_ways_have_failed_for_good() {
    for body in [INLINE, OFFLOADED] {
        let services = Services::new(|_| DENIED, |_| DENIED);
        let (how, elapsed) = store(&services, body).await;
        assert_eq!(how, None);
        assert!(elapsed < SECOND / 10, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_aws_does_not_accept_is_tried_once_more() {
    let unsigned = Does::Fails(403, Some("InvalidSignatureException"), Duration::ZERO);
    let services = Services::new(move |_| unsigned, |_| Does::Takes);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::Undelivered));
    assert_eq!(services.calls(Operation::SendMessage).len(), 2);
}

// The objects of claim checks.

#[tokio::test(start_paused = true)]
async fn after_an_error_response_a_claim_check_uses_its_object_again() {
    for code in ["InternalError", "RequestThrottled", "KmsThrottled", "OverLimit"] {
        let services = Services::new(until(0.3, Does::Fails(500, Some(code), Duration::ZERO)), |_| Does::Takes);
        assert_eq!(store(&services, OFFLOADED).await.0, Some(StoredAs::ClaimCheck));
        assert!(services.calls(Operation::SendMessage).len() > 2);
        assert_eq!((services.objects(), services.calls(Operation::PutObject).len()), (1, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_unknown_outcome_a_claim_check_gets_a_new_object() {
    let first = |does| move |call: &Call| if call.at < SECOND / 50 { does } else { Does::Takes };
    for does in [Does::LosesResponse, Does::Fails(500, None, Duration::ZERO)] {
        let services = Services::new(first(does), |_| Does::Takes);
        assert_eq!(store(&services, OFFLOADED).await.0, Some(StoredAs::ClaimCheck));
        let sent = services.calls(Operation::SendMessage);
        let pointers: BTreeSet<_> = sent.iter().map(|call| &call.what).collect();
        assert_eq!((pointers.len(), services.objects()), (sent.len(), sent.len()), "{does:?}");
        assert!(sent.len() > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_not_stored_for_sure_is_stored_again_under_its_key() {
    for does in [Does::LosesResponse, ERROR] {
        let services = Services::new(|_| Does::Takes, until(0.02, does));
        assert_eq!(store(&services, OFFLOADED).await.0, Some(StoredAs::ClaimCheck));
        assert_eq!(services.objects(), 1);
        assert!(services.calls(Operation::PutObject).len() > 1);
    }
}

// Message groups and content.

const INVALID: Does = Does::Fails(400, Some("InvalidParameterValue"), Duration::ZERO);
const ILLEGAL: Does = Does::Fails(400, Some("InvalidMessageContents"), Duration::ZERO);

fn plans(services: &Services) -> Vec<(bool, bool)> {
    services.calls(Operation::SendMessage).iter().map(|call| (call.what == "inline", call.with_group)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_rejects_groups_gets_the_message_without_one_and_is_remembered() {
    for code in ["InvalidParameterValue", "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"] {
        for (body, how) in [(INLINE, StoredAs::Inline), (OFFLOADED, StoredAs::ClaimCheck)] {
            let rejects = Does::Fails(400, Some(code), Duration::ZERO);
            let services =
                Services::new(move |call| if call.with_group { rejects } else { Does::Takes }, |_| Does::Takes);
            let storage = Storage::new(&services, &services);
            let inline = how == StoredAs::Inline;
            assert_eq!(store_in(&storage, body, BUDGET).await.0, Some(how));
            assert_eq!(plans(&services), [(inline, true), (inline, false)]);
            assert_eq!(store_in(&storage, body, BUDGET).await.0, Some(how));
            assert_eq!(plans(&services).last(), Some(&(inline, false)));
            assert_eq!(plans(&services).len(), 3, "the next message is sent without a group at once");
            assert_eq!(services.objects(), if inline { 0 } else { 2 });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_for_the_queue_is_no_reason_to_leave_groups_out_later() {
    let services = Services::new(|call| if call.what == "inline" { INVALID } else { Does::Takes }, |_| Does::Takes);
    let storage = Storage::new(&services, &services);
    for round in 1..=2 {
        assert_eq!(store_in(&storage, INLINE, BUDGET).await.0, Some(StoredAs::ClaimCheck));
        assert_eq!(plans(&services)[3 * (round - 1)..], [(true, true), (true, false), (false, false)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_rejects_for_its_content_is_a_claim_check_with_its_group() {
    let services = Services::new(|call| if call.what == "inline" { ILLEGAL } else { Does::Takes }, |_| Does::Takes);
    assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::ClaimCheck));
    assert_eq!(plans(&services), [(true, true), (false, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_rejects_inline_and_as_a_claim_check_goes_to_the_bucket() {
    for rejects in [INVALID, ILLEGAL] {
        let services = Services::new(move |_| rejects, |_| Does::Takes);
        let (how, elapsed) = store(&services, INLINE).await;
        assert_eq!(how, Some(StoredAs::Undelivered));
        assert!(elapsed < SECOND / 10, "{elapsed:?}");
        assert_eq!(services.objects(), 2, "its own, and the one that no message points to");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_the_queue_is_a_claim_check_with_its_group() {
    for code in [Some("RequestEntityTooLarge"), None] {
        let rejects = Does::Fails(413, code, Duration::ZERO);
        let services =
            Services::new(move |call| if call.what == "inline" { rejects } else { Does::Takes }, |_| Does::Takes);
        assert_eq!(store(&services, INLINE).await.0, Some(StoredAs::ClaimCheck));
        assert_eq!(plans(&services), [(true, true), (false, true)], "{code:?}");
    }
}
