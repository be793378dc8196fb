//! `cargo dev event`: the API Gateway event of a callback, for `sam local invoke ReceiverFunction -e -`; or what a consumer
//! gets of that callback.

pub mod consumer;

use std::io::{Write, stdout};

use flinks_webhooks::auth::Scheme;
use local_lambda::gateway::{HttpRequest, event};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    doctor::{FormName, SchemeName, key_of, read_body, sign::Header},
    failure::Failure,
    output::Output,
    samples::{self, Sample},
    secret::{self, SecretArguments},
    sign,
};
use consumer::Delivery;

/// Print the API Gateway event of a callback (payload format 2.0), for `sam local invoke ReceiverFunction -e -`; or, with
/// --as, what a consumer gets of it.
///
/// The API Gateway event is signed with the secret that is given, or else with the sample secret, which the local stack
/// has too. A message has no signature, so --as sqs and --as receive-message need no secret.
#[derive(clap::Args)]
pub struct EventArguments {
    /// A sample (kyc, accounts-detail, investments, pay, upload-fraud, or any other name in `events/`), or the file of
    /// a body of your own, or - for standard input. Investments, upload-fraud and failed-refresh are guesses: Flinks does
    /// not publish these payloads.
    ///
    /// A consumer must survive these too: claim-check, not-utf8, unknown-type, failed-refresh, nulls (every field is
    /// null), exact-money (amounts that a float does not hold), and any of them with --duplicate.
    #[arg(value_name = "KIND|FILE")]
    subject: String,
    /// How it is signed. Default: as the sample is; a body of your own with the aggregation scheme.
    #[arg(long, value_enum)]
    scheme: Option<SchemeName>,
    /// Over which bytes. Default: as the sample is; a body of your own over its raw bytes.
    #[arg(long, value_enum)]
    form: Option<FormName>,
    /// Pass the body as base64, as API Gateway does without a content type that it takes for text.
    #[arg(long)]
    base64: bool,
    /// What to print.
    #[arg(long = "as", value_enum, default_value_t, value_name = "FORM")]
    shape: Shape,
    /// Print Flinks' retry as well: a second message with the same DeliveryId. Only with --as sqs or receive-message.
    #[arg(long)]
    duplicate: bool,
    #[command(flatten)]
    secret: SecretArguments,
}

/// Where a callback is on its way.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// The event that API Gateway hands to the receiver.
    #[default]
    ApiGateway,
    /// The event that a Lambda function gets from its queue. It has all attributes.
    Sqs,
    /// The response of `ReceiveMessage` to a client that asks for all attributes.
    ReceiveMessage,
    /// The bytes that Flinks sent, which the object of a claim check holds.
    Payload,
}

/// Prints the event.
///
/// # Errors
/// When there is no such sample or file, it cannot be signed as asked, or no consumer gets it.
pub async fn run(arguments: &EventArguments, output: &Output) -> Result<(), Failure> {
    let event = arguments.event().await?;
    let printed = match arguments.shape {
        Shape::ApiGateway if arguments.duplicate => return Err(only_for_consumers()),
        Shape::ApiGateway => event,
        Shape::Sqs => consumer::lambda_event(&arguments.deliveries(&event)?),
        Shape::ReceiveMessage => consumer::receive_message(&arguments.deliveries(&event)?),
        Shape::Payload if arguments.duplicate => return Err(only_for_consumers()),
        Shape::Payload => {
            for delivery in arguments.deliveries(&event)? {
                // A reader that has gone (`| head`) is no reason to fail.
                let _ = stdout().lock().write_all(&delivery.payload);
            }
            return Ok(());
        }
    };
    output.json(&printed);
    output.line(format_args!("{printed:#}"));
    Ok(())
}

fn only_for_consumers() -> Failure {
    Failure::usage("--duplicate is only for --as sqs and --as receive-message")
}

