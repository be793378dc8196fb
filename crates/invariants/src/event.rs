//! The whole way, from an event's bytes to the answer.
//!
//! The input is the event. `@raw@` and other such marks in it stand for true signatures of its body ([`MARKS`]). A last
//! line that starts with `#` says what is around the receiver, in the words of [`world`].

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::{config::LambdaFunction, delivery::DeliveryId, http::Response};
use serde_json::{Value, json};
use std::time::SystemTime;

use crate::{
    model::{
        gateway::{self, NoRequest, Request},
        signature::{self, NoClaim, Scheme, ascii_reading, mac},
    },
    proof::in_hex,
    stored::Authentic,
    world::{Outcome, Service, World, is_allowed, secrets},
};

/// Text that only bodies have. Wherever else it turns up, a body has leaked.
const CANARY: &str = "Canary-Zoe-4111";

/// Nothing is stored without a signature that the model accepts; all that it accepts is stored, or the sender is told
/// to come again; and the answer and the log say what happened and no more.
pub fn check(input: &[u8]) {
    let (event, words) = split(input);
    let world = world(words);
    let (queues, store, secrets) = (world.queues, world.store, world.secrets);
    let Ok(event) = serde_json::from_slice::<Value>(event) else {
        // Not JSON that API Gateway could have sent, and without a true signature.
        let outcome = world.receive(event);
        check_response(outcome.answer);
        check_log(&outcome, None);
        assert!(outcome.done.messages.is_empty() && outcome.done.objects.is_empty(), "stored without a signature");
        return;
    };
    let event = signed(event);
    let is_odd = !gateway::is_legal(&event);
    let request = gateway::read(&event);
    let expected = request.as_ref().map_err(|reason| match reason {
        NoRequest::NotHttp => Refused { status: 400, reason: "not-http" },
        NoRequest::NotBase64 => Refused { status: 400, reason: "not-base64" },
    });
    let expected = expected.and_then(|request| world.form_of(request).map(|form| (request, form)));
    let outcome = world.receive(event.to_string().as_bytes());

    check_response(outcome.answer);
    check_log(&outcome, request.as_ref().ok());
    let status = outcome.answer.status();
    let stored = !outcome.done.messages.is_empty() || !outcome.done.objects.is_empty();
    match expected {
        Ok(_) if is_odd && status == 400 => assert!(!stored),
        Ok((request, form)) => {
            let authentic = Authentic { body: &request.body, form };
            let how = authentic.check(&outcome.done, queues, store);
            assert_eq!(status, if how.is_some() { 200 } else { 503 });
            let record = &outcome.record;
            assert_eq!(record.signature_form.map(|form| form.as_str()), Some(form));
            assert_eq!(record.kind.map(|kind| kind.label()), Some(authentic.kind()));
            assert_eq!(record.delivery_id.as_ref().map(DeliveryId::as_str), Some(authentic.delivery_id().as_str()));
            assert_eq!(record.stored_as.map(|how| how.label()), how);
        }
        Err(refused) => {
            assert!(!stored, "stored, and nothing proves it: {}", refused.reason);
            if !is_odd {
                let reason = outcome.record.rejection.map(|rejection| rejection.label());
                assert_eq!((status, reason), (refused.status, Some(refused.reason)));
            }
            let free = matches!(
                refused.reason,
                "not-http" | "not-base64" | "source-not-allowed" | "signature-missing" | "signature-malformed"
            );
            // Both stages of both schemes, once and once again. Secrets that cannot be read are asked for as long as there
            // is time: three attempts where each hangs.
            let most = match secrets {
                _ if free => 0,
                Service::Hangs => 12,
                _ => 8,
            };
            assert!(is_odd || outcome.done.fetches <= most, "{} calls for a refusal", outcome.done.fetches);
        }
    }
}

/// Why the model does not let a callback in.
#[derive(Debug)]
struct Refused {
    status: u16,
    reason: &'static str,
}

impl World {
    /// The form in which a request is proven here, as its headers and the keys have it.
    fn form_of(&self, request: &Request) -> Result<&'static str, Refused> {
        if self.has_allowed_sources && !request.source.is_some_and(is_allowed) {
            return Err(Refused { status: 403, reason: "source-not-allowed" });
        }
        let claims = signature::claims(&request.headers).map_err(|none| match none {
            NoClaim::Missing => Refused { status: 401, reason: "signature-missing" },
            NoClaim::Malformed => Refused { status: 401, reason: "signature-malformed" },
        })?;
        let mut refused = Refused { status: 401, reason: "signature-wrong" };
        for (scheme, claimed) in claims {
            let keys = self.keys(scheme);
            if keys.is_empty() {
                refused = Refused { status: 503, reason: "no-keys" };
            }
            let is_of = |text: &[u8]| keys.iter().any(|secret| mac(secret, text) == claimed);
            if is_of(&request.body) {
                return Ok(if scheme == Scheme::Pay { "pay" } else { "raw" });
            }
            let has_reading = scheme == Scheme::Aggregation && !self.no_ascii_reading;
            if has_reading && str::from_utf8(&request.body).is_ok_and(|text| is_of(&ascii_reading(text))) {
                return Ok("ascii");
            }
        }
        Err(refused)
    }

    /// The secrets with which a callback can be signed.
    fn keys(&self, scheme: Scheme) -> Vec<&'static str> {
        let [current, before] = secrets(scheme);
        if matches!(self.secrets, Service::Fails | Service::Hangs) || scheme == Scheme::Pay && self.no_pay_secret {
            Vec::new()
        } else if self.previous_is_expired && !self.rotates {
            vec![current]
        } else {
            vec![current, before]
        }
    }
}

