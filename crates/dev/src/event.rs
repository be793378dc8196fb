//! `cargo dev event`: prints the API Gateway event of a callback, for `sam local invoke ReceiverFunction -e -`, or what a
//! consumer receives for that callback.

pub mod consumer;

use std::{
    fs, io,
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use flinks_webhooks::auth::Scheme;
use local_lambda::gateway::{HttpRequest, event};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    doctor::{EncodingName, SchemeName, key_of, read_body, sign::Header},
    failure::Failure,
    output::Output,
    samples::{self, Sample},
    secret::{self, SecretArguments},
    sign,
};
use consumer::Delivery;

/// Print the API Gateway event of a callback (payload format 2.0), for `sam local invoke ReceiverFunction -e -`. With
/// --as, print what a consumer receives for that callback, and with --to, write it.
///
/// If you give no secret, the command signs with the sample secret, which the local stack uses too. A message has no
/// signature, so --as sqs, --as receive-message and --to need no secret.
#[derive(clap::Args)]
pub struct EventArguments {
    /// A sample (kyc, accounts-detail, investments, pay, upload-fraud, or any other name in `events/`), the file of a
    /// body of your own, or - for standard input. Investments, upload-fraud and failed-refresh are guesses, because
    /// Flinks does not publish these payloads.
    ///
    /// A consumer must handle these too: claim-check, kyc-claim-check, not-utf8, unknown-type, failed-refresh, nulls
    /// (every field is null), exact-money (amounts that a float cannot hold), and any of them with --duplicate.
    #[arg(value_name = "KIND|FILE")]
    subject: String,
    /// Sign with this scheme. Default: the sample's own, or aggregation for a body of your own.
    #[arg(long, value_enum)]
    scheme: Option<SchemeName>,
    /// Sign this encoding. Default: the sample's own, or raw for a body of your own.
    #[arg(long = "form", value_enum)]
    encoding: Option<EncodingName>,
    /// Encode the body as base64, as API Gateway does if the content type is not text.
    #[arg(long)]
    base64: bool,
    /// What to print.
    #[arg(long = "as", value_enum, default_value_t, value_name = "FORM")]
    shape: Shape,
    /// Print Flinks' retry as well: a second message with the same DeliveryId. Only with --as sqs, --as receive-message
    /// or --to.
    #[arg(long)]
    duplicate: bool,
    /// Write what a consumer receives into this folder, and print the names of the files: sqs/NAME.json,
    /// receive-message/NAME.json and, for a claim check, objects/BUCKET/KEY. NAME is the name of the sample or the file,
    /// and NAME.retry that of Flinks' retry. `consumers/fixtures/` is such a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "shape")]
    to: Option<PathBuf>,
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
/// If there is no such sample or file, it cannot be signed as asked, or the receiver rejects it.
pub async fn run(arguments: &EventArguments, output: &Output) -> Result<(), Failure> {
    let event = arguments.event().await?;
    if let Some(folder) = &arguments.to {
        return arguments.write(&arguments.deliveries(&event)?, folder, output);
    }
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
    Failure::usage("--duplicate is only for --as sqs, --as receive-message and --to")
}

impl EventArguments {
    async fn event(&self) -> Result<Value, Failure> {
        let samples = samples::all();
        let Some(sample) = samples.iter().find(|sample| sample.name == self.subject) else {
            let body = read_body(&self.subject).map_err(|failure| self.no_such(&failure, &samples))?;
            return self.signed(&body, Scheme::Aggregation, EncodingName::Raw, self.base64).await;
        };
        let Some((scheme, encoding)) = signature_of(sample) else {
            if self.changes_nothing() {
                return Ok(sample.event.clone());
            }
            return Err(Failure::usage(format!(
                "the sample {} is wrong on purpose and cannot be changed: leave out --scheme, --form and --base64",
                sample.name
            )));
        };
        if self.changes_nothing() && self.given(scheme).await?.is_none() {
            return Ok(sample.event.clone());
        }
        let base64 = self.base64 || sample.event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
        self.signed(&sample.body, scheme, encoding, base64).await
    }

