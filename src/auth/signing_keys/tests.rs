use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::{advance, sleep, timeout};
use zeroize::Zeroizing;

use super::*;
use crate::{
    auth::{
        SignatureForm,
        key_cache::{FRESH_FOR, MISMATCH_INTERVAL, RETRY_DUE_AFTER},
        key_use::TriedKey,
        secret::{KeyProblem, SecretProblem, SecretVersion, Stage},
    },
    aws_error::{AwsError, Operation, Reason},
    http::{SignatureHeader, SignatureHeaders},
    time_budget::{ATTEMPT, BUDGET, MISMATCH, TO_STORE},
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A secret in memory: what each stage holds, and what happens to a read of it.
#[derive(Default)]
struct Store(Mutex<StoreState>);

#[derive(Default)]
struct StoreState {
    current: Option<Held>,
    previous: Option<Held>,
    /// What goes wrong with a read of a stage.
    trouble: Vec<(Scheme, Stage, Trouble)>,
    /// How long a call takes.
    latency: Duration,
    /// The next read of this stage is followed by a rotation.
    rotation_after: Option<Stage>,
    calls: usize,
}

/// Id, age and text of a version.
#[derive(Clone, Copy)]
struct Held(&'static str, Duration, Option<&'static str>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// A transient failure.
    Fails,
    Hangs,
    Denied,
}

impl StoreState {
    fn rotate(&mut self, id: &'static str, text: &'static str) {
        self.previous = self.current;
        self.current = Some(Held(id, Duration::ZERO, Some(text)));
    }
}

impl SecretSource for Store {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let (trouble, latency) = {
            let mut state = self.0.lock().unwrap();
            state.calls += 1;
            let trouble = state.trouble.iter().find(|(of, at, _)| (*of, *at) == (scheme, stage));
            (trouble.map(|(.., trouble)| *trouble), state.latency)
        };
        let failed = AwsError::new(Operation::GetSecretValue, Reason::Service);
        match trouble {
            Some(Trouble::Hangs) => sleep(DAY).await,
            Some(Trouble::Fails) => {
                sleep(latency).await;
                return Err(AwsError { status: Some(500), ..failed });
            }
            Some(Trouble::Denied) => return Err(AwsError { code: Some("AccessDeniedException".to_owned()), ..failed }),
            None => {}
        }
        let held = {
            let mut state = self.0.lock().unwrap();
            let held = if stage == Stage::Current { state.current } else { state.previous };
            if state.rotation_after == Some(stage) {
                state.rotation_after = None;
                state.rotate("v2", "second");
            }
            held
        };
        sleep(latency).await;
        Ok(held.map(|Held(id, age, text)| SecretVersion {
            id: id.to_owned(),
            created: SystemTime::now().checked_sub(age),
            text: text.map(|text| Zeroizing::new(text.to_owned())),
        }))
    }
}

impl SecretSource for Arc<Store> {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        self.as_ref().fetch(scheme, stage).await
    }
}

const RULES: KeyRules = KeyRules { previous_key_for: WEEK, accept_ascii: true };

/// The keys of one instance of the receiver, on a store in which both schemes have the secret `first`.
struct Instance {
    store: Arc<Store>,
    keys: SigningKeys<Arc<Store>>,
}

const BOTH: [Stage; 2] = [Stage::Current, Stage::Previous];

impl Instance {
    fn new(change: impl FnOnce(&mut StoreState)) -> Self {
        let store = Arc::new(Store::default());
        let instance = Self { keys: SigningKeys::new(Arc::clone(&store), RULES), store };
        instance.change(|state| state.current = Some(Held("v1", DAY, Some("first"))));
        instance.change(change);
        instance
    }

    /// An instance that has read its keys.
    async fn warm(change: impl FnOnce(&mut StoreState)) -> Self {
        let instance = Self::new(change);
        instance.keys.prefetch().await;
        instance.change(|state| state.calls = 0);
        instance
    }

    fn change(&self, change: impl FnOnce(&mut StoreState)) {
        change(&mut self.store.0.lock().unwrap());
    }

    /// From now on reads of these stages go wrong, for both schemes.
    fn trouble(&self, trouble: Trouble, stages: &[Stage]) {
        let schemes = [Scheme::Aggregation, Scheme::Pay];
        let all = schemes.into_iter().flat_map(|scheme| stages.iter().map(move |stage| (scheme, *stage, trouble)));
        self.change(|state| state.trouble = all.collect());
    }

    fn all_is_well(&self) {
        self.change(|state| state.trouble.clear());
    }

    fn rotate(&self) {
        self.change(|state| state.rotate("v2", "second"));
    }

    fn calls(&self) -> usize {
        self.store.0.lock().unwrap().calls
    }

    /// Checks a callback that is signed under the aggregation scheme with `secret`, and returns how long that took.
    async fn check(&self, secret: &str) -> (Result<SignatureForm, Rejection>, Duration) {
        let (outcome, _, elapsed) = self.check_all(&[(SignatureHeader::AuthenticityKey, secret)]).await;
        (outcome, elapsed)
    }

