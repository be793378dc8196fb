//! Flinks: callbacks of all kinds, signed in all ways, sent again by Flinks' own rules.

use std::{sync::Arc, time::Duration};

use flinks_dev::{
    payload::{Options, PayloadKind, generate, generator},
    sign,
};
use flinks_webhooks::{
    auth::{Scheme, SignatureForm},
    delivery::StoredAs,
    http::Response,
    rejection::Rejection,
    routing::Kind,
};
use local_aws::Fault;
use local_lambda::gateway::{HttpRequest, event};
use rand::{Rng, RngExt, rngs::ChaCha8Rng, seq::IndexedRandom};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{
    DAY, HOUR, MINUTE, RESPONSE, SENDING,
    causes::Unstored,
    fleet::{Invocation, Outcome, invoke},
    keys,
    weather::Service,
    world::{World, lock},
};

/// Of all invocations, by Flinks or not.
const CRASHES: f64 = 0.015;
/// Polls that nearly all callbacks are done within, undelivered ones too.
const POLLS: u32 = 40;
/// Attempts from this one on meet no crash: Flinks' last ones are for the outages.
const SPARED: u32 = 7;
/// Of all callbacks, those around whose first attempt a service or two fail for a short time: at most so many...
const SHORT_OUTAGES: f64 = 0.05;
/// ...and so many in a run.
const MOST_SHORT_OUTAGES: u64 = 300;
/// They begin at most so long before the callback...
const BEFORE: Duration = Duration::from_secs(4);
/// ...or this, counted from that time: when its time budget is nearly used up.
const UNTIL: Duration = Duration::from_secs(4 + 8);
/// Of these callbacks, those that meet a cold start.
const COLD: f64 = 0.4;
/// Of all callbacks, those that come just after a rotation.
const DURING_A_ROTATION: f64 = 0.02;

/// What Flinks does about an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// Aggregation: ten attempts.
    Ten,
    /// The status of a guaranteed EFT session: none.
    None,
    /// A guarantee offer: three attempts.
    Three,
}

impl Retries {
    fn attempts(self) -> u32 {
        match self {
            Self::Ten => 10,
            Self::None => 1,
            Self::Three => 3,
        }
    }
}

/// A callback as it is to be sent, and what is to become of it.
struct Callback {
    retries: Retries,
    scheme: Scheme,
    body: Vec<u8>,
    /// JSON is sent as such, the rest without a content type.
    is_json: bool,
    /// SQS cannot carry it.
    is_odd: bool,
    /// Signed over the ASCII reading.
    is_ascii: bool,
    /// Signed under the other name of the header.
    is_alias: bool,
    /// Signed with the old key for hours after a rotation.
    is_late: bool,
    /// Somebody on the way adds a signature of the other scheme that is none.
    has_foreign: bool,
    kind: Kind,
}

/// A callback that Flinks is done with.
pub struct Delivery {
    pub index: u64,
    pub delivery_id: String,
    pub kind: Kind,
    pub form: SignatureForm,
    /// Some attempt was answered with 200.
    pub is_stored: bool,
}

impl Callback {
    fn drawn(rng: &mut ChaCha8Rng) -> Self {
        let kind = match rng.random_range(0..100) {
            0..30 => PayloadKind::Kyc,
            30..65 => PayloadKind::AccountsDetail,
            65..68 => PayloadKind::Investments,
            68..90 => PayloadKind::Pay,
            90..95 => PayloadKind::UploadFraud,
            _ => PayloadKind::Unknown,
        };
        let scheme = kind.scheme();
        let retries = match scheme {
            Scheme::Aggregation => Retries::Ten,
            Scheme::Pay => *[Retries::None, Retries::Three].choose(rng).unwrap(),
        };
        let size = match rng.random_range(0..1000) {
            0..40 => Some(rng.random_range(5_000..40_000)),
            40..44 => Some(rng.random_range(100_000..400_000)),
            44 => Some(rng.random_range(1_050_000..1_200_000)),
            _ => None,
        };
        let oddity = rng.random_range(0..100);
        let tag = (oddity == 0).then(|| "not a character: \u{FFFF}".to_owned());
        let mut body = generate(kind, &Options { size, tag, login_id: None }, rng).into_bytes();
        let mut received_as = kind.received_as();
        if oddity == 1 {
            body.insert(0, 0xFF);
        } else if oddity == 2 && rng.random_bool(0.3) {
            body.clear();
        }
        let text = str::from_utf8(&body).ok();
        if scheme == Scheme::Aggregation && text.is_none_or(str::is_empty) {
            received_as = Kind::Unclassified;
        }
        Self {
            retries,
            scheme,
            is_json: text.is_some(),
            is_odd: text.is_none_or(|text| text.is_empty() || text.contains('\u{FFFF}')) || body.len() > 1_048_000,
            is_ascii: scheme == Scheme::Aggregation
                && text.is_some_and(|text| !text.is_ascii())
                && rng.random_bool(0.4),
            is_alias: rng.random_bool(0.1),
            is_late: rng.random_bool(0.25),
            has_foreign: scheme == Scheme::Aggregation && rng.random_bool(0.03),
            kind: received_as,
            body,
        }
    }

