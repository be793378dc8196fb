//! What became of the callbacks: answers by status, latencies, throughput.

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

/// Figures of a run. Of constant size, however long the run.
#[derive(Clone)]
pub struct Tally {
    count: u64,
    attempts: u64,
    delivered: u64,
    /// Callbacks whose last answer was 401.
    rejected: u64,
    /// Of the payloads alone, each attempt counted.
    bytes: u64,
    answers: BTreeMap<u16, Answers>,
    unanswered: BTreeMap<String, u64>,
    /// Of answered attempts, in microseconds.
    latencies: Histogram<u64>,
    started: Instant,
    took: Duration,
    interrupted: bool,
}

#[derive(Clone, Default)]
struct Answers {
    count: u64,
    /// The body of the first.
    example: String,
}

impl Tally {
    /// Starts the clock for so many callbacks.
    ///
    /// # Errors
    /// Never, as long as the histogram's bounds are legal.
    pub fn start(count: u64) -> Result<Self, Failure> {
        /// In microseconds: two minutes, above any timeout.
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
            answers: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            latencies,
            started: Instant::now(),
            took: Duration::ZERO,
            interrupted: false,
        })
    }

    /// Counts an attempt with a payload of so many bytes.
    pub fn add(&mut self, bytes: usize, attempt: &Attempt) {
        self.attempts += 1;
        self.bytes += bytes as u64;
        match &attempt.outcome {
            Ok(answer) => {
                self.delivered += u64::from(answer.status == DELIVERED);
                self.latencies.saturating_record(u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX));
                let answers = self.answers.entry(answer.status).or_default();
                if answers.count == 0 {
                    answers.example = example(&answer.body);
                }
                answers.count += 1;
            }
            Err(why) => *self.unanswered.entry(why.to_string()).or_default() += 1,
        }
    }

    /// Stops the clock.
    pub fn end(&mut self, interrupted: bool) {
        self.took = self.started.elapsed();
        self.interrupted = interrupted;
    }

    /// Notes the last answer of a callback, if there was one.
    pub fn end_callback(&mut self, status: Option<u16>) {
        self.rejected += u64::from(status == Some(UNAUTHORIZED));
    }

    /// How many were answered 200.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether all was delivered; of tampered callbacks, whether all were rejected.
    ///
    /// # Errors
    /// When it was not so, with the count.
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
        } else if self.answers.contains_key(&UNAUTHORIZED) {
            "401 is for a signature that does not match; is the secret the receiver's own?"
        } else {
            "only an answer of 200 counts"
        };
        Err(Failure::reported(format!("{missing} of {count} not delivered: {why}")))
    }

    fn all_rejected(&self) -> Result<(), Failure> {
        let Self { count, delivered, rejected, .. } = self;
        if *delivered > 0 {
            return Err(Failure::reported(format!(
                "{delivered} of {count} forgeries accepted: the receiver answered 200"
            )));
        }
        if rejected == count {
            return Ok(());
        }
        let why = if self.interrupted { "interrupted" } else { "only an answer of 401 rejects a signature" };
        Err(Failure::reported(format!("{} of {count} forgeries not rejected: {why}", count - rejected)))
    }

    /// The figures, for a script.
    pub fn json(&self) -> Value {
        let answers = self.answers.iter().map(
            |(status, Answers { count, example })| json!({ "status": status, "count": count, "example": example }),
        );
        let unanswered = self.unanswered.iter().map(|(why, count)| json!({ "why": why, "count": count }));
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
            "answers": answers.collect::<Vec<_>>(),
            "unanswered": unanswered.collect::<Vec<_>>(),
            "latencyMs": serde_json::Map::from_iter(latencies),
        })
    }

    /// Name and microseconds.
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

/// The receiver's status for a signature that it does not accept.
const UNAUTHORIZED: u16 = 401;

/// The start of an answer's body, without characters that would do something to a terminal.
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
        for (status, Answers { count, example }) in &self.answers {
            writeln!(formatter, "  {status:<11} {count:<9} {example}")?;
        }
        for (why, count) in &self.unanswered {
            writeln!(formatter, "  no answer   {count:<9} {why}")?;
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
