//! The Lambda runtime's own reports, as lines of this log.
//!
//! Without a subscriber for its traces the runtime writes to standard error as it pleases. With this one, its warnings
//! and errors become a line each: where in the runtime it was, and the status of the runtime interface's answer if
//! there was one. Nothing else of a trace is taken, because other fields quote the event.

use std::fmt;

use serde_json::Value;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::{SetGlobalDefaultError, set_global_default},
};

use crate::log;

/// Takes the runtime's reports from now on.
///
/// # Errors
/// When the process has a subscriber already.
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
        let place = format!("{}:{}", metadata.file().unwrap_or_default(), metadata.line().unwrap_or_default());
        let fields = [("place", Value::from(place)), ("status", Value::from(status.0))];
        log::write(&log::notice(log::Level::Error, "the Lambda runtime reports a fault", &fields));
    }

    // Spans carry nothing that is wanted here.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The one field that is taken: an HTTP status.
struct Status(Option<String>);

impl Visit for Status {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "status" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}
