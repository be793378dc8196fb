//! Describes failed AWS calls.

use std::error::Error;

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::{
    failure::Failure,
    transport::{self, CLOSED_CONNECTION, CLOSED_IN_HANDSHAKE},
};

/// Why a call failed, in one line: AWS's code and message, or the problem with the connection.
pub fn reason<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.to_owned(),
        (None, _) => match (error, error.raw_response()) {
            // The response comes from a proxy, or from another server.
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), Some(response)) => {
                format!("the response (HTTP {}) is not from AWS", response.status().as_u16())
            }
            _ => transport::cause(error),
        },
    }
}

/// The failure of a command after this call. `local` is the endpoint, if it is not AWS.
pub fn failure<E>(what: &str, local: Option<&str>, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, local) {
        (SdkError::DispatchFailure(_), Some(endpoint)) if transport::reached_a_server(error) => {
            let closed = if endpoint.starts_with("https:") { CLOSED_IN_HANDSHAKE } else { CLOSED_CONNECTION };
            let why = transport::protocol_problem(error).unwrap_or_else(|| closed.to_owned());
            Failure::usage(format!("cannot reach an AWS at {endpoint}: {why}. Use another --endpoint URL"))
        }
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), Some(endpoint)) => Failure::usage(format!(
            "no server responds at {endpoint}: start `cargo dev up`, or use --endpoint URL or --stack NAME"
        )),
        // The endpoint is most likely the receiver's port.
        (SdkError::ServiceError(_), Some(endpoint)) if error.code().is_none() => {
            Failure::usage(format!("the server at {endpoint} is not an AWS: use another --endpoint URL"))
        }
        (SdkError::ServiceError(_), _) => Failure::usage(format!("cannot {what}: {}", reason(error))),
        (SdkError::ResponseError(_), Some(endpoint)) => {
            Failure::usage(format!("the server at {endpoint} is not an AWS: use another --endpoint URL"))
        }
        _ => Failure::usage(format!("cannot {what}, because AWS could not be reached: {}", reason(error))),
    }
}
