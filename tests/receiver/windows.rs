//! One short outage of AWS, at every moment of a callback and of a start. Nothing is lost, and each response comes
//! within 12 seconds.
//!
//! The table has each service and each pair of services, each fault, and fast and slow networks. An outage lasts up to
//! five seconds and begins at any moment from before the start to the end of the time budget. The tests run in virtual
//! time, and all but the last use minimal services instead of the SDK's clients: so many cases are otherwise too slow.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use flinks_dev::{
    sign,
    stack::{PAYLOAD_BUCKET, SIGNING_SECRET},
};
use flinks_webhooks::{
    Receiver,
    auth::{IpAllowlist, KeyRules, Scheme, SecretSource, SecretVersion, Stage},
    aws_error::{self, AwsError, Reason},
    config::Policy,
    delivery::{OutboundMessage, PayloadStore, Queues, Storage, UNDELIVERED_PREFIX},
    http::{Response, read_event},
    routing::ResponseTypes,
    telemetry::Record,
};
use local_aws::{Fault, Network, Operation};
use local_lambda::gateway::{HttpRequest, event};
use tokio::time::{Instant, sleep, sleep_until};
use zeroize::Zeroizing;

use Operation::{GetSecretValue, PutObject, SendMessage};

use crate::support::Fixture;

/// Each service, and each pair of services.
const SERVICES: [&[Operation]; 6] = [
    &[SendMessage],
    &[PutObject],
    &[GetSecretValue],
    &[SendMessage, PutObject],
    &[GetSecretValue, SendMessage],
    &[GetSecretValue, PutObject],
];
const FAULTS: [Fault; 4] = [Fault::Error, Fault::Throttle, Fault::Reset, Fault::Hang];

const INLINE: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// Has an illegal character, so it needs a claim check.
const ODD: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();

/// The time from the beginning of a case to the start of the process, or to the event if the process already runs. The
/// earliest outage begins this long before.
const LEAD: Duration = Duration::from_millis(2_500);
/// When the latest outage begins: at the end of the time budget of an event that comes after a start of two seconds.
const LAST: Duration = Duration::from_millis(2_500 + 2_000 + 11_500);
/// The longest time until the response.
const RESPONSE: Duration = Duration::from_secs(12);
/// Keys that were read this long ago are due to be read again.
const DUE: Duration = Duration::from_secs(301);

const LENGTHS: &[u64] = &[100, 500, 1_000, 2_900, 5_000];

/// The state of the process's keys when the event comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// It has none: the process starts for this event.
    Cold,
    Warm,
    /// It has keys that are due to be read again.
    Due,
}

/// One outage: calls to these operations fail for some time.
#[derive(Clone, Copy, Debug)]
struct Window {
    operations: &'static [Operation],
    fault: Fault,
    /// Since the beginning of the case.
    from: Duration,
    length: Duration,
    start: Start,
    /// The latency of a call, there and back.
    latency: Duration,
}

impl Window {
    /// Every case of the table.
    fn all(latency: Duration, lengths: &[u64], step: Duration) -> Vec<Self> {
        let mut all = Vec::new();
        for start in [Start::Cold, Start::Warm, Start::Due] {
            for (operations, fault) in SERVICES.iter().flat_map(|services| FAULTS.map(|fault| (*services, fault))) {
                for length in lengths.iter().copied().map(Duration::from_millis) {
                    let begins = (0..).map(|index| step * index).take_while(|from| *from <= LAST);
                    all.extend(begins.map(|from| Self { operations, fault, from, length, start, latency }));
                }
            }
        }
        all
    }

    /// The network of a case, and when its event comes or its process starts.
    fn network(self) -> (Trouble, Instant) {
        let beginning = Instant::now() + DUE;
        let from = beginning + self.from;
        (Trouble { window: self, from, until: from + self.length }, beginning + LEAD)
    }
}

#[derive(Clone, Copy)]
struct Trouble {
    window: Window,
    from: Instant,
    until: Instant,
}

impl Network for Trouble {
    fn latency(&self) -> Duration {
        self.window.latency / 2
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let is_on = (self.from..self.until).contains(&Instant::now());
        (is_on && self.window.operations.contains(&operation)).then_some(self.window.fault)
    }
}

/// A minimal stand-in for SQS, S3 and Secrets Manager.
#[derive(Clone)]
struct Service {
    network: Trouble,
    /// The objects of claim checks, by key.
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
    /// The payloads on the queue, and the undelivered ones in the bucket.
    stored: Arc<Mutex<Vec<Bytes>>>,
}

impl Service {
    /// Makes one call. If it fails, it has no effect.
    async fn call(&self, operation: Operation, name: aws_error::Operation) -> Result<(), AwsError> {
        sleep(self.network.latency()).await;
        let failed = match self.network.fault(operation) {
            None => None,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Reset) => Some(AwsError::new(name, Reason::Connection)),
            Some(fault) => {
                let (status, code) =
                    if fault == Fault::Throttle { (400, "Throttling") } else { (500, "InternalError") };
                let error = AwsError::new(name, Reason::Service);
                Some(AwsError { status: Some(status), code: Some(code.to_owned()), ..error })
            }
        };
        sleep(self.network.latency()).await;
        failed.map_or(Ok(()), Err)
    }

    fn has(&self, body: &[u8]) -> bool {
        self.stored.lock().unwrap().iter().any(|stored| stored == body)
    }
}

impl SecretSource for Service {
    async fn fetch(&self, _: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        self.call(GetSecretValue, aws_error::Operation::GetSecretValue).await?;
        let text = Some(Zeroizing::new(SIGNING_SECRET.to_owned()));
        let current = SecretVersion { id: "1".to_owned(), created: Some(SystemTime::now()), text };
        Ok((stage == Stage::Current).then_some(current))
    }
}

