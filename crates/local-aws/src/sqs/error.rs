//! SQS's errors and their wire format.
//!
//! Each error has two names: the shape in the JSON protocol (`__type`) and the code in the older query protocol
//! (`x-amzn-query-error`). SDKs report the latter as the error's code.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;

use crate::error::ServiceError;
use crate::wire::Response;

const PREFIX: &str = "AWS.SimpleQueueService.";

pub(crate) fn error_response(error: &ServiceError) -> Response {
    let body = json!({ "__type": shape(&error.code), "message": error.message });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(CONTENT_TYPE, content_type);
    let fault = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    if let Ok(code) = HeaderValue::try_from(format!("{};{fault}", error.code)) {
        headers.insert("x-amzn-query-error", code);
    }
    response
}

/// Errors that are not in the service's model belong to AWS's framework.
fn shape(code: &str) -> String {
    match code {
        "AWS.SimpleQueueService.NonExistentQueue" => "com.amazonaws.sqs#QueueDoesNotExist".into(),
        "QueueAlreadyExists" => "com.amazonaws.sqs#QueueNameExists".into(),
        "MissingParameter" => "com.amazon.coral.service#MissingRequiredParameterException".into(),
        "InvalidParameterValue" | "AccessDenied" => {
            format!("com.amazon.coral.service#{code}Exception")
        }
        "InternalFailure" | "SerializationException" | "UnknownOperationException" => {
            format!("com.amazon.coral.service#{code}")
        }
        _ => {
            let name = code.strip_prefix(PREFIX).unwrap_or(code);
            format!("com.amazonaws.sqs#{name}")
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("InvalidParameterValue", message)
}

pub(super) fn missing(parameter: &str) -> ServiceError {
    let message = format!("The request must contain the parameter {parameter}.");
    ServiceError::bad_request("MissingParameter", message)
}

pub(super) fn invalid_contents(message: String) -> ServiceError {
    ServiceError::bad_request("InvalidMessageContents", message)
}

pub(super) fn no_queue() -> ServiceError {
    ServiceError::bad_request("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

pub(super) fn unsupported(message: &str) -> ServiceError {
    ServiceError::bad_request("AWS.SimpleQueueService.UnsupportedOperation", message)
}
