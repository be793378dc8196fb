//! Mistakes with the body: how the signed body may differ from the given one.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::MultiGzDecoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde_json::Value;

use super::{
    charset,
    json::{
        Escape::{self, Backslash, Lower, Off, Upper},
        Layout, escaped, laid_out, sorted,
    },
    mistake::{
        Mistake,
        Undo::{self, Bytes, Encode, Many, Text},
    },
    numbers::{LENGTHEN, SHORTEN, everywhere, under_one_name, under_other_names},
};

/// Single mistakes with the body, each with the ways to undo it. If two mistakes lead to the same bytes, the likelier
/// one comes first.
pub const BODIES: &[Mistake] = &[
    // The file was saved with other bytes at its start, its end or its line ends.
    row("body-trailing-newline", &[Bytes(without_line_break), Bytes(without_line_breaks)]),
    row(
        "body-newline-missing",
        &[Bytes(|body| Some([body, b"\n"].concat())), Bytes(|body| Some([body, b"\r\n"].concat()))],
    ),
    row("body-white-space", &[Bytes(|body| Some(body.trim_ascii().to_vec()))]),
    row("body-byte-order-mark", &[Bytes(|body| body.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec))]),
    row("body-byte-order-mark-missing", &[Bytes(|body| Some([BYTE_ORDER_MARK, body].concat()))]),
    row("body-crlf", &[Bytes(without_carriage_returns)]),
    row("body-lf", &[Bytes(with_carriage_returns)]),
    row("body-empty", &[Bytes(|_| Some(Vec::new()))]),
    // The body is wrapped in something, or something unwrapped it.
    row("body-gzip", &[Bytes(gunzip)]),
    row("body-base64", &[Bytes(decode)]),
    row("body-base64-twice", &[Bytes(|body| decode(&decode(body)?))]),
    row("body-decoded-twice", &[Bytes(|body| Some(encode(body)))]),
    row("body-decoded-thrice", &[Bytes(|body| Some(encode(&encode(body))))]),
    row("body-hex", &[Bytes(|body| hex::decode(body.trim_ascii()).ok())]),
    row("body-url-encoded", &[Bytes(|body| url_decode(body, false)), Bytes(|body| url_decode(body, true))]),
    row(
        "body-url-decoded",
        &[
            Text(|text| Some(percent_encode(text, URI_COMPONENT))),
            Text(|text| Some(percent_encode(text, FORM).replace("%20", "+"))),
            Text(|text| Some(lower_escapes(&percent_encode(text, FORM).replace("%20", "+")))),
            Text(|text| Some(percent_encode(text, PYTHON_QUOTE))),
            Text(|text| Some(plus_before_digits(text))),
        ],
    ),
    row("body-http-message", &[Bytes(http_body)]),
    row("body-gateway-event", &[Encode(gateway_body)]),
    row("body-sqs-message", &[Text(sqs_body)]),
    row("body-json-string", &[Text(json_string)]),
    row("body-json-string-twice", &[Text(|text| json_string(&json_string(text)?))]),
    row(
        "body-json-string-signed",
        &[
            Text(|text| serde_json::to_string(text).ok()),
            Text(|text| escaped(&serde_json::to_string(text).ok()?, |character| outside_ascii(character, Lower))),
        ],
    ),
    row(
        "body-json-string-signed-twice",
        &[Text(|text| serde_json::to_string(&serde_json::to_string(text).ok()?).ok())],
    ),
    // The body's text is in another encoding.
    row("ascii-one-mark", &[Text(|text| Some(text.replace(|character: char| !character.is_ascii(), "?")))]),
    row(
        "ascii-mark-per-byte",
        &[Encode(|text| Some(text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'?' }).collect()))],
    ),
    row("ascii-dropped", &[Text(|text| Some(text.replace(|character: char| !character.is_ascii(), "")))]),
    row("pay-ascii", &[Encode(|text| Some(charset::to_ascii(text)))]),
    row("body-latin1", &[Bytes(|body| charset::not_utf8(body).map(charset::from_latin1).map(String::into_bytes))]),
    row(
        "body-windows-1252",
        &[Bytes(|body| charset::from_windows_1252(charset::not_utf8(body)?).map(String::into_bytes))],
    ),
    row("body-utf16", &[Bytes(|body| charset::from_utf16(body).map(String::into_bytes))]),
    row(
        "body-replacement-character-signed",
        &[Bytes(|body| charset::not_utf8(body).map(|body| String::from_utf8_lossy(body).into_owned().into_bytes()))],
    ),
    // This comes before Latin-1. If a body's Latin-1 bytes are valid UTF-8, it was UTF-8 that was encoded twice.
    row(
        "body-double-utf8",
        &[
            Text(|text| String::from_utf8(charset::to_latin1(text)?).ok()),
            Text(|text| String::from_utf8(charset::to_windows_1252(text)?).ok()),
        ],
    ),
    row("body-latin1-signed", &[Encode(charset::to_latin1)]),
    row("body-windows-1252-signed", &[Encode(charset::to_windows_1252)]),
    row(
        "body-utf16-signed",
        &[
            Encode(|text| Some(charset::to_utf16_le(text))),
            Encode(|text| Some(charset::to_utf16_be(text))),
            Encode(|text| Some(charset::to_utf16_le(&format!("\u{FEFF}{text}")))),
        ],
    ),
    row(
        "body-double-utf8-signed",
        &[
            Text(|text| Some(charset::from_latin1(text.as_bytes()))),
            Text(|text| charset::from_windows_1252(text.as_bytes())),
        ],
    ),
    // One side parsed the JSON and serialised it again.
    row("json-compact", &[Text(|text| laid_out(text, Layout::COMPACT))]),
    row(
        "json-spaces",
        &[Text(|text| laid_out(text, Layout::SPACES)), Text(|text| laid_out(text, Layout::SPACE_AFTER_COLON))],
    ),
    row(
        "json-pretty-2",
        &[Text(|text| laid_out(text, Layout::PRETTY_2)), Text(|text| laid_out(text, Layout::PRETTY_2_CRLF))],
    ),
    row(
        "json-pretty-4",
        &[Text(|text| laid_out(text, Layout::PRETTY_4)), Text(|text| laid_out(text, Layout::PRETTY_4_CRLF))],
    ),
    row("json-pretty-tab", &[Text(|text| laid_out(text, Layout::PRETTY_TAB))]),
    row("json-unescaped-unicode", &[Text(|text| escaped(text, |character| outside_ascii(character, Off)))]),
    row(
        "json-escaped-unicode",
        &[
            Text(|text| escaped(text, |character| outside_ascii(character, Lower))),
            Text(|text| escaped(text, |character| outside_ascii(character, Upper))),
        ],
    ),
    row("json-unescaped-slashes", &[Text(|text| escaped(text, |character| (character == '/').then_some(Off)))]),
    row("json-escaped-slashes", &[Text(|text| escaped(text, |character| (character == '/').then_some(Backslash)))]),
    row(
        "json-escaped-html",
        &[Text(|text| escaped(text, |character| matches!(character, '<' | '>' | '&').then_some(Lower)))],
    ),
    row(
        "json-escaped-dotnet",
        &[Text(|text| escaped(text, |character| escaped_by_dotnet(character).then_some(Upper)))],
    ),
    row(
        "json-unescaped",
        &[Text(|text| escaped(text, |character| (escaped_by_dotnet(character) || character == '/').then_some(Off)))],
    ),
    row("json-sorted-keys", &[Text(sorted)]),
    row("json-numbers-shortened", &[Many(|text| everywhere(text, SHORTEN))]),
    row("json-numbers-lengthened", &[Many(|text| everywhere(text, LENGTHEN))]),
];

