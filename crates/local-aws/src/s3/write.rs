//! PutObject and DeleteObject.

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::header::{ETAG, HeaderName, HeaderValue};
use md5::{Digest, Md5};

use super::body::Body;
use super::checksum::verify;
use super::error::{invalid_request, not_implemented};
use super::path::Path;
use super::response;
use super::store::{S3, StoredObject};
use crate::error::ServiceError;
use crate::wire::{Call, Response};

/// The most bytes in a key (S3 user guide, object keys).
const MAX_KEY_BYTES: usize = 1_024;
/// The most bytes in all names and values of the user metadata (S3 user guide, object metadata).
const MAX_METADATA_BYTES: usize = 2_048;

impl S3 {
    /// With `If-None-Match: *`, it stores the object only if the key has none yet.
    pub(super) fn put_object(&self, path: Path, call: &Call) -> Result<Response, ServiceError> {
        if call.header("x-amz-copy-source").is_some() || call.header("if-match").is_some() {
            return Err(not_implemented());
        }
        if path.key.len() > MAX_KEY_BYTES {
            return Err(ServiceError::bad_request("KeyTooLongError", "Your key is too long"));
        }
        let only_new = match call.header("if-none-match") {
            None => false,
            Some("*") => true,
            Some(_) => return Err(not_implemented()),
        };
        let body = Body::read(call)?;
        let object = StoredObject {
            metadata: metadata(call)?,
            content_type: call.header("content-type").map(str::to_owned),
            etag: format!("\"{}\"", hex::encode(Md5::digest(&body.bytes))),
            modified: self.clock.now(),
            checksums: verify(call, &body)?,
            body: body.bytes,
        };
        let response = stored(&object)?;
        self.with_bucket(&path, |bucket| {
            if only_new && bucket.contains_key(&path.key) {
                return Err(ServiceError::new(
                    StatusCode::PRECONDITION_FAILED,
                    "PreconditionFailed",
                    "At least one of the pre-conditions you specified did not hold",
                ));
            }
            bucket.insert(path.key.clone(), object);
            Ok(response)
        })
    }

    /// The response is the same whether or not the object exists.
    pub(super) fn delete_object(&self, path: &Path) -> Result<Response, ServiceError> {
        self.with_bucket(path, |bucket| {
            bucket.remove(&path.key);
            Ok(response::empty(StatusCode::NO_CONTENT))
        })
    }
}

fn stored(object: &StoredObject) -> Result<Response, ServiceError> {
    let mut response = response::empty(StatusCode::OK);
    insert(&mut response, ETAG, &object.etag)?;
    insert_checksums(&mut response, object)?;
    Ok(response)
}

/// The `x-amz-meta-*` headers.
fn metadata(call: &Call) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut metadata = BTreeMap::new();
    for (name, value) in &call.headers {
        if let Some(name) = name.as_str().strip_prefix("x-amz-meta-") {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            metadata.insert(name.to_owned(), value);
        }
    }
    let sizes = metadata.iter().map(|(name, value)| name.len() + value.len());
    if sizes.sum::<usize>() > MAX_METADATA_BYTES {
        return Err(ServiceError::bad_request(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    Ok(metadata)
}

pub(super) fn insert_checksums(response: &mut Response, object: &StoredObject) -> Result<(), ServiceError> {
    for (name, value) in &object.checksums {
        let name = HeaderName::try_from(name).map_err(|_| not_a_header_value())?;
        insert(response, name, value)?;
    }
    Ok(())
}

pub(super) fn insert(response: &mut Response, name: HeaderName, value: &str) -> Result<(), ServiceError> {
    let value = HeaderValue::try_from(value).map_err(|_| not_a_header_value())?;
    response.headers_mut().insert(name, value);
    Ok(())
}

fn not_a_header_value() -> ServiceError {
    invalid_request("A value cannot be sent as a header.")
}
