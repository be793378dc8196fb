//! [`Step`]: what the function did about one message, for the log and for the outcome.

use std::time::Duration;

use flinks_api::{Cause, Failure};
use serde::Serialize;

use super::{pace::Ending, request::StoredPayload};
use crate::aws_error::FailedCalls;

/// What the function did about one message.
pub struct Step {
    pub result: StepResult,
    /// The payload that this step stored, also if something failed after that.
    pub stored: Option<StoredPayload>,
    /// Why Flinks' API gave no data.
    pub reason: Option<Reason>,
    /// How often the request has begun again.
    pub attempt: u32,
    /// Failed calls to AWS, including ones that a retry recovered.
    pub aws_failures: FailedCalls,
}

pub enum StepResult {
    /// The payload is stored, and its outcome too. An earlier step can have stored the payload.
    Recovered(StoredPayload),
    /// The request is tried again after this time.
    Pending(Duration),
    /// The request is in the dead-letter queue.
    Ended(Ending),
    /// The message is not a request. It is in the dead-letter queue.
    Unreadable,
    /// The message stays on its queue, and SQS delivers it again. The text is constant.
    Failed(&'static str),
}

impl StepResult {
    /// Whether the message stays on its queue.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Why Flinks' API gave no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Code(ReportedCode),
    Problem(Problem),
}

/// A FlinksCode. It can be logged: the API's client accepts only capital letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReportedCode(String);

impl ReportedCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong if there is no FlinksCode: constant text, and perhaps an HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(String);

impl Problem {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reason {
    /// The data are those of another login.
    pub fn another_login() -> Self {
        Self::Problem(Problem("another login".to_owned()))
    }

    pub fn of(failure: &Failure) -> Self {
        let problem = |text: &str| Self::Problem(Problem(text.to_owned()));
        match failure.cause() {
            Cause::Code(code) => Self::Code(ReportedCode(code.as_str().to_owned())),
            Cause::Status(status) => Self::Problem(Problem(format!("status {status}"))),
            Cause::UnreadableCode => problem("unreadable code"),
            Cause::NotJson => problem("not JSON"),
            Cause::TooLong => problem("too long"),
            Cause::Incomplete => problem("incomplete"),
            // The text of the network's error is for a person at a terminal.
            Cause::NotConnected(_) => problem("not connected"),
            Cause::Broken => problem("connection broke"),
            Cause::TimedOut => problem("timed out"),
            Cause::InvalidLoginId => problem("invalid LoginId"),
        }
    }

    pub fn code(&self) -> Option<&ReportedCode> {
        match self {
            Self::Code(code) => Some(code),
            Self::Problem(_) => None,
        }
    }

    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Code(_) => None,
            Self::Problem(problem) => Some(problem),
        }
    }
}
