//! Every limit on the time that a callback takes, outside in.
//!
//! | limit | counted from | value |
//! |---|---|---|
//! | API Gateway's | the request | 30 s |
//! | the function's [`FUNCTION_TIMEOUT`] | the event | 15 s |
//! | the alarm `ReceiverSlow`, [`SLOW`] | the event | 13 s |
//! | the response, [`RESPONSE`] | the event | 12 s |
//! | storing the callback, [`BUDGET`] | the event | 11.5 s |
//! | fetching keys when none is at hand | the event | 7.5 s, which leaves [`TO_STORE`] |
//! | reading the keys again because no key matched, [`MISMATCH`] | the mismatch | 2 s |
//! | fetching keys before the first event, [`START`] | the start of the process | 2 s |
//! | one attempt at a call to AWS, [`ATTEMPT`] | the attempt | 3 s, or the limit it runs under |
//! | opening a connection, [`CONNECT`] | the attempt | 1 s |
//! | waiting between two attempts | the failure | [`FIRST_BACK_OFF`] to [`LONGEST_BACK_OFF`] |
//!
//! The receiver gives up on a callback only when [`BUDGET`] is used up or every way to store it has failed for good,
//! because Flinks sends some callbacks only once.

use std::time::Duration;

use tokio::time::Instant;

/// `Timeout` of the function in the template.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Above it the alarm `ReceiverSlow` fires: no callback should take so long, whatever AWS does.
pub const SLOW: Duration = Duration::from_secs(13);
/// The sender has its response by then. Half a second more than [`BUDGET`], for everything that is not AWS.
pub const RESPONSE: Duration = Duration::from_secs(12);
/// Time to fetch keys and to store a callback.
pub const BUDGET: Duration = Duration::from_millis(11_500);
/// What fetching the keys leaves of the budget: time for an attempt on the queue, and one on the bucket.
pub const TO_STORE: Duration = Duration::from_secs(4);
/// Time to read the keys again when no key matched a signature. Forgeries mismatch too, so it is short.
pub const MISMATCH: Duration = Duration::from_secs(2);
/// Time to fetch keys before the first event. A sender is waiting already, and its callback can go on fetching.
pub const START: Duration = Duration::from_secs(2);
/// Time for one attempt at a call. Within a region a call takes milliseconds.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// Time to open a connection.
pub const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait before the second attempt; it doubles from there.
pub const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// Longest wait between two attempts.
pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);
/// So long after the queue's first failed response the bucket joins: most trouble is over by then, and a payload that
/// goes to the bucket reaches its queue minutes later.
pub const BUCKET_JOINS_AFTER: Duration = Duration::from_secs(1);
/// With less time than this left, the bucket joins as soon as the queue has failed.
pub const BUCKET_JOINS_BEFORE_THE_END: Duration = Duration::from_secs(2);

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
