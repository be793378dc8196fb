//! All metrics, each with its unit and dimensions. A variant's name is the metric's name. Tests compare the alarms and
//! the dashboard of the template with this list.

use std::time::Duration;

use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "FlinksWebhooks";

/// Every metric has the function's name as a dimension.
pub const FUNCTION_NAME: &str = "FunctionName";
/// A further dimension of the metrics whose alarms roll a deployment back: only errors of the new version count.
pub const FUNCTION_VERSION: &str = "functionVersion";
/// A further dimension of [`Metric::Stored`]: the label of the [`Kind`](crate::routing::Kind).
pub const KIND: &str = "Kind";
/// A further dimension of [`Metric::Rejected`]: the label of the [`Rejection`](crate::rejection::Rejection).
pub const REASON: &str = "Reason";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Metric {
    /// Events that reached the receiver.
    Received,
    /// Length of a callback's body.
    BodyBytes,
    /// Callbacks with the response 200.
    Stored,
    /// Events with another response.
    Rejected,
    /// Authentic callbacks, by the scheme and encoding that verified them.
    SignedRaw,
    SignedAscii,
    SignedPay,
    /// Stored callbacks, by how they are stored.
    StoredInline,
    StoredClaimCheck,
    StoredUndelivered,
    /// Reads of a scheme's keys, and those that did not return both stages.
    KeyRefreshes,
    KeyRefreshFailures,
    /// Schemes that a callback is signed with and whose current secret cannot be a key.
    UnusableKeys,
    /// Time since the current key was read.
    KeyAge,
    /// Duration of each stage, and of all stages.
    AuthenticateTime,
    RouteTime,
    StoreTime,
    TotalTime,
    /// Undelivered payloads that still wait after a run of the redelivery.
    Undelivered,
    /// Age of the oldest undelivered payload when a run began; 0 without any.
    UndeliveredAge,
    /// Undelivered payloads that the redelivery put on their queues, and their length.
    Redelivered,
    RedeliveredBytes,
    /// Payloads that the redelivery could not send, damaged and foreign objects, and incomplete listings.
    RedeliveryFailures,
    /// Messages that the fan-out's bridge published, and the length of their bodies.
    Published,
    PublishedBytes,
    /// Messages that it could not publish. They stay on their queue.
    PublishFailures,
    /// Payloads that the recovery stored, and their length.
    Recovered,
    RecoveredBytes,
    /// Requests that the recovery put back on their queue.
    RecoveryPending,
    /// Requests that ended in the dead-letter queue.
    RecoveryFailed,
    /// Steps that failed. Their messages stay on the queue.
    RecoveryStepFailures,
}

/// A metric's unit, by CloudWatch's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, Serialize)]
pub enum Unit {
    Count,
    Bytes,
    Milliseconds,
    Seconds,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Metric {
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().unwrap();

    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::BodyBytes | Self::RedeliveredBytes | Self::PublishedBytes | Self::RecoveredBytes => Unit::Bytes,
            Self::AuthenticateTime | Self::RouteTime | Self::StoreTime | Self::TotalTime => Unit::Milliseconds,
            Self::KeyAge | Self::UndeliveredAge => Unit::Seconds,
            _ => Unit::Count,
        }
    }

    /// The sets of dimensions that CloudWatch publishes it by.
    pub fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Stored => &[&[FUNCTION_NAME], &[FUNCTION_NAME, KIND]],
            Self::Rejected => &[&[FUNCTION_NAME], &[FUNCTION_NAME, REASON]],
            _ => &[&[FUNCTION_NAME]],
        }
    }

    /// Further sets, for metrics that a faulty version raises.
    pub fn dimensions_by_version(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Rejected => &[&[FUNCTION_NAME, FUNCTION_VERSION, REASON]],
            Self::StoredUndelivered => &[&[FUNCTION_NAME, FUNCTION_VERSION]],
            _ => &[],
        }
    }

    /// A duration in the metric's unit, to a thousandth of it.
    pub fn time(self, duration: Duration) -> f64 {
        let per_second = if self.unit() == Unit::Milliseconds { 1_000.0 } else { 1.0 };
        (duration.as_secs_f64() * per_second * 1_000.0).round() / 1_000.0
    }
}
