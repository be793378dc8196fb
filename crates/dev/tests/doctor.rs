//! `cargo dev sign` and `cargo dev verify` as users run them. The tests make each mistake themselves, without the code
//! that undoes it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use flate2::{Compression, write::GzEncoder};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

const SECRET: &str = "Sésame+ouvre=toi 42";
/// It has everything that a library may change: accents, an emoji, a slash, HTML, numbers, unsorted keys.
const BODY: &str = r#"{"ResponseType":"KYC","HttpStatusCode":200,"Holders":[{"Name":"Zoé <& fils> O'Neil+😀","Url":"https://example.com/a b","Phone":"+15145550100"}],"Balance":{"Available":500.10,"Current":37.00},"Empty":{},"List":[]}"#;

fn hmac(key: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap().chain_update(body).finalize().into_bytes().to_vec()
}

fn aggregation(key: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(hmac(key, body))
}

/// Runs the tool without secrets in the environment, with a body on standard input and the secret in a file.
fn dev(arguments: &[&str], body: &[u8], secret: Option<&[u8]>, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-dev"));
    command.args(arguments).env_remove("FLINKS_SIGNING_SECRET").env_remove("FLINKS_PAY_SIGNING_SECRET");
    command.envs(environment.iter().copied());
    if let Some(secret) = secret {
        command.arg("--secret-file").arg(file(secret));
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails before it reads closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(body);
    child.wait_with_output().unwrap()
}

/// Creates a file with this content.
fn file(content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(hex::encode(Sha256::digest(content)));
    // Tests run concurrently, and equal content shares a file. So the file must appear complete.
    let draft = path.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::write(&draft, content).unwrap();
    std::fs::rename(&draft, &path).unwrap();
    path
}

/// Runs `verify`, and checks what must be true of every diagnosis. Returns the exit code and the JSON.
fn verify(body: impl AsRef<[u8]>, secret: impl AsRef<[u8]>, signature: &str, more: &[&str]) -> (i32, Value) {
    let (body, secret) = (body.as_ref(), secret.as_ref());
    let arguments = [&["verify", "-", "--signature", signature], more].concat();
    let printed = dev(&arguments, body, Some(secret), &[]);
    assert_keeps_secrets(&printed, body, secret);
    let json = dev(&[&arguments[..], &["--json"]].concat(), body, Some(secret), &[]);
    assert_keeps_secrets(&json, body, secret);
    assert_eq!(printed.status, json.status);
    let object: Value = serde_json::from_slice(&json.stdout).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    let code = json.status.code().unwrap();
    assert_eq!(object["matches"], code == 0);
    for mistake in object["mistakes"].as_array().unwrap() {
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        assert!(text.contains(mistake["id"].as_str().unwrap()), "{text}");
        assert!(mistake["where"].is_string() && mistake["explanation"].as_str().unwrap().len() > 40);
    }
    (code, object)
}

/// Checks that the output has neither the secret nor a correct signature.
fn assert_keeps_secrets(output: &Output, body: &[u8], secret: &[u8]) {
    let printed = [&output.stdout[..], &output.stderr].concat();
    let has = |needle: &[u8]| printed.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    let trimmed = secret.trim_ascii();
    for needle in [
        trimmed,
        BASE64_STANDARD.encode(hmac(trimmed, body)).as_bytes(),
        hex::encode(hmac(trimmed, body)).as_bytes(),
        BASE64_STANDARD.encode(hmac(SECRET, BODY)).as_bytes(),
        hex::encode(hmac(SECRET, BODY)).as_bytes(),
    ] {
        assert!(needle.is_empty() || !has(needle), "{}", String::from_utf8_lossy(&printed));
    }
}

#[track_caller]
fn finds(expected: &[&str], body: impl AsRef<[u8]>, secret: impl AsRef<[u8]>, signature: &str, more: &[&str]) {
    let (code, object) = verify(body, secret, signature, more);
    let mut ids: Vec<_> =
        object["mistakes"].as_array().unwrap().iter().map(|mistake| mistake["id"].as_str().unwrap()).collect();
    let mut expected = expected.to_vec();
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(code, i32::from(!expected.is_empty()));
}

/// Checks that the doctor finds this mistake if the given body is not the signed one.
#[track_caller]
fn body_mistake(id: &str, signed: impl AsRef<[u8]>, given: impl AsRef<[u8]>) {
    finds(&[id], given, SECRET, &aggregation(SECRET, signed), &[]);
}

/// Checks that the doctor finds this mistake if the given secret is not the signer's key.
#[track_caller]
fn secret_mistake(id: &str, key: impl AsRef<[u8]>, given: impl AsRef<[u8]>) {
    finds(&[id], BODY, given, &aggregation(key, BODY), &[]);
}

/// Checks that the doctor finds this mistake in the spelling of a correct tag.
#[track_caller]
fn signature_mistake(id: &str, signature: &str) {
    finds(&[id], BODY, SECRET, signature, &["--scheme", "aggregation"]);
}

#[test]
fn a_correct_signature_matches() {
    let (code, object) = verify(BODY, SECRET, &aggregation(SECRET, BODY), &["--scheme", "aggregation"]);
    assert_eq!((code, &object["form"], &object["scheme"]), (0, &"raw".into(), &"aggregation".into()));
    let ascii = BODY.replace('é', "?").replace('😀', "??");
    let (code, object) = verify(BODY, SECRET, &aggregation(SECRET, ascii), &[]);
    assert_eq!((code, &object["form"], &object["scheme"]), (0, &"ascii".into(), &"aggregation".into()));
    let digits = hex::encode(hmac(SECRET, BODY));
    for signature in [format!("sha256={digits}"), format!("SHA256={}", digits.to_uppercase())] {
        let (code, object) = verify(BODY, SECRET, &signature, &[]);
        assert_eq!((code, &object["form"], &object["scheme"]), (0, &"pay".into(), &"pay".into()));
    }
    // The argument may lack the prefix.
    finds(&[], BODY, SECRET, &digits, &["--scheme", "pay"]);
    let session = r#"{"sessionId":"1","status":"Completed"}"#;
    finds(&[], session, SECRET, &hex::encode(hmac(SECRET, session)), &[]);
    // The receiver ignores a line break at the secret's end, so the doctor does too.
    for end in ["\n", "\r\n"] {
        finds(&[], BODY, format!("{SECRET}{end}"), &aggregation(SECRET, BODY), &[]);
    }
}

#[test]
fn the_projects_test_vectors_match_as_they_say() {
    let vectors = include_str!("../../../tests/data/signature-vectors.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap();
        // The vectors' key is a common word, so this test does not check the output for secrets.
        let arguments = ["verify", "-", "--json", "--signature", text("signature"), "--scheme", text("scheme")];
        let output = dev(&arguments, text("body").as_bytes(), Some(text("key").as_bytes()), &[]);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["matches"], vector["accept"], "{}", text("name"));
        if vector["accept"] == false {
            assert_eq!(object["mistakes"][0]["id"], "ascii-one-mark");
        }
    }
}

