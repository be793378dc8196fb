//! The rules for the signing keys of both schemes. The heading of each group names the files that implement it. The
//! comments in `signing_keys/tests.rs` have the numbers of the rows.
//!
//! Each scheme has a key ring with the two stages of its secret: AWSCURRENT, and AWSPREVIOUS for a bounded time after a
//! rotation, because Flinks and the customer cannot change the key at the same instant.
//!
//! | rule | when | what happens |
//! |---|---|---|
//! | | **The keys are cached** (`key_cache.rs`, `key_ring.rs`) | |
//! | 1 | they are fresh, for [`FRESH_FOR`] after a read | they are used without a call |
//! | 2 | they are due | one attempt to read; if it fails, the cached keys are used, and are due again [`RETRY_DUE_AFTER`] later |
//! | 3 | they are due, and another callback is reading them | the cached keys are used |
//! | | **There is no key at all** (`key_ring.rs`, `key_cache.rs`) | |
//! | 4 | a stage fails transiently | retry until only the time to store is left; then 503 |
//! | 5 | every stage is gone or denied | 503 at once |
//! | 6 | several callbacks retry in turn | they share one back-off, so that a flood does not reach Secrets Manager |
//! | 7 | the instance starts | retry for [`START`]; the first callback reads what is missing |
//! | | **No cached key matches** (`signature_check.rs`, `key_cache.rs`) | |
//! | 8 | always, unless a row below says otherwise | read again at once, even just after a read of due keys |
//! | 9 | that read fails transiently | retry for [`MISMATCH`]; then 401 |
//! | 10 | a read for a mismatch succeeded less than [`MISMATCH_INTERVAL`] ago | 401 without a read |
//! | 11 | a read for a mismatch failed less than [`MISMATCH`] ago | 401 without a read |
//! | 12 | a stage was never read, and fails transiently | read in spite of row 11, and retry until only the time to store is left; then 503 |
//! | 13 | a stage was never read, and is denied | rows 9 to 11 apply, as for a stage that was read |
//! | 14 | the read finds that there is no key any more | 503 |
//! | 15 | other callbacks arrive during the read | those that mismatch share it; those whose key is cached do not wait |
//! | 16 | a version was tried already | it is not tried again |
//! | | **A read brings news** (`keys.rs`, `key_ring.rs`) | |
//! | 17 | Secrets Manager returns a version, or says that a stage is gone | the cache stores exactly this |
//! | 18 | a stage could not be read | what was cached for it stays |
//! | 19 | the current version is new, and the previous stage could not be read | what was current is now the previous key, until a read [`RETRY_DUE_AFTER`] later |
//! | 20 | a rotation may have happened between the reads of the two stages | both are read again |
//! | | **Which versions are keys** (`keys.rs`, `secret.rs`) | |
//! | 21 | a rotation made a version the previous one | it is accepted for [`KeyRules::previous_key_for`]; after a roll-back not at all |
//! | 22 | the secret is rotated again | the key before the previous one is accepted until this instance reads the secret, and then no longer |
//! | 23 | a version cannot be a key | it verifies nothing; if it is the current one, the previous key stays accepted |
//! | 24 | a secret was pasted with white space, or as JSON with one string | that is not part of the key |
//! | | **A callback has signatures of both schemes** (`both_schemes.rs`) | |
//! | 25 | always | the keys of both are read side by side, and one valid signature is enough |
//! | 26 | both signatures are valid | Pay's decides |
//! | 27 | one is valid, and the keys of the other scheme cannot be read | accepted; uncached Pay keys delay it by at most [`MISMATCH`] |
//! | 28 | none is valid, and the keys of one scheme could not be read | 503 |
//! | | **What is reported** (`key_use.rs`, `key_ring.rs`, `signature_check.rs`) | |
//! | 29 | a signature is wrong | the keys that were tried, with their ages, and every problem of a secret |
//! | 30 | a current version cannot be a key | that problem, at every callback |
//! | 31 | a secret looks like a mistake | that problem, when the secret is read |
//! | 32 | a read was dropped because the other scheme decided | the reads that ended before, and their failures |
//!
//! [`FRESH_FOR`]: super::key_cache::FRESH_FOR
//! [`MISMATCH`]: crate::time_budget::MISMATCH
//! [`MISMATCH_INTERVAL`]: super::key_cache::MISMATCH_INTERVAL
//! [`RETRY_DUE_AFTER`]: super::key_cache::RETRY_DUE_AFTER

