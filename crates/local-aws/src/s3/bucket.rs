//! What a bucket holds, and the operations on buckets themselves.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};

use super::path::Path;
use super::{S3, answer, error};
use crate::dispatch::Answer;
use crate::error::ServiceError;
use crate::sync::lock;

/// By key.
pub(super) type Bucket = BTreeMap<String, StoredObject>;

/// An object as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredObject {
    /// Its bytes, free of any transfer coding.
    pub body: Bytes,
    /// The user metadata: the `x-amz-meta-*` headers without that prefix, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// The media type it was put with.
    pub content_type: Option<String>,
    /// The entity tag: its MD5 in hexadecimal, in double quotes.
    pub etag: String,
    /// When it was put.
    pub modified: SystemTime,
    /// The checksums it was put with, by header name, such as `x-amz-checksum-crc32`, in base64.
    pub checksums: BTreeMap<String, String>,
}

impl S3 {
    pub(super) fn create_bucket(&self, path: &Path) -> Result<Answer, ServiceError> {
        let name = &path.bucket;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if !(3..=63).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(ServiceError::bad_request("InvalidBucketName", "The specified bucket is not valid."));
        }
        let mut buckets = lock(&self.buckets);
        if buckets.contains_key(name) {
            return Err(ServiceError::new(
                StatusCode::CONFLICT,
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        buckets.insert(name.clone(), Bucket::new());
        let mut answer = answer::empty(StatusCode::OK);
        if let Ok(location) = HeaderValue::try_from(format!("/{name}")) {
            answer.headers_mut().insert(LOCATION, location);
        }
        Ok(answer)
    }

    pub(super) fn head_bucket(&self, path: &Path) -> Result<Answer, ServiceError> {
        if !lock(&self.buckets).contains_key(&path.bucket) {
            return Err(error::no_bucket());
        }
        Ok(answer::empty(StatusCode::OK))
    }
}
