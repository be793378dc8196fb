//! The demonstration: callbacks go in at the front, messages come out of the queues.

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use aws_sdk_sqs::Client;
use comfy_table::{ContentArrangement, Table, presets};
use flinks_webhooks::{http::read_event, routing::Kind, telemetry::Record};
use serde_json::json;

use crate::{
    aws,
    failed_call::reason,
    failure::Failure,
    output::Output,
    samples::{self, Sample},
    stack::{self, Stack},
};

/// Posts one callback of each kind and a forgery, and prints what arrived where.
///
/// # Errors
/// When a callback did not get the answer or the queue that it should have.
pub async fn run(output: &Output) -> Result<(), Failure> {
    show_all(output).await.map_err(|error| Failure::negative(format!("the demonstration failed: {error}")))
}

/// The samples that are posted, with what they are: one for each queue, and one that belongs on none.
const SHOWN: [(&str, &str); 7] = [
    ("kyc", "KYC"),
    ("accounts-detail", "GetAccountsDetail"),
    ("investments", "Investments"),
    ("pay", "Flinks Pay session"),
    ("upload-fraud", "Upload fraud alert"),
    ("unknown-type", "a type nobody knows"),
    ("forged", "KYC, forged"),
];

async fn show_all(output: &Output) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let stack = Stack::start().await?;
    let config = stack.config(&[]).map_err(|problems| format!("{problems:?}"))?;
    let receiver = stack::receiver(&config);
    let consumer = Client::new(&aws::local(&stack.aws.endpoint()));
    output.line("In this process: the receiver, and an SQS, a Secrets Manager and an S3 for it.");
    output.line("Each callback is posted as API Gateway hands it over; each queue is read as a consumer reads it.");
    output.line("");

    let mut posted = Vec::new();
    for sample in samples::all() {
        let Some((_, what)) = SHOWN.iter().find(|(name, _)| *name == sample.name) else { continue };
        let callback = read_event(sample.event.to_string().as_bytes());
        let answer = receiver.receive(callback, &mut Record::default()).await;
        posted.push(Posted { sample, what, status: answer.status(), answer: answer.body(), arrived: Vec::new() });
    }
    for kind in Kind::ALL {
        for message in receive(&consumer, &stack.aws.queue_url(kind.queue())).await? {
            let home = posted.iter_mut().find(|callback| callback.sample.body == message.body.as_bytes());
            home.ok_or_else(|| format!("{} has a message that nobody posted", kind.queue()))?
                .arrived
                .push((kind, message));
        }
    }
    // The forgery has the body of a true callback, which is the one that arrived.
    for callback in &posted {
        callback.check()?;
    }

    print_table(output, &posted);
    for callback in &posted {
        output.json(&callback.object());
    }
    finish(output, &posted, started.elapsed());
    Ok(())
}

/// A callback, its answer, and the messages that have its body.
struct Posted {
    sample: Sample,
    what: &'static str,
    status: u16,
    answer: &'static str,
    arrived: Vec<(Kind, Arrived)>,
}

/// A message as a consumer has it.
struct Arrived {
    body: String,
    attributes: BTreeMap<String, String>,
}

impl Posted {
    /// Whether it got the answer and the queue that it should have.
    fn check(&self) -> Result<(), String> {
        let name = self.sample.name;
        let expected = self.sample.expected;
        if self.status != expected.status() {
            return Err(format!("{name} was answered {} and not {}", self.status, expected.status()));
        }
        let queues: Vec<_> = self.arrived.iter().map(|(kind, _)| *kind).collect();
        if queues != Vec::from_iter(expected.kind()) {
            return Err(format!("{name} is on the queues {queues:?}"));
        }
        Ok(())
    }

    fn object(&self) -> serde_json::Value {
        let arrived = self.arrived.first();
        json!({
            "callback": self.sample.name,
            "bytes": self.sample.body.len(),
            "status": self.status,
            "answer": self.answer,
            "queue": arrived.map(|(kind, _)| kind.queue()),
            "attributes": arrived.map(|(_, message)| &message.attributes),
        })
    }
}

fn print_table(output: &Output, posted: &[Posted]) {
    /// Columns below which an identifier would be broken if each thing had a column of its own.
    const WIDE_ENOUGH: u16 = 108;
    let width = width();
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let is_narrow = width < WIDE_ENOUGH;
    if is_narrow {
        table.set_header(["Callback, answer, queue", "Attributes of the message"]);
    } else {
        table.set_header(["Callback", "Answer", "Queue", "Attributes of the message"]);
    }
    for callback in posted {
        let arrived = callback.arrived.first();
        let queue = arrived.map_or("none: nothing stored", |(kind, _)| kind.queue());
        let attributes = arrived.map_or_else(String::new, |(_, message)| attributes(message));
        let status = callback.status.to_string();
        if is_narrow {
            table.add_row([format!("{}\n{status}\n{queue}", callback.what), attributes]);
        } else {
            table.add_row([callback.what, &status, queue, &attributes]);
        }
    }
    output.line(table.trim_fmt());
}

/// One attribute a line, in two columns.
fn attributes(message: &Arrived) -> String {
    /// Enough of a SHA-256 to distinguish it from the others.
    const SHOWN_CHARACTERS: usize = 12;
    let lines = message.attributes.iter().map(|(name, value)| match name.as_str() {
        "DeliveryId" => format!("{name:<16} {value:.SHOWN_CHARACTERS$}…"),
        _ => format!("{name:<16} {value}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Columns of the terminal; enough for the table where there is none.
fn width() -> u16 {
    const WITHOUT_TERMINAL: u16 = 110;
    terminal_size::terminal_size().map_or(WITHOUT_TERMINAL, |(width, _)| width.0)
}

fn finish(output: &Output, posted: &[Posted], took: Duration) {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    let stored = posted.iter().filter(|callback| !callback.arrived.is_empty()).count();
    let refused = posted.len() - stored;
    output.json(
        &json!({ "posted": posted.len(), "stored": stored, "refused": refused, "milliseconds": took.as_millis() }),
    );
    output.line("");
    output.line(format_args!(
        "{GOOD}All as it should be{GOOD:#}: {stored} stored, each on its queue; the forgery rejected and on none. {:.1} s.",
        took.as_secs_f64()
    ));
    output.line("");
    output.line("Try next:");
    for Hint(command, what) in HINTS {
        output.line(format_args!("  {command:<58} {what}"));
    }
}

struct Hint(&'static str, &'static str);

const HINTS: [Hint; 4] = [
    Hint("cargo dev up", "keep it running, with a page to look at"),
    Hint("cargo dev send kyc", "send it a signed callback"),
    Hint("cargo dev verify body.json --signature VALUE", "find out why a signature does not match"),
    Hint("cargo dev event kyc | sam local invoke ReceiverFunction -e -", "try the built function"),
];

async fn receive(consumer: &Client, queue_url: &str) -> Result<Vec<Arrived>, Box<dyn Error>> {
    const MAX_AT_ONCE: i32 = 10;
    let request = consumer.receive_message().queue_url(queue_url).max_number_of_messages(MAX_AT_ONCE);
    // SQS sends no attribute that is not asked for.
    let messages = request
        .message_attribute_names("All")
        .send()
        .await
        .map_err(|error| reason(&error))?
        .messages
        .unwrap_or_default();
    let arrived = messages.into_iter().map(|message| Arrived {
        attributes: message
            .message_attributes()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.string_value().unwrap_or_default().to_owned()))
            .collect(),
        body: message.body.unwrap_or_default(),
    });
    Ok(arrived.collect())
}