/// The numbers under one member name were rewritten. Undoing this gives many bodies, so the search tries it after the
/// other single mistakes.
pub const NUMBERS_UNDER_ONE_NAME: &[Mistake] = &[
    row("json-numbers-shortened", &[Many(|text| under_one_name(text, SHORTEN))]),
    row("json-numbers-lengthened", &[Many(|text| under_one_name(text, LENGTHEN))]),
];

/// The numbers under all member names but one were rewritten, or under one name in another way. Undoing this gives even
/// more bodies.
pub const NUMBERS_UNDER_OTHER_NAMES: &[Mistake] = &[
    row("json-numbers-shortened", &[Many(|text| under_other_names(text, SHORTEN))]),
    row("json-numbers-lengthened", &[Many(|text| under_other_names(text, LENGTHEN))]),
];

const fn row(id: &'static str, undo: &'static [Undo]) -> Mistake {
    Mistake { id, undo }
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

fn without_line_break(body: &[u8]) -> Option<Vec<u8>> {
    body.strip_suffix(b"\r\n").or_else(|| body.strip_suffix(b"\n")).map(<[u8]>::to_vec)
}

fn without_line_breaks(body: &[u8]) -> Option<Vec<u8>> {
    let end = body.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    body.get(..end).map(<[u8]>::to_vec)
}

fn without_carriage_returns(body: &[u8]) -> Option<Vec<u8>> {
    let next = body.iter().skip(1).chain([&0]);
    Some(body.iter().zip(next).filter(|pair| *pair != (&b'\r', &b'\n')).map(|(byte, _)| *byte).collect())
}

fn with_carriage_returns(body: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<_> =
        body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    Some(lines.join(&b"\r\n"[..]))
}

/// Decompresses gzip. `None` if the content is larger than any callback, so that a small file cannot fill the memory.
fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    /// Lambda takes events of at most 6 MB, so the receiver never sees a larger body.
    const MAX_BYTES: u64 = 16 << 20;
    let mut content = Vec::new();
    let read = MultiGzDecoder::new(body).take(MAX_BYTES + 1).read_to_end(&mut content).ok()?;
    (u64::try_from(read).ok()? <= MAX_BYTES).then_some(content)
}

