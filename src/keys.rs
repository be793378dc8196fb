//! The signing keys: fetched from Secrets Manager, cached, refreshed, and tried on a callback.
//!
//! Each scheme has a [`KeyRing`]: the current key, and the previous one for a bounded time after a rotation, because
//! Flinks and the customer cannot change it at the same instant. Rules, all from the design:
//!
//! - a cached key is used for [`FRESH_FOR`]; then it is fetched anew, and goes on serving while that fails;
//! - a signature that no key proves fetches the keys at once, in case they were just rotated, but at most once in
//!   [`MISMATCH_INTERVAL`], however many forgeries arrive;
//! - what could be read replaces what was cached, what could not be read stays; a secret that is gone, or holds nothing
//!   that could be a key, takes the cached ones with it;
//! - without any key nothing is let in and nothing is refused: the sender is told to come again.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use crate::{
    answer::Rejection,
    aws_error::AwsError,
    deadline::Deadline,
    record::Record,
    signature::{AuthenticCallback, Refusal, Scheme, SigningKey},
    source::Admitted,
};

/// How long a fetched key is used without asking again: a rotation is noticed within it even if nothing mismatches.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// At most one refresh in this time because of signatures that do not match, or after a refresh that failed.
const MISMATCH_INTERVAL: Duration = Duration::from_secs(30);
/// Most time for a refresh while an older key is at hand: one attempt that hangs, and a second one.
const REFRESH_BUDGET: Duration = Duration::from_secs(4);
/// Most time for the fetch at start. The first sender is waiting already, and its callback can try again.
const START_BUDGET: Duration = Duration::from_secs(2);
/// What a fetch without any key at hand must leave of the time to answer, for storing the callback.
const RESERVED_FOR_STORING: Duration = Duration::from_secs(5);
/// Without any key each callback tries to fetch one, until so many in a row have failed...
const FREE_FAILURES: u32 = 3;
/// ...and then one in this time, so that a flood of forgeries at such a time is not passed on to Secrets Manager.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// Where secrets come from.
pub trait SecretSource {
    /// The version of the scheme's secret that is at `stage`. None if there is no such version, or no text in it.
    fn fetch(
        &self,
        scheme: Scheme,
        stage: Stage,
    ) -> impl Future<Output = Result<Option<SecretVersion>, AwsError>> + Send;
}

/// Secrets Manager's staging labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Current,
    Previous,
}

/// One version of a secret.
pub struct SecretVersion {
    pub id: String,
    /// When the version was stored.
    pub created: Option<SystemTime>,
    pub secret: Zeroizing<String>,
}

/// The keys of both schemes.
pub struct SigningKeys<S> {
    source: S,
    aggregation: KeyRing,
    pay: KeyRing,
    previous_for: Duration,
    ascii_reading: bool,
}

impl<S: SecretSource> SigningKeys<S> {
    /// `previous_for` is how long the previous key is accepted after a rotation; `ascii_reading` turns the second
    /// reading of [`signature`](crate::signature) on.
    pub fn new(source: S, previous_for: Duration, ascii_reading: bool) -> Self {
        let ring = |scheme| KeyRing { scheme, state: Mutex::default() };
        Self { source, aggregation: ring(Scheme::Aggregation), pay: ring(Scheme::Pay), previous_for, ascii_reading }
    }

    /// Fetches the keys of both schemes side by side, ahead of the first callback. What failed is for the log alone:
    /// the first callback tries again.
    pub async fn prefetch(&self) -> Vec<AwsError> {
        let fetch = async |ring: &KeyRing| {
            let mut record = Record::default();
            ring.keys(&self.source, START_BUDGET, &mut record).await;
            record.failures
        };
        let (mut failures, of_pay) = tokio::join!(fetch(&self.aggregation), fetch(&self.pay));
        failures.extend(of_pay);
        failures
    }

