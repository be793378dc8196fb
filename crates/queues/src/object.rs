//! An object of the payload store.

use std::fmt;

use aws_sdk_s3::{Client, error::SdkError};
use bytes::Bytes;

use flinks_dev::failed_call;

/// Far above the largest payload: Lambda takes events of 6 MB. More is not read into memory.
pub const MAX_BYTES: i64 = 64 * 1024 * 1024;

/// Why there is no payload to look at.
#[derive(Debug)]
pub enum NoPayload {
    Gone,
    Failed(String),
}

/// Reads an object.
///
/// # Errors
/// When it is gone, is far larger than any payload, or S3 does not give it whole.
pub async fn get(s3: &Client, bucket: &str, key: &str) -> Result<Bytes, NoPayload> {
    let object = s3.get_object().bucket(bucket).key(key).send().await.map_err(|error| match &error {
        SdkError::ServiceError(error) if error.err().is_no_such_key() => NoPayload::Gone,
        _ => NoPayload::Failed(failed_call::reason(&error)),
    })?;
    if object.content_length().is_some_and(|length| length > MAX_BYTES) {
        return Err(NoPayload::Failed("the object is far larger than any payload".to_owned()));
    }
    let bytes = object.body.collect().await;
    bytes.map(|bytes| bytes.into_bytes()).map_err(|error| NoPayload::Failed(format!("the object broke off: {error}")))
}

impl fmt::Display for NoPayload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("the object is gone: a consumer that is done with a message deletes it"),
            Self::Failed(why) => formatter.write_str(why),
        }
    }
}
