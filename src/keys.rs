//! The signing keys: read from Secrets Manager, cached, read again, and tried on a callback.
//!
//! Each scheme has a key ring with the two stages of its secret: AWSCURRENT, and AWSPREVIOUS for a bounded time after a
//! rotation, because Flinks and the customer cannot change it at the same instant. The rules; each has a test of its name
//! below:
//!
//! | when | what happens |
//! |---|---|
//! | keys are cached and fresh | they serve, without a call |
//! | keys are cached and due | one attempt to read; if it fails, the cached ones serve, and the next one *for being due* is [`RETRY_DUE_AFTER`] later |
//! | no cached key matches | read again, and retry for [`MISMATCH`] while that fails; then 401 |
//! | ...and a read for a mismatch succeeded less than [`MISMATCH_INTERVAL`] ago | 401 |
//! | ...and a read for a mismatch failed less than [`MISMATCH`] ago | 401 |
//! | ...and a stage was never read and fails transiently | retry until the time to store is left; then 503 |
//! | there is no key at all | retry while a stage fails transiently, until the time to store is left; then 503 |
//!
//! What Secrets Manager says is believed: a stage that it reports gone is gone from the cache as well. A version that cannot
//! be a key does not put out a previous one that can. Only a stage whose read failed keeps what was cached for it.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};
use zeroize::Zeroizing;

use crate::{
    answer::Rejection,
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    retry::{BackOff, Retry, attempt},
    secret::{self, SecretProblem, SecretReading},
    signature::{AuthenticCallback, Claim, Claims, Refusal, Scheme, SigningKey},
    source::Admitted,
    time_budget::{ATTEMPT, FIRST_BACK_OFF, MISMATCH, START, TimeBudget},
};

/// How long a read key is used without asking again: a rotation is noticed within it even if nothing mismatches.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// How long after a read that failed the keys are due again.
const RETRY_DUE_AFTER: Duration = Duration::from_secs(30);
/// At most one successful read in this time because of signatures that do not match, however many forgeries arrive.
const MISMATCH_INTERVAL: Duration = Duration::from_secs(30);

/// Where secrets come from.
pub trait SecretSource {
    /// Makes one attempt to read the version of the scheme's secret that is at `stage`. None if there is no such version.
    fn fetch(
        &self,
        scheme: Scheme,
        stage: Stage,
    ) -> impl Future<Output = Result<Option<SecretVersion>, AwsError>> + Send;
}

/// Secrets Manager's staging labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    #[serde(rename = "AWSCURRENT")]
    Current,
    #[serde(rename = "AWSPREVIOUS")]
    Previous,
}

/// One version of a secret.
pub struct SecretVersion {
    pub id: String,
    /// When the version was stored.
    pub created: Option<SystemTime>,
    /// None if the secret is binary.
    pub text: Option<Zeroizing<String>>,
}

/// What became of the signature check, and what it took.
pub struct Authentication {
    pub outcome: Result<AuthenticCallback, Rejection>,
    pub keys: KeyUse,
}

/// How the keys were used for one callback.
#[derive(Clone, Debug, Default)]
pub struct KeyUse {
    /// How often a scheme's keys were read, and how many of those reads did not bring both stages.
    pub reads: u32,
    pub failed_reads: u32,
    pub failures: FailedCalls,
    /// How long ago the oldest of the keys at hand was read.
    pub age: Option<Duration>,
    /// Secrets that cannot be a key, and secrets that were read and look like a slip.
    pub problems: Vec<KeyProblem>,
    /// The keys that the callback was checked with.
    pub tried: Vec<TriedKey>,
}

/// What is wrong with the secret at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyProblem {
    pub scheme: Scheme,
    pub stage: Stage,
    pub problem: SecretProblem,
}

/// A key that a callback was checked with. Nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriedKey {
    pub scheme: Scheme,
    pub stage: Stage,
    /// Since the version was stored in Secrets Manager.
    pub age_seconds: Option<u64>,
    /// Since this instance read it.
    pub read_seconds_ago: u64,
}

impl KeyProblem {
    /// The secret cannot be a key. The others are used, and look like a slip.
    pub fn is_unusable(&self) -> bool {
        matches!(self.problem, SecretProblem::Binary | SecretProblem::Empty)
    }
}

impl KeyUse {
    /// How many schemes have a current version that cannot be a key.
    pub fn unusable(&self) -> usize {
        self.problems.iter().filter(|found| found.stage == Stage::Current && found.is_unusable()).count()
    }

