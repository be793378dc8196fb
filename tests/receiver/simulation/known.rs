//! What an instance has to know of a scheme's keys, by what its reads of the secret brought and by the rules for keys
//! (DESIGN.md, "The keys"): the verdict does not ask the receiver.

use std::time::Duration;

use flinks_webhooks::auth::Stage;

/// How long keys are used that were read whole, and that were not.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const DUE_AGAIN: Duration = Duration::from_secs(30);
/// After a read for a mismatch other mismatches cause none: when it succeeded, and when it failed.
const AFTER_SUCCESS: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// A version of a secret.
#[derive(Clone, PartialEq)]
pub struct Version {
    pub id: String,
    pub text: String,
}

/// What reading a stage brought, if it did: a version, or that there is none.
pub type Held = Option<Option<Version>>;

#[derive(Clone, Default)]
pub struct Known {
    current: Slot,
    previous: Slot,
    due: Option<Duration>,
    /// How the last read for a mismatch ended, and when.
    mismatch: Option<(bool, Duration)>,
    /// A read whose stages may be from both sides of a rotation, and when it began: it is made again.
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
    fn of(held: Option<Version>) -> Self {
        held.map_or(Self::Gone, Self::Version)
    }

    fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Unread | Self::Gone => None,
        }
    }
}

/// A read of both stages side by side, or two where a rotation fell between them.
#[derive(Clone, Copy, Debug)]
pub struct Both {
    pub began: Duration,
    pub ended: Duration,
    pub is_whole: bool,
    /// From then on there is a key.
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

    /// A stage could not be read yet.
    pub fn lacks_a_stage(&self) -> bool {
        self.current == Slot::Unread || self.previous == Slot::Unread
    }

    pub fn is_due(&self, at: Duration) -> bool {
        self.due.is_none_or(|due| due <= at)
    }

    /// Takes over what reading both stages brought. None if they have to be read again.
    pub fn learn(&mut self, current: Held, previous: Held, began: Duration, ended: Duration) -> Option<Both> {
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
        let old = current.map(|held| std::mem::replace(&mut self.current, Slot::of(held)));
        // What was current has become the previous one: that is known without reading it.
        let is_other = |old: &Version| self.current.version().is_some_and(|new| new.id != old.id);
        let rotated = old.filter(|old| old.version().is_some_and(is_other));
        let has_rotated = rotated.is_some();
        if let Some(previous) = previous.map(Slot::of).or(rotated) {
            self.previous = previous;
        }
        if is_whole {
            self.due = Some(ended + FRESH_FOR);
        } else if has_rotated || self.is_due(ended) {
            self.due = Some(ended + DUE_AGAIN);
        }
        Some(Both { began, ended, is_whole, has_current: self.has_current() })
    }

    /// There is a new key, and the previous one is not the one before it; or both are the same.
    fn is_torn(&self, current: &Version, previous: Option<&Version>) -> bool {
        let previous = previous.map(|previous| &previous.id);
        let before = self.current.version().map(|before| &before.id);
        let has_rotated = before.is_some_and(|before| *before != current.id);
        (has_rotated && previous != before) || previous == Some(&current.id)
    }

    /// Those of an invocation's reads that were for a mismatch, where this was known when it began: without the one for
    /// keys that were due, or all until there was a key.
    pub fn for_a_mismatch<'r>(&self, reads: &'r [Both]) -> &'r [Both] {
        let others = if self.has_current() {
            usize::from(reads.first().is_some_and(|first| self.is_due(first.began)))
        } else {
            reads.iter().position(|both| both.has_current).map_or(reads.len(), |last| last + 1)
        };
        reads.get(others..).unwrap_or_default()
    }

    /// Notes the last of an invocation's reads for a mismatch.
    pub fn was_read_for_a_mismatch(&mut self, last: Both) {
        self.mismatch = Some((last.is_whole, last.ended));
    }

    /// Why a mismatch causes no read now, if it does not.
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

/// Which of a read's two halves a stage is.
pub fn half(stage: Stage) -> usize {
    match stage {
        Stage::Current => 0,
        Stage::Previous => 1,
    }
}
