//! `cargo dev peek`: shows messages and leaves them on the queue.
//!
//! SQS has no operation for this. A receive hides the message and counts. If a message has used up the receives that
//! the redrive policy allows, the next receive moves it to the dead letters. So this command receives each message once
//! and gives it back at once. It leaves each message at least one receive: if it used the last one, it puts the message
//! back as a new one.

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::routing::Kind;
use serde_json::{Value, json};

use super::{
    connection::{Connection, Queue, Target, queue_kind},
    message::{Pointer, Received, delete, give_back, hold, send_copy},
    object,
};
use flinks_dev::{failed_call, failure::Failure, output::Output};

/// Show a queue's messages and leave them there. For a claim check, show the payload in S3.
///
/// What it costs: SQS can show a message only by a receive. SQS hides the message from consumers for a few seconds, or
/// for 30 seconds if this command is killed. The receive counts as one of the receives (5) after which SQS moves the
/// message to the dead letters. If this command uses the last one, it puts the message back as a new one and says so.
/// The new message has the same body and attributes, a new MessageId and a receive count of zero. If consumers have
/// used up all receives, the next receive moves the message to the dead letters, even if this command makes that
/// receive.
///
/// With --dead-letters it costs nothing, because SQS moves no message from there.
///
/// Bodies are bank data, so the command shows only the first 300 characters unless you add --full. It reads objects in
/// S3 and never deletes them.
#[derive(clap::Args, Debug)]
pub struct PeekArguments {
    /// The queue: kyc, accounts-detail, investments, pay, upload-fraud or unclassified, or its name, such as KycQueue.
    #[arg(value_name = "QUEUE", value_parser = queue_kind)]
    queue: Kind,
    /// Show the queue's dead letters.
    #[arg(long)]
    dead_letters: bool,
    /// Show at most this many messages, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Show whole bodies.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    target: Target,
}

/// How many characters of a body are shown without `--full`.
const SHOWN_CHARACTERS: usize = 300;

/// Prints the messages in the order in which SQS returned them.
///
/// # Errors
/// If the queue cannot be reached, or a message without a receive left could not be put back as a new one.
pub async fn run(arguments: &PeekArguments, output: &Output) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.target).await?;
    let queue = connection.queue(arguments.queue).await?;
    let name = queue.logical_name(arguments.dead_letters);
    let url = queue.url(arguments.dead_letters);
    let expected = connection.counts(url).await?.visible;
    let held = hold(&connection.sqs, url, arguments.limit.into(), expected).await;
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
        output.line(format_args!("SQS returned no message from {name}"));
    }
    for message in &held {
        let payload = match message.pointer() {
            Some(pointer) => Payload::InS3 { bytes: fetch(&connection, &pointer).await, pointer },
            None => Payload::Inline,
        };
        let renewed = renewed.contains(&message.id());
        View { message, payload, queue: &queue, renewed, arguments }.print(output);
    }
    if stuck.is_empty() {
        return Ok(());
    }
    Err(Failure::negative(format!(
        "these messages have no receive left and could not be put back as new ones, so the next receive moves them to \
         the dead letters: {}; `cargo dev redrive {}` brings them back",
        stuck.join("; "),
        queue.kind.label()
    )))
}

/// Puts a message back as a new one. Sends the copy first, so that the message is never lost. Returns the copy's id.
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
        .map_err(|why| format!("it is there twice now, because the old one could not be deleted: {why}"))
}

/// Reads a claim check's payload.
///
/// # Errors
/// If it cannot be read, with the reason.
async fn fetch(connection: &Connection, pointer: &Pointer) -> Result<Vec<u8>, String> {
    let payload = object::get(&connection.s3, &pointer.bucket, &pointer.key).await;
    payload.map(Vec::from).map_err(|why| why.to_string())
}

/// The place of the callback's body.
enum Payload {
    Inline,
    InS3 { pointer: Pointer, bytes: Result<Vec<u8>, String> },
}

/// A message, and how to show it.
struct View<'a> {
    message: &'a Received,
    payload: Payload,
    queue: &'a Queue,
    /// Whether the message was put back as a new one.
    renewed: bool,
    arguments: &'a PeekArguments,
}

impl View<'_> {
    fn print(&self, output: &Output) {
        if output.is_json() {
            output.json(&self.json());
        } else {
            self.text(output);
        }
    }

    /// The callback's body, or why it cannot be shown.
    fn bytes(&self) -> Result<&[u8], &str> {
        match &self.payload {
            Payload::Inline => Ok(self.message.body().as_bytes()),
            Payload::InS3 { bytes, .. } => bytes.as_deref().map_err(String::as_str),
        }
    }

    /// The part of the text to show, and whether it was cut.
    fn excerpt<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let end = text.char_indices().nth(SHOWN_CHARACTERS).map(|(end, _)| end);
        match end.filter(|_| !self.arguments.full).and_then(|end| text.get(..end)) {
            Some(start) => (start, true),
            None => (text, false),
        }
    }

    fn json(&self) -> Value {
        let message = self.message;
        let mut view = json!({
            "queue": self.queue.logical_name(self.arguments.dead_letters),
            "messageId": message.id(),
            "sentAt": message.sent_at(),
            "receiveCount": message.receive_count(),
            "groupId": message.group_id(),
            "attributes": message.attributes(),
            "putBackAsNew": self.renewed,
        });
        let mut add = |name: &str, value: Value| {
            if let Some(view) = view.as_object_mut() {
                view.insert(name.to_owned(), value);
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
                        let (start, cut) = self.excerpt(text);
                        add("body", start.into());
                        add("cut", cut.into());
                    }
                    Err(_) => {
                        let limit = if self.arguments.full { bytes.len() } else { SHOWN_CHARACTERS };
                        let start = bytes.get(..limit).unwrap_or(bytes);
                        add("bodyBase64", BASE64_STANDARD.encode(start).into());
                        add("cut", (start.len() < bytes.len()).into());
                    }
                }
            }
        }
        view
    }

    fn text(&self, output: &Output) {
        let message = self.message;
        let row = |name: &str, value: &str| {
            output.line(format_args!("  {name:<19} {}", printable(value).replace('\n', "\u{FFFD}")))
        };
        output.line(format_args!("message {}", message.id()));
        row("sent", &message.sent_at().unwrap_or_default());
        let received = if self.arguments.dead_letters {
            format!("{}, including this one", message.receive_count())
        } else {
            format!("{} of {}, including this one", message.receive_count(), self.queue.dead_letters.max_receives)
        };
        row("receives", &received);
        if self.renewed {
            row("put back", "as a new message, because it had no receive left");
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
                let (start, cut) = self.excerpt(&text);
                let not_text = if str::from_utf8(bytes).is_err() { ", not valid UTF-8" } else { "" };
                let more = if cut {
                    format!("; only the first {SHOWN_CHARACTERS} characters, --full shows all")
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

/// Makes text from outside safe for a terminal. Replaces control characters, and characters that change the writing
/// direction.
pub(super) fn printable(text: &str) -> String {
    let is_unsafe = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn characters_that_act_on_a_terminal_are_replaced() {
        assert_eq!(printable("a\u{202E}b\u{2066}c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(printable("Zoé\u{1b}[2J\u{9b}31m\r\n\t🎉"), "Zoé\u{FFFD}[2J\u{FFFD}31m\u{FFFD}\n\t🎉");
    }
}
