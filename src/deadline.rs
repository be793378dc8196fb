//! The time that one callback may take, shared by its steps.

use std::time::Duration;

use tokio::time::Instant;

/// The sender has its answer within 12 seconds whatever AWS does; this leaves half a second for everything that is not
/// AWS. Outside it come the function's 15 seconds and API Gateway's 30.
const ANSWER_WITHIN: Duration = Duration::from_millis(11_500);

/// When the answer is due.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The clock starts now.
    pub fn start() -> Self {
        Self(Instant::now() + ANSWER_WITHIN)
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What remains when `reserved` is left for the steps that follow.
    pub fn remaining_but(self, reserved: Duration) -> Duration {
        self.remaining().saturating_sub(reserved)
    }
}
