//! The outcome of an invocation.

use bytes::Bytes;
use serde::Deserialize;

/// What the function posted for one invocation. The types and messages of errors come from the function and may quote
/// the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes posted to `/runtime/invocation/{id}/response`, unchanged.
    Response(Bytes),
    /// A post to `/runtime/invocation/{id}/error`, or a response above Lambda's limit, which has the type
    /// `Function.ResponseSizeTooLarge`.
    Error { error_type: String, error_message: String },
    /// A post to `/runtime/init/error`: the function failed before it polled for an event.
    InitError { error_type: String, error_message: String },
}

/// The two fields of an error post that Lambda passes on. The third field, `stackTrace`, is not read.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror>
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorReport {
    #[serde(rename = "errorType")]
    pub(crate) error_type: String,
    #[serde(rename = "errorMessage")]
    pub(crate) error_message: String,
}

impl ErrorReport {
    /// Reads a posted error. Lambda accepts any body. If it is not an error object, it becomes the message, and the
    /// header `Lambda-Runtime-Function-Error-Type` gives the type.
    pub(crate) fn read(header: Option<&str>, body: &[u8]) -> ErrorReport {
        serde_json::from_slice(body).unwrap_or_else(|_| ErrorReport {
            error_type: header.unwrap_or("Runtime.Unknown").to_owned(),
            error_message: String::from_utf8_lossy(body).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_gives_type_and_message() {
        let body = br#"{"errorType":"T","errorMessage":"m","stackTrace":[]}"#;
        let report = ErrorReport::read(Some("Unhandled"), body);
        assert_eq!((report.error_type, report.error_message), ("T".into(), "m".into()));
    }

    #[test]
    fn any_other_body_is_the_message_and_the_header_the_type() {
        let report = ErrorReport::read(Some("Runtime.Bad"), b"out of luck");
        assert_eq!((report.error_type, report.error_message), ("Runtime.Bad".into(), "out of luck".into()));
    }
}
