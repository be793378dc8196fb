//! `cargo dev demo`: posts callbacks to the receiver, and shows the messages on the queues.

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

/// Posts one callback of each kind and a forgery, and prints the messages on each queue.
///
/// # Errors
/// If a callback got the wrong response or arrived on the wrong queue.
pub async fn run(output: &Output) -> Result<(), Failure> {
    show_all(output).await.map_err(|error| Failure::negative(format!("the demonstration failed: {error}")))
}

/// The posted samples with their descriptions: one for each queue, and a forgery that belongs on none.
const SHOWN: [(&str, &str); 7] = [
    ("kyc", "KYC"),
    ("accounts-detail", "GetAccountsDetail"),
    ("investments", "Investments"),
    ("pay", "Flinks Pay session"),
    ("upload-fraud", "Upload fraud alert"),
    ("unknown-type", "Unknown type"),
    ("forged", "KYC, forged"),
];

async fn show_all(output: &Output) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let stack = Stack::start().await?;
    let config = stack.config(&[]).map_err(|problems| format!("{problems:?}"))?;
    let receiver = stack::receiver(&config);
    let consumer = Client::new(&aws::local(&stack.aws.endpoint()));
    output.line("The receiver and local versions of SQS, Secrets Manager and S3 all run in this process.");
    output.line("Each callback arrives as an API Gateway event. Each queue is read as a consumer reads it.");
    output.line("");

    let mut posted = Vec::new();
    for sample in samples::all() {
        let Some((_, what)) = SHOWN.iter().find(|(name, _)| *name == sample.name) else { continue };
        let callback = read_event(sample.event.to_string().as_bytes());
        let answer = receiver.receive(callback, &mut Record::default()).await;
        posted.push(Posted { sample, what, status: answer.status(), response: answer.body(), arrived: Vec::new() });
    }
    for kind in Kind::ALL {
        for message in receive(&consumer, &stack.aws.queue_url(kind.queue())).await? {
            let source = posted.iter_mut().find(|callback| callback.sample.body == message.body.as_bytes());
            source
                .ok_or_else(|| format!("{} has a message that nobody posted", kind.queue()))?
                .arrived
                .push((kind, message));
        }
    }
    // The forgery has the same body as an authentic callback. The loop above gives the message to the authentic one,
    // because it comes first.
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

/// A callback, its response, and the messages with its body.
struct Posted {
    sample: Sample,
    what: &'static str,
    status: u16,
    response: &'static str,
    arrived: Vec<(Kind, Arrived)>,
}

/// A message as a consumer receives it.
struct Arrived {
    body: String,
    attributes: BTreeMap<String, String>,
}

impl Posted {
    /// Checks the callback's status and queue.
    fn check(&self) -> Result<(), String> {
        let name = self.sample.name;
        let expected = self.sample.expected;
        if self.status != expected.status() {
            return Err(format!("{name} got a {} instead of a {}", self.status, expected.status()));
        }
        let queues: Vec<_> = self.arrived.iter().map(|(kind, _)| *kind).collect();
        if queues != Vec::from_iter(expected.kind()) {
            return Err(format!("{name} arrived on the wrong queues: {queues:?}"));
        }
        Ok(())
    }

    fn object(&self) -> serde_json::Value {
        let arrived = self.arrived.first();
        json!({
            "callback": self.sample.name,
            "bytes": self.sample.body.len(),
            "status": self.status,
            "response": self.response,
            "queue": arrived.map(|(kind, _)| kind.queue()),
            "attributes": arrived.map(|(_, message)| &message.attributes),
        })
    }
}

fn print_table(output: &Output, posted: &[Posted]) {
    /// In a narrower terminal, the wide table would break identifiers.
    const WIDE_ENOUGH: u16 = 108;
    let width = width();
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let is_narrow = width < WIDE_ENOUGH;
    if is_narrow {
        table.set_header(["Callback, status, queue", "Attributes of the message"]);
    } else {
        table.set_header(["Callback", "Status", "Queue", "Attributes of the message"]);
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

/// The attributes in two columns, one on each line.
fn attributes(message: &Arrived) -> String {
    /// These characters of a SHA-256 are enough to tell it from the others.
    const SHOWN_CHARACTERS: usize = 12;
    let lines = message.attributes.iter().map(|(name, value)| match name.as_str() {
        "DeliveryId" => format!("{name:<16} {value:.SHOWN_CHARACTERS$}…"),
        _ => format!("{name:<16} {value}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The terminal's width in columns. Without a terminal, enough for the wide table.
fn width() -> u16 {
    const WITHOUT_TERMINAL: u16 = 110;
    terminal_size::terminal_size().map_or(WITHOUT_TERMINAL, |(width, _)| width.0)
}

fn finish(output: &Output, posted: &[Posted], took: Duration) {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    let stored = posted.iter().filter(|callback| !callback.arrived.is_empty()).count();
    let rejected = posted.len() - stored;
    output.json(
        &json!({ "posted": posted.len(), "stored": stored, "rejected": rejected, "milliseconds": took.as_millis() }),
    );
    output.line("");
    output.line(format_args!(
        "{GOOD}Everything worked{GOOD:#} in {:.1} s: {stored} callbacks are stored, each on its queue. The forgery was \
         rejected.",
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
    Hint("cargo dev up", "run it until Ctrl-C, with a page that shows the callbacks"),
    Hint("cargo dev send kyc", "send a signed callback to cargo dev up"),
    Hint("cargo dev verify body.json --signature VALUE", "find out why a signature does not match"),
    Hint("cargo dev event kyc | sam local invoke ReceiverFunction -e -", "run the built function"),
];

async fn receive(consumer: &Client, queue_url: &str) -> Result<Vec<Arrived>, Box<dyn Error>> {
    const MAX_AT_ONCE: i32 = 10;
    let request = consumer.receive_message().queue_url(queue_url).max_number_of_messages(MAX_AT_ONCE);
    // SQS sends only the attributes that the request names.
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
