//! The signing keys: read from Secrets Manager, cached, read again, and tried on a callback.
//!
//! Each scheme has a key ring with the two stages of its secret: AWSCURRENT, and AWSPREVIOUS for a bounded time after a
//! rotation, because Flinks and the customer cannot change the secret at the same instant. The rules, each with its first
//! test in `tests.rs`:
//!
//! | when | what happens | test |
//! |---|---|---|
//! | keys are cached and fresh | they serve, without a call | `cached_and_fresh_keys_serve_without_a_call` |
//! | keys are cached and due | one attempt to read them | `due_keys_get_one_attempt_and_serve_while_it_fails` |
//! | ...and it fails | the cached keys serve; the next attempt *for being due* is `RETRY_DUE_AFTER` later | `a_mismatch_still_reads_after_an_attempt_for_being_due_failed` |
//! | no cached key matches | read again, and try what is new | `a_rotated_key_works_at_the_next_callback_and_the_previous_one_still_does` |
//! | ...and the read fails | retry for [`MISMATCH`] | `a_mismatch_retries_for_two_seconds_while_the_read_fails_and_finds_the_rotated_key` |
//! | ...and it still fails | 401 | `a_mismatch_is_rejected_after_two_seconds_of_failing_reads` |
//! | ...less than `MISMATCH_INTERVAL` after a successful read for a mismatch | 401 without a read | `forgeries_cost_one_successful_read_in_thirty_seconds` |
//! | ...and a stage was never read and fails transiently | retry until only the time to store is left | `a_mismatch_waits_for_a_stage_that_was_never_read` |
//! | ...and it still fails | 503 | `a_mismatch_is_answered_503_while_a_stage_that_was_never_read_fails` |
//! | there is no key at all | retry while a stage fails transiently, until only the time to store is left; then 503 | `without_a_key_a_callback_retries_until_the_time_to_store_is_left` |
//! | ...and many callbacks come | attempts are spaced out, whatever the number of callbacks | `without_a_key_a_flood_is_not_passed_on` |
//! | Secrets Manager reports a stage gone | the cache loses it too | `a_revoked_key_is_rejected_from_the_next_read_on` |
//! | the current version cannot be a key | a previous one that can still serves | `a_current_version_that_cannot_be_a_key_does_not_replace_the_previous_one` |
//! | both schemes have a signature | both are checked side by side; a valid Pay signature decides | `a_valid_pay_signature_goes_before_a_valid_aggregation_signature` |

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    key_cache::{KeyCache, KeyProblem, KeyRules, Keys, SecretVersion, Slot, Stage, StageRead, Version},
    signature::{AuthenticCallback, Scheme, Signature, Signatures},
};
use crate::{
    aws_error::{AwsError, FailedCalls, Operation},
    http::Callback,
    rejection::Rejection,
    retry::{Retry, attempt},
    time_budget::{ATTEMPT, FIRST_BACK_OFF, MISMATCH, START, TimeBudget},
};

/// Where secrets come from.
pub trait SecretSource {
    /// Makes one attempt to read the version of the scheme's secret at `stage`. `None` if there is no such version.
    fn fetch(
        &self,
        scheme: Scheme,
        stage: Stage,
    ) -> impl Future<Output = Result<Option<SecretVersion>, AwsError>> + Send;
}

/// What became of the signature check, and what it took.
pub struct Authentication {
    pub outcome: Result<AuthenticCallback, Rejection>,
    pub keys: KeyUse,
}

impl Authentication {
    /// Rejected without a look at the keys.
    pub fn rejected(rejection: Rejection) -> Self {
        Self { outcome: Err(rejection), keys: KeyUse::default() }
    }
}

/// What became of reading the keys ahead of the first callback.
#[derive(Debug)]
pub struct Prefetch {
    /// Each scheme has a key, and no stage is missing.
    pub is_complete: bool,
    pub keys: KeyUse,
}

