//! Searches one queue or its dead letters: receives each message once, and holds it until all were received.
//!
//! If it gave each message back at once, SQS would return the same messages again, and each time would count as a
//! receive.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use flinks_webhooks::delivery::UNDELIVERED_PREFIX;
use futures_util::{StreamExt, stream};

use super::{
    super::{
        connection::{Counts, Queue},
        message::{Pointer, Received, delete, hide, receive},
        object::{self, NoPayload},
        peek::renew,
    },
    bucket::{Verdict, Verdicts, record},
    report::{Found, NotRead, Outcome, Place, Report, Unseen},
    search::Search,
};
use flinks_dev::failed_call::reason;

/// How many payloads of claim checks to read at the same time. Each has up to 6 MB.
const PAYLOADS_AT_ONCE: usize = 4;
/// How many messages to receive at once.
const BATCH: usize = 10;

/// Receives every message, deletes the person's, and gives the others back.
pub async fn sweep(search: &Search, queue: &Queue, dead_letters: bool, verdicts: &mut Verdicts) -> Report {
    let mut sweep = Sweep {
        search,
        queue,
        dead_letters,
        name: queue.logical_name(dead_letters),
        verdicts,
        held: HashMap::new(),
        copies: HashSet::new(),
        copies_used_up: HashMap::new(),
        stuck: Vec::new(),
        report: Report::default(),
    };
    let before = sweep.counts().await;
    sweep.receive_all(before.visible).await;
    let after = sweep.counts().await;
    sweep.count_unseen(before, after);
    sweep.give_back_all().await;
    sweep.report
}

struct Sweep<'a> {
    search: &'a Search,
    queue: &'a Queue,
    dead_letters: bool,
    name: String,
    verdicts: &'a mut Verdicts,
    /// The held messages by id, without their content.
    held: HashMap<String, Received>,
    /// The ids of the messages that this sweep put back as new ones. SQS returns them again, and they do not count.
    copies: HashSet<String>,
    /// Copies that have no receive left, on a queue that allows only one receive. They are put back at the end. If they
    /// were put back at once, the sweep would never end.
    copies_used_up: HashMap<String, Received>,
    /// The messages that could not be put back as new ones, with the reason.
    stuck: Vec<String>,
    report: Report,
}

/// Whose a message is.
enum Judgement {
    Persons,
    Others,
    NotRead(String),
}

