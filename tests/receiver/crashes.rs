//! Crashes the functions at every await point, one after the other. No crash loses a payload or leaves half a message.
//!
//! The tests run in virtual time and without sockets, so that each poll is the same step in every run.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use flinks_dev::{
    sign,
    stack::{PAYLOAD_BUCKET, SIGNING_SECRET, Stack},
};
use flinks_webhooks::{
    Receiver,
    aws::{Clients, storage_with_http_client},
    delivery::{Redelivery, RunBudget, StoredAs},
    http::{Response, read_event},
    telemetry::Record,
};
use local_aws::{Calls, Fault, LocalAws, Network, Operation};
use local_lambda::gateway::{HttpRequest, event};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::support::{crashing, pointer};

const INLINE: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// Has an illegal character, so the payload goes to the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();
const QUEUE: &str = "KycQueue";
/// After this long, AWS has carried out all calls of a crashed function.
const SETTLED: Duration = Duration::from_secs(1);
/// Far more polls than anything here takes.
const MANY: u32 = 1_000;

/// A network whose latency grows with each call. No two responses arrive together, so each causes a poll of its own.
#[derive(Default)]
struct Uneven(AtomicU64);

impl Network for Uneven {
    fn latency(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn fault(&self, _: Operation) -> Option<Fault> {
        None
    }
}

struct CrashFixture(Stack);

impl CrashFixture {
    fn new() -> Self {
        Self(Stack::with_aws(LocalAws::detached(SystemTime::now())))
    }

    /// Starts a cold function that receives the callback. With `crash`, its machine fails after so many polls.
    async fn receive(&self, body: &[u8], crash: Option<u32>) -> Option<(Response, Option<StoredAs>)> {
        let config = self.0.config(&[]).unwrap();
        let http = self.0.aws.http_client(Uneven::default());
        let Clients { secrets, storage } = Clients::with_http_client(http, &config);
        let receiver = Receiver::new(config.policy, secrets, storage);
        let signature = sign::aggregation(body, SIGNING_SECRET);
        let headers = [("content-type", "application/json"), ("flinks-authenticity-key", signature.as_str())];
        let request =
            HttpRequest { method: "POST", path: "/webhooks/flinks", headers: &headers, body, ..HttpRequest::default() };
        let event = serde_json::to_vec(&event(&request)).unwrap();
        let mut record = Record::default();
        let response = crashing(crash, async {
            receiver.prepare().await;
            receiver.receive(read_event(&event), &mut record).await
        });
        let response = response.await?;
        Some((response, record.stored_as))
    }

    /// Starts a cold run of the redelivery. With `crash`, its machine fails after so many polls. Returns how many
    /// payloads it sent.
    async fn redeliver(&self, crash: Option<u32>) -> Option<usize> {
        let config = self.0.redelivery_config().unwrap();
        let http = self.0.aws.http_client(Uneven::default());
        let redelivery = Redelivery::new(storage_with_http_client(http, &config.storage, &config.aws));
        let budget = RunBudget { stop: Instant::now() + Duration::from_secs(60), bytes_per_queue: 1_000_000 };
        let summary = crashing(crash, redelivery.run(budget)).await?.unwrap();
        assert_eq!((summary.failed, summary.damaged), (0, 0), "{summary:?}");
        Some(summary.sent)
    }

    /// Checks every message and every object: each is complete and has the payload `body`, and no two messages share an
    /// object. Returns the number of messages and of undelivered payloads.
    fn check(&self, body: &[u8]) -> (usize, usize) {
        let objects = self.0.aws.objects(PAYLOAD_BUCKET);
        assert!(objects.values().all(|object| object.body == body));
        let messages = self.0.aws.messages(QUEUE);
        let mut keys: Vec<_> = messages.iter().filter_map(pointer).collect();
        for message in &messages {
            let payload = pointer(message).map_or(message.body.as_bytes(), |key| &objects[&key].body);
            assert_eq!(payload, body);
            assert_eq!(message.attributes["DeliveryId"].value, hex::encode(Sha256::digest(body)));
            assert_eq!(message.attributes["SignatureForm"].value, "raw");
        }
        keys.sort();
        let shared = keys.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert_eq!(shared, 0);
        (messages.len(), objects.keys().filter(|key| key.starts_with("undelivered/")).count())
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_survives_a_crash_at_every_await_point_because_flinks_sends_it_again() {
    for (body, queue_is_down, expected) in [
        (INLINE, false, StoredAs::Inline),
        (OFFLOADED, false, StoredAs::ClaimCheck),
        (INLINE, true, StoredAs::Undelivered),
        (OFFLOADED, true, StoredAs::Undelivered),
    ] {
        let mut crashes = 0;
        for polls in 0..MANY {
            let fixture = CrashFixture::new();
            if queue_is_down {
                fixture.0.aws.fault(Operation::SendMessage, Calls::All, Fault::Error);
            }
            let first = fixture.receive(body, Some(polls)).await;
            sleep(SETTLED).await;
            fixture.check(body);
            if first.is_none() {
                crashes += 1;
                assert_eq!(fixture.receive(body, None).await, Some((Response::Stored, Some(expected))), "poll {polls}");
            }
            // A callback that got 200 is stored, whether or not there was a crash before.
            let (messages, undelivered) = fixture.check(body);
            let (some, none) = if queue_is_down { (undelivered, messages) } else { (messages, undelivered) };
            assert!((1..=2).contains(&some) && none == 0, "poll {polls}: {messages}, {undelivered}");
            if first.is_some() {
                break;
            }
        }

        assert!((5..MANY).contains(&crashes), "{crashes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_undelivered_payload_survives_a_crash_of_the_redelivery_at_every_await_point() {
    for body in [INLINE, OFFLOADED] {
        let mut crashes = 0;
        for polls in 0..MANY {
            let fixture = CrashFixture::new();
            fixture.0.aws.fault(Operation::SendMessage, Calls::All, Fault::Error);
            assert_eq!(fixture.receive(body, None).await, Some((Response::Stored, Some(StoredAs::Undelivered))));
            fixture.0.aws.clear_faults();
            let first = fixture.redeliver(Some(polls)).await;
            sleep(SETTLED).await;
            let (messages, undelivered) = fixture.check(body);
            assert!(messages + undelivered > 0, "poll {polls}");
            let second = fixture.redeliver(None).await;
            assert_eq!(second, Some(undelivered), "poll {polls}");
            let (messages, undelivered) = fixture.check(body);
            assert!((1..=2).contains(&messages) && undelivered == 0, "poll {polls}: {messages}, {undelivered}");
            if first.is_some() {
                break;
            }
            crashes += 1;
        }

        assert!((5..MANY).contains(&crashes), "{crashes}");
    }
}
