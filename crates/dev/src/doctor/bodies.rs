//! What the signed body may have been, when it is not the one that is given.

use std::rc::Rc;

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde_json::Value;

use super::{
    charset,
    json::{Escape, Escapes, Json, Layout},
    mistake::{Mistake, Mistakes},
};

/// A body that may have been signed, made when it is asked for: there are hundreds, and each may have megabytes.
pub struct Candidate<'b> {
    pub mistakes: Mistakes,
    make: Box<dyn Fn() -> Option<Vec<u8>> + 'b>,
}

impl Candidate<'_> {
    /// None where the mistake makes no difference to this body, or cannot be undone.
    pub fn body(&self) -> Option<Vec<u8>> {
        (self.make)()
    }
}

/// All candidates, those with the fewest mistakes first.
pub fn candidates(body: &[u8]) -> Vec<Candidate<'_>> {
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for Change { mistake, make } in CHANGES {
        candidates.push(Candidate { mistakes: vec![mistake], make: Box::new(move || make(body)) });
    }
    for Change { mistake, make } in TEXT_CHANGES {
        let make = move || str::from_utf8(body).ok().and_then(make);
        candidates.push(Candidate { mistakes: vec![mistake], make: Box::new(make) });
    }
    candidates.extend(written_again(body));
    candidates.sort_by_key(|candidate| candidate.mistakes.len());
    candidates
}

/// A mistake, and how to undo it.
struct Change<T: ?Sized + 'static> {
    mistake: &'static Mistake,
    make: fn(&T) -> Option<Vec<u8>>,
}

const fn change<T: ?Sized>(mistake: &'static Mistake, make: fn(&T) -> Option<Vec<u8>>) -> Change<T> {
    Change { mistake, make }
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

const CHANGES: &[Change<[u8]>] = &[
    change(&TRAILING_NEWLINE, |body| {
        body.strip_suffix(b"\r\n").or_else(|| body.strip_suffix(b"\n")).map(<[u8]>::to_vec)
    }),
    change(&TRAILING_NEWLINE, |body| {
        let end = body.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        body.get(..end).map(<[u8]>::to_vec)
    }),
    change(&NEWLINE_MISSING, |body| Some([body, b"\n"].concat())),
    change(&NEWLINE_MISSING, |body| Some([body, b"\r\n"].concat())),
    change(&WHITE_SPACE, |body| Some(body.trim_ascii().to_vec())),
    change(&EXTRA_BYTE_ORDER_MARK, |body| body.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec)),
    change(&BYTE_ORDER_MARK_MISSING, |body| Some([BYTE_ORDER_MARK, body].concat())),
    change(&CRLF, |body| Some(without_carriage_returns(body))),
    change(&LF, |body| Some(with_carriage_returns(body))),
    change(&EMPTY, |_| Some(Vec::new())),
    change(&BASE64, decode),
    change(&BASE64_TWICE, |body| decode(&decode(body)?)),
    change(&DECODED, |body| Some(BASE64_STANDARD.encode(body).into_bytes())),
    change(&DECODED_TWICE, |body| Some(BASE64_STANDARD.encode(BASE64_STANDARD.encode(body)).into_bytes())),
    change(&HEX, |body| hex::decode(body.trim_ascii()).ok()),
    change(&URL_ENCODED, |body| url_decode(body, false)),
    change(&URL_ENCODED, |body| url_decode(body, true)),
    change(&HTTP_MESSAGE, http_body),
    change(&LATIN1, |body| not_utf8(body).map(|body| charset::from_latin1(body).into_bytes())),
    change(&WINDOWS_1252, |body| charset::from_windows_1252(not_utf8(body)?).map(String::into_bytes)),
    change(&UTF16, |body| charset::from_utf16(body).map(String::into_bytes)),
    change(&REPLACED, |body| not_utf8(body).map(|body| String::from_utf8_lossy(body).into_owned().into_bytes())),
];