/// An input's event, and the words on its last line with the line feed before them.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let line = input.windows(2).rposition(|pair| pair == b"\n#");
    line.and_then(|line| input.split_at_checked(line)).unwrap_or((input, &[]))
}

/// What is around the receiver: all is well, but for what the words say.
fn world(words: &[u8]) -> World {
    let mut world = World::default();
    for word in words.split(|byte| b"\n# ".contains(byte)) {
        match word {
            b"queue-fails" => world.queues = Service::Fails,
            b"queue-hangs" => world.queues = Service::Hangs,
            b"queue-refuses" => world.queues = Service::Refuses,
            b"store-fails" => world.store = Service::Fails,
            b"store-hangs" => world.store = Service::Hangs,
            b"secrets-fail" => world.secrets = Service::Fails,
            b"secrets-hang" => world.secrets = Service::Hangs,
            b"no-pay-secret" => world.no_pay_secret = true,
            b"rotates" => world.rotates = true,
            b"previous-expired" => world.previous_is_expired = true,
            b"queue-stutters" => world.queues = Service::Stutters,
            b"allowed-sources" => world.has_allowed_sources = true,
            b"ascii-off" => world.no_ascii_reading = true,
            _ => {}
        }
    }
    world
}

/// A mark, and what makes it of a body: aggregation's signature in base64 or Pay's in hex.
type Mark = (&'static str, fn(&[u8]) -> String);

const MARKS: [Mark; 10] = [
    ("@raw@", |body| in_base64(current(Scheme::Aggregation), body)),
    ("@raw-before@", |body| in_base64(before(Scheme::Aggregation), body)),
    ("@ascii@", |body| in_base64(current(Scheme::Aggregation), &reading(body))),
    ("@ascii-before@", |body| in_base64(before(Scheme::Aggregation), &reading(body))),
    ("@pay@", |body| in_hex(&mac(current(Scheme::Pay), body))),
    ("@pay-before@", |body| in_hex(&mac(before(Scheme::Pay), body))),
    // None of these is one that lets in.
    ("@pay-ascii@", |body| in_hex(&mac(current(Scheme::Pay), &reading(body)))),
    ("@pay-by-other@", |body| in_hex(&mac(current(Scheme::Aggregation), body))),
    ("@raw-by-other@", |body| in_base64(current(Scheme::Pay), body)),
    ("@raw-by-stranger@", |body| in_base64("a stranger's secret", body)),
];

fn current(scheme: Scheme) -> &'static str {
    let [current, _] = secrets(scheme);
    current
}

fn before(scheme: Scheme) -> &'static str {
    let [_, before] = secrets(scheme);
    before
}

fn in_base64(secret: &str, text: &[u8]) -> String {
    BASE64_STANDARD.encode(mac(secret, text))
}

/// Of a body that is no text: what somebody might take for its reading.
fn reading(body: &[u8]) -> Vec<u8> {
    ascii_reading(&String::from_utf8_lossy(body))
}

/// The event with signatures in the place of the marks. A body that has a mark itself becomes another by that, and
/// the signatures wrong.
fn signed(event: Value) -> Value {
    let Ok(request) = gateway::read(&event) else { return event };
    let mut text = event.to_string();
    for (mark, signature) in MARKS {
        if text.contains(mark) {
            text = text.replace(mark, &signature(&request.body));
        }
    }
    serde_json::from_str(&text).expect("a signature needs no escapes")
}

/// One of the answers that the README promises, in the form that API Gateway takes.
fn check_response(answer: Response) {
    let body = match answer.status() {
        200 => r#"{"status":"stored"}"#,
        400 => r#"{"error":"bad request"}"#,
        401 => r#"{"error":"unauthorized"}"#,
        403 => r#"{"error":"forbidden"}"#,
        503 => r#"{"error":"unavailable"}"#,
        status => panic!("an answer of {status}"),
    };
    let expected = json!({
        "statusCode": answer.status(),
        "headers": { "content-type": "application/json" },
        "multiValueHeaders": {},
        "body": body,
        "isBase64Encoded": false,
        "cookies": [],
    });
    assert_eq!(serde_json::to_value(answer.to_gateway()).ok(), Some(expected));
}

/// The line is JSON on one line, and has nothing of the body.
fn check_log(outcome: &Outcome, request: Option<&Request>) {
    let function = LambdaFunction { name: "ReceiverFunction".to_owned(), version: "1".to_owned() };
    let entry = outcome.record.line(&function, SystemTime::UNIX_EPOCH);
    let line = str::from_utf8(entry.as_bytes()).expect("a line that is text");
    let line = line.strip_suffix('\n').expect("a line that ends");
    assert!(!line.contains('\n'));
    let read: Value = serde_json::from_str(line).expect("a line that is JSON");
    let id = read.get("gatewayRequestId").and_then(Value::as_str);
    assert!(read.get("level").is_some_and(Value::is_string));
    if let Some(request) = request {
        assert!(id.is_none() || id == request.id.as_deref(), "{id:?} is no id of API Gateway's");
        // The sender does not choose that id; a fuzzer does.
        assert!(id.is_some_and(|id| id.contains(CANARY)) || !line.contains(CANARY), "a part of the body is in the log");
    }
}
