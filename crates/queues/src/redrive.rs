//! `cargo dev redrive`: moves dead letters back to their queue, one by one.
//!
//! SQS has StartMessageMoveTask for that, but it can neither stop after a number of messages nor say which it could not
//! move, and it leaves what has no origin. One way for all cases instead: receive, send to the queue, and only when SQS
//! has taken it delete the dead letter. So a message is never lost; at worst, after a crash between the two, it is
//! there twice, with the same DeliveryId.

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

/// Move a queue's dead letters back to it, for its consumers to try again.
///
/// Each becomes a new message with the same body, attributes and MessageGroupId; a claim check goes on pointing at its
/// object, which is not touched. A dead letter is deleted only when SQS has taken the new message: none is lost, and if
/// this program is killed in between, some may be there twice, with the same DeliveryId. Without --limit it goes on
/// until no dead letter is left; what dies again meanwhile is left there.
///
/// Exit code 1 when some could not be moved; they are still dead letters.
#[derive(clap::Args, Debug)]
pub struct RedriveArguments {
    /// Which queue: kyc, accounts-detail, investments, pay, upload-fraud or unclassified, or its name, like KycQueue.
    #[arg(value_name = "QUEUE", value_parser = queue_kind)]
    queue: Kind,
    /// Show what would be moved, and move nothing. Shows at most 1000.
    #[arg(long)]
    dry_run: bool,
    /// Move no more messages than this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Move no more messages a second than this, 1 to 1000, for consumers that cannot take all at once.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    #[command(flatten)]
    target: Target,
}

/// How long a dead letter is out of sight while it is moved: long enough for ten at one a second and slow calls.
const HIDDEN_SECONDS: i32 = 60;
/// Messages that a dry run shows at most: they are all held meanwhile.
const SHOWN: u64 = 1000;

/// Moves, or shows, the dead letters.
///
/// # Errors
/// When the queue cannot be reached, or some could not be moved.
pub async fn run(arguments: &RedriveArguments, output: &Output) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.target).await?;
    let queue = connection.queue(arguments.queue).await?;
    let there = connection.counts(&queue.dead_letters.url).await?.visible;
    if arguments.dry_run {
        return show(&connection, &queue, arguments, there, output).await;
    }
    let bar = ProgressBar::new(arguments.limit.map_or(there, |limit| limit.min(there)));
    // Were the template wrong, the plain bar would do.
    if let Ok(style) = ProgressStyle::with_template("moving {wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let mut redrive = Redrive::new(&connection, &queue, arguments, bar);
    let ended = redrive.run().await;
    redrive.bar.finish_and_clear();
    give_back(&connection.sqs, &queue.dead_letters.url, &redrive.left).await;
    redrive.report(ended, output)
}

async fn show(
    connection: &Connection,
    queue: &Queue,
    arguments: &RedriveArguments,
    there: u64,
    output: &Output,
) -> Result<(), Failure> {
    let (from, to) = (queue.logical_name(true), queue.kind.queue());
    let most = usize::try_from(arguments.limit.unwrap_or(SHOWN).min(SHOWN)).unwrap_or(usize::MAX);
    let url = &queue.dead_letters.url;
    let held = hold(&connection.sqs, url, most, there).await;
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
    let would_move = arguments.limit.unwrap_or(u64::MAX).min(there.max(u64::try_from(held.len()).unwrap_or(u64::MAX)));
    output.json(&json!({
        "queue": to, "dryRun": true, "wouldMove": would_move, "shown": held.len(), "moved": 0, "failed": 0,
    }));
    output.line(format_args!("a dry run; to move from {from} to {to}: {would_move}"));
    Ok(())
}

