//! The message of a callback, within SQS's rules.
//!
//! The input is the body. `<TEXT*COUNT>` in it stands for that many times the text, so that the limits of 128 and 256
//! bytes and of 1 MiB are within reach of a few.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    model::{
        signature::{Scheme, ascii_reading, mac},
        sqs::MAX_BYTES,
    },
    proof::in_hex,
    stored::Authentic,
    world::{Service, World, secrets},
};

/// A callback that is authentic, whatever is in it, is a message that SQS takes and that says what the payload says.
pub fn check(input: &[u8]) {
    let body = expanded(input);
    let [aggregation, _] = secrets(Scheme::Aggregation);
    let [pay, _] = secrets(Scheme::Pay);
    check_form(&body, "raw", "flinks-authenticity-key", &BASE64_STANDARD.encode(mac(aggregation, &body)));
    check_form(&body, "pay", "x-webhook-signature", &in_hex(&mac(pay, &body)));
    if let Ok(text) = str::from_utf8(&body)
        && !text.is_ascii()
    {
        let signature = BASE64_STANDARD.encode(mac(aggregation, &ascii_reading(text)));
        check_form(&body, "ascii", "X-Flinks-Signature", &signature);
    }
}

fn check_form(body: &[u8], form: &'static str, header: &str, signature: &str) {
    let event = json!({
        "version": "2.0",
        "requestContext": { "http": { "method": "POST" } },
        "headers": { header: signature },
        "body": BASE64_STANDARD.encode(body),
        "isBase64Encoded": true,
    });
    let outcome = World::default().receive(event.to_string().as_bytes());
    assert_eq!(outcome.answer.status(), 200);
    Authentic { body, form }.check(&outcome.done, Service::Works, Service::Works);
}

/// The input with its repetitions written out, as far as they are of a size that makes a difference.
fn expanded(input: &[u8]) -> Vec<u8> {
    const LARGEST: usize = MAX_BYTES + MAX_BYTES / 8;
    let mut body = Vec::new();
    let mut rest = input;
    while let Some((&first, after)) = rest.split_first() {
        match repetition(rest)
            .filter(|(text, count, _)| text.len().saturating_mul(*count) <= LARGEST - body.len().min(LARGEST))
        {
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

/// The text and the count of a repetition at the start, and what follows it.
fn repetition(input: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let (inside, after) = split_once(input.strip_prefix(b"<")?, b'>')?;
    let (text, count) = split_once(inside, b'*')?;
    Some((text, str::from_utf8(count).ok()?.parse().ok()?, after))
}

fn split_once(input: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = input.splitn(2, |byte| *byte == at);
    Some((parts.next()?, parts.next()?))
}
