//! `cargo dev redrive`: moves dead letters back to their queue, one by one.
//!
//! SQS has StartMessageMoveTask for this. But it cannot stop after a number of messages, it does not say which messages
//! it could not move, and it skips messages without an origin. So this command handles all cases itself: it receives a
//! dead letter and sends a copy to the queue. It deletes the dead letter only after SQS accepts the copy. So a message
//! is never lost. After a crash between the two, it is there twice with the same DeliveryId.

use std::{collections::HashSet, time::Duration};

use flinks_webhooks::routing::Kind;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    connection::{Connection, Queue, Target, queue_kind},
    message::{Received, delete, give_back, hold, receive, send_copy},
};
use flinks_dev::{failed_call, failure::Failure, output::Output};

/// Move a queue's dead letters back to the queue, so that its consumers retry them.
///
/// Each dead letter becomes a new message with the same body, attributes and MessageGroupId. A claim check's object
/// does not change. The command deletes a dead letter only after SQS accepts the new message, so no message is lost. If
/// the command is killed, some messages may be there twice with the same DeliveryId.
///
/// Without --limit the command ends when no dead letter is left. A message that becomes a dead letter again during the
/// run stays one.
///
/// Exit code 1 if some messages could not be moved. They are still dead letters.
#[derive(clap::Args, Debug)]
pub struct RedriveArguments {
    /// The queue: kyc, accounts-detail, investments, pay, upload-fraud or unclassified, or its name, such as KycQueue.
    #[arg(value_name = "QUEUE", value_parser = queue_kind)]
    queue: Kind,
    /// Only show the dead letters that would be moved, at most 1000.
    #[arg(long)]
    dry_run: bool,
    /// Move at most this many messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Move at most this many messages a second, 1 to 1000, for consumers that cannot handle all of them at once.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    #[command(flatten)]
    target: Target,
}

/// How long SQS hides a dead letter while it is moved. It is long enough for ten messages at one a second and slow
/// calls.
const HIDDEN_SECONDS: i32 = 60;
/// How many messages a dry run shows. It holds all of them until the end.
const MAX_SHOWN: u64 = 1000;

/// Moves, or shows, the dead letters.
///
/// # Errors
/// If the queue cannot be reached, or some dead letters could not be moved.
pub async fn run(arguments: &RedriveArguments, output: &Output) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.target).await?;
    let queue = connection.queue(arguments.queue).await?;
    let expected = connection.counts(&queue.dead_letters.url).await?.visible;
    if arguments.dry_run {
        return show(&connection, &queue, arguments, expected, output).await;
    }
    let bar = ProgressBar::new(arguments.limit.map_or(expected, |limit| limit.min(expected)));
    // If the template is wrong, the default style will do.
    if let Ok(style) = ProgressStyle::with_template("moving {wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let mut redrive = Redrive::new(&connection, &queue, arguments, bar);
    let ended = redrive.run().await;
    redrive.bar.finish_and_clear();
    give_back(&connection.sqs, &queue.dead_letters.url, &redrive.remaining).await;
    redrive.report(ended, output)
}

async fn show(
    connection: &Connection,
    queue: &Queue,
    arguments: &RedriveArguments,
    expected: u64,
    output: &Output,
) -> Result<(), Failure> {
    let (from, to) = (queue.logical_name(true), queue.kind.queue());
    let limit = usize::try_from(arguments.limit.unwrap_or(MAX_SHOWN).min(MAX_SHOWN)).unwrap_or(usize::MAX);
    let url = &queue.dead_letters.url;
    let held = hold(&connection.sqs, url, limit, expected).await;
    let held =
        held.map_err(|error| failed_call::failure(&format!("receive from {from}"), connection.local(), &error))?;
    give_back(&connection.sqs, url, &held).await;
    for message in &held {
        let sent = message.sent_at().unwrap_or_default();
        let attributes = message.attributes();
        let delivery_id = attributes.get("DeliveryId");
        output.json(&json!({
            "messageId": message.id(),
            "sentAt": sent,
            "deliveryId": delivery_id,
            "groupId": message.group_id(),
            "claimCheck": message.pointer().is_some(),
        }));
        let delivery_id = delivery_id.map_or("", String::as_str);
        output.line(format_args!("would move {}  sent {sent}  DeliveryId {delivery_id}", message.id()));
    }
    let visible = expected.max(u64::try_from(held.len()).unwrap_or(u64::MAX));
    let would_move = arguments.limit.unwrap_or(u64::MAX).min(visible);
    output.json(&json!({
        "queue": to, "dryRun": true, "wouldMove": would_move, "shown": held.len(), "moved": 0, "failed": 0,
    }));
    output.line(format_args!("dry run: would move {would_move} from {from} to {to}"));
    Ok(())
}

/// A run and its results so far.
struct Redrive<'a> {
    connection: &'a Connection,
    queue: &'a Queue,
    /// How many messages the run may still try.
    budget: u64,
    /// How many messages to receive at once. All of them must be moved before SQS shows them again.
    batch_size: u64,
    pace: Option<Mutex<Interval>>,
    bar: ProgressBar,
    /// The ids of the received dead letters, so that the run tries none twice.
    seen: HashSet<String>,
    /// The ids of the sent copies. A copy keeps its id if it becomes a dead letter again.
    sent: HashSet<String>,
    moved: u64,
    died_again: u64,
    /// The id of each dead letter that could not be moved, and the reason.
    failures: Vec<(String, String)>,
    /// The messages that stay dead letters. They are hidden until the end.
    remaining: Vec<Received>,
}