const TEXT_CHANGES: &[Change<str>] = &[
    change(&ONE_MARK, |text| {
        Some(
            text.chars()
                .map(|character| if character.is_ascii() { character } else { '?' })
                .collect::<String>()
                .into_bytes(),
        )
    }),
    change(&MARK_PER_BYTE, |text| Some(text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'?' }).collect())),
    change(&NON_ASCII_DROPPED, |text| Some(text.bytes().filter(u8::is_ascii).collect())),
    change(&PAY_ASCII, |text| Some(charset::to_ascii(text))),
    // Before Latin-1: what is UTF-8 in Latin-1 was UTF-8 before.
    change(&MOJIBAKE, |text| as_utf8(charset::to_latin1(text)?)),
    change(&MOJIBAKE, |text| as_utf8(charset::to_windows_1252(text)?)),
    change(&LATIN1_SIGNED, charset::to_latin1),
    change(&WINDOWS_1252_SIGNED, charset::to_windows_1252),
    change(&UTF16_SIGNED, |text| Some(charset::to_utf16_le(text))),
    change(&UTF16_SIGNED, |text| Some(charset::to_utf16_be(text))),
    change(&UTF16_SIGNED, |text| Some(charset::to_utf16_le(&format!("\u{FEFF}{text}")))),
    change(&MOJIBAKE_SIGNED, |text| Some(charset::from_latin1(text.as_bytes()).into_bytes())),
    change(&MOJIBAKE_SIGNED, |text| charset::from_windows_1252(text.as_bytes()).map(String::into_bytes)),
    change(&URL_DECODED, |text| Some(percent_encode(text, URI_COMPONENT).into_bytes())),
    change(&URL_DECODED, |text| Some(percent_encode(text, FORM).replace("%20", "+").into_bytes())),
    change(&URL_DECODED, |text| Some(lower_escapes(&percent_encode(text, FORM).replace("%20", "+")).into_bytes())),
    change(&URL_DECODED, |text| Some(percent_encode(text, PYTHON_QUOTE).into_bytes())),
    change(&URL_DECODED, |text| Some(plus_before_digits(text).into_bytes())),
    change(&JSON_STRING, |text| serde_json::from_str(text).map(String::into_bytes).ok()),
    change(&JSON_STRING_TWICE, |text| {
        let once: String = serde_json::from_str(text).ok()?;
        serde_json::from_str(&once).map(String::into_bytes).ok()
    }),
    change(&JSON_STRING_SIGNED, |text| serde_json::to_vec(text).ok()),
    change(&JSON_STRING_SIGNED, |text| {
        let string = serde_json::to_string(text).ok()?;
        Some(escape_non_ascii(&string).into_bytes())
    }),
    change(&JSON_STRING_SIGNED_TWICE, |text| serde_json::to_vec(&serde_json::to_string(text).ok()?).ok()),
    change(&GATEWAY_EVENT, gateway_body),
    change(&SQS_MESSAGE, sqs_body),
];

fn without_carriage_returns(body: &[u8]) -> Vec<u8> {
    let next = body.iter().skip(1).copied().chain([0]);
    body.iter().zip(next).filter(|&(&byte, next)| !(byte == b'\r' && next == b'\n')).map(|(&byte, _)| byte).collect()
}

fn with_carriage_returns(body: &[u8]) -> Vec<u8> {
    let lines: Vec<_> =
        body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    lines.join(&b"\r\n"[..])
}

fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(text).ok()
}

fn url_decode(body: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    body.contains(&b'%').then(|| {
        let spaced: Vec<u8> =
            body.iter().map(|&byte| if plus_is_space && byte == b'+' { b' ' } else { byte }).collect();
        percent_decode(&spaced).collect()
    })
}

/// JavaScript's `encodeURIComponent`.
const URI_COMPONENT: &AsciiSet = &FORM.remove(b'!').remove(b'~').remove(b'\'').remove(b'(').remove(b')');
/// A form's, with `+` for a space.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// Python's `urllib.parse.quote`.
const PYTHON_QUOTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

