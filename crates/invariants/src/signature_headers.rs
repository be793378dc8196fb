//! The signature headers, and the signatures that they contain.
//!
//! The input is a request's headers, one `name: value` per line. A line that starts with a space or a tab continues the
//! value before it, including the line feed.

use flinks_webhooks::{
    auth::{Scheme, Signatures},
    http::{SignatureHeader, SignatureHeaders},
    rejection::Rejection,
};

use crate::{
    model::signature::{self, NoSignature, ascii_encoding, mac},
    signature_check::{callback, key},
};

/// The signed body, and the secrets of both schemes. The corpus contains the signatures.
const BODY: &str = "{\"Name\":\"Zoé\"}";
const AGGREGATION: &str = "aggregation";
const PAY: &str = "pay";

/// The receiver finds the same signatures in the headers as the model, and only a valid one verifies the body.
pub fn check(input: &[u8]) {
    let (mut read, mut modelled) = (SignatureHeaders::default(), Vec::new());
    for (name, value) in lines(input) {
        let header = SignatureHeader::from_name(&name);
        let expected = signature::Header::from_name(&name);
        assert_eq!(header.is_some(), expected.is_some(), "a header named {}", name.escape_ascii());
        if let (Some(header), Some(expected)) = (header, expected) {
            read.push(header, value.clone());
            modelled.push((expected, value));
        }
    }
    let found = Signatures::from_headers(&read).map(|signatures| {
        signatures
            .iter()
            .map(|signature| {
                let scheme = match signature.scheme() {
                    Scheme::Aggregation => signature::Scheme::Aggregation,
                    Scheme::Pay => signature::Scheme::Pay,
                };
                let (key, unsigned) = (key(secret(scheme)), callback(scheme, &[0; 32], BODY.as_bytes()));
                (scheme, signature.verify(&unsigned.body, [key].iter(), true).is_some())
            })
            .collect::<Vec<_>>()
    });
    let expected = signature::signatures(&modelled).map(|signatures| {
        signatures.into_iter().map(|(scheme, found)| (scheme, is_true(scheme, &found))).collect::<Vec<_>>()
    });
    let found = found.map_err(|rejection| match rejection {
        Rejection::SignatureMissing => NoSignature::Missing,
        Rejection::SignatureMalformed => NoSignature::Malformed,
        other => panic!("rejected as {other:?} before it was verified"),
    });
    assert_eq!(found, expected);
}

fn secret(scheme: signature::Scheme) -> &'static str {
    match scheme {
        signature::Scheme::Aggregation => AGGREGATION,
        signature::Scheme::Pay => PAY,
    }
}

/// Whether `found` is a signature of the body, in an encoding that the scheme allows.
fn is_true(scheme: signature::Scheme, found: &[u8]) -> bool {
    let raw = mac(secret(scheme), BODY.as_bytes());
    let ascii = mac(secret(scheme), &ascii_encoding(BODY));
    found == raw || scheme == signature::Scheme::Aggregation && found == ascii
}

fn lines(input: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        match (line.first(), headers.last_mut()) {
            (Some(b' ' | b'\t'), Some((_, value))) => {
                value.push(b'\n');
                value.extend(line);
            }
            _ => {
                let mut parts = line.splitn(2, |byte| *byte == b':');
                let name = parts.next().unwrap_or_default().to_vec();
                headers.extend(parts.next().map(|value| (name, value.to_vec())));
            }
        }
    }
    headers
}
