//! Measures the steps of the function one by one, on bodies of each size: the time and, if valgrind is installed, exact
//! counts.
//!
//! Each step calls the pipeline's own function, with an input that is made beforehand. `send` and `put` measure the
//! SDK: they end in an HTTP client that reads the whole request and responds at once. `callback` is all steps together.

use std::{fs, hint::black_box, path::PathBuf, sync::Arc, time::Instant};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use bytes::Bytes;
use clap::ValueEnum;
use flinks_dev::{
    sign,
    stack::{SIGNING_SECRET, Stack},
};
use flinks_webhooks::{
    Receiver,
    auth::{AuthenticCallback, Signatures, SigningKey},
    aws::Clients,
    delivery::{Message, OutboundMessage, PayloadStore, Queues},
    http::{Response, SignatureHeader, SignatureHeaders, read_event},
    routing::{ClassifiedCallback, Fields, ResponseTypes},
    telemetry::Record,
};
use serde::{Deserialize, Serialize};

use crate::{
    Failure,
    callback::{self, Size},
    statistics::median,
    table, valgrind,
    valgrind::{Counts, Tool},
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Fewer and shorter samples, and no counts
    #[arg(long, conflicts_with = "counts_only")]
    quick: bool,
    /// Only these steps
    #[arg(long, value_delimiter = ',')]
    only: Vec<Step>,
    /// Only bodies of these sizes
    #[arg(long, value_delimiter = ',', default_values = ["2kB", "200kB", "1MB", "5MB"])]
    sizes: Vec<Size>,
    /// Only the counts, which a busy machine does not change, and no times
    #[arg(long)]
    counts_only: bool,
    /// Body sizes for valgrind's counts
    #[arg(long, value_delimiter = ',', default_values = ["2kB", "1MB"])]
    counted_sizes: Vec<Size>,
    /// JSON of another commit's run: counts are printed as multiples of its counts
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// File for the figures as JSON
    #[arg(long, value_name = "FILE", default_value = "target/benches/steps.json")]
    json: PathBuf,
}

#[derive(clap::Args)]
pub struct Repeated {
    step: Step,
    size: Size,
    times: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// From the event to a callback, with the body as text
    Event,
    /// From the event to a callback, with the body as base64
    EventBase64,
    /// The signature check, if the raw encoding matches
    SignatureRaw,
    /// The signature check, if the raw encoding fails and the ASCII encoding matches
    SignatureAscii,
    /// The routing fields
    Fields,
    /// The message: delivery id (SHA-256) and attributes
    Message,
    /// Whether SQS can carry the body
    Inline,
    /// The pointer to an object
    ClaimCheck,
    /// SendMessage up to the socket: copy, escape, hash, sign
    Send,
    /// PutObject up to the socket: checksum, hash, sign
    Put,
    /// From the event to the response
    Callback,
}

/// One figure.
#[derive(Serialize)]
struct Figure {
    step: Step,
    size: Size,
    /// The median of the samples. `None` with `--counts-only`.
    nanoseconds: Option<f64>,
    /// Bytes of the body per second.
    bytes_per_second: Option<f64>,
    #[serde(flatten)]
    counts: Option<Counts>,
}

/// A figure of another commit, which may have other steps.
#[derive(Deserialize)]
struct Other {
    step: String,
    size: Size,
    #[serde(flatten)]
    counts: Option<Counts>,
}

