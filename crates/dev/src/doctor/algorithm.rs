//! How a signature is computed, and how people compute it instead.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::mistake::Mistake;

/// A way to make a tag of a key and a body.
pub struct Algorithm {
    /// None for Flinks' own.
    pub mistake: Option<&'static Mistake>,
    pub tag: fn(key: &[u8], body: &[u8]) -> Vec<u8>,
    /// Without a key every secret is the same to it.
    pub keyed: bool,
}

/// What both of Flinks' schemes use.
pub const FLINKS: Algorithm = Algorithm { mistake: None, tag: hmac_sha256, keyed: true };

/// What people use instead.
pub const OTHERS: &[Algorithm] = &[
    Algorithm { mistake: Some(&SWAPPED), tag: |key, body| hmac_sha256(body, key), keyed: true },
    Algorithm { mistake: Some(&WITHOUT_KEY), tag: |_, body| Sha256::digest(body).to_vec(), keyed: false },
    Algorithm { mistake: Some(&HMAC_SHA1), tag: hmac_sha1, keyed: true },
    Algorithm { mistake: Some(&HMAC_SHA512), tag: hmac_sha512, keyed: true },
    Algorithm { mistake: Some(&HMAC_SHA384), tag: hmac_sha384, keyed: true },
    Algorithm { mistake: Some(&KEY_BEFORE), tag: |key, body| sha256_of_both(key, body), keyed: true },
    Algorithm { mistake: Some(&KEY_AFTER), tag: |key, body| sha256_of_both(body, key), keyed: true },
    Algorithm { mistake: Some(&SHA1_WITHOUT_KEY), tag: |_, body| Sha1::digest(body).to_vec(), keyed: false },
    Algorithm { mistake: Some(&SHA512_WITHOUT_KEY), tag: |_, body| Sha512::digest(body).to_vec(), keyed: false },
];

const SWAPPED: Mistake = Mistake::algorithm(
    "swapped",
    "The body was used as the key and the secret as the message. Swap the two arguments of the HMAC function.",
);
const WITHOUT_KEY: Mistake = Mistake::algorithm(
    "sha256-without-key",
    "This is the plain SHA-256 of the body, without the secret: anybody could make it. Use HMAC-SHA256 with the secret as the key.",
);
const HMAC_SHA1: Mistake = Mistake::algorithm("hmac-sha1", "It was made with HMAC-SHA1. Flinks uses HMAC-SHA256.");
const HMAC_SHA512: Mistake =
    Mistake::algorithm("hmac-sha512", "It was made with HMAC-SHA512. Flinks uses HMAC-SHA256.");
const HMAC_SHA384: Mistake =
    Mistake::algorithm("hmac-sha384", "It was made with HMAC-SHA384. Flinks uses HMAC-SHA256.");
const KEY_BEFORE: Mistake = Mistake::algorithm(
    "sha256-key-before-body",
    "It is the SHA-256 of the secret followed by the body, which is no HMAC. Use an HMAC-SHA256 function.",
);
const KEY_AFTER: Mistake = Mistake::algorithm(
    "sha256-key-after-body",
    "It is the SHA-256 of the body followed by the secret, which is no HMAC. Use an HMAC-SHA256 function.",
);
const SHA1_WITHOUT_KEY: Mistake = Mistake::algorithm(
    "sha1-without-key",
    "This is the plain SHA-1 of the body, without the secret: anybody could make it. Use HMAC-SHA256 with the secret as the key.",
);
const SHA512_WITHOUT_KEY: Mistake = Mistake::algorithm(
    "sha512-without-key",
    "This is the plain SHA-512 of the body, without the secret: anybody could make it. Use HMAC-SHA256 with the secret as the key.",
);

// A key of any length will do (RFC 2104, section 2), so there is no error to tell of.

fn hmac_sha256(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).map(|mac| finish(mac, body)).unwrap_or_default()
}

fn hmac_sha1(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha1>::new_from_slice(key).map(|mac| finish(mac, body)).unwrap_or_default()
}

fn hmac_sha384(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha384>::new_from_slice(key).map(|mac| finish(mac, body)).unwrap_or_default()
}

fn hmac_sha512(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha512>::new_from_slice(key).map(|mac| finish(mac, body)).unwrap_or_default()
}

fn finish(mac: impl Mac, body: &[u8]) -> Vec<u8> {
    mac.chain_update(body).finalize().into_bytes().to_vec()
}

fn sha256_of_both(first: &[u8], second: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(first).chain_update(second).finalize().to_vec()
}
