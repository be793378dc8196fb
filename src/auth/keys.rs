//! The keys of one scheme: what is known about the two stages of its secret, and which versions are keys now.

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    secret::{self, KeyProblem, ParsedSecret, SecretProblem, SecretVersion, Stage},
    signature::{Scheme, SigningKey},
};
use crate::aws_error::{AwsError, FailedCalls, Meaning};

/// What is known about both stages of a scheme's secret.
#[derive(Clone)]
pub(super) struct Keys {
    scheme: Scheme,
    /// How long the previous key is accepted after a rotation.
    previous_key_for: Duration,
    current: StageState,
    previous: StageState,
}

/// What is known about a stage.
#[derive(Clone)]
enum StageState {
    /// This instance has not read the stage yet. `not_transient` is true if the last failure was not
    /// [`Meaning::Transient`].
    NeverRead {
        not_transient: bool,
    },
    /// The stage holds no version.
    Gone,
    Version(Arc<Version>),
}

/// A version of a secret, as it was read.
pub(super) struct Version {
    /// Secrets Manager's id of the version.
    pub id: String,
    /// When the version was stored.
    pub created: Option<SystemTime>,
    /// When this instance read the version.
    pub read_at: Instant,
    /// `None` if the version cannot be a key.
    key: Option<SigningKey>,
    problem: Option<SecretProblem>,
}

impl Version {
    pub fn new(SecretVersion { id, created, text }: SecretVersion) -> Self {
        let ParsedSecret { key, problem } = secret::parse(text.as_ref().map(|text| text.as_str()));
        let key = key.and_then(|key| SigningKey::new(key.as_bytes()));
        Self { id, created, read_at: Instant::now(), key, problem }
    }
}

/// The result of one read of a stage. `None` if the stage holds no version.
pub(super) type StageResult = Result<Option<Arc<Version>>, AwsError>;

/// The result of one read of both stages.
pub(super) struct ReadResult {
    pub current: StageResult,
    pub previous: StageResult,
}

impl ReadResult {
    /// Both stages could be read.
    pub fn is_whole(&self) -> bool {
        self.current.is_ok() && self.previous.is_ok()
    }

    pub fn errors(&self) -> impl Iterator<Item = &AwsError> {
        [&self.current, &self.previous].into_iter().filter_map(|stage| stage.as_ref().err())
    }

    pub fn failures(&self) -> FailedCalls {
        let mut failures = FailedCalls::default();
        self.errors().for_each(|error| failures.push(error.clone()));
        failures
    }
}

/// A key that is accepted now.
pub(super) struct UsableKey<'k> {
    pub stage: Stage,
    pub version: &'k Version,
    pub key: &'k SigningKey,
}

impl Keys {
    pub fn new(scheme: Scheme, previous_key_for: Duration) -> Self {
        let never_read = || StageState::NeverRead { not_transient: false };
        Self { scheme, previous_key_for, current: never_read(), previous: never_read() }
    }

    /// Stores what could be read. A stage that could not be read keeps what is known about it. Returns whether the
    /// secret was rotated since the last read.
    pub fn update(&mut self, read: ReadResult) -> bool {
        let old = self.current.update(read.current);
        let new_id = self.current.id();
        let rotated_out = old.filter(|old| old.id().is_some() && new_id.is_some() && old.id() != new_id);
        let was_rotated = rotated_out.is_some();
        match (read.previous, rotated_out) {
            // The rotation made the old current version the previous one. Use it, because the stage itself was not
            // read.
            (Err(_), Some(rotated_out)) => self.previous = rotated_out,
            (previous, _) => {
                self.previous.update(previous);
            }
        }
        was_rotated
    }

    /// Whether a rotation may have happened between the reads of the two stages. Either sign is enough: both stages
    /// hold the same version, or the current version is new and the previous stage does not hold the version that was
    /// current before. Two rotations since the last read look like the second sign; reading again does no harm then.
    pub fn may_span_a_rotation(&self, read: &ReadResult) -> bool {
        let (Ok(Some(current)), Ok(previous)) = (&read.current, &read.previous) else { return false };
        let (new, previous) = (Some(current.id.as_str()), previous.as_ref().map(|version| version.id.as_str()));
        let was_rotated = self.current.id().is_some_and(|old| Some(old) != new);
        (was_rotated && previous != self.current.id()) || previous == new
    }

    /// The current key, and the previous one for its time after the rotation.
    pub fn usable(&self) -> impl Iterator<Item = UsableKey<'_>> {
        // Secrets Manager does not report when a rotation happened. A rotation stores a new current version, so the
        // time of the rotation is the time when that version was created. After a roll-back the current version is old,
        // and the abandoned key is rejected at once.
        let rotated_at = self.current.version().and_then(|version| version.created);
        // If the creation time is in the future by this clock, it counts as now.
        let is_accepted = rotated_at.is_some_and(|at| at.elapsed().unwrap_or_default() < self.previous_key_for);
        self.versions()
            .filter(move |(stage, _)| *stage == Stage::Current || is_accepted)
            .filter_map(|(stage, version)| Some(UsableKey { stage, version, key: version.key.as_ref()? }))
    }

    pub fn has_usable(&self) -> bool {
        self.usable().next().is_some()
    }

    /// A stage was never read, and its last failure, if there was one, is transient.
    pub fn lacks_a_stage(&self) -> bool {
        [&self.current, &self.previous]
            .iter()
            .any(|stage| matches!(stage, StageState::NeverRead { not_transient: false }))
    }

    pub fn problems(&self) -> impl Iterator<Item = KeyProblem> {
        self.versions()
            .filter_map(|(stage, version)| Some(KeyProblem { scheme: self.scheme, stage, problem: version.problem? }))
    }

    /// How long ago the current version was read.
    pub fn age(&self) -> Option<Duration> {
        self.current.version().map(|version| version.read_at.elapsed())
    }

    fn versions(&self) -> impl Iterator<Item = (Stage, &Version)> {
        [(Stage::Current, &self.current), (Stage::Previous, &self.previous)]
            .into_iter()
            .filter_map(|(stage, state)| Some((stage, state.version()?)))
    }
}

impl StageState {
    /// Stores what could be read, and returns what it replaces.
    fn update(&mut self, read: StageResult) -> Option<Self> {
        match read {
            Ok(version) => Some(mem::replace(self, version.map_or(Self::Gone, Self::Version))),
            Err(error) => {
                if let Self::NeverRead { not_transient } = self {
                    *not_transient = error.meaning() != Meaning::Transient;
                }
                None
            }
        }
    }

    fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::NeverRead { .. } | Self::Gone => None,
        }
    }

    fn id(&self) -> Option<&str> {
        self.version().map(|version| version.id.as_str())
    }
}
