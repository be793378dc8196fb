//! The time in the format of Lambda and API Gateway.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch. 0 if the machine's clock is before it.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
