//! The report: what the search found, deleted and could not see.

use serde_json::{Value, json};

use super::{super::peek::printable, search::Search};
use flinks_dev::{failure::Failure, output::Output};

/// The report of the search, or of a part of it.
#[derive(Default)]
pub struct Report {
    pub messages_seen: u64,
    pub objects_seen: u64,
    pub put_back_as_new: u64,
    pub found: Vec<Found>,
    pub not_read: Vec<NotRead>,
    pub unseen: Vec<Unseen>,
    /// Other problems, one line each.
    pub failures: Vec<String>,
}

/// The place of a payload.
pub enum Place {
    Message {
        queue: String,
        id: String,
        sent_at: Option<String>,
        delivery_id: Option<String>,
        /// The key of a claim check's object.
        key: Option<String>,
    },
    Object {
        key: String,
    },
}

/// A message or object of the person's.
pub struct Found {
    pub place: Place,
    pub outcome: Outcome,
}

/// What the search did with it.
pub enum Outcome {
    /// A dry run does not delete it.
    DryRun,
    Deleted,
    Failed(String),
}

/// A message or object that could not be read, and the reason. It may be the person's.
pub struct NotRead {
    pub place: Place,
    pub why: String,
}

/// How many messages of a queue the search could not see.
pub struct Unseen {
    pub queue: String,
    pub in_flight: u64,
    pub delayed: u64,
    /// Visible messages beyond the limit of messages to hold.
    pub too_many: u64,
}

impl Report {
    /// Adds the report of another part.
    pub fn add(&mut self, part: Self) {
        self.messages_seen += part.messages_seen;
        self.objects_seen += part.objects_seen;
        self.put_back_as_new += part.put_back_as_new;
        self.found.extend(part.found);
        self.not_read.extend(part.not_read);
        self.unseen.extend(part.unseen);
        self.failures.extend(part.failures);
    }

    /// Prints the report. It never prints the value that was searched for, even if another text quotes it.
    ///
    /// # Errors
    /// If the search could not see, read or delete something.
    pub fn print(&self, search: &Search, output: &Output) -> Result<(), Failure> {
        for found in &self.found {
            found.print(search, output);
        }
        for NotRead { place, why } in &self.not_read {
            let why = search.wanted.redact(why);
            let mut object = place.json(search);
            add(&mut object, "problem", why.clone().into());
            output.json(&object);
            output.line(format_args!("could not be read: {}: {}", place.text(search), printable(&why)));
        }
        for failure in &self.failures {
            let failure = search.wanted.redact(failure);
            output.json(&json!({ "problem": failure }));
            output.line(format_args!("problem: {}", printable(&failure)));
        }
        for Unseen { queue, in_flight, delayed, too_many } in &self.unseen {
            output.json(&json!({
                "queue": queue, "inFlight": in_flight, "delayed": delayed, "tooMany": too_many,
            }));
            let many = if *too_many > 0 { format!(", {too_many} too many to hold") } else { String::new() };
            output.line(format_args!("could not be seen: {queue}: {in_flight} in flight, {delayed} delayed{many}"));
        }
        self.summary(search, output)
    }

