//! What operators see: one log line for each callback and for each run of the redelivery, which is also their metrics.
//! Everything is written from what the stages return.

mod log;
pub mod metric;
mod notices;
mod record;
mod redelivery;
pub mod runtime;

pub use log::{FinishedLine, Level, Line, silence_panics};
pub use metric::Metric;
pub use notices::{log_configuration_problems, log_ignored_response_types, log_prefetch};
pub use record::Record;
pub use redelivery::redelivery_line;
