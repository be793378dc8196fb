//! Signs as Flinks does. It shares no code with the receiver's check, so that tests can compare the two.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `flinks-authenticity-key` over the raw encoding: the body's own bytes.
pub fn aggregation(body: &[u8], secret: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(hmac_sha256(body, secret))
}

/// The value of `flinks-authenticity-key` over .NET's ASCII encoding: `?` for each UTF-16 unit outside ASCII.
pub fn ascii(body: &str, secret: impl AsRef<[u8]>) -> String {
    let encoded: Vec<u8> =
        body.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect();
    aggregation(&encoded, secret)
}

/// The value of `X-Webhook-Signature`.
pub fn pay(body: &[u8], secret: impl AsRef<[u8]>) -> String {
    format!("sha256={}", hex::encode_upper(hmac_sha256(body, secret)))
}

fn hmac_sha256(body: &[u8], secret: impl AsRef<[u8]>) -> [u8; 32] {
    // HMAC accepts a key of any length (RFC 2104, section 2), so this cannot fail.
    Hmac::<Sha256>::new_from_slice(secret.as_ref())
        .map(|mac| mac.chain_update(body).finalize().into_bytes().into())
        .unwrap_or_default()
}
