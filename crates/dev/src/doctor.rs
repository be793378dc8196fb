//! The signature doctor: signs a body as Flinks does, and finds out why a signature does not match.
//!
//! A signature that does not match says nothing about the reason. So the doctor undoes the mistakes that people make
//! with the [secret](secrets), the [body](bodies), the [signature](signatures) and the [algorithm](algorithm) until the
//! signature matches. It tries each mistake alone first, then the [combinations] that happen in practice. `mistakes.md`
//! explains each mistake.

mod algorithm;
mod bodies;
mod charset;
mod combinations;
mod json;
mod mistake;
mod numbers;
mod progress;
mod report;
mod search;
mod secrets;
pub mod sign;
mod signatures;
pub mod verify;

use std::io::Read;

use flinks_webhooks::auth::{Scheme, secret};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// One of Flinks' two signature schemes.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeName {
    /// The header flinks-authenticity-key, in base64: KYC, GetAccountsDetail, Investments, fraud alerts.
    Aggregation,
    /// The header X-Webhook-Signature, with sha256= and hex digits: Flinks Pay.
    Pay,
}

impl From<SchemeName> for Scheme {
    fn from(name: SchemeName) -> Self {
        match name {
            SchemeName::Aggregation => Self::Aggregation,
            SchemeName::Pay => Self::Pay,
        }
    }
}

/// Which encoding of the body the signature covers.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodingName {
    /// The body's own bytes.
    #[default]
    Raw,
    /// ASCII, with a question mark for each UTF-16 unit outside ASCII. Only the aggregation scheme allows it.
    Ascii,
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// If it cannot be read.
pub fn read_body(file: &str) -> Result<Vec<u8>, Failure> {
    if file == "-" {
        let mut body = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut body);
        return read
            .map(|_| body)
            .map_err(|error| Failure::usage(format!("cannot read the body from standard input: {error}")));
    }
    std::fs::read(file).map_err(|error| Failure::usage(format!("cannot read the body from {file}: {error}")))
}

/// Extracts the key from a stored secret as the receiver does: without white space around it and without the console's
/// JSON.
///
/// # Errors
/// If the key is empty, because anybody could sign with it.
pub fn key_of(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let key = match str::from_utf8(secret) {
        Ok(text) => secret::parse(Some(text)).key.map(|key| Zeroizing::new(key.as_bytes().to_vec())),
        // Secrets Manager stores only UTF-8 text, but a file may hold anything.
        Err(_) => Some(Zeroizing::new(secret.to_vec())),
    };
    key.ok_or_else(|| Failure::usage("the secret is empty: use the one that Flinks gave you"))
}
