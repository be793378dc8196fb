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
    recovery::{Ending, Step, StepResult, StoredPayload},
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
        StepResult::Unreadable => {
            ("unreadable", "the message is not a request: see the dead-letter queue", Level::Error)
        }
        StepResult::Ended(ending @ (Ending::NeedsUser | Ending::Gone)) => {
            (ending.label(), "not recovered: see the dead-letter queue", Level::Warn)
        }
        StepResult::Ended(ending) => (ending.label(), "not recovered: see the dead-letter queue", Level::Error),
        StepResult::Recovered(_) => ("recovered", "recovered", level_of(step)),
        StepResult::Pending(_) if step.stored.is_some() => {
            ("pending", "the payload is stored, but not its outcome: the request was put back", level_of(step))
        }
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
    let recovered = match &step.result {
        StepResult::Recovered(payload) => Some(payload),
        _ => step.stored.as_ref(),
    };
    if let Some(payload) = recovered {
        line.set("deliveryId", &payload.delivery_id);
        line.set("queue", Kind::AccountsDetail.queue());
        line.set("storedAs", payload.stored_as.label());
    }
    // Only the step that stored the payload counts it.
    if let Some(stored) = &step.stored {
        line.count(match stored.stored_as {
            StoredAs::Inline => Metric::StoredInline,
            StoredAs::ClaimCheck => Metric::StoredClaimCheck,
            StoredAs::Undelivered => Metric::StoredUndelivered,
        });
    }
    match &step.result {
        StepResult::Recovered(payload) => {
            line.count(Metric::Recovered);
            line.measure(Metric::RecoveredBytes, payload.bytes);
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
    match &step.stored {
        Some(StoredPayload { stored_as: StoredAs::Undelivered, .. }) => Level::Error,
        _ if step.aws_failures.is_empty() => Level::Info,
        _ => Level::Warn,
    }
}
