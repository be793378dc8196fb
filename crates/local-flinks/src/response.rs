//! Responses: JSON bodies, errors, and a body that can break off.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

/// The content type of Flinks' responses.
const JSON: &str = "application/json; charset=utf-8";

pub(crate) type Response = hyper::Response<Payload>;

/// What an endpoint responds, and how long it takes.
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) response: Response,
}

impl Reply {
    pub(crate) fn at_once(response: Response) -> Reply {
        Reply { after: Duration::ZERO, response }
    }
}

/// An error as Flinks reports it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    request_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody<'a> {
    flinks_code: &'a str,
    http_status_code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    institution: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: &'static str) -> ApiError {
        ApiError { status, code, message, request_id: None }
    }

    /// An error that the caller of this crate chose.
    pub(crate) fn chosen(status: u16, code: &'static str) -> ApiError {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        ApiError::new(status, code, "The local Flinks was told to respond with this error.")
    }

    pub(crate) fn invalid_request(message: &'static str) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    pub(crate) fn with_request_id(self, request_id: &str) -> ApiError {
        ApiError { request_id: Some(request_id.to_owned()), ..self }
    }

    pub(crate) fn response(&self) -> Response {
        let body = ErrorBody {
            flinks_code: self.code,
            http_status_code: self.status.as_u16(),
            message: self.message,
            request_id: self.request_id.as_deref(),
            institution: "FlinksCapital",
        };
        json(self.status, &body)
    }
}

/// A response with a value as JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Serialisation fails only for maps whose keys are not strings, and there are none here.
    with_body(status, JSON, serde_json::to_vec(body).unwrap_or_default().into())
}

/// A response with JSON that is already text.
pub(crate) fn json_text(status: StatusCode, body: Bytes) -> Response {
    with_body(status, JSON, body)
}

pub(crate) fn with_body(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Payload { data: Some(body), cut: false });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A body that may break off.
pub(crate) struct Payload {
    data: Option<Bytes>,
    /// Whether the connection is reset in the middle of the data.
    cut: bool,
}

impl Payload {
    pub(crate) fn bytes(&self) -> Bytes {
        self.data.clone().unwrap_or_default()
    }

    pub(crate) fn cut(self) -> Payload {
        Payload { cut: true, ..self }
    }

    pub(crate) fn half(self) -> Payload {
        Payload { data: self.data.map(half), cut: false }
    }
}

fn half(mut data: Bytes) -> Bytes {
    data.truncate(data.len() / 2);
    data
}

impl Body for Payload {
    type Data = Bytes;
    type Error = NoResponse;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, NoResponse>>> {
        let frame = match self.data.take() {
            Some(data) if self.cut => Some(Ok(Frame::data(half(data)))),
            Some(data) => Some(Ok(Frame::data(data))),
            None if self.cut => Some(Err(NoResponse::Reset)),
            None => None,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        !self.cut && self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Why a request gets no response, or not all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoResponse {
    /// Reset the connection.
    Reset,
    /// Leave the sender waiting.
    Hang,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoResponse::Reset => "the connection is reset",
            NoResponse::Hang => "there is no response",
        })
    }
}

impl std::error::Error for NoResponse {}
