//! The request and response types that all services share.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::{HeaderMap, Method, Request, Uri};

pub(crate) type Response = hyper::Response<Full<Bytes>>;

/// The header with the request id, for all services except S3.
pub(crate) const REQUEST_ID: &str = "x-amzn-requestid";

/// A request with its whole body.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// Fails when the body ends early.
    pub(crate) async fn read<B: Body>(request: Request<B>) -> Result<Call, B::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Call { method: head.method, uri: head.uri, headers: head.headers, body })
    }

    /// The value of a header. `None` if absent or not visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a page in a browser sent the request. Browsers add these headers, SDKs do not.
    pub(crate) fn is_from_browser(&self) -> bool {
        ["origin", "sec-fetch-site"].iter().any(|name| self.headers.contains_key(*name))
    }
}
