//! What an instance must know of a scheme's keys, from the results of its reads and the design's
//! rules for keys. The verdict does not ask the receiver.

use std::time::Duration;

use flinks_webhooks::auth::Stage;

/// How long keys are used after a complete read, and after an incomplete one.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const DUE_AGAIN: Duration = Duration::from_secs(30);
/// How long other mismatches cause no read, after a read for a mismatch that succeeded and after one that failed.
const AFTER_SUCCESS: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// A version of a secret.
#[derive(Clone, PartialEq)]
pub struct Version {
    pub id: String,
    pub text: String,
}

/// The result of reading a stage: a version or none. `None` if the read failed.
pub type Held = Option<Option<Version>>;

#[derive(Clone, Default)]
pub struct Known {
    current: Slot,
    previous: Slot,
    due: Option<Duration>,
    /// Whether the last read for a mismatch was complete, and when it ended.
    mismatch: Option<(bool, Duration)>,
    /// The current version of a read that may span a rotation, and when that read began. The stages are read again.
    torn: Option<(Version, Duration)>,
}

#[derive(Clone, Default, PartialEq)]
enum Slot {
    #[default]
    Unread,
    Gone,
    Version(Version),
}

impl Slot {
    fn from_held(held: Option<Version>) -> Self {
        held.map_or(Self::Gone, Self::Version)
    }

    fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Unread | Self::Gone => None,
        }
    }
}

/// A read of both stages at the same time, or two such reads if the first one spans a rotation.
#[derive(Clone, Copy, Debug)]
pub struct KeyRead {
    pub began: Duration,
    pub ended: Duration,
    pub is_whole: bool,
    /// After the read there was a current key.
    has_current: bool,
}

impl Known {
    pub fn has(&self, secret: &str) -> bool {
        let is_it = |slot: &Slot| slot.version().is_some_and(|version| version.text == secret);
        self.has_current() && (is_it(&self.current) || is_it(&self.previous))
    }

    /// A previous key is of no use before there is a current one.
    pub fn has_current(&self) -> bool {
        self.current.version().is_some()
    }

    /// Whether a stage has never been read.
    pub fn lacks_a_stage(&self) -> bool {
        self.current == Slot::Unread || self.previous == Slot::Unread
    }

    pub fn is_due(&self, at: Duration) -> bool {
        self.due.is_none_or(|due| due <= at)
    }

    /// Takes the result of reading both stages. `None` if they must be read again.
    pub fn learn(&mut self, current: Held, previous: Held, began: Duration, ended: Duration) -> Option<KeyRead> {
        let (current, began) = match self.torn.take() {
            Some((first, began)) => (current.or(Some(Some(first))), began),
            None => {
                if let (Some(Some(current)), Some(previous)) = (&current, &previous)
                    && self.is_torn(current, previous.as_ref())
                {
                    self.torn = Some((current.clone(), began));
                    return None;
                }
                (current, began)
            }
        };
        let is_whole = current.is_some() && previous.is_some();
        let old = current.map(|held| std::mem::replace(&mut self.current, Slot::from_held(held)));
        // The version that was current is now the previous one, even if that could not be read.
        let is_other = |old: &Version| self.current.version().is_some_and(|new| new.id != old.id);
        let rotated = old.filter(|old| old.version().is_some_and(is_other));
        let has_rotated = rotated.is_some();
        if let Some(previous) = previous.map(Slot::from_held).or(rotated) {
            self.previous = previous;
        }
        if is_whole {
            self.due = Some(ended + FRESH_FOR);
        } else if has_rotated || self.is_due(ended) {
            self.due = Some(ended + DUE_AGAIN);
        }
        Some(KeyRead { began, ended, is_whole, has_current: self.has_current() })
    }

    /// Whether the two stages do not fit together: the key is new but the previous one is not the key before it, or
    /// both are the same.
    fn is_torn(&self, current: &Version, previous: Option<&Version>) -> bool {
        let previous = previous.map(|previous| &previous.id);
        let before = self.current.version().map(|before| &before.id);
        let has_rotated = before.is_some_and(|before| *before != current.id);
        (has_rotated && previous != before) || previous == Some(&current.id)
    }

    /// The reads of an invocation that were for a mismatch, where `self` is the state when it began. Not among them is
    /// the read of keys that were due, or every read until there was a key.
    pub fn for_a_mismatch<'r>(&self, reads: &'r [KeyRead]) -> &'r [KeyRead] {
        let others = if self.has_current() {
            usize::from(reads.first().is_some_and(|first| self.is_due(first.began)))
        } else {
            reads.iter().position(|both| both.has_current).map_or(reads.len(), |last| last + 1)
        };
        reads.get(others..).unwrap_or_default()
    }

    /// Records the last read of an invocation for a mismatch.
    pub fn was_read_for_a_mismatch(&mut self, last: KeyRead) {
        self.mismatch = Some((last.is_whole, last.ended));
    }

    /// The reason why a mismatch causes no read at this time, if there is one.
    pub fn pause(&self, at: Duration) -> Option<&'static str> {
        let (succeeded, ended) = self.mismatch?;
        let (pause, cause) = if succeeded {
            (AFTER_SUCCESS, "within 30 seconds of a read")
        } else {
            (AFTER_FAILURE, "within 2 seconds of a read that failed")
        };
        (at - ended < pause).then_some(cause)
    }
}

/// The index of a stage in a read of both.
pub fn half(stage: Stage) -> usize {
    match stage {
        Stage::Current => 0,
        Stage::Previous => 1,
    }
}
