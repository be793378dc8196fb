//! Whose data is looked for, and whether a payload is theirs.
//!
//! The payload is read as JSON, so that it does not matter how a value is escaped. Of a key that is there twice both
//! values count: consumers may have taken either.

use std::fmt;

use clap::ValueEnum;
use flinks_webhooks::routing::Kind;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::super::message::Received;

/// By what a person is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Field {
    /// Login.Id, which Flinks calls LoginId; in a fraud analysis Login.LoginId.
    LoginId,
    /// sessionId, of Flinks Pay.
    SessionId,
    /// Tag, which your front end chose.
    Tag,
}

impl Field {
    /// The message attribute that carries it.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::LoginId => "LoginId",
            Self::SessionId => "SessionId",
            Self::Tag => "Tag",
        }
    }

    /// Its name as an option.
    pub fn label(self) -> &'static str {
        match self {
            Self::LoginId => "login-id",
            Self::SessionId => "session-id",
            Self::Tag => "tag",
        }
    }
}

/// The value that is looked for. It is personal data: nothing prints it, so there is no Debug.
pub struct Wanted {
    field: Field,
    value: Zeroizing<String>,
}

impl Wanted {
    /// `value` is not empty.
    pub fn new(field: Field, value: Zeroizing<String>) -> Self {
        Self { field, value }
    }

    pub fn field(&self) -> Field {
        self.field
    }

    /// Whether the message attribute of that name has the value.
    pub fn is_in_attribute(&self, message: &Received) -> bool {
        message.text_attribute(self.field.attribute()) == Some(self.value.as_str())
    }

    /// Whether the payload has the value, in any of the places where the field can be.
    ///
    /// # Errors
    /// With what keeps the payload from being read.
    pub fn is_in(&self, payload: &[u8]) -> Result<bool, &'static str> {
        if payload.trim_ascii().is_empty() {
            return Ok(false);
        }
        let text = str::from_utf8(payload).map_err(|_| "the payload is not UTF-8")?;
        // RFC 8259, section 8.1, lets a parser ignore a byte-order mark.
        let json = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let in_members = |json: &str, keys: &[&str]| {
            let values = members(json, keys).map_err(|_| "the payload is not JSON")?;
            Ok(values.into_iter().any(|value| self.is(value)))
        };
        match self.field {
            Field::SessionId => in_members(json, &["sessionId"]),
            Field::Tag => in_members(json, &["Tag"]),
            Field::LoginId => {
                let logins = members(json, &["Login"]).map_err(|_| "the payload is not JSON")?;
                // None of them can fail: the payload was read whole.
                let found = |login: &RawValue| in_members(login.get(), &["Id", "LoginId"]) == Ok(true);
                Ok(logins.into_iter().any(found))
            }
        }
    }

    /// A string by its text, a number as it is written.
    fn is(&self, json: &RawValue) -> bool {
        let json = json.get();
        match json.bytes().next() {
            // Half of a surrogate pair is no text, and so not equal to one.
            Some(b'"') => serde_json::from_str::<String>(json).is_ok_and(|text| text == *self.value),
            Some(b'-' | b'0'..=b'9') => json == self.value.as_str(),
            _ => false,
        }
    }

    /// Text that may quote the value, without it.
    pub fn hidden_in(&self, text: &str) -> String {
        text.replace(self.value.as_str(), "[the value]")
    }

    /// The same for an object's key or a DeliveryId. Those that the receiver makes are printed as they are where the
    /// value is so short that it may be in them by chance.
    pub fn hidden_in_name(&self, name: &str) -> String {
        /// So many hexadecimal digits are not in the hundred of a key by chance.
        const BY_CHANCE: usize = 8;
        let digits = |part: &str| part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let known = |part: &str| {
            part == "undelivered" || Kind::ALL.iter().any(|kind| part == kind.label() || part == kind.queue())
        };
        let made_here = name.split('/').all(|part| known(part) || digits(part));
        if made_here && self.value.len() < BY_CHANCE { name.to_owned() } else { self.hidden_in(name) }
    }
}

/// The values of all members with one of these keys; none in JSON that is no object. Nothing recurses, however deep the
/// JSON is.
fn members<'j>(json: &'j str, keys: &[&str]) -> serde_json::Result<Vec<&'j RawValue>> {
    if !json.trim_ascii_start().starts_with('{') {
        return serde_json::from_str::<IgnoredAny>(json).map(|_| Vec::new());
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = deserializer.deserialize_map(MembersVisitor(keys))?;
    deserializer.end()?;
    Ok(found)
}

struct MembersVisitor<'k>(&'k [&'k str]);

impl<'de> Visitor<'de> for MembersVisitor<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        // Raw first: as bytes alone a key could have control characters, with which the whole is no JSON.
        while let Some(key) = map.next_key::<&RawValue>()? {
            // As bytes then: a key need not be text (half of a surrogate pair).
            let mut key = serde_json::Deserializer::from_str(key.get());
            if key.deserialize_bytes(IsOneOf(self.0)).map_err(A::Error::custom)? {
                found.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct IsOneOf<'k>(&'k [&'k str]);

impl Visitor<'_> for IsOneOf<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().any(|known| known.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests;
