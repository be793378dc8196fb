//! The whole receiver, from an event's bytes to the response.
//!
//! The input is the event. Marks such as `@raw@` in it stand for valid signatures of its body ([`MARKS`]). A last line
//! that starts with `#` describes the receiver's surroundings, in the words of [`scenario`].

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::{config::LambdaFunction, delivery::DeliveryId, http::Response};
use serde_json::{Value, json};
use std::time::SystemTime;

use crate::{
    model::{
        gateway::{self, NotARequest, Request},
        signature::{self, NoSignature, Scheme, ascii_encoding, mac},
    },
    scenario::{Outcome, Scenario, Service, is_allowed, secrets},
    signature_check::in_hex,
    stored::Authentic,
};

/// Text that only bodies contain. If it appears in a log, a body has leaked.
const CANARY: &str = "Canary-Zoe-4111";

/// Nothing is stored without a signature that the model accepts. A callback that it accepts is stored or gets 503. The
/// response and the log say what happened and reveal no more.
pub fn check(input: &[u8]) {
    let (event, words) = split(input);
    let scenario = scenario(words);
    let (queues, store, secrets) = (scenario.queues, scenario.store, scenario.secrets);
    let Ok(event) = serde_json::from_slice::<Value>(event) else {
        // Not JSON, so API Gateway cannot have sent it, and it has no valid signature.
        let outcome = scenario.receive(event);
        check_response(outcome.response);
        check_log(&outcome, None);
        assert!(
            outcome.effects.messages.is_empty() && outcome.effects.objects.is_empty(),
            "stored without a signature"
        );
        return;
    };
    let event = signed(event);
    let is_odd = !gateway::is_legal(&event);
    let request = gateway::read(&event);
    let expected = request.as_ref().map_err(|reason| match reason {
        NotARequest::NotHttp => Rejected { status: 400, reason: "not-http" },
        NotARequest::NotBase64 => Rejected { status: 400, reason: "not-base64" },
    });
    let expected = expected.and_then(|request| scenario.signature_form(request).map(|form| (request, form)));
    let outcome = scenario.receive(event.to_string().as_bytes());

    check_response(outcome.response);
    check_log(&outcome, request.as_ref().ok());
    let status = outcome.response.status();
    let stored = !outcome.effects.messages.is_empty() || !outcome.effects.objects.is_empty();
    match expected {
        Ok(_) if is_odd && status == 400 => assert!(!stored),
        Ok((request, form)) => {
            let authentic = Authentic { body: &request.body, form };
            let how = authentic.check(&outcome.effects, queues, store);
            assert_eq!(status, if how.is_some() { 200 } else { 503 });
            let record = &outcome.record;
            assert_eq!(record.signature_form.map(|form| form.as_str()), Some(form));
            assert_eq!(record.kind.map(|kind| kind.label()), Some(authentic.kind()));
            assert_eq!(record.delivery_id.as_ref().map(DeliveryId::as_str), Some(authentic.delivery_id().as_str()));
            assert_eq!(record.stored_as.map(|how| how.label()), how);
        }
        Err(rejected) => {
            assert!(!stored, "stored without a valid signature: {}", rejected.reason);
            if !is_odd {
                let reason = outcome.record.rejection.map(|rejection| rejection.label());
                assert_eq!((status, reason), (rejected.status, Some(rejected.reason)));
            }
            let free = matches!(
                rejected.reason,
                "not-http" | "not-base64" | "source-not-allowed" | "signature-missing" | "signature-malformed"
            );
            // Both stages of both schemes, read twice. If the calls hang, there is time for three attempts.
            let max_fetches = match secrets {
                _ if free => 0,
                Service::Hangs => 12,
                _ => 8,
            };
            assert!(
                is_odd || outcome.effects.fetches <= max_fetches,
                "{} calls for a rejection",
                outcome.effects.fetches
            );
        }
    }
}

/// Why the model rejects a callback.
#[derive(Debug)]
struct Rejected {
    status: u16,
    reason: &'static str,
}

