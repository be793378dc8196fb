//! Every limit on the time that a callback takes, from the outermost to the innermost. API Gateway's is a quota of AWS.
//!
//! | limit | counted from | value |
//! |---|---|---|
//! | API Gateway's | the request | 30 s |
//! | the function's [`FUNCTION_TIMEOUT`] | the event | 15 s |
//! | the alarm `ReceiverSlow`, [`SLOW`] | the event | 13 s |
//! | the response, [`RESPONSE`] | the event | 12 s |
//! | storing the callback, [`BUDGET`] | the event | 11.5 s |
//! | fetching keys when there is none: [`BUDGET`] less [`TO_STORE`] | the event | 7.5 s |
//! | reading the keys again because no key matched, [`MISMATCH`] | the mismatch | 2 s |
//! | fetching keys before the first event, [`START`] | the start of the process | 2 s |
//! | one attempt at a call to AWS, [`ATTEMPT`] | the attempt | 3 s, or less if an outer limit ends first; [`attempt_of`] |
//! | opening a connection, [`CONNECT`] | the attempt | 1 s |
//! | waiting before the second attempt, at most [`FIRST_BACK_OFF`]; this limit doubles from there | the failure | 0.05 s |
//! | waiting between two attempts, at most [`MAX_BACK_OFF`] | the failure | 1 s |
//! | the bucket joins, [`BUCKET_JOINS_AFTER`] | the queue's first failed attempt | 1 s |
//! | with less left, the bucket joins at the first failure, [`BUCKET_JOINS_BEFORE_THE_END`] | [`BUDGET`]'s end | 2 s |
//!
//! The receiver gives up on an authentic callback only when [`BUDGET`] is used up or every way to store it has failed
//! for good, because Flinks sends some callbacks only once. If it has no key, or cannot read one that may have signed
//! the callback, it gives up when only [`TO_STORE`] is left, or at once if every stage of the secret is gone or denied.
//! If no cached key matches and the keys cannot be read again, it responds 401 after [`MISMATCH`] or sooner. The table
//! in `auth/signing_keys.rs` has the rules.

use std::time::Duration;

use tokio::time::Instant;

/// `Timeout` of the function in the template. Lambda enforces it.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Above it the alarm `ReceiverSlow` fires: no callback should take this long, whatever AWS does.
pub const SLOW: Duration = Duration::from_secs(13);
/// The sender has its response by then: [`BUDGET`], and half a second for everything that is not AWS. No code enforces
/// it; tests check it.
pub const RESPONSE: Duration = Duration::from_secs(12);
/// Time to fetch keys and to store a callback.
pub const BUDGET: Duration = Duration::from_millis(11_500);
/// Time that fetching the keys must leave for storing: for an attempt on the queue, and one on the bucket.
pub const TO_STORE: Duration = Duration::from_secs(4);
/// Time to read the keys again when no key matched a signature. Forgeries mismatch too, so it is short.
pub const MISMATCH: Duration = Duration::from_secs(2);
/// Time to fetch keys before the first event. It is short because a sender already waits. The first callback fetches
/// what is missing.
pub const START: Duration = Duration::from_secs(2);
/// Time for one attempt at a call. Within a region a call takes milliseconds.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// No callback is larger: Lambda's events have at most 6 MB. The times here are for bodies of up to this many bytes.
pub const CALLBACK_BYTES: usize = 6_291_456;
/// Time to open a connection.
pub const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait before the second attempt. This limit doubles with each further attempt.
pub const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// Longest wait between two attempts.
pub const MAX_BACK_OFF: Duration = Duration::from_secs(1);
/// The bucket joins this long after the queue's first failed attempt. Most trouble is over by then, and a payload in
/// the bucket reaches its queue only minutes later.
pub const BUCKET_JOINS_AFTER: Duration = Duration::from_secs(1);
/// With less time than this left, the bucket joins at the queue's first failed attempt.
pub const BUCKET_JOINS_BEFORE_THE_END: Duration = Duration::from_secs(2);

/// Time for one attempt at a call that carries a body of this length: [`ATTEMPT`] for each [`CALLBACK_BYTES`] of it. Only
/// the body of a recovered payload is longer than a callback.
pub fn attempt_of(bytes: usize) -> Duration {
    ATTEMPT * u32::try_from(bytes.div_ceil(CALLBACK_BYTES)).unwrap_or(u32::MAX).max(1)
}

/// Time to store a body of this length: [`BUDGET`], and more for a body that is longer than a callback.
pub fn budget_of(bytes: usize) -> Duration {
    BUDGET + attempt_of(bytes).saturating_sub(ATTEMPT)
}

/// The time that one callback may take, shared by its steps.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    end: Instant,
}

impl TimeBudget {
    /// The clock starts now.
    pub fn start() -> Self {
        Self { end: Instant::now() + BUDGET }
    }

    /// When the budget is used up.
    pub fn end(self) -> Instant {
        self.end
    }

    /// When a callback without keys must stop fetching them, so that there is time to store it.
    pub fn keys_end(self) -> Instant {
        self.end.checked_sub(TO_STORE).unwrap_or(self.end)
    }
}
