//! One log line for each run of the redelivery. It is also the run's metrics.

use std::time::SystemTime;

use super::{
    log::{FinishedLine, Level, Line},
    metric::Metric,
};
use crate::{config::LambdaFunction, delivery::Summary};

/// The line of a run, with its metrics.
pub fn redelivery_line(summary: &Summary, function: &LambdaFunction, now: SystemTime) -> FinishedLine {
    let level = match summary {
        Summary { failed: 0, damaged: 0, unlisted: 0, left: 0, .. } => Level::Info,
        Summary { failed: 0, damaged: 0, unlisted: 0, .. } => Level::Warn,
        _ => Level::Error,
    };
    let mut line = Line::new(level, "redelivery run finished", now);
    line.set("found", summary.found);
    line.set("unlisted", summary.unlisted);
    line.set("gone", summary.gone);
    line.set("damaged", summary.damaged);
    if !summary.damaged_keys.is_empty() {
        line.set("damagedKeys", summary.damaged_keys.as_slice());
    }
    if !summary.aws_failures.is_empty() {
        line.set("awsFailures", &summary.aws_failures);
    }
    line.measure(Metric::Redelivered, summary.sent);
    line.measure(Metric::RedeliveredBytes, summary.sent_bytes);
    line.measure(Metric::RedeliveryFailures, summary.failed + summary.damaged + summary.unlisted);
    line.measure(Metric::Undelivered, summary.left);
    line.measure(Metric::UndeliveredAge, summary.oldest_seconds);
    line.finish(function, now)
}