fn percent_encode(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// `%7B` as `%7b`, which is how .NET's `HttpUtility` writes it.
fn lower_escapes(encoded: &str) -> String {
    let mut left = 0;
    let lower = |character: char| {
        if character == '%' {
            left = 2;
            return character;
        }
        let escape = left > 0;
        left = i32::max(left - 1, 0);
        if escape { character.to_ascii_lowercase() } else { character }
    };
    encoded.chars().map(lower).collect()
}

/// The plus sign of a telephone number, which decoding turned into a space.
fn plus_before_digits(text: &str) -> String {
    let mut pieces = text.split("\" ");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(if piece.starts_with(|first: char| first.is_ascii_digit()) { "\"+" } else { "\" " });
        whole.push_str(piece);
    }
    whole
}

/// What follows the headers in a saved request or answer.
fn http_body(body: &[u8]) -> Option<Vec<u8>> {
    let start = str::from_utf8(body.get(..4)?).ok()?;
    if !["HTTP", "POST", "PUT "].contains(&start) && !start.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let after = |mark: &[u8]| body.windows(mark.len()).position(|at| at == mark).map(|at| at + mark.len());
    let at = after(b"\r\n\r\n").or_else(|| after(b"\n\n"))?;
    body.get(at..).map(<[u8]>::to_vec)
}

fn not_utf8(body: &[u8]) -> Option<&[u8]> {
    str::from_utf8(body).is_err().then_some(body)
}

fn as_utf8(bytes: Vec<u8>) -> Option<Vec<u8>> {
    String::from_utf8(bytes).ok().map(String::into_bytes)
}

fn escape_non_ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
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

fn sqs_body(text: &str) -> Option<Vec<u8>> {
    let answer: Value = serde_json::from_str(text).ok()?;
    // What `aws sqs receive-message` prints, one message of it, or the event of a function behind the queue.
    let message = ["/Messages/0/Body", "/Body", "/Records/0/body"].into_iter().find_map(|path| answer.pointer(path))?;
    message.as_str().map(|body| body.as_bytes().to_vec())
}

/// JSON that was read and written again by something between the signer and the check, or before the signing.
fn written_again(body: &[u8]) -> Vec<Candidate<'_>> {
    let (mark, text) = match body.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => (Some(&EXTRA_BYTE_ORDER_MARK), text),
        None => (None, body),
    };
    let Some(given) = str::from_utf8(text).ok().and_then(Json::read) else { return Vec::new() };
    let given = Rc::new(given);
    let own = LAYOUTS.iter().find(|(layout, _)| {
        given.laid_out(*layout).is_some_and(|laid_out| laid_out.text() == given.text().trim_ascii())
    });

    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for sorted in [false, true] {
        let layouts = [None].into_iter().chain(LAYOUTS.iter().map(Some));
        for layout in layouts {
            // Sorting lays out anew, so the layout that the body has already is then none that is wrong.
            let is_own = layout.is_some() && layout == own;
            if (sorted && layout.is_none()) || (!sorted && is_own) {
                continue;
            }
            for (escapes, escape_mistakes) in ESCAPES {
                for (rewrite, number_mistake) in NUMBERS {
                    for (end, end_mistake) in [("", None), ("\n", Some(&NEWLINE_MISSING))] {
                        let mistakes: Mistakes = [mark, sorted.then_some(&SORTED), *number_mistake, end_mistake]
                            .into_iter()
                            .chain([layout.filter(|_| !is_own).map(|(_, mistake)| *mistake)])
                            .flatten()
                            .chain(escape_mistakes.iter().copied())
                            .collect();
                        if mistakes.is_empty() || mistakes.len() > MOST_MISTAKES {
                            continue;
                        }
                        let given = Rc::clone(&given);
                        let make = move || {
                            let ordered = if sorted { given.sorted()? } else { Json::clone(&given) };
                            let laid_out = match layout {
                                Some((layout, _)) => ordered.laid_out(*layout)?,
                                None => ordered,
                            };
                            let numbered = match rewrite {
                                Some(rewrite) => laid_out.with_numbers(rewrite),
                                None => laid_out,
                            };
                            Some((numbered.escaped(*escapes).into_text() + end).into_bytes())
                        };
                        candidates.push(Candidate { mistakes, make: Box::new(make) });
                    }
                }
            }
        }
    }
    candidates
}

