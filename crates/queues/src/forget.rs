//! `cargo dev forget`: deletes one person's stored data.
//!
//! Payloads move from `undelivered/` to their queue, and from there to the dead letters. A claim check's object stays
//! in the bucket. The search goes in the same order, so that it finds a payload that moves during the search.
//!
//! It deletes messages before their objects. If the program ends between the two, an object without a message is left,
//! and the next run finds it by its content. In the other order, a message without an object would be left. Its
//! consumer would fail. If no attribute had the value, no later run could tell whose message it was.

mod bucket;
mod report;
mod search;
mod stop;
mod sweep;
mod value;
mod wanted;

use std::{ffi::OsString, path::PathBuf};

use flinks_webhooks::routing::Kind;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};

use super::connection::{Connection, Queue, Target};
use bucket::Verdicts;
use flinks_dev::{failure::Failure, output::Output};
use report::Report;
use search::{Holding, Search};
use stop::Stop;
use sweep::sweep;
use wanted::{Field, Wanted};

/// Find one person's data in the queues, the dead letters and the bucket. With --delete, delete it.
///
/// LoginId, SessionId or Tag identifies the person. The command asks for the value on the terminal without showing it,
/// or reads it from standard input or --value-file. The value is never an argument, because the shell's history keeps
/// arguments and every process on the machine can read them. White space around the value is ignored. The value is
/// never printed.
///
/// What it searches: the command compares the value with the decoded JSON of each payload, so escapes do not matter
/// (\u002B is a +), and with the message attribute of the same name. The whole value must be equal. A number is
/// compared as written. If a key is there twice, either value counts. The command cannot compare a payload that is not
/// JSON or not UTF-8. It reports the place of each, so that you can look yourself.
///
/// The command reads the objects of claim checks and deletes them with their messages. It also reads objects without a
/// message. It deletes a message before its object, so that the next run finds what is left after a failure.
///
/// What it costs, also without --delete: SQS can show a message only by a receive. During the search of a queue the
/// command holds all its messages, and consumers get none of them. That takes seconds, or minutes for many thousands of
/// messages. The command gives them back at the end and at Ctrl-C. If it is killed, SQS shows them again after ten
/// minutes.
///
/// Each run counts as one of the receives (5) after which SQS moves a message to the dead letters. If the run uses the
/// last one, the command puts the message back as a new one at once. It has the same body and attributes, a new
/// MessageId and a receive count of zero. If consumers have used up all receives, the next receive moves the message to
/// the dead letters, even if this command makes that receive. Dead letters stay where they are, however often they are
/// received.
///
/// What it cannot see: messages in flight (with a consumer) and delayed messages. The command counts them, and the exit
/// code is 1: run it again when the consumers are done. On AWS these counts are approximate and about a minute late.
/// The command does not touch data that consumers or Flinks have stored.
///
/// Exit codes: 0 if the command saw everything, and with --delete deleted everything it found. 1 if it could not see,
/// read or delete something. 2 if it could not run as asked.
#[derive(clap::Args, Debug)]
pub struct ForgetArguments {
    /// Which field the value is.
    #[arg(long, value_enum, value_name = "FIELD")]
    by: Field,
    /// Read the value from this file.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Delete the person's data. Without this option, the command only shows what it would delete.
    #[arg(long)]
    delete: bool,
    #[command(flatten)]
    target: Target,
    /// Only accepted to explain, without printing it, that the value must not be an argument.
    #[arg(hide = true, value_name = "VALUE")]
    argument: Vec<OsString>,
}

/// Searches, deletes if asked to, and prints the report.
///
/// # Errors
/// If it cannot run as asked, or could not see, read or delete something.
pub async fn run(arguments: &ForgetArguments, output: &Output) -> Result<(), Failure> {
    if !arguments.argument.is_empty() {
        return Err(Failure::usage(
            "the value must not be an argument, because every process on the machine can read it: type it when asked, \
             or pass it on standard input or with --value-file FILE",
        ));
    }
    let connection = Connection::open(&arguments.target).await?;
    let queues = connection.queues(&Kind::ALL).await?;
    let bucket = connection.bucket().await?;
    let wanted = Wanted::new(arguments.by, value::read(arguments.by, arguments.value_file.as_deref())?);
    let bar = ProgressBar::new_spinner();
    // If the template is wrong, the default style will do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} seen {pos} {elapsed}") {
        bar.set_style(style);
    }
    let (delete, holding, stop) = (arguments.delete, Holding::default(), Stop::listen());
    let search = Search { connection, bucket, wanted, delete, holding, stop, bar };
    if !delete {
        output.line(
            "A dry run deletes nothing. But while it searches a queue, consumers get no messages from it, and the \
             search counts as one of each message's receives (see --help).",
        );
    }
    let report = search_all(&search, &queues).await;
    search.bar.finish_and_clear();
    report.print(&search, output)
}