/// Measures each step at each size.
///
/// # Errors If a step fails or the figures cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let steps = if arguments.only.is_empty() { Step::value_variants() } else { &arguments.only };
    let counts = !arguments.quick && valgrind::is_installed();
    if arguments.counts_only && !counts {
        return Err("--counts-only needs valgrind".into());
    }
    if !arguments.quick && !counts {
        eprintln!("valgrind is not installed: no counts of instructions and allocations");
    }
    // Read first, because it may be the same file that is written at the end.
    let others: Vec<Other> = match &arguments.against {
        None => Vec::new(),
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
    };
    let mut figures = Vec::new();
    for &step in steps {
        for &size in &arguments.sizes {
            let Some(mut work) = step.prepare(size)? else { continue };
            let nanoseconds = (!arguments.counts_only).then(|| time(&mut work, arguments.quick));
            let counts = if counts && arguments.counted_sizes.contains(&size) { Some(step.count(size)?) } else { None };
            let bytes_per_second = nanoseconds.map(|nanoseconds| size.bytes() as f64 / nanoseconds * 1e9);
            figures.push(Figure { step, size, nanoseconds, bytes_per_second, counts });
        }
        eprintln!("{} done", step.label());
    }
    println!("{}", report(&figures, &others));
    table::write_json(&arguments.json, &figures)
}

/// Runs one step `times` times.
///
/// # Errors If the step does not exist at this size.
pub fn repeat(repeated: &Repeated) -> Result<(), Failure> {
    let mut work = repeated.step.prepare(repeated.size)?.ok_or("no such step at that size")?;
    for _ in 0..repeated.times {
        work();
    }
    Ok(())
}

fn report(figures: &[Figure], others: &[Other]) -> String {
    let header = ["step", "body", "time", "of the body", "instructions", "allocations", "allocated", "copied"];
    let rows = figures.iter().map(|figure| {
        let other = others.iter().find(|other| other.step == figure.step.label() && other.size == figure.size);
        let other = other.and_then(|other| other.counts.as_ref());
        let count = |of: fn(&Counts) -> u64| {
            let Some(count) = figure.counts.as_ref().map(of) else { return String::new() };
            let other = other.map(of).filter(|other| *other > 0);
            let multiple = other.map(|other| format!(", ×{:.3}", count as f64 / other as f64));
            table::grouped(count) + &multiple.unwrap_or_default()
        };
        vec![
            figure.step.label(),
            figure.size.label().to_owned(),
            figure.nanoseconds.map_or(String::new(), table::nanoseconds),
            figure.bytes_per_second.map_or(String::new(), |rate| format!("{:.0} MB/s", rate / 1e6)),
            count(|counts| counts.instructions),
            count(|counts| counts.allocations),
            count(|counts| counts.allocated_bytes),
            count(|counts| counts.copied_bytes),
        ]
    });
    table::markdown(&header, rows)
}

/// The nanoseconds of one run: the median of several samples, each long enough for the clock.
fn time(work: &mut Work, is_quick: bool) -> f64 {
    let (samples, sample_seconds) = if is_quick { (5, 0.005) } else { (25, 0.02) };
    let started = Instant::now();
    work();
    let once = started.elapsed().as_secs_f64();
    let times = (sample_seconds / once).ceil().max(1.0) as u32;
    let sample = |_| {
        let started = Instant::now();
        for _ in 0..times {
            work();
        }
        started.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    };
    median(&(0..samples).map(sample).collect::<Vec<_>>())
}

type Work = Box<dyn FnMut()>;

