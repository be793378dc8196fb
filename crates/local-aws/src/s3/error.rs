//! S3's errors and their wire format.

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::response;
use crate::error::ServiceError;
use crate::wire::{Call, Response};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    code: &'a str,
    message: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
}

/// The response to HEAD has no body, so only its status names the error.
pub(crate) fn error_response(error: &ServiceError, call: &Call) -> Response {
    if call.method == Method::HEAD {
        return response::empty(error.status);
    }
    let document = Document {
        code: &error.code,
        message: &error.message,
        resource: call.uri.path(),
        condition: (error.status == StatusCode::PRECONDITION_FAILED).then_some("If-None-Match"),
    };
    response::xml(error.status, "Error", &document)
}

pub(super) fn no_bucket() -> ServiceError {
    ServiceError::new(StatusCode::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist")
}

pub(super) fn no_key() -> ServiceError {
    ServiceError::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}

pub(super) fn not_implemented() -> ServiceError {
    ServiceError::new(
        StatusCode::NOT_IMPLEMENTED,
        "NotImplemented",
        "A header or parameter you provided implies functionality that is not served here.",
    )
}

pub(super) fn bad_digest(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("BadDigest", message)
}

pub(super) fn invalid_request(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("InvalidRequest", message)
}

pub(super) fn incomplete_body() -> ServiceError {
    ServiceError::bad_request("IncompleteBody", "The request body terminated unexpectedly")
}