    fn note(&mut self, problem: KeyProblem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.failed_reads += other.failed_reads;
        self.failures.extend(other.failures);
        self.age = self.age.max(other.age);
        self.problems.extend(other.problems);
        self.tried.extend(other.tried);
    }
}

/// The keys of both schemes.
pub struct SigningKeys<S> {
    source: S,
    aggregation: KeyRing,
    pay: KeyRing,
    rules: Rules,
}

/// What the operator decides.
#[derive(Clone, Copy)]
struct Rules {
    /// How long the previous key is accepted after a rotation.
    previous_for: Duration,
    /// Whether a signature over the ASCII encoding is accepted.
    ascii_reading: bool,
}

impl<S: SecretSource> SigningKeys<S> {
    /// `previous_for` is how long the previous key is accepted after a rotation; `ascii_reading` turns the ASCII encoding
    /// of [`signature`](crate::signature) on.
    pub fn new(source: S, previous_for: Duration, ascii_reading: bool) -> Self {
        let ring = |scheme| KeyRing { scheme, cache: Mutex::default() };
        let rules = Rules { previous_for, ascii_reading };
        Self { source, aggregation: ring(Scheme::Aggregation), pay: ring(Scheme::Pay), rules }
    }

    /// Reads the keys of both schemes side by side, ahead of the first callback. What is wrong is for the log alone: the
    /// first callback reads what is missing.
    pub async fn prefetch(&self) -> KeyUse {
        let limit = Instant::now() + START;
        let read = async |ring: &KeyRing| {
            let mut keys = KeyUse::default();
            ring.at_hand(&self.source, self.rules, limit, &mut keys).await;
            keys
        };
        let (mut keys, of_pay) = tokio::join!(read(&self.aggregation), read(&self.pay));
        keys.add(of_pay);
        keys
    }

    /// Verifies a callback with the keys that are valid now. Both schemes are checked side by side where both have a
    /// signature; a valid Pay signature goes first, because it decides the kind.
    ///
    /// The outcome is [`Rejection::Refused`] when the signature is missing, malformed or wrong, and [`Rejection::NoKeys`]
    /// when a key that it needs could not be read.
    pub async fn authenticate(&self, admitted: Admitted, budget: TimeBudget) -> Authentication {
        let callback = admitted.into_callback();
        let Claims { pay, aggregation } = match callback.headers.claims() {
            Ok(claims) => claims,
            Err(refusal) => {
                let outcome = Err(Rejection::Refused(refusal));
                return Authentication { outcome, keys: KeyUse::default() };
            }
        };
        let check = |claim: Option<Claim>, ring| {
            claim.map(|claim| Check {
                source: &self.source,
                ring,
                rules: self.rules,
                claim,
                body: &callback.body,
                budget,
                lacks_a_key: false,
                tried: Vec::new(),
                keys: KeyUse::default(),
            })
        };
        let (mut pay, mut aggregation) = (check(pay, &self.pay), check(aggregation, &self.aggregation));
        let with_keys_at_hand = async |check: &mut Option<Check<'_, S>>| match check {
            Some(check) => check.with_keys_at_hand().await,
            None => None,
        };
        let with_newer_keys = async |check: &mut Option<Check<'_, S>>| match check {
            Some(check) => check.with_newer_keys().await,
            None => None,
        };
        let mut verified = first_of(with_keys_at_hand(&mut pay), with_keys_at_hand(&mut aggregation)).await;
        if verified.is_none() {
            verified = first_of(with_newer_keys(&mut pay), with_newer_keys(&mut aggregation)).await;
        }
        let mut keys = KeyUse::default();
        let mut rejection = Rejection::Refused(Refusal::Wrong);
        for check in [pay, aggregation].into_iter().flatten() {
            if check.lacks_a_key {
                rejection = Rejection::NoKeys;
            }
            keys.add(check.keys);
        }
        Authentication { outcome: verified.ok_or(rejection), keys }
    }
}

/// What the first of two checks found, or else the second one. Both go on side by side; the second one alone does not end
/// the first.
async fn first_of<T>(first: impl Future<Output = Option<T>>, second: impl Future<Output = Option<T>>) -> Option<T> {
    match select(pin!(first), pin!(second)).await {
        Either::Left((Some(found), _)) => Some(found),
        Either::Left((None, second)) => second.await,
        Either::Right((found, first)) => first.await.or(found),
    }
}

