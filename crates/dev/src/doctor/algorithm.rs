//! Flinks' signature algorithm, and the ones that people use by mistake.

use hmac::{Hmac, KeyInit, Mac, digest::InvalidLength};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::mistake::Id;

/// Computes a tag from a key and a body.
pub type Tag = fn(key: &[u8], body: &[u8]) -> Vec<u8>;

/// HMAC-SHA256, which both of Flinks' schemes use.
pub const FLINKS: Tag = |key, body| finish(Hmac::<Sha256>::new_from_slice(key), body);

/// Algorithms that people use by mistake, the likeliest first.
pub const ALGORITHMS: &[(Id, Tag)] = &[
    ("swapped", |key, body| FLINKS(body, key)),
    ("sha256-without-key", |_, body| Sha256::digest(body).to_vec()),
    ("hmac-sha1", |key, body| finish(Hmac::<Sha1>::new_from_slice(key), body)),
    ("hmac-sha512", |key, body| finish(Hmac::<Sha512>::new_from_slice(key), body)),
    ("hmac-sha384", |key, body| finish(Hmac::<Sha384>::new_from_slice(key), body)),
    ("sha256-key-before-body", |key, body| Sha256::new().chain_update(key).chain_update(body).finalize().to_vec()),
    ("sha256-key-after-body", |key, body| Sha256::new().chain_update(body).chain_update(key).finalize().to_vec()),
    ("sha1-without-key", |_, body| Sha1::digest(body).to_vec()),
    ("sha512-without-key", |_, body| Sha512::digest(body).to_vec()),
];

/// HMAC accepts a key of any length (RFC 2104, section 2), so the error never occurs.
fn finish(mac: Result<impl Mac, InvalidLength>, body: &[u8]) -> Vec<u8> {
    mac.map(|mac| mac.chain_update(body).finalize().into_bytes().to_vec()).unwrap_or_default()
}
