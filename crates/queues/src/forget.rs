//! `cargo dev forget`: deletes what is stored of one person.
//!
//! Payloads go from `undelivered/` to their queue, and from there to the dead letters; a claim check's object stays in
//! the bucket. So this is the order in which they are looked at: what moves on meanwhile is met again.
//!
//! Messages are deleted before their objects. If this program ends between the two, an object is left that no message
//! points to, and the next run finds it by what is in it. The other way round a message would be left that points to
//! nothing: its consumer fails, and where no attribute has the value no later run could know whose it was.

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

/// Find one person's data in the queues, the dead letters and the bucket; with --delete, delete it.
///
/// The person goes by LoginId, SessionId or Tag. The value is asked for on the terminal, which does not show it, or read
/// from standard input or from --value-file: never from an argument, which the shell's history keeps and every process
/// on the machine can read. White space around it is not part of it. It is never printed.
///
/// It is compared with the decoded JSON of each payload, however that is escaped (\u002B is a +), and with the message
/// attribute of the same name. It must be equal as a whole; a number counts as it is written. Of a key that is there
/// twice either value counts. A payload that is not JSON or not UTF-8 cannot be compared: each is reported, with its
/// place, for you to look at. Claim checks are resolved, and their object goes with the message; objects that no message
/// points to are looked at too. A message is deleted before its object, so that after a failure the next run finds what
/// is left.
///
/// What it costs, also without --delete: SQS has no look without a receive. While a queue is searched all its messages
/// are held, and consumers get none of them: for seconds, or for minutes where there are many thousands. They are given
/// back at the end and at Ctrl-C, and by themselves ten minutes after this program is killed. Each run counts as one of
/// the receives (5) after which SQS moves a message to the dead letters. A look never takes the last: then the message
/// is put back as a new one at once, with the same body and attributes, another MessageId and all its receives. What
/// consumers alone have used up is moved to the dead letters by the next receive, whoever makes it, and so by this one.
/// Dead letters stay where they are, however often they are looked at.
///
/// What is in flight (with a consumer) or delayed cannot be seen. It is counted, and the exit code is 1: run it again
/// when the consumers are done. On AWS these counts are approximate and about a minute late. What consumers have stored
/// and what Flinks has is not touched.
///
/// Exit codes: 0 all was seen, and with --delete all that was found is deleted; 1 something could not be seen, read or
/// deleted; 2 it could not be run as asked.
#[derive(clap::Args, Debug)]
pub struct ForgetArguments {
    /// What the value is.
    #[arg(long, value_enum, value_name = "FIELD")]
    by: Field,
    /// Read the value from this file.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Delete what is found. Without it, a dry run: it shows what would be deleted.
    #[arg(long)]
    delete: bool,
    #[command(flatten)]
    target: Target,
    /// Taken only to say that this is no place for the value, without printing it.
    #[arg(hide = true, value_name = "VALUE")]
    argument: Vec<OsString>,
}

/// Searches, and prints what was found, what became of it and what could not be seen.
///
/// # Errors
/// When it cannot be run as asked, or something could not be seen, read or deleted.
pub async fn run(arguments: &ForgetArguments, output: &Output) -> Result<(), Failure> {
    if !arguments.argument.is_empty() {
        return Err(Failure::usage(
            "the value is not an argument, which every process on the machine can read: type it when asked, or give it \
             on standard input or with --value-file FILE",
        ));
    }
    let connection = Connection::open(&arguments.target).await?;
    let queues = connection.queues(&Kind::ALL).await?;
    let bucket = connection.bucket().await?;
    let wanted = Wanted::new(arguments.by, value::read(arguments.by, arguments.value_file.as_deref())?);
    let bar = ProgressBar::new_spinner();
    // Were the template wrong, the plain spinner would do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} seen {pos} {elapsed}") {
        bar.set_style(style);
    }
    let (delete, holding, stop) = (arguments.delete, Holding::default(), Stop::listen());
    let search = Search { connection, bucket, wanted, delete, holding, stop, bar };
    if !delete {
        output.line(
            "a dry run deletes nothing, but consumers get no message of a queue while it is searched, and this counts \
             as one of a message's receives; --help says more",
        );
    }
    let report = search_all(&search, &queues).await;
    search.bar.finish_and_clear();
    report.print(&search, output)
}

/// Looks at all places in the order that the module's description gives.
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
    if search.stop.is_asked() {
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

    /// What a search reports of a KycQueue with this many messages of somebody else.
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
    async fn messages_are_held_for_as_long_as_a_search_takes() {
        let stack = Stack::start().await.unwrap();
        stack.aws.fault(Operation::ReceiveMessage, Calls::All, Fault::Delay(Duration::from_secs(1)));
        let holding = Holding { hidden_seconds: 3, again_after: Duration::from_millis(500), ..Holding::default() };
        // Four receives and the last, with none: longer than they are hidden.
        let report = search(&stack, 40, holding).await;
        assert_eq!((report.messages_seen, report.failures.len()), (40, 0));
        assert!(stack.aws.messages("KycQueue").iter().all(|message| message.receive_count == 1));
    }

    #[tokio::test]
    async fn a_search_ends_when_messages_cannot_be_held() {
        let stack = Stack::start().await.unwrap();
        stack.aws.fault(Operation::ReceiveMessage, Calls::All, Fault::Delay(Duration::from_millis(800)));
        let holding = Holding { hidden_seconds: 1, ..Holding::default() };
        let report = search(&stack, 30, holding).await;
        assert!(report.failures.iter().any(|failure| failure.contains("gives again")), "{:?}", report.failures);
        assert!(stack.aws.messages("KycQueue").iter().all(|message| message.receive_count <= 2));
    }

    #[tokio::test]
    async fn what_is_more_than_can_be_held_is_reported() {
        let stack = Stack::start().await.unwrap();
        let report = search(&stack, 25, Holding { most: 10, ..Holding::default() }).await;
        assert_eq!((report.messages_seen, report.out_of_sight[0].too_many), (10, 15));
    }
}
