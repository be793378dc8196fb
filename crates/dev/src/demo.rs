//! The demonstration: callbacks go in at the front, messages come out of the queues.
#![expect(clippy::print_stdout, reason = "it shows what happens")]

use std::error::Error;

use aws_credential_types::Credentials;
use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Region},
    types::Message,
};
use flinks_webhooks::{AwsReceiver, callback::GatewayEvent, kind::Kind, record::Record};

use crate::{samples, stack::Stack};

/// Posts one callback of each documented type, some odd ones and a forgery, and prints what arrived where.
///
/// # Errors
/// When a callback did not get the answer or the queue that it should have.
pub async fn run() -> Result<(), Box<dyn Error>> {
    let stack = Stack::start().await?;
    let config = stack.config(&[]).map_err(|problems| format!("{problems:?}"))?;
    let receiver = AwsReceiver::on_aws(&config);
    let consumer = consumer(&stack);

    println!("Posting callbacks, as API Gateway hands them to the function:");
    println!();
    let samples: Vec<_> = samples::all();
    for sample in SHOWN.iter().filter_map(|name| samples.iter().find(|sample| sample.name == *name)) {
        let event: GatewayEvent = serde_json::from_value(sample.event.clone())?;
        let answer = receiver.receive(event.0, &mut Record::default()).await;
        let queue = sample.expected.kind().map_or("nowhere", Kind::queue);
        println!(
            "  events/{:<22} {}  {:<26} -> {queue}",
            format!("{}.json", sample.name),
            answer.status(),
            answer.body()
        );
        if answer.status() != sample.expected.status() {
            return Err(format!("{} should have been answered {}", sample.name, sample.expected.status()).into());
        }
    }

    println!();
    println!("What a consumer receives, over SQS's own protocol:");
    for kind in Kind::ALL {
        for message in receive(&consumer, &stack.aws.queue_url(kind.queue())).await? {
            println!();
            show(kind, &message);
        }
    }
    println!();
    println!("The forgery is on no queue. Next: `cargo test --workspace`, or the README's section on deploying.");
    Ok(())
}

/// The samples that are posted, by their names.
const SHOWN: [&str; 7] =
    ["kyc", "accounts-detail", "pay", "upload-fraud", "unknown-type", "illegal-character", "forged"];

fn show(kind: Kind, message: &Message) {
    /// Most characters of a body that are shown.
    const SHOWN_CHARACTERS: usize = 96;
    println!("  {}", kind.queue());
    let mut attributes: Vec<_> = message.message_attributes().into_iter().flatten().collect();
    attributes.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in attributes {
        println!("    {name:<19} {}", value.string_value().unwrap_or_default());
    }
    let body = message.body().unwrap_or_default();
    let start: String = body.chars().take(SHOWN_CHARACTERS).collect();
    println!("    {:<19} {start}{}", "body", if start.len() < body.len() { "…" } else { "" });
}

async fn receive(consumer: &Client, queue_url: &str) -> Result<Vec<Message>, Box<dyn Error>> {
    const MOST_AT_ONCE: i32 = 10;
    let request = consumer.receive_message().queue_url(queue_url).max_number_of_messages(MOST_AT_ONCE);
    // SQS sends no attribute that is not asked for.
    Ok(request.message_attribute_names("All").send().await?.messages.unwrap_or_default())
}

/// What a downstream team has: an SQS client.
fn consumer(stack: &Stack) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("fake", "fake", None, None, "demo"))
        .endpoint_url(stack.aws.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}
