//! The Lambda runtime's own warnings and errors, as lines of this log.
//!
//! Without a subscriber the runtime writes its traces to standard error. With this one, each warning and error becomes
//! a line with the place in the runtime and, if the Lambda Runtime API responded, the status. No other field is taken:
//! some quote the event.

use std::fmt;

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::{SetGlobalDefaultError, set_global_default},
};

use super::log::{self, Line, SourcePlace};

/// Logs the runtime's warnings and errors from now on.
///
/// # Errors
/// If the process already has a subscriber.
pub fn install() -> Result<(), SetGlobalDefaultError> {
    set_global_default(RuntimeLog)
}

struct RuntimeLog;

impl Subscriber for RuntimeLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("lambda_runtime")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut status = Status(None);
        event.record(&mut status);
        let metadata = event.metadata();
        let mut line = Line::notice(log::Level::Error, "the Lambda runtime reported a warning or an error").with(
            "place",
            SourcePlace { file: metadata.file().unwrap_or_default(), line: metadata.line().unwrap_or_default() },
        );
        line.set_some("status", status.0);
        line.end().write();
    }

    // Spans are ignored, because the only field of interest, the status, is never in a span.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The one field that is taken: the HTTP status.
struct Status(Option<u16>);

impl Visit for Status {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "status" {
            self.0 = format!("{value:?}").get(..3).and_then(|digits| digits.parse().ok());
        }
    }
}
