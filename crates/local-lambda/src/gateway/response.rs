//! Reads a function's response as API Gateway does.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// The HTTP response that API Gateway sends to the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// 100 to 599.
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Decoded, if the function marked it as base64.
    pub body: Vec<u8>,
}

/// Reads a function's response as payload format 2.0.
///
/// JSON without a `statusCode` is itself the body, with 200 and `application/json`. Keys other than `statusCode`,
/// `headers`, `body` and `isBase64Encoded` are not read, not even `cookies`.
///
/// # Errors
///
/// If API Gateway cannot make an HTTP response of it. The sender then gets a 500 with API Gateway's own body.
pub fn response(bytes: &[u8]) -> Result<HttpResponse, ResponseError> {
    let function_response: Value = serde_json::from_slice(bytes).map_err(ResponseError::Json)?;
    if function_response.get("statusCode").is_none() {
        return Ok(HttpResponse {
            status: 200,
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: bytes.to_vec(),
        });
    }
    let function_response: FunctionResponse = serde_json::from_value(function_response).map_err(ResponseError::Json)?;
    if !(100..=599).contains(&function_response.status_code) {
        return Err(ResponseError::Status(function_response.status_code));
    }
    let body = function_response.body.unwrap_or_default();
    Ok(HttpResponse {
        status: function_response.status_code,
        headers: lower_case(function_response.headers.unwrap_or_default()),
        body: match function_response.is_base64_encoded {
            Some(true) => BASE64_STANDARD.decode(body).map_err(ResponseError::Base64)?,
            Some(false) | None => body.into_bytes(),
        },
    })
}

/// Why a function's response is not an HTTP response.
#[derive(Debug)]
pub enum ResponseError {
    /// Not JSON, or a field has another type than in payload format 2.0.
    Json(serde_json::Error),
    /// A `statusCode` that does not exist in HTTP.
    Status(u16),
    /// `isBase64Encoded` is true, but the body is not base64.
    Base64(base64::DecodeError),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Json(_) => f.write_str("the response is not of payload format 2.0"),
            ResponseError::Status(status) => write!(f, "the response's statusCode is {status}"),
            ResponseError::Base64(_) => f.write_str("the response's body is not base64"),
        }
    }
}

impl Error for ResponseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ResponseError::Json(error) => Some(error),
            ResponseError::Status(_) => None,
            ResponseError::Base64(error) => Some(error),
        }
    }
}

/// A null counts as a missing key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

fn lower_case(headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_alone_is_enough() {
        let expected = HttpResponse { status: 204, headers: BTreeMap::new(), body: vec![] };
        assert_eq!(response(br#"{"statusCode":204}"#).unwrap(), expected);
        let nulls = br#"{"statusCode":204,"headers":null,"body":null,"isBase64Encoded":null}"#;
        assert_eq!(response(nulls).unwrap(), expected);
    }

    #[test]
    fn text_is_unchanged_and_header_names_are_lower_case() {
        let function_response = br#"{"statusCode":401,"headers":{"Retry-After":"1"},"body":"YQ=="}"#;
        let expected = HttpResponse {
            status: 401,
            headers: BTreeMap::from([("retry-after".into(), "1".into())]),
            body: b"YQ==".to_vec(),
        };
        assert_eq!(response(function_response).unwrap(), expected);
    }

    #[test]
    fn base64_is_decoded_when_the_flag_says_so() {
        let function_response = br#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#;
        assert_eq!(response(function_response).unwrap().body, b"\xff");
    }

    #[test]
    fn json_without_a_status_is_the_body() {
        for function_response in [r#"{"a":1}"#, "null", "[]", r#""text""#] {
            let expected = HttpResponse {
                status: 200,
                headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
                body: function_response.into(),
            };
            assert_eq!(response(function_response.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn an_invalid_response_says_why() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "the response is not of payload format 2.0"),
            (b"\xff", "the response is not of payload format 2.0"),
            (br#"{"statusCode":"200"}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":70000}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":200,"body":{}}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":99}"#, "the response's statusCode is 99"),
            (br#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, "the response's body is not base64"),
        ];
        for (function_response, reason) in cases {
            assert_eq!(response(function_response).unwrap_err().to_string(), reason);
        }
    }
}
