//! What a signature as it is given may mean.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use percent_encoding::percent_decode_str;

use super::mistake::{Mistake, Mistakes};

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Base64,
    Hex { prefixed: bool },
}

/// A tag that the signature may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub mistakes: Mistakes,
    pub spelling: Spelling,
    tag: Tag,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    Bytes(Vec<u8>),
    /// Base64 that lost its case, in lower case.
    CaseLost(String),
}

impl Reading {
    /// Whether it stands for this tag, and what else is wrong with it then.
    pub fn is_of(&self, tag: &[u8]) -> Option<Mistakes> {
        /// Fewer bytes than these may match by chance.
        const FEWEST_BYTES: usize = 6;
        match &self.tag {
            Tag::Bytes(bytes) if bytes == tag => Some(self.mistakes.clone()),
            Tag::Bytes(bytes) if bytes.len() >= FEWEST_BYTES && (tag.starts_with(bytes) || tag.ends_with(bytes)) => {
                Some([&self.mistakes[..], &[&TRUNCATED]].concat())
            }
            Tag::CaseLost(text) => {
                (BASE64_STANDARD.encode(tag).to_ascii_lowercase() == *text).then(|| self.mistakes.clone())
            }
            Tag::Bytes(_) => None,
        }
    }

    /// Whether it has the length of HMAC-SHA256, in bytes.
    pub fn is_full(&self) -> bool {
        const TAG_BYTES: usize = 32;
        matches!(&self.tag, Tag::Bytes(bytes) if bytes.len() == TAG_BYTES)
    }

    fn bytes(&self) -> Option<usize> {
        match &self.tag {
            Tag::Bytes(bytes) => Some(bytes.len()),
            Tag::CaseLost(_) => None,
        }
    }
}

/// All that a signature may stand for, the plainest first.
pub fn readings(signature: &str) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    for Cleaned { mistakes, text, prefixed } in cleanings(signature) {
        for mut reading in decodings(&text, prefixed) {
            reading.mistakes.splice(..0, mistakes.iter().copied());
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
    }
    readings.sort_by_key(|reading| (reading.mistakes.len(), !reading.is_full()));
    readings
}

/// Why no key at all can make this signature; none when one might.
pub fn impossible(signature: &str, readings: &[Reading]) -> Option<&'static Mistake> {
    if readings.iter().any(|reading| reading.is_full() || matches!(reading.tag, Tag::CaseLost(_))) {
        return None;
    }
    if readings.is_empty() && signature.trim().is_empty() {
        return Some(&NONE);
    }
    let lengths: Vec<usize> = readings.iter().filter_map(Reading::bytes).collect();
    Some(match lengths.as_slice() {
        [] => &NOT_ENCODED,
        lengths if lengths.contains(&20) => &LENGTH_OF_SHA1,
        lengths if lengths.contains(&64) => &LENGTH_OF_SHA512,
        lengths if lengths.iter().all(|length| *length < 32) => &TOO_SHORT,
        _ => &WRONG_LENGTH,
    })
}

/// A signature without what is around it.
struct Cleaned {
    mistakes: Mistakes,
    text: String,
    prefixed: bool,
}

const QUOTE_MARKS: &[char] = &['"', '\'', '`', '“', '”', '‘', '’', '<', '>', '[', ']'];
const HEADER_NAMES: [&str; 3] = ["flinks-authenticity-key:", "x-flinks-signature:", "x-webhook-signature:"];
const PREFIX: &str = "sha256=";
const OTHER_PREFIXES: [&str; 12] = [
    "hmac-sha256=",
    "hmac-sha256:",
    "hmac-sha256 ",
    "hmacsha256=",
    "sha256:",
    "sha256 ",
    "sha-256=",
    "sha1=",
    "sha512=",
    "v1=",
    "signature=",
    "0x",
];

fn cleanings(signature: &str) -> Vec<Cleaned> {
    let mut mistakes = Mistakes::new();
    let mut text = Cow::Borrowed(signature);
    if let Some((_, value)) = split_name(signature) {
        mistakes.push(&HEADER_NAME);
        text = value.trim_start().to_owned().into();
    }
    let unquoted = text.trim().trim_matches(QUOTE_MARKS);
    if unquoted.len() < text.trim().len() {
        mistakes.push(&QUOTES);
        text = unquoted.to_owned().into();
    }
    if text.contains('%') {
        mistakes.push(&URL_ENCODED);
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned().into();
    }
    if text.contains('\\') {
        mistakes.push(&JSON_ESCAPED);
        let unescaped = serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.replace('\\', ""));
        text = unescaped.into();
    }
    if let Some((first, _)) = text.split_once(',') {
        mistakes.push(&REPEATED);
        text = first.to_owned().into();
    }

    let mut cleaned = Vec::new();
    if text.chars().any(char::is_whitespace) {
        let without: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        cleaned.push(unprefixed([&mistakes[..], &[&WHITE_SPACE]].concat(), &without));
        cleaned.push(unprefixed([&mistakes[..], &[&PLUS_AS_SPACE]].concat(), &text.trim().replace(' ', "+")));
    } else {
        cleaned.push(unprefixed(mistakes, &text));
    }
    cleaned
}

