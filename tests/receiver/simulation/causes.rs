//! Decides whether a failed attempt had a cause, from the injected faults and the design's time budget.
//!
//! The receiver must store a callback if both hold:
//!
//! 1. The instance knew its key, or keys could be read for a [`WINDOW`] within the first 7.5 seconds.
//! 2. After that its queue or the bucket worked for a [`WINDOW`], or for the whole rest of the budget. For a body that
//!    SQS cannot carry, only the bucket counts.
//!
//! The second part begins when the receiver begins to store, or when it had to begin. A callback that also has a
//! signature of the other scheme may wait for that scheme's keys first. Then the queue's faults come later, and so does
//! the attempt with the bucket.
//!
//! A service works while no call to it meets a fault. An outage counts for its whole duration, whether or not anything
//! calls the service. Any other fault counts at the moment of its call, because an attempt that it holds up ends within
//! the window. A delay that is shorter than an attempt makes the window longer. A call that AWS rejects
//! (`AccessDenied`) fails for good: the receiver does not try that way again.

use std::time::Duration;

use flinks_webhooks::auth::Scheme;
use local_aws::{Fault, Operation};

use super::{
    BUDGET,
    connection::{LATE, Seen},
    fleet::Invocation,
    known::Known,
    state::Simulation,
    weather::Service,
};

/// An attempt, the longest back-off, and a response.
const WINDOW: Duration = Duration::from_millis(4_500);
/// How long the receiver tries to fetch keys.
const KEYS: Duration = Duration::from_millis(7_500);
/// How long it reads keys because of a mismatch...
const MISMATCH: Duration = Duration::from_secs(2);
/// ...which succeeds if its last part, a back-off and a response, is free of faults and no call was held up before.
const MISMATCH_WINDOW: Duration = Duration::from_millis(1_500);
/// Reading keys that are due delays a callback by one attempt at most.
const ATTEMPT: Duration = Duration::from_secs(3);
/// With less time left than this, the receiver begins no call.
const UNUSED: Duration = Duration::from_millis(100);

/// An authentic callback that an invocation did not store.
pub struct Unstored<'i> {
    pub simulation: &'i Simulation,
    pub invocation: &'i Invocation,
    pub scheme: Scheme,
    /// The secret that signed it, and that can be read.
    pub secret: &'i str,
    /// SQS cannot carry it.
    pub is_odd: bool,
    /// It also has a wrong signature of the other scheme.
    pub has_foreign: bool,
}

/// A time in which a service did not work.
struct Trouble {
    from: Duration,
    until: Duration,
    /// Calls succeed after this delay.
    slow: Option<Duration>,
    /// Calls fail at once.
    is_quick: bool,
}

impl Trouble {
    fn new(from: Duration, until: Duration, fault: Option<Fault>) -> Self {
        let slow = match fault {
            Some(Fault::Delay(delay)) if delay <= LATE => Some(delay),
            _ => None,
        };
        let is_quick = fault.is_some_and(|fault| !matches!(fault, Fault::Delay(_) | Fault::Hang));
        Self { from, until, slow, is_quick }
    }
}