/// How the keys were used for one callback.
#[derive(Clone, Debug, Default)]
pub struct KeyUse {
    /// How often a scheme's keys were read, and how many of those reads returned fewer than both stages.
    pub reads: u32,
    pub failed_reads: u32,
    pub failures: FailedCalls,
    /// How long ago the current key was read; of two schemes, the one that was read longer ago.
    pub age: Option<Duration>,
    /// Secrets that cannot be a key, and secrets that were read and look like a slip.
    pub problems: Vec<KeyProblem>,
    /// The keys that the callback was checked with.
    pub tried: Vec<TriedKey>,
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

impl KeyUse {
    /// How many schemes have a current version that cannot be a key.
    pub fn unusable(&self) -> usize {
        self.problems.iter().filter(|found| found.stage == Stage::Current && found.is_unusable()).count()
    }

    fn note_all(&mut self, problems: impl Iterator<Item = KeyProblem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
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
    rules: KeyRules,
}

impl<S: SecretSource> SigningKeys<S> {
    pub fn new(source: S, rules: KeyRules) -> Self {
        Self { source, aggregation: KeyRing::new(Scheme::Aggregation), pay: KeyRing::new(Scheme::Pay), rules }
    }

    /// Reads the keys of both schemes side by side, ahead of the first callback. Failures are only logged: the first
    /// callback reads what is missing.
    pub async fn prefetch(&self) -> Prefetch {
        let limit = Instant::now() + START;
        let read = async |ring: &KeyRing| {
            let mut keys = KeyUse::default();
            let at_hand = ring.at_hand(&self.source, self.rules, limit, &mut keys).await;
            Prefetch { is_complete: at_hand.is_some() && !ring.cache().lacks_a_stage(), keys }
        };
        let (mut aggregation, pay) = tokio::join!(read(&self.aggregation), read(&self.pay));
        aggregation.keys.add(pay.keys);
        Prefetch { is_complete: aggregation.is_complete && pay.is_complete, keys: aggregation.keys }
    }

    /// Verifies a callback with the keys that are valid now. Both schemes are checked side by side where both have a
    /// signature; a valid Pay signature goes first, because it decides the kind.
    ///
    /// [`Rejection::NoKeys`] means that a key which may verify the signature could not be read.
    pub async fn authenticate(&self, callback: &Callback, budget: TimeBudget) -> Authentication {
        let Signatures { pay, aggregation } = match Signatures::from_headers(&callback.headers) {
            Ok(signatures) => signatures,
            Err(rejection) => return Authentication::rejected(rejection),
        };
        let check = |signature: Option<Signature>, ring| {
            signature.map(|signature| Check {
                source: &self.source,
                ring,
                rules: self.rules,
                signature,
                body: &callback.body,
                budget,
                lacks_a_key: false,
                tried: Vec::new(),
                keys: KeyUse::default(),
            })
        };
        let (mut pay, mut aggregation) = (check(pay, &self.pay), check(aggregation, &self.aggregation));
        let verified = match (&mut pay, &mut aggregation) {
            (Some(pay), Some(aggregation)) => first_of_both(pay, aggregation).await,
            (Some(only), None) | (None, Some(only)) => only.with_all_keys().await,
            (None, None) => None,
        };
        let mut keys = KeyUse::default();
        let mut rejection = Rejection::SignatureWrong;
        for check in [pay, aggregation].into_iter().flatten() {
            if check.lacks_a_key {
                rejection = Rejection::NoKeys;
            }
            keys.add(check.keys);
        }
        Authentication { outcome: verified.ok_or(rejection), keys }
    }
}

/// Checks both schemes side by side, so that keys of one that cannot be read do not hold up the other one. A valid Pay
/// signature goes first: it decides the kind. But once the aggregation signature is verified, the keys at hand decide, and
/// if there are none Pay's are waited for no longer than [`MISMATCH`].
async fn first_of_both<S: SecretSource>(
    pay: &mut Check<'_, S>,
    aggregation: &mut Check<'_, S>,
) -> Option<AuthenticCallback> {
    let mut aggregation = pin!(aggregation.with_all_keys());
    let verified = {
        let pay_at_hand = pin!(pay.with_keys_at_hand());
        match select(pay_at_hand, aggregation.as_mut()).await {
            Either::Left((verified @ Some(_), _)) => return verified,
            Either::Left((None, _)) => None,
            Either::Right((Some(verified), pay_at_hand)) => {
                return timeout(MISMATCH, pay_at_hand).await.ok().flatten().or(Some(verified));
            }
            Either::Right((None, pay_at_hand)) => Some(pay_at_hand.await),
        }
    };
    match verified {
        // The aggregation signature is wrong.
        Some(verified @ Some(_)) => verified,
        Some(None) => pay.with_newer_keys().await,
        None => match select(pin!(pay.with_newer_keys()), aggregation).await {
            Either::Left((verified @ Some(_), _)) | Either::Right((verified @ Some(_), _)) => verified,
            Either::Left((None, aggregation)) => aggregation.await,
            Either::Right((None, pay)) => pay.await,
        },
    }
}

/// The check of one signature with the keys of its scheme.
struct Check<'c, S> {
    source: &'c S,
    ring: &'c KeyRing,
    rules: KeyRules,
    signature: Signature,
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