/// The check of one claim with the keys of its scheme.
struct Check<'c, S> {
    source: &'c S,
    ring: &'c KeyRing,
    rules: Rules,
    claim: Claim,
    body: &'c Bytes,
    budget: TimeBudget,
    /// The key that signed may be one that could not be read.
    lacks_a_key: bool,
    /// Ids of the versions that were tried.
    tried: Vec<String>,
    keys: KeyUse,
}

impl<S: SecretSource> Check<'_, S> {
    /// Checks with the keys at hand, which are read first if there are none yet or they are due.
    async fn with_keys_at_hand(&mut self) -> Option<AuthenticCallback> {
        let limit = self.budget.keys_end();
        match self.ring.at_hand(self.source, self.rules, limit, &mut self.keys).await {
            Some(keys) => self.verify(&keys),
            None => {
                self.lacks_a_key = true;
                None
            }
        }
    }

    /// Checks with keys that are read because those at hand did not match, as far as the rules allow it.
    async fn with_newer_keys(&mut self) -> Option<AuthenticCallback> {
        if self.lacks_a_key {
            return None;
        }
        let (started, keys_end) = (Instant::now(), self.budget.keys_end());
        let Ok(mut cache) = timeout_at(keys_end, self.ring.cache.lock()).await else {
            self.lacks_a_key = true;
            return None;
        };
        // Another callback may have read them in the meantime.
        let verified = self.verify(&cache.keys);
        if verified.is_some() || !cache.may_read_for_a_mismatch() {
            return verified;
        }
        let mut retry = Retry::default();
        let mut limit = if cache.lacks_a_stage() { keys_end } else { keys_end.min(started + MISMATCH) };
        loop {
            let read = self.ring.read(self.source, &mut cache, limit, &mut retry, &mut self.keys).await;
            let verified = self.verify(&cache.keys);
            if verified.is_some() || read.is_whole {
                cache.was_read_for_a_mismatch(read.is_whole);
                return verified;
            }
            // A stage that was never read may hold the key that signed, and there is time to wait for it.
            limit = if read.lacks_a_stage { keys_end } else { keys_end.min(started + MISMATCH) };
            if !read.is_worth_a_retry || !retry.back_off.wait(limit).await {
                self.lacks_a_key = read.lacks_a_stage;
                cache.was_read_for_a_mismatch(false);
                return None;
            }
        }
    }

    /// Checks with those of the keys that were not tried yet.
    fn verify(&mut self, keys: &Keys) -> Option<AuthenticCallback> {
        let untried: Vec<_> =
            keys.usable(self.rules).filter(|(_, version, _)| !self.tried.contains(&version.id)).collect();
        let scheme = self.claim.scheme();
        for (stage, version, _) in &untried {
            self.tried.push(version.id.clone());
            self.keys.tried.push(TriedKey {
                scheme,
                stage: *stage,
                age_seconds: version.created.map(|at| at.elapsed().unwrap_or_default().as_secs()),
                read_seconds_ago: version.read.elapsed().as_secs(),
            });
        }
        let verified = self.claim.verify(self.body, untried.iter().map(|(_, _, key)| *key), self.rules.ascii_reading);
        if verified.is_none() {
            // What looks like a slip is the first suspicion now.
            keys.problems(scheme).for_each(|problem| self.keys.note(problem));
        }
        verified
    }
}

/// The keys of one scheme.
struct KeyRing {
    scheme: Scheme,
    /// Locked during a read on purpose: callbacks that want the same one wait for the one that is under way.
    cache: Mutex<Cache>,
}

impl KeyRing {
    /// The keys to check with, read first if there are none yet or they are due. None without any.
    async fn at_hand(
        &self,
        source: &impl SecretSource,
        rules: Rules,
        limit: Instant,
        used: &mut KeyUse,
    ) -> Option<Keys> {
        let mut cache = timeout_at(limit, self.cache.lock()).await.ok()?;
        let mut retry = Retry::default();
        let mut read = None;
        if cache.keys.has_usable(rules) && cache.is_due() {
            let limit = limit.min(Instant::now() + ATTEMPT);
            read = Some(self.read(source, &mut cache, limit, &mut retry, used).await);
        }
        while !cache.keys.has_usable(rules) {
            if read.is_some_and(|read: Read| !read.is_worth_a_retry) || !cache.wait_for_turn(limit).await {
                break;
            }
            read = Some(self.read(source, &mut cache, limit, &mut retry, used).await);
            cache.was_read_without_a_key();
        }
        cache.keys.problems(self.scheme).filter(KeyProblem::is_unusable).for_each(|problem| used.note(problem));
        used.age = cache.keys.age();
        cache.keys.has_usable(rules).then(|| cache.keys.clone())
    }

