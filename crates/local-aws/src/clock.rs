//! The time of day. It follows tokio's clock, which a test can pause and move.

use std::time::SystemTime;

use tokio::time::Instant;

/// The time of day, as a known moment plus the time that tokio's clock has run since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The time of day at `set_at`.
    set_to: SystemTime,
    /// The moment at which the clock was set, on tokio's clock.
    set_at: Instant,
}

impl Clock {
    /// A clock that starts at `now`.
    pub(crate) fn set(now: SystemTime) -> Clock {
        Clock { set_to: now, set_at: Instant::now() }
    }

    pub(crate) fn now(self) -> SystemTime {
        self.set_to + self.set_at.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Clock;

    #[tokio::test(start_paused = true)]
    async fn it_advances_with_tokios_clock() {
        let start = SystemTime::UNIX_EPOCH;
        let clock = Clock::set(start);
        assert_eq!(clock.now(), start);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(86_400));
    }
}
