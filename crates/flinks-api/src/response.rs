//! What a response says about itself: its status, and a few members of its body.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A whole response.
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Whether the headers allow that the body is JSON.
    pub(crate) is_json: bool,
    pub(crate) body: Bytes,
}

/// The members of a body that say what it is. `None` for a missing one and for null. A member that is there more than
/// once counts with its last value that is not null.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) flinks_code: Option<&'a RawValue>,
    pub(crate) http_status_code: Option<&'a RawValue>,
    pub(crate) request_id: Option<&'a RawValue>,
    pub(crate) token: Option<&'a RawValue>,
}

impl Received {
    /// Reads the envelope, and checks that the body is one whole JSON object. A byte-order mark or white space before
    /// it is allowed. `None` for anything else.
    pub(crate) fn envelope(&self) -> Option<Envelope<'_>> {
        const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();
        if !self.is_json {
            return None;
        }
        let body = self.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.body);
        let mut json = serde_json::Deserializer::from_slice(body);
        let envelope = json.deserialize_map(ReadEnvelope).ok()?;
        json.end().ok()?;
        Some(envelope)
    }
}

struct ReadEnvelope;

impl<'de> Visitor<'de> for ReadEnvelope {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(name) = map.next_key_seed(ReadName)? {
            let member = match name {
                Name::FlinksCode => &mut envelope.flinks_code,
                Name::HttpStatusCode => &mut envelope.http_status_code,
                Name::RequestId => &mut envelope.request_id,
                Name::Token => &mut envelope.token,
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value: &RawValue = map.next_value()?;
            if value.get() != "null" {
                *member = Some(value);
            }
        }
        Ok(envelope)
    }
}

enum Name {
    FlinksCode,
    HttpStatusCode,
    RequestId,
    Token,
    Other,
}

/// Reads a member's name as bytes, because a name may have half of a surrogate pair, which is not text.
struct ReadName;

impl<'de> DeserializeSeed<'de> for ReadName {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Name, D::Error> {
        name.deserialize_bytes(self)
    }
}

impl Visitor<'_> for ReadName {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
        Ok(match name {
            b"FlinksCode" => Name::FlinksCode,
            b"HttpStatusCode" => Name::HttpStatusCode,
            b"RequestId" => Name::RequestId,
            b"Token" => Name::Token,
            _ => Name::Other,
        })
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E>
    where
        E: serde::de::Error,
    {
        self.visit_bytes(name.as_bytes())
    }
}
