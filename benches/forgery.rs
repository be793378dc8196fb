//! The cost of a forged callback, compared with an authentic one of the same size: `cargo bench --bench forgery`.
//!
//! The whole receiver runs with keys and queues in memory, so only processor time is measured. The unit is one SHA-256
//! over the body: nobody can verify or reject a signature for less.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints its table and fails by panicking")]

use std::{
    hint::black_box,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use flinks_dev::sign;
use flinks_webhooks::{
    Receiver,
    auth::{IpAllowlist, KeyRules, Scheme, SecretSource, SecretVersion, Stage},
    aws_error::AwsError,
    config::Policy,
    delivery::{OutboundMessage, PayloadStore, Queues, Storage},
    http::{Callback, Response, SignatureHeader, SignatureHeaders, read_event},
    rejection::Rejection,
    routing::ResponseTypes,
    telemetry::Record,
};
use local_lambda::gateway::{HttpRequest, event};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

const SIZES: [(&str, usize); 5] =
    [("1 kB", 1_000), ("10 kB", 10_000), ("100 kB", 100_000), ("1 MB", 1_000_000), ("5 MB", 5_000_000)];
const SECRET: &str = "the current secret";
const FORGED: &str = "no secret of anybody's";

/// The number of samples, of which the median counts, and their minimum duration.
const SAMPLES: usize = 15;
const SAMPLE: Duration = Duration::from_millis(10);

/// Secrets Manager with a current version, and a previous one if `rotated`.
struct Secrets {
    rotated: bool,
}

impl SecretSource for Secrets {
    async fn fetch(&self, _: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let secret = match stage {
            Stage::Current => SECRET,
            Stage::Previous if self.rotated => "the previous secret",
            Stage::Previous => return Ok(None),
        };
        Ok(Some(SecretVersion {
            id: secret.to_owned(),
            created: Some(SystemTime::now()),
            text: Some(Zeroizing::new(secret.to_owned())),
        }))
    }
}

/// Queues and a bucket that accept everything and store nothing.
struct Discard;

impl Queues for Discard {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        black_box(message.body);
        Ok(())
    }
}

impl PayloadStore for Discard {
    fn bucket(&self) -> &str {
        "nowhere"
    }

    async fn put(&self, _: &str, payload: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
        black_box(payload);
        Ok(())
    }
}

/// The median time of one call.
fn measure(mut call: impl FnMut()) -> Duration {
    let started = Instant::now();
    call();
    let calls = (SAMPLE.as_nanos() / started.elapsed().as_nanos().max(1) + 1).min(100_000) as u32;
    let mut samples = [(); SAMPLES].map(|()| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed() / calls
    });
    samples.sort();
    samples.into_iter().nth(SAMPLES / 2).unwrap()
}

/// An account with as many transactions as fit, each with this description.
fn body(bytes: usize, description: &str) -> Bytes {
    let transaction = format!(
        r#"{{"Date":"2026-10-01","Description":"{description}","Debit":42.1,"Credit":null,"Balance":37200.25}}"#
    );
    let (start, end) = (r#"{"ResponseType":"GetAccountsDetail","Accounts":[{"Transactions":["#, "]}]}");
    let count = (bytes - start.len() - end.len()) / (transaction.len() + 1);
    format!("{start}{}{end}", vec![transaction; count].join(",")).into()
}

struct Receivers {
    runtime: Runtime,
    one_key: Receiver<Secrets, Discard, Discard>,
    two_keys: Receiver<Secrets, Discard, Discard>,
}

impl Receivers {
    fn new() -> Self {
        let receiver = |rotated| {
            let key_rules = KeyRules { previous_key_for: Duration::from_secs(7 * 24 * 60 * 60), accept_ascii: true };
            let policy = Policy { allowlist: IpAllowlist::default(), key_rules, response_types: ResponseTypes::new() };
            Receiver::new(policy, Secrets { rotated }, Storage::new(Discard, Discard))
        };
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            one_key: receiver(false),
            two_keys: receiver(true),
        }
    }

    /// The time until the receiver responds.
    fn receive(
        &self,
        receiver: &Receiver<Secrets, Discard, Discard>,
        body: &Bytes,
        signature: &str,
        expected: Result<(), Rejection>,
    ) -> Duration {
        measure(|| {
            let mut headers = SignatureHeaders::default();
            headers.push(SignatureHeader::AuthenticityKey, signature.as_bytes().to_vec());
            let callback = Callback { headers, body: body.clone(), ..Callback::default() };
            let mut record = Record::default();
            let response = self.runtime.block_on(receiver.receive(Ok(callback), &mut record));
            assert_eq!(response, expected.map_or(Response::Unauthorized, |()| Response::Stored));
            assert_eq!(record.rejection, expected.err());
        })
    }
}

/// The time to read an event's bytes into a callback.
fn read(body: &Bytes) -> Duration {
    let headers = [("content-type", "application/json"), ("flinks-authenticity-key", "")];
    let request =
        HttpRequest { method: "POST", path: "/webhooks/flinks", headers: &headers, body, ..HttpRequest::default() };
    let event = serde_json::to_vec(&event(&request)).unwrap();
    measure(|| {
        assert_eq!(read_event(&event).map(|callback| callback.body.len()), Ok(body.len()));
    })
}

fn main() {
    let receivers = Receivers::new();
    println!("{:>7}  {:<44} {:>12}  {:>8}", "body", "work", "time", "SHA-256s");
    for (size, bytes) in SIZES {
        let (ascii, accents) = (body(bytes, "EXAMPLE EPICERIE"), body(bytes, "EXAMPLE ÉPICERIE"));
        let hash = measure(|| {
            black_box(Sha256::digest(black_box(&ascii)));
        });
        let forged = |body: &Bytes| sign::aggregation(body, FORGED);
        let (one, two) = (&receivers.one_key, &receivers.two_keys);
        let (wrong, malformed) = (Err(Rejection::SignatureWrong), Err(Rejection::SignatureMalformed));
        for (work, time) in [
            ("one SHA-256 over it", hash),
            ("reading the event, before each of these", read(&ascii)),
            ("forged: malformed signature", receivers.receive(one, &ascii, "malformed", malformed)),
            ("forged: ASCII text, one key", receivers.receive(one, &ascii, &forged(&ascii), wrong)),
            ("forged: ASCII text, two keys", receivers.receive(two, &ascii, &forged(&ascii), wrong)),
            ("forged: accents, so two encodings, one key", receivers.receive(one, &accents, &forged(&accents), wrong)),
            ("forged: accents, so two encodings, two keys", receivers.receive(two, &accents, &forged(&accents), wrong)),
            ("authentic", receivers.receive(one, &ascii, &sign::aggregation(&ascii, SECRET), Ok(()))),
        ] {
            let micros = time.as_secs_f64() * 1e6;
            let multiple = time.as_secs_f64() / hash.as_secs_f64();
            println!("{size:>7}  {work:<44} {micros:>9.1} µs  {multiple:>8.2}");
        }
    }
}
