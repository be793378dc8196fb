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

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

/// A callback whose body is verified to come from Flinks. Only [`Claim::verify`] makes one.
pub struct AuthenticCallback {
    body: Bytes,
    form: Form,
}

impl AuthenticCallback {
    /// The signed bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What verified them.
    pub fn form(&self) -> Form {
        self.form
    }

    #[cfg(test)]
    pub(crate) fn unproven(body: impl Into<Bytes>, form: Form) -> Self {
        Self { body: body.into(), form }
    }
}

/// What verified a callback: the message attribute `SignatureForm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aggregation scheme, over the raw bytes.
    Raw,
    /// Aggregation scheme, over the text with `?` for each UTF-16 unit outside ASCII. Lossy: somebody who holds a
    /// valid pair of body and signature can put any other such unit in the place of one, or of a question mark.
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

impl FromStr for Form {
    type Err = ();

    /// The form of this name; there is no other.
    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Raw, Self::Ascii, Self::Pay].into_iter().find(|form| form.as_str() == name).ok_or(())
    }
}

/// Which kind of callback signs, and with which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Several different values, or a value that is no HMAC-SHA256 in its encoding.
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
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthenticityKey => "flinks-authenticity-key",
            Self::AuthenticityKeyAlias => "x-flinks-signature",
            Self::WebhookSignature => "x-webhook-signature",
        }
    }

    /// The header of this name, in any case (RFC 9110, section 5.1); none for a header of no interest.
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::AuthenticityKey, Self::AuthenticityKeyAlias, Self::WebhookSignature]
            .into_iter()
            .find(|header| name.eq_ignore_ascii_case(header.name().as_bytes()))
    }
}

/// The values of the headers that carry signatures, as received. They can be compared because that verifies nothing.
#[derive(Default, PartialEq)]
pub struct SignatureHeaders(Vec<(Header, Vec<u8>)>);

