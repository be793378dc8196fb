//! What an instance knows of the keys of one scheme, without the reading itself: the states, and what each reading changes.

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

/// What this instance knows of a scheme's secret, and when it may ask again.
#[derive(Default)]
pub(super) struct KeyCache {
    pub(super) keys: Keys,
    /// When the keys are to be read again; `None` before the first read.
    due: Option<Instant>,
    /// What the last reading for a mismatch came to, and when.
    mismatch: Option<(bool, Instant)>,
    /// Without any key: when the next attempt may begin, and the waits between them.
    next_attempt: Option<Instant>,
    back_off: BackOff,
}

impl KeyCache {
    pub(super) fn is_due(&self) -> bool {
        self.due.is_none_or(|due| due <= Instant::now())
    }

    /// Takes over what could be read. What Secrets Manager says is believed; a stage that could not be read keeps what was
    /// cached for it.
    pub(super) fn learn(&mut self, current: StageRead, previous: StageRead) {
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
            self.due = Some(now + FRESH_FOR);
        } else if self.is_due() || has_rotated {
            self.due = Some(now + RETRY_DUE_AFTER);
        }
    }

    /// A stage was never read, and may be readable the next time.
    pub(super) fn lacks_a_stage(&self) -> bool {
        let is_missing = |slot: &Slot| matches!(slot, Slot::Unread { is_denied: false });
        is_missing(&self.keys.current) || is_missing(&self.keys.previous)
    }

    /// Whether keys may be read because none matched: a flood of forgeries must not be passed on to Secrets Manager.
    pub(super) fn may_read_for_a_mismatch(&self) -> bool {
        let pause =
            |(succeeded, at): (bool, Instant)| at.elapsed() < if succeeded { MISMATCH_INTERVAL } else { MISMATCH };
        self.lacks_a_stage() || !self.mismatch.is_some_and(pause)
    }

    pub(super) fn was_read_for_a_mismatch(&mut self, succeeded: bool) {
        self.mismatch = Some((succeeded, Instant::now()));
    }

    /// Without any key: how long until the next attempt may begin.
    pub(super) fn wait_for_next_attempt(&self) -> Duration {
        self.next_attempt.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn was_read_without_a_key(&mut self) {
        self.next_attempt = Some(Instant::now() + self.back_off.next_wait());
    }

    pub(super) fn has_a_key_again(&mut self) {
        (self.next_attempt, self.back_off) = (None, BackOff::default());
    }
}

/// What a reading of one stage brought.
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
    /// Takes over what could be read, and returns what it replaces. What could not be read stays.
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

    /// Whether the two stages may have been read on both sides of a rotation: the previous one is not what was current
    /// until now, or is the same as the current one.
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
