//! What an instance knows of the keys of one scheme, and when it may read them again. Nothing here waits or calls AWS:
//! [`signing_keys`](super::signing_keys) asks the questions, reads, and reports what happened.
//!
//! | state | says | changes when |
//! |---|---|---|
//! | [`Slot`], one for each stage | what is known of the stage: unread, gone, or a version | a read of the stage ends |
//! | [`Refresh`] | when the keys are due to be read | a read ends |
//! | [`MismatchRead`] | how long a mismatch may not read again | a read for a mismatch ends |
//! | [`Outage`] | without any key: when the next attempt may begin | an attempt ends without a key, or with one |

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    secret::{self, SecretProblem, SecretReading},
    signature::{Scheme, SigningKey},
};
use crate::{
    aws_error::{AwsError, Meaning},
    retry::BackOff,
    time_budget::MISMATCH,
};

/// What the operator decides about the keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyRules {
    /// How long the previous key is accepted after a rotation.
    pub previous_key_for: Duration,
    /// Whether a signature over the ASCII encoding is accepted.
    pub accept_ascii: bool,
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

/// What is wrong with the secret at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyProblem {
    pub scheme: Scheme,
    pub stage: Stage,
    pub problem: SecretProblem,
}

impl KeyProblem {
    /// The secret cannot be a key. The others are used, and look like a slip.
    pub fn is_unusable(&self) -> bool {
        matches!(self.problem, SecretProblem::Binary | SecretProblem::Empty)
    }
}

/// How long a read key is used without asking again: a rotation is noticed within it even if nothing mismatches.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// How long after a read that failed the keys are due again.
pub(super) const RETRY_DUE_AFTER: Duration = Duration::from_secs(30);
/// At most one successful read in this time because of signatures that do not match, however many forgeries arrive.
pub(super) const MISMATCH_INTERVAL: Duration = Duration::from_secs(30);

/// What this instance knows of a scheme's secret, and when it may read it again.
#[derive(Default)]
pub(super) struct KeyCache {
    pub(super) keys: Keys,
    refresh: Refresh,
    mismatch_read: MismatchRead,
    outage: Outage,
}

/// When the keys are due to be read.
#[derive(Clone, Copy, Default)]
enum Refresh {
    /// No read has ended yet.
    #[default]
    Now,
    At(Instant),
}

/// The last read because no key matched a signature.
#[derive(Clone, Copy, Default)]
enum MismatchRead {
    #[default]
    Never,
    Succeeded(Instant),
    Failed(Instant),
}

/// The attempts since there is no key at all.
#[derive(Default)]
struct Outage {
    next_attempt: Option<Instant>,
    back_off: BackOff,
}

impl KeyCache {
    pub(super) fn is_due(&self) -> bool {
        match self.refresh {
            Refresh::Now => true,
            Refresh::At(due) => due <= Instant::now(),
        }
    }

    /// A stage was never read, and may be readable the next time.
    pub(super) fn lacks_a_stage(&self) -> bool {
        let is_missing = |slot: &Slot| matches!(slot, Slot::Unread { is_denied: false });
        is_missing(&self.keys.current) || is_missing(&self.keys.previous)
    }

    /// Whether a mismatch may read the keys: a flood of forgeries must not become a flood of calls to Secrets Manager.
    pub(super) fn may_read_for_a_mismatch(&self) -> bool {
        let is_over = match self.mismatch_read {
            MismatchRead::Never => true,
            MismatchRead::Succeeded(at) => at.elapsed() >= MISMATCH_INTERVAL,
            MismatchRead::Failed(at) => at.elapsed() >= MISMATCH,
        };
        is_over || self.lacks_a_stage()
    }

