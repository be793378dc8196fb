//! S3: REST, path-style addresses alone.

mod answer;
mod body;
mod bucket;
mod checksum;
mod error;
mod list;
mod path;
mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::clock::Clock;
use crate::dispatch::{Answer, Call};
use crate::error::ServiceError;
use crate::operation::Operation;
use crate::sync::lock;

use self::bucket::Bucket;
pub use self::bucket::StoredObject;
pub(crate) use self::error::refusal;
use self::path::Path;
pub(crate) use self::path::operation;

/// Every bucket there is, by name.
pub(crate) struct S3 {
    clock: Clock,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl S3 {
    pub(crate) fn new(clock: Clock) -> S3 {
        S3 { clock, buckets: Mutex::default() }
    }

    pub(crate) fn serve(&self, operation: Operation, call: &Call) -> Result<Answer, ServiceError> {
        let path = Path::read(call)?;
        match operation {
            Operation::CreateBucket => self.create_bucket(&path),
            Operation::HeadBucket => self.head_bucket(&path),
            Operation::ListObjectsV2 => self.list_objects(&path, call),
            Operation::PutObject => self.put_object(path, call),
            Operation::GetObject | Operation::HeadObject => self.get_object(&path, call),
            Operation::DeleteObject => self.delete_object(&path),
            _ => Err(error::not_implemented()),
        }
    }

    pub(crate) fn create(&self, bucket: &str) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default();
    }

    pub(crate) fn objects(&self, bucket: &str) -> BTreeMap<String, StoredObject> {
        lock(&self.buckets).get(bucket).cloned().unwrap_or_default()
    }

    /// Does something with the bucket of a request's path.
    fn with_bucket<T>(
        &self,
        path: &Path,
        act: impl FnOnce(&mut Bucket) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.get_mut(&path.bucket);
        act(bucket.ok_or_else(error::no_bucket)?)
    }
}
