//! One log line for each message of the recovery. It is also the message's metrics. It has no LoginId and no tag.

use std::time::SystemTime;

use super::{
    log::{FinishedLine, Level, Line},
    metric::Metric,
};
use crate::{
    config::LambdaFunction,
    delivery::StoredAs,
    http::RequestId,
    recovery::{Ending, Step, StepResult},
    routing::Kind,
};

/// The line of a message, with its metrics.
pub fn recovery_line(
    step: &Step,
    request_id: Option<&RequestId>,
    function: &LambdaFunction,
    now: SystemTime,
) -> FinishedLine {
    let (outcome, message, level) = match &step.result {
        StepResult::Failed(why) => ("failed", *why, Level::Error),
        StepResult::Unreadable => ("unreadable", "the message is no request: see the dead-letter queue", Level::Error),
        StepResult::Ended(ending @ (Ending::NeedsUser | Ending::Gone)) => {
            (ending.label(), "not recovered: see the dead-letter queue", Level::Warn)
        }
        StepResult::Ended(ending) => (ending.label(), "not recovered: see the dead-letter queue", Level::Error),
        StepResult::Recovered { stored_as: StoredAs::Undelivered, .. } => ("recovered", "recovered", Level::Error),
        StepResult::Recovered { .. } => ("recovered", "recovered", level_of(step)),
        StepResult::Pending(_) => ("pending", "the request was put back", level_of(step)),
    };
    let mut line = Line::new(level, message, now);
    line.set_some("requestId", request_id);
    line.set("outcome", outcome);
    line.set_some("flinksCode", step.reason.as_ref().and_then(|reason| reason.code()));
    line.set_some("problem", step.reason.as_ref().and_then(|reason| reason.problem()));
    line.set("attempt", step.attempt);
    if !step.aws_failures.is_empty() {
        line.set("awsFailures", &step.aws_failures);
    }
    match &step.result {
        StepResult::Recovered { delivery_id, stored_as, bytes } => {
            line.set("deliveryId", delivery_id);
            line.set("queue", Kind::AccountsDetail.queue());
            line.set("storedAs", stored_as.label());
            line.count(match stored_as {
                StoredAs::Inline => Metric::StoredInline,
                StoredAs::ClaimCheck => Metric::StoredClaimCheck,
                StoredAs::Undelivered => Metric::StoredUndelivered,
            });
            line.count(Metric::Recovered);
            line.measure(Metric::RecoveredBytes, *bytes);
        }
        StepResult::Pending(delay) => {
            line.set("delaySeconds", delay.as_secs());
            line.count(Metric::RecoveryPending);
        }
        StepResult::Ended(_) | StepResult::Unreadable => line.count(Metric::RecoveryFailed),
        StepResult::Failed(_) => line.count(Metric::RecoveryStepFailures),
    }
    line.finish(function, now)
}

fn level_of(step: &Step) -> Level {
    if step.aws_failures.is_empty() { Level::Info } else { Level::Warn }
}
