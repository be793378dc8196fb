//! The SDK's errors as [`AwsError`]s.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::{DateTime, date_time::Format};

use crate::aws_error::{AwsError, Operation, Reason};

/// An SDK's error without its message, which can quote the request.
pub(super) fn aws_error<E: ProvideErrorMetadata>(operation: Operation, error: &SdkError<E, HttpResponse>) -> AwsError {
    /// Maximum length of a code or id, in bytes. AWS's own are shorter.
    const MAX_BYTES: usize = 64;
    // Keep only codes such as `AccessDeniedException`, and ids: S3's ids have capitals and digits, all others are hex
    // and hyphens. Any other text may quote the request.
    let code = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let id = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            || word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let legal = |word: &&str, is_legal: fn(&str) -> bool| (1..=MAX_BYTES).contains(&word.len()) && is_legal(word);
    let reason = match error {
        SdkError::ConstructionFailure(_) => Reason::Construction,
        SdkError::TimeoutError(_) => Reason::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Reason::Timeout,
        SdkError::DispatchFailure(_) => Reason::Connection,
        SdkError::ResponseError(_) => Reason::Response,
        _ => Reason::Service,
    };
    AwsError {
        operation,
        reason,
        code: error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
            .filter(|word| legal(word, code))
            .map(str::to_owned),
        status: error.raw_response().map(HttpResponse::status).map(StatusCode::as_u16),
        aws_request_id: error.request_id().filter(|word| legal(word, id)).map(str::to_owned),
        clocks_differ: error.raw_response().is_some_and(|response| clocks_differ(response, SystemTime::now())),
    }
}

/// Whether the time of a response differs so much from `now` that the SDK counts its clock as skewed. It signs the next
/// attempt with the response's time.
pub(super) fn clocks_differ(response: &HttpResponse, now: SystemTime) -> bool {
    const SKEW: Duration = Duration::from_secs(4 * 60);
    let date = response.headers().get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
    let Some(date) = date.and_then(|date| SystemTime::try_from(date).ok()) else { return false };
    let difference = date.duration_since(now).unwrap_or_else(|earlier| earlier.duration());
    difference > SKEW
}
