//! The results of a run: responses by status, latencies, throughput.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::client::Attempt;
use crate::failure::Failure;

/// The results of a run. Their size is constant, however long the run is.
#[derive(Clone)]
pub struct Tally {
    count: u64,
    attempts: u64,
    delivered: u64,
    /// Callbacks whose last response was a 401.
    rejected: u64,
    /// Payload bytes of all attempts.
    bytes: u64,
    responses: BTreeMap<u16, Responses>,
    /// Attempts without a response, by reason.
    without_response: BTreeMap<String, u64>,
    /// Latencies of attempts with a response, in microseconds.
    latencies: Histogram<u64>,
    started: Instant,
    took: Duration,
    interrupted: bool,
}

#[derive(Clone, Default)]
struct Responses {
    count: u64,
    /// The start of the first response's body.
    example: String,
}

impl Tally {
    /// Starts the clock for `count` callbacks.
    ///
    /// # Errors
    /// Never, because the histogram's bounds are legal.
    pub fn start(count: u64) -> Result<Self, Failure> {
        /// Two minutes in microseconds, which is longer than any timeout.
        const MAX_LATENCY: u64 = 120_000_000;
        const SIGNIFICANT_DIGITS: u8 = 3;
        let latencies = Histogram::new_with_bounds(1, MAX_LATENCY, SIGNIFICANT_DIGITS)
            .map_err(|error| Failure::usage(format!("no histogram: {error}")))?;
        Ok(Self {
            count,
            attempts: 0,
            delivered: 0,
            rejected: 0,
            bytes: 0,
            responses: BTreeMap::new(),
            without_response: BTreeMap::new(),
            latencies,
            started: Instant::now(),
            took: Duration::ZERO,
            interrupted: false,
        })
    }

    /// Counts an attempt with a payload of `bytes` bytes.
    pub fn add(&mut self, bytes: usize, attempt: &Attempt) {
        self.attempts += 1;
        self.bytes += bytes as u64;
        match &attempt.outcome {
            Ok(response) => {
                self.delivered += u64::from(response.status == DELIVERED);
                self.latencies.saturating_record(u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX));
                let responses = self.responses.entry(response.status).or_default();
                if responses.count == 0 {
                    responses.example = example(&response.body);
                }
                responses.count += 1;
            }
            Err(why) => *self.without_response.entry(why.to_string()).or_default() += 1,
        }
    }

    /// Stops the clock.
    pub fn end(&mut self, interrupted: bool) {
        self.took = self.started.elapsed();
        self.interrupted = interrupted;
    }

    /// Records the status of a callback's last response, if there was one.
    pub fn end_callback(&mut self, status: Option<u16>) {
        self.rejected += u64::from(status == Some(UNAUTHORIZED));
    }

    /// How many callbacks got a 200.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Checks that every callback was delivered, or that every tampered callback was rejected.
    ///
    /// # Errors
    /// If one was not. The error has the count.
    pub fn verdict(&self, tampered: bool) -> Result<(), Failure> {
        if tampered { self.all_rejected() } else { self.all_delivered() }
    }

    fn all_delivered(&self) -> Result<(), Failure> {
        let (count, missing) = (self.count, self.count - self.delivered);
        if missing == 0 {
            return Ok(());
        }
        let why = if self.interrupted {
            "interrupted"
        } else if self.responses.contains_key(&UNAUTHORIZED) {
            "a 401 means that the signature does not match. Is this the receiver's secret?"
        } else {
            "only a response with status 200 counts"
        };
        Err(Failure::reported(format!("{missing} of {count} not delivered: {why}")))
    }

    fn all_rejected(&self) -> Result<(), Failure> {
        let Self { count, delivered, rejected, .. } = self;
        if *delivered > 0 {
            return Err(Failure::reported(format!(
                "{delivered} of {count} forgeries accepted: the receiver responded 200"
            )));
        }
        if rejected == count {
            return Ok(());
        }
        let why = if self.interrupted { "interrupted" } else { "only a response with status 401 rejects a signature" };
        Err(Failure::reported(format!("{} of {count} forgeries not rejected: {why}", count - rejected)))
    }

    /// The results, for a script.
    pub fn json(&self) -> Value {
        let responses = self.responses.iter().map(
            |(status, Responses { count, example })| json!({ "status": status, "count": count, "example": example }),
        );
        let without_response = self.without_response.iter().map(|(why, count)| json!({ "why": why, "count": count }));
        let latencies = self.percentiles().map(|(name, micros)| (name.to_owned(), json!(milliseconds(micros))));
        json!({
            "count": self.count,
            "delivered": self.delivered,
            "notDelivered": self.count - self.delivered,
            "rejected": self.rejected,
            "interrupted": self.interrupted,
            "attempts": self.attempts,
            "payloadBytes": self.bytes,
            "seconds": self.took.as_secs_f64(),
            "attemptsPerSecond": self.per_second(),
            "responses": responses.collect::<Vec<_>>(),
            "withoutResponse": without_response.collect::<Vec<_>>(),
            "latencyMs": serde_json::Map::from_iter(latencies),
        })
    }

    /// The name and the microseconds of each percentile.
    fn percentiles(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let percentiles = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];
        let percentiles = percentiles.map(|(name, percentile)| (name, self.latencies.value_at_percentile(percentile)));
        percentiles.into_iter().filter(|_| !self.latencies.is_empty())
    }

    fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let attempts = self.attempts as f64;
        attempts / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// The only status that counts as delivered for Flinks.
pub const DELIVERED: u16 = 200;

/// The receiver's status for a rejected signature.
const UNAUTHORIZED: u16 = 401;

/// The start of a response's body, without control characters, which could act on a terminal.
fn example(body: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn milliseconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1000.0
}

/// A table for a person.
impl Display for Tally {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter)?;
        writeln!(formatter, "  delivered   {} of {}, in {} attempts", self.delivered, self.count, self.attempts)?;
        for (status, Responses { count, example }) in &self.responses {
            writeln!(formatter, "  {status:<11} {count:<9} {example}")?;
        }
        for (why, count) in &self.without_response {
            writeln!(formatter, "  no response {count:<9} {why}")?;
        }
        let (seconds, per_second) = (self.took.as_secs_f64(), self.per_second());
        write!(formatter, "  time        {seconds:.2} s, {per_second:.0} attempts a second, ")?;
        writeln!(formatter, "{} of payloads", ByteSize(self.bytes).display().si())?;
        write!(formatter, "  latency    ")?;
        for (name, micros) in self.percentiles() {
            write!(formatter, " {name} {:.1} ms ", milliseconds(micros))?;
        }
        Ok(())
    }
}