    /// Reads both stages side by side, once or, when a rotation may have fallen between the two, twice.
    async fn read(
        &self,
        source: &impl SecretSource,
        cache: &mut Cache,
        limit: Instant,
        retry: &mut Retry,
        used: &mut KeyUse,
    ) -> Read {
        let (mut current, mut previous) = self.attempt(source, limit, used).await;
        if cache.keys.may_span_a_rotation(&current, &previous) {
            let second = self.attempt(source, limit, used).await;
            current = second.0.or(current);
            previous = second.1;
        }
        used.reads += 1;
        let is_worth_a_retry = {
            let mut is_worth_it = |stage: &StageRead| stage.as_ref().is_err_and(|failed| retry.is_worth_it(failed));
            // Both are asked: each notes a signature that was not accepted.
            is_worth_it(&current) | is_worth_it(&previous)
        };
        let is_whole = current.is_ok() && previous.is_ok();
        used.failed_reads += u32::from(!is_whole);
        let is_transient =
            |stage: &StageRead| stage.as_ref().is_err_and(|failed| failed.meaning() != Meaning::Permanent);
        let lacks = |slot: &Slot, stage: &StageRead| matches!(slot, Slot::Unread) && is_transient(stage);
        let lacks_a_stage = lacks(&cache.keys.current, &current) || lacks(&cache.keys.previous, &previous);
        cache.learn(current.ok(), previous.ok());
        cache.keys.problems(self.scheme).for_each(|problem| used.note(problem));
        Read { is_whole, is_worth_a_retry, lacks_a_stage: lacks_a_stage && is_worth_a_retry }
    }

    /// Makes one attempt at each stage.
    async fn attempt(&self, source: &impl SecretSource, limit: Instant, used: &mut KeyUse) -> (StageRead, StageRead) {
        let fetch = async |stage| {
            let version = attempt(Operation::GetSecretValue, limit, source.fetch(self.scheme, stage)).await?;
            Ok(version.map_or(Slot::Gone, |version| Slot::Version(Arc::new(Version::of(version)))))
        };
        let (current, previous) = tokio::join!(fetch(Stage::Current), fetch(Stage::Previous));
        for failed in [&current, &previous].into_iter().filter_map(|stage: &StageRead| stage.as_ref().err()) {
            used.failures.push(failed.clone());
        }
        (current, previous)
    }
}

/// What a reading of one stage brought.
type StageRead = Result<Slot, AwsError>;

/// What a reading of both stages brought.
#[derive(Clone, Copy)]
struct Read {
    is_whole: bool,
    /// A stage failed, and may not the next time.
    is_worth_a_retry: bool,
    /// A stage that this instance has never read is among them.
    lacks_a_stage: bool,
}

/// What this instance knows of a scheme's secret, and when it may ask again.
#[derive(Default)]
struct Cache {
    keys: Keys,
    /// When the keys are to be read again; `None` before the first read.
    due: Option<Instant>,
    /// What the last reading for a mismatch came to, and when.
    mismatch: Option<(bool, Instant)>,
    /// Without any key: when the next attempt may begin, and the waits between them.
    next_attempt: Option<Instant>,
    back_off: BackOff,
}

impl Cache {
    fn is_due(&self) -> bool {
        self.due.is_none_or(|due| due <= Instant::now())
    }

    /// Takes over what could be read. What Secrets Manager says is believed; a stage that could not be read keeps what was
    /// cached for it.
    fn learn(&mut self, current: Option<Slot>, previous: Option<Slot>) {
        let now = Instant::now();
        let is_whole = current.is_some() && previous.is_some();
        let old = current.map(|current| std::mem::replace(&mut self.keys.current, current));
        // A rotation has made what was current the previous one. That is all that is known while it cannot be read.
        let new_id = self.keys.current.id();
        let rotated = old.filter(|old| old.id().is_some() && new_id.is_some() && old.id() != new_id);
        let has_rotated = rotated.is_some();
        if let Some(previous) = previous.or(rotated) {
            self.keys.previous = previous;
        }
        if is_whole {
            self.due = Some(now + FRESH_FOR);
        } else if self.is_due() || has_rotated {
            self.due = Some(now + RETRY_DUE_AFTER);
        }
    }