    async fn accepts(&self, secret: &str) -> Result<(), Rejection> {
        self.check(secret).await.0.map(drop)
    }

    async fn check_all(
        &self,
        signatures: &[(SignatureHeader, &str)],
    ) -> (Result<SignatureForm, Rejection>, KeyUse, Duration) {
        let mut headers = SignatureHeaders::default();
        for (header, secret) in signatures {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(b"{}");
            let mac = mac.finalize().into_bytes();
            let value = match header {
                SignatureHeader::WebhookSignature => format!("sha256={}", hex::encode(mac)),
                _ => BASE64_STANDARD.encode(mac),
            };
            headers.push(*header, value.into_bytes());
        }
        let callback = Callback { headers, body: "{}".into(), ..Callback::default() };
        let started = Instant::now();
        let Authentication { outcome, keys } = self.keys.check_signatures(&callback, TimeBudget::start()).await;
        (outcome.map(|authentic| authentic.signature_form()), keys, started.elapsed())
    }
}

const WRONG: Result<(), Rejection> = Err(Rejection::SignatureWrong);
const NO_KEYS: Result<(), Rejection> = Err(Rejection::NoKeys);

/// How long keys are fetched, counted from the event.
fn keys_end() -> Duration {
    BUDGET - TO_STORE
}

#[test]
fn the_tests_follow_the_table_of_rules_row_by_row() {
    let numbers = |source: &'static str, before: &str, after: &str| -> Vec<usize> {
        let number = |line: &str| line.strip_prefix(before)?.split_once(after)?.0.parse().ok();
        source.lines().filter_map(number).collect()
    };
    let rows = numbers(include_str!("../signing_keys.rs"), "//! | ", " | ");
    assert_eq!(rows, (1..=32).collect::<Vec<_>>());
    assert_eq!(numbers(include_str!("tests.rs"), "// ", ". "), rows);
}

// 1. The keys are cached and fresh.

#[tokio::test(start_paused = true)]
async fn cached_and_fresh_keys_serve_without_a_call() {
    let instance = Instance::new(|_| {});
    for _ in 0..3 {
        assert_eq!(instance.accepts("first").await, Ok(()));
    }
    assert_eq!(instance.calls(), 2);
    advance(FRESH_FOR - SECOND).await;
    assert_eq!(instance.accepts("first").await, Ok(()));
    assert_eq!(instance.calls(), 2);
    advance(SECOND).await;
    assert_eq!(instance.accepts("first").await, Ok(()));
    assert_eq!(instance.calls(), 4);
}

// 2. The keys are due.

#[tokio::test(start_paused = true)]
async fn due_keys_get_one_attempt_and_serve_while_it_fails() {
    for (trouble, takes) in [(Trouble::Fails, Duration::ZERO), (Trouble::Hangs, ATTEMPT)] {
        let instance = Instance::warm(|_| {}).await;
        instance.trouble(trouble, &BOTH);
        advance(FRESH_FOR).await;
        let (accepted, elapsed) = instance.check("first").await;
        assert!(accepted.is_ok());
        assert!(elapsed >= takes && elapsed < takes + SECOND, "{elapsed:?}");
        assert_eq!(instance.calls(), 2);
        // The next one for being due is half a minute later.
        advance(RETRY_DUE_AFTER - SECOND).await;
        assert_eq!(instance.accepts("first").await, Ok(()));
        assert_eq!(instance.calls(), 2);
        advance(SECOND).await;
        assert_eq!(instance.accepts("first").await, Ok(()));
        assert_eq!(instance.calls(), 4);
    }
}

// 3. The keys are due, and another callback is reading them.

#[tokio::test(start_paused = true)]
async fn due_keys_serve_at_once_while_another_callback_reads_them() {
    let instance = Instance::warm(|_| {}).await;
    instance.trouble(Trouble::Hangs, &BOTH);
    advance(FRESH_FOR).await;
    let other = async {
        sleep(SECOND).await;
        instance.check("first").await
    };
    let (_, (accepted, elapsed)) = tokio::join!(instance.check("first"), other);
    assert_eq!((accepted, elapsed), (Ok(SignatureForm::Raw), Duration::ZERO));
    assert_eq!(instance.calls(), 2);
}

// 4. There is no key, and a stage fails transiently.

#[tokio::test(start_paused = true)]
async fn without_a_key_a_callback_retries_until_the_time_to_store_is_left_and_then_gets_503() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let instance = Instance::new(|_| {});
        instance.trouble(trouble, &BOTH);
        let (rejected, elapsed) = instance.check("first").await;
        assert_eq!(rejected.map(drop), NO_KEYS);
        assert!(elapsed <= keys_end() && elapsed > keys_end() - SECOND / 5, "{elapsed:?}");
        let over = async {
            sleep(3 * SECOND).await;
            instance.all_is_well();
        };
        let (accepted, ()) = tokio::join!(instance.accepts("first"), over);
        assert_eq!(accepted, Ok(()));
    }
}

