//! The Lambda Runtime API's endpoints, version 2018-06-01.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::invocations::Invocations;
use crate::outcome::ErrorReport;
use crate::poller::Poller;
use crate::{Outcome, clock, function};

/// The base path of every endpoint: the API's version and name.
const BASE_PATH: &str = "/2018-06-01/runtime/";

/// The most bytes in a response: 6 MiB, plus the 100 bytes that Lambda adds according to its own error message.
const MAX_RESPONSE_BYTES: usize = 6 * 1024 * 1024 + 100;

/// The pause after a failed accept, for example without a free file descriptor. It keeps the loop from spinning.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// Why a connection is closed.
type Failure = Box<dyn Error + Send + Sync>;
type HttpResult = Result<Response<Full<Bytes>>, Failure>;

/// Serves the Lambda Runtime API until its task is aborted, which also closes every connection.
pub(crate) async fn serve(listener: TcpListener, invocations: Arc<Invocations>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // An error means that the function is gone. Nobody needs the error.
        connections.spawn(converse(stream, Arc::clone(&invocations)));
    }
}

/// Responds to the requests of one connection until either end closes it.
async fn converse(stream: TcpStream, invocations: Arc<Invocations>) -> Result<(), Failure> {
    // Without this, a large event can wait 40 ms for an acknowledgement.
    stream.set_nodelay(true)?;
    let (stream, poller) = Poller::attach(stream)?;
    let service = service_fn(|request| respond(&invocations, &poller, request));
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

async fn respond(invocations: &Invocations, poller: &Poller, request: Request<Incoming>) -> HttpResult {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(BASE_PATH).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    match (&head.method, segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(invocations, poller).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let body = body.collect().await?.to_bytes();
            response(invocations, id, body)
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let ErrorReport { error_type, error_message } = report(&head.headers, body).await?;
            finish(invocations, id, Outcome::Error { error_type, error_message })
        }
        (&Method::POST, ["init", "error"]) => {
            let ErrorReport { error_type, error_message } = report(&head.headers, body).await?;
            invocations.fail_init(&Outcome::InitError { error_type, error_message });
            accepted()
        }
        _ => error_response(StatusCode::NOT_FOUND, "NotFound", "no such endpoint"),
    }
}

async fn next(invocations: &Invocations, poller: &Poller) -> HttpResult {
    let Some((request_id, event)) = invocations.next(|| poller.is_gone()).await else {
        return Err("the poller closed its connection".into());
    };
    let now_ms = clock::now_ms();
    let deadline_ms = now_ms.saturating_add(u64::try_from(invocations.timeout().as_millis()).unwrap_or(u64::MAX));
    let (root, parent) = (request_id.simple().to_string(), request_id.as_u64_pair().1);
    let sampled = u8::from(invocations.traces_are_sampled());
    // X-Ray's format: the start in seconds and 96 bits, both in hexadecimal.
    let trace_id = format!("Root=1-{:08x}-{:.24};Parent={parent:016x};Sampled={sampled}", now_ms / 1000, root);
    let response = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", request_id.to_string())
        .header("Lambda-Runtime-Deadline-Ms", deadline_ms)
        .header("Lambda-Runtime-Invoked-Function-Arn", function::ARN)
        .header("Lambda-Runtime-Trace-Id", trace_id)
        .body(Full::new(event))?;
    Ok(response)
}

/// Reads the whole body before it rejects it. A client that is cut off while it still sends would see a broken
/// connection instead of the 413.
fn response(invocations: &Invocations, id: &str, body: Bytes) -> HttpResult {
    if body.len() <= MAX_RESPONSE_BYTES {
        return finish(invocations, id, Outcome::Response(body));
    }
    let error_type = "Function.ResponseSizeTooLarge";
    let error_message = format!(
        "Response payload size ({} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).",
        body.len()
    );
    let rejected = error_response(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &error_message);
    let outcome = Outcome::Error { error_type: error_type.to_owned(), error_message };
    finish(invocations, id, outcome)?;
    rejected
}

async fn report(headers: &HeaderMap, body: Incoming) -> Result<ErrorReport, hyper::Error> {
    let error_type = headers.get("Lambda-Runtime-Function-Error-Type").and_then(|value| value.to_str().ok());
    let body = body.collect().await?.to_bytes();
    Ok(ErrorReport::read(error_type, &body))
}

fn finish(invocations: &Invocations, id: &str, outcome: Outcome) -> HttpResult {
    let finished = Uuid::try_parse(id).is_ok_and(|id| invocations.finish(id, outcome));
    if !finished {
        return error_response(StatusCode::BAD_REQUEST, "InvalidRequestID", "no such invocation runs");
    }
    accepted()
}

fn accepted() -> HttpResult {
    json(StatusCode::ACCEPTED, serde_json::json!({ "status": "OK" }))
}

fn error_response(status: StatusCode, error_type: &str, error_message: &str) -> HttpResult {
    json(status, serde_json::json!({ "errorType": error_type, "errorMessage": error_message }))
}

fn json(status: StatusCode, body: serde_json::Value) -> HttpResult {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body.to_string().into()))?;
    Ok(response)
}