/// More mistakes than these at once are guessing.
const MOST_MISTAKES: usize = 3;

const LAYOUTS: &[(Layout, &Mistake)] = &[
    (Layout::COMPACT, &COMPACT),
    (Layout::SPACES, &SPACES),
    (Layout::PRETTY_2, &PRETTY_2),
    (Layout::PRETTY_4, &PRETTY_4),
    (Layout::PRETTY_TAB, &PRETTY_TAB),
    (Layout::PRETTY_2_CRLF, &PRETTY_2),
    (Layout::PRETTY_4_CRLF, &PRETTY_4),
    (Layout::SPACE_AFTER_COLON, &SPACES),
];

const fn escapes(
    unicode: Option<Escape>,
    slash: Option<Escape>,
    html: Option<Escape>,
    dotnet: Option<Escape>,
) -> Escapes {
    Escapes { unicode, slash, html, dotnet }
}

const ESCAPES: &[(Escapes, &[&Mistake])] = {
    use Escape::{Lower, Off, Slash, Upper};
    &[
        (escapes(None, None, None, None), &[]),
        (escapes(Some(Off), None, None, None), &[&UNICODE_UNESCAPED]),
        (escapes(Some(Lower), None, None, None), &[&UNICODE_ESCAPED]),
        (escapes(Some(Upper), None, None, None), &[&UNICODE_ESCAPED]),
        (escapes(None, Some(Off), None, None), &[&SLASHES_UNESCAPED]),
        (escapes(None, Some(Slash), None, None), &[&SLASHES_ESCAPED]),
        // PHP's `json_encode`.
        (escapes(Some(Lower), Some(Slash), None, None), &[&UNICODE_ESCAPED, &SLASHES_ESCAPED]),
        (escapes(Some(Off), Some(Off), None, None), &[&UNICODE_UNESCAPED, &SLASHES_UNESCAPED]),
        // Go's `encoding/json`.
        (escapes(None, None, Some(Lower), None), &[&HTML_ESCAPED]),
        (escapes(Some(Upper), None, Some(Upper), Some(Upper)), &[&DOTNET_ESCAPED]),
        (escapes(Some(Off), Some(Off), Some(Off), Some(Off)), &[&HTML_UNESCAPED]),
    ]
};

type Rewrite = fn(&str, &str) -> Option<String>;

const NUMBERS: &[(Option<Rewrite>, Option<&Mistake>)] =
    &[(None, None), (Some(shortest), Some(&NUMBERS_SHORTENED)), (Some(with_fraction), Some(&NUMBERS_LENGTHENED))];