    fn summary(&self, search: &Search, output: &Output) -> Result<(), Failure> {
        let count = |is_counted: &dyn Fn(&Found) -> bool| self.found.iter().filter(|found| is_counted(found)).count();
        let is_message = |found: &Found| matches!(found.place, Place::Message { .. });
        let is_deleted = |found: &Found| matches!(found.outcome, Outcome::Deleted);
        let (messages, objects) = (count(&is_message), count(&|found| !is_message(found)));
        let messages_deleted = count(&|found| is_message(found) && is_deleted(found));
        let objects_deleted = count(&|found| !is_message(found) && is_deleted(found));
        let failed = count(&|found| matches!(found.outcome, Outcome::Failed(_)));
        let sum = |count: fn(&Unseen) -> u64| self.unseen.iter().map(count).sum::<u64>();
        let (in_flight, delayed) = (sum(|queue| queue.in_flight), sum(|queue| queue.delayed));
        let too_many = sum(|queue| queue.too_many);
        let (not_read, problems) = (self.not_read.len(), self.failures.len());
        let unfinished = [
            ("not deleted", failed as u64),
            ("could not be read", not_read as u64),
            ("in flight", in_flight),
            ("delayed", delayed),
            ("too many to hold", too_many),
            ("problems", problems as u64),
        ];
        let unfinished: Vec<_> = unfinished.iter().filter(|(_, count)| *count > 0).collect();
        output.json(&json!({
            "by": search.wanted.field().label(),
            "dryRun": !search.delete,
            "messagesSeen": self.messages_seen,
            "objectsSeen": self.objects_seen,
            "messagesFound": messages,
            "objectsFound": objects,
            "messagesDeleted": messages_deleted,
            "objectsDeleted": objects_deleted,
            "failed": failed,
            "putBackAsNew": self.put_back_as_new,
            "notRead": not_read,
            "inFlight": in_flight,
            "delayed": delayed,
            "tooMany": too_many,
            "problems": problems,
            "complete": unfinished.is_empty(),
        }));
        output.line(format_args!("searched: messages {}, objects {}", self.messages_seen, self.objects_seen));
        if self.put_back_as_new > 0 {
            let count = self.put_back_as_new;
            output.line(format_args!("put back as new messages, because they had no receive left: {count}"));
        }
        output.line(format_args!("found: messages {messages}, objects {objects}"));
        if search.delete {
            output.line(format_args!("deleted: messages {messages_deleted}, objects {objects_deleted}"));
        } else {
            output.line("This was a dry run: nothing is deleted. To delete, add --delete.");
        }
        if unfinished.is_empty() {
            return Ok(());
        }
        let unfinished: Vec<_> = unfinished.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        Err(Failure::reported(format!(
            "the search is not complete ({}): run it again, and look yourself at payloads that cannot be read",
            unfinished.join(", ")
        )))
    }
}

impl Found {
    pub fn is_object(&self, key: &str) -> bool {
        matches!(&self.place, Place::Object { key: found } if found == key)
    }

    fn print(&self, search: &Search, output: &Output) {
        let mut object = self.place.json(search);
        add(&mut object, "deleted", matches!(self.outcome, Outcome::Deleted).into());
        let text = self.place.text(search);
        match &self.outcome {
            Outcome::DryRun => output.line(format_args!("would delete {text}")),
            Outcome::Deleted => output.line(format_args!("deleted {text}")),
            Outcome::Failed(why) => {
                let why = search.wanted.redact(why);
                add(&mut object, "problem", why.clone().into());
                output.line(format_args!("not deleted: {text}: {}", printable(&why)));
            }
        }
        output.json(&object);
    }
}

impl Place {
    fn json(&self, search: &Search) -> Value {
        match self {
            Self::Message { queue, id, sent_at, delivery_id, key } => json!({
                "queue": queue,
                "messageId": id,
                "sentAt": sent_at,
                "deliveryId": delivery_id.as_ref().map(|id| search.wanted.redact_name(id)),
                "claimCheck": key.as_ref().map(|key| search.object_json(key)),
            }),
            Self::Object { key } => search.object_json(key),
        }
    }

    fn text(&self, search: &Search) -> String {
        match self {
            Self::Message { queue, id, sent_at, delivery_id, key } => {
                let sent = sent_at.as_deref().unwrap_or_default();
                let delivery_id = delivery_id.as_deref().unwrap_or_default();
                let delivery_id = search.printable_name(delivery_id);
                let object = key.as_ref().map(|key| format!("  claim check of {}", search.object_text(key)));
                format!("{queue} message {id}  sent {sent}  DeliveryId {delivery_id}{}", object.unwrap_or_default())
            }
            Self::Object { key } => search.object_text(key),
        }
    }
}

fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
