//! The log: one JSON object a line, on standard output, which is also where CloudWatch takes the metrics from.
//!
//! Lambda reads `level` and `timestamp` of a line; CloudWatch reads `_aws`, its embedded metric format. A line is put
//! together from named fields and from nothing else, and the program has no other way to log: the SDK's and the runtime's
//! own traces, which quote what they carry, go nowhere but through [`runtime_log`](crate::runtime_log).

use std::{io::Write, time::SystemTime};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    message::rfc3339,
    metric::{FUNCTION_NAME, Metric, NAMESPACE, Unit},
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

/// A line in the making.
pub struct Line {
    fields: Map<String, Value>,
    metrics: Vec<Metric>,
}

impl Line {
    /// Starts a line; the message is constant text, the data goes into fields.
    pub fn new(level: Level, message: &'static str, now: SystemTime) -> Self {
        let mut line = Self { fields: Map::new(), metrics: Vec::new() };
        line.set("timestamp", rfc3339(now));
        line.set("level", level.as_str());
        line.set("message", message);
        line
    }

    pub fn set(&mut self, name: &str, value: impl Serialize) {
        // Only a map with keys that are no strings cannot be a value; nothing here is one.
        self.fields.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    pub fn set_some(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Notes a metric's value, once for each metric. Its further dimensions are fields of the same name.
    pub fn measure(&mut self, metric: Metric, value: impl Serialize) {
        self.set(metric.name(), value);
        self.metrics.push(metric);
    }

    /// The line, with its metrics for the function of this name.
    pub fn finish(mut self, function_name: &str, now: SystemTime) -> Value {
        self.set(FUNCTION_NAME, function_name);
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let directives = directives(&self.metrics);
        self.set("_aws", json!({ "Timestamp": millis, "CloudWatchMetrics": directives }));
        Value::Object(self.fields)
    }
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

fn directives(metrics: &[Metric]) -> Vec<Directive> {
    let mut directives: Vec<Directive> = Vec::new();
    for metric in metrics {
        let definition = Definition { name: metric.name(), unit: metric.unit() };
        match directives.iter_mut().find(|directive| directive.dimensions == metric.dimensions()) {
            Some(directive) => directive.metrics.push(definition),
            None => directives.push(Directive {
                namespace: NAMESPACE,
                dimensions: metric.dimensions(),
                metrics: vec![definition],
            }),
        }
    }
    directives
}

/// A line that is about no callback: constant text, and fields that hold no data of the bank's.
pub fn notice(level: Level, message: &'static str, fields: &[(&str, Value)]) -> Value {
    let mut line = Line::new(level, message, SystemTime::now());
    for (name, value) in fields {
        line.set(name, value);
    }
    Value::Object(line.fields)
}

/// Writes a line. A log that cannot be written to is no reason to lose a callback.
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
