//! The few fields of a payload that consumers route and search by.
//!
//! Reading cannot fail: a field that is absent or odd is left out, and a body that is not a JSON object has no fields.
//! The body is scanned once, keeping a few pieces of its top level. Nothing is built from the rest of it and nothing
//! recurses, so that neither five megabytes nor a hundred thousand brackets cost more than the scan. If a key occurs
//! twice, the last one counts, as in the parsers of Python, JavaScript, Java and .NET.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Maximum length of a value that is used for routing, in bytes. A longer value is left out, never cut: two different
/// values may be equal once they are cut.
pub const MAX_VALUE_BYTES: usize = 256;

/// The routing fields of a payload. Strings are unescaped, numbers are as written; only values of 1 to
/// [`MAX_VALUE_BYTES`] bytes are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub response_type: Option<Scalar>,
    pub http_status_code: Option<Scalar>,
    pub request_id: Option<Scalar>,
    pub tag: Option<Scalar>,
    pub session_id: Option<Scalar>,
    pub status: Option<Scalar>,
    pub login_id: Option<Scalar>,
    pub scheduled_refresh: Option<Scalar>,
    /// The payload has the published shape of a fraud analysis.
    pub has_document_analysis: bool,
    /// The payload has the published shape of a payment session's status.
    pub has_session_status: bool,
}

impl Fields {
    /// The fields of a body. If the body is not a JSON object, there are none.
    pub fn read(body: &[u8]) -> Self {
        text(body).and_then(Self::parse).unwrap_or_default()
    }

    /// The fields of a JSON object. `None` for any other text.
    fn parse(json: &str) -> Option<Self> {
        let [response_type, http_status_code, request_id, tag, login, document_analysis, session_id, status] = members(
            json,
            ["ResponseType", "HttpStatusCode", "RequestId", "Tag", "Login", "DocumentAnalysis", "sessionId", "status"],
        )?;
        // A fraud analysis has LoginId and RequestId instead of Id.
        let [id, login_id, login_request_id, is_scheduled_refresh] = login
            .and_then(|login| members(login.get(), ["Id", "LoginId", "RequestId", "IsScheduledRefresh"]))
            .unwrap_or_default();
        let scalar = |raw: Option<&RawValue>| raw.and_then(Scalar::read);
        Some(Self {
            response_type: scalar(response_type),
            http_status_code: scalar(http_status_code),
            request_id: scalar(request_id).or_else(|| scalar(login_request_id)),
            tag: scalar(tag),
            session_id: scalar(session_id),
            status: scalar(status),
            login_id: scalar(id).or_else(|| scalar(login_id)),
            scheduled_refresh: is_scheduled_refresh.and_then(Scalar::read_flag),
            has_document_analysis: document_analysis.is_some(),
            has_session_status: session_id.is_some() && status.is_some(),
        })
    }
}

/// The text of a body that is UTF-8. RFC 8259, section 8.1, lets a parser ignore a byte-order mark.
pub(crate) fn text(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    Some(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

/// A JSON value that can be carried as text.
#[derive(Clone, PartialEq, Eq)]
pub enum Scalar {
    Text(String),
    /// As the sender wrote it.
    Number(String),
}

impl fmt::Debug for Scalar {
    /// Without the text: it may be bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Number(_) => "Number(..)",
        })
    }
}

impl Scalar {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }

    /// A string or number of any length. `None` for anything else, and for a string with a lone surrogate.
    pub(crate) fn of_any_length(raw: &RawValue) -> Option<Self> {
        let json = raw.get();
        match json.bytes().next()? {
            b'"' => Some(Self::Text(serde_json::from_str(json).ok()?)),
            b'-' | b'0'..=b'9' => Some(Self::Number(json.to_owned())),
            _ => None,
        }
    }

    /// The same, but `None` if the text does not have 1 to [`MAX_VALUE_BYTES`] bytes.
    fn read(raw: &RawValue) -> Option<Self> {
        /// The longest way to write a byte of a JSON string: `\u0041`.
        const MAX_ESCAPE_BYTES: usize = 6;
        if raw.get().len() > MAX_VALUE_BYTES * MAX_ESCAPE_BYTES + "\"\"".len() {
            return None;
        }
        let scalar = Self::of_any_length(raw)?;
        (1..=MAX_VALUE_BYTES).contains(&scalar.as_str().len()).then_some(scalar)
    }

    /// The same for a field that is documented as `true` or `false`.
    fn read_flag(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            flag @ ("true" | "false") => Some(Self::Text(flag.to_owned())),
            _ => Self::read(raw),
        }
    }
}

/// The values of these keys in a JSON object, unparsed. A key that is absent or `null` has `None`. Returns `None` if
/// the text is not a JSON object.
pub(crate) fn members<'j, const N: usize>(json: &'j str, keys: [&'static str; N]) -> Option<[Option<&'j RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = deserializer.deserialize_map(MembersVisitor(keys)).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// Written by hand, because serde's derived code rejects a duplicate key, and JSON allows duplicate keys.
struct MembersVisitor<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for MembersVisitor<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        // Read the key as raw JSON first, which checks it. Read only as bytes, it could contain control characters,
        // which JSON forbids.
        while let Some(key) = map.next_key::<&RawValue>()? {
            // Then decode it as bytes, because a key with a lone surrogate is not valid text.
            let mut key = serde_json::Deserializer::from_str(key.get());
            let place = key.deserialize_bytes(KeyVisitor(&self.0)).map_err(A::Error::custom)?;
            match place.and_then(|place| found.get_mut(place)) {
                Some(member) => *member = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Returns the index of a key in the list of wanted keys. `None` for any other key.
struct KeyVisitor<'k>(&'k [&'static str]);

impl Visitor<'_> for KeyVisitor<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| known.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests;