    /// Checks with the keys at hand, and if none matches with newer ones.
    async fn with_all_keys(&mut self) -> Option<AuthenticCallback> {
        match self.with_keys_at_hand().await {
            None => self.with_newer_keys().await,
            verified => verified,
        }
    }

    /// Checks with keys that are read because those at hand did not match, as far as the rules allow it.
    async fn with_newer_keys(&mut self) -> Option<AuthenticCallback> {
        if self.lacks_a_key {
            return None;
        }
        let (ring, keys_end) = (self.ring, self.budget.keys_end());
        let quick_end = keys_end.min(Instant::now() + MISMATCH);
        let Ok(_reading) = timeout_at(keys_end, ring.reading.lock()).await else {
            self.lacks_a_key = true;
            return None;
        };
        // Another callback may have read them in the meantime.
        let verified = self.verify(&ring.cache().keys.clone());
        if verified.is_some() || !ring.cache().may_read_for_a_mismatch() {
            return verified;
        }
        let mut retry = Retry::default();
        loop {
            // A stage that was never read may hold the key that signed, and there is time to wait for it.
            let limit = || if ring.cache().lacks_a_stage() { keys_end } else { quick_end };
            let read = ring.read(self.source, limit(), &mut retry, &mut self.keys).await;
            let keys = ring.cache().keys.clone();
            let verified = self.verify(&keys);
            if read.is_whole {
                ring.cache().mismatch_read_succeeded();
            }
            if verified.is_some() {
                return verified;
            }
            if read.is_whole || !read.is_worth_a_retry || !retry.back_off.wait(limit()).await {
                let mut cache = ring.cache();
                self.lacks_a_key = cache.lacks_a_stage() || !keys.has_usable(self.rules);
                if !read.is_whole {
                    cache.mismatch_read_failed();
                }
                return None;
            }
        }
    }

