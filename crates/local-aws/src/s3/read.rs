//! GetObject and HeadObject.

use http_body_util::Full;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};

use super::error::{no_key, not_implemented};
use super::path::Path;
use super::store::{S3, StoredObject};
use super::write::{insert, insert_checksums};
use crate::error::ServiceError;
use crate::wire::{Answer, Call};

/// Headers with which S3 would return a part of the object, or none of it.
const CONDITIONS: [&str; 5] = ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// What S3 says of an object that was put without a media type.
const DEFAULT_TYPE: &str = "binary/octet-stream";

impl S3 {
    /// Whole objects only. The response to HEAD is the same without the body.
    pub(super) fn get_object(&self, path: &Path, call: &Call) -> Result<Answer, ServiceError> {
        if CONDITIONS.iter().any(|name| call.header(name).is_some()) {
            return Err(not_implemented());
        }
        let object = self.with_bucket(path, |bucket| bucket.get(&path.key).cloned().ok_or_else(no_key))?;
        let mut answer = described(&object)?;
        let mode = call.header("x-amz-checksum-mode");
        if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
            insert_checksums(&mut answer, &object)?;
        }
        if call.method != Method::HEAD {
            *answer.body_mut() = Full::new(object.body);
        }
        Ok(answer)
    }
}

fn described(object: &StoredObject) -> Result<Answer, ServiceError> {
    let mut answer = Answer::default();
    let content_type = object.content_type.as_deref().unwrap_or(DEFAULT_TYPE);
    insert(&mut answer, CONTENT_TYPE, content_type)?;
    insert(&mut answer, CONTENT_LENGTH, &object.body.len().to_string())?;
    insert(&mut answer, ETAG, &object.etag)?;
    let modified = httpdate::fmt_http_date(object.modified);
    insert(&mut answer, LAST_MODIFIED, &modified)?;
    for (name, value) in &object.metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
        if let Ok(name) = name {
            insert(&mut answer, name, value)?;
        }
    }
    Ok(answer)
}
