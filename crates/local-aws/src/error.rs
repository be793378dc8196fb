//! A refusal, before it takes the wire form of its service.

use std::borrow::Cow;

use hyper::StatusCode;

/// What a service says when it does not do what was asked.
#[derive(Debug)]
pub(crate) struct ServiceError {
    pub(crate) status: StatusCode,
    /// The code that clients match on, as the service's documentation spells it.
    pub(crate) code: Cow<'static, str>,
    /// For people.
    pub(crate) message: String,
}

impl ServiceError {
    /// A 400, the status of nearly every refusal.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> ServiceError {
        ServiceError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> ServiceError {
        ServiceError { status, code: code.into(), message: message.into() }
    }
}