impl Step {
    fn label(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn count(self, size: Size) -> Result<Counts, Failure> {
        /// How often a step runs. A few runs are exact enough for a large body.
        const SMALL: u64 = 100;
        const LARGE: u64 = 2;
        let times = if size == Size::Kb2 { SMALL } else { LARGE };
        let program = std::env::current_exe()?;
        let label = size.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        valgrind::difference(times, |tool: Tool, times| {
            let done = std::process::Command::new("valgrind")
                .args(tool.arguments())
                .arg(&program)
                .args(["step", &self.label(), &label, &times.to_string()])
                .status()?;
            if done.success() { Ok(()) } else { Err(format!("valgrind ended with {done}").into()) }
        })
    }

    /// The step, ready to run repeatedly. `None` if it does not exist at this size.
    fn prepare(self, size: Size) -> Result<Option<Work>, Failure> {
        let body = callback::body(size)?;
        let text = str::from_utf8(&body)?;
        let raw = sign::aggregation(&body, SIGNING_SECRET);
        let json = Some("application/json");
        Ok(match self {
            Self::Event => Some(reading(callback::gateway_event(&body, &raw, json)?)),
            Self::EventBase64 => Some(reading(callback::gateway_event(&body, &raw, None)?)),
            Self::SignatureRaw => Some(verifying(&body, &raw)?),
            Self::SignatureAscii => {
                // The generated names may have no accent.
                let accented = Bytes::from(text.replacen("Tag\":\"u", "Tag\":\"é", 1));
                let ascii = sign::ascii(str::from_utf8(&accented)?, SIGNING_SECRET);
                Some(verifying(&accented, &ascii)?)
            }
            Self::Fields => Some(Box::new(move || {
                black_box(Fields::read(black_box(&body)));
            })),
            Self::Message => {
                let event = ClassifiedCallback::classify(authentic(&body, &raw)?, &ResponseTypes::new());
                Some(Box::new(move || {
                    black_box(Message::from_callback(black_box(&event), std::time::SystemTime::now()));
                }))
            }
            Self::Inline => {
                let message = message(&body, &raw)?;
                message.inline_body().is_some().then(|| -> Work {
                    Box::new(move || {
                        black_box(black_box(&message).inline_body());
                    })
                })
            }
            Self::ClaimCheck => {
                let message = message(&body, &raw)?;
                Some(Box::new(move || {
                    let key = message.payload_key("5e115eac-1209-4f19-641c-08d6d484e2fe");
                    black_box(message.claim_check("flinks-payloads", &key));
                }))
            }
            Self::Send => {
                let (message, function) = (Arc::new(message(&body, &raw)?), OfflineFunction::new()?);
                message.inline_body().is_some().then(|| -> Work { Box::new(move || function.send(&message)) })
            }
            Self::Put => {
                let (message, function) = (message(&body, &raw)?, OfflineFunction::new()?);
                Some(Box::new(move || function.put(&message)))
            }
            Self::Callback => {
                let (event, function) = (callback::gateway_event(&body, &raw, json)?, OfflineFunction::new()?);
                Some(Box::new(move || function.receive(&event)))
            }
        })
    }
}

#[expect(clippy::expect_used, reason = "a step that fails must not be measured")]
fn reading(event: Bytes) -> Work {
    Box::new(move || {
        black_box(read_event(black_box(&event)).expect("the event is a callback"));
    })
}

#[expect(clippy::expect_used, reason = "a step that fails must not be measured")]
fn verifying(body: &Bytes, signature: &str) -> Result<Work, Failure> {
    let (body, signature, key) = (body.clone(), self::signature(signature)?, key()?);
    Ok(Box::new(move || {
        let verified = black_box(&signature).verify(&body, [&key].into_iter(), true);
        black_box(verified.expect("the signature is valid"));
    }))
}

fn authentic(body: &Bytes, signature: &str) -> Result<AuthenticCallback, Failure> {
    let verified = self::signature(signature)?.verify(body, [&key()?].into_iter(), true);
    verified.ok_or_else(|| "the signature is wrong".into())
}

fn message(body: &Bytes, signature: &str) -> Result<Message, Failure> {
    let event = ClassifiedCallback::classify(authentic(body, signature)?, &ResponseTypes::new());
    Ok(Message::from_callback(&event, std::time::SystemTime::now()))
}

fn signature(signature: &str) -> Result<flinks_webhooks::auth::Signature, Failure> {
    let mut headers = SignatureHeaders::default();
    headers.push(SignatureHeader::AuthenticityKey, signature.as_bytes().to_vec());
    let signatures = Signatures::from_headers(&headers).map_err(|rejection| format!("no signature: {rejection:?}"))?;
    signatures.iter().next().ok_or_else(|| "no signature".into())
}

fn key() -> Result<SigningKey, Failure> {
    SigningKey::new(SIGNING_SECRET.as_bytes()).ok_or_else(|| "no key".into())
}

/// The function with its AWS clients, but without a network.
struct OfflineFunction {
    runtime: tokio::runtime::Runtime,
    receiver: flinks_dev::stack::AwsReceiver,
    clients: Clients,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a step that fails must not be measured")]
impl OfflineFunction {
    fn new() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let config = runtime.block_on(async {
            let stack = Stack::start().await?;
            stack.config(&[]).map_err(|problems| Failure::from(format!("{problems:?}")))
        })?;
        let clients = || Clients::with_http_client(fake_aws_client(), &config);
        let Clients { secrets, storage } = clients();
        let receiver = Receiver::new(config.policy.clone(), secrets, storage);
        runtime.block_on(receiver.prepare());
        Ok(Self { runtime, receiver, clients: clients() })
    }