impl SignatureHeaders {
    pub fn push(&mut self, header: Header, value: Vec<u8>) {
        self.0.push((header, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers that are there, each once.
    pub fn present(&self) -> Vec<Header> {
        let mut present: Vec<Header> = Vec::new();
        for (header, _) in &self.0 {
            if !present.contains(header) {
                present.push(*header);
            }
        }
        present
    }

    /// What the headers claim, at most one claim for each scheme.
    ///
    /// A scheme whose header is malformed makes no claim as long as the other one does: a proxy may add an
    /// `X-Webhook-Signature` of its own, and one valid signature of the exact bytes is enough.
    ///
    /// # Errors
    /// [`Refusal::Missing`] without any of the headers, [`Refusal::Malformed`] when none of them is usable. Neither
    /// costs an HMAC.
    pub fn claims(&self) -> Result<Claims, Refusal> {
        if self.is_empty() {
            return Err(Refusal::Missing);
        }
        let claim = |scheme, mac: Option<_>| mac.map(|mac| Claim { scheme, mac });
        let pay = claim(Scheme::Pay, self.only(&[Header::WebhookSignature], from_hex));
        let aggregation = claim(
            Scheme::Aggregation,
            self.only(&[Header::AuthenticityKey, Header::AuthenticityKeyAlias], from_base64),
        );
        if pay.is_none() && aggregation.is_none() {
            return Err(Refusal::Malformed);
        }
        Ok(Claims { pay, aggregation })
    }

    /// The signature that headers of these names carry, each with one value or with the same one several times: some
    /// proxies send a header twice, or join its values with commas (RFC 9110, section 5.3). Neither encoding has a comma.
    fn only(&self, headers: &[Header], decode: fn(&[u8]) -> Option<[u8; MAC_BYTES]>) -> Option<[u8; MAC_BYTES]> {
        let values = self.0.iter().filter(|(header, _)| headers.contains(header));
        let mut macs =
            values.flat_map(|(_, value)| value.split(|byte| *byte == b',')).map(|value| decode(value.trim_ascii()));
        let first = macs.next()??;
        macs.all(|mac| mac == Some(first)).then_some(first)
    }
}

/// The claims of one request, by scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    pub pay: Option<Claim>,
    pub aggregation: Option<Claim>,
}

impl Claims {
    /// All claims, Pay first.
    pub fn iter(&self) -> impl Iterator<Item = Claim> {
        [self.pay, self.aggregation].into_iter().flatten()
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
    let mut mac = [0; MAC_BYTES];
    let legal = prefix.eq_ignore_ascii_case(PREFIX) && hex::decode_to_slice(digits, &mut mac).is_ok();
    legal.then_some(mac)
}

/// A well-formed signature that nobody has checked yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    scheme: Scheme,
    mac: [u8; MAC_BYTES],
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Claim {
    /// Whose keys can verify it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Checks the claim over the exact body against each key, comparing in constant time. Costs at most one HMAC for each
    /// key and encoding. None when no key verifies it.
    ///
    /// The ASCII encoding is tried only for the aggregation scheme, only when `ascii_reading` is on, only after the raw
    /// bytes failed with every key, and only for a body that is UTF-8 text and not all ASCII.
    pub fn verify<'k>(
        &self,
        body: &Bytes,
        keys: impl Iterator<Item = &'k SigningKey> + Clone,
        ascii_reading: bool,
    ) -> Option<AuthenticCallback> {
        let raw = |key: &SigningKey| self.is_mac_of(key, |mac| mac.update(body));
        let form = if keys.clone().any(raw) {
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
        form.map(|form| AuthenticCallback { body: body.clone(), form })
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
    // Most text is ASCII, and short runs of it are known and copied many bytes at once.
    const RUN_BYTES: usize = 32;
    let mut reading = Vec::with_capacity(PIECE_BYTES);
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        reading.clear();
        for run in piece.chunks(RUN_BYTES) {
            if run.is_ascii() {
                reading.extend_from_slice(run);
                continue;
            }
            for &byte in run {
                match byte {
                    0x00..=0x7F => reading.push(byte),
                    // A character's other bytes: its first one has said everything.
                    0x80..=0xBF => {}
                    // Two or three bytes in UTF-8 are one unit in UTF-16, four bytes are two.
                    0xC0..=0xEF => reading.push(b'?'),
                    0xF0..=0xFF => reading.extend_from_slice(b"??"),
                }
            }
        }
        mac.update(&reading);
    }
}

/// A key, ready to sign with. Wiped from memory when dropped; shows nothing of itself.
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key of these bytes. None for an empty one, with which anybody could sign.
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
mod tests {
    use std::cell::Cell;

    use super::*;

    fn claims(headers: &[(&str, &str)]) -> Result<Vec<(Scheme, [u8; MAC_BYTES])>, Refusal> {
        let mut values = SignatureHeaders::default();
        for (name, value) in headers {
            values.push(Header::named(name.as_bytes()).unwrap(), value.as_bytes().to_vec());
        }
        values.claims().map(|claims| claims.iter().map(|claim| (claim.scheme, claim.mac)).collect())
    }

    const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const ONES: &str = "//////////////////////////////////////////8=";

    fn sha256_of(digits: &str) -> String {
        format!("sha256={}", digits.repeat(MAC_BYTES))
    }

    #[test]
    fn header_names_are_known_in_any_case() {
        assert_eq!(Header::named(b"Flinks-Authenticity-KEY"), Some(Header::AuthenticityKey));
        assert_eq!(Header::named(b"X-FLINKS-SIGNATURE"), Some(Header::AuthenticityKeyAlias));
        assert_eq!(Header::named(b"x-webhook-signature"), Some(Header::WebhookSignature));
        assert_eq!(Header::named(b"flinks-authenticity-keys"), None);
    }

    #[test]
    fn white_space_around_a_signature_is_trimmed() {
        let padded = format!(" \t{ZEROS}\r\n");
        assert_eq!(claims(&[("flinks-authenticity-key", &padded)]), Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]));
    }

    #[test]
    fn hex_is_read_in_any_case() {
        for value in [sha256_of("aB"), sha256_of("AB").to_uppercase(), format!(" {} ", sha256_of("ab"))] {
            assert_eq!(
                claims(&[("x-webhook-signature", &value)]),
                Ok(vec![(Scheme::Pay, [0xAB; MAC_BYTES])]),
                "{value}"
            );
        }
    }

    #[test]
    fn no_signature_is_missing_and_not_malformed() {
        assert_eq!(claims(&[]), Err(Refusal::Missing));
    }

    #[test]
    fn a_value_that_is_no_signature_is_malformed() {
        let key = "flinks-authenticity-key";
        let pay = "X-Webhook-Signature";
        let (short, url_safe, stray) = (&ZEROS[..42], ONES.replace('/', "_"), ZEROS.replace("A=", "B="));
        for headers in [
            [(key, "")],
            [(key, short)],
            [(key, &ZEROS[..43])],
            [(key, &url_safe)],
            [(key, &stray)],
            [(key, &sha256_of("00"))],
            [(key, &sha256_of("00")[7..])],
            [(key, &format!("{ZEROS},{ONES}"))],
            [(key, &format!("{ZEROS},"))],
            [(key, &format!("{ZEROS} {ZEROS}"))],
            [(key, ",")],
            [(key, &format!("{}\n{}", &ZEROS[..20], &ZEROS[20..]))],
            [(key, "é")],
            [(pay, "")],
            [(pay, "sha256=")],
            [(pay, &sha256_of("00")[7..])],
            [(pay, &sha256_of("0g"))],
            [(pay, &sha256_of("0"))],
            [(pay, &format!("{}0", sha256_of("00")))],
            [(pay, &sha256_of("00").replace("256", "512"))],
            [(pay, ZEROS)],
        ] {
            assert_eq!(claims(&headers), Err(Refusal::Malformed), "{headers:?}");
        }
    }

    #[test]
    fn different_values_of_one_header_are_malformed() {
        let key = "flinks-authenticity-key";
        let lists = [format!("{ZEROS},{ONES}"), format!("{ZEROS}, {ZEROS},{ONES}"), format!("{ZEROS},{ZEROS},")];
        assert_eq!(claims(&[(key, ZEROS), (key, ONES)]), Err(Refusal::Malformed));
        assert_eq!(claims(&[(key, ZEROS), ("Flinks-Authenticity-Key", ONES)]), Err(Refusal::Malformed));
        assert_eq!(claims(&[(key, ZEROS), (key, "")]), Err(Refusal::Malformed));
        for list in &lists {
            assert_eq!(claims(&[(key, list)]), Err(Refusal::Malformed), "{list}");
        }
        let (zeros, ones) = (sha256_of("00"), sha256_of("ff"));
        assert_eq!(claims(&[("x-webhook-signature", &format!("{zeros},{ones}"))]), Err(Refusal::Malformed));
    }

    #[test]
    fn the_same_value_several_times_is_one_value() {
        let key = "flinks-authenticity-key";
        let zeros = Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]);
        assert_eq!(claims(&[(key, ZEROS), (key, ZEROS)]), zeros);
        for list in [format!("{ZEROS},{ZEROS}"), format!("{ZEROS}, {ZEROS}"), format!(" {ZEROS} ,\t{ZEROS},{ZEROS}")] {
            assert_eq!(claims(&[(key, &list)]), zeros, "{list}");
            assert_eq!(claims(&[(key, &list), ("x-flinks-signature", ZEROS)]), zeros, "{list}");
        }
        let pay = format!("{}, {}", sha256_of("aB"), sha256_of("Ab"));
        assert_eq!(claims(&[("x-webhook-signature", &pay)]), Ok(vec![(Scheme::Pay, [0xAB; MAC_BYTES])]));
    }

    #[test]
    fn the_alias_counts_alone_or_in_agreement() {
        let (key, alias) = ("flinks-authenticity-key", "X-Flinks-Signature");
        let zeros = Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]);
        assert_eq!(claims(&[(alias, ZEROS)]), zeros);
        assert_eq!(claims(&[(key, ZEROS), (alias, ZEROS)]), zeros);
        assert_eq!(claims(&[(key, ZEROS), (alias, ONES)]), Err(Refusal::Malformed));
        assert_eq!(claims(&[(key, ZEROS), (alias, "")]), Err(Refusal::Malformed));
    }

    #[test]
    fn both_schemes_make_a_claim_each_and_pay_goes_first() {
        let both = claims(&[("flinks-authenticity-key", ZEROS), ("x-webhook-signature", &sha256_of("ff"))]);
        assert_eq!(both, Ok(vec![(Scheme::Pay, [0xFF; MAC_BYTES]), (Scheme::Aggregation, [0; MAC_BYTES])]));
    }

    #[test]
    fn a_malformed_header_of_one_scheme_does_not_spoil_the_other() {
        let one = claims(&[("flinks-authenticity-key", ZEROS), ("x-webhook-signature", "v1=abc")]);
        assert_eq!(one, Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]));
    }

    fn ascii_reading(text: &str) -> Vec<u8> {
        let mut mac = Hmac::new_from_slice(b"key").unwrap();
        update_with_ascii_reading(&mut mac, text);
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn the_ascii_reading_has_a_question_mark_for_each_utf_16_unit_outside_ascii() {
        // Longer than a piece, so that characters fall across the seams; and runs of ASCII of each length.
        let runs: String = (0..200).map(|length| "a".repeat(length) + "é").collect();
        for text in ["é", "a\u{FFFF}b", "😀", "Zoé 😀\0", &"aé😀€".repeat(2000), &runs] {
            let model: String = text
                .encode_utf16()
                .map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).map_or('?', char::from))
                .collect();
            let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
            mac.update(model.as_bytes());
            assert_eq!(ascii_reading(text), mac.finalize().into_bytes().to_vec(), "{text:.20}");
        }
    }

    #[test]
    fn a_forgery_costs_one_hmac_for_each_key_and_reading() {
        let keys = ["current", "previous"].map(|secret| SigningKey::new(secret.as_bytes()).unwrap());
        let hmacs = |scheme, body: &[u8], ascii_reading| {
            let taken = Cell::new(0);
            // A key is taken from the iterator for one HMAC.
            let keys = keys.iter().inspect(|_| taken.set(taken.get() + 1));
            let body = Bytes::copy_from_slice(body);
            assert!(Claim { scheme, mac: [0; MAC_BYTES] }.verify(&body, keys, ascii_reading).is_none());
            taken.get()
        };
        assert_eq!(hmacs(Scheme::Aggregation, b"Zoe", true), 2);
        assert_eq!(hmacs(Scheme::Aggregation, "Zoé".as_bytes(), true), 4);
        assert_eq!(hmacs(Scheme::Aggregation, "Zoé".as_bytes(), false), 2);
        // Not text, so there is no second reading.
        assert_eq!(hmacs(Scheme::Aggregation, b"Zo\xe9", true), 2);
        assert_eq!(hmacs(Scheme::Pay, "Zoé".as_bytes(), true), 2);
    }

    #[test]
    fn nobody_signs_with_an_empty_key() {
        assert!(SigningKey::new(b"").is_none());
    }

    #[test]
    fn a_key_wipes_itself_and_shows_nothing() {
        // An HMAC is two states of its hash, which wipe themselves.
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Sha256>();
        let shown = SigningKey::new(b"secret").map(|key| format!("{key:?}"));
        assert_eq!(shown.as_deref(), Some("SigningKey(..)"));
    }
}
