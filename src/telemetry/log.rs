//! The log: one JSON object a line, on standard output, which is also where CloudWatch takes the metrics from.
//!
//! Lambda reads `level` and `timestamp` of a line; CloudWatch reads `_aws`, its embedded metric format. A line consists
//! of constant text and of [`Loggable`] values; this file adds the timestamp, `_aws`, and the function's name and
//! version. The program has no other way to log: the traces of the SDK and of the Lambda runtime quote what they carry,
//! and only [`runtime`](super::runtime) takes anything from them.

use std::{io::Write, panic::Location, time::SystemTime};

use serde::{Serialize, Serializer};

use super::metric::{FUNCTION_NAME, FUNCTION_VERSION, Metric, NAMESPACE, Unit};
#[cfg(feature = "recovery")]
use crate::recovery::{Problem, ReportedCode};
use crate::{
    auth::{KeyProblem, TriedKey},
    aws_error::FailedCalls,
    config::LambdaFunction,
    delivery::{DeliveryId, ReportedKey},
    http::RequestId,
    timestamp::rfc3339,
};

/// A value that a log line may have. All types that may be logged are listed here: constant text, numbers, and types of
/// this program. `String` is not one of them. The list alone does not make a type safe: its constructors must not
/// accept bank data, a signature or a secret.
pub trait Loggable: Serialize {}

impl Loggable for &'static str {}
impl Loggable for bool {}
impl Loggable for u16 {}
impl Loggable for u32 {}
impl Loggable for u64 {}
impl Loggable for usize {}
impl Loggable for f64 {}
impl Loggable for RequestId {}
impl Loggable for DeliveryId {}
impl Loggable for ReportedKey {}
impl Loggable for FailedCalls {}
impl Loggable for KeyProblem {}
impl Loggable for TriedKey {}
impl Loggable for SourcePlace<'_> {}
#[cfg(feature = "recovery")]
impl Loggable for ReportedCode {}
#[cfg(feature = "recovery")]
impl Loggable for Problem {}
impl<T: Loggable> Loggable for &T {}
impl<T: Loggable> Loggable for [T] {}
impl<T: Loggable> Loggable for &[T] {}
impl<T: Loggable> Loggable for Vec<T> {}

/// How severe a line is, in Lambda's words.
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

/// A line that is being written. The caller sets each field once.
pub struct Line {
    json: Vec<u8>,
    /// Each with the sets of dimensions that CloudWatch publishes it by.
    metrics: Vec<(Metric, &'static [&'static [&'static str]])>,
}

/// A line that is ready to be written, its line break included.
pub struct FinishedLine(Vec<u8>);

impl FinishedLine {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writes the line. A log that cannot be written to is no reason to lose a callback.
    pub fn write(&self) {
        let _ = std::io::stdout().lock().write_all(&self.0);
    }
}

impl Line {
    /// Starts a line; the message is constant text, the data goes into fields.
    pub fn new(level: Level, message: &'static str, now: SystemTime) -> Self {
        /// The line of a callback is shorter.
        const USUAL_BYTES: usize = 2_048;
        let mut line = Self { json: Vec::with_capacity(USUAL_BYTES), metrics: Vec::new() };
        line.write_field("timestamp", rfc3339(now));
        line.set("level", level.as_str());
        line.set("message", message);
        line
    }

    /// Starts a line that is not about one callback.
    pub fn notice(level: Level, message: &'static str) -> Self {
        Self::new(level, message, SystemTime::now())
    }

    pub fn set(&mut self, name: &'static str, value: impl Loggable) {
        self.write_field(name, value);
    }

    pub fn with(mut self, name: &'static str, value: impl Loggable) -> Self {
        self.set(name, value);
        self
    }

    fn write_field(&mut self, name: &'static str, value: impl Serialize) {
        self.json.push(if self.json.is_empty() { b'{' } else { b',' });
        // Serialising fails only for a map whose keys are not strings, and no field has one.
        let _ = serde_json::to_writer(&mut self.json, name);
        self.json.push(b':');
        let _ = serde_json::to_writer(&mut self.json, &value);
    }

    pub fn set_some(&mut self, name: &'static str, value: Option<impl Loggable>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets a metric's value. Call it once for each metric. For a further dimension of the metric, such as `Kind`, the
    /// caller also sets a field with the dimension's name.
    pub fn measure(&mut self, metric: Metric, value: impl Loggable) {
        self.set(metric.name(), value);
        self.metrics.push((metric, metric.dimensions()));
    }

    /// Counts one in a metric.
    pub fn count(&mut self, metric: Metric) {
        self.measure(metric, 1_u32);
    }

    /// Publishes a metric, which must be set already, also with the function's version as a dimension.
    pub fn by_version(&mut self, metric: Metric) {
        self.metrics.push((metric, metric.dimensions_by_version()));
    }

    /// Ends the line with the function's name and version, and with its metrics.
    pub fn finish(mut self, function: &LambdaFunction, now: SystemTime) -> FinishedLine {
        self.set_function(function);
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let metadata = Metadata {
            timestamp: u64::try_from(millis).unwrap_or(u64::MAX),
            cloud_watch_metrics: directives(&self.metrics),
        };
        self.write_field("_aws", metadata);
        self.end()
    }

    /// Ends the line with the function's name and version, but without metrics: its values are only logged.
    pub fn finish_without_metrics(mut self, function: &LambdaFunction) -> FinishedLine {
        self.set_function(function);
        self.end()
    }

    fn set_function(&mut self, function: &LambdaFunction) {
        self.write_field(FUNCTION_NAME, &function.name);
        self.write_field(FUNCTION_VERSION, &function.version);
    }

    /// Ends the line without the function's name and without metrics.
    pub fn end(mut self) -> FinishedLine {
        self.json.extend_from_slice(b"}\n");
        FinishedLine(self.json)
    }
}

/// The metadata that CloudWatch reads.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    /// Milliseconds since 1970.
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive>,
}

/// One directive of the embedded metric format: metrics that have the same dimensions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

fn directives(metrics: &[(Metric, &'static [&'static [&'static str]])]) -> Vec<Directive> {
    let mut directives: Vec<Directive> = Vec::new();
    for (metric, dimensions) in metrics {
        let definition = Definition { name: metric.name(), unit: metric.unit() };
        match directives.iter_mut().find(|directive| directive.dimensions == *dimensions) {
            Some(directive) => directive.metrics.push(definition),
            None => directives.push(Directive { namespace: NAMESPACE, dimensions, metrics: vec![definition] }),
        }
    }
    directives
}

/// A place in the source code. Unlike a panic's message it quotes nothing.
pub struct SourcePlace<'p> {
    pub file: &'p str,
    pub line: u32,
}

impl Serialize for SourcePlace<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.file, self.line))
    }
}

/// Keeps a panic's message out of the log: it may quote a payload.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut line = Line::notice(Level::Error, "the program panicked");
        line.set_some(
            "place",
            panic.location().map(|at: &Location<'_>| SourcePlace { file: at.file(), line: at.line() }),
        );
        line.end().write();
    }));
}
