//! The signing keys of both schemes: read from Secrets Manager, cached, read again, and tried on a callback.
//!
//! Each scheme has a key ring with the two stages of its secret: AWSCURRENT, and AWSPREVIOUS for a bounded time after a
//! rotation, because Flinks and the customer cannot change the key at the same instant. These are the rules; `tests.rs`
//! follows them row by row.
//!
//! | rule | when | what happens |
//! |---|---|---|
//! | | **The keys are cached** | |
//! | 1 | they are fresh, for [`FRESH_FOR`] after a read | they serve without a call |
//! | 2 | they are due | one attempt to read; if it fails, the cached keys serve, and are due again [`RETRY_DUE_AFTER`] later |
//! | 3 | they are due, and another callback is reading them | the cached keys serve |
//! | | **There is no key at all** | |
//! | 4 | a stage fails transiently | retry until the time to store is left; then 503 |
//! | 5 | every stage is gone or denied | 503 at once |
//! | 6 | one callback after the other retries | they share one back-off, so that no flood reaches Secrets Manager |
//! | 7 | the instance starts | retry for [`START`]; the first callback reads what is missing |
//! | | **No cached key matches** | |
//! | 8 | always, unless a row below says otherwise | read again at once, even if a read because the keys were due has just ended |
//! | 9 | that read fails transiently | retry for [`MISMATCH`]; then 401 |
//! | 10 | a read for a mismatch succeeded less than [`MISMATCH_INTERVAL`] ago | 401 without a read |
//! | 11 | a read for a mismatch failed less than [`MISMATCH`] ago | 401 without a read |
//! | 12 | a stage was never read, and fails transiently | read in spite of row 11, and retry until the time to store is left; then 503 |
//! | 13 | a stage was never read, and is denied | as if it had been read |
//! | 14 | the read finds that there is no key any more | 503 |
//! | 15 | other callbacks arrive during the read | those that mismatch share it; those whose key is cached do not wait |
//! | 16 | a version was tried already | it costs no second HMAC |
//! | | **A read brings news** | |
//! | 17 | Secrets Manager reports a version, or that a stage is gone | it is believed: the cache holds that |
//! | 18 | a stage could not be read | it keeps what was cached for it |
//! | 19 | the current version is new, and the previous stage could not be read | what was current is now the previous key, until a read [`RETRY_DUE_AFTER`] later |
//! | 20 | a rotation may have happened between the reads of the two stages | both are read again |
//! | | **Which versions are keys** | |
//! | 21 | a rotation made a version the previous one | it is accepted for [`KeyRules::previous_key_for`]; after a roll-back not at all |
//! | 22 | a version cannot be a key | nobody gets in with it, and it does not replace a previous one that can |
//! | 23 | a secret was pasted with white space, or as JSON with one string | that is not part of the key |
//! | | **A callback has signatures of both schemes** | |
//! | 24 | always | the keys of both are read side by side, and one valid signature is enough |
//! | 25 | both signatures are valid | Pay's decides |
//! | 26 | one is valid, and the keys of the other scheme cannot be read | accepted; an unknown Pay key is waited for at most [`MISMATCH`] |
//! | 27 | none is valid, and the keys of one scheme could not be read | 503 |
//! | | **What is reported** | |
//! | 28 | a signature is wrong | the keys that were tried, with their ages, and every problem of a secret |
//! | 29 | a current version cannot be a key | that problem, at every callback |
//! | 30 | a secret looks like a mistake | that problem, when the secret is read |
//! | 31 | a read was dropped because the other scheme decided | the reads that ended before, and their failures |
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

/// The outcome of the read ahead of the first callback.
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

    /// Reads the keys of both schemes side by side, ahead of the first callback. A failure is only reported: the first
    /// callback reads what is missing.
    pub async fn prefetch(&self) -> Prefetch {
        let limit = Instant::now() + START;
        let read = async |ring| {
            let mut reader = KeyReader::new(ring, &self.source);
            let keys = reader.cached_keys(limit).await;
            Prefetch { is_complete: keys.is_some_and(|keys| !keys.lacks_a_stage()), keys: reader.found }
        };
        let (mut both, pay) = tokio::join!(read(&self.aggregation), read(&self.pay));
        both.is_complete &= pay.is_complete;
        both.keys.add(pay.keys);
        both
    }

    /// Checks the signatures of a callback with the keys that are valid now.
    pub async fn authenticate(&self, callback: &Callback, budget: TimeBudget) -> Authentication {
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
