//! An error of a service, independent of the service's wire format.

use std::borrow::Cow;

use hyper::StatusCode;

/// Why a service rejects a request.
#[derive(Debug)]
pub(crate) struct ServiceError {
    pub(crate) status: StatusCode,
    /// The code that clients match on, as the service's documentation spells it.
    pub(crate) code: Cow<'static, str>,
    /// The message for people.
    pub(crate) message: String,
}

impl ServiceError {
    /// A 400, the status of nearly every error.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> ServiceError {
        ServiceError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn other_service() -> ServiceError {
        ServiceError::bad_request("UnknownOperationException", "The operation belongs to another service.")
    }

    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> ServiceError {
        ServiceError { status, code: code.into(), message: message.into() }
    }
}
