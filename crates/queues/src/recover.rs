//! `cargo dev recover`: asks for the data of logins whose callbacks never arrived, and reports what came of it.
//!
//! A request is a message on RecoveryQueue. RecoveryFunction fetches the login's data through Flinks' API, and writes an
//! outcome object for each finished request. SQS cannot show a request that waits, because between its steps it is
//! delayed. So this command notes each request in the bucket before it sends it, and once SQS has accepted it. A
//! later run finds the notes.

mod input;
mod login;
mod outcome;
mod plan;
mod report;
mod send;
mod wait;

use std::time::{Duration, SystemTime};

use super::connection::{Connection, Target};
use flinks_dev::{failure::Failure, output::Output};
pub use login::PREFIX as RECOVERY_PREFIX;
use plan::Plan;
use report::Report;

/// Recover the data of logins whose callbacks never arrived: fetch them from Flinks and put them on
/// AccountsDetailQueue.
///
/// Without --send the command only shows what it would send. With --send it puts one request for each LoginId on
/// RecoveryQueue. RecoveryFunction, of the optional recovery stack, then fetches the data through Flinks' API and stores
/// them as if they had come in a callback. The command waits, and reports what arrived, what still waits, and what
/// failed with which FlinksCode.
///
/// Flinks returns its newest data of a login. They are not what was lost if there was a refresh since: compare the
/// LastRefresh in the report. Each recovery is a delivery of its own with a new RequestId and a new DeliveryId.
///
/// A file has one LoginId on each line, LOGIN-ID,TAG on each line (CSV), or a request in JSON on each line, such as
/// {"loginId": "…", "tag": "…"}. Empty lines and lines that start with # are ignored. A LoginId that is there several
/// times is sent once. The tag goes to Flinks, which puts it into the data. The command never prints it without
/// --show-tags.
///
/// The command can be repeated. It does not send a LoginId again whose request still waits, or whose data were recovered
/// within a day, but it reports them and waits for them. It knows the requests of earlier runs, and not those that
/// another program has sent. With --again it sends all. Ctrl-C ends the sending after at most ten further requests, or
/// the waiting.
///
/// Exit codes: 0 if all data were recovered, or without --send if the command could look. 1 if a request could not be
/// sent, failed or still waits; with --wait 0, only if one could not be sent. 2 if the command could not run as asked;
/// then nothing is sent.
#[derive(clap::Args, Debug)]
pub struct RecoverArguments {
    /// LoginIds, and files with LoginIds. - is standard input.
    #[arg(value_name = "FILE|LOGIN-ID", required = true)]
    logins: Vec<String>,
    /// Send the requests. Without this option, the command only shows what it would send.
    #[arg(long)]
    send: bool,
    /// Also send LoginIds whose request still waits, or whose data were recovered within a day.
    #[arg(long)]
    again: bool,
    /// How many minutes to wait for the outcomes. A recovery takes seconds, or up to 30 minutes if Flinks must prepare
    /// the data, and hours if Flinks or the bank is not available. With 0 the command ends after sending.
    #[arg(long, value_name = "MINUTES", default_value_t = 40)]
    wait: u32,
    /// Print the tags of the requests too.
    #[arg(long)]
    show_tags: bool,
    /// The name of the recovery stack. Only with --stack.
    #[arg(long, value_name = "NAME", default_value = "flinks-recovery")]
    recovery_stack: String,
    #[command(flatten)]
    target: Target,
}

/// Shows or sends the requests, waits for the outcomes, and prints the report.
///
/// # Errors
/// If it cannot run as asked, or not all data were recovered.
pub async fn run(arguments: &RecoverArguments, output: &Output) -> Result<(), Failure> {
    let requests = input::read(&arguments.logins)?;
    let connection = Connection::open(&arguments.target).await?;
    let place = connection.recovery(&arguments.recovery_stack).await?;
    let plan = Plan::make(&connection, &place, requests, arguments.again, SystemTime::now()).await?;
    let report = Report { output: *output, show_tags: arguments.show_tags };
    if !arguments.send {
        let queue = connection.counts(&place.queue_url).await?;
        let dead_letters = match &place.dead_letters {
            Some(dead_letters) => Some(connection.counts(&dead_letters.url).await?),
            None => None,
        };
        report.dry_run(&plan, queue, dead_letters);
        return Ok(());
    }
    let (duplicates, conflicts) = (plan.duplicates, plan.conflicts.clone());
    let (mut run, is_stopped) = send::all(&connection, &place, plan).await;
    let time_limit = Duration::from_secs(u64::from(arguments.wait) * 60);
    if !time_limit.is_zero() && !is_stopped {
        wait::for_outcomes(&connection, &place, &mut run, time_limit).await;
    }
    report.end(&run, duplicates, &conflicts, !time_limit.is_zero())
}
