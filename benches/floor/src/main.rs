//! The floor: the least work that a process could do for a callback. It is not for production: the function is measured
//! against it.
//!
//! It fetches one secret and discards it. For each event it unescapes the body once, hashes it once, makes one request
//! to AWS, and responds 200. It has one thread and blocking sockets, which open at the first use and stay open, and
//! neither an async runtime nor an SDK. It does not verify signatures, sign requests, route, retry or log. A body above
//! 1 MiB becomes an object without a message that points to it.

mod http;

use std::{env, error::Error, io::IoSlice};

use sha2::{Digest, Sha256};

use crate::http::Connection;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A larger body goes to the bucket, because SQS accepts no larger message.
const MAX_MESSAGE_BYTES: usize = 1_048_576;
const RUNTIME_PATH: &str = "/2018-06-01/runtime/invocation";
const RESPONSE: &[u8] = br#"{"statusCode":200}"#;

fn main() -> Result<()> {
    let (queue, bucket) = (env::var("ACCOUNTS_DETAIL_QUEUE_URL")?, env::var("PAYLOAD_BUCKET")?);
    let mut secrets_manager = Connection::open(&env::var("AWS_ENDPOINT_URL_SECRETS_MANAGER")?)?;
    let secret = format!(r#"{{"SecretId":"{}"}}"#, env::var("SIGNING_SECRET_ID")?);
    let target = [("X-Amz-Target", "secretsmanager.GetSecretValue"), ("Content-Type", "application/x-amz-json-1.1")];
    secrets_manager.request("POST", "/", &target, &mut [IoSlice::new(secret.as_bytes())])?.expect_success()?;

    let (mut sqs, mut s3) = (None, None);
    let mut runtime = Connection::open(&format!("http://{}", env::var("AWS_LAMBDA_RUNTIME_API")?))?;
    let (mut body, mut digest) = (Vec::new(), String::new());
    loop {
        let invocation = runtime.request("GET", &format!("{RUNTIME_PATH}/next"), &[], &mut [])?.expect_success()?;
        let id = invocation.header("lambda-runtime-aws-request-id")?.to_owned();
        let literal = unescape_body(invocation.body, &mut body)?;
        digest.clear();
        for byte in Sha256::digest(&body) {
            digest.extend([byte >> 4, byte & 0xF].map(nibble));
        }
        if body.len() > MAX_MESSAGE_BYTES {
            let headers = [("x-amz-content-sha256", digest.as_str())];
            let path = format!("/{bucket}/{digest}/{id}");
            let s3 = connected(&mut s3, "AWS_ENDPOINT_URL_S3")?;
            s3.request("PUT", &path, &headers, &mut [IoSlice::new(&body)])?.expect_success()?;
        } else {
            let before = format!(r#"{{"QueueUrl":"{queue}","MessageGroupId":"{digest}","MessageBody":"#);
            let headers = [("X-Amz-Target", "AmazonSQS.SendMessage"), ("Content-Type", "application/x-amz-json-1.0")];
            let mut message = [before.as_bytes(), literal, b"}"].map(IoSlice::new);
            let sqs = connected(&mut sqs, "AWS_ENDPOINT_URL_SQS")?;
            sqs.request("POST", "/", &headers, &mut message)?.expect_success()?;
        }
        let path = format!("{RUNTIME_PATH}/{id}/response");
        runtime.request("POST", &path, &[], &mut [IoSlice::new(RESPONSE)])?.expect_success()?;
    }
}

/// A digit of a hexadecimal number.
fn nibble(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 })
}

/// The connection to a service, which opens at the first use.
fn connected<'c>(connection: &'c mut Option<Connection>, endpoint: &str) -> Result<&'c mut Connection> {
    match connection {
        Some(open) => Ok(open),
        None => Ok(connection.insert(Connection::open(&env::var(endpoint)?)?)),
    }
}

/// Finds the event's body and unescapes it into `body`. Returns the JSON string unchanged, with its quotes.
fn unescape_body<'e>(event: &'e [u8], body: &mut Vec<u8>) -> Result<&'e [u8]> {
    const KEY: &[u8] = br#""body":"#;
    // Inside a string these quotes would be escaped, so this is a key.
    let key = event.windows(KEY.len()).position(|window| window == KEY).ok_or("an event without a body")?;
    let literal = event.get(key + KEY.len()..).unwrap_or_default();
    let mut rest = literal.strip_prefix(b"\"").ok_or("a body that is not a string")?;
    body.clear();
    loop {
        let run = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or("a body without an end")?;
        let (plain, from_mark) = rest.split_at(run);
        body.extend_from_slice(plain);
        match from_mark {
            [b'\\', b'u', a, b, c, d, after @ ..] => {
                let digits = [*a, *b, *c, *d];
                let code = u32::from_str_radix(str::from_utf8(&digits)?, 16)?;
                let character = char::from_u32(code).ok_or("a surrogate")?;
                body.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            [b'\\', escape, after @ ..] => {
                body.push(match escape {
                    b'b' => 0x08,
                    b'f' => 0x0C,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    literal => *literal,
                });
                rest = after;
            }
            [b'"', after @ ..] => return Ok(literal.get(..literal.len() - after.len()).unwrap_or_default()),
            _ => return Err("a body without an end".into()),
        }
    }
}
