//! The digests that SQS returns and that clients check.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::message::{AttributeValue, StoredAttribute};

/// MD5OfMessageBody, MD5OfBody.
pub fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

/// MD5OfMessageAttributes of attributes with text: name, data type and value, in any order. `None` without attributes.
pub fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Option<String> {
    let stored = attributes.into_iter().map(|(name, data_type, value)| {
        (name, StoredAttribute { data_type: data_type.to_owned(), value: AttributeValue::Text(value.to_owned()) })
    });
    let sorted: BTreeMap<_, _> = stored.collect();
    attributes_md5(sorted.iter().map(|(name, attribute)| (*name, attribute)))
}

/// MD5OfMessageAttributes. It covers the attributes in the order of their names: the name, the data type, one byte for
/// the kind of value (1 text, 2 binary), and the value. Each part except that byte follows its length in 4 bytes,
/// big-endian (SQS developer guide, "Calculating the MD5 message digest for message attributes"). `None` without
/// attributes.
pub(super) fn attributes_md5<'a>(sorted: impl IntoIterator<Item = (&'a str, &'a StoredAttribute)>) -> Option<String> {
    let mut sorted = sorted.into_iter().peekable();
    sorted.peek()?;
    let mut md5 = Md5::new();
    for (name, attribute) in sorted {
        update(&mut md5, name.as_bytes());
        update(&mut md5, attribute.data_type.as_bytes());
        md5.update(match attribute.value {
            AttributeValue::Text(_) => [1],
            AttributeValue::Binary(_) => [2],
        });
        update(&mut md5, attribute.value.bytes());
    }
    Some(hex::encode(md5.finalize()))
}

fn update(md5: &mut Md5, part: &[u8]) {
    // No part is longer than a message, which has at most 1 MiB.
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    md5.update(length.to_be_bytes());
    md5.update(part);
}
