//! The arguments of `cargo dev send`.

use std::num::NonZeroU32;

use super::size;
use crate::{
    doctor::{EncodingName, SchemeName},
    payload::PayloadKind,
    secret::SecretArguments,
};

/// The URL that `cargo dev up` serves by default.
const LOCAL_RECEIVER: &str = "http://127.0.0.1:8080/webhooks/flinks";

/// Send signed callbacks, as Flinks does, to a receiver: the local one or a deployed one.
///
/// The payloads are made up: no person, address or account in them exists. They have the shapes that Flinks publishes.
/// Where a shape is a guess, the list of kinds says GUESS. Two guesses apply to all kinds, because Flinks does not
/// publish them: the header Content-Type (application/json; charset=utf-8), and the time limit for a response (60
/// seconds).
///
/// Only a response with status 200 counts as delivered. For Flinks, 201, 202 and 204 are failures too.
///
/// Exit codes: 0 if every callback was delivered, or with --tamper if every one was rejected (401). 1 if one was not. 2
/// if the command could not send as asked.
#[derive(clap::Args, Clone, Debug)]
pub struct SendArguments {
    /// What to send.
    #[arg(value_enum)]
    pub(super) kind: PayloadKind,
    /// The receiver's URL. For a deployed stack, it is the output WebhookUrl.
    #[arg(long, value_name = "URL", default_value = LOCAL_RECEIVER)]
    pub(super) to: String,
    /// Maximum length of each payload, such as 900kB, 1.5MB or 300KiB. The payload gets as many list items as fit.
    /// Default: a few items. Not for investments and pay, whose payloads have no list.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) size: Option<usize>,
    /// The payload's Tag. Not for pay.
    #[arg(long)]
    pub(super) tag: Option<String>,
    /// The payload's Login.Id, which Flinks calls LoginId. Not for pay.
    #[arg(long, value_name = "ID")]
    pub(super) login_id: Option<String>,
    /// How many callbacks to send. Each has a different payload.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: u64,
    /// New callbacks a second. Retries do not count. Default: as fast as the responses come.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// How many callbacks may wait for a response at the same time. Each holds one payload in memory.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) concurrency: u16,
    /// Which encoding of the payload to sign. Flinks' pages describe both.
    #[arg(long = "form", value_enum, default_value = "raw")]
    pub(super) encoding: EncodingName,
    /// Sign with this scheme. Default: the one that Flinks uses for the kind.
    #[arg(long, value_enum)]
    pub(super) scheme: Option<SchemeName>,
    /// Send forgeries: each callback carries the signature of another body. The receiver must reject them with 401. The
    /// exit code is 0 if it rejected all of them. It is 1 if one was accepted, or was neither accepted nor rejected (no
    /// response, 403, 429, 503).
    #[arg(long)]
    pub(super) tamper: bool,
    /// Send the same payloads as the run that printed this seed.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Retry as Flinks does: up to 10 attempts, 30 minutes apart, until one gets a 200. Pay callbacks get only one
    /// attempt. Default: one attempt for each callback.
    #[arg(long)]
    pub(super) retry: bool,
    /// Shorten the 30 minutes by this factor: 1800 makes them one second.
    #[arg(long, value_name = "TIMES", default_value = "1", requires = "retry")]
    pub(super) clock_speed: NonZeroU32,
    #[command(flatten)]
    pub(super) secret: SecretArguments,
}

fn rate(argument: &str) -> Result<f64, String> {
    /// A lower rate pauses for days. A higher one pauses for less than a clock can measure.
    const LEGAL: std::ops::RangeInclusive<f64> = 1e-5..=1e6;
    let rate = argument.parse().ok().filter(|rate| LEGAL.contains(rate));
    rate.ok_or_else(|| "give a number of callbacks a second, such as 50 or 0.5".to_owned())
}
