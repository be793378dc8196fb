//! Mistakes with the signature: the tags that the given signature may stand for.
//!
//! These mistakes need no further tag, because the search compares each tag with every candidate.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use percent_encoding::percent_decode_str;

use super::mistake::Id;

/// The length of an HMAC-SHA256 tag.
const TAG_BYTES: usize = 32;

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Base64,
    Hex { prefixed: bool },
}

/// A tag that the signature may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    mistakes: Vec<Id>,
    pub spelling: Spelling,
    tag: Tag,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    Bytes(Vec<u8>),
    /// Base64 that was converted to lower or upper case. This is the lower-case text.
    CaseLost(String),
}

impl Candidate {
    /// The mistakes that turn this tag into the given signature. `None` if it is another tag.
    pub fn matches(&self, tag: &[u8]) -> Option<Vec<Id>> {
        /// A shorter part of a tag may match by chance.
        const MIN_BYTES: usize = 6;
        match &self.tag {
            Tag::Bytes(bytes) if bytes == tag => Some(self.mistakes.clone()),
            Tag::Bytes(bytes) if bytes.len() >= MIN_BYTES && (tag.starts_with(bytes) || tag.ends_with(bytes)) => {
                Some([&self.mistakes[..], &["signature-truncated"]].concat())
            }
            Tag::CaseLost(text) if BASE64_STANDARD.encode(tag).to_ascii_lowercase() == *text => {
                Some(self.mistakes.clone())
            }
            Tag::Bytes(_) | Tag::CaseLost(_) => None,
        }
    }

    fn is_complete(&self) -> bool {
        match &self.tag {
            Tag::Bytes(bytes) => bytes.len() == TAG_BYTES,
            Tag::CaseLost(_) => true,
        }
    }
}

/// All tags that a signature may stand for. The ones with the fewest mistakes come first.
pub fn candidates(signature: &str) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for Cleaned { mistakes, text, prefixed } in clean(signature) {
        for mut candidate in decode(&text, prefixed) {
            candidate.mistakes.splice(..0, mistakes.iter().copied());
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
    }
    candidates.sort_by_key(|candidate| (candidate.mistakes.len(), !candidate.is_complete()));
    candidates
}

/// Why no key can produce this signature. `None` if one can.
pub fn impossible(signature: &str, candidates: &[Candidate]) -> Option<Id> {
    match candidates {
        [] if signature.trim().is_empty() => Some("signature-empty"),
        [] => Some("signature-not-encoded"),
        candidates => (!candidates.iter().any(Candidate::is_complete)).then_some("signature-length"),
    }
}

/// A signature without the text around it.
struct Cleaned {
    mistakes: Vec<Id>,
    text: String,
    /// Whether the signature started with `sha256=`.
    prefixed: bool,
}

/// Removes a mistake from the signature. `None` if the signature does not have it.
type Undo = fn(&str) -> Option<String>;

/// Text that may surround a signature, and escapes that may be in it, from the outside in.
const WRAPPINGS: &[(Id, Undo)] = &[
    ("signature-header-name", |text| {
        const NAMES: [&str; 3] = ["flinks-authenticity-key:", "x-flinks-signature:", "x-webhook-signature:"];
        strip(text.trim_start(), &NAMES).map(|value| value.trim_start().to_owned())
    }),
    ("signature-quotes", |text| {
        const MARKS: &[char] = &['"', '\'', '`', '“', '”', '‘', '’', '<', '>', '[', ']'];
        let bare = text.trim().trim_matches(MARKS);
        (bare.len() < text.trim().len()).then(|| bare.to_owned())
    }),
    ("signature-url-encoded", |text| {
        text.contains('%').then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
    }),
    ("signature-json-escaped", |text| {
        let unescape = || serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.replace('\\', ""));
        text.contains('\\').then(unescape)
    }),
    ("signature-repeated", |text| text.split_once(',').map(|(first, _)| first.to_owned())),
];

const OTHER_PREFIXES: [&str; 10] = [
    "hmac-sha256=",
    "hmac-sha256:",
    "hmacsha256=",
    "sha256:",
    "sha-256=",
    "sha1=",
    "sha512=",
    "v1=",
    "signature=",
    "0x",
];

