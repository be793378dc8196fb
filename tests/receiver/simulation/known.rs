//! What an instance has to know of a scheme's keys, by what its reads of the secret brought and by the rules for keys
//! (DESIGN.md, "The keys"): the verdict does not ask the receiver.

use std::time::Duration;

use flinks_webhooks::keys::Stage;

/// How long keys are used that were read whole, and that were not.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const DUE_AGAIN: Duration = Duration::from_secs(30);
/// After a read for a mismatch other mismatches cause none: when it succeeded, and when it failed.
const AFTER_SUCCESS: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What reading a stage brought, if it did: the secret, or that there is none.
pub type Held = Option<Option<String>>;

#[derive(Clone, Default)]
pub struct Known {
    current: Slot,
    previous: Slot,
    due: Option<Duration>,
    /// How the last read for a mismatch ended, and when.
    mismatch: Option<(bool, Duration)>,
}

#[derive(Clone, Default, PartialEq)]
enum Slot {
    #[default]
    Unread,
    Gone,
    Secret(String),
}

/// A read of both stages side by side.
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
        let is_it = |slot: &Slot| matches!(slot, Slot::Secret(held) if held == secret);
        self.has_current() && (is_it(&self.current) || is_it(&self.previous))
    }

    /// A previous key is of no use before there is a current one.
    pub fn has_current(&self) -> bool {
        matches!(self.current, Slot::Secret(_))
    }

    /// A stage could not be read yet.
    pub fn lacks_a_stage(&self) -> bool {
        self.current == Slot::Unread || self.previous == Slot::Unread
    }

    /// Takes over what reading both stages brought.
    pub fn learn(&mut self, current: &Held, previous: &Held, began: Duration, ended: Duration) -> Both {
        let slot = |held: &Option<String>| held.clone().map_or(Slot::Gone, Slot::Secret);
        let mut rotated = None;
        if let Some(held) = current {
            let old = std::mem::replace(&mut self.current, slot(held));
            rotated = Some(old).filter(|old| matches!(old, Slot::Secret(_)) && *old != self.current && held.is_some());
        }
        let has_rotated = rotated.is_some();
        if let Some(previous) = previous.as_ref().map(slot).or(rotated) {
            self.previous = previous;
        }
        let is_whole = current.is_some() && previous.is_some();
        if is_whole {
            self.due = Some(ended + FRESH_FOR);
        } else if has_rotated || self.is_due(ended) {
            self.due = Some(ended + DUE_AGAIN);
        }
        Both { began, ended, is_whole, has_current: self.has_current() }
    }

    fn is_due(&self, at: Duration) -> bool {
        self.due.is_none_or(|due| due <= at)
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
