//! A secret in Secrets Manager: how it is fetched, and how its text becomes a key.
//!
//! | text of the secret | key |
//! |---|---|
//! | white space and line breaks around it (Unicode's, so a no-break space too) | the text without them |
//! | a JSON object with one member, a string: the console's "key/value" | that string, to which the same rules apply |
//! | nothing, or nothing but white space, NUL characters, quotation marks and byte-order marks | none |
//! | binary | none |
//! | quotation marks or a byte-order mark around it, other JSON | the text as it is; the log names the likely mistake |
//!
//! The key is the text's own bytes, never base64-decoded.

use std::{fmt, future::Future, time::SystemTime};

use serde::{
    Serialize,
    de::{Deserialize, Deserializer, MapAccess, Visitor},
};
use zeroize::Zeroizing;

use super::signature::Scheme;
use crate::aws_error::AwsError;

/// Where secrets come from.
pub trait SecretSource {
    /// Makes one attempt to fetch the version of the scheme's secret at `stage`. `None` if there is no such version.
    fn fetch(
        &self,
        scheme: Scheme,
        stage: Stage,
    ) -> impl Future<Output = Result<Option<SecretVersion>, AwsError>> + Send;
}

/// Secrets Manager's staging labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    #[serde(rename = "AWSCURRENT")]
    Current,
    #[serde(rename = "AWSPREVIOUS")]
    Previous,
}

/// One version of a secret.
pub struct SecretVersion {
    pub id: String,
    /// When the version was stored.
    pub created: Option<SystemTime>,
    /// `None` if the secret is binary.
    pub text: Option<Zeroizing<String>>,
}

/// What is wrong with a secret, or looks like a mistake. Holds nothing of the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretProblem {
    /// No key: the secret is binary.
    Binary,
    /// No key: the secret has nothing in it that could be one.
    Empty,
    /// Used as it is, with the quotation marks around it.
    Quoted,
    /// Used as it is, with the byte-order mark before or after it.
    ByteOrderMark,
    /// Used as it is: it looks like JSON.
    Json,
}

/// What is wrong with the secret at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyProblem {
    pub scheme: Scheme,
    pub stage: Stage,
    pub problem: SecretProblem,
}

impl KeyProblem {
    /// The secret cannot be a key. Every other problem only looks like a mistake: the secret is used.
    pub fn is_unusable(&self) -> bool {
        matches!(self.problem, SecretProblem::Binary | SecretProblem::Empty)
    }
}

/// What [`parse`] found in a secret: the key, if it can be one, and what is wrong with it.
pub struct ParsedSecret {
    /// `None` if the secret cannot be a key.
    pub key: Option<Zeroizing<String>>,
    pub problem: Option<SecretProblem>,
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Parses a secret's text; `None` is a binary secret.
pub fn parse(text: Option<&str>) -> ParsedSecret {
    let without_key = |problem| ParsedSecret { key: None, problem: Some(problem) };
    let Some(text) = text else { return without_key(SecretProblem::Binary) };
    let mut text = Zeroizing::new(text.trim().to_owned());
    // The text gets shorter each time, so this ends.
    while let Ok(OnlyMember(value)) = serde_json::from_str(&text) {
        text = Zeroizing::new(value.trim().to_owned());
    }
    let is_nothing = |character: char| {
        character.is_whitespace() || matches!(character, '\0' | BYTE_ORDER_MARK) || is_quotation_mark(character)
    };
    if text.chars().all(is_nothing) {
        return without_key(SecretProblem::Empty);
    }
    ParsedSecret { problem: likely_mistake(&text), key: Some(text) }
}

/// The likely mistake in a text that is nevertheless used as the key.
fn likely_mistake(text: &str) -> Option<SecretProblem> {
    let is_between = |open: char, close: char| text.starts_with(open) && text.ends_with(close);
    if text.starts_with(BYTE_ORDER_MARK) || text.ends_with(BYTE_ORDER_MARK) {
        Some(SecretProblem::ByteOrderMark)
    } else if text.starts_with(is_quotation_mark) && text.ends_with(is_quotation_mark) {
        Some(SecretProblem::Quoted)
    } else if is_between('{', '}') || is_between('[', ']') {
        Some(SecretProblem::Json)
    } else {
        None
    }
}

/// Straight and typographic quotation marks.
fn is_quotation_mark(character: char) -> bool {
    matches!(character, '"' | '\'' | '`' | '\u{AB}' | '\u{BB}' | '\u{2018}'..='\u{201F}')
}

/// The value of a JSON object whose only member is a string.
struct OnlyMember(Zeroizing<String>);

impl<'de> Deserialize<'de> for OnlyMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl<'de> Visitor<'de> for MemberVisitor {
            type Value = OnlyMember;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with one member, a string")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OnlyMember, A::Error> {
                use serde::de::Error;

                let none = || A::Error::custom("no member");
                // Somebody may have pasted the secret into the name's field, so the name is wiped as well.
                let entry = map.next_entry::<String, String>()?.ok_or_else(none)?;
                let (_name, value) = (Zeroizing::new(entry.0), Zeroizing::new(entry.1));
                match map.next_key::<String>()? {
                    None => Ok(OnlyMember(value)),
                    Some(_) => Err(A::Error::custom("more members")),
                }
            }
        }

        deserializer.deserialize_map(MemberVisitor)
    }
}

#[cfg(test)]
mod tests;