    fn form(&self) -> SignatureForm {
        match self.scheme {
            Scheme::Pay => SignatureForm::Pay,
            Scheme::Aggregation if self.is_ascii => SignatureForm::Ascii,
            Scheme::Aggregation => SignatureForm::Raw,
        }
    }

    /// The event of an attempt that Flinks signs with this secret.
    fn event(&self, secret: &str) -> Vec<u8> {
        let text = || str::from_utf8(&self.body).unwrap();
        let (header, signature) = match self.form() {
            SignatureForm::Pay => ("X-Webhook-Signature", sign::pay(&self.body, secret)),
            SignatureForm::Ascii => ("flinks-authenticity-key", sign::ascii(text(), secret)),
            SignatureForm::Raw if self.is_alias => ("X-Flinks-Signature", sign::aggregation(&self.body, secret)),
            SignatureForm::Raw => ("flinks-authenticity-key", sign::aggregation(&self.body, secret)),
        };
        let content_type = if self.is_json { "application/json; charset=utf-8" } else { "application/octet-stream" };
        let foreign = sign::pay(&self.body, "guessed");
        let headers = [("Content-Type", content_type), (header, &signature), ("X-Webhook-Signature", &foreign)];
        posted(&headers[..if self.has_foreign { 3 } else { 2 }], &self.body)
    }
}

/// The event of a request.
pub fn posted(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let request = HttpRequest {
        method: "POST",
        path: "/webhooks/flinks",
        headers,
        body,
        request_id: Some("simulated"),
        time_epoch: Some(0),
        ..HttpRequest::default()
    };
    serde_json::to_vec(&event(&request)).unwrap()
}

/// More than half come in bursts between four and eight in the morning.
fn arrival(rng: &mut impl Rng) -> Duration {
    if rng.random_bool(0.4) {
        return rng.random_range(Duration::ZERO..SENDING);
    }
    let night = DAY * rng.random_range(0..3) + 4 * HOUR;
    night + 2 * MINUTE * rng.random_range(0..120) + rng.random_range(Duration::ZERO..Duration::from_secs(4))
}

/// When an instance is to crash, if it is.
pub fn crash(world: &World) -> Option<u32> {
    let is_to = world.now() < SENDING && world.draw(|rng| rng.random_bool(CRASHES));
    is_to.then(|| world.draw(|rng| rng.random_range(0..=POLLS)))
}

/// Sends one callback until it is answered with 200 or Flinks gives up.
pub async fn send(world: Arc<World>, index: u64) {
    let rng = &mut generator(world.seed, index);
    let callback = Callback::drawn(rng);
    let arrives =
        if rng.random_bool(DURING_A_ROTATION) { world.rotations.of(callback.scheme).met(rng) } else { arrival(rng) };
    let most = MOST_SHORT_OUTAGES as f64 / world.callbacks as f64;
    if rng.random_bool(SHORT_OUTAGES.min(most)) {
        let before = arrives.saturating_sub(BEFORE);
        world.sleep_until(before).await;
        let begins = before + rng.random_range(Duration::ZERO..UNTIL);
        let services = world.weather.announce(begins, rng);
        world.count(format!("short outage of {services}"));
        if rng.random_bool(COLD) {
            world.sleep_until(arrives).await;
            lock(&world.fleet).scale_in();
        }
    }
    world.sleep_until(arrives).await;
    let delivery_id = hex::encode(Sha256::digest(&callback.body));
    let mut is_stored = false;
    for attempt in 1..=callback.retries.attempts() {
        let rotation = world.rotations.of(callback.scheme);
        let is_new = rotation.is_signed(world.now(), callback.is_late);
        let secret = if is_new { keys::new(callback.scheme) } else { keys::old(callback.scheme) };
        let crash = if attempt < SPARED { crash(&world) } else { None };
        let invocation = invoke(&world, &callback.event(secret), crash).await;
        let judged = judge(&world, &callback, secret, &invocation);
        if invocation.ended - invocation.received > RESPONSE {
            world.violation(&format!("callback {index}: the response to attempt {attempt} came too late"));
        }
        world.note(&format!("callback {index} {delivery_id} attempt {attempt}: {judged:?}"));
        match judged {
            Judged::Stored => {
                is_stored = true;
                let first = if attempt == 1 { "at the first attempt" } else { "at a later attempt" };
                world.count(format!("callback stored: {first}"));
                if !is_new && world.now() > rotation.stored {
                    world.count("signed with the old key after the rotation: stored");
                }
                break;
            }
            Judged::Failed(cause) => world.count(format!("attempt {cause}")),
            Judged::Inexplicable => {
                world.violation(&format!(
                    "callback {index} ({}): attempt {attempt} failed without a cause: {}",
                    callback.kind.label(),
                    invocation.told()
                ));
            }
        }
        sleep(30 * MINUTE).await;
    }
    if !is_stored {
        match callback.retries {
            Retries::Ten => world.violation(&format!("callback {index}: lost, though Flinks sent it ten times")),
            Retries::Three => world.count("callback lost: sent three times"),
            Retries::None => world.count("callback lost: sent once"),
        }
    }
    let delivery = Delivery { index, delivery_id, kind: callback.kind, form: callback.form(), is_stored };
    lock(&world.deliveries).push(delivery);
}

