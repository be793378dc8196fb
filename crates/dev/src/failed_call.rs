//! What to print for a call to AWS that failed.

use std::error::Error;

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::{
    failure::Failure,
    transport::{self, HANDSHAKE_BROKEN_OFF, HTTP_BROKEN_OFF},
};

/// Why a call failed, in one line: AWS's code and message, or what became of the connection.
pub fn reason<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.to_owned(),
        (None, _) => match (error, error.raw_response()) {
            // A proxy's, or of another server altogether.
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), Some(answer)) => {
                format!("the answer, HTTP {}, is none of AWS's own", answer.status().as_u16())
            }
            _ => transport::cause(error),
        },
    }
}

/// The failure of a command that got no further. `local` is the endpoint, if it is not AWS.
pub fn failure<E>(what: &str, local: Option<&str>, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, local) {
        (SdkError::DispatchFailure(_), Some(endpoint)) if transport::was_answered(error) => {
            let broken_off = if endpoint.starts_with("https:") { HANDSHAKE_BROKEN_OFF } else { HTTP_BROKEN_OFF };
            let why = transport::misunderstanding(error).unwrap_or_else(|| broken_off.to_owned());
            Failure::usage(format!("no AWS is reached at {endpoint}: {why}. Give another --endpoint URL"))
        }
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), Some(endpoint)) => Failure::usage(format!(
            "nobody answers at {endpoint}: start `cargo dev up`, or give --endpoint URL or --stack NAME"
        )),
        // The likeliest: the receiver's own port.
        (SdkError::ServiceError(_), Some(endpoint)) if error.code().is_none() => {
            Failure::usage(format!("what answers at {endpoint} is no AWS, local or other: give another --endpoint URL"))
        }
        (SdkError::ServiceError(_), _) => Failure::usage(format!("cannot {what}: {}", reason(error))),
        (SdkError::ResponseError(_), Some(endpoint)) => {
            Failure::usage(format!("what answers at {endpoint} is no AWS, local or other: give another --endpoint URL"))
        }
        _ => Failure::usage(format!("cannot {what}, AWS was not reached: {}", reason(error))),
    }
}