    /// Proves a callback with the keys that are valid now.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when its signature is missing, malformed or wrong; [`Rejection::NoKeys`] when there is no
    /// key to check it with.
    pub async fn authenticate(
        &self,
        admitted: Admitted,
        deadline: Deadline,
        record: &mut Record,
    ) -> Result<AuthenticCallback, Rejection> {
        let mut callback = admitted.into_callback();
        let mut outcome = Rejection::Refused(Refusal::Wrong);
        for claim in callback.headers.claims().map_err(Rejection::Refused)? {
            let ring = match claim.scheme() {
                Scheme::Aggregation => &self.aggregation,
                Scheme::Pay => &self.pay,
            };
            let Some(keys) = ring.keys(&self.source, deadline.remaining_but(RESERVED_FOR_STORING), record).await else {
                outcome = Rejection::NoKeys;
                continue;
            };
            let tried = keys.usable(self.previous_for);
            callback = match claim.prove(callback, tried.clone().map(|key| &key.signing), self.ascii_reading) {
                Ok(authentic) => return Ok(authentic),
                Err(callback) => callback,
            };
            let Some(newer) = ring.newer_than(&keys, &self.source, deadline.remaining(), record).await else {
                continue;
            };
            let untried =
                newer.usable(self.previous_for).filter(|key| !tried.clone().any(|tried| tried.version == key.version));
            callback = match claim.prove(callback, untried.map(|key| &key.signing), self.ascii_reading) {
                Ok(authentic) => return Ok(authentic),
                Err(callback) => callback,
            };
        }
        Err(outcome)
    }
}

/// The keys of one scheme.
struct KeyRing {
    scheme: Scheme,
    /// Locked during a fetch on purpose: callbacks that want the same one wait for the one that is under way.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<Keys>>,
    /// When the keys are to be fetched again.
    due: Option<Instant>,
    /// When the current key was last read.
    read: Option<Instant>,
    /// When they were last fetched because a signature did not match.
    for_mismatch: Option<Instant>,
    /// When the current key could last not be fetched, and how often in a row.
    failed: Option<Instant>,
    failures: u32,
}

/// What a scheme's secret held when it was last read.
struct Keys {
    current: Arc<Key>,
    previous: Option<Arc<Key>>,
}

struct Key {
    /// Secrets Manager's id of the version.
    version: String,
    created: Option<SystemTime>,
    signing: SigningKey,
    looks_like_json: bool,
}

impl Keys {
    /// The current key, and the previous one until `previous_for` after the rotation.
    fn usable(&self, previous_for: Duration) -> impl Iterator<Item = &Key> + Clone {
        // Secrets Manager does not tell when it was. The current version is stored at a rotation; after a rotation that
        // was taken back it is an old one, and the key that was not to be is refused at once.
        let rotated = self.current.created;
        // In the future by this clock: it has just happened.
        let still = rotated.is_some_and(|at| at.elapsed().unwrap_or_default() < previous_for);
        let previous = self.previous.as_deref().filter(|_| still);
        [Some(&*self.current), previous].into_iter().flatten()
    }
}

impl KeyRing {
    /// The keys to check with, fetched first if there are none yet or they are due. None without any.
    async fn keys(&self, source: &impl SecretSource, budget: Duration, record: &mut Record) -> Option<Arc<Keys>> {
        let mut state = self.state.lock().await;
        if state.due.is_none_or(|due| due <= Instant::now()) && !state.fails_too_often() {
            self.read(source, &mut state, budget, record).await;
        }
        record.keys.age = record.keys.age.max(state.read.map(|read| read.elapsed()));
        state.keys.clone()
    }

    /// Keys that were read after `known`, if there are or can be any: asks again unless that was done just now.
    async fn newer_than(
        &self,
        known: &Arc<Keys>,
        source: &impl SecretSource,
        budget: Duration,
        record: &mut Record,
    ) -> Option<Arc<Keys>> {
        let mut state = self.state.lock().await;
        let is_known = |state: &State| state.keys.as_ref().is_some_and(|keys| Arc::ptr_eq(keys, known));
        if is_known(&state)
            && !within(state.for_mismatch, MISMATCH_INTERVAL)
            && !within(state.failed, MISMATCH_INTERVAL)
        {
            state.for_mismatch = Some(Instant::now());
            self.read(source, &mut state, budget, record).await;
        }
        if is_known(&state) { None } else { state.keys.clone() }
    }