fn split_name(signature: &str) -> Option<(&str, &str)> {
    let start = signature.trim_start();
    HEADER_NAMES
        .iter()
        .find_map(|name| start.split_at_checked(name.len()).filter(|(start, _)| start.eq_ignore_ascii_case(name)))
}

fn unprefixed(mut mistakes: Mistakes, text: &str) -> Cleaned {
    let strip = |prefix: &str| {
        text.split_at_checked(prefix.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(prefix))
            .map(|(_, rest)| rest)
    };
    if let Some(rest) = strip(PREFIX) {
        return Cleaned { mistakes, text: rest.to_owned(), prefixed: true };
    }
    if let Some(rest) = OTHER_PREFIXES.into_iter().find_map(strip) {
        mistakes.push(&OTHER_PREFIX);
        return Cleaned { mistakes, text: rest.to_owned(), prefixed: false };
    }
    Cleaned { mistakes, text: text.to_owned(), prefixed: false }
}

/// Lenient where the receiver is strict: padding and stray bits.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

fn decodings(text: &str, prefixed: bool) -> Vec<Reading> {
    let mut readings = Vec::new();
    let hex = Spelling::Hex { prefixed };
    let mut add = |mistakes: &[&'static Mistake], spelling, tag: Vec<u8>| {
        if !tag.is_empty() {
            let prefix = (prefixed && spelling == Spelling::Base64).then_some(&SHA256_PREFIX);
            let mistakes = prefix.into_iter().chain(mistakes.iter().copied()).collect();
            readings.push(Reading { mistakes, spelling, tag: Tag::Bytes(tag) });
        }
    };

    let digits = text.replace(['-', ':'], "");
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let dashes: &[&'static Mistake] = if digits.len() < text.len() { &[&DASHES] } else { &[] };
        // An odd digit at the end is half a byte of what was cut off.
        let tag = hex::decode(digits.get(..digits.len() / 2 * 2).unwrap_or_default()).unwrap_or_default();
        if let Some(inner) = BASE64_STANDARD.decode(&tag).ok().filter(|inner| inner.len() == 32) {
            add(&[dashes, &[&HEX_OF_BASE64]].concat(), Spelling::Base64, inner);
        }
        add(dashes, hex, tag);
    }

    let url_safe = text.contains(['-', '_']);
    let alphabet = if url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let unpadded = text.trim_end_matches('=');
    // A digit that is left over is part of a group that was cut off.
    let whole = if unpadded.len() % 4 == 1 { unpadded.len() - 1 } else { unpadded.len() };
    let decoded = GeneralPurpose::new(alphabet, LENIENT).decode(unpadded.get(..whole).unwrap_or_default());
    if let Ok(tag) = decoded {
        let mut mistakes = Mistakes::new();
        if url_safe {
            mistakes.push(&URL_SAFE);
        }
        if tag.len() == 32 && BASE64_STANDARD.encode(&tag).len() != text.len() {
            mistakes.push(&PADDING);
        }
        if tag.len() == 32 && !url_safe && BASE64_STANDARD.encode(&tag).trim_end_matches('=') != unpadded {
            mistakes.push(&STRAY_BITS);
        }
        if let Ok(inner) = hex::decode(&tag) {
            add(&[&mistakes[..], &[&BASE64_OF_HEX]].concat(), Spelling::Base64, inner);
        } else if let Some(inner) = BASE64_STANDARD.decode(&tag).ok().filter(|inner| inner.len() == 32) {
            add(&[&mistakes[..], &[&BASE64_TWICE]].concat(), Spelling::Base64, inner);
        }
        add(&mistakes, Spelling::Base64, tag);
        let letters =
            |case: fn(&char) -> bool| text.chars().filter(char::is_ascii_alphabetic).all(|letter| case(&letter));
        if text.len() == 44 && (letters(char::is_ascii_lowercase) || letters(char::is_ascii_uppercase)) {
            readings.push(Reading {
                mistakes: vec![&CASE],
                spelling: Spelling::Base64,
                tag: Tag::CaseLost(text.to_ascii_lowercase()),
            });
        }
    }
    readings
}

const WHITE_SPACE: Mistake = Mistake::signature(
    "signature-white-space",
    "There is white space around the signature or in it, such as a line break. Take it off before comparing; some base64 encoders break lines.",
);
const PLUS_AS_SPACE: Mistake = Mistake::signature(
    "signature-plus-as-space",
    "The signature has a space where its base64 has a plus sign: something URL-decoded it. Take the header as it is.",
);
const QUOTES: Mistake =
    Mistake::signature("signature-quotes", "There are quotes or brackets around the signature. Take them off.");
