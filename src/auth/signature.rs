//! The signature of a callback, over its exact bytes.
//!
//! There are two schemes. The header says which one, and each has a key of its own:
//!
//! | scheme | header | value |
//! |---|---|---|
//! | aggregation | `flinks-authenticity-key`, alias `X-Flinks-Signature` | HMAC-SHA256 (RFC 2104) as base64, 44 characters |
//! | Flinks Pay | `X-Webhook-Signature` | `sha256=` and HMAC-SHA256 as 64 hex digits, in any case |
//!
//! Flinks' article on the check says to encode the serialised JSON as *ASCII* before signing. Its back end is .NET,
//! where that turns each UTF-16 unit outside ASCII into `?`. Other pages say the raw bytes. The receiver accepts both
//! encodings ([`SignatureForm`]); they differ only for bodies with text outside ASCII.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flinks_events::signature_form;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use strum::VariantArray;

use super::ascii_encoding;
use crate::{
    http::{SignatureHeader, SignatureHeaders},
    rejection::Rejection,
};

/// A callback that comes from Flinks. Only [`Signature::verify`] makes one.
pub struct AuthenticCallback {
    body: Bytes,
    signature_form: SignatureForm,
}

impl AuthenticCallback {
    /// The signed bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What verified them.
    pub fn signature_form(&self) -> SignatureForm {
        self.signature_form
    }

    #[cfg(test)]
    pub(crate) fn for_test(body: impl Into<Bytes>, signature_form: SignatureForm) -> Self {
        Self { body: body.into(), signature_form }
    }
}

/// What verified a payload: for a callback, the scheme and the encoding. Messages have it in the attribute
/// `SignatureForm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum SignatureForm {
    /// Aggregation scheme, over the raw bytes.
    Raw,
    /// Aggregation scheme, over the ASCII encoding. It loses information: whoever has a body and its signature can
    /// replace any character outside ASCII, or any question mark, by another such character.
    Ascii,
    /// Flinks Pay scheme, over the raw bytes.
    Pay,
    /// No signature: the payload was fetched from Flinks' API. No callback has this form.
    Api,
}

impl SignatureForm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => signature_form::RAW,
            Self::Ascii => signature_form::ASCII,
            Self::Pay => signature_form::PAY,
            Self::Api => signature_form::API,
        }
    }
}

impl FromStr for SignatureForm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::VARIANTS.iter().copied().find(|form| form.as_str() == name).ok_or(())
    }
}

/// Which side of Flinks signs, and with which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// KYC, GetAccountsDetail, Investments, and whatever else the aggregation side sends.
    Aggregation,
    /// Flinks Pay's guaranteed EFT.
    Pay,
}

/// The signatures of one request, at most one for each scheme. Nothing has verified them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signatures {
    pub pay: Option<Signature>,
    pub aggregation: Option<Signature>,
}

impl Signatures {
    /// Reads the signatures from the headers.
    ///
    /// A malformed header of one scheme is ignored as long as the other scheme has a signature: a proxy may add an
    /// `X-Webhook-Signature` of its own, and one valid signature of the exact bytes is enough.
    ///
    /// # Errors
    /// [`Rejection::SignatureMissing`] without any of the headers, [`Rejection::SignatureMalformed`] when none of them
    /// is usable. Neither costs an HMAC.
    pub fn from_headers(headers: &SignatureHeaders) -> Result<Self, Rejection> {
        if headers.is_empty() {
            return Err(Rejection::SignatureMissing);
        }
        let pay = only_value(headers.values(&[SignatureHeader::WebhookSignature]), from_hex);
        let aggregation = only_value(
            headers.values(&[SignatureHeader::AuthenticityKey, SignatureHeader::AuthenticityKeyAlias]),
            from_base64,
        );
        if pay.is_none() && aggregation.is_none() {
            return Err(Rejection::SignatureMalformed);
        }
        let signature = |scheme, mac: Option<_>| mac.map(|mac| Signature { scheme, mac });
        Ok(Self { pay: signature(Scheme::Pay, pay), aggregation: signature(Scheme::Aggregation, aggregation) })
    }

    /// All signatures, Pay first.
    pub fn iter(&self) -> impl Iterator<Item = Signature> {
        [self.pay, self.aggregation].into_iter().flatten()
    }
}

/// The one signature in these values: one value, or the same one several times. Some proxies send a header twice, or
/// join its values with commas (RFC 9110, section 5.3). Neither encoding has a comma.
fn only_value<'v>(
    values: impl Iterator<Item = &'v [u8]>,
    decode: fn(&[u8]) -> Option<[u8; MAC_BYTES]>,
) -> Option<[u8; MAC_BYTES]> {
    let mut macs = values.flat_map(|value| value.split(|byte| *byte == b',')).map(|value| decode(value.trim_ascii()));
    let first = macs.next()??;
    macs.all(|mac| mac == Some(first)).then_some(first)
}

/// Length of an HMAC-SHA256, in bytes. A shorter one never passes.
const MAC_BYTES: usize = 32;

/// Base64 by RFC 4648, section 4: standard alphabet, padded, no stray bits.
fn from_base64(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    BASE64_STANDARD.decode(value).ok()?.try_into().ok()
}

/// `sha256=` and hex digits, both in any case.
fn from_hex(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    const PREFIX: &[u8] = b"sha256=";
    let (prefix, digits) = value.split_at_checked(PREFIX.len())?;
    let mut mac = [0; MAC_BYTES];
    let is_legal = prefix.eq_ignore_ascii_case(PREFIX) && hex::decode_to_slice(digits, &mut mac).is_ok();
    is_legal.then_some(mac)
}

/// A well-formed signature. Nothing has verified it yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    scheme: Scheme,
    mac: [u8; MAC_BYTES],
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signature").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Signature {
    /// Whose keys can verify it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Verifies the signature of the exact body with each key, comparing in constant time. Costs at most one HMAC for
    /// each key and encoding. `None` when no key verifies it.
    ///
    /// The ASCII encoding is tried only for the aggregation scheme, only when `accept_ascii` is set, only after the raw
    /// bytes failed with every key, and only for a body that is UTF-8 text and not all ASCII.
    pub fn verify<'k>(
        &self,
        body: &Bytes,
        keys: impl Iterator<Item = &'k SigningKey> + Clone,
        accept_ascii: bool,
    ) -> Option<AuthenticCallback> {
        let raw = |key: &SigningKey| self.is_mac_of(key, |mac| mac.update(body));
        let signature_form = if keys.clone().any(raw) {
            Some(if self.scheme == Scheme::Pay { SignatureForm::Pay } else { SignatureForm::Raw })
        } else if self.scheme == Scheme::Aggregation && accept_ascii && !body.is_ascii() {
            let ascii = |text: &str| {
                let mut keys = keys;
                keys.any(|key| self.is_mac_of(key, |mac| ascii_encoding::update(mac, text)))
            };
            str::from_utf8(body).is_ok_and(ascii).then_some(SignatureForm::Ascii)
        } else {
            None
        };
        signature_form.map(|signature_form| AuthenticCallback { body: body.clone(), signature_form })
    }

    fn is_mac_of(&self, key: &SigningKey, feed: impl Fn(&mut Hmac<Sha256>)) -> bool {
        let mut mac = key.0.clone();
        feed(&mut mac);
        mac.verify_slice(&self.mac).is_ok()
    }
}

/// A key, ready to use. Wiped from memory when dropped; `Debug` prints nothing of it.
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key of these bytes. `None` for an empty key, with which anybody could sign.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        Hmac::new_from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests;
