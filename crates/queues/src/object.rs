//! Reads objects from the payload bucket.

use std::fmt;

use aws_sdk_s3::{Client, error::SdkError};
use bytes::Bytes;

use flinks_dev::failed_call;

/// Larger objects are not read into memory. No payload is that large: Lambda's limit for events is 6 MB, and a recovery
/// takes at most 64 MiB and adds a member.
pub const MAX_BYTES: i64 = 65 * 1024 * 1024;

/// Why the payload cannot be read.
#[derive(Debug)]
pub enum NoPayload {
    Gone,
    Failed(String),
}

/// Reads an object.
///
/// # Errors
/// If the object is gone, is larger than [`MAX_BYTES`], or S3 does not return all of it.
pub async fn get(s3: &Client, bucket: &str, key: &str) -> Result<Bytes, NoPayload> {
    let object = s3.get_object().bucket(bucket).key(key).send().await.map_err(|error| match &error {
        SdkError::ServiceError(error) if error.err().is_no_such_key() => NoPayload::Gone,
        _ => NoPayload::Failed(failed_call::reason(&error)),
    })?;
    if object.content_length().is_some_and(|length| length > MAX_BYTES) {
        return Err(NoPayload::Failed("the object is far larger than any payload".to_owned()));
    }
    let bytes = object.body.collect().await;
    bytes
        .map(|bytes| bytes.into_bytes())
        .map_err(|error| NoPayload::Failed(format!("S3 did not return the whole object: {error}")))
}

impl fmt::Display for NoPayload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter
                .write_str("the object is gone, because a consumer deletes it when it is done with the message"),
            Self::Failed(why) => formatter.write_str(why),
        }
    }
}