#[test]
fn it_finds_line_endings_and_white_space_in_the_body() {
    for end in ["\n", "\r\n", "\n\n", "\r\n\r\n"] {
        body_mistake("body-trailing-newline", BODY, format!("{BODY}{end}"));
    }
    body_mistake("body-newline-missing", format!("{BODY}\n"), BODY);
    body_mistake("body-newline-missing", format!("{BODY}\r\n"), BODY);
    body_mistake("body-white-space", "plain text", "  plain text\t\n");
    body_mistake("body-crlf", "{\n\"a\": 1\n}\n", "{\r\n\"a\": 1\r\n}\r\n");
    body_mistake("body-lf", "{\r\n\"a\": 1\r\n}\r\n", "{\n\"a\": 1\n}\n");
    body_mistake("body-empty", "", BODY);
}

#[test]
fn it_finds_byte_order_marks_in_the_body() {
    body_mistake("body-byte-order-mark", BODY, format!("\u{FEFF}{BODY}"));
    body_mistake("body-byte-order-mark-missing", format!("\u{FEFF}{BODY}"), BODY);
}

/// `BODY` as other libraries write it. It is written out, so that the tests do not depend on a serialiser.
const SPACES: &str = r#"{"ResponseType": "KYC", "HttpStatusCode": 200, "Holders": [{"Name": "Zoé <& fils> O'Neil+😀", "Url": "https://example.com/a b", "Phone": "+15145550100"}], "Balance": {"Available": 500.10, "Current": 37.00}, "Empty": {}, "List": []}"#;
const SORTED: &str = r#"{"Balance":{"Available":500.10,"Current":37.00},"Empty":{},"Holders":[{"Name":"Zoé <& fils> O'Neil+😀","Phone":"+15145550100","Url":"https://example.com/a b"}],"HttpStatusCode":200,"List":[],"ResponseType":"KYC"}"#;
const PRETTY: &str = r#"{
  "ResponseType": "KYC",
  "HttpStatusCode": 200,
  "Holders": [
    {
      "Name": "Zoé <& fils> O'Neil+😀",
      "Url": "https://example.com/a b",
      "Phone": "+15145550100"
    }
  ],
  "Balance": {
    "Available": 500.10,
    "Current": 37.00
  },
  "Empty": {},
  "List": []
}"#;

