//! GetObject and HeadObject.

use http_body_util::Full;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};

use super::error::{no_key, not_implemented};
use super::path::Path;
use super::store::{S3, StoredObject};
use super::write::{insert, insert_checksums};
use crate::error::ServiceError;
use crate::wire::{Call, Response};

/// Headers that would make S3 return only a part of the object, or nothing.
const CONDITIONS: [&str; 5] = ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// The media type of an object that was put without one.
const DEFAULT_TYPE: &str = "binary/octet-stream";

impl S3 {
    /// Returns whole objects only. The response to HEAD is the same without the body.
    pub(super) fn get_object(&self, path: &Path, call: &Call) -> Result<Response, ServiceError> {
        if CONDITIONS.iter().any(|name| call.header(name).is_some()) {
            return Err(not_implemented());
        }
        let object = self.with_bucket(path, |bucket| bucket.get(&path.key).cloned().ok_or_else(no_key))?;
        let mut response = described(&object)?;
        let mode = call.header("x-amz-checksum-mode");
        if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
            insert_checksums(&mut response, &object)?;
        }
        if call.method != Method::HEAD {
            *response.body_mut() = Full::new(object.body);
        }
        Ok(response)
    }
}

fn described(object: &StoredObject) -> Result<Response, ServiceError> {
    let mut response = Response::default();
    let content_type = object.content_type.as_deref().unwrap_or(DEFAULT_TYPE);
    insert(&mut response, CONTENT_TYPE, content_type)?;
    insert(&mut response, CONTENT_LENGTH, &object.body.len().to_string())?;
    insert(&mut response, ETAG, &object.etag)?;
    let modified = httpdate::fmt_http_date(object.modified);
    insert(&mut response, LAST_MODIFIED, &modified)?;
    for (name, value) in &object.metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
        if let Ok(name) = name {
            insert(&mut response, name, value)?;
        }
    }
    Ok(response)
}