impl Queues for Service {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let body = message.body;
        self.call(SendMessage, aws_error::Operation::SendMessage).await?;
        let objects = self.objects.lock().unwrap();
        let pointed_at =
            objects.iter().find(|(key, _)| body.contains(key.as_str())).map(|(_, payload)| payload.clone());
        self.stored.lock().unwrap().push(pointed_at.unwrap_or_else(|| body.into()));
        Ok(())
    }
}

impl PayloadStore for Service {
    fn bucket(&self) -> &str {
        PAYLOAD_BUCKET
    }

    async fn put(&self, key: &str, payload: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
        self.call(PutObject, aws_error::Operation::PutObject).await?;
        if key.starts_with(UNDELIVERED_PREFIX) {
            self.stored.lock().unwrap().push(payload);
        } else {
            self.objects.lock().unwrap().insert(key.to_owned(), payload);
        }
        Ok(())
    }
}

/// Posts `body` in each case, with the minimal services.
async fn check(body: &'static [u8], windows: &[Window]) {
    let event = posted(body);
    for (window, seed) in windows.iter().zip(0..) {
        // The waits between attempts are random. The seed makes each case reproducible and different from the others.
        fastrand::seed(seed);
        let (network, comes) = window.network();
        let service = Service { network, objects: Arc::default(), stored: Arc::default() };
        let key_rules = KeyRules { previous_key_for: DUE * 1_000, accept_ascii: true };
        let policy = Policy { allowlist: IpAllowlist::default(), key_rules, response_types: ResponseTypes::new() };
        let storage = Storage::new(service.clone(), service.clone());
        let receiver = Receiver::new(policy, service.clone(), storage);
        let received = async || {
            let mut record = Record::default();
            receiver.receive(read_event(&event), &mut record).await
        };
        let prepare = async || drop(receiver.prepare().await);
        let response = at_its_time(*window, comes, prepare, received).await;
        assert_eq!(response, Response::Stored, "{window:?}, {} bytes", body.len());
        assert!(service.has(body), "{window:?}, {} bytes", body.len());
    }
}

/// Starts the process and sends it the event, each at its time. Checks how long the response takes.
async fn at_its_time(
    window: Window,
    comes: Instant,
    prepare: impl AsyncFn(),
    receive: impl AsyncFn() -> Response,
) -> Response {
    match window.start {
        Start::Cold => {
            sleep_until(comes).await;
            prepare().await;
        }
        Start::Warm => {
            sleep_until(comes - DUE / 2).await;
            prepare().await;
            sleep_until(comes).await;
        }
        Start::Due => {
            prepare().await;
            sleep_until(comes).await;
        }
    }
    let started = Instant::now();
    let response = receive().await;
    assert!(started.elapsed() <= RESPONSE, "{window:?}: {:?}", started.elapsed());
    response
}

fn posted(body: &[u8]) -> Vec<u8> {
    let signature = sign::aggregation(body, SIGNING_SECRET);
    let headers = [("content-type", "application/json"), ("flinks-authenticity-key", signature.as_str())];
    let request =
        HttpRequest { method: "POST", path: "/webhooks/flinks", headers: &headers, body, ..HttpRequest::default() };
    serde_json::to_vec(&event(&request)).unwrap()
}

/// Checks outages of up to `longest` milliseconds with both bodies, on a network of this latency.
async fn check_all(latency: u64, longest: u64, step: u64) {
    let lengths: Vec<_> = LENGTHS.iter().copied().filter(|length| *length <= longest).collect();
    let windows = Window::all(Duration::from_millis(latency), &lengths, Duration::from_millis(step));
    for body in [INLINE, ODD] {
        check(body, &windows).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_at_any_moment_loses_nothing() {
    check_all(2, 5_000, 700).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_at_any_moment_loses_nothing_on_a_slow_network() {
    check_all(300, 5_000, 900).await;
}

/// Calls this slow leave time for fewer attempts, so the outages are shorter.
#[tokio::test(start_paused = true)]
async fn a_short_outage_at_any_moment_loses_nothing_on_a_very_slow_network() {
    check_all(2_000, 2_900, 900).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_body_survives_a_short_outage() {
    let body = format!(r#"{{"ResponseType":"KYC","Tag":"{}"}}"#, "a".repeat(1_500_000)).into_bytes().leak();
    let all = Window::all(Duration::from_millis(100), &[5_000], Duration::from_millis(3_700));
    let is_of_it = |window: &Window| window.operations.contains(&PutObject) && window.start == Start::Cold;
    check(body, &all.into_iter().filter(is_of_it).collect::<Vec<_>>()).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_loses_nothing_with_the_sdks_clients() {
    for window in Window::all(Duration::from_millis(20), &[5_000], Duration::from_millis(4_100)) {
        fastrand::seed(1);
        let (network, comes) = window.network();
        let fixture = Fixture::detached_with_network(network);
        let prepare = async || drop(fixture.receiver.prepare().await);
        let receive = async || fixture.post_signed(ODD).await.response;
        let response = at_its_time(window, comes, prepare, receive).await;
        assert_eq!(response, Response::Stored, "{window:?}");
        let objects = fixture.aws().objects(PAYLOAD_BUCKET);
        let is_undelivered =
            objects.iter().any(|(key, object)| key.starts_with(UNDELIVERED_PREFIX) && object.body == ODD);
        let is_on_queue = || fixture.messages().iter().any(|(_, message)| fixture.payload(message) == ODD);
        assert!(is_undelivered || is_on_queue(), "{window:?}");
    }
}
