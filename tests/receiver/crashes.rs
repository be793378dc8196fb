//! A crash at every await point, one after the other: nothing is lost and nothing is half, whichever it is.
//!
//! In virtual time and without sockets, where a poll is a step that is always the same.

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
/// An illegal character: goes through the bucket.
const OFFLOADED: &[u8] = "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}".as_bytes();
const QUEUE: &str = "KycQueue";
/// By then, what a crashed function had sent has been carried out.
const SETTLED: Duration = Duration::from_secs(1);
/// Far more polls than anything here takes.
const MANY: u32 = 1_000;

/// A network that takes longer each time, so that no two answers come at once: each makes a poll of its own.
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

struct Bench(Stack);

impl Bench {
    fn new() -> Self {
        Self(Stack::with_aws(LocalAws::detached(SystemTime::now())))
    }

    /// A cold function that receives the callback, on a machine that fails after so many polls.
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
        let answer = crashing(crash, async {
            receiver.prepare().await;
            receiver.receive(read_event(&event), &mut record).await
        });
        let answer = answer.await?;
        Some((answer, record.stored_as))
    }

    /// A cold run of the redelivery, on a machine that fails after so many polls; how many payloads it sent.
    async fn redeliver(&self, crash: Option<u32>) -> Option<usize> {
        let config = self.0.redelivery_config().unwrap();
        let http = self.0.aws.http_client(Uneven::default());
        let redelivery = Redelivery::new(storage_with_http_client(http, &config.storage, &config.aws));
        let budget = RunBudget { stop: Instant::now() + Duration::from_secs(60), bytes_per_queue: 1_000_000 };
        let summary = crashing(crash, redelivery.run(budget)).await?.unwrap();
        assert_eq!((summary.failed, summary.damaged), (0, 0), "{summary:?}");
        Some(summary.sent)
    }

    /// Looks at every message and every object: each is whole and what `body` made, and no object is in two messages.
    /// How many messages there are, and how many objects wait.
    fn look(&self, body: &[u8]) -> (usize, usize) {
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
            let bench = Bench::new();
            if queue_is_down {
                bench.0.aws.fault(Operation::SendMessage, Calls::All, Fault::Error);
            }
            let first = bench.receive(body, Some(polls)).await;
            sleep(SETTLED).await;
            bench.look(body);
            if first.is_none() {
                crashes += 1;
                assert_eq!(bench.receive(body, None).await, Some((Response::Stored, Some(expected))), "poll {polls}");
            }
            // What was answered with 200 is there, whether or not there was a crash before.
            let (messages, undelivered) = bench.look(body);
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
            let bench = Bench::new();
            bench.0.aws.fault(Operation::SendMessage, Calls::All, Fault::Error);
            assert_eq!(bench.receive(body, None).await, Some((Response::Stored, Some(StoredAs::Undelivered))));
            bench.0.aws.clear_faults();
            let first = bench.redeliver(Some(polls)).await;
            sleep(SETTLED).await;
            let (messages, undelivered) = bench.look(body);
            assert!(messages + undelivered > 0, "poll {polls}");
            let second = bench.redeliver(None).await;
            assert_eq!(second, Some(undelivered), "poll {polls}");
            let (messages, undelivered) = bench.look(body);
            assert!((1..=2).contains(&messages) && undelivered == 0, "poll {polls}: {messages}, {undelivered}");
            if first.is_some() {
                break;
            }
            crashes += 1;
        }

        assert!((5..MANY).contains(&crashes), "{crashes}");
    }
}
