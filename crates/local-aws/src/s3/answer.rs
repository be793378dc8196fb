//! Responses without a body and responses in XML.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::wire::Answer;

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

pub(super) fn xml<T: Serialize>(status: StatusCode, root: &str, value: &T) -> Answer {
    // Only a value that XML cannot hold fails, and those written here are flat structures of text.
    let Ok(document) = quick_xml::se::to_string_with_root(root, value) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}");
    let mut answer = Answer::new(Full::new(Bytes::from(document)));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static("application/xml");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
