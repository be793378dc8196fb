//! What the signer's key may have been, when it is not the secret that is given.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    charset,
    mistake::{Mistake, Mistakes},
};
use crate::stack::{PAY_SIGNING_SECRET, SIGNING_SECRET};

/// A key that the signer may have used. Wiped when dropped.
pub struct Candidate {
    pub mistakes: Mistakes,
    pub key: Zeroizing<Vec<u8>>,
}

/// All candidates but the key itself, each key once.
pub fn candidates(key: &[u8]) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |mistake: &'static Mistake, other: Option<Vec<u8>>| {
        let Some(other) = other.map(Zeroizing::new) else { return };
        if other.as_slice() != key && candidates.iter().all(|candidate| candidate.key != other) {
            candidates.push(Candidate { mistakes: vec![mistake], key: other });
        }
    };
    add(&LINE_BREAK_SIGNED, Some([key, b"\n"].concat()));
    add(&LINE_BREAK_SIGNED, Some([key, b"\r\n"].concat()));
    add(&WHITE_SPACE_SIGNED, Some([key, b" "].concat()));
    add(&WHITE_SPACE_SIGNED, Some([b" ", key].concat()));
    add(&EMPTY, Some(Vec::new()));
    add(&BYTE_ORDER_MARK, key.strip_prefix("\u{FEFF}".as_bytes()).map(<[u8]>::to_vec));
    add(&BYTE_ORDER_MARK_SIGNED, Some(["\u{FEFF}".as_bytes(), key].concat()));
    add(&SAMPLE, Some(SIGNING_SECRET.into()));
    add(&SAMPLE, Some(PAY_SIGNING_SECRET.into()));
    for decoded in [decode_base64(key), url_safe(key)] {
        add(&BASE64_DECODED, decoded);
    }
    add(&BASE64_ENCODED, Some(BASE64_STANDARD.encode(key).into_bytes()));
    add(&HEX_DECODED, hex::decode(key).ok());
    add(&HEX_ENCODED, Some(hex::encode(key).into_bytes()));
    add(&HEX_ENCODED, Some(hex::encode_upper(key).into_bytes()));
    add(&UTF16, charset::from_utf16(key).map(|text| text.trim_end_matches(['\r', '\n']).to_owned().into_bytes()));
    let Ok(text) = str::from_utf8(key) else {
        add(&LATIN1, charset::from_windows_1252(key).map(String::into_bytes));
        add(&LATIN1, Some(charset::from_latin1(key).into_bytes()));
        return candidates;
    };
    // Before Latin-1: what is UTF-8 in Latin-1 was UTF-8 before.
    add(&DOUBLE_UTF8, charset::to_latin1(text).filter(|bytes| str::from_utf8(bytes).is_ok()));
    add(&LATIN1_SIGNED, charset::to_latin1(text));
    add(&WINDOWS_1252_SIGNED, charset::to_windows_1252(text));
    add(&ASCII_SIGNED, Some(charset::to_ascii(text)));
    add(&UTF16_SIGNED, Some(charset::to_utf16_le(text)));
    add(&UTF16_SIGNED, Some(charset::to_utf16_be(text)));
    for quote in QUOTES {
        add(&QUOTED_SIGNED, Some(format!("{quote}{text}{quote}").into_bytes()));
    }
    add(&QUOTES_AROUND, Some(text.trim().trim_matches(QUOTE_MARKS).trim().as_bytes().to_vec()));
    add(&ESCAPED_LINE_BREAK, Some(text.trim_end_matches("\\n").trim_end_matches("\\r").as_bytes().to_vec()));
    add(&URL_DECODED, text.contains('%').then(|| percent_decode(key).collect()));
    add(&URL_ENCODED, Some(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().into_bytes()));
    add(&CASE, Some(text.to_lowercase().into_bytes()));
    add(&CASE, Some(text.to_uppercase().into_bytes()));
    if let Some((_, value)) = text.split_once(['=', ':']) {
        add(&ASSIGNMENT, Some(value.trim().trim_matches(QUOTE_MARKS).as_bytes().to_vec()));
    }
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        for value in fields.values().filter_map(Value::as_str).take(MOST_FIELDS) {
            add(&JSON, Some(value.as_bytes().to_vec()));
        }
    }
    candidates
}

/// Fields of a JSON secret that are tried.
const MOST_FIELDS: usize = 8;

const QUOTES: [&str; 2] = ["\"", "'"];
const QUOTE_MARKS: &[char] = &['"', '\'', '`', '“', '”', '‘', '’', '«', '»', '<', '>'];

/// Decoders are lenient: with or without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

fn decode_base64(key: &[u8]) -> Option<Vec<u8>> {
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(key).ok()
}

fn url_safe(key: &[u8]) -> Option<Vec<u8>> {
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT).decode(key).ok()
}