    fn send(&self, message: &Message) {
        let body = message.inline_body().expect("SQS can carry it").to_owned();
        let outbound = OutboundMessage {
            kind: message.kind(),
            body,
            attributes: message.attributes(),
            group_id: message.group_id(),
            trace_header: None,
        };
        let sent = self.clients.storage.queues.send(outbound);
        self.runtime.block_on(sent).expect("the queue accepts it");
    }

    fn put(&self, message: &Message) {
        let put = self.clients.storage.payloads.put("key", message.body().clone(), &[]);
        self.runtime.block_on(put).expect("the bucket accepts it");
    }

    fn receive(&self, event: &Bytes) {
        let mut record = Record::default();
        let response = self.runtime.block_on(self.receiver.receive(read_event(event), &mut record));
        match response {
            Response::Stored => {}
            other => panic!("the response is {other:?}"),
        }
    }
}

/// An HTTP client that reads each request completely and responds as AWS does.
fn fake_aws_client() -> SharedHttpClient {
    http_client_fn(|_, _| SharedHttpConnector::new(FakeAws))
}

#[derive(Debug)]
struct FakeAws;

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let body = ByteStream::new(request.into_body()).collect().await;
            black_box(body.map_err(|error| ConnectorError::other(error.into(), None))?);
            let response_body = if target.ends_with("GetSecretValue") {
                format!(r#"{{"VersionId":"1","SecretString":"{SIGNING_SECRET}"}}"#)
            } else if target.ends_with("SendMessage") {
                r#"{"MessageId":"1","MD5OfMessageBody":"1"}"#.to_owned()
            } else {
                String::new()
            };
            let status = StatusCode::try_from(200).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(response_body));
            response.headers_mut().insert("etag", "\"1\"");
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_multiple_of_that_of_the_same_step_and_size() {
        let counts = |instructions| Counts { instructions, allocations: 1, allocated_bytes: 1, copied_bytes: 1 };
        let figure = |step, instructions| Figure {
            step,
            size: Size::Kb2,
            nanoseconds: None,
            bytes_per_second: None,
            counts: Some(counts(instructions)),
        };
        let others = [figure(Step::EventBase64, 4_000), figure(Step::Fields, 5_000), figure(Step::Put, 0)];
        let other = serde_json::to_string(&others).unwrap();
        let others: Vec<Other> = serde_json::from_str(&other).unwrap();
        let figures = [Step::EventBase64, Step::Send, Step::Put].map(|step| figure(step, 3_000));
        let report = report(&figures, &others);
        let rows: Vec<&str> = report.lines().skip(2).collect();
        assert!(rows[0].contains("3,000, ×0.750") && !rows[1].contains('×'), "{report}");
        // A count of 0 has no multiple.
        assert!(rows[2].contains("3,000 ") && !rows[2].contains("inf"), "{report}");
    }

    #[test]
    fn every_step_does_its_work_at_the_smallest_and_the_largest_size() {
        for &step in Step::value_variants() {
            for size in [Size::Kb2, Size::Mib1AndOne] {
                let work = step.prepare(size).unwrap();
                let needs_a_message = matches!(step, Step::Inline | Step::Send);
                assert_eq!(work.is_none(), needs_a_message && !size.is_inline(), "{step:?} {size:?}");
                if let Some(mut work) = work {
                    work();
                }
            }
        }
    }
}
