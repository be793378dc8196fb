//! The bucket and key in a path, and the operation of a request.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::error::not_implemented;
use crate::error::ServiceError;
use crate::operation::Operation;
use crate::wire::Call;

/// `/BUCKET/KEY`, decoded. A key may contain slashes. It is empty if there is none.
pub(super) struct Path {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// Parameters that select no other operation: `x-id` only repeats the operation's name.
const PLAIN: [&str; 1] = ["x-id"];
/// Parameters of ListObjectsV2.
const LISTING: [&str; 8] = [
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "start-after",
    "continuation-token",
    "encoding-type",
    "fetch-owner",
];

/// `None` for an unsupported request: another method, or a parameter such as `acl` or `uploads` that selects another
/// operation.
pub(crate) fn operation(call: &Call) -> Option<Operation> {
    let (bucket, key) = split(call.uri.path());
    let operation = Operation::from_s3(&call.method, !key.is_empty())?;
    let listing = operation == Operation::ListObjectsV2;
    let query = query(call);
    let mut names = query.keys().map(String::as_str);
    let served = names.all(|name| PLAIN.contains(&name) || (listing && LISTING.contains(&name)));
    let version_2 = !listing || query.get("list-type").is_some_and(|version| version == "2");
    (served && version_2 && !bucket.is_empty()).then_some(operation)
}

impl Path {
    pub(super) fn read(call: &Call) -> Result<Path, ServiceError> {
        let (bucket, key) = split(call.uri.path());
        let decode = |part| percent_decode_str(part).decode_utf8();
        match (decode(bucket), decode(key)) {
            (Ok(bucket), Ok(key)) if !bucket.is_empty() => {
                Ok(Path { bucket: bucket.into_owned(), key: key.into_owned() })
            }
            (Ok(_), Ok(_)) => Err(not_implemented()),
            _ => Err(ServiceError::bad_request("InvalidURI", "Couldn't parse the specified URI.")),
        }
    }
}

/// The query's parameters, decoded.
pub(super) fn query(call: &Call) -> BTreeMap<String, String> {
    let parameters = call.uri.query().unwrap_or_default().split('&');
    let parameters = parameters.filter(|parameter| !parameter.is_empty());
    parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // A plus is a space in a query.
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
            (name.to_owned(), value)
        })
        .collect()
}

fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}