    /// Checks with those of the keys that were not tried yet.
    fn verify(&mut self, keys: &Keys) -> Option<AuthenticCallback> {
        let untried: Vec<_> =
            keys.usable(self.rules).filter(|(_, version, _)| !self.tried.contains(&version.id)).collect();
        let scheme = self.signature.scheme();
        for (stage, version, _) in &untried {
            self.tried.push(version.id.clone());
            self.keys.tried.push(TriedKey {
                scheme,
                stage: *stage,
                age_seconds: version.created.map(|at| at.elapsed().unwrap_or_default().as_secs()),
                read_seconds_ago: version.read.elapsed().as_secs(),
            });
        }
        let verified =
            self.signature.verify(self.body, untried.iter().map(|(_, _, key)| *key), self.rules.accept_ascii);
        if verified.is_none() {
            // What looks like a slip is the first suspicion now.
            self.keys.note_all(keys.problems(scheme));
        }
        verified
    }
}

/// The keys of one scheme.
struct KeyRing {
    scheme: Scheme,
    /// Held during a read on purpose: callbacks that want the same one wait for the one that is under way. Callbacks whose
    /// keys are cached do not.
    reading: Mutex<()>,
    /// Never locked across an await.
    cache: std::sync::Mutex<KeyCache>,
}

impl KeyRing {
    fn new(scheme: Scheme) -> Self {
        Self { scheme, reading: Mutex::default(), cache: std::sync::Mutex::default() }
    }

    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys to check with, read first if there are none yet or they are due. None without any.
    async fn at_hand(
        &self,
        source: &impl SecretSource,
        rules: KeyRules,
        limit: Instant,
        used: &mut KeyUse,
    ) -> Option<Keys> {
        let is_fresh = |cache: &KeyCache| cache.keys.has_usable(rules) && !cache.is_due();
        if !is_fresh(&self.cache()) {
            self.read_what_is_due(source, rules, limit, used).await;
        }
        let keys = self.cache().keys.clone();
        // At each callback, so that an instance that serves only a few of them reports it as well.
        used.note_all(keys.problems(self.scheme).filter(|found| found.stage == Stage::Current && found.is_unusable()));
        used.age = keys.age();
        keys.has_usable(rules).then_some(keys)
    }

    /// Reads the keys: once if cached ones can serve meanwhile, else until there is one or `limit` is reached.
    async fn read_what_is_due(&self, source: &impl SecretSource, rules: KeyRules, limit: Instant, used: &mut KeyUse) {
        let has_usable = || self.cache().keys.has_usable(rules);
        let mut retry = Retry::default();
        let mut read = None;
        let _reading = if has_usable() {
            // Another callback reads them already: the cached ones serve.
            let Ok(reading) = self.reading.try_lock() else { return };
            let limit = limit.min(Instant::now() + ATTEMPT);
            read = Some(self.read(source, limit, &mut retry, used).await);
            reading
        } else {
            let Ok(reading) = timeout_at(limit, self.reading.lock()).await else { return };
            reading
        };
        while !has_usable() {
            if read.is_some_and(|read: Read| !read.is_worth_a_retry) || !self.wait_for_turn(limit).await {
                return;
            }
            read = Some(self.read(source, limit, &mut retry, used).await);
            self.cache().attempt_ended();
        }
        self.cache().outage_ended();
    }

    /// Waits until the next attempt without any key may begin. False if `limit` is too near for one.
    async fn wait_for_turn(&self, limit: Instant) -> bool {
        let wait = self.cache().wait_for_next_attempt();
        let left = limit.saturating_duration_since(Instant::now());
        if left < FIRST_BACK_OFF {
            return false;
        }
        if wait > Duration::ZERO {
            sleep(wait.min(left / 2)).await;
        }
        true
    }

    /// Reads both stages side by side, once or, when a rotation may have fallen between the two, twice.
    async fn read(&self, source: &impl SecretSource, limit: Instant, retry: &mut Retry, used: &mut KeyUse) -> Read {
        let (mut current, mut previous) = self.attempt(source, limit, used).await;
        if self.cache().keys.may_span_a_rotation(&current, &previous) {
            let second = self.attempt(source, limit, used).await;
            current = second.0.or(current);
            previous = second.1;
        }
        let is_whole = current.is_ok() && previous.is_ok();
        used.reads += 1;
        used.failed_reads += u32::from(!is_whole);
        let mut is_worth_it = |stage: &StageRead| stage.as_ref().is_err_and(|failed| retry.is_worth_it(failed));
        // Both are asked: each notes a signature that was not accepted.
        let is_worth_a_retry = is_worth_it(&current) | is_worth_it(&previous);
        let mut cache = self.cache();
        cache.read_ended(current, previous);
        used.note_all(cache.keys.problems(self.scheme));
        Read { is_whole, is_worth_a_retry }
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

/// What a reading of both stages brought.
#[derive(Clone, Copy)]
struct Read {
    is_whole: bool,
    /// A stage failed, and may not the next time.
    is_worth_a_retry: bool,
}

#[cfg(test)]
mod tests;
