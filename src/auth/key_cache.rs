//! What an instance knows about one scheme's keys, and when it may read them again. Nothing here calls AWS: the callers
//! report what happened, and each state answers one question. The rules are the table in `signing_keys.rs`.
//!
//! | state | question |
//! |---|---|
//! | [`Refresh`] | are the keys due to be read again? |
//! | [`MismatchRead`] | may they be read because none matched? |
//! | [`AttemptsWithoutKey`] | without any key, how long until the next attempt? |

use std::time::Duration;

use tokio::time::Instant;

use super::keys::{Keys, ReadResult};
use crate::{retry::BackOff, time_budget::MISMATCH};

/// How long keys count as fresh after a read. After that they are due: the next callback reads them, and so notices a
/// rotation even without a mismatch.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// How long after a failed read the keys are due again.
pub(super) const RETRY_DUE_AFTER: Duration = Duration::from_secs(30);
/// At most one read for a mismatch succeeds in this time, however many forgeries arrive.
pub(super) const MISMATCH_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct KeyCache {
    pub keys: Keys,
    refresh: Refresh,
    pub mismatch_read: MismatchRead,
    pub attempts_without_key: AttemptsWithoutKey,
}

impl KeyCache {
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            refresh: Refresh::NeverRead,
            mismatch_read: MismatchRead::None,
            attempts_without_key: AttemptsWithoutKey::None,
        }
    }

    /// The keys may be used without a read.
    pub fn is_fresh(&self) -> bool {
        self.keys.has_usable() && !self.refresh.is_due()
    }

    /// Anybody can send forgeries, and each would cause a read. A flood would be expensive, would block each instance
    /// for up to [`MISMATCH`], and would make Secrets Manager throttle the reads that authentic callbacks need. But a
    /// stage that was never read may hold the key that signed, so it is read even if the last read for a mismatch has
    /// just failed.
    pub fn may_read_for_mismatch(&self) -> bool {
        self.keys.lacks_a_stage() || self.mismatch_read.allows_another()
    }

    /// Stores the result of a read of both stages. The read may have failed in part or as a whole.
    pub fn record(&mut self, read: ReadResult) {
        let is_whole = read.is_whole();
        let was_rotated = self.keys.update(read);
        if is_whole {
            self.refresh.read_succeeded();
        } else if was_rotated {
            self.refresh.rotation_read_in_part();
        } else {
            self.refresh.read_failed();
        }
    }
}

/// When the keys are to be read again.
enum Refresh {
    NeverRead,
    /// Both stages were read.
    FreshUntil(Instant),
    /// A stage could not be read. The cached keys are used meanwhile.
    DueAgainAt(Instant),
}

impl Refresh {
    fn is_due(&self) -> bool {
        match self {
            Self::NeverRead => true,
            Self::FreshUntil(at) | Self::DueAgainAt(at) => *at <= Instant::now(),
        }
    }

    fn read_succeeded(&mut self) {
        *self = Self::FreshUntil(Instant::now() + FRESH_FOR);
    }

    /// If the keys were not due, the read was for a mismatch: its failure changes nothing here.
    fn read_failed(&mut self) {
        if self.is_due() {
            *self = Self::DueAgainAt(Instant::now() + RETRY_DUE_AFTER);
        }
    }

    /// The current version is new, and the previous stage could not be read. Both are read again soon.
    fn rotation_read_in_part(&mut self) {
        *self = Self::DueAgainAt(Instant::now() + RETRY_DUE_AFTER);
    }
}

/// The last read for a mismatch.
pub(super) enum MismatchRead {
    None,
    SucceededAt(Instant),
    /// It failed, and so did its retries.
    FailedAt(Instant),
}

impl MismatchRead {
    fn allows_another(&self) -> bool {
        match self {
            Self::None => true,
            Self::SucceededAt(at) => at.elapsed() >= MISMATCH_INTERVAL,
            Self::FailedAt(at) => at.elapsed() >= MISMATCH,
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::SucceededAt(Instant::now());
    }

    pub fn failed(&mut self) {
        *self = Self::FailedAt(Instant::now());
    }
}

/// Attempts to read while the instance has no key. Its callbacks share the back-off between them.
pub(super) enum AttemptsWithoutKey {
    None,
    Made { next_at: Instant, back_off: BackOff },
}

impl AttemptsWithoutKey {
    /// How long until the next attempt may begin.
    pub fn wait(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Made { next_at, .. } => next_at.saturating_duration_since(Instant::now()),
        }
    }

    pub fn attempt_made(&mut self) {
        let mut back_off = match self {
            Self::None => BackOff::default(),
            Self::Made { back_off, .. } => *back_off,
        };
        *self = Self::Made { next_at: Instant::now() + back_off.next_wait(), back_off };
    }

    pub fn key_found(&mut self) {
        *self = Self::None;
    }
}
