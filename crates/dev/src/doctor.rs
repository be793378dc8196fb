//! The signature doctor: signs a body as Flinks does, and says why a signature does not match.
//!
//! A signature that does not match says nothing about the reason. So the doctor undoes, one by one and then two
//! together, the mistakes that people make with the [secret](secrets), the [body](bodies), the
//! [signature](signatures) and the [algorithm](algorithm), and [searches](search) for the one with which it matches.

mod algorithm;
mod bodies;
mod charset;
mod json;
mod mistake;
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

/// Which of Flinks' two ways of signing.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeName {
    /// The header flinks-authenticity-key: base64. KYC, GetAccountsDetail, Investments, fraud alerts.
    Aggregation,
    /// The header X-Webhook-Signature: sha256= and hex digits. Flinks Pay.
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

/// Over which bytes the aggregation scheme signs.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormName {
    /// The body's own bytes.
    #[default]
    Raw,
    /// The body's text with a question mark for each UTF-16 unit outside ASCII.
    Ascii,
}

/// The bytes of a file, or of standard input for `-`.
///
/// # Errors
/// When they cannot be read.
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

/// The key of a secret as it is kept, as the receiver takes it: without what people paste along.
///
/// # Errors
/// When nothing is left: anybody could sign with an empty key.
pub fn key_of(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let key = match str::from_utf8(secret) {
        Ok(text) => secret::read(Some(text)).key.map(|key| Zeroizing::new(key.as_bytes().to_vec())),
        // The receiver never sees such a one; the doctor has to.
        Err(_) => Some(Zeroizing::new(secret.to_vec())),
    };
    key.ok_or_else(|| Failure::usage("the secret is empty: give the one that Flinks gave you"))
}