const HEADER_NAME: Mistake = Mistake::signature(
    "signature-header-name",
    "The header's name stands before the signature. Only what follows the colon is the signature.",
);
const URL_ENCODED: Mistake = Mistake::signature(
    "signature-url-encoded",
    "The signature is URL-encoded (%3D for =). Decode it, or send it in a header, where nothing needs encoding.",
);
const JSON_ESCAPED: Mistake = Mistake::signature(
    "signature-json-escaped",
    "The signature has backslashes from JSON (\\/ or \\u002B). It was copied out of a JSON text: take the value and not its spelling.",
);
const REPEATED: Mistake = Mistake::signature(
    "signature-repeated",
    "There are several values with a comma between them: the header was sent or added twice. Send it once.",
);
const SHA256_PREFIX: Mistake = Mistake::signature(
    "signature-prefix",
    "The base64 signature has sha256= before it. That belongs to X-Webhook-Signature and its hex digits; flinks-authenticity-key has base64 alone.",
);
const OTHER_PREFIX: Mistake = Mistake::signature(
    "signature-prefix",
    "Something stands before the signature that does not belong there. flinks-authenticity-key has base64 alone, X-Webhook-Signature has sha256= and hex digits.",
);
const DASHES: Mistake = Mistake::signature(
    "signature-dashes",
    "The hex digits have dashes or colons between them, as .NET's `BitConverter.ToString` writes them. Take them out, or use `Convert.ToHexString`.",
);
const URL_SAFE: Mistake = Mistake::signature(
    "signature-url-safe",
    "The signature is in URL-safe base64, with - and _. Flinks uses the standard alphabet, with + and /.",
);
const PADDING: Mistake = Mistake::signature(
    "signature-padding-missing",
    "The base64 signature does not end with the one = that pads it to 44 characters. Use an encoder that pads.",
);
const STRAY_BITS: Mistake = Mistake::signature(
    "signature-stray-bits",
    "The last letter of the base64 signature before the = has bits that belong to no byte, so an encoder did not write it, and the receiver refuses it. Copy it again.",
);
const CASE: Mistake = Mistake::signature(
    "signature-case",
    "The base64 signature was turned into lower or upper case, and in base64 both count. Leave it as it is; only hex may be turned.",
);
const BASE64_OF_HEX: Mistake = Mistake::signature(
    "signature-base64-of-hex",
    "The signature is the base64 of hex text. Encode the HMAC's 32 bytes, not their hex digits: call `digest()` and not `hexdigest()`.",
);
const HEX_OF_BASE64: Mistake = Mistake::signature(
    "signature-hex-of-base64",
    "The signature is the hex of base64 text. Encode the HMAC's 32 bytes once.",
);
const BASE64_TWICE: Mistake = Mistake::signature(
    "signature-base64-twice",
    "The signature was base64-encoded twice. Encode the HMAC's 32 bytes once.",
);
const TRUNCATED: Mistake = Mistake::signature(
    "signature-truncated",
    "The signature is right as far as it goes, and a part of it is missing. A column or a copy cut it: a whole one has 44 characters in base64, 64 in hex.",
);
const NONE: Mistake = Mistake::signature(
    "signature-empty",
    "There is no signature at all: the header was missing, or a proxy took it off. Header names are the same in any case: look it up so.",
);
const NOT_ENCODED: Mistake = Mistake::signature(
    "signature-not-encoded",
    "This is neither base64 nor hex, so no key can make it. flinks-authenticity-key has 44 characters of base64, X-Webhook-Signature has sha256= and 64 hex digits. Copy it again.",
);
const TOO_SHORT: Mistake = Mistake::signature(
    "signature-length",
    "This stands for fewer than the 32 bytes of HMAC-SHA256, so no key can make it. A whole one has 44 characters in base64, 64 in hex. Copy it again.",
);
const LENGTH_OF_SHA1: Mistake = Mistake::signature(
    "signature-length",
    "This stands for 20 bytes, which is SHA-1's length: no key makes it with HMAC-SHA256, which has 32. Use HMAC-SHA256.",
);
const LENGTH_OF_SHA512: Mistake = Mistake::signature(
    "signature-length",
    "This stands for 64 bytes, which is SHA-512's length: no key makes it with HMAC-SHA256, which has 32. Use HMAC-SHA256.",
);
const WRONG_LENGTH: Mistake = Mistake::signature(
    "signature-length",
    "This does not stand for the 32 bytes of HMAC-SHA256, so no key can make it. A whole one has 44 characters in base64, 64 in hex. Copy it again.",
);
