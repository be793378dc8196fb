//! The response to the sender: a status and a short text, and nothing about the cause.

use http::{HeaderValue, header::CONTENT_TYPE};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;

use crate::rejection::Rejection;

/// The response to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// 200: SQS or S3 has the payload.
    Stored,
    /// 400: the event is not an HTTP request, or its body is marked as base64 and is not.
    BadRequest,
    /// 401: the signature is missing, malformed or wrong.
    Unauthorized,
    /// 403: the sender's IP address is not on the allow-list.
    Forbidden,
    /// 503: the sender should retry.
    Unavailable,
}

impl Response {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Stored => 200,
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    /// The JSON body.
    pub fn body(self) -> &'static str {
        match self {
            Self::Stored => r#"{"status":"stored"}"#,
            Self::BadRequest => r#"{"error":"bad request"}"#,
            Self::Unauthorized => r#"{"error":"unauthorized"}"#,
            Self::Forbidden => r#"{"error":"forbidden"}"#,
            Self::Unavailable => r#"{"error":"unavailable"}"#,
        }
    }

    /// What API Gateway takes.
    pub fn to_gateway(self) -> ApiGatewayV2httpResponse {
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = self.status().into();
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.body = Some(self.body().into());
        response
    }
}

impl From<Rejection> for Response {
    /// All signature errors get the same response, so that a forger does not learn which one it was.
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotHttp | Rejection::NotBase64 => Self::BadRequest,
            Rejection::SourceNotAllowed => Self::Forbidden,
            Rejection::SignatureMissing | Rejection::SignatureMalformed | Rejection::SignatureWrong => {
                Self::Unauthorized
            }
            Rejection::NoKeys | Rejection::NotStored | Rejection::Fault => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_does_not_say_what_is_wrong_with_a_signature() {
        for rejection in [Rejection::SignatureMissing, Rejection::SignatureMalformed, Rejection::SignatureWrong] {
            assert_eq!(Response::from(rejection), Response::Unauthorized);
        }
    }
}
