//! ListObjectsV2, without delimiters.

use std::ops::Bound;

use hyper::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::path::{Path, query};
use super::{S3, answer};
use crate::dispatch::{Answer, Call};
use crate::error::ServiceError;

/// Keys in one answer (S3 API reference, ListObjectsV2).
const MAX_KEYS: usize = 1_000;

/// What stays as it is with `encoding-type=url`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    name: String,
    prefix: String,
    max_keys: usize,
    key_count: usize,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
    contents: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: String,
    size: usize,
    storage_class: &'static str,
}

impl S3 {
    /// In the order of the keys' bytes. The continuation token is the last key of the answer
    /// before.
    pub(super) fn list_objects(&self, path: &Path, call: &Call) -> Result<Answer, ServiceError> {
        let query = query(call);
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let prefix = text("prefix");
        let after = text("start-after").max(text("continuation-token"));
        let max_keys = match query.get("max-keys") {
            None => MAX_KEYS,
            Some(keys) => keys
                .parse::<usize>()
                .map_err(|_| ServiceError::bad_request("InvalidArgument", "Provided max-keys not an integer"))?,
        };
        let max_keys = max_keys.min(MAX_KEYS);
        let encoded = query.get("encoding-type").is_some_and(|kind| kind == "url");
        let shown = |key: &str| match encoded {
            true => utf8_percent_encode(key, ENCODED).to_string(),
            false => key.to_owned(),
        };
        self.with_bucket(path, |bucket| {
            let later = bucket.range::<String, _>((Bound::Excluded(&after), Bound::Unbounded));
            let mut found = later.filter(|(key, _)| key.starts_with(&prefix)).peekable();
            let mut contents = Vec::new();
            let mut last = None;
            while contents.len() < max_keys
                && let Some((key, object)) = found.next()
            {
                contents.push(Entry {
                    key: shown(key),
                    last_modified: humantime::format_rfc3339_millis(object.modified).to_string(),
                    etag: object.etag.clone(),
                    size: object.body.len(),
                    storage_class: "STANDARD",
                });
                last = Some(key.clone());
            }
            let is_truncated = max_keys > 0 && found.peek().is_some();
            let listing = Listing {
                name: path.bucket.clone(),
                prefix: shown(&prefix),
                max_keys,
                key_count: contents.len(),
                is_truncated,
                encoding_type: encoded.then_some("url"),
                next_continuation_token: last.filter(|_| is_truncated),
                contents,
            };
            Ok(answer::xml(StatusCode::OK, "ListBucketResult", &listing))
        })
    }
}
