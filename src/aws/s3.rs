//! The payload bucket, in S3.

use std::{sync::LazyLock, time::SystemTime};

use aws_sdk_s3::{
    operation::{RequestId, get_object::GetObjectError, put_object::builders::PutObjectFluentBuilder},
    primitives::ByteStream,
    types::EncodingType,
};
use aws_types::SdkConfig;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;

use super::{
    error::aws_error,
    sdk_config::{Lazy, with_endpoint},
};
use crate::{
    aws_error::{AwsError, Operation, Reason},
    config::StorageConfig,
    delivery::{
        Depth, Listed, MAX_RECOVERED_BYTES, Object, Page, PayloadStore, Receipt, UndeliveredKey, UndeliveredStore,
    },
};

/// The payload bucket.
pub struct S3 {
    client: Lazy<aws_sdk_s3::Client>,
    bucket: String,
}

impl S3 {
    pub fn new(common: &SdkConfig, config: &StorageConfig) -> Self {
        let sdk_config = with_endpoint(common, &config.s3_endpoint);
        // A custom endpoint has no host name for each bucket.
        let path_style = config.s3_endpoint.is_some();
        let client = move || {
            let config = aws_sdk_s3::config::Builder::from(&sdk_config).force_path_style(path_style);
            aws_sdk_s3::Client::from_conf(config.build())
        };
        Self { client: LazyLock::new(Box::new(client)), bucket: config.payload_bucket.clone() }
    }

    /// Stores an object that is JSON of this program's own.
    #[cfg(feature = "recovery")]
    pub(super) async fn put_json(&self, key: &str, json: Bytes) -> Result<(), AwsError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type("application/json");
        Self::send(put.body(ByteStream::from(json))).await
    }

    async fn send(put: PutObjectFluentBuilder) -> Result<(), AwsError> {
        let put = put.send().boxed().await.map_err(|error| aws_error(Operation::PutObject, &error))?;
        if put.e_tag().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::PutObject, "no entity tag"));
        }
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), AwsError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().boxed().await;
        let deleted = deleted.map_err(|error| aws_error(Operation::DeleteObject, &error))?;
        // Only the request id shows that S3 itself responded.
        if deleted.request_id().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::DeleteObject, "no request id"));
        }
        Ok(())
    }
}

impl PayloadStore for S3 {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let mut put = self.client.put_object().bucket(&self.bucket).key(key);
        for (name, value) in metadata {
            put = put.metadata(*name, *value);
        }
        Self::send(put.body(ByteStream::from(payload))).await
    }
}

impl UndeliveredStore for S3 {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_delimiter((depth == Depth::One).then(|| "/".to_owned()))
            // A key can have characters that XML cannot hold: one such object would make its whole page unreadable.
            .encoding_type(EncodingType::Url)
            .set_continuation_token(after)
            .send()
            .boxed()
            .await
            .map_err(|error| aws_error(Operation::ListObjectsV2, &error))?;
        if page.name().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::ListObjectsV2, "no bucket name"));
        }
        if page.is_truncated == Some(true) && page.next_continuation_token.is_none() {
            return Err(AwsError::unusable(Operation::ListObjectsV2, "no continuation token"));
        }
        let is_encoded = page.encoding_type == Some(EncodingType::Url);
        let plain = |key: Option<String>| {
            let key = key.unwrap_or_default();
            if is_encoded { percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned() } else { key }
        };
        let listed = page.contents.unwrap_or_default().into_iter().map(|object| Listed {
            key: plain(object.key),
            modified: object.last_modified.and_then(|at| at.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH),
            bytes: object.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
        });
        let common_prefixes = page.common_prefixes.unwrap_or_default().into_iter();
        Ok(Page {
            listed: listed.collect(),
            common_prefixes: common_prefixes.map(|common| plain(common.prefix)).collect(),
            next: page.next_continuation_token,
        })
    }

    async fn get(&self, key: &UndeliveredKey) -> Result<Option<Object>, AwsError> {
        let fetched = self.client.get_object().bucket(&self.bucket).key(key.to_string()).send().boxed().await;
        let object = match fetched {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
            Err(error) => return Err(aws_error(Operation::GetObject, &error)),
        };
        if object.e_tag().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::GetObject, "no entity tag"));
        }
        // Never log body errors: they may quote bank data. There are two: the connection broke, or the checksum is
        // wrong.
        let broken = |_| AwsError::new(Operation::GetObject, Reason::Response);
        // Into one piece of memory of the right size: collecting the pieces first would take twice the memory.
        let length = object.content_length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = BytesMut::with_capacity(length.min(MAX_RECOVERED_BYTES));
        let mut stream = object.body;
        while let Some(piece) = stream.try_next().await.map_err(broken)? {
            body.extend_from_slice(&piece);
        }
        Ok(Some(Object { body: body.freeze(), metadata: object.metadata.unwrap_or_default() }))
    }

    async fn delete_unused(&self, key: &str) -> Result<(), AwsError> {
        self.delete(key).await
    }

    async fn remove(&self, key: &UndeliveredKey, _: &Receipt) -> Result<(), AwsError> {
        self.delete(&key.to_string()).await
    }
}
