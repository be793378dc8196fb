//! What happens to a request after a failure: when it is tried again, or how it ends.
//!
//! | failure | what happens |
//! |---|---|
//! | not ready | the same session is polled in 10 s, for 30 minutes after its first 202; then the request times out |
//! | a new session, soon | in 10 s; from the second time on as "back off" |
//! | back off | in 15 s, 30 s and so on up to 15 minutes |
//! | few times | as "back off"; the fifth failure stops the request |
//! | much later | in an hour |
//! | needs the user, gone, stop | the request ends |
//!
//! The pace is inferred, but for polling: Flinks publishes no numbers. A request that began 6 hours ago times out at its
//! next failure, unless its session is polled. If a bank was switched off in between ("much later"), it has 24 hours.
//!
//! A message can also wait longer than its delay: behind a long queue, or in the dead-letter queue. [`resumed`] decides by
//! the time of the last step how the request goes on:
//!
//! | the last step was | what happens |
//! |---|---|
//! | over 8 minutes ago | the session has ended: a new one is opened |
//! | over an hour ago | the request begins from the start, twice at most: a queue can be that long every time |

use std::time::{Duration, SystemTime};

use flinks_api::{
    Failure, Pace, RequestId,
    limits::{POLL_INTERVAL, POLLING, SESSION_IDLE},
};

use super::request::{Progress, Request};

/// The first delay of a back-off. It doubles with each attempt.
pub const FIRST_BACK_OFF: Duration = Duration::from_secs(15);
/// The longest delay of a message: SQS allows no longer one.
pub const MAX_DELAY: Duration = Duration::from_secs(900);
/// After this many failures that are retried only a few times, the request stops.
const FEW_TIMES: u32 = 5;
/// "Much later" is in hours.
pub const MUCH_LATER: Duration = Duration::from_secs(60 * 60);
/// The longest delay is much shorter. A request whose last step is this old waited elsewhere, and its hours do not count.
const LONG_GONE: Duration = Duration::from_secs(60 * 60);
/// How often a request begins from the start because its message waited elsewhere.
const MAX_RESTARTS: u32 = 2;
/// How long a request is retried.
const RETRYING: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a request is retried whose bank was switched off.
const RETRYING_MUCH_LATER: Duration = Duration::from_secs(24 * 60 * 60);

/// How a request ends without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Only the person can go on, in Flinks Connect.
    NeedsUser,
    /// There is no such login.
    Gone,
    /// An operator must look.
    Stopped,
    /// It took too long.
    TimedOut,
}

impl Ending {
    /// The name in outcomes, in attributes and in the log.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeedsUser => "needs-user",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
            Self::TimedOut => "timed-out",
        }
    }
}

/// What happens to a request.
pub enum Next {
    /// It goes on like this after a delay.
    Again(Progress, Duration),
    Ends(Ending),
}

/// How a request goes on whose message comes now.
pub fn resumed(progress: Progress, now: SystemTime) -> Progress {
    let Some(last_step) = progress.last_step else { return progress };
    let idle = now.duration_since(last_step).unwrap_or_default();
    if idle >= LONG_GONE && progress.restarts < MAX_RESTARTS {
        return Progress { restarts: progress.restarts + 1, ..Progress::begin(now) };
    }
    if idle >= SESSION_IDLE { progress.without_session() } else { progress }
}

/// What happens after `failure`. `session` is the session of the call that failed, if there is one.
pub fn next(request: &Request, failure: &Failure, session: Option<RequestId>, now: SystemTime) -> Next {
    let progress = Progress { last_step: Some(now), ..request.progress.clone() };
    let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
    let was_much_later = matches!(failure, Failure::RetryLater(Pace::MuchLater, _)) || progress.not_before.is_some();
    let is_over = since(progress.started_at) >= (if was_much_later { RETRYING_MUCH_LATER } else { RETRYING });
    match failure {
        Failure::NeedsUser(_) => Next::Ends(Ending::NeedsUser),
        Failure::Gone(_) => Next::Ends(Ending::Gone),
        Failure::Stop(_) => Next::Ends(Ending::Stopped),
        Failure::NotReady(_) => {
            let polled_since = progress.polled_since();
            if polled_since.map_or(is_over, |polled| since(polled) >= POLLING) {
                return Next::Ends(Ending::TimedOut);
            }
            let polling_since = Some(polled_since.unwrap_or(now));
            Next::Again(Progress { request_id: session, polling_since, ..progress }, POLL_INTERVAL)
        }
        Failure::RetryLater(..) if is_over => Next::Ends(Ending::TimedOut),
        Failure::RetryLater(pace, _) => {
            let attempt = progress.attempt.saturating_add(1);
            let again = Progress { attempt, ..progress };
            match pace {
                Pace::NewSession | Pace::Soon if attempt == 1 => Next::Again(again.without_session(), POLL_INTERVAL),
                Pace::NewSession | Pace::Soon => Next::Again(again.without_session(), back_off(attempt - 1)),
                Pace::BackOff => {
                    let delay = back_off(attempt);
                    // A lost or throttled poll does not end its session.
                    let goes_on = delay < SESSION_IDLE && again.polled_since().is_some_and(|at| since(at) < POLLING);
                    Next::Again(if goes_on { again } else { again.without_session() }, delay)
                }
                Pace::FewTimes => {
                    let few_times = again.few_times.saturating_add(1);
                    if few_times >= FEW_TIMES {
                        return Next::Ends(Ending::Stopped);
                    }
                    Next::Again(Progress { few_times, ..again }.without_session(), back_off(attempt))
                }
                Pace::MuchLater => {
                    let not_before = Some(now + MUCH_LATER);
                    Next::Again(Progress { not_before, ..again }.without_session(), MAX_DELAY)
                }
            }
        }
    }
}

/// The delay before the attempt after this one. The first is 1.
fn back_off(attempt: u32) -> Duration {
    /// After this many doublings the delay is at its longest.
    const MAX_DOUBLINGS: u32 = 6;
    (FIRST_BACK_OFF * (1 << attempt.saturating_sub(1).min(MAX_DOUBLINGS))).min(MAX_DELAY)
}

#[cfg(test)]
mod tests;