    /// Reads both stages side by side and puts what could be read in the place of what was cached.
    async fn read(&self, source: &impl SecretSource, state: &mut State, budget: Duration, record: &mut Record) {
        let budget = if state.keys.is_some() { budget.min(REFRESH_BUDGET) } else { budget };
        let (current, previous) =
            tokio::join!(self.fetch(source, Stage::Current, budget), self.fetch(source, Stage::Previous, budget));
        record.keys.refreshes += 1;
        let current = match current {
            Ok(current) => {
                if current.is_none() {
                    state.keys = None;
                }
                current.ok_or(AwsError::unusable(FETCH, "there is no current version that is text and not empty"))
            }
            Err(failed) => Err(failed),
        };
        let whole = current.is_ok() && previous.is_ok();
        record.failures.extend(current.as_ref().err().into_iter().chain(previous.as_ref().err()).cloned());
        record.keys.failures += u32::from(!whole);
        match &current {
            Ok(current) => {
                (state.read, state.failed, state.failures) = (Some(Instant::now()), None, 0);
                if current.looks_like_json {
                    record
                        .failures
                        .push(AwsError::unusable(FETCH, "the secret looks like JSON; it is to be Flinks' plain text"));
                }
            }
            Err(_) => (state.failed, state.failures) = (Some(Instant::now()), state.failures.saturating_add(1)),
        }
        let old = state.keys.take();
        let Some(new) = current.ok().or(old.as_ref().map(|old| Arc::clone(&old.current))) else {
            state.due = None;
            return;
        };
        let previous = previous_of(&new, previous, old.as_deref());
        state.keys = Some(Arc::new(Keys { current: new, previous }));
        state.due = Some(Instant::now() + if whole { FRESH_FOR } else { MISMATCH_INTERVAL });
    }

    async fn fetch(
        &self,
        source: &impl SecretSource,
        stage: Stage,
        budget: Duration,
    ) -> Result<Option<Arc<Key>>, AwsError> {
        let fetched = timeout(budget, source.fetch(self.scheme, stage)).await;
        let Some(version) = fetched.unwrap_or_else(|_| Err(AwsError::timeout(FETCH)))? else { return Ok(None) };
        Ok(SigningKey::from_secret(version.secret.as_bytes()).map(|signing| {
            Arc::new(Key {
                version: version.id,
                created: version.created,
                signing,
                looks_like_json: version.secret.trim_start().starts_with('{'),
            })
        }))
    }
}

impl State {
    /// Whether it is too soon to ask again without any key.
    fn fails_too_often(&self) -> bool {
        self.keys.is_none() && self.failures >= FREE_FAILURES && within(self.failed, FAILURE_INTERVAL)
    }
}

/// Whether something happened less than `interval` ago.
fn within(at: Option<Instant>, interval: Duration) -> bool {
    at.is_some_and(|at| at.elapsed() < interval)
}

/// The previous key beside `current`, from what was read and what was known before.
///
/// The two stages are read one by one, so a rotation can fall between, and one can fail without the other. When the
/// current key is a new one and nothing newer is told of the previous one, it is the one that was current until now.
fn previous_of(current: &Arc<Key>, read: Result<Option<Arc<Key>>, AwsError>, old: Option<&Keys>) -> Option<Arc<Key>> {
    let Some(old) = old else { return read.ok().flatten() };
    let is_old = |key: &Key| old.previous.as_ref().is_some_and(|previous| previous.version == key.version);
    match (current.version != old.current.version, read) {
        (false, Ok(read)) => read,
        (false, Err(_)) => old.previous.clone(),
        (true, Ok(Some(read))) if !is_old(&read) => Some(read),
        (true, _) => Some(Arc::clone(&old.current)),
    }
}

