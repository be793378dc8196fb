//! The log: one JSON object a line, on standard output, which is also where CloudWatch takes the metrics from.
//!
//! Lambda reads `level` and `timestamp` of a line; CloudWatch reads `_aws`, its embedded metric format. A line is put
//! together from named fields and from nothing else, and the program has no other way to log: the SDK's and the runtime's
//! own traces, which quote what they carry, go nowhere but through [`runtime_log`](crate::runtime_log).

use std::{io::Write, time::SystemTime};

use serde::Serialize;
use serde_json::Value;

use crate::{
    config::LambdaFunction,
    message::rfc3339,
    metric::{FUNCTION_NAME, FUNCTION_VERSION, Metric, NAMESPACE, Unit},
};

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

/// A line in the making: written as it comes, each field once.
pub struct Line {
    json: Vec<u8>,
    /// Each with the dimensions that it is published by.
    metrics: Vec<(Metric, &'static [&'static [&'static str]])>,
}

/// A line that is ready to be written, its line break included.
pub struct Entry(Vec<u8>);

impl Entry {
    /// The line as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Line {
    /// Starts a line; the message is constant text, the data goes into fields.
    pub fn new(level: Level, message: &'static str, now: SystemTime) -> Self {
        /// A callback's line takes less.
        const USUAL_BYTES: usize = 2_048;
        let mut line = Self { json: Vec::with_capacity(USUAL_BYTES), metrics: Vec::new() };
        line.set("timestamp", rfc3339(now));
        line.set("level", level.as_str());
        line.set("message", message);
        line
    }

    pub fn set(&mut self, name: &'static str, value: impl Serialize) {
        self.json.push(if self.json.is_empty() { b'{' } else { b',' });
        // Only a map with keys that are no strings cannot be written; nothing here is one.
        let _ = serde_json::to_writer(&mut self.json, name);
        self.json.push(b':');
        let _ = serde_json::to_writer(&mut self.json, &value);
    }

    pub fn set_some(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Notes a metric's value, once for each metric. Its further dimensions are fields of the same name.
    pub fn measure(&mut self, metric: Metric, value: impl Serialize) {
        self.set(metric.name(), value);
        self.metrics.push((metric, metric.dimensions()));
    }

    /// Publishes a metric that is measured already by the function's version too.
    pub fn by_version(&mut self, metric: Metric) {
        self.metrics.push((metric, metric.dimensions_by_version()));
    }

    /// The line, with the function's metrics.
    pub fn finish(mut self, function: &LambdaFunction, now: SystemTime) -> Entry {
        self.name(function);
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let metadata = Metadata {
            timestamp: u64::try_from(millis).unwrap_or(u64::MAX),
            cloud_watch_metrics: directives(&self.metrics),
        };
        self.set("_aws", metadata);
        self.end()
    }

    /// The line as a log line alone: what was measured stands in it and counts nowhere.
    pub fn finish_unmeasured(mut self, function: &LambdaFunction) -> Entry {
        self.name(function);
        self.end()
    }

    fn name(&mut self, function: &LambdaFunction) {
        self.set(FUNCTION_NAME, &function.name);
        self.set(FUNCTION_VERSION, &function.version);
    }

    fn end(mut self) -> Entry {
        self.json.extend_from_slice(b"}\n");
        Entry(self.json)
    }
}

/// What CloudWatch is told of a line's metrics.
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

/// A line that is about no callback: constant text, and fields that hold no data of the bank's.
pub fn notice(level: Level, message: &'static str, fields: &[(&'static str, Value)]) -> Entry {
    let mut line = Line::new(level, message, SystemTime::now());
    for (name, value) in fields {
        line.set(name, value);
    }
    line.end()
}

/// Writes a line. A log that cannot be written to is no reason to lose a callback.
pub fn write(line: &Entry) {
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// Keeps a panic's message, which may quote what was being worked on, out of the log.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        write(&notice(Level::Error, "a fault of the program", &[("place", place.into())]));
    }));
}
