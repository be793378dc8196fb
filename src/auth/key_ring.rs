//! The key ring of one scheme: its cache, and the reads that fill it. One read of a scheme's keys is under way at a
//! time.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

use super::{
    key_cache::KeyCache,
    key_use::KeyUse,
    keys::{Keys, ReadResult, Version},
    secret::{SecretSource, Stage},
    signature::Scheme,
};
use crate::{
    aws_error::Operation,
    retry::{Retry, attempt},
    time_budget::{ATTEMPT, FIRST_BACK_OFF},
};

pub(super) struct KeyRing {
    scheme: Scheme,
    /// Held during a read on purpose: callbacks that need the same read wait for it. Callbacks whose keys are cached do
    /// not.
    pub reading: Mutex<()>,
    /// Never locked across an await.
    cache: std::sync::Mutex<KeyCache>,
}

/// How a read of both stages ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// Both stages were read.
    Whole,
    /// A stage failed, and may succeed the next time.
    WorthARetry,
    FailedForGood,
}

impl KeyRing {
    pub fn new(scheme: Scheme, previous_key_for: Duration) -> Self {
        let cache = KeyCache::new(Keys::new(scheme, previous_key_for));
        Self { scheme, reading: Mutex::default(), cache: std::sync::Mutex::new(cache) }
    }

    pub fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn keys(&self) -> Keys {
        self.cache().keys.clone()
    }

    /// Reads both stages once or, when a rotation may have happened between the two, twice.
    async fn read(&self, source: &impl SecretSource, limit: Instant, retry: &mut Retry) -> (ReadOutcome, KeyUse) {
        let mut read = self.attempt(source, limit).await;
        let mut failures = read.failures();
        if self.cache().keys.may_span_a_rotation(&read) {
            let second = self.attempt(source, limit).await;
            failures.extend(second.failures());
            // The first read of the previous stage may be older than the rotation, so only the second one counts.
            read = ReadResult { current: second.current.or(read.current), previous: second.previous };
        }
        // `count`, not `any`: `is_worth_it` must see each error, because it remembers whether the extra attempt is used
        // up.
        let worth_a_retry = read.errors().filter(|error| retry.is_worth_it(error)).count();
        let outcome = match (read.is_whole(), worth_a_retry) {
            (true, _) => ReadOutcome::Whole,
            (false, 0) => ReadOutcome::FailedForGood,
            (false, _) => ReadOutcome::WorthARetry,
        };
        let failed_reads = u32::from(!read.is_whole());
        let mut cache = self.cache();
        cache.record(read);
        let problems = cache.keys.problems().collect();
        (outcome, KeyUse { reads: 1, failed_reads, failures, problems, ..KeyUse::default() })
    }

    /// Makes one attempt at each stage, side by side.
    async fn attempt(&self, source: &impl SecretSource, limit: Instant) -> ReadResult {
        let fetch = async |stage| {
            let version = attempt(Operation::GetSecretValue, limit, source.fetch(self.scheme, stage)).await?;
            Ok(version.map(|version| Arc::new(Version::new(version))))
        };
        let (current, previous) = tokio::join!(fetch(Stage::Current), fetch(Stage::Previous));
        ReadResult { current, previous }
    }

    /// For an instance that has no key: waits until its next attempt may begin. False if `limit` is too near for one.
    async fn wait_for_turn(&self, limit: Instant) -> bool {
        let wait = self.cache().attempts_without_key.wait();
        let left = limit.saturating_duration_since(Instant::now());
        if left < FIRST_BACK_OFF {
            return false;
        }
        if wait > Duration::ZERO {
            sleep(wait.min(left / 2)).await;
        }
        true
    }
}

/// Reads a ring's keys for one callback, or for the start of the instance.
pub(super) struct KeyReader<'r, S> {
    pub ring: &'r KeyRing,
    source: &'r S,
    /// What the finished reads found. It is kept here so that it survives when a later read is dropped.
    pub found: KeyUse,
}

impl<'r, S: SecretSource> KeyReader<'r, S> {
    pub fn new(ring: &'r KeyRing, source: &'r S) -> Self {
        Self { ring, source, found: KeyUse::default() }
    }

    /// The keys of the cache. Reads them before that if they are due or if there are none. `None` without a usable key.
    pub async fn known_keys(&mut self, limit: Instant) -> Option<Keys> {
        if !self.ring.cache().is_fresh() {
            self.read_what_is_due(limit).await;
        }
        let keys = self.ring.keys();
        // At each callback, so that an instance that gets only a few of them reports the problem as well.
        let unusable = keys.problems().filter(|found| found.stage == Stage::Current && found.is_unusable());
        self.found.add_problems(unusable);
        self.found.age = keys.age();
        keys.has_usable().then_some(keys)
    }

    /// If there are keys, reads once; other callbacks use the cached keys meanwhile. If there is none, reads until there
    /// is one, until no retry is worth it, or until `limit`.
    async fn read_what_is_due(&mut self, limit: Instant) {
        let ring = self.ring;
        let has_usable = || ring.cache().keys.has_usable();
        let mut retry = Retry::default();
        let mut outcome = ReadOutcome::WorthARetry;
        let _reading = if has_usable() {
            // Another callback is reading them already: the cached keys are used.
            let Ok(reading) = ring.reading.try_lock() else { return };
            outcome = self.read(limit.min(Instant::now() + ATTEMPT), &mut retry).await;
            reading
        } else {
            let Ok(reading) = timeout_at(limit, ring.reading.lock()).await else { return };
            reading
        };
        while !has_usable() {
            if outcome != ReadOutcome::WorthARetry || !ring.wait_for_turn(limit).await {
                return;
            }
            outcome = self.read(limit, &mut retry).await;
            ring.cache().attempts_without_key.attempt_made();
        }
        ring.cache().attempts_without_key.key_found();
    }

    /// Reads both stages. Only for a callback that holds [`KeyRing::reading`].
    pub async fn read(&mut self, limit: Instant, retry: &mut Retry) -> ReadOutcome {
        let (outcome, found) = self.ring.read(self.source, limit, retry).await;
        self.found.add(found);
        outcome
    }
}
