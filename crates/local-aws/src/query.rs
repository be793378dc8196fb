//! The query protocol: a form whose `Action` names the operation, and an answer in XML. SQS and CloudWatch spoke it before
//! they spoke what is served here, and their older clients still do. They get an error that they can read and show.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::error::ServiceError;
use crate::wire::{Answer, Call, REQUEST_ID};

/// `Version` of SQS's query API.
const SQS: &str = "2012-11-05";
/// `Version` of CloudWatch's.
const CLOUDWATCH: &str = "2010-08-01";

/// Whether a request speaks this protocol: as a form in the body, or in the query of its URL.
pub(crate) fn is_spoken_by(call: &Call) -> bool {
    matches!(call.method, Method::GET | Method::POST)
        && parameter(call, "Action").is_some()
        && parameter(call, "Version").is_some()
}

/// An error that says what the client has to do: nothing is served over this protocol.
pub(crate) fn unsupported(call: &Call) -> ServiceError {
    match parameter(call, "Version").as_deref() {
        Some(SQS) => ServiceError::bad_request(
            "AWS.SimpleQueueService.UnsupportedOperation",
            "This local AWS speaks SQS's AWS JSON protocol alone, and the client speaks the older query protocol. Use a \
             newer AWS SDK or AWS CLI, from November 2023 or later, which speaks AWS JSON.",
        ),
        Some(CLOUDWATCH) => ServiceError::bad_request(
            "InvalidAction",
            "This local AWS speaks CloudWatch's RPC v2 CBOR protocol alone, and the client speaks the older query \
             protocol. Use a newer AWS SDK or AWS CLI, which speaks RPC v2 CBOR.",
        ),
        _ => ServiceError::bad_request("InvalidAction", "This service is not served here."),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse<'a> {
    error: Error<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Error<'a> {
    r#type: &'a str,
    code: &'a str,
    message: &'a str,
}

/// An error in the format that the SQS developer guide gives ("Interpreting Amazon SQS XML API responses").
pub(crate) fn error_response(error: &ServiceError) -> Answer {
    let id = uuid::Uuid::new_v4().to_string();
    let r#type = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    let response =
        ErrorResponse { error: Error { r#type, code: &error.code, message: &error.message }, request_id: &id };
    // Only a value that XML cannot hold fails, and these are flat structures of text.
    let (status, document) = match quick_xml::se::to_string_with_root("ErrorResponse", &response) {
        Ok(document) => (error.status, format!("<?xml version=\"1.0\"?>{document}")),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    };
    let mut answer = Answer::new(Full::new(Bytes::from(document)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::try_from(id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// The first of this name, in the address or in a form.
fn parameter(call: &Call, name: &str) -> Option<String> {
    let form = (call.method == Method::POST && is_form(call)).then_some(call.body.as_ref());
    let parts = [call.uri.query().map(str::as_bytes), form];
    let mut pairs = parts.into_iter().flatten().flat_map(|part| part.split(|byte| *byte == b'&'));
    pairs.find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(percent_decode_str(str::from_utf8(value).ok()?).decode_utf8_lossy().into_owned())
    })
}

fn is_form(call: &Call) -> bool {
    let content_type = call.header("content-type").and_then(|value| value.split(';').next());
    content_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}