use std::time::Duration;

use tokio::time::Instant;

use super::{
    both_schemes::check_both,
    key_ring::{KeyReader, KeyRing},
    key_use::KeyUse,
    secret::SecretSource,
    signature::{AuthenticCallback, Scheme, Signature, Signatures},
    signature_check::SignatureCheck,
};
use crate::{
    http::Callback,
    rejection::Rejection,
    time_budget::{START, TimeBudget},
};

/// What the operator decides about the keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyRules {
    /// How long the previous key is accepted after a rotation.
    pub previous_key_for: Duration,
    /// Whether a signature over the ASCII encoding is accepted.
    pub accept_ascii: bool,
}

/// The outcome of the check of a callback, and how the keys were used for it.
pub struct Authentication {
    pub outcome: Result<AuthenticCallback, Rejection>,
    pub keys: KeyUse,
}

impl Authentication {
    /// Rejected before any key was used.
    pub fn rejected(rejection: Rejection) -> Self {
        Self { outcome: Err(rejection), keys: KeyUse::default() }
    }
}

/// The outcome of the prefetch, the read before the first callback.
#[derive(Debug)]
pub struct Prefetch {
    /// Each scheme has a key, and no stage is missing.
    pub is_complete: bool,
    pub keys: KeyUse,
}

/// The keys of both schemes.
pub struct SigningKeys<S> {
    source: S,
    accept_ascii: bool,
    aggregation: KeyRing,
    pay: KeyRing,
}

impl<S: SecretSource> SigningKeys<S> {
    pub fn new(source: S, KeyRules { previous_key_for, accept_ascii }: KeyRules) -> Self {
        let ring = |scheme| KeyRing::new(scheme, previous_key_for);
        Self { source, accept_ascii, aggregation: ring(Scheme::Aggregation), pay: ring(Scheme::Pay) }
    }

    /// Reads the keys of both schemes side by side, before the first callback. A failure is only reported: the first
    /// callback reads what is missing.
    pub async fn prefetch(&self) -> Prefetch {
        let limit = Instant::now() + START;
        let read = async |ring| {
            let mut reader = KeyReader::new(ring, &self.source);
            let keys = reader.known_keys(limit).await;
            Prefetch { is_complete: keys.is_some_and(|keys| !keys.lacks_a_stage()), keys: reader.found }
        };
        let (mut both, pay) = tokio::join!(read(&self.aggregation), read(&self.pay));
        both.is_complete &= pay.is_complete;
        both.keys.add(pay.keys);
        both
    }

    /// Checks the signatures of a callback with the accepted keys.
    pub async fn check_signatures(&self, callback: &Callback, budget: TimeBudget) -> Authentication {
        let Signatures { pay, aggregation } = match Signatures::from_headers(&callback.headers) {
            Ok(signatures) => signatures,
            Err(rejection) => return Authentication::rejected(rejection),
        };
        let check = |signature: Option<Signature>, ring| {
            let reader = KeyReader::new(ring, &self.source);
            signature.map(|found| SignatureCheck::new(reader, found, &callback.body, self.accept_ascii, budget))
        };
        let (mut pay, mut aggregation) = (check(pay, &self.pay), check(aggregation, &self.aggregation));
        let outcome = match (&mut pay, &mut aggregation) {
            (Some(pay), Some(aggregation)) => check_both(pay, aggregation).await,
            (Some(only), None) | (None, Some(only)) => only.with_all_keys().await,
            (None, None) => Err(Rejection::SignatureMissing),
        };
        let mut keys = KeyUse::default();
        for check in [pay, aggregation].into_iter().flatten() {
            keys.add(check.into_key_use());
        }
        Authentication { outcome, keys }
    }
}

#[cfg(test)]
mod tests;