    /// Without any key: how long until the next attempt may begin.
    pub(super) fn wait_for_next_attempt(&self) -> Duration {
        self.outage.next_attempt.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// A read of both stages has ended. Secrets Manager is believed. A stage that could not be read keeps what was cached
    /// for it.
    pub(super) fn read_ended(&mut self, current: StageRead, previous: StageRead) {
        let now = Instant::now();
        let is_whole = current.is_ok() && previous.is_ok();
        let old = self.keys.current.update(current);
        // A rotation has made what was current the previous one. That is all that is known while it cannot be read.
        let new_id = self.keys.current.id();
        let rotated = old.filter(|old| old.id().is_some() && new_id.is_some() && old.id() != new_id);
        let has_rotated = rotated.is_some();
        if let (Err(_), Some(rotated)) = (&previous, rotated) {
            self.keys.previous = rotated;
        } else {
            self.keys.previous.update(previous);
        }
        if is_whole {
            self.refresh = Refresh::At(now + FRESH_FOR);
        } else if self.is_due() || has_rotated {
            self.refresh = Refresh::At(now + RETRY_DUE_AFTER);
        }
    }

    pub(super) fn mismatch_read_succeeded(&mut self) {
        self.mismatch_read = MismatchRead::Succeeded(Instant::now());
    }

    pub(super) fn mismatch_read_failed(&mut self) {
        self.mismatch_read = MismatchRead::Failed(Instant::now());
    }

    /// An attempt to get a first key has ended.
    pub(super) fn attempt_ended(&mut self) {
        self.outage.next_attempt = Some(Instant::now() + self.outage.back_off.next_wait());
    }

    /// There is a key.
    pub(super) fn outage_ended(&mut self) {
        self.outage = Outage::default();
    }
}

/// The outcome of reading one stage.
pub(super) type StageRead = Result<Slot, AwsError>;

/// Both stages of a scheme's secret.
#[derive(Clone, Default)]
pub(super) struct Keys {
    current: Slot,
    previous: Slot,
}

/// What is known of a stage.
#[derive(Clone)]
pub(super) enum Slot {
    /// This instance could not read it yet; `is_denied` if the last attempt failed for good.
    Unread {
        is_denied: bool,
    },
    /// No version is at this stage.
    Gone,
    Version(Arc<Version>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Unread { is_denied: false }
    }
}

impl Slot {
    /// Stores what could be read, and returns what it replaces. A failed read changes only why the stage is unread.
    fn update(&mut self, read: StageRead) -> Option<Self> {
        match read {
            Ok(slot) => Some(mem::replace(self, slot)),
            Err(failed) => {
                if let Self::Unread { is_denied } = self {
                    *is_denied = failed.meaning() != Meaning::Transient;
                }
                None
            }
        }
    }

    fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Unread { .. } | Self::Gone => None,
        }
    }

    fn id(&self) -> Option<&str> {
        self.version().map(|version| version.id.as_str())
    }
}

/// A version of a secret, read.
pub(super) struct Version {
    /// Secrets Manager's id of it.
    pub(super) id: String,
    pub(super) created: Option<SystemTime>,
    /// None if it cannot be a key.
    key: Option<SigningKey>,
    problem: Option<SecretProblem>,
    pub(super) read: Instant,
}

impl Version {
    pub(super) fn of(SecretVersion { id, created, text }: SecretVersion) -> Self {
        let SecretReading { key, problem } = secret::read(text.as_ref().map(|text| text.as_str()));
        let key = key.and_then(|key| SigningKey::new(key.as_bytes()));
        Self { id, created, key, problem, read: Instant::now() }
    }
}

impl Keys {
    /// The keys that callbacks may be signed with: the current one, and the previous one for its time after the rotation.
    pub(super) fn usable(&self, rules: KeyRules) -> impl Iterator<Item = (Stage, &Version, &SigningKey)> {
        // Secrets Manager does not say when it was. The current version is stored at a rotation; after a rotation that was
        // rolled back it is an old one, and the abandoned key is rejected at once.
        let rotated = self.current.version().and_then(|version| version.created);
        // In the future by this clock: it has just happened.
        let is_valid = rotated.is_some_and(|at| at.elapsed().unwrap_or_default() < rules.previous_key_for);
        let previous = self.previous.version().filter(|_| is_valid).map(|version| (Stage::Previous, version));
        let current = self.current.version().map(|version| (Stage::Current, version));
        let stages = current.into_iter().chain(previous);
        stages.filter_map(|(stage, version)| Some((stage, version, version.key.as_ref()?)))
    }

    pub(super) fn has_usable(&self, rules: KeyRules) -> bool {
        self.usable(rules).next().is_some()
    }

    /// Whether a rotation may have fallen between the reads of the two stages: the previous version is not the one that
    /// was current until now, or both are the same.
    pub(super) fn may_span_a_rotation(&self, current: &StageRead, previous: &StageRead) -> bool {
        let (Ok(current), Ok(previous)) = (current, previous) else { return false };
        let Some(new) = current.id() else { return false };
        let has_rotated = self.current.id().is_some_and(|old| old != new);
        (has_rotated && previous.id() != self.current.id()) || previous.id() == Some(new)
    }

    pub(super) fn problems(&self, scheme: Scheme) -> impl Iterator<Item = KeyProblem> {
        [(Stage::Current, &self.current), (Stage::Previous, &self.previous)].into_iter().filter_map(
            move |(stage, slot)| {
                let problem = slot.version()?.problem?;
                Some(KeyProblem { scheme, stage, problem })
            },
        )
    }

    /// How long ago the current version was read.
    pub(super) fn age(&self) -> Option<Duration> {
        self.current.version().map(|version| version.read.elapsed())
    }
}
