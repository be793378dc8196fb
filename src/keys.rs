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
        let key = SigningKey::from_secret(&version.secret);
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
