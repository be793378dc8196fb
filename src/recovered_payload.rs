//! [`RecoveredPayload`]: the data of a login, as the callback would have had them.
//!
//! It stands beside the stages, because the recovery makes one and the delivery makes a message only from one.

use std::fmt;

use bytes::Bytes;
use flinks_api::FinalResponse;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::routing::Fields;

/// What a callback of this kind begins with, and a response of the API lacks.
const MEMBER: &[u8] = br#""ResponseType":"GetAccountsDetail""#;
const NAME: &[u8] = b"ResponseType";
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// A payload that was fetched from Flinks' API. It is made only from a [`FinalResponse`], which only the API's client
/// makes: from a final 200, over TLS, with our credentials. So it needs no signature.
pub struct RecoveredPayload {
    body: Bytes,
    last_refresh: Option<String>,
}

impl RecoveredPayload {
    /// The payload of a final response, with `ResponseType` as its first member unless it has one at its top level. All
    /// other bytes stay as they are. `None` if the response is not a JSON object, which the client has already checked.
    pub fn new(response: FinalResponse) -> Option<Self> {
        let received = response.into_bytes();
        let last_refresh = last_refresh(&received);
        Some(Self { body: with_response_type(received)?, last_refresh })
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// `LastRefresh` of the payload's `Login`: how new the data are.
    pub fn last_refresh(&self) -> Option<&str> {
        self.last_refresh.as_deref()
    }

    /// Whether the data are those of another login than `login_id`. A payload that does not say whose it is counts as
    /// right.
    pub fn is_of_another_login(&self, login_id: &str) -> bool {
        Fields::read(&self.body).login_id.is_some_and(|found| !found.as_str().trim().eq_ignore_ascii_case(login_id))
    }

    /// A payload with this body.
    #[cfg(test)]
    pub fn for_test(body: Bytes) -> Self {
        Self { body, last_refresh: None }
    }
}

/// The body with `ResponseType` in front, unless it has one. `None` if it is not a JSON object.
fn with_response_type(body: Bytes) -> Option<Bytes> {
    let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
    let TopLevel { has_response_type, is_empty } = TopLevel::read(json)?;
    if has_response_type {
        return Some(body);
    }
    // What is before the first member stays before it.
    let brace = body.iter().position(|byte| *byte == b'{')?;
    let (before, after) = body.split_at_checked(brace + 1)?;
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    let mut longer = Vec::with_capacity(body.len() + MEMBER.len() + comma.len());
    for part in [before, MEMBER, comma, after] {
        longer.extend_from_slice(part);
    }
    Some(longer.into())
}

/// What is known of an object's own members, not of those inside them.
#[derive(Default)]
struct TopLevel {
    has_response_type: bool,
    is_empty: bool,
}

impl TopLevel {
    /// `None` if the text is not one whole JSON object.
    fn read(json: &[u8]) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let found = json.deserialize_map(TopLevelVisitor).ok()?;
        json.end().ok()?;
        Some(found)
    }
}

struct TopLevelVisitor;

impl<'de> Visitor<'de> for TopLevelVisitor {
    type Value = TopLevel;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel, A::Error> {
        let mut found = TopLevel { has_response_type: false, is_empty: true };
        while let Some(is_response_type) = map.next_key_seed(IsResponseType)? {
            map.next_value::<IgnoredAny>()?;
            found.has_response_type |= is_response_type;
            found.is_empty = false;
        }
        Ok(found)
    }
}

/// Reads a member's name as bytes, because a name may have half of a surrogate pair, which is not text. Escapes in it
/// are decoded.
struct IsResponseType;

impl<'de> DeserializeSeed<'de> for IsResponseType {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<bool, D::Error> {
        name.deserialize_bytes(self)
    }
}

impl Visitor<'_> for IsResponseType {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<bool, E> {
        Ok(name == NAME)
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name.as_bytes() == NAME)
    }
}

/// `Login.LastRefresh`, if the body has one that is a short text.
fn last_refresh(body: &[u8]) -> Option<String> {
    /// Flinks' own have 27: `2026-10-01T17:57:16.4111654`.
    const MAX_BYTES: usize = 64;
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Head<'b> {
        #[serde(borrow)]
        login: &'b RawValue,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Login {
        last_refresh: String,
    }
    let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let head: Head<'_> = serde_json::from_str(str::from_utf8(json).ok()?).ok()?;
    let login: Login = serde_json::from_str(head.login.get()).ok()?;
    Some(login.last_refresh).filter(|text| text.len() <= MAX_BYTES)
}

#[cfg(test)]
mod tests;