/// The result for one dead letter.
enum Outcome {
    /// It was moved. This is the new message's id.
    Moved(String),
    /// The copy with this id is on the queue, but the dead letter could not be deleted for this reason.
    Duplicated(String, String),
    /// It is still a dead letter, for this reason.
    Failed(String),
}

impl<'a> Redrive<'a> {
    fn new(connection: &'a Connection, queue: &'a Queue, arguments: &RedriveArguments, bar: ProgressBar) -> Self {
        let pace = arguments.rate.map(|rate| {
            let mut pace = interval(Duration::from_secs(1) / rate);
            // After a delay, do not catch up with a burst: it would exceed the rate.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Mutex::new(pace)
        });
        Self {
            connection,
            queue,
            budget: arguments.limit.unwrap_or(u64::MAX),
            batch_size: arguments.rate.map_or(u64::MAX, u64::from),
            pace,
            bar,
            seen: HashSet::new(),
            sent: HashSet::new(),
            moved: 0,
            died_again: 0,
            failures: Vec::new(),
            remaining: Vec::new(),
        }
    }

    /// Moves dead letters until the budget is used up or none is left.
    ///
    /// # Errors
    /// If a receive fails.
    async fn run(&mut self) -> Result<(), Failure> {
        while self.budget > 0 {
            let limit = usize::try_from(self.budget.min(self.batch_size)).unwrap_or(usize::MAX);
            let received = receive(&self.connection.sqs, &self.queue.dead_letters.url, limit, HIDDEN_SECONDS).await;
            let received = received
                .map_err(|error| failed_call::failure("receive dead letters", self.connection.local(), &error))?;
            if received.is_empty() {
                break;
            }
            let (mut chosen, mut any_new) = (Vec::new(), false);
            for message in received {
                if !self.seen.insert(message.id().to_owned()) {
                    // The message became visible again. Only its newest receipt can give it back.
                    if let Some(known) = self.remaining.iter_mut().find(|known| known.id() == message.id()) {
                        *known = message;
                    }
                    continue;
                }
                any_new = true;
                if self.sent.contains(message.id()) {
                    self.died_again += 1;
                    self.remaining.push(message);
                } else {
                    chosen.push(message);
                }
            }
            if !any_new {
                break;
            }
            let (before, tried) = (self.failures.len(), chosen.len());
            let outcomes = join_all(chosen.iter().map(|message| self.move_back(message))).await;
            for (message, outcome) in chosen.into_iter().zip(outcomes) {
                self.budget -= 1;
                self.record(message, outcome);
            }
            // The queue accepted no message of this batch, so the others would fail too.
            if tried > 0 && self.failures.len() - before == tried {
                break;
            }
        }
        Ok(())
    }

    async fn move_back(&self, message: &Received) -> Outcome {
        if let Some(pace) = &self.pace {
            pace.lock().await.tick().await;
        }
        let sqs = &self.connection.sqs;
        let outcome = match send_copy(sqs, &self.queue.url, message).await {
            Err(why) => Outcome::Failed(why),
            Ok(id) => match delete(sqs, &self.queue.dead_letters.url, message).await {
                Err(why) => Outcome::Duplicated(id, why),
                Ok(()) => Outcome::Moved(id),
            },
        };
        self.bar.inc(1);
        outcome
    }

    fn record(&mut self, message: Received, outcome: Outcome) {
        match outcome {
            Outcome::Moved(id) => {
                self.sent.insert(id);
                self.moved += 1;
            }
            Outcome::Duplicated(id, why) => {
                self.sent.insert(id);
                let why = format!("it is on the queue now, but the dead letter could not be deleted: {why}");
                self.failures.push((message.id().to_owned(), why));
                self.remaining.push(message);
            }
            Outcome::Failed(why) => {
                self.failures.push((message.id().to_owned(), why));
                self.remaining.push(message);
            }
        }
    }

    fn report(&self, ended: Result<(), Failure>, output: &Output) -> Result<(), Failure> {
        let (from, to) = (self.queue.logical_name(true), self.queue.kind.queue());
        let ended = match ended {
            // The run has not changed anything, so the command could not run as asked.
            Err(failure) if self.seen.is_empty() => return Err(failure),
            ended => ended,
        };
        for (id, why) in &self.failures {
            output.json(&json!({ "messageId": id, "problem": why }));
            output.line(format_args!("not moved: {id}: {why}"));
        }
        let failed = self.failures.len();
        output.json(&json!({
            "queue": to, "dryRun": false, "moved": self.moved, "failed": failed, "diedAgain": self.died_again,
        }));
        output.line(format_args!("moved {} from {from} to {to}", self.moved));
        if self.died_again > 0 {
            let count = self.died_again;
            output.line(format_args!("became dead letters again during the run, and stay in {from}: {count}"));
        }
        match ended {
            Err(failure) => Err(Failure::reported(format!("{failure}; the others are still in {from}"))),
            Ok(()) if failed > 0 => {
                Err(Failure::reported(format!("could not be moved, and still in {from}: {failed}")))
            }
            Ok(()) => Ok(()),
        }
    }
}
