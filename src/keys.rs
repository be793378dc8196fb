//! The signing keys: fetched from Secrets Manager, cached, refreshed, and tried on a callback.
//!
//! Each scheme has a [`KeyRing`]: the current key, and the previous one for a bounded time after a rotation, because
//! Flinks and the customer cannot change it at the same instant. Rules, all from the design:
//!
//! - a cached key is used for [`FRESH_FOR`]; then it is fetched anew, and goes on serving if that fails;
//! - a signature that no key proves fetches the keys at once, in case they were just rotated, but at most once in
//!   [`MISMATCH_INTERVAL`], however many forgeries arrive;
//! - what could be read replaces what was cached, what could not be read stays;
//! - without any key nothing is let in and nothing is refused: the sender is told to come again.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use crate::{
    answer::Rejection,
    aws_error::AwsError,
    callback::Callback,
    deadline::Deadline,
    record::Record,
    signature::{AuthenticCallback, Refusal, Scheme, SigningKey},
};

/// How long a fetched key is used without asking again: a rotation is noticed within it even if nothing mismatches.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// At most one refresh in this time because of signatures that do not match, or after a refresh that failed.
const MISMATCH_INTERVAL: Duration = Duration::from_secs(30);
/// Most time for a refresh while an older key is at hand: one attempt that hangs, and a second one.
const REFRESH_BUDGET: Duration = Duration::from_secs(4);
/// What a fetch without any key at hand must leave of the time to answer, for storing the callback.
const RESERVED_FOR_STORING: Duration = Duration::from_secs(5);

/// Where secrets come from.
pub trait SecretSource {
    /// The version of the scheme's secret that is at `stage`, or none if the secret has no version there.
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
    /// When the version was stored: for the current one, the time of the rotation.
    pub created: Option<SystemTime>,
    pub secret: Zeroizing<String>,
}

/// The keys of both schemes.
pub struct SigningKeys<S> {
    aggregation: KeyRing<S>,
    pay: KeyRing<S>,
    ascii_reading: bool,
}

impl<S: SecretSource> SigningKeys<S> {
    /// `previous_for` is how long the previous key is accepted after a rotation; `ascii_reading` turns the second
    /// reading of [`signature`](crate::signature) on.
    pub fn new(source: Arc<S>, previous_for: Duration, ascii_reading: bool) -> Self {
        let ring = |scheme| KeyRing {
            source: Arc::clone(&source),
            scheme,
            previous_for,
            cached: Mutex::default(),
            refresh: AsyncMutex::default(),
        };
        Self { aggregation: ring(Scheme::Aggregation), pay: ring(Scheme::Pay), ascii_reading }
    }

    /// Fetches the keys of both schemes side by side, ahead of the first callback. A failure is left to the first
    /// callback to find and to report.
    pub async fn prefetch(&self, record: &mut Record) {
        let mut pay_record = Record::default();
        let deadline = Deadline::start();
        let (_, _) = tokio::join!(self.aggregation.keys(deadline, record), self.pay.keys(deadline, &mut pay_record));
        record.keys += pay_record.keys;
    }

    /// Proves a callback with the keys that are valid now.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when its signature is missing, malformed or wrong; [`Rejection::NoKeys`] when there is no
    /// key to check it with.
    pub async fn authenticate(
        &self,
        mut callback: Callback,
        deadline: Deadline,
        record: &mut Record,
    ) -> Result<AuthenticCallback, Rejection> {
        let mut outcome = Rejection::Refused(Refusal::Wrong);
        for claim in callback.headers.claims().map_err(Rejection::Refused)? {
            let ring = match claim.scheme() {
                Scheme::Aggregation => &self.aggregation,
                Scheme::Pay => &self.pay,
            };
            let Some(keys) = ring.keys(deadline, record).await else {
                outcome = Rejection::NoKeys;
                continue;
            };
            let now = SystemTime::now();
            let usable = keys.usable(ring.previous_for, now).map(|key| &key.signing);
            callback = match claim.prove(callback, usable, self.ascii_reading) {
                Ok(authentic) => return Ok(authentic),
                Err(callback) => callback,
            };
            let Some(newer) = ring.newer_than(&keys, deadline, record).await else { continue };
            let untried = newer.usable(ring.previous_for, now).filter(|key| !keys.hold(&key.version));
            callback = match claim.prove(callback, untried.map(|key| &key.signing), self.ascii_reading) {
                Ok(authentic) => return Ok(authentic),
                Err(callback) => callback,
            };
        }
        Err(outcome)
    }
}

/// The keys of one scheme.
struct KeyRing<S> {
    source: Arc<S>,
    scheme: Scheme,
    previous_for: Duration,
    cached: Mutex<Option<Arc<Keys>>>,
    /// Held across a fetch on purpose: callbacks that want the same refresh wait for the one that is under way.
    refresh: AsyncMutex<Refreshes>,
}

/// What one scheme's secret held when it was last read.
struct Keys {
    current: Arc<Key>,
    previous: Option<Arc<Key>>,
    /// When they are to be read again.
    due: Instant,
}

struct Key {
    /// Secrets Manager's id of the version.
    version: String,
    created: Option<SystemTime>,
    signing: SigningKey,
}

