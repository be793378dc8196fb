//! Responses without a body and responses in XML.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::wire::Response;

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

pub(super) fn xml<T: Serialize>(status: StatusCode, root: &str, value: &T) -> Response {
    // Serialising fails only for values that XML cannot hold. These are flat structures of text.
    let Ok(document) = quick_xml::se::to_string_with_root(root, value) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}");
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
