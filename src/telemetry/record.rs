//! One log line for each callback. It is also the callback's metrics, and holds no bank data.

use std::time::{Duration, Instant, SystemTime};

use super::{
    log::{FinishedLine, Level, Line},
    metric::{KIND, Metric, REASON},
};
use crate::{
    auth::{KeyUse, SignatureForm},
    aws_error::FailedCalls,
    config::LambdaFunction,
    delivery::{DeliveryId, StoredAs},
    http::{RequestId, SignatureHeader},
    rejection::Rejection,
    routing::Kind,
};

/// What happened to one callback.
#[derive(Default)]
pub struct Record {
    /// Lambda's id of the invocation.
    pub request_id: Option<RequestId>,
    pub gateway_request_id: Option<RequestId>,
    /// The stack itself sent it to try a new version. It counts in no metric; otherwise it is treated like any
    /// callback.
    pub deployment_check: bool,
    /// Length of the body, once it is known.
    pub body_bytes: Option<usize>,
    pub signature_form: Option<SignatureForm>,
    pub kind: Option<Kind>,
    pub delivery_id: Option<DeliveryId>,
    pub stored_as: Option<StoredAs>,
    pub rejection: Option<Rejection>,
    /// The signature headers that the request has.
    pub signature_headers: Vec<SignatureHeader>,
    pub keys: KeyUse,
    /// Failed calls to SQS and S3, including ones that a retry recovered.
    pub failures: FailedCalls,
    /// Each stage's metric, and how long it took.
    pub durations: Vec<(Metric, Duration)>,
}

impl Record {
    /// Sets the duration of a stage that began at `since`.
    pub fn set_duration(&mut self, metric: Metric, since: Instant) {
        self.durations.push((metric, since.elapsed()));
    }

    /// A rejection that the sender caused is not an error: a public URL gets many of them. A rejection that the sender
    /// did not cause, and a callback that is not on its queue, are errors. Failed calls, a problem with a secret and an
    /// unknown kind are warnings.
    fn level(&self) -> Level {
        match (self.rejection, self.stored_as) {
            (Some(rejection), _) if rejection.is_ours() => Level::Error,
            (_, Some(StoredAs::Undelivered)) => Level::Error,
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
    pub fn line(&self, function: &LambdaFunction, now: SystemTime) -> FinishedLine {
        let mut line = Line::new(self.level(), self.message(), now);
        line.set_some("requestId", self.request_id.as_ref());
        line.set_some("gatewayRequestId", self.gateway_request_id.as_ref());
        line.set_some("deliveryId", self.delivery_id.as_ref());
        line.set_some("queue", self.kind.map(Kind::queue));
        line.set_some("storedAs", self.stored_as.map(StoredAs::label));
        line.set_some("signatureForm", self.signature_form.map(SignatureForm::as_str));
        let failed_calls = self.failed_calls();
        if !failed_calls.is_empty() {
            line.set("awsFailures", &failed_calls);
        }
        if self.rejection.is_some_and(is_about_the_signature) {
            let headers: Vec<_> = self.signature_headers.iter().map(|header| header.name()).collect();
            line.set("signatureHeaders", headers);
            line.set("keysTried", self.keys.tried.as_slice());
        }
        if !self.keys.problems.is_empty() {
            line.set("keyProblems", self.keys.problems.as_slice());
        }

        line.count(Metric::Received);
        if let Some(bytes) = self.body_bytes {
            line.measure(Metric::BodyBytes, bytes);
        }
        if let Some(form) = self.signature_form {
            let metric = match form {
                SignatureForm::Raw => Some(Metric::SignedRaw),
                SignatureForm::Ascii => Some(Metric::SignedAscii),
                SignatureForm::Pay => Some(Metric::SignedPay),
                // No callback has it.
                SignatureForm::Api => None,
            };
            if let Some(metric) = metric {
                line.count(metric);
            }
        }
        if let (Some(kind), Some(stored_as)) = (self.kind, self.stored_as) {
            let metric = match stored_as {
                StoredAs::Inline => Metric::StoredInline,
                StoredAs::ClaimCheck => Metric::StoredClaimCheck,
                StoredAs::Undelivered => Metric::StoredUndelivered,
            };
            line.count(metric);
            if stored_as == StoredAs::Undelivered {
                line.by_version(metric);
            }
            line.set(KIND, kind.label());
            line.count(Metric::Stored);
        }
        if let Some(rejection) = self.rejection {
            line.set(REASON, rejection.label());
            line.count(Metric::Rejected);
            // Not the others: anybody can cause those, and each reason is one more metric for each version.
            if rejection.is_ours() {
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
        for (metric, duration) in &self.durations {
            line.measure(*metric, metric.time(*duration));
        }
        if self.deployment_check {
            line.set("deploymentCheck", true);
            return line.finish_without_metrics(function);
        }
        line.finish(function, now)
    }
}

fn is_about_the_signature(rejection: Rejection) -> bool {
    match rejection {
        Rejection::SignatureMissing | Rejection::SignatureMalformed | Rejection::SignatureWrong | Rejection::NoKeys => {
            true
        }
        Rejection::NotHttp
        | Rejection::NotBase64
        | Rejection::SourceNotAllowed
        | Rejection::NotStored
        | Rejection::Fault => false,
    }
}
