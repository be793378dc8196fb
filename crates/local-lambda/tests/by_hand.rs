//! Each rule of the Lambda Runtime API, with handwritten requests.
//!
//! These tests are separate from those that start processes. If a socket is closed while another thread forks, it stays
//! open until the child's exec, and here it matters when a connection ends.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper's failure is its test's, though clippy knows only the test functions"
)]

use std::collections::HashMap;
use std::time::Duration;

use local_lambda::{Outcome, RuntimeApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const REPORT: &[u8] = br#"{"errorType":"T","errorMessage":"m"}"#;
/// A connection that stays open this long is assumed to wait.
const WAITS: Duration = Duration::from_millis(50);

struct Response {
    status: u16,
    /// By lower-case name.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

async fn connect(runtime: &RuntimeApi, method: &str, path: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: local\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

async fn send(runtime: &RuntimeApi, method: &str, path: &str, body: &[u8]) -> Response {
    let mut bytes = Vec::new();
    connect(runtime, method, path, body).await.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (status_line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
    Response {
        status: status_line.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

async fn next(runtime: &RuntimeApi) -> Response {
    send(runtime, "GET", NEXT, b"").await
}

async fn post(runtime: &RuntimeApi, request_id: &str, what: &str, body: &[u8]) -> u16 {
    let path = format!("/2018-06-01/runtime/invocation/{request_id}/{what}");
    send(runtime, "POST", &path, body).await.status
}

/// Takes one event, responds to it with `response`, and returns the event.
async fn work(runtime: &RuntimeApi, response: &[u8]) -> Vec<u8> {
    let event = next(runtime).await;
    let request_id = &event.headers["lambda-runtime-aws-request-id"];
    assert_eq!(post(runtime, request_id, "response", response).await, 202);
    event.body
}

fn init_error() -> Outcome {
    Outcome::InitError { error_type: "T".to_owned(), error_message: "m".to_owned() }
}

#[tokio::test]
async fn an_event_arrives_unchanged_with_its_headers() {
    let runtime = RuntimeApi::start().await.unwrap();
    let request_id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let invoke = runtime.invoke_with_request_id(request_id, &b"\xff\0 not JSON"[..]);
    let poll = async {
        let event = next(&runtime).await;
        let id = &event.headers["lambda-runtime-aws-request-id"];
        assert_eq!(post(&runtime, id, "response", b"\xfe").await, 202);
        event
    };
    let (outcome, event) = tokio::join!(invoke, poll);

    assert_eq!(outcome, Outcome::Response(b"\xfe"[..].into()));
    assert_eq!((event.status, &event.body[..]), (200, &b"\xff\0 not JSON"[..]));
    assert_eq!(event.headers["content-type"], "application/json");
    assert_eq!(event.headers["lambda-runtime-aws-request-id"], request_id.to_string());
    assert_eq!(
        event.headers["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:us-east-1:123456789012:function:local"
    );
    let trace_id = &event.headers["lambda-runtime-trace-id"];
    assert!(trace_id.starts_with("Root=1-"), "{trace_id}");
    assert!(trace_id.ends_with("-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0"), "{trace_id}");
    let deadline_ms: u64 = event.headers["lambda-runtime-deadline-ms"].parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((1..=15_000).contains(&(deadline_ms - now.as_millis() as u64)));
}

#[tokio::test]
async fn the_deadline_follows_the_timeout_that_the_caller_sets() {
    let runtime = RuntimeApi::start().await.unwrap();
    runtime.set_timeout(Duration::from_secs(3_600));
    let poll = async {
        let event = next(&runtime).await;
        post(&runtime, &event.headers["lambda-runtime-aws-request-id"], "response", b"{}").await;
        event
    };
    let (_, event) = tokio::join!(runtime.invoke("{}"), poll);
    let deadline_ms: u64 = event.headers["lambda-runtime-deadline-ms"].parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((1_800_000..=3_600_000).contains(&(deadline_ms - now.as_millis() as u64)));
}

#[tokio::test]
async fn events_are_delivered_in_their_order() {
    let runtime = RuntimeApi::start().await.unwrap();
    let poll = async { [work(&runtime, b"1").await, work(&runtime, b"2").await] };
    let (first, second, events) = tokio::join!(runtime.invoke("a"), runtime.invoke("b"), poll);
    assert_eq!(events, [b"a", b"b"]);
    assert_eq!(first, Outcome::Response("1".into()));
    assert_eq!(second, Outcome::Response("2".into()));
}

#[tokio::test]
async fn two_events_can_run_at_once_and_finish_in_any_order() {
    let runtime = RuntimeApi::start().await.unwrap();
    let (first_id, second_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let poll = async {
        next(&runtime).await;
        next(&runtime).await;
        post(&runtime, &second_id.to_string(), "response", b"2").await;
        post(&runtime, &first_id.to_string(), "response", b"1").await;
    };
    let (first, second, ()) = tokio::join!(
        runtime.invoke_with_request_id(first_id, "a"),
        runtime.invoke_with_request_id(second_id, "b"),
        poll
    );
    assert_eq!(first, Outcome::Response("1".into()));
    assert_eq!(second, Outcome::Response("2".into()));
}

#[tokio::test]
async fn the_first_poll_is_seen_and_waits_for_an_event() {
    let runtime = RuntimeApi::start().await.unwrap();
    assert!(timeout(WAITS, runtime.first_poll()).await.is_err());

    let mut poller = connect(&runtime, "GET", NEXT, b"").await;
    runtime.first_poll().await;
    assert!(timeout(WAITS, poller.read_u8()).await.is_err());
    // A poll that was seen once stays seen.
    runtime.first_poll().await;
}

#[tokio::test]
async fn a_poller_that_disconnects_loses_no_event() {
    let runtime = RuntimeApi::start().await.unwrap();
    // Many repetitions, with an event right after the closed connection, to reveal a race.
    for round in 0..90 {
        let gone = connect(&runtime, "GET", NEXT, b"").await;
        // The poller goes before it is served, about then, or while it waits.
        tokio::time::sleep(Duration::from_millis(round % 3)).await;
        drop(gone);
        let (outcome, event) = tokio::join!(runtime.invoke("a"), work(&runtime, b"1"));
        assert_eq!((outcome, &event[..]), (Outcome::Response("1".into()), &b"a"[..]));
    }
}

#[tokio::test]
async fn a_caller_that_stops_waiting_withdraws_its_event() {
    let runtime = RuntimeApi::start().await.unwrap();
    assert!(timeout(WAITS, runtime.invoke("withdrawn")).await.is_err());
    let (_, event) = tokio::join!(runtime.invoke("a"), work(&runtime, b"1"));
    assert_eq!(event, b"a");
}

#[tokio::test]
async fn a_posted_error_is_the_outcome() {
    let runtime = RuntimeApi::start().await.unwrap();
    let request_id = Uuid::from_u128(1);
    let poll = async {
        next(&runtime).await;
        post(&runtime, &request_id.to_string(), "error", REPORT).await
    };
    let (outcome, status) = tokio::join!(runtime.invoke_with_request_id(request_id, "a"), poll);
    assert_eq!(status, 202);
    assert_eq!(outcome, Outcome::Error { error_type: "T".to_owned(), error_message: "m".to_owned() });
}

#[tokio::test]
async fn a_response_of_more_than_6_291_556_bytes_is_rejected_and_ends_the_invocation() {
    let runtime = RuntimeApi::start().await.unwrap();
    let request_id = Uuid::from_u128(1);
    for (bytes, expected) in [(6_291_556, 202), (6_291_557, 413)] {
        let poll = async {
            next(&runtime).await;
            post(&runtime, &request_id.to_string(), "response", &vec![b'a'; bytes]).await
        };
        let (outcome, status) = tokio::join!(runtime.invoke_with_request_id(request_id, "a"), poll);
        assert_eq!(status, expected);
        assert_eq!(matches!(outcome, Outcome::Response(_)), expected == 202);
    }
}

#[tokio::test]
async fn an_init_error_ends_the_waiting_invocations() {
    let runtime = RuntimeApi::start().await.unwrap();
    let report = async { send(&runtime, "POST", INIT_ERROR, REPORT).await.status };
    let (first, second, status) = tokio::join!(runtime.invoke("a"), runtime.invoke("b"), report);
    assert_eq!((first, second, status), (init_error(), init_error(), 202));
}

#[tokio::test]
async fn an_init_error_without_a_waiting_caller_ends_only_the_next_invocation() {
    let runtime = RuntimeApi::start().await.unwrap();
    send(&runtime, "POST", INIT_ERROR, REPORT).await;
    assert_eq!(runtime.invoke("a").await, init_error());
    let (outcome, _) = tokio::join!(runtime.invoke("b"), work(&runtime, b"1"));
    assert_eq!(outcome, Outcome::Response("1".into()));
}

#[tokio::test]
async fn an_init_error_is_forgotten_once_a_function_polls() {
    let runtime = RuntimeApi::start().await.unwrap();
    send(&runtime, "POST", INIT_ERROR, REPORT).await;
    let _poller = connect(&runtime, "GET", NEXT, b"").await;
    runtime.first_poll().await;
    assert!(timeout(WAITS, runtime.invoke("a")).await.is_err());
}

#[tokio::test]
async fn the_id_of_no_running_invocation_is_rejected() {
    let runtime = RuntimeApi::start().await.unwrap();
    assert_eq!(post(&runtime, &Uuid::from_u128(1).to_string(), "response", b"").await, 400);
    assert_eq!(post(&runtime, "not-an-id", "error", b"").await, 400);
}

#[tokio::test]
async fn an_invocation_gets_one_response() {
    let runtime = RuntimeApi::start().await.unwrap();
    let request_id = Uuid::from_u128(1);
    tokio::join!(runtime.invoke_with_request_id(request_id, "a"), work(&runtime, b"1"));
    assert_eq!(post(&runtime, &request_id.to_string(), "response", b"2").await, 400);
}

#[tokio::test]
async fn a_reused_request_id_gives_the_first_caller_an_error() {
    let runtime = RuntimeApi::start().await.unwrap();
    let request_id = Uuid::from_u128(1);
    let poll = async {
        next(&runtime).await;
        work(&runtime, b"1").await
    };
    let (first, second, _) = tokio::join!(
        runtime.invoke_with_request_id(request_id, "a"),
        runtime.invoke_with_request_id(request_id, "b"),
        poll
    );
    assert!(matches!(first, Outcome::Error { .. }), "{first:?}");
    assert_eq!(second, Outcome::Response("1".into()));
}

#[tokio::test]
async fn any_other_path_or_method_is_not_found() {
    let runtime = RuntimeApi::start().await.unwrap();
    assert_eq!(send(&runtime, "POST", NEXT, b"").await.status, 404);
    assert_eq!(send(&runtime, "GET", "/2015-03-31/runtime/invocation/next", b"").await.status, 404);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_a_poll_and_closes_the_port() {
    let runtime = RuntimeApi::start().await.unwrap();
    let address = runtime.address();
    let mut poller = connect(&runtime, "GET", NEXT, b"").await;
    runtime.first_poll().await;
    drop(runtime.clone());
    assert!(timeout(WAITS, poller.readable()).await.is_err());

    drop(runtime);
    let mut rest = Vec::new();
    poller.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}
