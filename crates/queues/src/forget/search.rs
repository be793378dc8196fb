//! What every part of a search needs.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{
    super::{connection::Connection, peek::printable},
    stop::Stop,
    wanted::Wanted,
};

/// What a search needs in all its parts.
pub struct Search {
    pub connection: Connection,
    pub bucket: String,
    pub wanted: Wanted,
    pub delete: bool,
    pub holding: Holding,
    pub stop: Stop,
    pub bar: ProgressBar,
}

/// How messages are held.
#[derive(Clone, Copy)]
pub struct Holding {
    /// Out of sight for so long. They are given back before; this is for when the program is killed.
    pub hidden_seconds: i32,
    /// After so long, held for as long again.
    pub again_after: Duration,
    /// No more of one queue: SQS has 120,000 in flight at most, and consumers need some of them.
    pub most: usize,
}

impl Default for Holding {
    fn default() -> Self {
        // Between the two is time to hold the most there can be again, at 300 a second.
        Self { hidden_seconds: 600, again_after: Duration::from_secs(200), most: 100_000 }
    }
}

impl Search {
    /// A key or DeliveryId as it may be printed.
    pub fn shown(&self, text: &str) -> String {
        printable(&self.wanted.hidden_in_name(text))
    }

    pub fn object_text(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.shown(key))
    }

    pub fn object_json(&self, key: &str) -> Value {
        json!({ "bucket": self.bucket, "key": self.wanted.hidden_in_name(key) })
    }
}
