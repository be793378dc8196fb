//! `cargo dev peek`: looks at messages and leaves them where they are.
//!
//! SQS has no such operation. A receive hides the message and counts, and one receive after the count that the redrive
//! policy allows, SQS moves the message. So each message is received once, given back at once, and never left without
//! a receive: one whose last this was is put back as a new message.

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::routing::Kind;
use serde_json::{Value, json};

use super::{
    connection::{Connection, Queue, Target, queue_kind},
    message::{Pointer, Received, delete, give_back, hold, send_copy},
    object,
};
use flinks_dev::{failed_call, failure::Failure, output::Output};

/// Look at a queue's messages and leave them there, the payloads of claim checks included.
///
/// What it costs: SQS has no look without a receive. A message that is looked at is out of the consumers' sight for a
/// moment (seconds; 30 if this program is killed meanwhile), and the look counts as one of the receives (5) after which
/// SQS moves it to the dead letters. A look never takes the last: then the message is put back as a new one, with the
/// same body and attributes, another MessageId and all its receives, and the output says so. What consumers alone have
/// used up is another matter: such a message is moved by the next receive, whoever makes it, and so by a look.
/// With --dead-letters it costs nothing: SQS moves nothing on from there.
///
/// Bodies are bank data: the first 300 characters are shown unless you say --full. Objects in S3 are read, never
/// deleted.
#[derive(clap::Args, Debug)]
pub struct PeekArguments {
    /// Which queue: kyc, accounts-detail, investments, pay, upload-fraud or unclassified, or its name, like KycQueue.
    #[arg(value_name = "QUEUE", value_parser = queue_kind)]
    queue: Kind,
    /// Look at the queue's dead letters.
    #[arg(long)]
    dead_letters: bool,
    /// Look at no more messages than this, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Show whole bodies.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    target: Target,
}

/// Characters of a body that are shown without `--full`.
const SHOWN_CHARACTERS: usize = 300;

/// Prints the messages, in the order in which SQS gave them.
///
/// # Errors
/// When the queue cannot be reached, or a message that had no receive left could not be put back as a new one.
pub async fn run(arguments: &PeekArguments, output: &Output) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.target).await?;
    let queue = connection.queue(arguments.queue).await?;
    let name = queue.logical_name(arguments.dead_letters);
    let url = queue.url(arguments.dead_letters);
    let there = connection.counts(url).await?.visible;
    let held = hold(&connection.sqs, url, arguments.limit.into(), there).await;
    let held =
        held.map_err(|error| failed_call::failure(&format!("receive from {name}"), connection.local(), &error))?;

    let is_used_up =
        |message: &Received| !arguments.dead_letters && message.receive_count() >= queue.dead_letters.max_receives;
    let (used_up, others): (Vec<_>, Vec<_>) = held.iter().cloned().partition(is_used_up);
    give_back(&connection.sqs, url, &others).await;
    let (mut renewed, mut stuck) = (Vec::new(), Vec::new());
    for message in &used_up {
        match renew(&connection, &queue, message).await {
            Ok(_) => renewed.push(message.id()),
            Err(why) => stuck.push(format!("{}: {why}", message.id())),
        }
    }

    if held.is_empty() {
        output.line(format_args!("no message can be received from {name} now"));
    }
    for message in &held {
        let payload = match message.pointer() {
            Some(pointer) => Payload::InS3 { bytes: fetch(&connection, &pointer).await, pointer },
            None => Payload::Inline,
        };
        let renewed = renewed.contains(&message.id());
        Look { message, payload, queue: &queue, renewed, arguments }.print(output);
    }
    if stuck.is_empty() {
        return Ok(());
    }
    Err(Failure::negative(format!(
        "the next receive of these moves them to the dead letters, because this look was their last and they could not \
         be put back as new (or were, and not taken away here): {}; `cargo dev redrive {}` brings them back",
        stuck.join("; "),
        queue.kind.label()
    )))
}

/// Puts a message back as a new one. The copy first, so that it is never lost. Returns the copy's id.
pub(super) async fn renew(connection: &Connection, queue: &Queue, message: &Received) -> Result<String, String> {
    let copy = match send_copy(&connection.sqs, &queue.url, message).await {
        Ok(copy) => copy,
        Err(why) => {
            give_back(&connection.sqs, &queue.url, std::slice::from_ref(message)).await;
            return Err(why);
        }
    };
    delete(&connection.sqs, &queue.url, message)
        .await
        .map(|()| copy)
        .map_err(|why| format!("it is there twice now, the old one could not be deleted: {why}"))
}

/// A claim check's payload, or why there is none to show.
async fn fetch(connection: &Connection, pointer: &Pointer) -> Result<Vec<u8>, String> {
    let payload = object::get(&connection.s3, &pointer.bucket, &pointer.key).await;
    payload.map(Vec::from).map_err(|why| why.to_string())
}

