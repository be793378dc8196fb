//! The message of a callback, and SQS's rules for it.
//!
//! The input is the body. `<TEXT*COUNT>` in it stands for the text, repeated COUNT times, so that a short input can
//! reach the limits of 128 and 256 bytes and of 1 MiB.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    model::{
        signature::{Scheme, ascii_encoding, mac},
        sqs::MAX_BYTES,
    },
    scenario::{Scenario, Service, secrets},
    signature_check::in_hex,
    stored::Authentic,
};

/// Every authentic callback becomes a message that SQS accepts and whose attributes match the payload.
pub fn check(input: &[u8]) {
    let body = expanded(input);
    let [aggregation, _] = secrets(Scheme::Aggregation);
    let [pay, _] = secrets(Scheme::Pay);
    check_signed(&body, "raw", "flinks-authenticity-key", &BASE64_STANDARD.encode(mac(aggregation, &body)));
    check_signed(&body, "pay", "x-webhook-signature", &in_hex(&mac(pay, &body)));
    if let Ok(text) = str::from_utf8(&body)
        && !text.is_ascii()
    {
        let signature = BASE64_STANDARD.encode(mac(aggregation, &ascii_encoding(text)));
        check_signed(&body, "ascii", "X-Flinks-Signature", &signature);
    }
}

fn check_signed(body: &[u8], form: &'static str, header: &str, signature: &str) {
    let event = json!({
        "version": "2.0",
        "requestContext": { "http": { "method": "POST" } },
        "headers": { header: signature },
        "body": BASE64_STANDARD.encode(body),
        "isBase64Encoded": true,
    });
    let outcome = Scenario::default().receive(event.to_string().as_bytes());
    assert_eq!(outcome.response.status(), 200);
    Authentic { body, form }.check(&outcome.effects, Service::Works, Service::Works);
}

/// The input with its repetitions written out, except those that are larger than any limit.
fn expanded(input: &[u8]) -> Vec<u8> {
    const MAX_EXPANDED_BYTES: usize = MAX_BYTES + MAX_BYTES / 8;
    let mut body = Vec::new();
    let mut rest = input;
    while let Some((&first, after)) = rest.split_first() {
        match repetition(rest).filter(|(text, count, _)| {
            text.len().saturating_mul(*count) <= MAX_EXPANDED_BYTES - body.len().min(MAX_EXPANDED_BYTES)
        }) {
            Some((text, count, after)) => {
                body.extend(text.repeat(count));
                rest = after;
            }
            None => {
                body.push(first);
                rest = after;
            }
        }
    }
    body
}

/// The text and the count of a repetition at the start of the input, and the rest of the input.
fn repetition(input: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let (inside, after) = split_once(input.strip_prefix(b"<")?, b'>')?;
    let (text, count) = split_once(inside, b'*')?;
    Some((text, str::from_utf8(count).ok()?.parse().ok()?, after))
}

fn split_once(input: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = input.splitn(2, |byte| *byte == at);
    Some((parts.next()?, parts.next()?))
}
