//! The catalogue of the queues, as an AsyncAPI 3.0.0 document. The version of the SQS binding is the one that the schema
//! of AsyncAPI 3.0.0 accepts.

use serde_json::{Map, Value, json};

use super::json_schema::Document;
use crate::kind::Kind;

const BINDING_VERSION: &str = "0.2.0";

/// The document.
pub fn document(documents: &[Document]) -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for kind in Kind::ALL {
        let (queue, message) = (kind.queue(), message_name(kind, documents));
        let reference = json!({ "$ref": format!("#/channels/{queue}/messages/{message}") });
        channels.insert(queue.to_owned(), channel(kind, &message));
        operations.insert(
            format!("receive{message}"),
            json!({
                "action": "receive",
                "channel": { "$ref": format!("#/channels/{queue}") },
                "messages": [reference],
            }),
        );
        messages.insert(message.clone(), self::message(kind, &message, documents));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Queues of the Flinks webhook receiver",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The receiver verifies each callback of Flinks and puts it on the queue for its type. The body \
                of a message is what Flinks sent, byte for byte. SQS delivers at least once and in any order: deduplicate \
                on the attribute `DeliveryId`. A message with the attribute `ExtendedPayloadSize` is a claim check: its \
                body is the pointer of the Amazon SQS Extended Client, and the payload is in the bucket.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    })
}

fn channel(kind: Kind, message: &str) -> Value {
    let (queue, label) = (kind.queue(), kind.label());
    let dead_letters = format!("{}DeadLetterQueue", queue.trim_end_matches("Queue"));
    json!({
        // Known only once the stack is deployed.
        "address": null,
        "title": queue,
        "description": format!(
            "{} `{queue}` is the queue's name in the stack. Its URL and ARN are the SSM parameters \
             `/STACK/queues/{label}/url` and `/STACK/queues/{label}/arn`. An operator can map further `ResponseType` \
             values to this queue: their payloads have no schema here.",
            what_is_on_it(kind),
        ),
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
        "bindings": {
            "sqs": {
                "queue": {
                    "name": queue,
                    "fifoQueue": false,
                    "redrivePolicy": { "deadLetterQueue": { "name": dead_letters }, "maxReceiveCount": 5 },
                },
                "deadLetterQueue": { "name": dead_letters, "fifoQueue": false },
                "bindingVersion": BINDING_VERSION,
            },
        },
    })
}

fn message(kind: Kind, name: &str, documents: &[Document]) -> Value {
    // An unclassified payload may be anything, even a body that is not JSON.
    let payload = match documents.iter().find(|document| document.kind == Some(kind)) {
        Some(document) => json!({ "$ref": format!("./{}", document.file) }),
        None => json!({ "description": "Anything: any JSON, text that is not JSON, or bytes that are not text." }),
    };
    let (headers, body) = example(kind);
    json!({
        "name": name,
        "title": name,
        "summary": what_is_on_it(kind),
        "headers": { "$ref": "./schemas/attributes.json" },
        "payload": payload,
        "bindings": { "sqs": {} },
        "examples": [{ "name": "sample", "summary": "Made-up data.", "headers": headers, "payload": body }],
    })
}

fn message_name(kind: Kind, documents: &[Document]) -> String {
    documents
        .iter()
        .find(|document| document.kind == Some(kind))
        .map_or("Unclassified", |document| &document.name)
        .into()
}

fn what_is_on_it(kind: Kind) -> &'static str {
    match kind {
        Kind::Kyc => "Payloads with the `ResponseType` `KYC`.",
        Kind::AccountsDetail => "Payloads with the `ResponseType` `GetAccountsDetail`, and recovered ones.",
        Kind::Investments => "Payloads with the `ResponseType` `Investments`.",
        Kind::Pay => {
            "Everything with a valid Flinks Pay signature, and payloads with `sessionId` and `status`. The schema is that \
             of a guaranteed EFT session's status; Flinks publishes no other."
        }
        Kind::UploadFraud => "Payloads with `DocumentAnalysis`.",
        Kind::Unclassified => "Authentic payloads that are none of the others.",
    }
}

/// Attributes and payload of a message with made-up data.
fn example(kind: Kind) -> (Value, Value) {
    let text = match kind {
        Kind::Kyc => include_str!("../../samples/kyc.json"),
        Kind::AccountsDetail => include_str!("../../samples/accounts-detail.json"),
        Kind::Investments => include_str!("../../samples/investments.json"),
        Kind::Pay => include_str!("../../samples/eft-session-status.json"),
        Kind::UploadFraud => include_str!("../../samples/fraud-alert.json"),
        Kind::Unclassified => include_str!("../../samples/unclassified.json"),
    };
    // The tests read each sample.
    let sample: Value = serde_json::from_str(text).unwrap_or_default();
    (sample.get("attributes").cloned().unwrap_or_default(), sample.get("payload").cloned().unwrap_or_default())
}
