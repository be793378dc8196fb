//! What `cargo dev send` can be asked for.

use std::num::NonZeroU32;

use super::size;
use crate::{
    doctor::{EncodingName, SchemeName},
    payload::PayloadKind,
    secret::SecretArguments,
};

/// What `cargo dev up` serves.
const LOCAL_RECEIVER: &str = "http://127.0.0.1:8080/webhooks/flinks";

/// Send signed callbacks, as Flinks does, to a receiver: the local one or a deployed one.
///
/// The payloads are made up: no person, address or account in them exists. They have the shapes that Flinks publishes;
/// what is a guess is marked as GUESS at its kind. Two guesses are the same for all: the header Content-Type
/// (application/json; charset=utf-8), which Flinks does not publish, and how long an answer may take (60 seconds).
///
/// Delivered is what was answered 200, and nothing else: for Flinks 201, 202 and 204 are failures too.
///
/// Exit codes: 0 all was delivered, or with --tamper all was rejected (401); 1 something was not; 2 it could not be
/// sent as asked.
#[derive(clap::Args, Clone, Debug)]
pub struct SendArguments {
    /// What to send.
    #[arg(value_enum)]
    pub(super) kind: PayloadKind,
    /// Where to: the receiver's URL (WebhookUrl, among the outputs of a deployed stack).
    #[arg(long, value_name = "URL", default_value = LOCAL_RECEIVER)]
    pub(super) to: String,
    /// Length of each payload, such as 900kB, 1.5MB or 300KiB: to that, less at most one more item of its list.
    /// Otherwise a few items. Not for investments and pay, whose shapes have no list.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) size: Option<usize>,
    /// The payload's Tag. Not for pay.
    #[arg(long)]
    pub(super) tag: Option<String>,
    /// The payload's Login.Id, which Flinks calls LoginId. Not for pay.
    #[arg(long, value_name = "ID")]
    pub(super) login_id: Option<String>,
    /// How many, each another payload.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: u64,
    /// First attempts a second; otherwise as fast as they are answered.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// How many wait for an answer at the same time. Memory: each holds one payload.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) concurrency: u16,
    /// What is signed: the raw bytes, or the text with ? for what is not ASCII. Flinks' pages say both.
    #[arg(long, value_enum, default_value = "raw")]
    pub(super) form: EncodingName,
    /// Sign with this scheme; otherwise with the one that Flinks uses for the kind.
    #[arg(long, value_enum)]
    pub(super) scheme: Option<SchemeName>,
    /// Put the signature of something else on each. A receiver must reject that with 401: when all were, the exit code
    /// is 0. It is 1 when one was accepted, or was neither accepted nor rejected (no answer, 403, 429, 503).
    #[arg(long)]
    pub(super) tamper: bool,
    /// Send the same payloads as the run that printed this seed.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Try again as Flinks does: 10 attempts 30 minutes apart until one is answered 200; for pay only one. Without it,
    /// one attempt each.
    #[arg(long)]
    pub(super) retry: bool,
    /// Let the 30 minutes pass so many times faster: 1800 makes them a second.
    #[arg(long, value_name = "TIMES", default_value = "1", requires = "retry")]
    pub(super) clock_speed: NonZeroU32,
    #[command(flatten)]
    pub(super) secret: SecretArguments,
}

fn rate(argument: &str) -> Result<f64, String> {
    /// Below it the pause is of days, above it shorter than any clock measures.
    const LEGAL: std::ops::RangeInclusive<f64> = 1e-5..=1e6;
    let rate = argument.parse().ok().filter(|rate| LEGAL.contains(rate));
    rate.ok_or_else(|| "give callbacks a second, such as 50 or 0.5".to_owned())
}
