//! The AWS JSON protocol, versions 1.0 (SQS) and 1.1 (Secrets Manager, Systems Manager).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::wire::{Call, Response};

const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// Reads the parameters of a request. Fails with `SerializationException`, as the services do.
pub(crate) fn parameters<T: DeserializeOwned>(call: &Call) -> Result<T, ServiceError> {
    serde_json::from_slice(&call.body)
        .map_err(|error| ServiceError::bad_request("SerializationException", error.to_string()))
}

pub(crate) fn response_1_0(value: Value) -> Response {
    to_response(&value, JSON_1_0)
}

pub(crate) fn response_1_1(value: Value) -> Response {
    to_response(&value, JSON_1_1)
}

/// An error of a service of version 1.1.
pub(crate) fn error_response_1_1(error: &ServiceError) -> Response {
    let mut response = response_1_1(json!({ "__type": error.code, "Message": error.message }));
    *response.status_mut() = error.status;
    if let Ok(code) = HeaderValue::try_from(error.code.as_ref()) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn to_response(value: &Value, content_type: HeaderValue) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