/// Where the callback is.
enum Payload {
    Inline,
    InS3 { pointer: Pointer, bytes: Result<Vec<u8>, String> },
}

/// One message as it is shown.
struct Look<'a> {
    message: &'a Received,
    payload: Payload,
    queue: &'a Queue,
    /// Whether it had to be put back as a new one.
    renewed: bool,
    arguments: &'a PeekArguments,
}

impl Look<'_> {
    fn print(&self, output: &Output) {
        if output.is_json() {
            output.json(&self.json());
        } else {
            self.text(output);
        }
    }

    /// The callback's bytes, or why they cannot be shown.
    fn bytes(&self) -> Result<&[u8], &str> {
        match &self.payload {
            Payload::Inline => Ok(self.message.body().as_bytes()),
            Payload::InS3 { bytes, .. } => bytes.as_deref().map_err(String::as_str),
        }
    }

    /// As much of the text as is asked for, and whether that is less than all.
    fn start<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let end = text.char_indices().nth(SHOWN_CHARACTERS).map(|(end, _)| end);
        match end.filter(|_| !self.arguments.full).and_then(|end| text.get(..end)) {
            Some(start) => (start, true),
            None => (text, false),
        }
    }

    fn json(&self) -> Value {
        let message = self.message;
        let mut look = json!({
            "queue": self.queue.logical_name(self.arguments.dead_letters),
            "messageId": message.id(),
            "sentAt": message.sent_at(),
            "receiveCount": message.receive_count(),
            "groupId": message.group_id(),
            "attributes": message.attributes(),
            "putBackAsNew": self.renewed,
        });
        let mut add = |name: &str, value: Value| {
            if let Some(look) = look.as_object_mut() {
                look.insert(name.to_owned(), value);
            }
        };
        if !self.arguments.dead_letters {
            add("maxReceiveCount", self.queue.dead_letters.max_receives.into());
        }
        if let Payload::InS3 { pointer, .. } = &self.payload {
            add("claimCheck", json!({ "bucket": pointer.bucket, "key": pointer.key }));
        }
        match self.bytes() {
            Err(why) => add("problem", why.into()),
            Ok(bytes) => {
                add("bytes", bytes.len().into());
                match str::from_utf8(bytes) {
                    Ok(text) => {
                        let (start, cut) = self.start(text);
                        add("body", start.into());
                        add("cut", cut.into());
                    }
                    Err(_) => {
                        let most = if self.arguments.full { bytes.len() } else { SHOWN_CHARACTERS };
                        let start = bytes.get(..most).unwrap_or(bytes);
                        add("bodyBase64", BASE64_STANDARD.encode(start).into());
                        add("cut", (start.len() < bytes.len()).into());
                    }
                }
            }
        }
        look
    }

    fn text(&self, output: &Output) {
        let message = self.message;
        let row = |name: &str, value: &str| {
            output.line(format_args!("  {name:<19} {}", printable(value).replace('\n', "\u{FFFD}")))
        };
        output.line(format_args!("message {}", message.id()));
        row("sent", &message.sent_at().unwrap_or_default());
        let received = if self.arguments.dead_letters {
            format!("{}, looks included", message.receive_count())
        } else {
            format!("{} of {}, this look included", message.receive_count(), self.queue.dead_letters.max_receives)
        };
        row("receives", &received);
        if self.renewed {
            row("put back", "as a new message: this look was the last of its receives");
        }
        if let Some(group) = message.group_id() {
            row("MessageGroupId", group);
        }
        for (name, value) in message.attributes() {
            row(name, &value);
        }
        if let Payload::InS3 { pointer, .. } = &self.payload {
            row("payload", &format!("s3://{}/{}", pointer.bucket, pointer.key));
        }
        match self.bytes() {
            Err(why) => row("body", &format!("cannot be shown: {why}")),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let (start, cut) = self.start(&text);
                let not_text = if str::from_utf8(bytes).is_err() { ", not all of it UTF-8" } else { "" };
                let more = if cut {
                    format!("; the first {SHOWN_CHARACTERS} characters, --full shows all")
                } else {
                    String::new()
                };
                row("body", &format!("{} bytes{not_text}{more}", bytes.len()));
                output.line(format_args!("    {}", printable(start)));
            }
        }
        output.line("");
    }
}

/// Text from outside, with nothing in it that a terminal would obey: no controls, and none that turn the direction of
/// writing round.
pub(super) fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if obeyed(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        assert_eq!(printable("a\u{202E}b\u{2066}c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(printable("Zoé\u{1b}[2J\u{9b}31m\r\n\t🎉"), "Zoé\u{FFFD}[2J\u{FFFD}31m\u{FFFD}\n\t🎉");
    }
}
