//! The person to search for, and whether a payload is theirs.
//!
//! The payload is read as JSON, so it does not matter how a value is escaped. If a key is there twice, both values
//! count, because a consumer may have used either.

use std::fmt;

use clap::ValueEnum;
use flinks_webhooks::routing::Kind;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::super::message::Received;

/// The field that identifies a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Field {
    /// Login.Id, which Flinks calls LoginId. In a fraud analysis, Login.LoginId.
    LoginId,
    /// sessionId, in callbacks of Flinks Pay.
    SessionId,
    /// Tag, which your front end chooses.
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

    /// Its name on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::LoginId => "login-id",
            Self::SessionId => "session-id",
            Self::Tag => "tag",
        }
    }
}

/// The value to search for. It is personal data, so nothing may print it and it has no `Debug`.
pub struct Wanted {
    field: Field,
    value: Zeroizing<String>,
}

impl Wanted {
    /// `value` must not be empty.
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

    /// Whether the payload has the value in any of the field's places.
    ///
    /// # Errors
    /// If the payload cannot be read, with the reason.
    pub fn is_in(&self, payload: &[u8]) -> Result<bool, &'static str> {
        if payload.trim_ascii().is_empty() {
            return Ok(false);
        }
        let json = text(payload)?;
        match self.field {
            Field::SessionId => self.is_in_members(json, &["sessionId"]),
            Field::Tag => self.is_in_members(json, &["Tag"]),
            Field::LoginId => {
                let logins = members(json, &["Login"]).map_err(|_| NOT_JSON)?;
                // This cannot fail, because the whole payload is valid JSON.
                let found = |login: &RawValue| self.is_in_members(login.get(), &["Id", "LoginId"]) == Ok(true);
                Ok(logins.into_iter().any(found))
            }
        }
    }

    /// Whether an object of a recovery has the value: the outcome, or the note of a request.
    ///
    /// # Errors
    /// If the object cannot be read, with the reason.
    pub fn is_in_recovery(&self, object: &[u8]) -> Result<bool, &'static str> {
        let json = text(object)?;
        match self.field {
            Field::SessionId => Ok(false),
            Field::Tag => self.is_in_members(json, &["tag"]),
            Field::LoginId => self.is_in_members(json, &["loginId"]),
        }
    }

    fn is_in_members(&self, json: &str, keys: &[&str]) -> Result<bool, &'static str> {
        let values = members(json, keys).map_err(|_| NOT_JSON)?;
        Ok(values.into_iter().any(|value| self.is(value)))
    }

    /// Compares a string by its text, and a number as written.
    fn is(&self, json: &RawValue) -> bool {
        let json = json.get();
        match json.bytes().next() {
            // Half of a surrogate pair is not text, so it equals no value.
            Some(b'"') => serde_json::from_str::<String>(json).is_ok_and(|text| text == *self.value),
            Some(b'-' | b'0'..=b'9') => json == self.value.as_str(),
            _ => false,
        }
    }

    /// Removes the value from a text that may quote it.
    pub fn redact(&self, text: &str) -> String {
        text.replace(self.value.as_str(), "[the value]")
    }

    /// Removes the value from an object's key or a DeliveryId. A name that the receiver makes stays unchanged if the
    /// value is so short that the name may contain it by chance.
    pub fn redact_name(&self, name: &str) -> String {
        /// A key has about a hundred hexadecimal digits. It does not contain this many given ones by chance.
        const MIN_LENGTH: usize = 8;
        let digits = |part: &str| part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let known = |part: &str| {
            ["undelivered", "recovery", "requested", "sent"].contains(&part)
                || Kind::ALL.iter().any(|kind| part == kind.label() || part == kind.queue())
                || part.strip_suffix("Z.json").is_some_and(is_time)
        };
        let is_receivers = name.split('/').all(|part| known(part) || digits(part));
        if is_receivers && self.value.len() < MIN_LENGTH { name.to_owned() } else { self.redact(name) }
    }
}

/// Whether it is a time as in the key of an outcome, such as `20261125T141500.123`.
fn is_time(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'.'))
}

const NOT_JSON: &str = "the payload is not JSON";

fn text(payload: &[u8]) -> Result<&str, &'static str> {
    let text = str::from_utf8(payload).map_err(|_| "the payload is not UTF-8")?;
    // RFC 8259, section 8.1, lets a parser ignore a byte-order mark.
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

/// The values of all members with one of these keys. JSON that is not an object has none. The function does not
/// recurse, so the JSON may be deeply nested.
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
        // Read the key as raw JSON first. Reading it as bytes at once would accept control characters, which are not
        // legal.
        while let Some(key) = map.next_key::<&RawValue>()? {
            // Then read it as bytes, because a key may not be text (half of a surrogate pair).
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
