//! The second step: proof that a callback comes from Flinks, over its exact bytes.
//!
//! Two schemes exist, told apart by the header that carries them, each with a key of its own:
//!
//! | scheme | header | value |
//! |---|---|---|
//! | aggregation | `flinks-authenticity-key`, alias `X-Flinks-Signature` | HMAC-SHA256 (RFC 2104) as base64, 44 characters |
//! | Flinks Pay | `X-Webhook-Signature` | `sha256=` and HMAC-SHA256 as 64 hex digits, in any case |
//!
//! Flinks' article on the check says to encode the serialised JSON as *ASCII* before signing. Its back end is .NET,
//! where that turns each UTF-16 unit outside ASCII into `?`. Other pages say the raw bytes. Both readings are taken
//! ([`Form`]); they differ only for bodies with text outside ASCII.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::callback::Callback;

/// A callback whose body is proven to come from Flinks. Only [`Claim::prove`] makes one.
pub struct AuthenticCallback {
    body: Bytes,
    form: Form,
}

impl AuthenticCallback {
    /// The signed bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What proved them.
    pub fn form(&self) -> Form {
        self.form
    }
}

/// What proved a callback: the message attribute `SignatureForm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aggregation scheme, over the raw bytes.
    Raw,
    /// Aggregation scheme, over the text with `?` for each UTF-16 unit outside ASCII. Lossy: somebody who holds a
    /// valid pair of body and signature can swap one accented letter for another, and nothing else.
    Ascii,
    /// Flinks Pay scheme, over the raw bytes.
    Pay,
}

impl Form {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ascii => "ascii",
            Self::Pay => "pay",
        }
    }
}

/// Which kind of callback signs, and with which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// KYC, GetAccountsDetail, Investments, and whatever else the aggregation side sends.
    Aggregation,
    /// Flinks Pay's guaranteed EFT.
    Pay,
}

/// Why a callback is not let in. The sender gets 401 for each of them, and does not learn which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No header that could carry a signature.
    Missing,
    /// Several values, two headers that contradict each other, or a value that is no HMAC-SHA256 in its encoding.
    Malformed,
    /// Well-formed, and not made with a key that is valid now.
    Wrong,
}

/// A header that carries a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    AuthenticityKey,
    /// One of Flinks' sample pages calls it so.
    AuthenticityKeyAlias,
    WebhookSignature,
}

impl Header {
    /// The header of this name, in any case (RFC 9110, section 5.1); none for a header of no interest.
    pub fn named(name: &[u8]) -> Option<Self> {
        [
            (&b"flinks-authenticity-key"[..], Self::AuthenticityKey),
            (b"x-flinks-signature", Self::AuthenticityKeyAlias),
            (b"x-webhook-signature", Self::WebhookSignature),
        ]
        .into_iter()
        .find_map(|(known, header)| name.eq_ignore_ascii_case(known).then_some(header))
    }
}

/// The values of the headers that carry signatures, as received.
#[derive(Default)]
pub struct SignatureHeaders(Vec<(Header, Vec<u8>)>);

