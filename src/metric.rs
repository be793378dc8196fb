//! The metrics, all of them: what CloudWatch is told, in which unit, by which dimensions. The alarms and the dashboard of
//! the template are held against this list.

use std::time::Duration;

use serde::Serialize;

/// The namespace of the metrics.
pub const NAMESPACE: &str = "FlinksWebhooks";

/// Every metric has the function's name as a dimension.
pub const FUNCTION_NAME: &str = "FunctionName";
/// A further dimension of the metrics that roll a deploy back: so that only the new version's own trouble does.
pub const FUNCTION_VERSION: &str = "functionVersion";
/// A further dimension of [`Metric::Stored`]: a [`Kind`](crate::kind::Kind)'s label.
pub const KIND: &str = "Kind";
/// A further dimension of [`Metric::Rejected`]: a [`Rejection`](crate::answer::Rejection)'s label.
pub const REASON: &str = "Reason";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Events that reached the receiver, whatever became of them.
    Received,
    /// Length of a callback's body.
    BodyBytes,
    /// Callbacks answered 200.
    Stored,
    /// Events answered otherwise.
    Rejected,
    /// What proved an authentic callback.
    SignedRaw,
    SignedAscii,
    SignedPay,
    /// How a callback was stored.
    StoredInline,
    StoredClaimCheck,
    StoredSpilled,
    /// Fetches of the keys, and those of them that did not bring all of it.
    KeyRefreshes,
    KeyRefreshFailures,
    /// Schemes whose current secret cannot be a key, of those that a callback was checked for.
    UnusableKeys,
    /// How long ago the key that a callback was checked with was read.
    KeyAge,
    /// Times of the steps of a callback, and of the whole.
    AuthenticateTime,
    RouteTime,
    StoreTime,
    TotalTime,
    /// Spilled payloads that a run of the redelivery left where they are.
    Undelivered,
    /// Age of the oldest spilled payload when a run began; 0 without any.
    UndeliveredAge,
    /// Spilled payloads that were put on their queues, and their length.
    Redelivered,
    RedeliveredBytes,
    /// Spilled payloads that could not be, and listings of them that failed.
    RedeliveryFailures,
}

/// A metric's unit, by CloudWatch's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    Count,
    Bytes,
    Milliseconds,
    Seconds,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

impl Metric {
    pub const ALL: [Self; 23] = [
        Self::Received,
        Self::BodyBytes,
        Self::Stored,
        Self::Rejected,
        Self::SignedRaw,
        Self::SignedAscii,
        Self::SignedPay,
        Self::StoredInline,
        Self::StoredClaimCheck,
        Self::StoredSpilled,
        Self::KeyRefreshes,
        Self::KeyRefreshFailures,
        Self::UnusableKeys,
        Self::KeyAge,
        Self::AuthenticateTime,
        Self::RouteTime,
        Self::StoreTime,
        Self::TotalTime,
        Self::Undelivered,
        Self::UndeliveredAge,
        Self::Redelivered,
        Self::RedeliveredBytes,
        Self::RedeliveryFailures,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "Received",
            Self::BodyBytes => "BodyBytes",
            Self::Stored => "Stored",
            Self::Rejected => "Rejected",
            Self::SignedRaw => "SignedRaw",
            Self::SignedAscii => "SignedAscii",
            Self::SignedPay => "SignedPay",
            Self::StoredInline => "StoredInline",
            Self::StoredClaimCheck => "StoredClaimCheck",
            Self::StoredSpilled => "StoredSpilled",
            Self::KeyRefreshes => "KeyRefreshes",
            Self::KeyRefreshFailures => "KeyRefreshFailures",
            Self::UnusableKeys => "UnusableKeys",
            Self::KeyAge => "KeyAge",
            Self::AuthenticateTime => "AuthenticateTime",
            Self::RouteTime => "RouteTime",
            Self::StoreTime => "StoreTime",
            Self::TotalTime => "TotalTime",
            Self::Undelivered => "Undelivered",
            Self::UndeliveredAge => "UndeliveredAge",
            Self::Redelivered => "Redelivered",
            Self::RedeliveredBytes => "RedeliveredBytes",
            Self::RedeliveryFailures => "RedeliveryFailures",
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::BodyBytes | Self::RedeliveredBytes => Unit::Bytes,
            Self::AuthenticateTime | Self::RouteTime | Self::StoreTime | Self::TotalTime => Unit::Milliseconds,
            Self::KeyAge | Self::UndeliveredAge => Unit::Seconds,
            _ => Unit::Count,
        }
    }

    /// The sets of dimensions that it is published by.
    pub fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Stored => &[&[FUNCTION_NAME], &[FUNCTION_NAME, KIND]],
            Self::Rejected => &[&[FUNCTION_NAME], &[FUNCTION_NAME, REASON]],
            _ => &[&[FUNCTION_NAME]],
        }
    }

    /// The further sets of dimensions, where the value may be the version's fault. Empty for the other metrics.
    pub fn dimensions_by_version(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Rejected => &[&[FUNCTION_NAME, FUNCTION_VERSION, REASON]],
            Self::StoredSpilled => &[&[FUNCTION_NAME, FUNCTION_VERSION]],
            _ => &[],
        }
    }

    /// A duration in the metric's unit, to a thousandth of it.
    pub fn time(self, duration: Duration) -> f64 {
        let per_second = if self.unit() == Unit::Milliseconds { 1_000.0 } else { 1.0 };
        (duration.as_secs_f64() * per_second * 1_000.0).round() / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric that is added to the enum and not to the list does not compile here.
    #[test]
    fn the_list_has_every_metric_once() {
        let place = |metric| match metric {
            Metric::Received => 0,
            Metric::BodyBytes => 1,
            Metric::Stored => 2,
            Metric::Rejected => 3,
            Metric::SignedRaw => 4,
            Metric::SignedAscii => 5,
            Metric::SignedPay => 6,
            Metric::StoredInline => 7,
            Metric::StoredClaimCheck => 8,
            Metric::StoredSpilled => 9,
            Metric::KeyRefreshes => 10,
            Metric::KeyRefreshFailures => 11,
            Metric::UnusableKeys => 12,
            Metric::KeyAge => 13,
            Metric::AuthenticateTime => 14,
            Metric::RouteTime => 15,
            Metric::StoreTime => 16,
            Metric::TotalTime => 17,
            Metric::Undelivered => 18,
            Metric::UndeliveredAge => 19,
            Metric::Redelivered => 20,
            Metric::RedeliveredBytes => 21,
            Metric::RedeliveryFailures => 22,
        };
        assert!(Metric::ALL.into_iter().map(place).eq(0..Metric::ALL.len()));
    }
}