fn clean(signature: &str) -> Vec<Cleaned> {
    let mut mistakes = Vec::new();
    let mut text = signature.to_owned();
    for (id, undo) in WRAPPINGS {
        if let Some(inner) = undo(&text) {
            mistakes.push(*id);
            text = inner;
        }
    }
    if !text.contains(char::is_whitespace) {
        return vec![without_prefix(mistakes, &text)];
    }
    let spaceless: String = text.split_whitespace().collect();
    let with_plus = text.trim().replace(' ', "+");
    vec![
        without_prefix([&mistakes[..], &["signature-white-space"]].concat(), &spaceless),
        without_prefix([&mistakes[..], &["signature-plus-as-space"]].concat(), &with_plus),
    ]
}

fn without_prefix(mut mistakes: Vec<Id>, text: &str) -> Cleaned {
    let stripped = strip(text, &["sha256="]);
    let other = strip(text, &OTHER_PREFIXES);
    if other.is_some() {
        mistakes.push("signature-prefix");
    }
    Cleaned { mistakes, text: stripped.or(other).unwrap_or(text).to_owned(), prefixed: stripped.is_some() }
}

/// The text after one of these prefixes, whatever the prefix's case.
fn strip<'t>(text: &'t str, prefixes: &[&str]) -> Option<&'t str> {
    prefixes.iter().find_map(|prefix| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    })
}

/// Accepts missing padding and stray bits, which the receiver rejects.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

fn decode(text: &str, prefixed: bool) -> Vec<Candidate> {
    let mut candidates = decode_hex(text, prefixed);
    candidates.extend(decode_base64(text));
    for candidate in candidates.iter_mut().filter(|candidate| prefixed && candidate.spelling == Spelling::Base64) {
        candidate.mistakes.insert(0, "signature-prefix");
    }
    candidates.retain(|candidate| candidate.tag != Tag::Bytes(Vec::new()));
    candidates
}

fn decode_hex(text: &str, prefixed: bool) -> Vec<Candidate> {
    let digits = text.replace(['-', ':'], "");
    let mistakes = if digits.len() < text.len() { vec!["signature-dashes"] } else { Vec::new() };
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Vec::new();
    }
    // An odd digit at the end is half a byte: the rest was cut off.
    let tag = hex::decode(digits.get(..digits.len() / 2 * 2).unwrap_or_default()).unwrap_or_default();
    let inner = tag_in_base64(&tag).map(|inner| Candidate {
        mistakes: [&mistakes[..], &["signature-hex-of-base64"]].concat(),
        spelling: Spelling::Base64,
        tag: Tag::Bytes(inner),
    });
    let outer = Candidate { mistakes, spelling: Spelling::Hex { prefixed }, tag: Tag::Bytes(tag) };
    inner.into_iter().chain([outer]).collect()
}

fn decode_base64(text: &str) -> Vec<Candidate> {
    let url_safe = text.contains(['-', '_']);
    let alphabet = if url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let unpadded = text.trim_end_matches('=');
    // A single character after the last group of four belongs to a group that was cut off.
    let whole = unpadded.len() - usize::from(unpadded.len() % 4 == 1);
    let decoded = GeneralPurpose::new(alphabet, LENIENT).decode(unpadded.get(..whole).unwrap_or_default());
    let Ok(tag) = decoded else { return Vec::new() };

    let canonical = BASE64_STANDARD.encode(&tag);
    let is_complete = tag.len() == TAG_BYTES;
    let mistakes: Vec<Id> = [
        ("signature-url-safe", url_safe),
        ("signature-padding-missing", is_complete && canonical.len() != text.len()),
        ("signature-stray-bits", is_complete && !url_safe && canonical.trim_end_matches('=') != unpadded),
    ]
    .into_iter()
    .filter_map(|(id, applies)| applies.then_some(id))
    .collect();
    let candidate = |more: &[Id], tag| Candidate {
        mistakes: [&mistakes[..], more].concat(),
        spelling: Spelling::Base64,
        tag: Tag::Bytes(tag),
    };

    let mut candidates = Vec::new();
    if let Ok(inner) = hex::decode(&tag) {
        candidates.push(candidate(&["signature-base64-of-hex"], inner));
    } else if let Some(inner) = tag_in_base64(&tag) {
        candidates.push(candidate(&["signature-base64-twice"], inner));
    }
    candidates.push(candidate(&[], tag));
    let is_one_case = text == text.to_ascii_lowercase() || text == text.to_ascii_uppercase();
    if is_complete && text.len() == canonical.len() && is_one_case {
        candidates.push(Candidate {
            mistakes: vec!["signature-case"],
            spelling: Spelling::Base64,
            tag: Tag::CaseLost(text.to_ascii_lowercase()),
        });
    }
    candidates
}

/// Decodes a tag from its base64 text.
fn tag_in_base64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok().filter(|tag| tag.len() == TAG_BYTES)
}
