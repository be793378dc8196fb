//! Mistakes with the secret: how the signer's key may differ from the given secret.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::{
    charset,
    mistake::{
        Mistake,
        Undo::{self, Bytes, Encode, Many, Text},
    },
};
use crate::stack::{PAY_SIGNING_SECRET, SIGNING_SECRET};

/// Single mistakes with the secret, the likeliest first.
pub const SECRETS: &[Mistake] = &[
    row(
        "secret-newline-signed",
        &[Bytes(|key| Some([key, b"\n"].concat())), Bytes(|key| Some([key, b"\r\n"].concat()))],
    ),
    row(
        "secret-white-space-signed",
        &[Bytes(|key| Some([key, b" "].concat())), Bytes(|key| Some([b" ", key].concat()))],
    ),
    row("secret-empty-signed", &[Bytes(|_| Some(Vec::new()))]),
    row("secret-byte-order-mark", &[Text(|key| key.strip_prefix('\u{FEFF}').map(str::to_owned))]),
    row("secret-byte-order-mark-signed", &[Text(|key| Some(format!("\u{FEFF}{key}")))]),
    row("secret-is-sample", &[Bytes(|_| Some(SIGNING_SECRET.into())), Bytes(|_| Some(PAY_SIGNING_SECRET.into()))]),
    row(
        "secret-base64-decoded",
        &[
            Bytes(|key| GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(key).ok()),
            Bytes(|key| GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT).decode(key).ok()),
        ],
    ),
    row("secret-base64-encoded", &[Bytes(|key| Some(BASE64_STANDARD.encode(key).into_bytes()))]),
    row("secret-hex-decoded", &[Bytes(|key| hex::decode(key).ok())]),
    row(
        "secret-hex-encoded",
        &[Bytes(|key| Some(hex::encode(key).into_bytes())), Bytes(|key| Some(hex::encode_upper(key).into_bytes()))],
    ),
    row(
        "secret-utf16",
        &[Bytes(|key| charset::from_utf16(key).map(|text| text.trim_end_matches(['\r', '\n']).as_bytes().to_vec()))],
    ),
    row(
        "secret-latin1",
        &[
            Bytes(|key| charset::from_windows_1252(charset::not_utf8(key)?).map(String::into_bytes)),
            Bytes(|key| charset::not_utf8(key).map(charset::from_latin1).map(String::into_bytes)),
        ],
    ),
    // This comes before Latin-1. If a secret's Latin-1 bytes are valid UTF-8, it was UTF-8 that was encoded twice.
    row("secret-double-utf8", &[Text(|key| String::from_utf8(charset::to_latin1(key)?).ok())]),
    row("secret-latin1-signed", &[Encode(charset::to_latin1)]),
    row("secret-windows-1252-signed", &[Encode(charset::to_windows_1252)]),
    row("secret-ascii-signed", &[Encode(|key| Some(charset::to_ascii(key)))]),
    row(
        "secret-utf16-signed",
        &[Encode(|key| Some(charset::to_utf16_le(key))), Encode(|key| Some(charset::to_utf16_be(key)))],
    ),
    row("secret-quotes-signed", &[Text(|key| Some(format!("\"{key}\""))), Text(|key| Some(format!("'{key}'")))]),
    row("secret-quotes", &[Text(|key| Some(key.trim().trim_matches(QUOTE_MARKS).trim().to_owned()))]),
    row("secret-escaped-newline", &[Text(|key| Some(key.trim_end_matches("\\n").trim_end_matches("\\r").to_owned()))]),
    row("secret-url-encoded", &[Encode(|key| key.contains('%').then(|| percent_decode_str(key).collect()))]),
    row("secret-url-encoded-signed", &[Text(|key| Some(utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()))]),
    row("secret-case", &[Text(|key| Some(key.to_lowercase())), Text(|key| Some(key.to_uppercase()))]),
    row(
        "secret-assignment",
        &[Text(|key| key.split_once(['=', ':']).map(|(_, value)| value.trim().trim_matches(QUOTE_MARKS).to_owned()))],
    ),
    row("secret-json", &[Many(members)]),
];

const fn row(id: &'static str, undo: &'static [Undo]) -> Mistake {
    Mistake { id, undo }
}

const QUOTE_MARKS: &[char] = &['"', '\'', '`', '“', '”', '‘', '’', '«', '»', '<', '>'];

/// Accepts base64 with or without padding, as many decoders do.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

fn members(key: &str) -> Box<dyn Iterator<Item = Vec<u8>>> {
    const MAX_MEMBERS: usize = 8;
    let members: serde_json::Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
    Box::new(members.into_iter().filter_map(|(_, value)| Some(value.as_str()?.as_bytes().to_vec())).take(MAX_MEMBERS))
}
