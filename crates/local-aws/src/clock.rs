//! The time of day here: it goes with tokio's clock, which a test can pause and move.

use std::time::SystemTime;

use tokio::time::Instant;

/// Tells the time of day by what tokio's clock has run since a known moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What time it was...
    set_to: SystemTime,
    /// ...at this moment.
    set_at: Instant,
}

impl Clock {
    /// A clock that says `now` now.
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
    async fn it_goes_as_far_as_tokios() {
        let start = SystemTime::UNIX_EPOCH;
        let clock = Clock::set(start);
        assert_eq!(clock.now(), start);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(86_400));
    }
}