// 5. There is no key, and every stage is gone or denied.

#[tokio::test(start_paused = true)]
async fn without_a_key_a_callback_gets_503_at_once_if_the_secret_is_gone_or_denied() {
    let gone = Instance::new(|state| state.current = None);
    let denied = Instance::new(|_| {});
    denied.trouble(Trouble::Denied, &BOTH);
    for instance in [gone, denied] {
        let (rejected, elapsed) = instance.check("first").await;
        assert_eq!(rejected.map(drop), NO_KEYS);
        assert!(elapsed < SECOND, "{elapsed:?}");
        assert_eq!(instance.calls(), 2);
    }
}

// 6. There is no key, and several callbacks retry in turn.

#[tokio::test(start_paused = true)]
async fn without_a_key_a_flood_is_not_passed_on() {
    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Denied, &BOTH);
    let started = Instant::now();
    for _ in 0..500 {
        assert_eq!(instance.accepts("forged").await, NO_KEYS);
    }
    // Half a second to a second between two attempts, and an attempt is a call for each stage.
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!(instance.calls() <= 2 * (2 * seconds + 10), "{} calls in {seconds} s", instance.calls());
}

#[tokio::test(start_paused = true)]
async fn after_forgeries_during_an_outage_the_first_authentic_callback_is_accepted() {
    for trouble in [Trouble::Fails, Trouble::Denied] {
        let instance = Instance::new(|_| {});
        instance.trouble(trouble, &BOTH);
        for _ in 0..4 {
            assert_eq!(instance.accepts("forged").await, NO_KEYS);
        }
        instance.all_is_well();
        assert_eq!(instance.accepts("first").await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_key_was_found_the_next_loss_of_all_keys_is_retried_as_fast_as_the_first() {
    let calls_in_a_second = async |instance: &Instance| {
        let before = instance.calls();
        assert!(timeout(SECOND, instance.check("first")).await.is_err());
        instance.calls() - before
    };
    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Fails, &BOTH);
    // Six at most once the waits are at their longest.
    assert!(calls_in_a_second(&instance).await > 6);
    assert!(calls_in_a_second(&instance).await <= 6);
    instance.all_is_well();
    assert_eq!(instance.accepts("first").await, Ok(()));
    // Secrets Manager reports that both stages are gone, and then fails.
    instance.change(|state| state.current = None);
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("first").await, NO_KEYS);
    advance(SECOND).await;
    instance.trouble(Trouble::Fails, &BOTH);
    assert!(calls_in_a_second(&instance).await > 6);
}

// 7. The instance starts.

#[tokio::test(start_paused = true)]
async fn a_start_retries_for_two_seconds_and_reports_the_failures_of_each_scheme() {
    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Hangs, &BOTH);
    let started = Instant::now();
    let Prefetch { is_complete, keys } = instance.keys.prefetch().await;
    assert!(!is_complete);
    assert_eq!(started.elapsed(), START);
    assert_eq!(keys.failures.iter().map(|call| call.times).sum::<u32>(), 4, "two stages of two secrets");

    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Fails, &BOTH);
    let over = async {
        sleep(SECOND).await;
        instance.all_is_well();
    };
    let (prefetch, ()) = tokio::join!(instance.keys.prefetch(), over);
    assert!(prefetch.is_complete && !prefetch.keys.failures.is_empty(), "{prefetch:?}");
    let calls = instance.calls();
    assert_eq!(instance.accepts("first").await, Ok(()));
    assert_eq!(instance.calls(), calls);
}

// 8. No cached key matches.

