//! The content of S3: every bucket by name, and its objects.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;

use super::error::no_bucket;
use super::path::Path;
use crate::clock::Clock;
use crate::error::ServiceError;
use crate::sync::lock;

/// All buckets, by name.
pub(crate) struct S3 {
    pub(super) clock: Clock,
    pub(super) buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl S3 {
    pub(crate) fn new(clock: Clock) -> S3 {
        S3 { clock, buckets: Mutex::default() }
    }

    pub(crate) fn create(&self, bucket: &str) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default();
    }

    pub(crate) fn objects(&self, bucket: &str) -> BTreeMap<String, StoredObject> {
        lock(&self.buckets).get(bucket).cloned().unwrap_or_default()
    }

    /// Runs `act` with the bucket in a request's path.
    pub(super) fn with_bucket<T>(
        &self,
        path: &Path,
        act: impl FnOnce(&mut Bucket) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.get_mut(&path.bucket);
        act(bucket.ok_or_else(no_bucket)?)
    }
}

/// The objects, by key.
pub(super) type Bucket = BTreeMap<String, StoredObject>;

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredObject {
    /// Its bytes, without any transfer coding.
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
