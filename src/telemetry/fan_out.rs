//! One log line for each batch of the fan-out's bridge. It is also the batch's metrics.

use std::time::SystemTime;

use super::{
    log::{FinishedLine, Level, Line},
    metric::Metric,
};
use crate::{config::LambdaFunction, fan_out::Batch, http::RequestId, routing::Kind};

/// The line of a batch, with its metrics.
pub fn fan_out_line(
    batch: &Batch,
    request_id: Option<&RequestId>,
    function: &LambdaFunction,
    now: SystemTime,
) -> FinishedLine {
    let level = match (batch.failed.is_empty(), batch.aws_failures.is_empty()) {
        (true, true) => Level::Info,
        (true, false) => Level::Warn,
        (false, _) => Level::Error,
    };
    let message = if batch.failed.is_empty() { "batch published" } else { "batch not published as a whole" };
    let mut line = Line::new(level, message, now);
    line.set_some("requestId", request_id);
    line.set_some("queue", batch.kind.map(Kind::queue));
    if batch.without_topic > 0 {
        line.set("withoutTopic", batch.without_topic);
    }
    if !batch.failed_deliveries.is_empty() {
        line.set("failedDeliveries", batch.failed_deliveries.as_slice());
    }
    if !batch.aws_failures.is_empty() {
        line.set("awsFailures", &batch.aws_failures);
    }
    line.measure(Metric::Published, batch.published);
    line.measure(Metric::PublishedBytes, batch.published_bytes);
    line.measure(Metric::PublishFailures, batch.failed.len());
    line.finish(function, now)
}
