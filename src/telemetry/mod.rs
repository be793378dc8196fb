//! What operators see: one log line for each callback, for each run of the redelivery, for each batch of the fan-out and
//! for each message of the recovery, which is also their metrics. Everything is written from what the stages return.

#[cfg(feature = "fan-out")]
mod fan_out;
mod log;
pub mod metric;
mod notices;
mod record;
#[cfg(feature = "recovery")]
mod recovery;
mod redelivery;
pub mod runtime;

#[cfg(feature = "fan-out")]
pub use fan_out::fan_out_line;
pub use log::{FinishedLine, Level, Line, silence_panics};
pub use metric::Metric;
pub use notices::{log_configuration_problems, log_ignored_response_types, log_prefetch};
pub use record::Record;
#[cfg(feature = "recovery")]
pub use recovery::recovery_line;
pub use redelivery::redelivery_line;
