//! One call: sends a request and reads the whole response, within the limits.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use crate::failure::Cause;
use crate::limits;
use crate::response::Received;
use crate::transport::{self, Transport};

/// A request, with the header of its credential.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) credential: Option<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// Makes one attempt.
pub(crate) async fn send(transport: &Transport, call: Call) -> Result<Received, Cause> {
    tokio::time::timeout(limits::CALL, exchange(transport, call)).await.unwrap_or(Err(Cause::TimedOut))
}

async fn exchange(transport: &Transport, call: Call) -> Result<Received, Cause> {
    let has_body = call.method == Method::POST;
    let mut request = Request::new(Full::from(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = call.uri;
    if has_body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.headers_mut().extend(call.credential);
    let response = transport(request).await.map_err(|error| transport::cause(&error))?;
    let (head, body) = response.into_parts();
    if body.size_hint().lower() > limits::BODY_BYTES as u64 {
        return Err(Cause::TooLong);
    }
    let body = Limited::new(body, limits::BODY_BYTES)
        .collect()
        .await
        .map_err(|error| if error.is::<LengthLimitError>() { Cause::TooLong } else { Cause::Broken })?;
    Ok(Received { status: head.status.as_u16(), is_json: may_be_json(&head.headers), body: body.to_bytes() })
}

/// Whether the headers allow that the body is JSON. Inferred: a response without a content type may be JSON, because
/// Flinks does not document the header.
fn may_be_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).is_none_or(|value| value.to_str().is_ok_and(is_json_type));
    let is_plain = headers.get(CONTENT_ENCODING).is_none_or(|value| value == "identity");
    content_type && is_plain
}

fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}
