//! The operations on buckets themselves: CreateBucket and HeadBucket.

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};

use super::path::Path;
use super::store::{Bucket, S3};
use super::{error, response};
use crate::error::ServiceError;
use crate::sync::lock;
use crate::wire::Response;

impl S3 {
    pub(super) fn create_bucket(&self, path: &Path) -> Result<Response, ServiceError> {
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
        let mut response = response::empty(StatusCode::OK);
        if let Ok(location) = HeaderValue::try_from(format!("/{name}")) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    pub(super) fn head_bucket(&self, path: &Path) -> Result<Response, ServiceError> {
        if !lock(&self.buckets).contains_key(&path.bucket) {
            return Err(error::no_bucket());
        }
        Ok(response::empty(StatusCode::OK))
    }
}