/// When the keys were last asked for out of turn, and when that last failed.
#[derive(Default)]
struct Refreshes {
    for_mismatch: Option<Instant>,
    failed: Option<Instant>,
}

impl Keys {
    /// The current key, and the previous one until `previous_for` after the rotation.
    fn usable(&self, previous_for: Duration, now: SystemTime) -> impl Iterator<Item = &Key> + Clone {
        let rotated = self.current.created;
        // A rotation in the future is one that just happened, by a clock that is ahead of this one.
        let still = rotated.is_some_and(|at| now.duration_since(at).unwrap_or_default() < previous_for);
        let previous = self.previous.as_deref().filter(|_| still);
        [Some(&*self.current), previous].into_iter().flatten()
    }

    fn hold(&self, version: &str) -> bool {
        self.current.version == version || self.previous.as_ref().is_some_and(|key| key.version == version)
    }
}

impl<S: SecretSource> KeyRing<S> {
    /// The keys to check with, fetched first if there are none yet or they are due. None without any.
    async fn keys(&self, deadline: Deadline, record: &mut Record) -> Option<Arc<Keys>> {
        if let Some(fresh) = self.fresh() {
            return Some(fresh);
        }
        let mut refreshes = self.refresh.lock().await;
        if let Some(fresh) = self.fresh() {
            return Some(fresh);
        }
        self.read(&mut refreshes, deadline, record).await;
        self.cached()
    }

    /// Keys that were read after `known`, if there are or can be any: asks again unless that was done just now.
    async fn newer_than(&self, known: &Arc<Keys>, deadline: Deadline, record: &mut Record) -> Option<Arc<Keys>> {
        let mut refreshes = self.refresh.lock().await;
        let just_now = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < MISMATCH_INTERVAL);
        if self.is_current(known) && !just_now(refreshes.for_mismatch) && !just_now(refreshes.failed) {
            refreshes.for_mismatch = Some(Instant::now());
            self.read(&mut refreshes, deadline, record).await;
        }
        self.cached().filter(|_| !self.is_current(known))
    }

    /// Reads both stages side by side and puts what could be read in the place of what was cached.
    async fn read(&self, refreshes: &mut Refreshes, deadline: Deadline, record: &mut Record) {
        let old = self.cached();
        let budget = match old {
            Some(_) => REFRESH_BUDGET.min(deadline.remaining()),
            None => deadline.remaining_but(RESERVED_FOR_STORING),
        };
        let (current, previous) = tokio::join!(self.current(budget), self.previous(budget));
        record.keys.refreshes += 1;
        let failure = current.as_ref().err().or(previous.as_ref().err()).cloned();
        let good_for = if failure.is_some() { MISMATCH_INTERVAL } else { FRESH_FOR };
        if let Some(failure) = failure {
            refreshes.failed = Some(Instant::now());
            record.keys.failures += 1;
            record.failures.push(failure);
        }
        let (old_current, old_previous) = old.map(|keys| (keys.current.clone(), keys.previous.clone())).unzip();
        let Some(current) = current.ok().or(old_current) else { return };
        let previous = previous.unwrap_or_else(|_| old_previous.flatten());
        let keys = Keys { current, previous, due: Instant::now() + good_for };
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }

    async fn current(&self, budget: Duration) -> Result<Arc<Key>, AwsError> {
        self.fetch(Stage::Current, budget).await?.ok_or(AwsError::unusable(FETCH, "no usable current version"))
    }

    /// A secret that was never rotated has no previous version: normal.
    async fn previous(&self, budget: Duration) -> Result<Option<Arc<Key>>, AwsError> {
        self.fetch(Stage::Previous, budget).await
    }

    async fn fetch(&self, stage: Stage, budget: Duration) -> Result<Option<Arc<Key>>, AwsError> {
        let fetched = timeout(budget, self.source.fetch(self.scheme, stage)).await;
        let Some(version) = fetched.unwrap_or_else(|_| Err(AwsError::timeout(FETCH)))? else { return Ok(None) };
        let key = SigningKey::from_secret(version.secret.as_bytes());
        Ok(key.map(|signing| Arc::new(Key { version: version.id, created: version.created, signing })))
    }

    fn fresh(&self) -> Option<Arc<Keys>> {
        self.cached().filter(|keys| Instant::now() < keys.due)
    }

    fn cached(&self) -> Option<Arc<Keys>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_current(&self, keys: &Arc<Keys>) -> bool {
        self.cached().is_some_and(|cached| Arc::ptr_eq(&cached, keys))
    }
}

/// The operation that fetches, as failures name it.
const FETCH: &str = "GetSecretValue";

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::signature::{Header, SignatureHeaders};

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

    struct Bench {
        store: Arc<Store>,
        keys: SigningKeys<Store>,
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
            let callback = Callback { headers, body: "{}".into(), gateway_request_id: None };
            self.keys.authenticate(callback, Deadline::start(), &mut Record::default()).await.map(|_| ())
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
        bench.change(|state| {
            state.current = Some(("v3", Duration::ZERO, "third"));
            state.fails = vec![Stage::Previous];
        });
        assert_eq!(bench.accepts("third").await, Ok(()));
        assert_eq!(bench.accepts("first").await, Ok(()));
    }
}