impl SignatureHeaders {
    pub fn push(&mut self, header: Header, value: Vec<u8>) {
        self.0.push((header, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the headers claim, one claim for each scheme at most, Pay first: a valid Pay signature decides the kind.
    ///
    /// A scheme whose header is malformed makes no claim as long as the other one does: a proxy may add an
    /// `X-Webhook-Signature` of its own, and one valid proof of the exact bytes is proof enough.
    ///
    /// # Errors
    /// [`Refusal::Missing`] without any of the headers, [`Refusal::Malformed`] when none of them is usable. Neither
    /// costs an HMAC.
    pub fn claims(&self) -> Result<Vec<Claim>, Refusal> {
        if self.is_empty() {
            return Err(Refusal::Missing);
        }
        let pay = self.only(Header::WebhookSignature, from_hex).map(|mac| Claim { scheme: Scheme::Pay, mac });
        let aggregation = self.aggregation().map(|mac| Claim { scheme: Scheme::Aggregation, mac });
        let claims: Vec<_> = [pay, aggregation].into_iter().flatten().collect();
        if claims.is_empty() { Err(Refusal::Malformed) } else { Ok(claims) }
    }

    /// The aggregation signature: of either name, or of both where they agree.
    fn aggregation(&self) -> Option<[u8; MAC_BYTES]> {
        let named = |header| self.0.iter().any(|(name, _)| *name == header);
        let value = |header| self.only(header, from_base64);
        match (named(Header::AuthenticityKey), named(Header::AuthenticityKeyAlias)) {
            (true, false) => value(Header::AuthenticityKey),
            (false, true) => value(Header::AuthenticityKeyAlias),
            (true, true) => {
                value(Header::AuthenticityKey).filter(|mac| value(Header::AuthenticityKeyAlias).as_ref() == Some(mac))
            }
            (false, false) => None,
        }
    }

    /// The value of a header that must have exactly one.
    fn only(&self, header: Header, decode: fn(&[u8]) -> Option<[u8; MAC_BYTES]>) -> Option<[u8; MAC_BYTES]> {
        let mut values = self.0.iter().filter(|(name, _)| *name == header);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => decode(value.trim_ascii()),
            _ => None,
        }
    }
}

/// Length of an HMAC-SHA256, in bytes. A shorter tag never passes.
const MAC_BYTES: usize = 32;

/// Base64 as RFC 4648 section 4 has it: standard alphabet, padded, no stray bits.
fn from_base64(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    BASE64_STANDARD.decode(value).ok()?.try_into().ok()
}

/// `sha256=` and hex digits, both in any case.
fn from_hex(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    const PREFIX: &[u8] = b"sha256=";
    let (prefix, digits) = value.split_at_checked(PREFIX.len())?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    bytes?.try_into().ok()
}

/// A well-formed signature that nobody has checked yet.
#[derive(Clone, Copy)]
pub struct Claim {
    scheme: Scheme,
    mac: [u8; MAC_BYTES],
}

impl Claim {
    /// Whose keys can prove it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Checks the claim over the callback's exact body against each key, comparing in constant time. Costs at most one
    /// HMAC for each key and reading.
    ///
    /// The ASCII reading is tried only for the aggregation scheme, only when `ascii_reading` is on, only after the raw
    /// reading failed with every key, and only for a body that is UTF-8 text and not all ASCII.
    ///
    /// # Errors
    /// Gives the callback back when no key proves it.
    pub fn prove<'k>(
        &self,
        callback: Callback,
        keys: impl Iterator<Item = &'k SigningKey> + Clone,
        ascii_reading: bool,
    ) -> Result<AuthenticCallback, Callback> {
        let body = &callback.body;
        let raw = |key: &SigningKey| self.is_mac_of(key, |mac| mac.update(body));
        let proven = if keys.clone().any(raw) {
            Some(if self.scheme == Scheme::Pay { Form::Pay } else { Form::Raw })
        } else if self.scheme == Scheme::Aggregation && ascii_reading && !body.is_ascii() {
            let ascii = |text: &str| {
                let mut keys = keys;
                keys.any(|key| self.is_mac_of(key, |mac| update_with_ascii_reading(mac, text)))
            };
            str::from_utf8(body).is_ok_and(ascii).then_some(Form::Ascii)
        } else {
            None
        };
        match proven {
            Some(form) => Ok(AuthenticCallback { body: callback.body, form }),
            None => Err(callback),
        }
    }

    fn is_mac_of(&self, key: &SigningKey, feed: impl Fn(&mut Hmac<Sha256>)) -> bool {
        let mut mac = key.0.clone();
        feed(&mut mac);
        mac.verify_slice(&self.mac).is_ok()
    }
}

/// Feeds `text` as .NET's `Encoding.ASCII` encodes it: `?` for each UTF-16 unit outside ASCII, so `?` for `é` and `??`
/// for an emoji.
fn update_with_ascii_reading(mac: &mut Hmac<Sha256>, text: &str) {
    // Piece by piece, so that a body of several megabytes costs no second copy of itself.
    const PIECE_BYTES: usize = 4096;
    let mut reading = Vec::with_capacity(PIECE_BYTES);
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        reading.clear();
        for &byte in piece {
            match byte {
                0x00..=0x7F => reading.push(byte),
                // A character's other bytes: its first one has said everything.
                0x80..=0xBF => {}
                // Two or three bytes in UTF-8 are one unit in UTF-16, four bytes are two.
                0xC0..=0xEF => reading.push(b'?'),
                0xF0..=0xFF => reading.extend_from_slice(b"??"),
            }
        }
        mac.update(&reading);
    }
}

/// A secret, ready to sign with. Wiped from memory when dropped; shows nothing of itself.
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key of a secret's text: its own bytes, never base64-decoded, without one line break at the end, which
    /// people paste along. None for an empty secret, with which anybody could sign.
    pub fn from_secret(secret: &str) -> Option<Self> {
        let key = secret.strip_suffix('\n').map_or(secret, |line| line.strip_suffix('\r').unwrap_or(line));
        if key.is_empty() {
            return None;
        }
        Hmac::new_from_slice(key.as_bytes()).ok().map(Self)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}