fn encode(body: &[u8]) -> Vec<u8> {
    BASE64_STANDARD.encode(body).into_bytes()
}

fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(text).ok()
}

fn url_decode(body: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let with_spaces = || body.iter().map(|&byte| if plus_is_space && byte == b'+' { b' ' } else { byte }).collect();
    let encoded: Vec<u8> = body.contains(&b'%').then(with_spaces)?;
    Some(percent_decode(&encoded).collect())
}

/// JavaScript's `encodeURIComponent`.
const URI_COMPONENT: &AsciiSet = &FORM.remove(b'!').remove(b'~').remove(b'\'').remove(b'(').remove(b')');
/// An HTML form, with `+` for a space.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// Python's `urllib.parse.quote`.
const PYTHON_QUOTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

fn percent_encode(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// Writes `%7b` instead of `%7B`, as .NET's `HttpUtility` does.
fn lower_escapes(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let mut lower = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        lower.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    lower
}

/// Restores the plus sign of telephone numbers, which URL-decoding turned into a space.
fn plus_before_digits(text: &str) -> String {
    let mut pieces = text.split("\" ");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_number = piece.starts_with(|first: char| first.is_ascii_digit());
        whole.extend([if is_number { "\"+" } else { "\" " }, piece]);
    }
    whole
}

/// Extracts the part of a saved request or response after its headers.
fn http_body(body: &[u8]) -> Option<Vec<u8>> {
    body.first().filter(|first| first.is_ascii_alphabetic())?;
    let after = |mark: &[u8]| body.windows(mark.len()).position(|at| at == mark).map(|at| at + mark.len());
    let start = after(b"\r\n\r\n").or_else(|| after(b"\n\n"))?;
    body.get(start..).map(<[u8]>::to_vec)
}

fn gateway_body(text: &str) -> Option<Vec<u8>> {
    let event: Value = serde_json::from_str(text).ok()?;
    event.get("headers").or_else(|| event.get("requestContext"))?;
    let body = event.get("body")?.as_str()?;
    if event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
        return BASE64_STANDARD.decode(body).ok();
    }
    Some(body.as_bytes().to_vec())
}

/// Extracts the body from the output of `aws sqs receive-message`, from one message of it, or from a Lambda function's
/// event.
fn sqs_body(text: &str) -> Option<String> {
    let output: Value = serde_json::from_str(text).ok()?;
    let body = ["/Messages/0/Body", "/Body", "/Records/0/body"].into_iter().find_map(|path| output.pointer(path))?;
    body.as_str().map(str::to_owned)
}

fn json_string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

fn outside_ascii(character: char, escape: Escape) -> Option<Escape> {
    (!character.is_ascii()).then_some(escape)
}

/// Whether .NET's `System.Text.Json` escapes the character by default.
fn escaped_by_dotnet(character: char) -> bool {
    !character.is_ascii() || matches!(character, '<' | '>' | '&' | '\'' | '"' | '+' | '`')
}