#[tokio::test(start_paused = true)]
async fn a_rotated_key_works_at_the_next_callback_and_the_previous_one_still_does() {
    let instance = Instance::new(|_| {});
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.rotate();
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.accepts("first").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_reads_at_once_after_a_read_of_due_keys_failed() {
    let instance = Instance::warm(|_| {}).await;
    instance.trouble(Trouble::Fails, &BOTH);
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.rotate();
    instance.all_is_well();
    assert_eq!(instance.accepts("second").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_reads_at_once_after_a_read_of_due_keys_succeeded() {
    let instance = Instance::warm(|_| {}).await;
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.rotate();
    assert_eq!(instance.accepts("second").await, Ok(()));
}

// 9. The read for a mismatch fails transiently.

#[tokio::test(start_paused = true)]
async fn a_mismatch_retries_for_two_seconds_while_the_read_fails_and_finds_the_rotated_key() {
    for seconds in [0.1, 0.3, 1.0] {
        let instance = Instance::warm(|_| {}).await;
        instance.rotate();
        instance.trouble(Trouble::Fails, &BOTH);
        let over = async {
            sleep(Duration::from_secs_f64(seconds)).await;
            instance.all_is_well();
        };
        let (accepted, ()) = tokio::join!(instance.accepts("second"), over);
        assert_eq!(accepted, Ok(()), "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_for_a_mismatch_that_fails_leaves_fresh_keys_fresh() {
    let instance = Instance::warm(|_| {}).await;
    instance.trouble(Trouble::Fails, &BOTH);
    assert_eq!(instance.accepts("forged").await, WRONG);
    let calls = instance.calls();
    advance(RETRY_DUE_AFTER + SECOND).await;
    assert_eq!(instance.accepts("first").await, Ok(()));
    assert_eq!(instance.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_is_rejected_after_two_seconds_of_failing_reads() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let instance = Instance::warm(|_| {}).await;
        instance.trouble(trouble, &BOTH);
        let (rejected, elapsed) = instance.check("second").await;
        assert_eq!(rejected.map(drop), WRONG);
        assert!(elapsed <= MISMATCH && elapsed > MISMATCH - SECOND / 5, "{elapsed:?}");
        // Others that mismatch in the next two seconds are rejected at once.
        let calls = instance.calls();
        advance(MISMATCH - SECOND / 10).await;
        assert_eq!(instance.check("second").await, (Err(Rejection::SignatureWrong), Duration::ZERO));
        assert_eq!(instance.calls(), calls);
        // Later ones are not, and what they need may be readable by then.
        instance.rotate();
        instance.all_is_well();
        advance(SECOND / 10).await;
        assert_eq!(instance.accepts("second").await, Ok(()));
    }
}

// 10. A read for a mismatch succeeded a short time ago.

#[tokio::test(start_paused = true)]
async fn forgeries_cost_one_successful_read_in_thirty_seconds() {
    let instance = Instance::new(|_| {});
    for _ in 0..500 {
        assert_eq!(instance.accepts("forged").await, WRONG);
    }
    assert_eq!(instance.calls(), 4, "the first read, and one for a mismatch");
    advance(MISMATCH_INTERVAL).await;
    for _ in 0..500 {
        assert_eq!(instance.accepts("forged").await, WRONG);
    }
    assert_eq!(instance.calls(), 6);
}

// 11. A read for a mismatch failed a short time ago.

#[tokio::test(start_paused = true)]
async fn for_two_seconds_after_a_failed_read_a_mismatch_is_rejected_without_a_read() {
    let instance = Instance::warm(|_| {}).await;
    instance.trouble(Trouble::Denied, &BOTH);
    for (wait, calls) in [(Duration::ZERO, 2), (MISMATCH - SECOND / 10, 2), (SECOND / 10, 4)] {
        advance(wait).await;
        assert_eq!(instance.check("forged").await, (Err(Rejection::SignatureWrong), Duration::ZERO));
        assert_eq!(instance.calls(), calls);
    }
}

// 12. No cached key matches, and a stage was never read and fails transiently.

#[tokio::test(start_paused = true)]
async fn a_mismatch_waits_for_a_stage_that_was_never_read() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let instance = Instance::new(|state| state.rotate("v2", "second"));
        instance.trouble(trouble, &[Stage::Previous]);
        assert_eq!(instance.accepts("second").await, Ok(()), "the current key is enough for what it signed");
        let over = async {
            sleep(3 * SECOND).await;
            instance.all_is_well();
        };
        let (accepted, ()) = tokio::join!(instance.accepts("first"), over);
        assert_eq!(accepted, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_gets_503_while_a_stage_that_was_never_read_fails() {
    for (trouble, expected) in [(Trouble::Fails, NO_KEYS), (Trouble::Hangs, NO_KEYS), (Trouble::Denied, WRONG)] {
        let instance = Instance::new(|_| {});
        instance.trouble(trouble, &[Stage::Previous]);
        assert_eq!(instance.accepts("first").await, Ok(()));
        let (rejected, elapsed) = instance.check("other").await;
        assert_eq!(rejected.map(drop), expected);
        assert!(elapsed <= keys_end(), "{elapsed:?}");
        assert_eq!(elapsed > keys_end() - SECOND / 5, expected == NO_KEYS, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_was_never_read_is_read_at_once_after_a_read_for_a_mismatch_failed() {
    let instance = Instance::new(|state| state.rotate("v2", "second"));
    instance.trouble(Trouble::Fails, &[Stage::Previous]);
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.accepts("forged").await, NO_KEYS);
    // The outage is over, and Flinks still signs with the previous key.
    instance.all_is_well();
    assert_eq!(instance.accepts("first").await, Ok(()));
}

// 13. No cached key matches, and a stage was never read and is denied.

#[tokio::test(start_paused = true)]
async fn a_mismatch_is_rejected_after_two_seconds_if_the_stage_that_was_never_read_is_denied() {
    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Denied, &[Stage::Previous]);
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.change(|state| state.trouble.push((Scheme::Aggregation, Stage::Current, Trouble::Hangs)));
    let (rejected, elapsed) = instance.check("forged").await;
    assert_eq!(rejected.map(drop), WRONG);
    assert!(elapsed <= MISMATCH, "{elapsed:?}");
}

// 14. The read for a mismatch finds that there is no key any more.

#[tokio::test(start_paused = true)]
async fn a_mismatch_that_finds_no_key_any_more_gets_503() {
    for current in [None, Some(Held("v2", Duration::ZERO, Some(" ")))] {
        let instance = Instance::warm(|_| {}).await;
        instance.change(|state| (state.current, state.previous) = (current, None));
        assert_eq!(instance.accepts("second").await, NO_KEYS);
    }
}

// 15. Other callbacks arrive during the read for a mismatch.

#[tokio::test(start_paused = true)]
async fn concurrent_callbacks_share_one_read() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    let (a, b, c) = tokio::join!(instance.accepts("second"), instance.accepts("second"), instance.accepts("forged"));
    assert_eq!((a, b, c), (Ok(()), Ok(()), WRONG));
    assert_eq!(instance.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_does_not_hold_up_a_callback_whose_key_is_cached() {
    let instance = Instance::warm(|_| {}).await;
    instance.trouble(Trouble::Hangs, &BOTH);
    let authentic = async {
        sleep(SECOND / 10).await;
        instance.check("first").await
    };
    let (_, (accepted, elapsed)) = tokio::join!(instance.check("forged"), authentic);
    assert_eq!((accepted, elapsed), (Ok(SignatureForm::Raw), Duration::ZERO));
}

// 16. A version was tried already.

#[tokio::test(start_paused = true)]
async fn a_version_that_was_tried_is_not_tried_again_after_the_read() {
    let instance = Instance::new(|_| {});
    assert_eq!(instance.accepts("first").await, Ok(()));
    // Secrets Manager never does that. Here it shows whether the version is tried twice.
    instance.change(|state| state.current = Some(Held("v1", DAY, Some("second"))));
    assert_eq!(instance.accepts("second").await, WRONG);
    assert_eq!(instance.calls(), 4);
}

// 17. Secrets Manager returns a version, or says that a stage is gone.

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_rejected_from_the_next_read_on() {
    let instance = Instance::warm(|_| {}).await;
    // Rotated, and the label AWSPREVIOUS removed, while the instance rests.
    instance.rotate();
    instance.change(|state| state.previous = None);
    advance(FRESH_FOR + 2 * 60 * SECOND).await;
    assert_eq!(instance.accepts("first").await, WRONG);
    assert_eq!(instance.accepts("second").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_revoked_later_is_rejected_from_the_next_read_on() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    assert_eq!(instance.accepts("second").await, Ok(()));
    instance.change(|state| state.previous = None);
    assert_eq!(instance.accepts("first").await, Ok(()), "not read yet");
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("first").await, WRONG);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_gone_takes_the_cached_keys_with_it() {
    let instance = Instance::warm(|state| state.rotate("v2", "second")).await;
    instance.change(|state| (state.current, state.previous) = (None, None));
    advance(FRESH_FOR).await;
    for secret in ["first", "second"] {
        assert_eq!(instance.accepts(secret).await, NO_KEYS);
    }
}

// 18. A stage could not be read.

#[tokio::test(start_paused = true)]
async fn what_could_be_read_replaces_what_was_cached_and_the_rest_stays() {
    let instance = Instance::warm(|state| state.rotate("v2", "second")).await;
    instance.trouble(Trouble::Fails, &[Stage::Previous]);
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.accepts("first").await, Ok(()));
}

// 19. The current version is new, and the previous stage could not be read.

#[tokio::test(start_paused = true)]
async fn a_rotation_is_noticed_while_the_previous_key_cannot_be_read() {
    let instance = Instance::new(|_| {});
    instance.trouble(Trouble::Fails, &[Stage::Previous]);
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.rotate();
    assert_eq!(instance.accepts("second").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn after_a_rotation_that_was_read_in_part_the_keys_are_due_again_in_half_a_minute() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    instance.trouble(Trouble::Denied, &[Stage::Previous]);
    assert_eq!(instance.accepts("second").await, Ok(()));
    let calls = instance.calls();
    advance(RETRY_DUE_AFTER - SECOND).await;
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.calls(), calls);
    advance(SECOND).await;
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.calls(), calls + 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_key_is_kept_only_while_the_previous_stage_cannot_be_read() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    instance.change(|state| state.previous = None);
    instance.trouble(Trouble::Fails, &[Stage::Previous]);
    advance(FRESH_FOR).await;
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.accepts("first").await, Ok(()));
    instance.all_is_well();
    advance(RETRY_DUE_AFTER).await;
    assert_eq!(instance.accepts("first").await, WRONG);
    assert_eq!(instance.accepts("second").await, Ok(()));
}

// 20. A rotation may have happened between the reads of the two stages.

#[tokio::test(start_paused = true)]
async fn stages_read_on_both_sides_of_a_rotation_are_read_again() {
    // The rotation happens when one of the two stages has been read, and the other one not yet.
    for after in BOTH {
        for previous in [None, Some(Held("v0", WEEK, Some("oldest")))] {
            let instance = Instance::warm(|state| state.previous = previous).await;
            instance.change(|state| state.rotation_after = Some(after));
            advance(FRESH_FOR).await;
            assert_eq!(instance.accepts("first").await, Ok(()), "{after:?}");
            let calls = instance.calls();
            assert!(calls <= 4, "{calls}");
            assert_eq!(instance.accepts("second").await, Ok(()), "{after:?}");
            assert_eq!(instance.accepts("first").await, Ok(()), "{after:?}");
        }
    }
}

// 21. A rotation made a version the previous one.

#[tokio::test(start_paused = true)]
async fn the_previous_key_is_accepted_for_the_time_set_and_no_longer() {
    let aged = |age| {
        Instance::new(move |state| {
            state.current = Some(Held("v2", age, Some("second")));
            state.previous = Some(Held("v1", age + DAY, Some("first")));
        })
    };
    assert_eq!(aged(WEEK - 60 * SECOND).accepts("first").await, Ok(()));
    assert_eq!(aged(WEEK).accepts("first").await, WRONG);
    assert_eq!(aged(WEEK).accepts("second").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_rolled_back_works_at_the_next_callback() {
    let instance = Instance::warm(|state| {
        state.current = Some(Held("v2", 10 * DAY, Some("second")));
        state.previous = Some(Held("v1", 90 * DAY, Some("first")));
    })
    .await;
    assert_eq!(instance.accepts("second").await, Ok(()));
    instance.change(|state| std::mem::swap(&mut state.current, &mut state.previous));
    assert_eq!(instance.accepts("first").await, Ok(()));
    assert_eq!(instance.accepts("second").await, WRONG);
}

// 22. The secret is rotated again.

#[tokio::test(start_paused = true)]
async fn after_a_second_rotation_the_oldest_key_is_accepted_until_the_next_read() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    assert_eq!(instance.accepts("second").await, Ok(()));
    instance.change(|state| state.rotate("v3", "third"));
    assert_eq!(instance.accepts("first").await, Ok(()), "not read yet");
    advance(FRESH_FOR).await;
    for (secret, expected) in [("first", WRONG), ("second", Ok(())), ("third", Ok(()))] {
        assert_eq!(instance.accepts(secret).await, expected, "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_rotations_only_the_last_ones_previous_key_is_accepted() {
    let instance = Instance::warm(|_| {}).await;
    instance.rotate();
    instance.change(|state| state.rotate("v3", "third"));
    assert_eq!(instance.accepts("third").await, Ok(()));
    assert_eq!(instance.accepts("second").await, Ok(()));
    assert_eq!(instance.accepts("first").await, WRONG);
}

// 23. A version cannot be a key.

#[tokio::test(start_paused = true)]
async fn a_current_version_that_cannot_be_a_key_does_not_replace_the_previous_one() {
    for (text, problem) in [
        (None, SecretProblem::Binary),
        (Some(""), SecretProblem::Empty),
        (Some(" \t"), SecretProblem::Empty),
        (Some("\0"), SecretProblem::Empty),
        (Some(r#"{"":""}"#), SecretProblem::Empty),
    ] {
        let unusable = |state: &mut StoreState| {
            state.previous = state.current;
            state.current = Some(Held("v2", Duration::ZERO, text));
        };
        // Cold, and read while the previous one is cached.
        let cold = Instance::new(unusable);
        let warm = Instance::warm(|_| {}).await;
        warm.change(unusable);
        advance(FRESH_FOR).await;
        for instance in [cold, warm] {
            let (accepted, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "first")]).await;
            assert_eq!(accepted, Ok(SignatureForm::Raw), "{text:?}");
            let found = KeyProblem { scheme: Scheme::Aggregation, stage: Stage::Current, problem };
            assert_eq!((keys.problems.as_slice(), keys.unusable()), (&[found][..], 1));
            // Reported at every callback, so that an instance that gets only a few of them reports it as well.
            let (_, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "first")]).await;
            assert_eq!(keys.unusable(), 1);
            for nothing in [" \t", "\0", r#"{"":""}"#] {
                assert_eq!(instance.accepts(nothing).await, WRONG);
            }
        }
        let expired = Instance::new(|state| {
            state.current = Some(Held("v2", WEEK, text));
            state.previous = Some(Held("v1", WEEK + DAY, Some("first")));
        });
        assert_eq!(expired.accepts("first").await, NO_KEYS);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_key_lets_nobody_in() {
    for text in ["", "\n", "   ", "\u{A0}", "\0\0", "\"\"", "\u{FEFF}"] {
        let instance = Instance::new(|state| state.current = Some(Held("v1", DAY, Some(text))));
        for signed_with in ["\n", " ", "\0", "\"\"", "anything"] {
            assert_eq!(instance.accepts(signed_with).await, NO_KEYS, "{text:?}");
        }
    }
}

// 24. A secret was pasted with white space, or as JSON.

#[tokio::test(start_paused = true)]
async fn what_people_paste_along_is_not_part_of_the_key() {
    for text in ["first\n\n", " first", "first\t", r#"{"key":"first"}"#] {
        let instance = Instance::new(|state| state.current = Some(Held("v1", DAY, Some(text))));
        assert_eq!(instance.accepts("first").await, Ok(()), "{text:?}");
    }
}

// 25. A callback has signatures of both schemes.

#[tokio::test(start_paused = true)]
async fn keys_of_both_schemes_are_read_side_by_side() {
    let instance = Instance::new(|state| state.latency = 2_900 * SECOND / 1_000);
    let (accepted, _, elapsed) = instance
        .check_all(&[(SignatureHeader::WebhookSignature, "foreign"), (SignatureHeader::AuthenticityKey, "first")])
        .await;
    assert_eq!(accepted, Ok(SignatureForm::Raw));
    assert!(elapsed < ATTEMPT, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_works_at_once_beside_a_foreign_header_whose_keys_cannot_be_read() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        for (other, signatures, form) in [
            (
                Scheme::Pay,
                [(SignatureHeader::WebhookSignature, "foreign"), (SignatureHeader::AuthenticityKey, "second")],
                SignatureForm::Raw,
            ),
            (
                Scheme::Aggregation,
                [(SignatureHeader::WebhookSignature, "second"), (SignatureHeader::AuthenticityKey, "foreign")],
                SignatureForm::Pay,
            ),
        ] {
            let instance = Instance::new(|state| state.latency = SECOND / 50);
            instance.change(|state| state.trouble = BOTH.map(|stage| (other, stage, trouble)).to_vec());
            instance.keys.prefetch().await;
            instance.rotate();
            let (accepted, _, elapsed) = instance.check_all(&signatures).await;
            assert_eq!(accepted, Ok(form), "{other:?} {trouble:?} {elapsed:?}");
            assert!(elapsed <= ATTEMPT, "{elapsed:?}");
        }
    }
}

// 26. Both signatures are valid.

#[tokio::test(start_paused = true)]
async fn a_valid_pay_signature_goes_before_a_valid_aggregation_signature() {
    let both = [(SignatureHeader::WebhookSignature, "first"), (SignatureHeader::AuthenticityKey, "first")];
    let instance = Instance::new(|_| {});
    instance.change(|state| state.trouble = vec![(Scheme::Aggregation, Stage::Current, Trouble::Hangs)]);
    let (accepted, _, elapsed) = instance.check_all(&both).await;
    assert_eq!((accepted, elapsed), (Ok(SignatureForm::Pay), Duration::ZERO));
    // Also when its key takes longer to read.
    let instance = Instance::new(|_| {});
    instance.change(|state| state.trouble = vec![(Scheme::Pay, Stage::Current, Trouble::Fails)]);
    let over = async {
        sleep(SECOND).await;
        instance.all_is_well();
    };
    let ((accepted, ..), ()) = tokio::join!(instance.check_all(&both), over);
    assert_eq!(accepted, Ok(SignatureForm::Pay));
}

#[tokio::test(start_paused = true)]
async fn a_valid_pay_signature_counts_while_its_cached_key_is_due_and_cannot_be_read() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let instance = Instance::warm(|_| {}).await;
        advance(FRESH_FOR).await;
        instance.change(|state| state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, trouble)).to_vec());
        let both = [(SignatureHeader::WebhookSignature, "first"), (SignatureHeader::AuthenticityKey, "first")];
        let (accepted, _, elapsed) = instance.check_all(&both).await;
        assert_eq!(accepted, Ok(SignatureForm::Pay), "{trouble:?}");
        assert!(elapsed <= MISMATCH, "{elapsed:?}");
    }
}

// 27. One signature is valid, and the keys of the other scheme cannot be read.

#[tokio::test(start_paused = true)]
async fn a_callback_with_a_foreign_pay_header_is_accepted_although_the_pay_key_cannot_be_read() {
    for trouble in [Trouble::Fails, Trouble::Hangs, Trouble::Denied] {
        let instance = Instance::new(|_| {});
        instance.change(|state| {
            state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, trouble)).to_vec();
        });
        let both = [(SignatureHeader::WebhookSignature, "foreign"), (SignatureHeader::AuthenticityKey, "first")];
        let (accepted, _, elapsed) = instance.check_all(&both).await;
        assert_eq!(accepted, Ok(SignatureForm::Raw));
        assert!(elapsed <= keys_end(), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_header_whose_keys_were_never_read_delays_a_callback_by_one_attempt_at_most() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        // The keys of the valid signature's scheme are cached; those of the other one were never read.
        let instance = Instance::new(|_| {});
        instance.change(|state| state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, trouble)).to_vec());
        instance.keys.prefetch().await;
        let both = [(SignatureHeader::WebhookSignature, "foreign"), (SignatureHeader::AuthenticityKey, "first")];
        let (accepted, _, elapsed) = instance.check_all(&both).await;
        assert_eq!(accepted, Ok(SignatureForm::Raw));
        assert!(elapsed <= ATTEMPT, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pay_key_that_cannot_be_read_is_waited_for_two_seconds_at_most() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let instance = Instance::new(|_| {});
        instance.change(|state| state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, trouble)).to_vec());
        let both = [(SignatureHeader::WebhookSignature, "first"), (SignatureHeader::AuthenticityKey, "first")];
        let (accepted, _, elapsed) = instance.check_all(&both).await;
        assert_eq!((accepted, elapsed), (Ok(SignatureForm::Raw), MISMATCH));
    }
}

// 28. No signature is valid, and the keys of one scheme could not be read.

#[tokio::test(start_paused = true)]
async fn a_signature_that_no_key_verifies_gets_503_if_its_keys_could_not_be_read() {
    let instance = Instance::new(|_| {});
    instance.change(|state| state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, Trouble::Denied)).to_vec());
    let both = [(SignatureHeader::WebhookSignature, "first"), (SignatureHeader::AuthenticityKey, "forged")];
    assert_eq!(instance.check_all(&both).await.0, Err(Rejection::NoKeys));
}