impl Unstored<'_> {
    /// The cause of a 503 without keys.
    pub fn without_keys(&self) -> Option<&'static str> {
        let lacks_one = |known: &Known| !known.has_current() || known.lacks_a_stage();
        if self.known().has(self.secret) {
            return None;
        }
        if !lacks_one(self.known()) {
            // The other scheme's signature may be the valid one.
            let lacks_other = self.has_foreign && self.other_known().is_some_and(lacks_one);
            return self.without_the_key().filter(|_| lacks_other);
        }
        if self.is_rejected(Operation::GetSecretValue, self.received()) {
            return Some("503: no keys, rejected");
        }
        let is_readable = self.window(Service::Secrets, self.received(), self.received() + KEYS).is_some();
        (!is_readable && self.took(KEYS)).then_some("503: no keys")
    }

    /// The cause of a 401, although the key that signed it can be read.
    pub fn without_the_key(&self) -> Option<&'static str> {
        let known = self.known();
        if known.has(self.secret) {
            return None;
        }
        if let Some(pause) = known.pause(self.received()) {
            return Some(pause);
        }
        let reads = self.invocation.connection.reads(self.scheme);
        let for_a_mismatch = known.for_a_mismatch(&reads);
        let began = for_a_mismatch.first()?.began;
        // A complete read would have found the key.
        if for_a_mismatch.iter().any(|both| both.is_whole) {
            return None;
        }
        if self.is_rejected(Operation::GetSecretValue, began) {
            return Some("not readable, rejected");
        }
        let end = (began + MISMATCH).min(self.received() + KEYS);
        let troubles = self.troubles(Service::Secrets, began, end);
        let clear = end.saturating_sub(MISMATCH_WINDOW);
        let had_to_succeed = troubles.iter().all(|trouble| trouble.is_quick && trouble.until < clear);
        let used_its_time = self.invocation.ended + UNUSED >= end;
        (!had_to_succeed && used_its_time).then_some("not readable for 2 seconds")
    }

    /// The cause of a 503 because neither the queue nor the bucket stored it.
    pub fn without_a_place(&self) -> Option<&'static str> {
        let since = self.storing_since();
        if self.bucket_worked(since) || (!self.is_odd && self.queue_worked(since)) {
            return None;
        }
        if self.both_rejected(since) {
            return Some("503: not stored, rejected");
        }
        self.took(BUDGET).then_some("503: not stored")
    }

    /// When the receiver began to store it, or when it had to begin, whichever is earlier.
    fn storing_since(&self) -> Duration {
        let verified = self.had_to_be_verified();
        let had_to_begin = if self.may_wait_for_the_other_scheme() {
            (verified + MISMATCH).min(self.received() + KEYS)
        } else {
            verified
        };
        self.invocation.connection.storing_began().map_or(had_to_begin, |began| began.min(had_to_begin))
    }

    /// When the receiver had to have verified it: after the last read of its scheme's keys, which must end in time.
    fn had_to_be_verified(&self) -> Duration {
        let in_time = if self.known().has(self.secret) {
            self.received() + ATTEMPT
        } else {
            let keys_end = self.received() + KEYS;
            self.window(Service::Secrets, self.received(), keys_end).unwrap_or(keys_end)
        };
        let reads = self.invocation.connection.reads(self.scheme);
        reads.last().map_or(self.received(), |last| last.ended).min(in_time)
    }

    /// The other scheme's signature decides the kind if it is valid. So after verifying the callback the receiver waits
    /// up to [`MISMATCH`] for that scheme's keys, unless it holds them and they are not due.
    fn may_wait_for_the_other_scheme(&self) -> bool {
        let holds_keys = |known: &Known| known.has_current() && !known.is_due(self.received());
        self.has_foreign && !self.other_known().is_some_and(holds_keys)
    }

    fn bucket_worked(&self, since: Duration) -> bool {
        self.worked(Service::S3, since, self.invocation.connection.bucket_over())
    }

    fn queue_worked(&self, since: Duration) -> bool {
        let over = self.rejections(Operation::SendMessage, since).next().map(|seen| seen.at);
        self.worked(Service::Sqs, since, over)
    }

    /// Whether a service worked for long enough before it failed for good. If it never did, it may also have worked all
    /// the time.
    fn worked(&self, service: Service, since: Duration, over: Option<Duration>) -> bool {
        let end = self.received() + BUDGET;
        let until = over.map_or(end, |over| over.min(end));
        let all_the_time = || over.is_none() && self.troubles(service, since, end).is_empty();
        self.window(service, since, until).is_some() || all_the_time()
    }

    /// Whether both the queue and the bucket rejected it, so that the receiver may give up early.
    fn both_rejected(&self, since: Duration) -> bool {
        let sends = self.rejections(Operation::SendMessage, since).count();
        let puts = self.rejections(Operation::PutObject, since).count();
        // A claim check needs both, so it fails if either rejects it.
        if self.is_odd { puts >= 1 && sends + puts >= 2 } else { puts >= 1 && sends >= 1 }
    }

    fn known(&self) -> &Known {
        &self.invocation.known[self.scheme as usize]
    }

    /// What the instance knew of the other scheme's keys.
    fn other_known(&self) -> Option<&Known> {
        let mut known = self.invocation.known.iter().enumerate();
        known.find(|(index, _)| *index != self.scheme as usize).map(|(_, known)| known)
    }

    fn received(&self) -> Duration {
        self.invocation.received
    }

    /// Whether the invocation lasted this long.
    fn took(&self, time: Duration) -> bool {
        self.invocation.ended + UNUSED >= self.received() + time
    }

    fn rejections(&self, operation: Operation, since: Duration) -> impl Iterator<Item = Seen> {
        let faults = self.invocation.connection.faults(since);
        faults.into_iter().filter(move |seen| seen.operation == operation && matches!(seen.fault, Fault::Reject(..)))
    }

    fn is_rejected(&self, operation: Operation, since: Duration) -> bool {
        self.rejections(operation, since).next().is_some()
    }

    fn troubles(&self, service: Service, from: Duration, until: Duration) -> Vec<Trouble> {
        let outages = self.simulation.weather.outages(service, from, until);
        let outages = outages.into_iter().map(|outage| Trouble::new(outage.from, outage.until, outage.fault));
        let faults = self.invocation.connection.faults(from);
        let faults =
            faults.into_iter().filter(|seen| Service::from_operation(seen.operation) == service && seen.at <= until);
        outages.chain(faults.map(|seen| Trouble::new(seen.at, seen.at, Some(seen.fault)))).collect()
    }

    /// The end of the first window, between `from` and `until`, in which a service worked.
    fn window(&self, service: Service, from: Duration, until: Duration) -> Option<Duration> {
        let mut troubles = self.troubles(service, from, until);
        let slow = troubles.iter().filter_map(|trouble| trouble.slow).max().unwrap_or_default();
        let needed = WINDOW + slow;
        troubles.retain(|trouble| trouble.slow.is_none());
        troubles.sort_by_key(|trouble| trouble.from);
        let mut begins = from;
        for trouble in troubles {
            if begins + needed <= trouble.from {
                break;
            }
            begins = begins.max(trouble.until);
        }
        Some(begins + needed).filter(|ends| *ends <= until)
    }
}
