//! A function's response as API Gateway reads it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// What API Gateway sends back to the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// 100 to 599.
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Decoded, when the function said that it is base64.
    pub body: Vec<u8>,
}

/// Reads a function's response as payload format 2.0.
///
/// JSON without a `statusCode` is the body itself, under 200 and `application/json`. Keys other
/// than `statusCode`, `headers`, `body` and `isBase64Encoded` are not read: `cookies` neither.
///
/// # Errors
///
/// When API Gateway could not make an HTTP response of it. The sender then gets a 500 with a body of API Gateway's own.
pub fn response(bytes: &[u8]) -> Result<HttpResponse, ResponseError> {
    let answer: Value = serde_json::from_slice(bytes).map_err(ResponseError::Json)?;
    if answer.get("statusCode").is_none() {
        return Ok(HttpResponse {
            status: 200,
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: bytes.to_vec(),
        });
    }
    let answer: Answer = serde_json::from_value(answer).map_err(ResponseError::Json)?;
    if !(100..=599).contains(&answer.status_code) {
        return Err(ResponseError::Status(answer.status_code));
    }
    let body = answer.body.unwrap_or_default();
    Ok(HttpResponse {
        status: answer.status_code,
        headers: lower_case(answer.headers.unwrap_or_default()),
        body: match answer.is_base64_encoded {
            Some(true) => BASE64_STANDARD.decode(body).map_err(ResponseError::Base64)?,
            Some(false) | None => body.into_bytes(),
        },
    })
}

/// Why a function's response is no HTTP response.
#[derive(Debug)]
pub enum ResponseError {
    /// Not JSON, or a field of another type than payload format 2.0 has.
    Json(serde_json::Error),
    /// A `statusCode` that HTTP does not have.
    Status(u16),
    /// `isBase64Encoded` is true and the body is not base64.
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

/// A key that is null counts as a key that is not there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
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
    fn text_is_taken_as_it_is_and_header_names_in_lower_case() {
        let answer = br#"{"statusCode":401,"headers":{"Retry-After":"1"},"body":"YQ=="}"#;
        let expected = HttpResponse {
            status: 401,
            headers: BTreeMap::from([("retry-after".into(), "1".into())]),
            body: b"YQ==".to_vec(),
        };
        assert_eq!(response(answer).unwrap(), expected);
    }

    #[test]
    fn base64_is_decoded_when_the_flag_says_so() {
        let answer = br#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#;
        assert_eq!(response(answer).unwrap().body, b"\xff");
    }

    #[test]
    fn json_without_a_status_is_the_body() {
        for answer in [r#"{"a":1}"#, "null", "[]", r#""text""#] {
            let expected = HttpResponse {
                status: 200,
                headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
                body: answer.into(),
            };
            assert_eq!(response(answer.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_response_says_why() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "the response is not of payload format 2.0"),
            (b"\xff", "the response is not of payload format 2.0"),
            (br#"{"statusCode":"200"}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":70000}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":200,"body":{}}"#, "the response is not of payload format 2.0"),
            (br#"{"statusCode":99}"#, "the response's statusCode is 99"),
            (br#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, "the response's body is not base64"),
        ];
        for (answer, reason) in cases {
            assert_eq!(response(answer).unwrap_err().to_string(), reason);
        }
    }
}
