//! Checks one signature: first with the cached keys and then, if none of them matches, with keys that are read for it.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{
    key_ring::{KeyReader, ReadOutcome},
    key_use::{KeyUse, TriedKey},
    keys::Keys,
    secret::SecretSource,
    signature::{AuthenticCallback, Signature},
};
use crate::{
    rejection::Rejection,
    retry::Retry,
    time_budget::{MISMATCH, TimeBudget},
};

/// The outcome of a check. It is [`Rejection::NoKeys`] if there is no key, or if a key that was not read may be the one
/// that signed. Otherwise it is [`Rejection::SignatureWrong`].
pub(super) type CheckResult = Result<AuthenticCallback, Rejection>;

pub(super) struct SignatureCheck<'c, S> {
    reader: KeyReader<'c, S>,
    signature: Signature,
    body: &'c Bytes,
    accept_ascii: bool,
    budget: TimeBudget,
    /// Ids of the versions that were tried.
    tried: Vec<String>,
}

impl<'c, S: SecretSource> SignatureCheck<'c, S> {
    pub fn new(
        reader: KeyReader<'c, S>,
        signature: Signature,
        body: &'c Bytes,
        accept_ascii: bool,
        budget: TimeBudget,
    ) -> Self {
        Self { reader, signature, body, accept_ascii, budget, tried: Vec::new() }
    }

    /// How the keys were used so far.
    pub fn into_key_use(self) -> KeyUse {
        self.reader.found
    }

    /// Both steps: checks with the known keys and then, if none of them matches, with keys that are read for it.
    pub async fn with_all_keys(&mut self) -> CheckResult {
        match self.with_known_keys().await {
            Err(rejection) => self.with_newer_keys(rejection).await,
            verified => verified,
        }
    }

    /// First step: checks with the keys of the cache. Reads them before that if they are due or if there are none.
    pub async fn with_known_keys(&mut self) -> CheckResult {
        let keys = self.reader.known_keys(self.budget.keys_end()).await.ok_or(Rejection::NoKeys)?;
        self.verify(&keys).ok_or(Rejection::SignatureWrong)
    }

    /// In place of the first step, when its read took too long: checks with the keys of the cache as they are.
    pub fn with_cached_keys(&mut self) -> Option<AuthenticCallback> {
        self.verify(&self.reader.ring.keys())
    }

    /// Second step, with the `rejection` of the first. If no known key matched and the rules allow a read, reads the
    /// keys and checks with them.
    pub async fn with_newer_keys(&mut self, rejection: Rejection) -> CheckResult {
        if rejection == Rejection::NoKeys {
            return Err(rejection);
        }
        let (ring, keys_end) = (self.reader.ring, self.budget.keys_end());
        let mismatch_end = keys_end.min(Instant::now() + MISMATCH);
        let _reading = timeout_at(keys_end, ring.reading.lock()).await.map_err(|_| Rejection::NoKeys)?;
        // Another callback may have read them in the meantime.
        let verified = self.verify(&ring.keys());
        if verified.is_some() || !ring.cache().may_read_for_mismatch() {
            return verified.ok_or(Rejection::SignatureWrong);
        }
        let mut retry = Retry::default();
        // A valid signature ends the loop. Without one, a transient failure is retried. If no retry is left, the
        // response is 503 if a key may be missing, and otherwise 401.
        loop {
            // A stage that was never read may hold the key that signed, so there is more time to read it.
            let limit = || if ring.cache().keys.lacks_a_stage() { keys_end } else { mismatch_end };
            let outcome = self.reader.read(limit(), &mut retry).await;
            let keys = ring.keys();
            let verified = self.verify(&keys);
            if outcome == ReadOutcome::Whole {
                ring.cache().mismatch_read.succeeded();
            }
            if let Some(verified) = verified {
                return Ok(verified);
            }
            if outcome == ReadOutcome::WorthARetry && retry.back_off.wait(limit()).await {
                continue;
            }
            if outcome != ReadOutcome::Whole {
                ring.cache().mismatch_read.failed();
            }
            let may_lack_the_key = keys.lacks_a_stage() || !keys.has_usable();
            return Err(if may_lack_the_key { Rejection::NoKeys } else { Rejection::SignatureWrong });
        }
    }

    /// Checks with the keys that were not tried yet.
    fn verify(&mut self, keys: &Keys) -> Option<AuthenticCallback> {
        let untried: Vec<_> = keys.usable().filter(|key| !self.tried.contains(&key.version.id)).collect();
        let found = &mut self.reader.found;
        for key in &untried {
            self.tried.push(key.version.id.clone());
            found.tried.push(TriedKey {
                scheme: self.signature.scheme(),
                stage: key.stage,
                age_seconds: key.version.created.map(|at| at.elapsed().unwrap_or_default().as_secs()),
                read_seconds_ago: key.version.read_at.elapsed().as_secs(),
            });
        }
        let verified = self.signature.verify(self.body, untried.iter().map(|key| key.key), self.accept_ascii);
        if verified.is_none() {
            // A secret that looks like a mistake is the most likely cause, so report it.
            found.add_problems(keys.problems());
        }
        verified
    }
}