    fn lacks_a_stage(&self) -> bool {
        matches!(self.keys.current, Slot::Unread) || matches!(self.keys.previous, Slot::Unread)
    }

    /// Whether keys may be read because none matched: a flood of forgeries must not be passed on to Secrets Manager.
    fn may_read_for_a_mismatch(&self) -> bool {
        self.mismatch.is_none_or(|(succeeded, at)| {
            let pause = if succeeded { MISMATCH_INTERVAL } else { MISMATCH };
            at.elapsed() >= pause
        })
    }

    fn was_read_for_a_mismatch(&mut self, succeeded: bool) {
        self.mismatch = Some((succeeded, Instant::now()));
    }

    /// Waits until the next attempt without any key may begin. False if `limit` is too near for one.
    async fn wait_for_turn(&mut self, limit: Instant) -> bool {
        let now = Instant::now();
        let left = limit.saturating_duration_since(now);
        let wait = self.next_attempt.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if left < FIRST_BACK_OFF {
            return false;
        }
        if wait > Duration::ZERO {
            sleep(wait.min(left / 2)).await;
        }
        true
    }

    fn was_read_without_a_key(&mut self) {
        self.next_attempt = Some(Instant::now() + self.back_off.next_wait());
    }
}

/// Both stages of a scheme's secret.
#[derive(Clone, Default)]
struct Keys {
    current: Slot,
    previous: Slot,
}

/// What is known of a stage.
#[derive(Clone, Default)]
enum Slot {
    /// Nothing: this instance could not read it yet.
    #[default]
    Unread,
    /// No version is at this stage.
    Gone,
    Version(Arc<Version>),
}

impl Slot {
    fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Unread | Self::Gone => None,
        }
    }

    fn id(&self) -> Option<&str> {
        self.version().map(|version| version.id.as_str())
    }
}

/// A version of a secret, read.
struct Version {
    /// Secrets Manager's id of it.
    id: String,
    created: Option<SystemTime>,
    /// None if it cannot be a key.
    key: Option<SigningKey>,
    problem: Option<SecretProblem>,
    read: Instant,
}

impl Version {
    fn of(SecretVersion { id, created, text }: SecretVersion) -> Self {
        let SecretReading { key, problem } = secret::read(text.as_ref().map(|text| text.as_str()));
        let key = key.and_then(|key| SigningKey::new(key.as_bytes()));
        Self { id, created, key, problem, read: Instant::now() }
    }
}

impl Keys {
    /// The keys that callbacks may be signed with: the current one, and the previous one for its time after the rotation.
    fn usable(&self, rules: Rules) -> impl Iterator<Item = (Stage, &Version, &SigningKey)> {
        // Secrets Manager does not say when it was. The current version is stored at a rotation; after a rotation that was
        // rolled back it is an old one, and the abandoned key is rejected at once.
        let rotated = self.current.version().and_then(|version| version.created);
        // In the future by this clock: it has just happened.
        let is_valid = rotated.is_some_and(|at| at.elapsed().unwrap_or_default() < rules.previous_for);
        let previous = self.previous.version().filter(|_| is_valid).map(|version| (Stage::Previous, version));
        let current = self.current.version().map(|version| (Stage::Current, version));
        let stages = current.into_iter().chain(previous);
        stages.filter_map(|(stage, version)| Some((stage, version, version.key.as_ref()?)))
    }

    fn has_usable(&self, rules: Rules) -> bool {
        self.usable(rules).next().is_some()
    }

    /// Whether the two stages may have been read on both sides of a rotation: the previous one is not what was current
    /// until now, or is the same as the current one.
    fn may_span_a_rotation(&self, current: &StageRead, previous: &StageRead) -> bool {
        let (Ok(current), Ok(previous)) = (current, previous) else { return false };
        let Some(new) = current.id() else { return false };
        let has_rotated = self.current.id().is_some_and(|old| old != new);
        (has_rotated && previous.id() != self.current.id()) || previous.id() == Some(new)
    }

    fn problems(&self, scheme: Scheme) -> impl Iterator<Item = KeyProblem> {
        [(Stage::Current, &self.current), (Stage::Previous, &self.previous)].into_iter().filter_map(
            move |(stage, slot)| {
                let problem = slot.version()?.problem?;
                Some(KeyProblem { scheme, stage, problem })
            },
        )
    }

    /// How long ago the current version was read.
    fn age(&self) -> Option<Duration> {
        self.current.version().map(|version| version.read.elapsed())
    }
}

#[cfg(test)]
mod tests;