/// The operation that fetches, as failures name it.
pub const FETCH: &str = "GetSecretValue";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use base64::{Engine, prelude::BASE64_STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::{
        callback::Callback,
        signature::{Header, SignatureHeaders},
        source::AllowedSources,
    };

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// A secret store in memory: version, age and secret at each stage, and how it behaves.
    #[derive(Default)]
    struct Store(Mutex<StoreState>);

    #[derive(Default)]
    struct StoreState {
        current: Option<(&'static str, Duration, &'static str)>,
        previous: Option<(&'static str, Duration, &'static str)>,
        fails: Vec<Stage>,
        hangs: bool,
        calls: usize,
    }

    impl SecretSource for Store {
        async fn fetch(&self, _: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
            let (version, fails, hangs) = {
                let mut state = self.0.lock().unwrap();
                state.calls += 1;
                let version = if stage == Stage::Current { state.current } else { state.previous };
                (version, state.fails.contains(&stage), state.hangs)
            };
            if hangs {
                sleep(DAY).await;
            }
            if fails {
                return Err(AwsError::timeout(FETCH));
            }
            Ok(version.map(|(id, age, secret)| SecretVersion {
                id: id.to_owned(),
                created: SystemTime::now().checked_sub(age),
                secret: Zeroizing::new(secret.to_owned()),
            }))
        }
    }

    impl SecretSource for Arc<Store> {
        async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
            self.as_ref().fetch(scheme, stage).await
        }
    }

    struct Bench {
        store: Arc<Store>,
        keys: SigningKeys<Arc<Store>>,
    }

    impl Bench {
        fn new(change: impl FnOnce(&mut StoreState)) -> Self {
            let store = Arc::new(Store::default());
            let bench = Self { keys: SigningKeys::new(Arc::clone(&store), WEEK, true), store };
            bench.change(|state| state.current = Some(("v1", DAY, "first")));
            bench.change(change);
            bench
        }

        fn change(&self, change: impl FnOnce(&mut StoreState)) {
            change(&mut self.store.0.lock().unwrap());
        }

        fn rotate(&self) {
            self.change(|state| {
                state.previous = state.current;
                state.current = Some(("v2", Duration::ZERO, "second"));
            });
        }

        fn calls(&self) -> usize {
            self.store.0.lock().unwrap().calls
        }

        /// Whether a callback that is signed with `secret` gets in.
        async fn accepts(&self, secret: &str) -> Result<(), Rejection> {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(b"{}");
            let mut headers = SignatureHeaders::default();
            headers.push(Header::AuthenticityKey, BASE64_STANDARD.encode(mac.finalize().into_bytes()).into_bytes());
            let callback = Callback { headers, body: "{}".into(), ..Callback::default() };
            let admitted = AllowedSources::default().admit(callback)?;
            self.keys.authenticate(admitted, Deadline::start(), &mut Record::default()).await.map(|_| ())
        }
    }

    const WRONG: Result<(), Rejection> = Err(Rejection::Refused(Refusal::Wrong));

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_once_and_then_every_five_minutes() {
        let bench = Bench::new(|_| {});
        for _ in 0..3 {
            assert_eq!(bench.accepts("first").await, Ok(()));
        }
        assert_eq!(bench.calls(), 2);
        advance(FRESH_FOR - Duration::from_secs(1)).await;
        assert_eq!(bench.accepts("first").await, Ok(()));
        assert_eq!(bench.calls(), 2);
        advance(Duration::from_secs(1)).await;
        assert_eq!(bench.accepts("first").await, Ok(()));
        assert_eq!(bench.calls(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rotated_key_works_at_the_next_callback_and_the_previous_one_still_does() {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.rotate();
        assert_eq!(bench.accepts("second").await, Ok(()));
        assert_eq!(bench.accepts("first").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn forgeries_cost_one_refresh_in_thirty_seconds() {
        let bench = Bench::new(|_| {});
        for _ in 0..500 {
            assert_eq!(bench.accepts("forged").await, WRONG);
        }
        assert_eq!(bench.calls(), 4);
        advance(MISMATCH_INTERVAL).await;
        for _ in 0..500 {
            assert_eq!(bench.accepts("forged").await, WRONG);
        }
        assert_eq!(bench.calls(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_was_tried_is_not_tried_again_after_the_refresh() {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.accepts("first").await, Ok(()));
        // Secrets Manager never does that. Here it tells whether the version is tried twice.
        bench.change(|state| state.current = Some(("v1", DAY, "second")));
        assert_eq!(bench.accepts("second").await, WRONG);
        assert_eq!(bench.calls(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callbacks_share_one_refresh() {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.rotate();
        let (a, b, c) = tokio::join!(bench.accepts("second"), bench.accepts("second"), bench.accepts("forged"));
        assert_eq!((a, b, c), (Ok(()), Ok(()), WRONG));
        assert_eq!(bench.calls(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_key_is_accepted_for_the_time_set_and_no_longer() {
        let aged = |age| {
            Bench::new(move |state| {
                state.current = Some(("v2", age, "second"));
                state.previous = Some(("v1", age + DAY, "first"));
            })
        };
        assert_eq!(aged(WEEK - Duration::from_secs(60)).accepts("first").await, Ok(()));
        assert_eq!(aged(WEEK).accepts("first").await, WRONG);
        assert_eq!(aged(WEEK).accepts("second").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cached_key_goes_on_serving_while_secrets_manager_is_down() {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.change(|state| state.fails = vec![Stage::Current, Stage::Previous]);
        for _ in 0..20 {
            advance(FRESH_FOR).await;
            assert_eq!(bench.accepts("first").await, Ok(()));
        }
        // It is asked again after half a minute and not at each callback.
        let before = bench.calls();
        for _ in 0..20 {
            assert_eq!(bench.accepts("first").await, Ok(()));
            assert_eq!(bench.accepts("forged").await, WRONG);
        }
        assert_eq!(bench.calls(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secrets_manager_that_hangs_delays_one_callback_by_a_few_seconds() {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.change(|state| state.hangs = true);
        advance(FRESH_FOR).await;
        let started = Instant::now();
        assert_eq!(bench.accepts("first").await, Ok(()));
        assert_eq!(started.elapsed(), REFRESH_BUDGET);
        assert_eq!(bench.accepts("first").await, Ok(()));
        assert_eq!(started.elapsed(), REFRESH_BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_key_the_sender_is_told_to_come_again_and_the_next_callback_tries_again() {
        let bench = Bench::new(|state| state.fails = vec![Stage::Current]);
        assert_eq!(bench.accepts("first").await, Err(Rejection::NoKeys));
        bench.change(|state| state.fails.clear());
        assert_eq!(bench.accepts("first").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_secret_is_no_key() {
        let bench = Bench::new(|state| state.current = Some(("v1", DAY, "\n")));
        assert_eq!(bench.accepts("").await, Err(Rejection::NoKeys));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_be_read_replaces_what_was_cached_and_the_rest_stays() {
        let bench = Bench::new(|state| {
            state.current = Some(("v2", DAY, "second"));
            state.previous = Some(("v1", DAY, "first"));
        });
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.change(|state| state.fails = vec![Stage::Previous]);
        advance(FRESH_FOR).await;
        assert_eq!(bench.accepts("second").await, Ok(()));
        assert_eq!(bench.accepts("first").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_key_that_was_current_until_a_rotation_is_kept_though_the_previous_one_cannot_be_read() {
        // Not readable, and read before the rotation while the current one was read after it.
        for fails in [vec![Stage::Previous], vec![]] {
            let bench = Bench::new(|_| {});
            assert_eq!(bench.accepts("first").await, Ok(()));
            bench.change(|state| {
                state.current = Some(("v2", Duration::ZERO, "second"));
                state.fails = fails;
            });
            assert_eq!(bench.accepts("second").await, Ok(()));
            assert_eq!(bench.accepts("first").await, Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_previous_key_that_cannot_be_read_does_not_hinder_the_notice_of_a_rotation() {
        let bench = Bench::new(|state| state.fails = vec![Stage::Previous]);
        assert_eq!(bench.accepts("first").await, Ok(()));
        bench.rotate();
        assert_eq!(bench.accepts("second").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rotation_that_is_taken_back_works_at_the_next_callback() {
        let bench = Bench::new(|state| {
            state.current = Some(("v2", 10 * DAY, "second"));
            state.previous = Some(("v1", 90 * DAY, "first"));
        });
        assert_eq!(bench.accepts("second").await, Ok(()));
        bench.change(|state| std::mem::swap(&mut state.current, &mut state.previous));
        assert_eq!(bench.accepts("first").await, Ok(()));
        assert_eq!(bench.accepts("second").await, WRONG);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_is_gone_takes_the_cached_keys_with_it() {
        for gone in [None, Some(("v2", Duration::ZERO, ""))] {
            let bench = Bench::new(|_| {});
            assert_eq!(bench.accepts("first").await, Ok(()));
            bench.change(|state| state.current = gone);
            advance(FRESH_FOR).await;
            assert_eq!(bench.accepts("first").await, Err(Rejection::NoKeys));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_key_a_flood_is_not_passed_on() {
        let bench = Bench::new(|state| state.fails = vec![Stage::Current]);
        for _ in 0..500 {
            assert_eq!(bench.accepts("forged").await, Err(Rejection::NoKeys));
        }
        assert_eq!(bench.calls(), 6);
        bench.change(|state| state.fails.clear());
        advance(FAILURE_INTERVAL).await;
        assert_eq!(bench.accepts("first").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_two_seconds_at_most_and_tells_what_failed_for_each_scheme() {
        let bench = Bench::new(|state| state.hangs = true);
        let started = Instant::now();
        let failures = bench.keys.prefetch().await;
        assert_eq!(started.elapsed(), START_BUDGET);
        assert_eq!(failures.len(), 4, "two stages of two secrets");
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_looks_like_json_is_used_and_noticed() {
        let secret = r#"{"key":"secret"}"#;
        let bench = Bench::new(|state| state.current = Some(("v1", DAY, secret)));
        assert_eq!(bench.keys.prefetch().await.len(), 2);
        assert_eq!(bench.accepts(secret).await, Ok(()));
    }
}
