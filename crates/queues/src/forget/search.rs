//! The shared state of a search.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{
    super::{connection::Connection, peek::printable},
    stop::Stop,
    wanted::Wanted,
};

/// What every part of a search needs.
pub struct Search {
    pub connection: Connection,
    pub bucket: String,
    pub wanted: Wanted,
    pub delete: bool,
    pub holding: Holding,
    pub stop: Stop,
    pub bar: ProgressBar,
}

/// How the search holds messages.
#[derive(Clone, Copy)]
pub struct Holding {
    /// How long SQS hides a message. The search gives it back earlier, unless the program is killed.
    pub hidden_seconds: i32,
    /// After this time, the search hides its messages for `hidden_seconds` again.
    pub extend_after: Duration,
    /// How many messages of one queue to hold. SQS's limit is 120,000 in flight, and consumers need some of them.
    pub limit: usize,
}

impl Default for Holding {
    fn default() -> Self {
        // The time between the two is enough to hide all messages again, at 300 a second.
        Self { hidden_seconds: 600, extend_after: Duration::from_secs(200), limit: 100_000 }
    }
}

impl Search {
    /// Makes a key or DeliveryId safe to print.
    pub fn printable_name(&self, text: &str) -> String {
        printable(&self.wanted.redact_name(text))
    }

    pub fn object_text(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.printable_name(key))
    }

    pub fn object_json(&self, key: &str) -> Value {
        json!({ "bucket": self.bucket, "key": self.wanted.redact_name(key) })
    }
}