/// A run, and what became of it so far.
struct Redrive<'a> {
    connection: &'a Connection,
    queue: &'a Queue,
    /// Messages still to try.
    budget: u64,
    /// Messages in one receive: no more than can be moved while they are hidden.
    at_once: u64,
    pace: Option<Mutex<Interval>>,
    bar: ProgressBar,
    /// Ids of the dead letters that were looked at, so that none is tried twice.
    seen: HashSet<String>,
    /// Ids of the messages that were sent. One keeps its id when it dies again.
    sent: HashSet<String>,
    moved: u64,
    died_again: u64,
    /// Id of the dead letter, and why.
    failures: Vec<(String, String)>,
    /// What stays a dead letter, hidden until the end.
    left: Vec<Received>,
}

/// What became of one dead letter.
enum Outcome {
    /// With the new message's id.
    Moved(String),
    /// It is on the queue, and a dead letter still, for this reason.
    Doubled(String, String),
    /// It is a dead letter still, for this reason.
    Left(String),
}

impl<'a> Redrive<'a> {
    fn new(connection: &'a Connection, queue: &'a Queue, arguments: &RedriveArguments, bar: ProgressBar) -> Self {
        let pace = arguments.rate.map(|rate| {
            let mut pace = interval(Duration::from_secs(1) / rate);
            // Late is late: a burst to make up for it would be faster than asked.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Mutex::new(pace)
        });
        Self {
            connection,
            queue,
            budget: arguments.limit.unwrap_or(u64::MAX),
            at_once: arguments.rate.map_or(u64::MAX, u64::from),
            pace,
            bar,
            seen: HashSet::new(),
            sent: HashSet::new(),
            moved: 0,
            died_again: 0,
            failures: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Until the budget is spent or no dead letter is left. Fails when SQS gives none any more.
    async fn run(&mut self) -> Result<(), Failure> {
        while self.budget > 0 {
            let most = usize::try_from(self.budget.min(self.at_once)).unwrap_or(usize::MAX);
            let received = receive(&self.connection.sqs, &self.queue.dead_letters.url, most, HIDDEN_SECONDS).await;
            let received = received
                .map_err(|error| failed_call::failure("receive dead letters", self.connection.local(), &error))?;
            if received.is_empty() {
                break;
            }
            let (mut chosen, mut any_new) = (Vec::new(), false);
            for message in received {
                if !self.seen.insert(message.id().to_owned()) {
                    // Visible again; what gives it back is its newest receipt.
                    if let Some(left) = self.left.iter_mut().find(|left| left.id() == message.id()) {
                        *left = message;
                    }
                    continue;
                }
                any_new = true;
                if self.sent.contains(message.id()) {
                    self.died_again += 1;
                    self.left.push(message);
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
                self.note(message, outcome);
            }
            // The queue takes none: the rest would fare no better.
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
            Err(why) => Outcome::Left(why),
            Ok(id) => match delete(sqs, &self.queue.dead_letters.url, message).await {
                Err(why) => Outcome::Doubled(id, why),
                Ok(()) => Outcome::Moved(id),
            },
        };
        self.bar.inc(1);
        outcome
    }

    fn note(&mut self, message: Received, outcome: Outcome) {
        match outcome {
            Outcome::Moved(id) => {
                self.sent.insert(id);
                self.moved += 1;
            }
            Outcome::Doubled(id, why) => {
                self.sent.insert(id);
                let why = format!("it is on the queue now, and could not be deleted here: {why}");
                self.failures.push((message.id().to_owned(), why));
                self.left.push(message);
            }
            Outcome::Left(why) => {
                self.failures.push((message.id().to_owned(), why));
                self.left.push(message);
            }
        }
    }

    fn report(&self, ended: Result<(), Failure>, output: &Output) -> Result<(), Failure> {
        let (from, to) = (self.queue.logical_name(true), self.queue.kind.queue());
        let ended = match ended {
            // Nothing has been done yet: it could not be run as asked.
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
        output.line(format_args!("moved from {from} to {to}: {}", self.moved));
        if self.died_again > 0 {
            output.line(format_args!("died again meanwhile, and left in {from}: {}", self.died_again));
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
