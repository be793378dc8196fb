//! What is told of a callback: one line for the log that is also its metrics, and nothing of the bank's.

use std::time::{Duration, Instant, SystemTime};

use crate::{
    answer::Rejection,
    aws_error::FailedCalls,
    config::LambdaFunction,
    keys::KeyUse,
    kind::Kind,
    log::{Entry, Level, Line},
    metric::{KIND, Metric, REASON},
    signature::{Form, Header},
    storage::StoredAs,
};

/// What happened to one callback.
#[derive(Default)]
pub struct Record {
    /// Lambda's id of the invocation.
    pub request_id: String,
    pub gateway_request_id: Option<String>,
    /// Whether the stack itself sent it, to try a new version. It counts in no metric, and is treated like any other.
    pub deployment_check: bool,
    /// Length of the body, once it is known.
    pub body_bytes: Option<usize>,
    pub form: Option<Form>,
    pub kind: Option<Kind>,
    pub delivery_id: Option<String>,
    pub stored_as: Option<StoredAs>,
    pub rejection: Option<Rejection>,
    /// The headers that carry a signature, those that are there.
    pub signature_headers: Vec<Header>,
    pub keys: KeyUse,
    /// Failed calls to SQS and S3, including ones that a retry recovered.
    pub failures: FailedCalls,
    /// Each step's metric, and how long it took.
    pub steps: Vec<(Metric, Duration)>,
}

impl Record {
    /// Notes the time since `since` as the duration of a step.
    pub fn step(&mut self, metric: Metric, since: Instant) {
        self.steps.push((metric, since.elapsed()));
    }

    /// A refusal is the sender's fault, and an open door has many of them: it is no error. An error is a callback that
    /// is not on its queue; a warning is one that is, and something went wrong on the way.
    fn level(&self) -> Level {
        match (self.rejection, self.stored_as) {
            (Some(Rejection::NoKeys | Rejection::NotStored | Rejection::Fault), _) | (_, Some(StoredAs::Spilled)) => {
                Level::Error
            }
            _ if !self.failed_calls().is_empty() || !self.keys.problems.is_empty() => Level::Warn,
            _ if self.kind == Some(Kind::Unclassified) => Level::Warn,
            _ => Level::Info,
        }
    }

    /// All failed calls to AWS, those for the keys first.
    pub fn failed_calls(&self) -> FailedCalls {
        let mut calls = self.keys.failures.clone();
        calls.extend(self.failures.clone());
        calls
    }

    fn message(&self) -> &'static str {
        match (self.rejection, self.stored_as) {
            (None, Some(_)) => "callback stored",
            _ => "callback not stored",
        }
    }

    /// The line, with the function's metrics.
    pub fn line(&self, function: &LambdaFunction, now: SystemTime) -> Entry {
        let mut line = Line::new(self.level(), self.message(), now);
        line.set("requestId", &self.request_id);
        line.set_some("gatewayRequestId", self.gateway_request_id.as_ref());
        line.set_some("deliveryId", self.delivery_id.as_ref());
        line.set_some("queue", self.kind.map(Kind::queue));
        line.set_some("storedAs", self.stored_as.map(StoredAs::label));
        line.set_some("signatureForm", self.form.map(Form::as_str));
        let failed_calls = self.failed_calls();
        if !failed_calls.is_empty() {
            line.set("awsFailures", &failed_calls);
        }
        if matches!(self.rejection, Some(Rejection::Refused(_) | Rejection::NoKeys)) {
            let headers: Vec<_> = self.signature_headers.iter().map(|header| header.name()).collect();
            line.set("signatureHeaders", headers);
            line.set("keysTried", &self.keys.tried);
        }
        if !self.keys.problems.is_empty() {
            line.set("keyProblems", &self.keys.problems);
        }

        line.measure(Metric::Received, 1);
        if let Some(bytes) = self.body_bytes {
            line.measure(Metric::BodyBytes, bytes);
        }
        if let Some(form) = self.form {
            let metric = match form {
                Form::Raw => Metric::SignedRaw,
                Form::Ascii => Metric::SignedAscii,
                Form::Pay => Metric::SignedPay,
            };
            line.measure(metric, 1);
        }
        if let (Some(kind), Some(how)) = (self.kind, self.stored_as) {
            let metric = match how {
                StoredAs::Inline => Metric::StoredInline,
                StoredAs::ClaimCheck => Metric::StoredClaimCheck,
                StoredAs::Spilled => Metric::StoredSpilled,
            };
            line.measure(metric, 1);
            if how == StoredAs::Spilled {
                line.by_version(metric);
            }
            line.set(KIND, kind.label());
            line.measure(Metric::Stored, 1);
        }
        if let Some(rejection) = self.rejection {
            line.set(REASON, rejection.label());
            line.measure(Metric::Rejected, 1);
            // Not the others: everybody can cause those, and each reason more is a metric more for each version.
            if matches!(rejection, Rejection::NoKeys | Rejection::NotStored | Rejection::Fault) {
                line.by_version(Metric::Rejected);
            }
        }
        if self.keys.reads > 0 {
            line.measure(Metric::KeyRefreshes, self.keys.reads);
            line.measure(Metric::KeyRefreshFailures, self.keys.failed_reads);
        }
        let unusable = self.keys.unusable();
        if unusable > 0 {
            line.measure(Metric::UnusableKeys, unusable);
        }
        if let Some(age) = self.keys.age {
            line.measure(Metric::KeyAge, Metric::KeyAge.time(age));
        }
        for (step, duration) in &self.steps {
            line.measure(*step, step.time(*duration));
        }
        if self.deployment_check {
            line.set("deploymentCheck", true);
            return line.finish_unmeasured(function);
        }
        line.finish(function, now)
    }
}