impl Sweep<'_> {
    fn url(&self) -> &str {
        self.queue.url(self.dead_letters)
    }

    async fn counts(&mut self) -> Counts {
        match self.search.connection.counts(self.url()).await {
            Ok(counts) => counts,
            Err(why) => {
                self.report.failures.push(format!("{}: {why}", self.name));
                Counts { visible: 0, in_flight: 0, delayed: 0 }
            }
        }
    }

    /// Receives until SQS returns no more messages. `expected` is SQS's approximate count.
    async fn receive_all(&mut self, expected: u64) {
        let sqs = &self.search.connection.sqs;
        let holding = self.search.holding;
        let mut held_since = Instant::now();
        let mut empty = 0;
        // A stuck message has no receive left. Stop then, so that no other message loses its last one.
        while self.stuck.is_empty() && self.held.len() < holding.limit && !self.search.stop.is_requested() {
            if held_since.elapsed() >= holding.extend_after {
                let held: Vec<_> = self.held.values().chain(self.copies_used_up.values()).cloned().collect();
                hide(sqs, self.url(), &held, holding.hidden_seconds).await;
                held_since = Instant::now();
            }
            let received = match receive(sqs, self.url(), BATCH, holding.hidden_seconds).await {
                Ok(received) => received,
                Err(error) => {
                    self.report.failures.push(format!("cannot receive from {}: {}", self.name, reason(&error)));
                    return;
                }
            };
            if received.is_empty() {
                empty += 1;
                // If SQS counted more messages than it returned, try once more.
                if self.report.messages_seen >= expected || empty == 2 {
                    return;
                }
            }
            // SQS does not hide the held messages, so it would return them for ever.
            if !received.is_empty() && received.iter().all(|message| self.held.contains_key(message.id())) {
                self.report
                    .failures
                    .push(format!("{}: SQS returned held messages again; the rest was not searched", self.name));
                self.look_at(received).await;
                return;
            }
            self.look_at(received).await;
        }
    }

    async fn look_at(&mut self, received: Vec<Received>) {
        let (known, new): (Vec<_>, Vec<_>) = received
            .into_iter()
            .partition(|message| self.held.contains_key(message.id()) || self.copies.contains(message.id()));
        let judge = async |message: Received| {
            let judgement = self.judge(&message).await;
            (message, judgement)
        };
        let judged: Vec<_> = stream::iter(new).map(judge).buffered(PAYLOADS_AT_ONCE).collect().await;
        for (message, judgement) in judged {
            self.search.bar.inc(1);
            self.report.messages_seen += 1;
            self.act(message, judgement).await;
        }
        for message in known {
            self.keep(message).await;
        }
    }

    async fn judge(&self, message: &Received) -> Judgement {
        let wanted = &self.search.wanted;
        let in_attribute = wanted.is_in_attribute(message);
        let pointer = message.pointer();
        match &pointer {
            Some(Pointer { bucket, key }) if *bucket != self.search.bucket || key.starts_with(UNDELIVERED_PREFIX) => {
                let whose = if in_attribute { "it is the person's, but " } else { "" };
                Judgement::NotRead(format!(
                    "{whose}it points to s3://{bucket}/{key}, which is not a claim check's object of this stack: look \
                     yourself"
                ))
            }
            _ if in_attribute => Judgement::Persons,
            Some(Pointer { bucket, key }) => match object::get(&self.search.connection.s3, bucket, key).await {
                Ok(payload) => judge_payload(wanted.is_in(&payload)),
                // The payload is gone, and the attribute names another person.
                Err(NoPayload::Gone) if message.text_attribute(wanted.field().attribute()).is_some() => {
                    Judgement::Others
                }
                Err(why) => Judgement::NotRead(why.to_string()),
            },
            None => match judge_payload(wanted.is_in(message.body().as_bytes())) {
                Judgement::Others if message.is_marked() => {
                    Judgement::NotRead("it is marked as a claim check, but does not name its object".to_owned())
                }
                judgement => judgement,
            },
        }
    }

    async fn act(&mut self, message: Received, judgement: Judgement) {
        let key = message.pointer().filter(|pointer| pointer.bucket == self.search.bucket).map(|pointer| pointer.key);
        let place = Place::Message {
            queue: self.name.clone(),
            id: message.id().to_owned(),
            sent_at: message.sent_at(),
            delivery_id: message.text_attribute("DeliveryId").map(str::to_owned),
            key: key.clone(),
        };
        let verdict = match judgement {
            Judgement::Others => {
                self.keep(message).await;
                Verdict::Others
            }
            Judgement::NotRead(why) => {
                self.report.not_read.push(NotRead { place, why });
                self.keep(message).await;
                Verdict::Stays
            }
            Judgement::Persons if !self.search.delete => {
                self.report.found.push(Found { place, outcome: Outcome::DryRun });
                self.keep(message).await;
                Verdict::Persons
            }
            Judgement::Persons => match delete(&self.search.connection.sqs, self.url(), &message).await {
                Ok(()) => {
                    self.report.found.push(Found { place, outcome: Outcome::Deleted });
                    Verdict::Persons
                }
                Err(why) => {
                    self.report.found.push(Found { place, outcome: Outcome::Failed(why) });
                    // Do not put it back as a new one: the original could not be deleted either, so there would be two.
                    self.held.insert(message.id().to_owned(), message.without_content());
                    Verdict::Stays
                }
            },
        };
        if let Some(key) = key {
            record(self.verdicts, key, verdict);
        }
    }

    /// Holds a message that stays. If this was its last receive, puts it back as a new one at once, so that it does not
    /// become a dead letter even if the program is killed.
    async fn keep(&mut self, message: Received) {
        let id = message.id().to_owned();
        if self.dead_letters || message.receive_count() < self.queue.dead_letters.max_receives {
            self.held.insert(id, message.without_content());
        } else if self.copies.contains(&id) {
            self.copies_used_up.insert(id, message);
        } else {
            self.held.remove(&id);
            self.renew(&message).await;
        }
    }

    async fn renew(&mut self, message: &Received) {
        match renew(&self.search.connection, self.queue, message).await {
            Ok(copy) => {
                self.copies.insert(copy);
                self.report.put_back_as_new += 1;
            }
            Err(why) => self.stuck.push(format!("{}: {why}", message.id())),
        }
    }

    /// Counts the messages that no receive could return. SQS's counts are approximate and late, so the greater one
    /// counts.
    fn count_unseen(&mut self, before: Counts, after: Counts) {
        let held = u64::try_from(self.held.len() + self.copies_used_up.len()).unwrap_or(u64::MAX);
        let in_flight = before.in_flight.max(after.in_flight.saturating_sub(held));
        let delayed = before.delayed.max(after.delayed);
        let too_many = if self.held.len() < self.search.holding.limit { 0 } else { after.visible };
        if in_flight + delayed + too_many > 0 {
            let queue = self.name.clone();
            self.report.unseen.push(Unseen { queue, in_flight, delayed, too_many });
        }
    }

    async fn give_back_all(&mut self) {
        let held: Vec<_> = std::mem::take(&mut self.held).into_values().collect();
        let failed = hide(&self.search.connection.sqs, self.url(), &held, 0).await;
        if let Some(why) = failed.first() {
            self.report.failures.push(format!(
                "{}: could not give back {} of the messages, so SQS hides them from consumers for up to ten minutes \
                 ({why})",
                self.name,
                failed.len()
            ));
        }
        for message in std::mem::take(&mut self.copies_used_up).into_values() {
            self.renew(&message).await;
        }
        if !self.stuck.is_empty() {
            self.report.failures.push(format!(
                "{}: these messages have no receive left and could not be put back as new ones, so the next receive \
                 moves them to the dead letters: {}; `cargo dev redrive {}` brings them back. The rest of the queue \
                 was not searched",
                self.name,
                self.stuck.join("; "),
                self.queue.kind.label()
            ));
        }
    }
}

fn judge_payload(is_in: Result<bool, &'static str>) -> Judgement {
    match is_in {
        Ok(true) => Judgement::Persons,
        Ok(false) => Judgement::Others,
        Err(why) => Judgement::NotRead(why.to_owned()),
    }
}