impl Scenario {
    /// The signature form that verifies a request with the keys of this scenario.
    fn signature_form(&self, request: &Request) -> Result<&'static str, Rejected> {
        if self.has_allowed_sources && !request.source.is_some_and(is_allowed) {
            return Err(Rejected { status: 403, reason: "source-not-allowed" });
        }
        let signatures = signature::signatures(&request.headers).map_err(|none| match none {
            NoSignature::Missing => Rejected { status: 401, reason: "signature-missing" },
            NoSignature::Malformed => Rejected { status: 401, reason: "signature-malformed" },
        })?;
        let mut rejected = Rejected { status: 401, reason: "signature-wrong" };
        for (scheme, claimed) in signatures {
            let keys = self.keys(scheme);
            if keys.is_empty() {
                rejected = Rejected { status: 503, reason: "no-keys" };
            }
            let is_of = |text: &[u8]| keys.iter().any(|secret| mac(secret, text) == claimed);
            if is_of(&request.body) {
                return Ok(if scheme == Scheme::Pay { "pay" } else { "raw" });
            }
            let has_ascii_encoding = scheme == Scheme::Aggregation && !self.no_ascii_encoding;
            if has_ascii_encoding && str::from_utf8(&request.body).is_ok_and(|text| is_of(&ascii_encoding(text))) {
                return Ok("ascii");
            }
        }
        Err(rejected)
    }

    /// The secrets that can sign a callback.
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

/// Splits an input into its event and the words on its last line, with the line feed before them.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let line = input.windows(2).rposition(|pair| pair == b"\n#");
    line.and_then(|line| input.split_at_checked(line)).unwrap_or((input, &[]))
}

/// The scenario that the words describe. Without words, everything works.
fn scenario(words: &[u8]) -> Scenario {
    let mut scenario = Scenario::default();
    for word in words.split(|byte| b"\n# ".contains(byte)) {
        match word {
            b"queue-fails" => scenario.queues = Service::Fails,
            b"queue-hangs" => scenario.queues = Service::Hangs,
            b"queue-refuses" => scenario.queues = Service::Rejects,
            b"store-fails" => scenario.store = Service::Fails,
            b"store-hangs" => scenario.store = Service::Hangs,
            b"secrets-fail" => scenario.secrets = Service::Fails,
            b"secrets-hang" => scenario.secrets = Service::Hangs,
            b"no-pay-secret" => scenario.no_pay_secret = true,
            b"rotates" => scenario.rotates = true,
            b"previous-expired" => scenario.previous_is_expired = true,
            b"queue-stutters" => scenario.queues = Service::Stutters,
            b"allowed-sources" => scenario.has_allowed_sources = true,
            b"ascii-off" => scenario.no_ascii_encoding = true,
            _ => {}
        }
    }
    scenario
}

/// A mark, and the function that makes its signature of a body: in base64 for aggregation, in hex for Pay.
type Mark = (&'static str, fn(&[u8]) -> String);

const MARKS: [Mark; 10] = [
    ("@raw@", |body| in_base64(current(Scheme::Aggregation), body)),
    ("@raw-before@", |body| in_base64(before(Scheme::Aggregation), body)),
    ("@ascii@", |body| in_base64(current(Scheme::Aggregation), &lossy_ascii(body))),
    ("@ascii-before@", |body| in_base64(before(Scheme::Aggregation), &lossy_ascii(body))),
    ("@pay@", |body| in_hex(&mac(current(Scheme::Pay), body))),
    ("@pay-before@", |body| in_hex(&mac(before(Scheme::Pay), body))),
    // None of these signatures is valid.
    ("@pay-ascii@", |body| in_hex(&mac(current(Scheme::Pay), &lossy_ascii(body)))),
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

/// The ASCII encoding of a body. For a body that is not UTF-8, what somebody might take for it.
fn lossy_ascii(body: &[u8]) -> Vec<u8> {
    ascii_encoding(&String::from_utf8_lossy(body))
}

/// The event with its marks replaced by signatures. A mark inside the body changes the body, which makes the signatures
/// wrong.
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

/// Checks that the response is a documented one, in the format that API Gateway expects.
fn check_response(response: Response) {
    let body = match response.status() {
        200 => r#"{"status":"stored"}"#,
        400 => r#"{"error":"bad request"}"#,
        401 => r#"{"error":"unauthorized"}"#,
        403 => r#"{"error":"forbidden"}"#,
        503 => r#"{"error":"unavailable"}"#,
        status => panic!("a response with {status}"),
    };
    let expected = json!({
        "statusCode": response.status(),
        "headers": { "content-type": "application/json" },
        "multiValueHeaders": {},
        "body": body,
        "isBase64Encoded": false,
        "cookies": [],
    });
    assert_eq!(serde_json::to_value(response.to_gateway()).ok(), Some(expected));
}

/// Checks that the log line is one line of JSON and contains no part of the body.
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
        // In production the sender cannot choose this id. A fuzzer can.
        assert!(id.is_some_and(|id| id.contains(CANARY)) || !line.contains(CANARY), "a part of the body is in the log");
    }
}
