//! Times as text.

use std::time::SystemTime;

use aws_smithy_types::{DateTime, date_time::Format};

/// RFC 3339, UTC, to the millisecond. The text always has the same length.
pub fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = DateTime::from_secs(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX));
    let seconds = seconds.fmt(Format::DateTime).unwrap_or_default();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since_epoch.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_of_a_time_always_has_the_same_length() {
        let at = |millis| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(1_760_000_000_000), "2025-10-09T08:53:20.000Z");
        assert_eq!(at(1_760_000_000_120), "2025-10-09T08:53:20.120Z");
    }
}
