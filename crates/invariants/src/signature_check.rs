//! The signature check by itself, which gives the later steps an authentic callback.

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::{
    auth::{AuthenticCallback, Signatures, SigningKey},
    http::{Callback, read_event},
};
use serde_json::json;

use crate::model::signature::{MAC_BYTES, Scheme};

/// A callback with this body and one signature.
pub fn callback(scheme: Scheme, mac: &[u8; MAC_BYTES], body: &[u8]) -> Callback {
    let (name, value) = match scheme {
        Scheme::Aggregation => ("flinks-authenticity-key", BASE64_STANDARD.encode(mac)),
        Scheme::Pay => ("X-Webhook-Signature", in_hex(mac)),
    };
    let event = json!({
        "version": "2.0",
        "requestContext": { "http": { "method": "POST" } },
        "headers": { name: value },
        "body": BASE64_STANDARD.encode(body),
        "isBase64Encoded": true,
    });
    read_event(event.to_string().as_bytes()).expect("an event that holds a callback")
}

/// A signature as Flinks Pay writes it.
pub fn in_hex(mac: &[u8]) -> String {
    let digits: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// A signing key.
pub fn key(secret: &str) -> SigningKey {
    SigningKey::new(secret.as_bytes()).expect("a secret that is not empty")
}

/// Verifies a body with one signature.
pub fn verify(
    scheme: Scheme,
    mac: &[u8; MAC_BYTES],
    body: &[u8],
    keys: &[SigningKey],
    ascii_encoding: bool,
) -> Option<AuthenticCallback> {
    let callback = callback(scheme, mac, body);
    let signatures = Signatures::from_headers(&callback.headers).expect("a well-formed signature is read");
    let signatures: Vec<_> = signatures.iter().collect();
    let [signature] = signatures.as_slice() else { panic!("one signature became {}", signatures.len()) };
    signature.verify(&callback.body, keys.iter(), ascii_encoding)
}