impl EventArguments {
    async fn event(&self) -> Result<Value, Failure> {
        let samples = samples::all();
        let Some(sample) = samples.iter().find(|sample| sample.name == self.subject) else {
            let body = read_body(&self.subject).map_err(|failure| self.no_such(&failure, &samples))?;
            return self.signed(&body, Scheme::Aggregation, FormName::Raw, self.base64).await;
        };
        let Some((scheme, form)) = signed_as(sample) else {
            if self.asks_for_nothing() {
                return Ok(sample.event.clone());
            }
            return Err(Failure::usage(format!(
                "the sample {} is wrong on purpose and stays so: leave out --scheme, --form and --base64",
                sample.name
            )));
        };
        if self.asks_for_nothing() && self.given(scheme).await?.is_none() {
            return Ok(sample.event.clone());
        }
        let base64 = self.base64 || sample.event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
        self.signed(&sample.body, scheme, form, base64).await
    }

    /// The secret that is given. A message says nothing of the secret, so the sample's does for a consumer.
    async fn given(&self, scheme: Scheme) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        if self.shape == Shape::ApiGateway { self.secret.given(scheme).await } else { Ok(None) }
    }

    fn deliveries(&self, event: &Value) -> Result<Vec<Delivery>, Failure> {
        let deliveries = consumer::deliveries(event, self.duplicate.into());
        deliveries.ok_or_else(|| Failure::usage(format!("no consumer gets {}: the receiver rejects it", self.subject)))
    }

    fn asks_for_nothing(&self) -> bool {
        self.scheme.is_none() && self.form.is_none() && !self.base64
    }

    async fn signed(&self, body: &[u8], scheme: Scheme, form: FormName, base64: bool) -> Result<Value, Failure> {
        let changed = self.scheme.is_some_and(|name| Scheme::from(name) != scheme);
        let scheme = self.scheme.map_or(scheme, Scheme::from);
        // A sample's ASCII form goes with its own scheme only.
        let form = self.form.unwrap_or(if changed { FormName::Raw } else { form });
        let secret = self.given(scheme).await?;
        let secret = secret.as_ref().map_or(secret::sample(scheme).as_bytes(), |secret| secret.as_slice());
        let header = Header::of(body, &key_of(secret)?, scheme, form)?;

        let mut headers = vec![("User-Agent", "flinks-dev"), (header.name, header.value.as_str())];
        if !base64 {
            headers.push(("Content-Type", "application/json; charset=utf-8"));
        }
        let request =
            HttpRequest { method: "POST", path: "/webhooks/flinks", headers: &headers, body, ..HttpRequest::default() };
        serde_json::to_value(event(&request)).map_err(|error| Failure::usage(format!("no event: {error}")))
    }

    fn no_such(&self, failure: &Failure, samples: &[Sample]) -> Failure {
        // Whoever gives a path means a file, and so does who names one that is there.
        let is_there = std::fs::exists(&self.subject).unwrap_or(true);
        if is_there || self.subject.contains(['/', '\\', '.']) || self.subject == "-" {
            return Failure::usage(failure.to_string());
        }
        let names: Vec<_> = samples.iter().map(|sample| sample.name).collect();
        Failure::usage(format!(
            "no sample and no file is called {}; the samples are {}",
            self.subject,
            names.join(", ")
        ))
    }
}

/// How a sample is signed; none for one that is rejected.
fn signed_as(sample: &Sample) -> Option<(Scheme, FormName)> {
    sample.expected.kind()?;
    let headers = sample.event.get("headers")?;
    if headers.get("x-webhook-signature").is_some() {
        return Some((Scheme::Pay, FormName::Raw));
    }
    let raw = sign::aggregation(&sample.body, secret::sample(Scheme::Aggregation));
    let is_raw = ["flinks-authenticity-key", "x-flinks-signature"]
        .iter()
        .filter_map(|name| headers.get(name)?.as_str())
        .any(|value| value == raw);
    Some((Scheme::Aggregation, if is_raw { FormName::Raw } else { FormName::Ascii }))
}
