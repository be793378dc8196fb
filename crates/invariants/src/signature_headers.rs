//! The signature headers: which of them claim what.
//!
//! The input is a request's headers, a line each, `name: value`. A line that starts with a space or a tab continues the
//! value before it, line feed included.

use flinks_webhooks::{
    auth::{Scheme, Signatures},
    http::{SignatureHeader, SignatureHeaders},
    rejection::Rejection,
};

use crate::{
    model::signature::{self, NoClaim, ascii_reading, mac},
    proof::{callback, key},
};

/// The body that is signed, and the secrets of both schemes. The corpus has the signatures.
const BODY: &str = "{\"Name\":\"Zoé\"}";
const AGGREGATION: &str = "aggregation";
const PAY: &str = "pay";

/// Headers claim what the model says that they claim, and only a true signature among them proves anything.
pub fn check(input: &[u8]) {
    let (mut read, mut modelled) = (SignatureHeaders::default(), Vec::new());
    for (name, value) in lines(input) {
        let header = SignatureHeader::from_name(&name);
        let expected = signature::Header::named(&name);
        assert_eq!(header.is_some(), expected.is_some(), "a header called {}", name.escape_ascii());
        if let (Some(header), Some(expected)) = (header, expected) {
            read.push(header, value.clone());
            modelled.push((expected, value));
        }
    }
    let claimed = Signatures::from_headers(&read).map(|claims| {
        claims
            .iter()
            .map(|claim| {
                let scheme = match claim.scheme() {
                    Scheme::Aggregation => signature::Scheme::Aggregation,
                    Scheme::Pay => signature::Scheme::Pay,
                };
                let (key, unsigned) = (key(secret(scheme)), callback(scheme, &[0; 32], BODY.as_bytes()));
                (scheme, claim.verify(&unsigned.body, [key].iter(), true).is_some())
            })
            .collect::<Vec<_>>()
    });
    let expected = signature::claims(&modelled).map(|claims| {
        claims.into_iter().map(|(scheme, claimed)| (scheme, is_true(scheme, &claimed))).collect::<Vec<_>>()
    });
    let claimed = claimed.map_err(|refusal| match refusal {
        Rejection::SignatureMissing => NoClaim::Missing,
        Rejection::SignatureMalformed => NoClaim::Malformed,
        other => panic!("rejected as {other:?} before it was verified"),
    });
    assert_eq!(claimed, expected);
}

fn secret(scheme: signature::Scheme) -> &'static str {
    match scheme {
        signature::Scheme::Aggregation => AGGREGATION,
        signature::Scheme::Pay => PAY,
    }
}

/// Whether it is a signature of the body, in a reading of the scheme's.
fn is_true(scheme: signature::Scheme, claimed: &[u8]) -> bool {
    let raw = mac(secret(scheme), BODY.as_bytes());
    let ascii = mac(secret(scheme), &ascii_reading(BODY));
    claimed == raw || scheme == signature::Scheme::Aggregation && claimed == ascii
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