    /// The secret that the user gives. A message depends on no secret, so the sample's secret is enough for a consumer.
    async fn given(&self, scheme: Scheme) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        if self.shape == Shape::ApiGateway && self.to.is_none() { self.secret.given(scheme).await } else { Ok(None) }
    }

    fn deliveries(&self, event: &Value) -> Result<Vec<Delivery>, Failure> {
        let deliveries = consumer::deliveries(event, self.duplicate.into());
        deliveries.ok_or_else(|| Failure::usage(format!("no consumer gets {}: the receiver rejects it", self.subject)))
    }

    fn write(&self, deliveries: &[Delivery], folder: &Path, output: &Output) -> Result<(), Failure> {
        let name = match self.subject.as_str() {
            "-" => Some("standard-input"),
            subject => Path::new(subject).file_stem().and_then(|name| name.to_str()),
        };
        let name = name.ok_or_else(|| Failure::usage(format!("{} has no name for its files", self.subject)))?;
        for (path, content) in consumer::files(name, deliveries) {
            let path = folder.join(path);
            write(&path, &content)
                .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
            output.json(&json!({ "file": path }));
            output.line(format_args!("{}", path.display()));
        }
        Ok(())
    }

    fn changes_nothing(&self) -> bool {
        self.scheme.is_none() && self.encoding.is_none() && !self.base64
    }

    async fn signed(
        &self,
        body: &[u8],
        scheme: Scheme,
        encoding: EncodingName,
        base64: bool,
    ) -> Result<Value, Failure> {
        let changed = self.scheme.is_some_and(|name| Scheme::from(name) != scheme);
        let scheme = self.scheme.map_or(scheme, Scheme::from);
        // A sample's ASCII encoding is only legal in its own scheme.
        let encoding = self.encoding.unwrap_or(if changed { EncodingName::Raw } else { encoding });
        let secret = self.given(scheme).await?;
        let secret = secret.as_ref().map_or(secret::sample(scheme).as_bytes(), |secret| secret.as_slice());
        let header = Header::sign(body, &key_of(secret)?, scheme, encoding)?;

        let mut headers = vec![("User-Agent", "flinks-dev"), (header.name, header.value.as_str())];
        if !base64 {
            headers.push(("Content-Type", "application/json; charset=utf-8"));
        }
        let request =
            HttpRequest { method: "POST", path: "/webhooks/flinks", headers: &headers, body, ..HttpRequest::default() };
        serde_json::to_value(event(&request))
            .map_err(|error| Failure::usage(format!("could not make the event: {error}")))
    }

    fn no_such(&self, failure: &Failure, samples: &[Sample]) -> Failure {
        // A path means a file, and so does the name of a file that exists.
        let exists = fs::exists(&self.subject).unwrap_or(true);
        if exists || self.subject.contains(['/', '\\', '.']) || self.subject == "-" {
            return Failure::usage(failure.to_string());
        }
        let names: Vec<_> = samples.iter().map(|sample| sample.name).collect();
        Failure::usage(format!(
            "there is no sample and no file named {}; the samples are {}",
            self.subject,
            names.join(", ")
        ))
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

/// A sample's scheme and encoding. `None` for a sample that is rejected.
fn signature_of(sample: &Sample) -> Option<(Scheme, EncodingName)> {
    sample.expected.kind()?;
    let headers = sample.event.get("headers")?;
    if headers.get("x-webhook-signature").is_some() {
        return Some((Scheme::Pay, EncodingName::Raw));
    }
    let raw = sign::aggregation(&sample.body, secret::sample(Scheme::Aggregation));
    let is_raw = ["flinks-authenticity-key", "x-flinks-signature"]
        .iter()
        .filter_map(|name| headers.get(name)?.as_str())
        .any(|value| value == raw);
    Some((Scheme::Aggregation, if is_raw { EncodingName::Raw } else { EncodingName::Ascii }))
}
