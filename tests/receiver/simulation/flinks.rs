//! Flinks: callbacks of all kinds, signed in all ways, and retried by Flinks' own rules.

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
    state::{Simulation, lock},
    weather::Service,
};

/// The share of invocations that crash, whoever the sender is.
const CRASHES: f64 = 0.015;
/// Nearly all callbacks need fewer polls than this, including undelivered ones.
const POLLS: u32 = 40;
/// From this attempt on there are no crashes. Flinks' last attempts are for the outages.
const SPARED: u32 = 7;
/// The largest share of callbacks whose first attempt meets a short outage of one or two services...
const SHORT_OUTAGES: f64 = 0.05;
/// ...and their largest number in a run.
const MAX_SHORT_OUTAGES: u64 = 300;
/// A short outage begins at most this long before the callback...
const BEFORE: Duration = Duration::from_secs(4);
/// ...and less than this after that, when the callback's time budget is nearly used up.
const UNTIL: Duration = Duration::from_secs(4 + 8);
/// The share of these callbacks that meet a cold start.
const COLD: f64 = 0.4;
/// The share of callbacks that come just after a rotation.
const DURING_A_ROTATION: f64 = 0.02;

/// How often Flinks sends a callback whose attempts fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// Aggregation callbacks: ten attempts.
    Ten,
    /// The status of a guaranteed EFT session: one attempt.
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

/// A callback to send, and what is expected of it.
struct Callback {
    retries: Retries,
    scheme: Scheme,
    body: Vec<u8>,
    /// Sent with the content type of JSON.
    is_json: bool,
    /// SQS cannot carry it.
    is_odd: bool,
    /// Signed over the ASCII encoding.
    is_ascii: bool,
    /// Signed in the header's alias.
    is_alias: bool,
    /// Still signed with the old key for hours after a rotation.
    is_late: bool,
    /// Something on the way adds a wrong signature of the other scheme.
    has_foreign: bool,
    kind: Kind,
}

/// A callback that Flinks no longer sends.
pub struct Delivery {
    pub index: u64,
    pub delivery_id: String,
    pub kind: Kind,
    pub form: SignatureForm,
    /// An attempt got 200.
    pub is_stored: bool,
}