// 29. A signature is wrong: what is reported.

#[tokio::test(start_paused = true)]
async fn the_keys_that_were_tried_are_reported_with_their_ages() {
    let instance = Instance::warm(|state| {
        state.previous = Some(Held("v0", 3 * DAY, Some("oldest")));
    })
    .await;
    advance(7 * SECOND).await;
    let (_, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "forged")]).await;
    let tried = |stage, age: Duration| TriedKey {
        scheme: Scheme::Aggregation,
        stage,
        age_seconds: Some(age.as_secs()),
        read_seconds_ago: 7,
    };
    assert_eq!(keys.tried, [tried(Stage::Current, DAY), tried(Stage::Previous, 3 * DAY)]);
    assert_eq!((keys.reads, keys.failed_reads), (1, 0));
    let (_, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKeyAlias, "forged")]).await;
    assert_eq!((keys.reads, keys.tried.len()), (0, 2));
}

// 30. A current version cannot be a key: what is reported.

#[tokio::test(start_paused = true)]
async fn a_current_version_that_cannot_be_a_key_is_reported_at_every_callback() {
    let instance = Instance::warm(|state| state.rotate("v2", "")).await;
    let problem = KeyProblem { scheme: Scheme::Aggregation, stage: Stage::Current, problem: SecretProblem::Empty };
    for _ in 0..3 {
        let (accepted, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "first")]).await;
        assert_eq!((accepted, keys.problems), (Ok(SignatureForm::Raw), vec![problem]));
    }
    assert_eq!(instance.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_previous_version_that_cannot_be_a_key_is_not_reported_at_every_callback() {
    let instance = Instance::new(|state| {
        state.current = Some(Held("v2", 30 * DAY, Some("first")));
        state.previous = Some(Held("v1", 31 * DAY, Some("")));
    });
    instance.keys.prefetch().await;
    let (accepted, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "first")]).await;
    assert_eq!((accepted, keys.problems), (Ok(SignatureForm::Raw), vec![]));
}