/// As JavaScript writes it: `500.00` becomes `500`.
fn shortest(_key: &str, number: &str) -> Option<String> {
    let fraction = number.contains('.') && !number.contains(['e', 'E']);
    fraction.then(|| number.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// As .NET and Python write a fraction that is none: `500` becomes `500.0`. Only amounts of money are fractions.
fn with_fraction(key: &str, number: &str) -> Option<String> {
    const AMOUNTS: [&str; 8] =
        ["Debit", "Credit", "Balance", "Available", "Current", "Limit", "OverdraftLimit", "amount"];
    (AMOUNTS.contains(&key) && !number.contains(['.', 'e', 'E'])).then(|| format!("{number}.0"))
}

const TRAILING_NEWLINE: Mistake = Mistake::body(
    "body-trailing-newline",
    "The body that is given ends with a line break that was not signed. An editor or `echo` adds one; save the body with `printf %s` or `curl --output`, and send it with `--data-binary`.",
);
const NEWLINE_MISSING: Mistake = Mistake::body(
    "body-newline-missing",
    "What was signed ends with a line break that the given body lacks. Something trimmed it on the way (`$(…)` in a shell, `curl --data @file`), or the signer added one. Check the bytes as they arrived.",
);
const WHITE_SPACE: Mistake = Mistake::body(
    "body-white-space",
    "The body that is given has white space around it that was not signed. Take the bytes as they arrived.",
);
const EXTRA_BYTE_ORDER_MARK: Mistake = Mistake::body(
    "body-byte-order-mark",
    "The body that is given starts with a byte-order mark (EF BB BF) that was not signed. Save it as UTF-8 without one, in .NET with `new UTF8Encoding(false)`.",
);
const BYTE_ORDER_MARK_MISSING: Mistake = Mistake::body(
    "body-byte-order-mark-missing",
    "What was signed starts with a byte-order mark (EF BB BF) that the given body lacks. Something decoded the body to text before the check. Check the bytes as they arrived.",
);
const CRLF: Mistake = Mistake::body(
    "body-crlf",
    "The body that is given has CRLF line ends where LF was signed. git, an editor or FTP in text mode converted it. Check the bytes as they arrived.",
);
const LF: Mistake = Mistake::body(
    "body-lf",
    "The body that is given has LF line ends where CRLF was signed. git, an editor or a text stream converted it. Check the bytes as they arrived.",
);
const EMPTY: Mistake = Mistake::body(
    "body-empty",
    "The signature is over an empty body. The stream had been read to its end before it was signed or checked: rewind or buffer it.",
);
const BASE64: Mistake = Mistake::body(
    "body-base64",
    "The body that is given is base64 text, and what it decodes to was signed. API Gateway passes the body so when `isBase64Encoded` is true: decode it once, then check.",
);
const BASE64_TWICE: Mistake = Mistake::body(
    "body-base64-twice",
    "The body that is given was base64-encoded twice: what it decodes to after two rounds was signed.",
);
const DECODED: Mistake = Mistake::body(
    "body-decoded-twice",
    "What was signed is the base64 text of the given body. Either it was decoded once more than it should have been, or the signer signed the base64 text (API Gateway's `body` with `isBase64Encoded`) in place of the bytes.",
);
const DECODED_TWICE: Mistake = Mistake::body(
    "body-decoded-thrice",
    "What was signed is the given body in base64, and that in base64 again: it was decoded twice more than it should have been.",
);
const HEX: Mistake = Mistake::body(
    "body-hex",
    "The body that is given is hex text, and what it decodes to was signed. Decode it first.",
);
const URL_ENCODED: Mistake = Mistake::body(
    "body-url-encoded",
    "The body that is given is URL-encoded, and what it decodes to was signed. Something treated it as a form: post it as `application/json`.",
);
const URL_DECODED: Mistake = Mistake::body(
    "body-url-decoded",
    "The body that is given has been URL-decoded (`%20` or `+` became a space), and the text before that was signed. Something treated JSON as a form. Check the bytes as they arrived.",
);
const HTTP_MESSAGE: Mistake = Mistake::body(
    "body-http-message",
    "The file holds a whole HTTP message, with headers. Only what follows the empty line was signed; `curl -i` saves both.",
);
const GATEWAY_EVENT: Mistake = Mistake::body(
    "body-gateway-event",
    "The file holds API Gateway's event. Only its `body` was signed, base64-decoded where `isBase64Encoded` is true.",
);
const SQS_MESSAGE: Mistake = Mistake::body(
    "body-sqs-message",
    "The file holds an SQS message with what is around it. Only the message's body was signed.",
);
const LATIN1: Mistake = Mistake::body(
    "body-latin1",
    "The body that is given is in Latin-1 (ISO 8859-1), and its UTF-8 was signed. Something converted it. Check the bytes as they arrived.",
);
const LATIN1_SIGNED: Mistake = Mistake::body(
    "body-latin1-signed",
    "The body was converted to Latin-1 (ISO 8859-1) before it was signed. Sign the UTF-8 bytes: name the encoding wherever text becomes bytes.",
);
const WINDOWS_1252: Mistake = Mistake::body(
    "body-windows-1252",
    "The body that is given is in Windows-1252, and its UTF-8 was signed. Something converted it. Check the bytes as they arrived.",
);
const WINDOWS_1252_SIGNED: Mistake = Mistake::body(
    "body-windows-1252-signed",
    "The body was converted to Windows-1252 (\"ANSI\", .NET Framework's `Encoding.Default`) before it was signed. Sign the UTF-8 bytes.",
);
const UTF16: Mistake = Mistake::body(
    "body-utf16",
    "The body that is given is in UTF-16, and its UTF-8 was signed. Windows PowerShell's `>` writes UTF-16: save it with `-Encoding utf8`, or with `curl --output`.",
);
const UTF16_SIGNED: Mistake = Mistake::body(
    "body-utf16-signed",
    "The body was converted to UTF-16 (.NET's `Encoding.Unicode`) before it was signed. Sign the UTF-8 bytes.",
);
const REPLACED: Mistake = Mistake::body(
    "body-replacement-character-signed",
    "The body is not UTF-8, and it was decoded to text before it was signed, which put U+FFFD for each bad byte. Sign the bytes as they are.",
);
const MOJIBAKE: Mistake = Mistake::body(
    "body-double-utf8",
    "The body that is given was encoded as UTF-8 twice (`Ã©` for `é`): its UTF-8 bytes were read as Latin-1 and written as UTF-8. What was signed was encoded once. Check the bytes as they arrived.",
);
const MOJIBAKE_SIGNED: Mistake = Mistake::body(
    "body-double-utf8-signed",
    "What was signed was encoded as UTF-8 twice (`Ã©` for `é`): the body's bytes were read as Latin-1 before they were signed. Sign the bytes as they are.",
);
const ONE_MARK: Mistake = Mistake::body(
    "ascii-one-mark",
    "What was signed has one question mark for each character outside ASCII. .NET's ASCII encoding, which Flinks' article names, has one for each UTF-16 unit: two for an emoji.",
);
const MARK_PER_BYTE: Mistake = Mistake::body(
    "ascii-mark-per-byte",
    "What was signed has one question mark for each byte outside ASCII. .NET's ASCII encoding, which Flinks' article names, has one for each UTF-16 unit.",
);
const NON_ASCII_DROPPED: Mistake = Mistake::body(
    "ascii-dropped",
    "The characters outside ASCII were left out of what was signed (`encode('ascii', 'ignore')`). Sign the bytes as they are.",
);
const PAY_ASCII: Mistake = Mistake::body(
    "pay-ascii",
    "What was signed is the ASCII reading of the body, which belongs to flinks-authenticity-key alone. X-Webhook-Signature is over the bytes as they are.",
);
const JSON_STRING: Mistake = Mistake::body(
    "body-json-string",
    "The body that is given is a JSON string that holds the body, which was signed without that. It was serialised once more than it should have been (`JSON.stringify` of a text).",
);
const JSON_STRING_TWICE: Mistake = Mistake::body(
    "body-json-string-twice",
    "The body that is given is a JSON string within a JSON string that holds the body, which was signed without them. It was serialised twice more than it should have been.",
);
const JSON_STRING_SIGNED: Mistake = Mistake::body(
    "body-json-string-signed",
    "What was signed is the body as a JSON string, in quotes: it was serialised once more before signing (`JSON.stringify` of a text). Sign the text itself.",
);
const JSON_STRING_SIGNED_TWICE: Mistake = Mistake::body(
    "body-json-string-signed-twice",
    "What was signed is the body as a JSON string within a JSON string: it was serialised twice more before signing. Sign the text itself.",
);
const COMPACT: Mistake = Mistake::body(
    "json-compact",
    "What was signed is compact JSON, and the given body has white space in it: it was pretty-printed or written again after signing (a body parser, jq, an editor), or compacted before it. Check the bytes as they arrived, before anything parses them.",
);
const SPACES: Mistake = Mistake::body(
    "json-spaces",
    "What was signed is JSON with a space after each comma and colon, as Python's `json.dumps` writes it, and the given body has none. One side parsed it and wrote it again. Sign and check the bytes as they are sent.",
);
const PRETTY_2: Mistake = Mistake::body(
    "json-pretty-2",
    "What was signed is JSON pretty-printed with two spaces, and the given body is laid out otherwise. One side parsed it and wrote it again. Sign and check the bytes as they are sent.",
);
const PRETTY_4: Mistake = Mistake::body(
    "json-pretty-4",
    "What was signed is JSON pretty-printed with four spaces, and the given body is laid out otherwise. One side parsed it and wrote it again. Sign and check the bytes as they are sent.",
);
const PRETTY_TAB: Mistake = Mistake::body(
    "json-pretty-tab",
    "What was signed is JSON pretty-printed with tabs, and the given body is laid out otherwise. One side parsed it and wrote it again. Sign and check the bytes as they are sent.",
);
const SORTED: Mistake = Mistake::body(
    "json-sorted-keys",
    "What was signed has its JSON keys sorted, and the given body has them in another order. One side parsed it and wrote it again. Sign and check the bytes as they are sent.",
);
const UNICODE_ESCAPED: Mistake = Mistake::body(
    "json-escaped-unicode",
    "What was signed has \\uXXXX where the given body has the characters themselves. One side parsed the JSON and wrote it again (Python's `ensure_ascii`, PHP without `JSON_UNESCAPED_UNICODE`). Sign and check the bytes as they are sent.",
);
const UNICODE_UNESCAPED: Mistake = Mistake::body(
    "json-unescaped-unicode",
    "What was signed has the characters themselves where the given body has \\uXXXX. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const SLASHES_ESCAPED: Mistake = Mistake::body(
    "json-escaped-slashes",
    "What was signed has \\/ where the given body has /. One side parsed the JSON and wrote it again (PHP without `JSON_UNESCAPED_SLASHES`). Sign and check the bytes as they are sent.",
);
const SLASHES_UNESCAPED: Mistake = Mistake::body(
    "json-unescaped-slashes",
    "What was signed has / where the given body has \\/. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const HTML_ESCAPED: Mistake = Mistake::body(
    "json-escaped-html",
    "What was signed has <, > and & as \\u003c and so on, as Go's `encoding/json` writes them. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const HTML_UNESCAPED: Mistake = Mistake::body(
    "json-unescaped",
    "What was signed has plain characters where the given body has escapes that JSON does not need. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const DOTNET_ESCAPED: Mistake = Mistake::body(
    "json-escaped-dotnet",
    "What was signed has accents, <, >, &, + and ' as \\u00E9 and so on, as .NET's `System.Text.Json` writes them. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const NUMBERS_SHORTENED: Mistake = Mistake::body(
    "json-numbers-shortened",
    "What was signed has numbers without the zeros at their end (500 for 500.00), as JavaScript writes them. One side parsed the JSON and wrote it again. Sign and check the bytes as they are sent.",
);
const NUMBERS_LENGTHENED: Mistake = Mistake::body(
    "json-numbers-lengthened",
    "What was signed has amounts such as 500.0 where the given body has 500. One side parsed the JSON and wrote it again, in JavaScript for one. Sign and check the bytes as they are sent.",
);