impl Callback {
    fn random(rng: &mut ChaCha8Rng) -> Self {
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

    /// The event of an attempt that is signed with this secret.
    fn event(&self, secret: &str) -> Vec<u8> {
        let text = || str::from_utf8(&self.body).unwrap();
        let (header, signature) = match self.form() {
            SignatureForm::Pay => ("X-Webhook-Signature", sign::pay(&self.body, secret)),
            SignatureForm::Ascii => ("flinks-authenticity-key", sign::ascii(text(), secret)),
            SignatureForm::Raw if self.is_alias => ("X-Flinks-Signature", sign::aggregation(&self.body, secret)),
            // No callback has the form of the API.
            SignatureForm::Raw | SignatureForm::Api => {
                ("flinks-authenticity-key", sign::aggregation(&self.body, secret))
            }
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

/// Draws when a callback comes. More than half come in bursts between four and eight in the morning.
fn arrival(rng: &mut impl Rng) -> Duration {
    if rng.random_bool(0.4) {
        return rng.random_range(Duration::ZERO..SENDING);
    }
    let night = DAY * rng.random_range(0..3) + 4 * HOUR;
    night + 2 * MINUTE * rng.random_range(0..120) + rng.random_range(Duration::ZERO..Duration::from_secs(4))
}

/// Draws after how many polls an instance crashes, if it does.
pub fn crash(simulation: &Simulation) -> Option<u32> {
    let is_to = simulation.now() < SENDING && simulation.draw(|rng| rng.random_bool(CRASHES));
    is_to.then(|| simulation.draw(|rng| rng.random_range(0..=POLLS)))
}

/// Sends one callback until it gets 200 or Flinks gives up.
pub async fn send(simulation: Arc<Simulation>, index: u64) {
    let rng = &mut generator(simulation.seed, index);
    let callback = Callback::random(rng);
    let arrives = if rng.random_bool(DURING_A_ROTATION) {
        simulation.rotations.for_scheme(callback.scheme).random_early_callback(rng)
    } else {
        arrival(rng)
    };
    let most = MAX_SHORT_OUTAGES as f64 / simulation.callbacks as f64;
    if rng.random_bool(SHORT_OUTAGES.min(most)) {
        let before = arrives.saturating_sub(BEFORE);
        simulation.sleep_until(before).await;
        let begins = before + rng.random_range(Duration::ZERO..UNTIL);
        let services = simulation.weather.announce(begins, rng);
        simulation.count(format!("short outage of {services}"));
        if rng.random_bool(COLD) {
            simulation.sleep_until(arrives).await;
            lock(&simulation.fleet).scale_in();
        }
    }
    simulation.sleep_until(arrives).await;
    let delivery_id = hex::encode(Sha256::digest(&callback.body));
    let mut is_stored = false;
    for attempt in 1..=callback.retries.attempts() {
        let rotation = simulation.rotations.for_scheme(callback.scheme);
        let is_new = rotation.uses_new_key(simulation.now(), callback.is_late);
        let secret = if is_new { keys::new(callback.scheme) } else { keys::old(callback.scheme) };
        let crash = if attempt < SPARED { crash(&simulation) } else { None };
        let invocation = invoke(&simulation, &callback.event(secret), crash).await;
        let judged = judge(&simulation, &callback, secret, &invocation);
        if invocation.ended - invocation.received > RESPONSE {
            simulation.violation(&format!("callback {index}: the response to attempt {attempt} came too late"));
        }
        simulation.note(&format!("callback {index} {delivery_id} attempt {attempt}: {judged:?}"));
        match judged {
            Judged::Stored => {
                is_stored = true;
                let first = if attempt == 1 { "at the first attempt" } else { "at a later attempt" };
                simulation.count(format!("callback stored: {first}"));
                if !is_new && simulation.now() > rotation.stored {
                    simulation.count("signed with the old key after the rotation: stored");
                }
                break;
            }
            Judged::Failed(cause) => simulation.count(format!("attempt {cause}")),
            Judged::Inexplicable => {
                simulation.violation(&format!(
                    "callback {index} ({}): attempt {attempt} failed without a cause: {}",
                    callback.kind.label(),
                    invocation.describe()
                ));
            }
        }
        sleep(30 * MINUTE).await;
    }
    if !is_stored {
        match callback.retries {
            Retries::Ten => simulation.violation(&format!("callback {index}: lost, though Flinks sent it ten times")),
            Retries::Three => simulation.count("callback lost: sent three times"),
            Retries::None => simulation.count("callback lost: sent once"),
        }
    }
    let delivery = Delivery { index, delivery_id, kind: callback.kind, form: callback.form(), is_stored };
    lock(&simulation.deliveries).push(delivery);
}

/// The judgement on an attempt.
#[derive(Debug)]
enum Judged {
    /// It got 200.
    Stored,
    /// It failed, and a fault explains it.
    Failed(String),
    /// It failed, and nothing explains it.
    Inexplicable,
}

fn judge(simulation: &Simulation, callback: &Callback, secret: &str, invocation: &Invocation) -> Judged {
    let Callback { scheme, is_odd, has_foreign, .. } = *callback;
    let unstored = Unstored { simulation, invocation, scheme, secret, is_odd, has_foreign };
    let (response, record) = match &invocation.outcome {
        Outcome::Responded(response, record) => (*response, record),
        Outcome::Crashed => return Judged::Failed("lost: crash".to_owned()),
        // The receiver must respond in time, whatever AWS does.
        Outcome::TimedOut => return Judged::Inexplicable,
    };
    let cause = match (response, record.rejection) {
        (Response::Stored, None) => {
            look_at_stored(simulation, callback, secret, invocation, record.stored_as.unwrap());
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

/// Counts how a callback was stored, and reports what is wrong with that. The connection has already checked whether
/// the receiver tried the bucket at the right time.
fn look_at_stored(simulation: &Simulation, callback: &Callback, secret: &str, invocation: &Invocation, how: StoredAs) {
    simulation.count("attempt 200");
    simulation.count(format!("stored as {}", how.label()));
    for service in [Service::Sqs, Service::S3, Service::Secrets] {
        if simulation.weather.is_out_for_short(service, invocation.received) {
            simulation.count(format!("stored in a short outage of {service:?}"));
        }
    }
    if callback.has_foreign {
        simulation.count("stored with a foreign signature beside its own");
    }
    let is_right = match how {
        StoredAs::Inline => !callback.is_odd,
        StoredAs::ClaimCheck => callback.is_odd,
        StoredAs::Undelivered => true,
    };
    if !is_right {
        let kind = callback.kind.label();
        simulation.violation(&format!("a callback ({kind}) is stored as {} without a cause", how.label()));
    }
    let known = &invocation.known[callback.scheme as usize];
    let reads = invocation.connection.reads(callback.scheme).len();
    let wanted = usize::from(known.is_due(invocation.received));
    if known.has(secret) && reads != wanted {
        simulation.violation(&format!("keys that are known were read {reads} times instead of {wanted}"));
    }
}

/// A receiver that waits for Pay's keys begins to store two seconds later, so it also tries the bucket later. The
/// bucket worked until then, and rejects the callback by the time that the receiver tries it.
#[tokio::test(start_paused = true)]
async fn waiting_for_the_other_schemes_keys_delays_storing() {
    let at = Duration::from_secs;
    let simulation = Simulation::new(0, 1);
    let outage = at(310)..at(340);
    simulation.weather.announce_outage(&[Service::Secrets], outage.clone(), Fault::Hang);
    simulation.weather.announce_outage(&[Service::Sqs], outage.clone(), Fault::Hang);
    simulation.weather.announce_outage(&[Service::S3], at(315)..outage.end, Fault::Reject("AccessDenied", "not now"));
    let callback = |has_foreign| {
        let mut drawn = (0..).map(|index| Callback::random(&mut generator(0, index)));
        drawn.find(|callback| {
            callback.has_foreign == has_foreign && callback.scheme == Scheme::Aggregation && !callback.is_odd
        })
    };
    let secret = keys::old(Scheme::Aggregation);
    // A cold start reads both schemes' keys. After five minutes a callback reads the keys of its own scheme again.
    for (second, has_foreign) in [(1, false), (302, false), (310, true)] {
        simulation.sleep_until(at(second)).await;
        let callback = callback(has_foreign).unwrap();
        let invocation = invoke(&simulation, &callback.event(secret), None).await;
        let judged = judge(&simulation, &callback, secret, &invocation);
        match judged {
            Judged::Stored => assert!(!has_foreign),
            Judged::Failed(cause) => assert_eq!((has_foreign, &*cause), (true, "503: not stored")),
            Judged::Inexplicable => panic!("callback at {second} s: {}", invocation.describe()),
        }
    }
    assert_eq!(simulation.finish().violations, Vec::<String>::new());
}
