//! The query protocol: a form whose `Action` names the operation, and a response in XML. Older clients of SQS and
//! CloudWatch still use it. They get an error that they can read and show.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::error::ServiceError;
use crate::wire::{Call, REQUEST_ID, Response};

/// `Version` of SQS's query API.
const SQS: &str = "2012-11-05";
/// `Version` of CloudWatch's.
const CLOUDWATCH: &str = "2010-08-01";

/// Whether a request uses this protocol, as a form in the body or in the query of its URL.
pub(crate) fn is_used_by(call: &Call) -> bool {
    matches!(call.method, Method::GET | Method::POST)
        && parameter(call, "Action").is_some()
        && parameter(call, "Version").is_some()
}

/// The error for every request: it says what the client has to do instead.
pub(crate) fn unsupported(call: &Call) -> ServiceError {
    match parameter(call, "Version").as_deref() {
        Some(SQS) => ServiceError::bad_request(
            "AWS.SimpleQueueService.UnsupportedOperation",
            "For SQS this local AWS supports only the AWS JSON protocol, but the client uses the older query protocol. \
             Use a newer AWS SDK or AWS CLI, from November 2023 or later, which uses AWS JSON.",
        ),
        Some(CLOUDWATCH) => ServiceError::bad_request(
            "InvalidAction",
            "For CloudWatch this local AWS supports only the RPC v2 CBOR protocol, but the client uses the older query \
             protocol. Use a newer AWS SDK or AWS CLI, which uses RPC v2 CBOR.",
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
pub(crate) fn error_response(error: &ServiceError) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let r#type = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    let response =
        ErrorResponse { error: Error { r#type, code: &error.code, message: &error.message }, request_id: &id };
    // Serialising fails only for values that XML cannot hold. These are flat structures of text.
    let (status, document) = match quick_xml::se::to_string_with_root("ErrorResponse", &response) {
        Ok(document) => (error.status, format!("<?xml version=\"1.0\"?>{document}")),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The first parameter with this name, in the URL or in a form.
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
