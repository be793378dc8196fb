//! What is told of a callback: one JSON line for the log that is also its metrics, and nothing of the bank's.
//!
//! The line is CloudWatch's embedded metric format; Lambda reads `level` and `timestamp` of it. It is put together from
//! the fields below and from nothing else, and the program has no other way to log: the SDK's and the runtime's own
//! traces, which quote what they carry, go nowhere but through [`runtime_log`](crate::runtime_log).

use std::{
    io::Write,
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{answer::Rejection, aws_error::AwsError, kind::Kind, message::rfc3339, signature::Form, storage::StoredAs};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "FlinksWebhooks";

/// What happened to one callback.
#[derive(Default)]
pub struct Record {
    /// Lambda's id of the invocation.
    pub request_id: String,
    pub gateway_request_id: Option<String>,
    /// Length of the body, once it is known.
    pub body_bytes: Option<usize>,
    pub form: Option<Form>,
    pub kind: Option<Kind>,
    pub delivery_id: Option<String>,
    pub stored_as: Option<StoredAs>,
    pub rejection: Option<Rejection>,
    pub keys: KeyFetches,
    /// Calls to AWS that failed, also those that something else made up for.
    pub failures: Vec<AwsError>,
    /// Each step's name as a metric, and how long it took.
    pub steps: Vec<(&'static str, Duration)>,
}

/// How often the keys were fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFetches {
    pub refreshes: u32,
    pub failures: u32,
}

/// How bad a line is, in Lambda's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl Record {
    /// Notes the time since `since` as the duration of a step.
    pub fn step(&mut self, name: &'static str, since: Instant) {
        self.steps.push((name, since.elapsed()));
    }

    /// A refusal is the sender's fault, and an open door has many of them: it is no error. An error is a callback that
    /// is not on its queue; a warning is one that is, and something went wrong on the way.
    fn level(&self) -> Level {
        match (self.rejection, self.stored_as) {
            (Some(Rejection::NoKeys | Rejection::NotStored | Rejection::Fault), _) | (_, Some(StoredAs::Spilled)) => {
                Level::Error
            }
            _ if !self.failures.is_empty() || self.kind == Some(Kind::Unclassified) => Level::Warn,
            _ => Level::Info,
        }
    }

    fn message(&self) -> &'static str {
        match (self.rejection, self.stored_as) {
            (None, Some(_)) => "callback stored",
            _ => "callback not stored",
        }
    }

    /// The line, with the metrics of the function of this name.
    pub fn line(&self, function_name: &str, now: SystemTime) -> Value {
        let mut line = Line::new(self.level(), self.message(), now);
        line.set("requestId", &self.request_id);
        line.set_some("gatewayRequestId", self.gateway_request_id.as_ref());
        line.set_some("deliveryId", self.delivery_id.as_ref());
        line.set_some("queue", self.kind.map(Kind::queue));
        line.set_some("storedAs", self.stored_as.map(StoredAs::label));
        line.set_some("signatureForm", self.form.map(Form::as_str));
        if !self.failures.is_empty() {
            line.set("awsFailures", &self.failures);
        }

        let mut all = Metrics::by(&["FunctionName"]);
        line.set("FunctionName", function_name);
        all.count(&mut line, "Received", 1);
        if let Some(bytes) = self.body_bytes {
            all.add(&mut line, "BodyBytes", "Bytes", bytes);
        }
        if let Some(form) = self.form {
            let name = match form {
                Form::Raw => "SignedRaw",
                Form::Ascii => "SignedAscii",
                Form::Pay => "SignedPay",
            };
            all.count(&mut line, name, 1);
        }
        if let Some(how) = self.stored_as {
            let name = match how {
                StoredAs::Inline => "StoredInline",
                StoredAs::ClaimCheck => "StoredClaimCheck",
                StoredAs::Spilled => "StoredSpilled",
            };
            all.count(&mut line, name, 1);
        }
        if self.keys.refreshes > 0 {
            all.count(&mut line, "KeyRefreshes", self.keys.refreshes);
            all.count(&mut line, "KeyRefreshFailures", self.keys.failures);
        }
        for (step, duration) in &self.steps {
            all.add(&mut line, step, "Milliseconds", milliseconds(*duration));
        }

        let mut directives = vec![all];
        if let (Some(kind), Some(_)) = (self.kind, self.stored_as) {
            let mut by_kind = Metrics::by(&["FunctionName", "Kind"]);
            line.set("Kind", kind.label());
            by_kind.count(&mut line, "Stored", 1);
            directives.push(by_kind);
        }
        if let Some(rejection) = self.rejection {
            let mut by_reason = Metrics::by(&["FunctionName", "Reason"]);
            line.set("Reason", rejection.label());
            by_reason.count(&mut line, "Rejected", 1);
            directives.push(by_reason);
        }
        line.with_metrics(&directives, now)
    }
}

/// A log line in the making.
struct Line(Map<String, Value>);

impl Line {
    fn new(level: Level, message: &'static str, now: SystemTime) -> Self {
        let mut line = Self(Map::new());
        line.set("timestamp", rfc3339(now));
        line.set("level", level.as_str());
        line.set("message", message);
        line
    }

    fn set(&mut self, name: &str, value: impl Serialize) {
        // Only a map with keys that are no strings cannot be a value; nothing here is one.
        self.0.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    fn set_some(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn with_metrics(mut self, directives: &[Metrics], now: SystemTime) -> Value {
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.set("_aws", json!({ "Timestamp": millis, "CloudWatchMetrics": directives }));
        Value::Object(self.0)
    }
}

/// One directive of the embedded metric format: some metrics, by some dimensions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 1],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Metrics {
    fn by(dimensions: &'static [&'static str]) -> Self {
        Self { namespace: NAMESPACE, dimensions: [dimensions], metrics: Vec::new() }
    }

    fn add(&mut self, line: &mut Line, name: &'static str, unit: &'static str, value: impl Serialize) {
        line.set(name, value);
        self.metrics.push(Metric { name, unit });
    }

    fn count(&mut self, line: &mut Line, name: &'static str, value: u32) {
        self.add(line, name, "Count", value);
    }
}

/// To the microsecond, which is more than the clock is good for.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// A line that is about no callback: constant text, and fields that hold no data of the bank's.
pub fn notice(level: Level, message: &'static str, fields: &[(&str, Value)]) -> Value {
    let mut line = Line::new(level, message, SystemTime::now());
    for (name, value) in fields {
        line.set(name, value);
    }
    Value::Object(line.0)
}

/// Writes a line to the log. A log that cannot be written to is no reason to lose a callback.
pub fn write(line: &Value) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

/// Keeps a panic's message, which may quote what was being worked on, out of the log.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        write(&notice(Level::Error, "a fault of the program", &[("place", place.into())]));
    }));
}