/// `PRETTY` with another indentation.
fn indented(by: &str) -> String {
    let line = |line: &str| {
        let text = line.trim_start();
        format!("{}{text}", by.repeat((line.len() - text.len()) / 2))
    };
    PRETTY.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_finds_json_in_another_layout() {
    for (id, signed) in [
        ("json-spaces", SPACES.to_owned()),
        ("json-spaces", BODY.replace("\":", "\": ")),
        ("json-pretty-2", PRETTY.to_owned()),
        ("json-pretty-2", PRETTY.replace('\n', "\r\n")),
        ("json-pretty-4", indented("    ")),
        ("json-pretty-tab", indented("\t")),
    ] {
        body_mistake(id, &signed, BODY);
        body_mistake("json-compact", BODY, &signed);
        body_mistake("json-compact", BODY, format!("{signed}\n"));
        finds(&[id, "body-newline-missing"], BODY, SECRET, &aggregation(SECRET, format!("{signed}\n")), &[]);
    }
    body_mistake("json-pretty-4", indented("    "), PRETTY);
    // An unusual layout is undone to compact JSON.
    body_mistake("json-compact", BODY, BODY.replace(',', "\n ,").replace(':', " :\t").replace("https :\t", "https:"));
}

#[test]
fn it_finds_json_with_sorted_keys() {
    body_mistake("json-sorted-keys", SORTED, BODY);
    // A layout that the body already has is not a mistake.
    body_mistake("json-sorted-keys", "{\n  \"a\": 1,\n  \"b\": 2\n}", "{\n  \"b\": 2,\n  \"a\": 1\n}");
    let spaced = r#"{"a": 1, "b": 2}"#;
    finds(&["json-sorted-keys", "json-spaces"], r#"{"b":2,"a":1}"#, SECRET, &aggregation(SECRET, spaced), &[]);
}

#[test]
fn it_finds_json_with_other_escapes() {
    let escaped = BODY.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    let upper = BODY.replace('é', "\\u00E9").replace('😀', "\\uD83D\\uDE00");
    let slashes = BODY.replace('/', "\\/");
    for signed in [&escaped, &upper] {
        body_mistake("json-escaped-unicode", signed, BODY);
        body_mistake("json-unescaped-unicode", BODY, signed);
    }
    body_mistake("json-escaped-slashes", &slashes, BODY);
    body_mistake("json-unescaped-slashes", BODY, &slashes);
    let php = escaped.replace('/', "\\/");
    finds(&["json-escaped-unicode", "json-escaped-slashes"], BODY, SECRET, &aggregation(SECRET, &php), &[]);
    let python = SPACES.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    finds(&["json-escaped-unicode", "json-spaces"], BODY, SECRET, &aggregation(SECRET, &python), &[]);
    finds(&["json-unescaped-unicode", "json-compact"], &python, SECRET, &aggregation(SECRET, BODY), &[]);
    let go = BODY.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    body_mistake("json-escaped-html", &go, BODY);
    let html = upper.replace('<', "\\u003C").replace('>', "\\u003E").replace('&', "\\u0026");
    let dotnet = html.replace('\'', "\\u0027").replace('+', "\\u002B");
    body_mistake("json-escaped-dotnet", &dotnet, BODY);
    body_mistake("json-unescaped", BODY, &dotnet);
    // .NET escapes quotes as \u0022.
    let quoted = r#"{"Name":"Zoé \"Zo\" <x>"}"#;
    let dotnet = r#"{"Name":"Zo\u00E9 \u0022Zo\u0022 \u003Cx\u003E"}"#;
    body_mistake("json-escaped-dotnet", dotnet, quoted);
    body_mistake("json-unescaped", quoted, dotnet);
}

/// The same payload as each library writes it.
const NUMBERS: &str = r#"{"HttpStatusCode":200,"EftEligibleRatio":1.0,"Balance":{"Available":136.50,"Current":0.00,"Limit":null},"Transactions":[{"Debit":37.00,"Credit":null,"Balance":-12.05,"Id":"1.0"},{"Debit":null,"Credit":12.00,"Balance":0.00}]}"#;

#[test]
fn it_finds_json_with_numbers_of_another_library() {
    body_mistake("json-numbers-shortened", BODY.replace("500.10", "500.1").replace("37.00", "37"), BODY);
    let whole = r#"{"HttpStatusCode":200,"Debit":null,"Credit":500}"#;
    body_mistake("json-numbers-lengthened", whole.replace("500", "500.0"), whole);
}

#[test]
fn it_finds_numbers_that_a_relay_rewrote() {
    let javascript = r#"{"HttpStatusCode":200,"EftEligibleRatio":1,"Balance":{"Available":136.5,"Current":0,"Limit":null},"Transactions":[{"Debit":37,"Credit":null,"Balance":-12.05,"Id":"1.0"},{"Debit":null,"Credit":12,"Balance":0}]}"#;
    let python = r#"{"HttpStatusCode":200,"EftEligibleRatio":1.0,"Balance":{"Available":136.5,"Current":0.0,"Limit":null},"Transactions":[{"Debit":37.0,"Credit":null,"Balance":-12.05,"Id":"1.0"},{"Debit":null,"Credit":12.0,"Balance":0.0}]}"#;
    for relayed in [javascript, python] {
        body_mistake("json-numbers-shortened", relayed, NUMBERS);
    }
    body_mistake("json-numbers-lengthened", NUMBERS, javascript);
    // All numbers, whatever their names.
    for (short, long) in [
        (r#"{"a":1,"b":[0,2],"c":"3"}"#, r#"{"a":1.0,"b":[0.0,2.0],"c":"3"}"#),
        (r#"{"a":1,"b":[0,-2]}"#, r#"{"a":1.00,"b":[0.00,-2.00]}"#),
        (r#"{"a":136.5,"b":[0,2.25],"c":1e3}"#, r#"{"a":136.50,"b":[0.00,2.25],"c":1e3}"#),
        (r#"{"a":136.5,"b":0.0,"c":7}"#, r#"{"a":136.50,"b":0.00,"c":7}"#),
        (r#"{"a":136.5,"b":0,"c":7}"#, r#"{"a":136.5,"b":0.00,"c":7.00}"#),
        ("{ \"a\":1 ,\n \"b\": 20}", "{ \"a\":1.0 ,\n \"b\": 20.0}"),
    ] {
        body_mistake("json-numbers-lengthened", long, short);
        body_mistake("json-numbers-shortened", short, long);
    }
}

#[test]
fn it_finds_numbers_that_a_relay_rewrote_under_one_name() {
    let signed = r#"{"Code":7,"Rates":[{"Rate":1.0,"Steps":[1.00,2]},{"Rate":4.5}],"Rank":3,"Steps":["Rank",5]}"#;
    body_mistake("json-numbers-lengthened", signed, signed.replace("1.0,", "1,"));
    body_mistake("json-numbers-shortened", signed, signed.replace(":3,", ":3.00,"));
    // Only one of two numbers under one name changed, so no rule explains it.
    let (code, object) = verify(signed.replace("1.00", "1"), SECRET, &aggregation(SECRET, signed), &[]);
    assert_eq!((code, &object["mistakes"]), (1, &serde_json::json!([])));
    // In an array, the name applies to each number, even after an object and a string.
    let array = r#"{"n":1,"Steps":[{"n":1},"n",2,[3]],"m":4}"#;
    body_mistake("json-numbers-lengthened", array.replace("2,[3]", "2.00,[3.00]"), array);
    // All names but one changed. Then one name changed to another length than the others.
    let counts = r#"{"n":1,"a":2,"b":[3],"c":4}"#;
    body_mistake("json-numbers-lengthened", r#"{"n":1,"a":2.00,"b":[3.00],"c":4.00}"#, counts);
    body_mistake("json-numbers-lengthened", r#"{"n":1.0,"a":2.00,"b":[3.00],"c":4.00}"#, counts);
}

#[test]
fn it_finds_rewritten_numbers_combined_with_other_changes() {
    let signature = |signed: &str| aggregation(SECRET, signed);
    let short = BODY.replace("500.10", "500.1").replace("37.00", "37.0");
    let pretty = PRETTY.replace("500.10", "500.1").replace("37.00", "37");
    finds(&["json-numbers-shortened", "json-pretty-2"], BODY, SECRET, &signature(&pretty), &[]);
    finds(&["json-numbers-lengthened", "json-compact"], &pretty, SECRET, &signature(BODY), &[]);
    let spaces = SPACES.replace("500.10", "500.1").replace("37.00", "37.0");
    let python = spaces.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    let ids = ["json-numbers-shortened", "json-spaces", "json-escaped-unicode"];
    finds(&ids, BODY, SECRET, &signature(&python), &[]);
    let ids = ["json-numbers-lengthened", "json-compact", "json-unescaped-unicode"];
    finds(&ids, &python, SECRET, &signature(BODY), &[]);
    finds(&["json-numbers-shortened", "secret-quotes"], BODY, format!("'{SECRET}'"), &signature(&short), &[]);
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn it_finds_a_compressed_body() {
    let compressed = gzip(BODY);
    let right = aggregation(SECRET, BODY);
    body_mistake("body-gzip", BODY, &compressed);
    // A proxy that flushes writes several gzip members.
    body_mistake("body-gzip", BODY, [gzip(&BODY[..20]), gzip(&BODY[20..])].concat());
    let base64 = BASE64_STANDARD.encode(&compressed);
    finds(&["body-base64", "body-gzip"], &base64, SECRET, &right, &[]);
    finds(&["body-base64", "body-gzip"], format!("{base64}\n"), SECRET, &right, &[]);
    finds(&["body-gzip", "body-base64"], gzip(BASE64_STANDARD.encode(BODY)), SECRET, &right, &[]);
    finds(&["body-hex", "body-gzip"], hex::encode(&compressed), SECRET, &right, &[]);
    finds(&["body-trailing-newline", "body-gzip"], [&compressed[..], b"\n"].concat(), SECRET, &right, &[]);
    finds(&["body-gzip", "body-trailing-newline"], gzip(format!("{BODY}\n")), SECRET, &right, &[]);
    finds(&["body-gzip", "json-compact"], gzip(PRETTY), SECRET, &right, &[]);
    let event = serde_json::json!({ "headers": {}, "body": base64, "isBase64Encoded": true }).to_string();
    finds(&["body-gateway-event", "body-gzip"], event, SECRET, &right, &[]);
    let message = [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", &compressed[..]].concat();
    finds(&["body-http-message", "body-gzip"], message, SECRET, &right, &[]);
    finds(&["body-gzip", "secret-quotes"], &compressed, format!("\"{SECRET}\""), &right, &[]);
    let digits = hex::encode(hmac(SECRET, BODY));
    finds(&["body-gzip", "hex-for-base64"], &compressed, SECRET, &digits, &["--scheme", "aggregation"]);
    // Without its end, gzip cannot be decompressed.
    let cut = &compressed[..compressed.len() - 4];
    assert_eq!(verify(cut, SECRET, &right, &[]).1["mistakes"], serde_json::json!([]));
}

#[test]
fn a_body_that_decompresses_to_more_than_any_callback_is_ignored() {
    let large = vec![b' '; (16 << 20) + 1];
    let (_, object) = verify(gzip(&large), SECRET, &aggregation(SECRET, &large), &["--scheme", "aggregation"]);
    assert_eq!(object["mistakes"], serde_json::json!([]));
    finds(&["body-gzip"], gzip(&large[1..]), SECRET, &aggregation(SECRET, &large[1..]), &[]);
}

#[test]
fn it_finds_json_within_json() {
    let string = |text: &str| Value::from(text).to_string();
    body_mistake("body-json-string", BODY, string(BODY));
    body_mistake("body-json-string-twice", BODY, string(&string(BODY)));
    body_mistake("body-json-string-signed", string(BODY), BODY);
    body_mistake("body-json-string-signed-twice", string(&string(BODY)), BODY);
}

#[test]
fn it_finds_a_body_that_was_decoded_too_often_or_not_at_all() {
    let once = BASE64_STANDARD.encode(BODY);
    let twice = BASE64_STANDARD.encode(&once);
    body_mistake("body-base64", BODY, &once);
    body_mistake("body-base64", BODY, format!("{once}\n"));
    body_mistake("body-base64-twice", BODY, &twice);
    body_mistake("body-decoded-twice", &once, BODY);
    body_mistake("body-decoded-thrice", &twice, BODY);
    body_mistake("body-hex", BODY, hex::encode(BODY));

    let component = "%7B%22Name%22%3A%22Zo%C3%A9%20O'Neil%22%7D";
    let form = "%7B%22Name%22%3A%22Zo%C3%A9+O%27Neil%22%7D";
    let decoded = r#"{"Name":"Zoé O'Neil"}"#;
    for encoded in [component, form] {
        body_mistake("body-url-encoded", decoded, encoded);
        body_mistake("body-url-decoded", encoded, decoded);
    }
    body_mistake("body-url-decoded", "%7b%22Name%22%3a%22Zo%c3%a9+O%27Neil%22%7d", decoded);
    body_mistake("body-url-decoded", BODY, BODY.replace("\"+1514", "\" 1514"));
}

#[test]
fn it_finds_a_body_with_an_envelope_around_it() {
    body_mistake("body-http-message", BODY, format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{BODY}"));
    let event = serde_json::json!({ "headers": {}, "body": BODY, "isBase64Encoded": false }).to_string();
    body_mistake("body-gateway-event", BODY, event);
    let event = serde_json::json!({ "headers": {}, "body": BASE64_STANDARD.encode(BODY), "isBase64Encoded": true });
    body_mistake("body-gateway-event", BODY, event.to_string());
    let messages = serde_json::json!({ "Messages": [{ "MessageId": "1", "Body": BODY }] });
    body_mistake("body-sqs-message", BODY, messages.to_string());
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

#[test]
fn it_finds_a_body_in_another_encoding() {
    let text = r#"{"Name":"Zoé Lefrançois"}"#;
    let euro = r#"{"Name":"Zoé, 5 €"}"#;
    let windows = [&b"{\"Name\":\"Zo\xe9, 5 \x80"[..], b"\"}"].concat();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    body_mistake("body-latin1-signed", latin1(text), text);
    body_mistake("body-latin1", text, latin1(text));
    body_mistake("body-windows-1252-signed", &windows, euro);
    body_mistake("body-windows-1252", euro, &windows);
    body_mistake("body-utf16-signed", utf16(text), text);
    body_mistake("body-utf16-signed", big(text), text);
    body_mistake("body-utf16", text, utf16(text));
    body_mistake("body-utf16", text, utf16(&format!("\u{FEFF}{text}")));
    body_mistake("body-utf16", text, big(&format!("\u{FEFF}{text}")));
    body_mistake("body-double-utf8", text, text.replace('é', "Ã©").replace('ç', "Ã§"));
    body_mistake("body-double-utf8-signed", text.replace('é', "Ã©").replace('ç', "Ã§"), text);
    body_mistake("body-replacement-character-signed", "Zo\u{FFFD}", b"Zo\xe9");
}

#[test]
fn it_finds_an_ascii_encoding_that_is_not_flinks() {
    body_mistake("ascii-one-mark", BODY.replace(['é', '😀'], "?"), BODY);
    body_mistake("ascii-mark-per-byte", BODY.replace('é', "??").replace('😀', "????"), BODY);
    body_mistake("ascii-dropped", BODY.replace(['é', '😀'], ""), BODY);
    let ascii = BODY.replace('é', "?").replace('😀', "??");
    let signature = format!("sha256={}", hex::encode(hmac(SECRET, ascii)));
    finds(&["pay-ascii"], BODY, SECRET, &signature, &["--scheme", "pay"]);
}

#[test]
fn what_the_receiver_removes_around_a_secret_is_not_a_mistake() {
    for given in ["{}\n\n", "\r\n{}", " {}", "\t{}  \n", "{\"key\":\"{}\"}"] {
        let given = given.replacen("{}", SECRET, 1);
        finds(&[], BODY, &given, &aggregation(SECRET, BODY), &[]);
    }
}

#[test]
fn it_finds_a_secret_with_something_around_it() {
    secret_mistake("secret-newline-signed", format!("{SECRET}\n"), SECRET);
    secret_mistake("secret-newline-signed", format!("{SECRET}\r\n"), SECRET);
    secret_mistake("secret-white-space-signed", format!("{SECRET} "), SECRET);
    for given in [format!("\"{SECRET}\""), format!("'{SECRET}'\n"), format!("“{SECRET}”")] {
        secret_mistake("secret-quotes", SECRET, given);
    }
    secret_mistake("secret-quotes-signed", format!("\"{SECRET}\""), SECRET);
    secret_mistake("secret-byte-order-mark", SECRET, format!("\u{FEFF}{SECRET}"));
    secret_mistake("secret-byte-order-mark-signed", format!("\u{FEFF}{SECRET}"), SECRET);
    secret_mistake("secret-escaped-newline", SECRET, format!("{SECRET}\\n"));
    secret_mistake("secret-assignment", "hunter-22", "FLINKS_SIGNING_SECRET=hunter-22");
    secret_mistake("secret-json", SECRET, format!(r#"{{"signingSecret":"{SECRET}","other":1}}"#));
}

#[test]
fn it_finds_a_secret_in_another_encoding() {
    let base64 = "c2VjcmV0LWtleSE/Pz8=";
    secret_mistake("secret-base64-decoded", "secret-key!???", base64);
    secret_mistake("secret-base64-decoded", "secret-key!???", "c2VjcmV0LWtleSE_Pz8");
    secret_mistake("secret-base64-encoded", base64, "secret-key!???");
    secret_mistake("secret-hex-decoded", b"\xDE\xAD\xBE\xEF", "deadBEEF");
    secret_mistake("secret-hex-encoded", "68756e746572", "hunter");
    secret_mistake("secret-latin1-signed", latin1("clé"), "clé");
    secret_mistake("secret-latin1", "clé", latin1("clé"));
    secret_mistake("secret-windows-1252-signed", b"cl\xe9 \x80", "clé €");
    secret_mistake("secret-ascii-signed", "cl?-1", "clé-1");
    secret_mistake("secret-double-utf8", "clé", "clÃ©");
    let utf16: Vec<u8> = "\u{FEFF}clef\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    secret_mistake("secret-utf16", "clef", utf16);
    secret_mistake("secret-utf16-signed", b"c\0l\0e\0f\0", "clef");
    secret_mistake("secret-url-encoded", "a+b/c", "a%2Bb%2Fc");
    secret_mistake("secret-url-encoded-signed", "a%2Bb%2Fc", "a+b/c");
    secret_mistake("secret-case", "ab-12-ef", "AB-12-EF");
}

#[test]
fn it_finds_another_secret() {
    secret_mistake("secret-empty-signed", "", SECRET);
    secret_mistake("secret-is-sample", "sample-signing-secret-never-deploy", SECRET);
}

#[test]
fn it_finds_the_wrong_scheme() {
    let other = file(b"the other one\n");
    let more = ["--other-secret-file", other.to_str().unwrap()];
    let pay = format!("sha256={}", hex::encode_upper(hmac("the other one", BODY)));
    let as_aggregation = [&more[..], &["--scheme", "aggregation"]].concat();
    let as_pay = [&more[..], &["--scheme", "pay"]].concat();
    finds(&["wrong-scheme"], BODY, SECRET, &pay, &as_aggregation);
    finds(&["wrong-scheme"], BODY, SECRET, &aggregation("the other one", BODY), &as_pay);
    finds(&["other-secret"], BODY, SECRET, &aggregation("the other one", BODY), &as_aggregation);
    finds(&["other-secret"], BODY, SECRET, &pay, &as_pay);
    let digits = hex::encode(hmac(SECRET, BODY));
    finds(&["wrong-scheme"], BODY, SECRET, &format!("sha256={digits}"), &["--scheme", "aggregation"]);
    finds(&["base64-for-hex"], BODY, SECRET, &aggregation(SECRET, BODY), &["--scheme", "pay"]);
    finds(&["hex-for-base64"], BODY, SECRET, &digits, &["--scheme", "aggregation"]);
    // It guesses the scheme from the body.
    finds(&["hex-for-base64"], BODY, SECRET, &digits, &[]);
    let session = r#"{"sessionId":"1","status":"Completed"}"#;
    finds(&["base64-for-hex"], session, SECRET, &aggregation(SECRET, session), &[]);
}

#[test]
fn the_secrets_of_both_schemes_come_from_the_environment() {
    let both = [("FLINKS_SIGNING_SECRET", SECRET), ("FLINKS_PAY_SIGNING_SECRET", "the other one")];
    let found = |signature: &str, more: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["verify", "-", "--json", "--signature", signature], more].concat();
        let output = dev(&arguments, BODY.as_bytes(), None, environment);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), object["mistakes"][0]["id"].as_str().unwrap_or_default().to_owned())
    };
    let right = (0, String::new());
    let pay = |key: &str| format!("sha256={}", hex::encode(hmac(key, BODY)));
    assert_eq!(found(&aggregation(SECRET, BODY), &[], &both), right);
    assert_eq!(found(&pay("the other one"), &[], &both), right);
    assert_eq!(found(&pay(SECRET), &[], &both), (1, "other-secret".into()));
    assert_eq!(found(&aggregation("the other one", BODY), &[], &both), (1, "other-secret".into()));
    assert_eq!(found(&pay("the other one"), &["--scheme", "aggregation"], &both), (1, "wrong-scheme".into()));
    assert_eq!(found(&pay(SECRET), &[], &both[..1]), (1, "wrong-scheme".into()));
}

#[test]
fn it_finds_a_misspelled_signature() {
    let tag = hmac(SECRET, BODY);
    let right = BASE64_STANDARD.encode(&tag);
    let digits = hex::encode(&tag);
    signature_mistake("signature-padding-missing", &BASE64_STANDARD_NO_PAD.encode(&tag));
    // The last character has four bits of the tag and two unused ones.
    let last = right.chars().nth(42).unwrap();
    let stray = ('A'..='Z').chain('a'..='z').chain('0'..='9').skip_while(|letter| *letter != last).nth(1).unwrap();
    signature_mistake("signature-stray-bits", &format!("{}{stray}=", &right[..42]));
    signature_mistake("signature-case", &right.to_lowercase());
    signature_mistake("signature-case", &right.to_uppercase());
    for around in [format!(" {right}"), format!("{right}\n"), format!("{}\n{}", &right[..20], &right[20..])] {
        signature_mistake("signature-white-space", &around);
    }
    for around in [format!("\"{right}\""), format!("'{right}'"), format!("<{right}>")] {
        signature_mistake("signature-quotes", &around);
    }
    signature_mistake("signature-header-name", &format!("Flinks-Authenticity-Key: {right}"));
    signature_mistake("signature-prefix", &format!("sha256={right}"));
    signature_mistake("signature-prefix", &format!("hmac-sha256={right}"));
    signature_mistake("signature-url-encoded", &right.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F"));
    signature_mistake("signature-repeated", &format!("{right}, {right}").replace(", ", ","));
    signature_mistake("signature-base64-of-hex", &BASE64_STANDARD.encode(&digits));
    signature_mistake("signature-hex-of-base64", &hex::encode(&right));
    signature_mistake("signature-base64-twice", &BASE64_STANDARD.encode(&right));
    for length in [43 - 3, 32, 21, 12] {
        signature_mistake("signature-truncated", &right[..length]);
    }
    for length in [63, 62, 40] {
        finds(&["signature-truncated"], BODY, SECRET, &digits[..length], &["--scheme", "pay"]);
    }
    finds(&["signature-truncated"], BODY, SECRET, &digits[10..], &["--scheme", "pay"]);
    let dashes = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join("-");
    finds(&["signature-dashes"], BODY, SECRET, &dashes.to_uppercase(), &["--scheme", "pay"]);
}

#[test]
fn it_finds_a_signature_in_another_base64_alphabet() {
    // This signature has both characters in which the alphabets differ.
    let body = (0..).map(|number| format!("{{\"ResponseType\":\"KYC\",\"n\":{number}}}"));
    let both = |body: &String| ['+', '/'].iter().all(|special| aggregation(SECRET, body).contains(*special));
    let body = body.into_iter().find(both).unwrap();
    let tag = hmac(SECRET, &body);
    finds(&["signature-url-safe"], &body, SECRET, &BASE64_URL_SAFE.encode(&tag), &[]);
    let unpadded = BASE64_URL_SAFE_NO_PAD.encode(&tag);
    finds(&["signature-url-safe", "signature-padding-missing"], &body, SECRET, &unpadded, &[]);
    let spaced = BASE64_STANDARD.encode(&tag).replace('+', " ");
    finds(&["signature-plus-as-space"], &body, SECRET, &spaced, &[]);
    let escaped = BASE64_STANDARD.encode(&tag).replace('/', "\\/").replace('+', "\\u002B");
    finds(&["signature-json-escaped"], &body, SECRET, &escaped, &[]);
}

#[test]
fn it_finds_another_algorithm() {
    let encode = |tag: &[u8]| BASE64_STANDARD.encode(tag);
    let (key, body) = (SECRET.as_bytes(), BODY.as_bytes());
    let sha1 = Hmac::<Sha1>::new_from_slice(key).unwrap().chain_update(body).finalize().into_bytes();
    let sha384 = Hmac::<Sha384>::new_from_slice(key).unwrap().chain_update(body).finalize().into_bytes();
    let sha512 = Hmac::<Sha512>::new_from_slice(key).unwrap().chain_update(body).finalize().into_bytes();
    for (id, tag) in [
        ("hmac-sha1", sha1.to_vec()),
        ("hmac-sha384", sha384.to_vec()),
        ("hmac-sha512", sha512.to_vec()),
        ("sha256-without-key", Sha256::digest(body).to_vec()),
        ("sha1-without-key", Sha1::digest(body).to_vec()),
        ("sha512-without-key", Sha512::digest(body).to_vec()),
        ("sha256-key-before-body", Sha256::digest([key, body].concat()).to_vec()),
        ("sha256-key-after-body", Sha256::digest([body, key].concat()).to_vec()),
        ("swapped", hmac(body, key)),
    ] {
        finds(&[id], BODY, SECRET, &encode(&tag), &["--scheme", "aggregation"]);
        finds(&[id], BODY, SECRET, &format!("sha256={}", hex::encode(&tag)), &["--scheme", "pay"]);
    }
}

#[test]
fn it_finds_two_mistakes_at_once() {
    let two = |ids: &[&str], body: &str, secret: &str, signature: &str| finds(ids, body, secret, signature, &[]);
    let quoted = format!("\"{SECRET}\"");
    let right = aggregation(SECRET, BODY);
    two(&["secret-quotes", "json-compact"], PRETTY, &quoted, &right);
    two(&["secret-escaped-newline", "body-trailing-newline"], &format!("{BODY}\n"), &format!("{SECRET}\\n"), &right);
    two(
        &["secret-base64-decoded", "body-byte-order-mark"],
        &format!("\u{FEFF}{BODY}"),
        "c2VjcmV0LWtleSE/Pz8=",
        &aggregation("secret-key!???", BODY),
    );
    two(
        &["secret-byte-order-mark", "hex-for-base64"],
        BODY,
        &format!("\u{FEFF}{SECRET}"),
        &hex::encode(hmac(SECRET, BODY)),
    );
    two(&["json-compact", "hex-for-base64"], PRETTY, SECRET, &hex::encode(hmac(SECRET, BODY)));
    two(&["sha256-without-key", "json-compact"], PRETTY, SECRET, &BASE64_STANDARD.encode(Sha256::digest(BODY)));
    two(&["swapped", "secret-quotes"], BODY, &quoted, &aggregation(BODY, SECRET));
    two(
        &["json-spaces", "json-escaped-unicode", "secret-newline-signed"],
        BODY,
        SECRET,
        &aggregation(format!("{SECRET}\n"), SPACES.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00")),
    );
}

#[test]
fn it_finds_all_changes_that_one_tool_makes() {
    let escaped = |text: &str| text.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
    let right = aggregation(SECRET, BODY);
    // PHP with JSON_PRETTY_PRINT.
    let php = escaped(&indented("    ")).replace('/', "\\/");
    let ids = ["json-pretty-4", "json-escaped-unicode", "json-escaped-slashes"];
    finds(&ids, BODY, SECRET, &aggregation(SECRET, php), &[]);
    // Go sorts the keys of maps, reads numbers as `double`, and escapes HTML.
    let go = SORTED.replace("500.10", "500.1").replace("37.00", "37");
    let go = go.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let ids = ["json-numbers-shortened", "json-sorted-keys", "json-escaped-html"];
    finds(&ids, BODY, SECRET, &aggregation(SECRET, go), &[]);
    // `python -m json.tool` and `jq -S`.
    let tool = escaped(&indented("    ")) + "\n";
    let ids = ["json-pretty-4", "json-escaped-unicode", "body-newline-missing"];
    finds(&ids, BODY, SECRET, &aggregation(SECRET, tool), &[]);
    let sorted = "{\n  \"a\": 1,\n  \"b\": 2\n}\n";
    let ids = ["json-pretty-2", "json-sorted-keys", "body-newline-missing"];
    finds(&ids, r#"{"b":2,"a":1}"#, SECRET, &aggregation(SECRET, sorted), &[]);
    // PowerShell's `>` and an editor on Windows.
    let lines = "[1,\n2]";
    let saved = "\u{FEFF}[1,\r\n2]\r\n";
    let utf16: Vec<u8> = saved.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let signature = aggregation(SECRET, lines);
    finds(&["body-utf16", "body-crlf", "body-trailing-newline"], utf16, SECRET, &signature, &[]);
    finds(&["body-byte-order-mark", "body-crlf", "body-trailing-newline"], saved, SECRET, &signature, &[]);
    // An editor, after another tool changed the body.
    let newline = |body: &str| format!("{body}\n");
    finds(&["body-trailing-newline", "json-unescaped-unicode"], newline(&escaped(BODY)), SECRET, &right, &[]);
    let mojibake = newline(&BODY.replace('é', "Ã©"));
    let ids = ["body-trailing-newline", "body-double-utf8"];
    finds(&ids, mojibake.replace('😀', "ð\u{9f}\u{98}\u{80}"), SECRET, &right, &[]);
}

#[test]
fn it_reports_a_signature_that_no_key_can_produce() {
    for signature in ["not a signature!", "é", "sha256=", "zzz~"] {
        finds(&["signature-not-encoded"], BODY, SECRET, signature, &[]);
    }
    for signature in ["abcd", "sha256=00ff", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", &"ab".repeat(33), &"ab".repeat(64)] {
        finds(&["signature-length"], BODY, SECRET, signature, &[]);
    }
    finds(&["signature-empty"], BODY, SECRET, "", &[]);
}

#[test]
fn without_a_known_mistake_it_lists_what_it_tried_and_what_to_check() {
    let signature = aggregation("nobody knows this one", BODY);
    let (code, object) = verify(BODY, SECRET, &signature, &[]);
    assert_eq!(code, 1);
    assert_eq!(object["mistakes"], serde_json::json!([]));
    assert!(object["tried"].as_array().unwrap().len() > 60);
    let output = dev(&["verify", "-", "--signature", &signature], BODY.as_bytes(), Some(SECRET.as_bytes()), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Tried") && text.contains("body-byte-order-mark") && text.contains("Check next"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line, "error: the signature does not match: no known mistake explains it\n");
}

#[test]
fn a_large_body_ends_the_search_early() {
    let body = format!(
        r#"{{"ResponseType":"KYC","Accounts":[{}1]}}"#,
        r#"{"Title":"Chéquing","Balance":1.50},"#.repeat(12_000)
    );
    let signature = aggregation("nobody knows this one", &body);
    let started = std::time::Instant::now();
    let output =
        dev(&["verify", "-", "--json", "--signature", &signature], body.as_bytes(), Some(SECRET.as_bytes()), &[]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["cutShort"], true);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    // It still finds a single mistake.
    finds(&["json-pretty-2"], &body, SECRET, &aggregation(SECRET, pretty(&body)), &[]);
    let one_name = body.replacen("{", r#"{"a":1,"b":2,"c":3,"d":4,"#, 1);
    let signature = aggregation(SECRET, one_name.replace(r#""d":4"#, r#""d":4.00"#));
    finds(&["json-numbers-lengthened"], &one_name, SECRET, &signature, &[]);
}

/// Indents a body with two spaces for each level. The body must be an object with a list of objects.
fn pretty(body: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for character in body.chars() {
        let line = |text: &mut String, depth: usize| text.push_str(&format!("\n{}", "  ".repeat(depth)));
        match character {
            '{' | '[' => {
                depth += 1;
                text.push(character);
                line(&mut text, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ => text.push(character),
        }
    }
    text
}

#[test]
fn show_expected_prints_the_correct_signature() {
    let output = dev(
        &["verify", "-", "--signature", "x", "--show-expected", "--json"],
        BODY.as_bytes(),
        Some(SECRET.as_bytes()),
        &[],
    );
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["expected"][0]["value"], aggregation(SECRET, BODY));
    assert_eq!(object["expected"][1]["form"], "ascii");
}

#[test]
fn sign_prints_the_header() {
    let sign = |more: &[&str]| {
        let arguments = [&["sign", "-"], more].concat();
        let output = dev(&arguments, BODY.as_bytes(), Some(format!("{SECRET}\n").as_bytes()), &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(sign(&[]), format!("flinks-authenticity-key: {}\n", aggregation(SECRET, BODY)));
    let ascii = BODY.replace('é', "?").replace('😀', "??");
    assert_eq!(sign(&["--form", "ascii"]), format!("flinks-authenticity-key: {}\n", aggregation(SECRET, ascii)));
    let pay = format!("sha256={}", hex::encode_upper(hmac(SECRET, BODY)));
    assert_eq!(sign(&["--scheme", "pay"]), format!("X-Webhook-Signature: {pay}\n"));
    let object: Value = serde_json::from_str(&sign(&["--scheme", "pay", "--json"])).unwrap();
    assert_eq!(object["value"], pay);
}

#[test]
fn sign_accepts_a_body_and_a_secret_that_are_not_text() {
    let body = file(b"\xff\xfe");
    let output = dev(&["sign", body.to_str().unwrap()], b"", Some(b"\x80\xff"), &[]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line, format!("flinks-authenticity-key: {}\n", aggregation(b"\x80\xff", b"\xff\xfe")));
}

#[test]
fn wrong_arguments_give_one_line_and_exit_code_2() {
    let secret = Some(SECRET.as_bytes());
    let signature = aggregation(SECRET, BODY);
    let verify = ["verify", "-", "--signature", &signature];
    for (arguments, body, secret, expected) in [
        (&["sign", "no-such-file.json"][..], "", secret, "cannot read the body from no-such-file.json"),
        (
            &["verify", "no-such-file.json", "--signature", "x"],
            "",
            secret,
            "cannot read the body from no-such-file.json",
        ),
        (&["sign", "-"], BODY, None, "no secret: give --secret-file FILE"),
        (&["sign", "-", "--scheme", "pay"], BODY, None, "FLINKS_PAY_SIGNING_SECRET"),
        (&verify, BODY, None, "no secret: give --secret-file FILE"),
        (&["sign", "-"], BODY, Some(&b"\n"[..]), "the secret is empty"),
        (&["sign", "-", "--secret-file", "no-such-secret"], BODY, None, "cannot read the secret from no-such-secret"),
        (&["sign", "-", "--form", "ascii", "--scheme", "pay"], BODY, secret, "the Pay scheme has no ASCII encoding"),
    ] {
        let output = dev(arguments, body.as_bytes(), secret, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
        assert!(output.stdout.is_empty());
    }
    let output = dev(&["verify", "-"], b"", secret, &[]);
    assert_eq!(output.status.code(), Some(2), "an argument is missing");
}