// 31. A secret looks like a mistake: what is reported.

#[tokio::test(start_paused = true)]
async fn what_looks_like_a_mistake_is_used_and_reported_when_it_is_read_and_when_a_signature_is_wrong() {
    let text = "\"first\"";
    let instance = Instance::new(|state| state.current = Some(Held("v1", DAY, Some(text))));
    let found = KeyProblem { scheme: Scheme::Aggregation, stage: Stage::Current, problem: SecretProblem::Quoted };
    assert!(instance.keys.prefetch().await.keys.problems.contains(&found));
    let (accepted, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, text)]).await;
    assert_eq!((accepted, keys.problems.len(), keys.unusable()), (Ok(SignatureForm::Raw), 0, 0));
    let (_, keys, _) = instance.check_all(&[(SignatureHeader::AuthenticityKey, "first")]).await;
    assert_eq!(keys.problems, [found]);
}

// 32. A read was dropped: what is reported.

#[tokio::test(start_paused = true)]
async fn reads_that_ended_are_reported_although_the_other_scheme_decided() {
    let instance = Instance::new(|_| {});
    instance.change(|state| state.trouble = BOTH.map(|stage| (Scheme::Pay, stage, Trouble::Fails)).to_vec());
    let both = [(SignatureHeader::WebhookSignature, "first"), (SignatureHeader::AuthenticityKey, "first")];
    let (accepted, keys, _) = instance.check_all(&both).await;
    assert_eq!(accepted, Ok(SignatureForm::Raw));
    assert_eq!(
        keys.reads,
        keys.failed_reads + 1,
        "each of Pay's failed, and the one of the aggregation scheme did not"
    );
    assert!(keys.failed_reads > 1, "{keys:?}");
    let failed_calls: u32 = keys.failures.iter().map(|call| call.times).sum();
    assert_eq!(failed_calls, 2 * keys.failed_reads, "two stages for each read");
}