const LINE_BREAK_SIGNED: Mistake = Mistake::secret(
    "secret-newline-signed",
    "The signer's key ends with a line break that is no part of the secret: it was read from a file and not trimmed. Trim it there.",
);
const WHITE_SPACE_SIGNED: Mistake = Mistake::secret(
    "secret-white-space-signed",
    "The signer's key has a space before or after the secret. Trim it there: the receiver takes off white space around a secret.",
);
const EMPTY: Mistake = Mistake::secret(
    "secret-empty-signed",
    "The signer's key is empty: its variable or setting was not set. Set it, and refuse to start without.",
);
const BYTE_ORDER_MARK: Mistake = Mistake::secret(
    "secret-byte-order-mark",
    "The secret that is given starts with a byte-order mark (EF BB BF), and it was signed without. Store it again as UTF-8 without one.",
);
const BYTE_ORDER_MARK_SIGNED: Mistake = Mistake::secret(
    "secret-byte-order-mark-signed",
    "The signer's key starts with a byte-order mark (EF BB BF): it was read from a file that has one. Save that as UTF-8 without.",
);
const SAMPLE: Mistake = Mistake::secret(
    "secret-is-sample",
    "It was signed with the sample secret of this project, which anybody knows. Sign with the secret that Flinks gave you.",
);
const BASE64_DECODED: Mistake = Mistake::secret(
    "secret-base64-decoded",
    "The signer base64-decoded the secret first. The key is the secret's own characters as bytes, even when it looks like base64.",
);
const BASE64_ENCODED: Mistake = Mistake::secret(
    "secret-base64-encoded",
    "The signer's key is the base64 text of the secret that is given. Store the secret as Flinks gave it, not decoded.",
);
const HEX_DECODED: Mistake = Mistake::secret(
    "secret-hex-decoded",
    "The signer hex-decoded the secret first. The key is the secret's own characters as bytes, even when it looks like hex.",
);
const HEX_ENCODED: Mistake = Mistake::secret(
    "secret-hex-encoded",
    "The signer's key is the hex text of the secret that is given. Store the secret as Flinks gave it, not decoded.",
);
const UTF16: Mistake = Mistake::secret(
    "secret-utf16",
    "The secret that is given is in UTF-16, and its UTF-8 was the key. Windows PowerShell's `>` writes UTF-16: save it with `-Encoding ascii`.",
);
const UTF16_SIGNED: Mistake = Mistake::secret(
    "secret-utf16-signed",
    "The signer's key is the secret in UTF-16 (.NET's `Encoding.Unicode`). Take its UTF-8 bytes.",
);
const LATIN1: Mistake = Mistake::secret(
    "secret-latin1",
    "The secret that is given is in Latin-1 or Windows-1252, and its UTF-8 was the key. Store it again as UTF-8.",
);
const LATIN1_SIGNED: Mistake = Mistake::secret(
    "secret-latin1-signed",
    "The signer's key is the secret in Latin-1 (ISO 8859-1). Take its UTF-8 bytes.",
);
const WINDOWS_1252_SIGNED: Mistake = Mistake::secret(
    "secret-windows-1252-signed",
    "The signer's key is the secret in Windows-1252 (\"ANSI\"). Take its UTF-8 bytes.",
);
const ASCII_SIGNED: Mistake = Mistake::secret(
    "secret-ascii-signed",
    "The signer's key is the secret in ASCII, with a question mark for each character outside it. Flinks' article says so; ask Flinks for a secret in plain ASCII, with which all readings agree.",
);
const QUOTES_AROUND: Mistake = Mistake::secret(
    "secret-quotes",
    "The secret that is given has quotes around it, and it was signed without. Store it again without them; they come from a .env file, a shell or JSON.",
);
const QUOTED_SIGNED: Mistake = Mistake::secret(
    "secret-quotes-signed",
    "The signer's key has quotes around the secret, from a .env file, a shell or JSON. Take them off there.",
);
const ESCAPED_LINE_BREAK: Mistake = Mistake::secret(
    "secret-escaped-newline",
    "The secret that is given ends with a backslash and an n that were meant as a line break. Store it again without.",
);
const DOUBLE_UTF8: Mistake = Mistake::secret(
    "secret-double-utf8",
    "The secret that is given was encoded as UTF-8 twice (`Ã©` for `é`), and it was signed encoded once. Store it again as Flinks gave it.",
);
const URL_DECODED: Mistake = Mistake::secret(
    "secret-url-encoded",
    "The secret that is given is URL-encoded (%2B for +), and it was signed decoded. Store it as Flinks gave it.",
);
const URL_ENCODED: Mistake = Mistake::secret(
    "secret-url-encoded-signed",
    "The signer's key is the URL-encoded secret (%2B for +). Take the secret as Flinks gave it.",
);
const CASE: Mistake = Mistake::secret(
    "secret-case",
    "The signer's key is the secret in lower or upper case. Capital and small letters count: copy it again.",
);
const ASSIGNMENT: Mistake = Mistake::secret(
    "secret-assignment",
    "The secret that is given has its name before it, as in NAME=value, and it was signed without. Store the value alone.",
);
const JSON: Mistake = Mistake::secret(
    "secret-json",
    "The secret that is given is JSON with several values, and one of them was the key. Store that value alone, as plain text.",
);