/// What to think of an attempt.
#[derive(Debug)]
enum Judged {
    /// 200.
    Stored,
    /// It failed, for a cause that was in force.
    Failed(String),
    /// It failed, and should not have.
    Inexplicable,
}

fn judge(world: &World, callback: &Callback, secret: &str, invocation: &Invocation) -> Judged {
    let Callback { scheme, is_odd, has_foreign, .. } = *callback;
    let unstored = Unstored { world, invocation, scheme, secret, is_odd, has_foreign };
    let (answer, record) = match &invocation.outcome {
        Outcome::Answered(answer, record) => (*answer, record),
        Outcome::Crashed => return Judged::Failed("lost: crash".to_owned()),
        // The receiver answers in time, whatever AWS does.
        Outcome::TimedOut => return Judged::Inexplicable,
    };
    let cause = match (answer, record.rejection) {
        (Response::Stored, None) => {
            look_at_stored(world, callback, secret, invocation, record.stored_as.unwrap());
            return Judged::Stored;
        }
        (Response::Unavailable, Some(Rejection::NotStored)) => unstored.without_a_place().map(str::to_owned),
        (Response::Unavailable, Some(Rejection::NoKeys)) => unstored.without_keys().map(str::to_owned),
        (Response::Unauthorized, Some(Rejection::SignatureWrong)) => {
            unstored.without_the_key().map(|cause| format!("401: {cause}"))
        }
        _ => None,
    };
    cause.map_or(Judged::Inexplicable, Judged::Failed)
}

/// Counts what was stored, and notes what was not done as it should have been. Whether it was the bucket's turn was seen
/// when that began.
fn look_at_stored(world: &World, callback: &Callback, secret: &str, invocation: &Invocation, how: StoredAs) {
    world.count("attempt 200");
    world.count(format!("stored as {}", how.label()));
    for service in [Service::Sqs, Service::S3, Service::Secrets] {
        if world.weather.is_out_for_short(service, invocation.received) {
            world.count(format!("stored in a short outage of {service:?}"));
        }
    }
    if callback.has_foreign {
        world.count("stored with a foreign signature beside its own");
    }
    let is_right = match how {
        StoredAs::Inline => !callback.is_odd,
        StoredAs::ClaimCheck => callback.is_odd,
        StoredAs::Undelivered => true,
    };
    if !is_right {
        let kind = callback.kind.label();
        world.violation(&format!("a callback ({kind}) is stored as {} without a cause", how.label()));
    }
    let known = &invocation.known[callback.scheme as usize];
    let reads = invocation.line.reads(callback.scheme).len();
    let wanted = usize::from(known.is_due(invocation.received));
    if known.has(secret) && reads != wanted {
        world.violation(&format!("keys that are known were read {reads} times instead of {wanted}"));
    }
}

/// A receiver that waits for Pay's keys begins to store two seconds later, so the bucket's turn comes later too. The bucket
/// worked in vain until then, and refuses the callback when its turn comes.
#[tokio::test(start_paused = true)]
async fn a_wait_for_the_other_schemes_keys_is_no_time_to_store() {
    let at = Duration::from_secs;
    let world = World::new(0, 1);
    let outage = at(310)..at(340);
    world.weather.announce_outage(&[Service::Secrets], outage.clone(), Fault::Hang);
    world.weather.announce_outage(&[Service::Sqs], outage.clone(), Fault::Hang);
    world.weather.announce_outage(&[Service::S3], at(315)..outage.end, Fault::Reject("AccessDenied", "not now"));
    let callback = |has_foreign| {
        let mut drawn = (0..).map(|index| Callback::drawn(&mut generator(0, index)));
        drawn.find(|callback| {
            callback.has_foreign == has_foreign && callback.scheme == Scheme::Aggregation && !callback.is_odd
        })
    };
    let secret = keys::old(Scheme::Aggregation);
    // A cold start reads both schemes' keys. After five minutes a callback reads those of its own scheme again.
    for (second, has_foreign) in [(1, false), (302, false), (310, true)] {
        world.sleep_until(at(second)).await;
        let callback = callback(has_foreign).unwrap();
        let invocation = invoke(&world, &callback.event(secret), None).await;
        let judged = judge(&world, &callback, secret, &invocation);
        match judged {
            Judged::Stored => assert!(!has_foreign),
            Judged::Failed(cause) => assert_eq!((has_foreign, &*cause), (true, "503: not stored")),
            Judged::Inexplicable => panic!("callback at {second} s: {}", invocation.told()),
        }
    }
    assert_eq!(world.finish().violations, Vec::<String>::new());
}
