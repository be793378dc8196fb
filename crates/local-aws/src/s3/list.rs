//! ListObjectsV2.

use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::path::{Path, query};
use super::response;
use super::store::S3;
use crate::error::ServiceError;
use crate::wire::{Call, Response};

/// The most keys and common prefixes in one response (S3 API reference, ListObjectsV2).
const MAX_KEYS: usize = 1_000;

/// The characters that `encoding-type=url` encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    name: String,
    prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    max_keys: usize,
    key_count: usize,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
    contents: Vec<Entry>,
    common_prefixes: Vec<CommonPrefix>,
}

/// A group of keys that are the same up to the first delimiter after the prefix, including the delimiter.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
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
    /// Lists in the order of the keys' bytes. The continuation token holds the last key or common prefix of the
    /// previous response.
    pub(super) fn list_objects(&self, path: &Path, call: &Call) -> Result<Response, ServiceError> {
        let query = query(call);
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        let listed_before = query.get("continuation-token").map(|token| read_token(token)).transpose()?;
        let after = listed_before.clone().unwrap_or_else(|| text("start-after"));
        // If the last entry was a common prefix, none of its keys is listed again.
        let group_before = listed_before.filter(|last| common_prefix(last, &prefix, &delimiter) == Some(last));
        let max_keys = match query.get("max-keys") {
            None => MAX_KEYS,
            Some(keys) => keys
                .parse::<usize>()
                .map_err(|_| ServiceError::bad_request("InvalidArgument", "Provided max-keys not an integer"))?,
        };
        let max_keys = max_keys.min(MAX_KEYS);
        let encoded = query.get("encoding-type").is_some_and(|kind| kind == "url");
        let shown = |key: &str| match encoded {
            // As in a form, a space becomes a plus.
            true => utf8_percent_encode(key, ENCODED).to_string().replace("%20", "+"),
            false => key.to_owned(),
        };
        self.with_bucket(path, |bucket| {
            let later = bucket.range::<String, _>((Bound::Excluded(&after), Bound::Unbounded));
            let mut found = later
                .filter(|(key, _)| key.starts_with(&prefix))
                .filter(|(key, _)| !group_before.as_ref().is_some_and(|group| key.starts_with(group)))
                .peekable();
            let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
            let mut last = None;
            while contents.len() + common_prefixes.len() < max_keys
                && let Some((key, object)) = found.next()
            {
                let Some(group) = common_prefix(key, &prefix, &delimiter) else {
                    contents.push(Entry {
                        key: shown(key),
                        last_modified: humantime::format_rfc3339_millis(object.modified).to_string(),
                        etag: object.etag.clone(),
                        size: object.body.len(),
                        storage_class: "STANDARD",
                    });
                    last = Some(key.as_str());
                    continue;
                };
                while found.next_if(|(key, _)| key.starts_with(group)).is_some() {}
                common_prefixes.push(CommonPrefix { prefix: shown(group) });
                last = Some(group);
            }
            let is_truncated = max_keys > 0 && found.peek().is_some();
            let listing = Listing {
                name: path.bucket.clone(),
                prefix: shown(&prefix),
                delimiter: Some(shown(&delimiter)).filter(|delimiter| !delimiter.is_empty()),
                max_keys,
                key_count: contents.len() + common_prefixes.len(),
                is_truncated,
                encoding_type: encoded.then_some("url"),
                next_continuation_token: last.filter(|_| is_truncated).map(|last| URL_SAFE_NO_PAD.encode(last)),
                contents,
                common_prefixes,
            };
            Ok(response::xml(StatusCode::OK, "ListBucketResult", &listing))
        })
    }
}

/// The part of a key up to the first delimiter after the prefix. `None` for a key without one.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

fn read_token(token: &str) -> Result<String, ServiceError> {
    let last = URL_SAFE_NO_PAD.decode(token).ok().and_then(|last| String::from_utf8(last).ok());
    last.ok_or_else(|| ServiceError::bad_request("InvalidArgument", "The continuation token provided is incorrect"))
}