/// Searches all places in the order that the module's documentation explains.
async fn search_all(search: &Search, queues: &[Queue]) -> Report {
    let mut verdicts = Verdicts::new();
    let mut report = bucket::undelivered(search, &mut verdicts).await;
    let sweeps = queues.iter().map(async |queue| {
        let mut verdicts = Verdicts::new();
        let mut report = sweep(search, queue, false, &mut verdicts).await;
        report.add(sweep(search, queue, true, &mut verdicts).await);
        (report, verdicts)
    });
    for (part, known) in join_all(sweeps).await {
        report.add(part);
        for (key, verdict) in known {
            bucket::record(&mut verdicts, key, verdict);
        }
    }
    report.add(bucket::rest(search, &mut verdicts).await);
    if search.stop.is_requested() {
        report.failures.push("stopped before the end".to_owned());
    }
    report
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use local_aws::{Calls, Fault, Operation};
    use zeroize::Zeroizing;

    use super::*;
    use flinks_dev::stack::Stack;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        target: Target,
    }

    /// The report of a search in a KycQueue with this many messages of another person.
    async fn search(stack: &Stack, messages: usize, holding: Holding) -> Report {
        let endpoint = stack.aws.endpoint();
        let target = Options::parse_from(["", "--endpoint", &endpoint]).target;
        let connection = Connection::open(&target).await.unwrap();
        let queues = connection.queues(&[Kind::Kyc]).await.unwrap();
        for _ in 0..messages {
            let message = connection.sqs.send_message().queue_url(&queues[0].url).message_body(r#"{"Tag":"somebody"}"#);
            message.send().await.unwrap();
        }
        let wanted = Wanted::new(Field::Tag, Zeroizing::new("person".to_owned()));
        let (bucket, stop, bar) = (connection.bucket().await.unwrap(), Stop::default(), ProgressBar::hidden());
        let search = Search { connection, bucket, wanted, delete: true, holding, stop, bar };
        search_all(&search, &queues).await
    }

    #[tokio::test]
    async fn messages_are_held_until_the_search_ends() {
        let stack = Stack::start().await.unwrap();
        stack.aws.fault(Operation::ReceiveMessage, Calls::All, Fault::Delay(Duration::from_secs(1)));
        let holding = Holding { hidden_seconds: 3, extend_after: Duration::from_millis(500), ..Holding::default() };
        // Four receives and an empty one take longer than the messages are hidden.
        let report = search(&stack, 40, holding).await;
        assert_eq!((report.messages_seen, report.failures.len()), (40, 0));
        assert!(stack.aws.messages("KycQueue").iter().all(|message| message.receive_count == 1));
    }

    #[tokio::test]
    async fn a_search_ends_if_messages_cannot_be_held() {
        let stack = Stack::start().await.unwrap();
        stack.aws.fault(Operation::ReceiveMessage, Calls::All, Fault::Delay(Duration::from_millis(800)));
        let holding = Holding { hidden_seconds: 1, ..Holding::default() };
        let report = search(&stack, 30, holding).await;
        assert!(
            report.failures.iter().any(|failure| failure.contains("returned held messages again")),
            "{:?}",
            report.failures
        );
        assert!(stack.aws.messages("KycQueue").iter().all(|message| message.receive_count <= 2));
    }

    #[tokio::test]
    async fn messages_beyond_the_limit_are_reported() {
        let stack = Stack::start().await.unwrap();
        let report = search(&stack, 25, Holding { limit: 10, ..Holding::default() }).await;
        assert_eq!((report.messages_seen, report.unseen[0].too_many), (10, 15));
    }
}
