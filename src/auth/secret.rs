//! From the text of a secret to the key: what people paste along is not part of it, and what cannot be a key is none.
//!
//! | text of the secret | key |
//! |---|---|
//! | white space and line breaks around it (Unicode's, so a no-break space too) | the text without them |
//! | a JSON object with one member, a string: the console's "key/value" | that string, to which the same rules apply |
//! | nothing, or nothing but white space, NUL characters, quotation marks and byte-order marks | none |
//! | binary | none |
//! | quotation marks or a byte-order mark around it, other JSON | the text as it is, and the log names the suspicion |
//!
//! The key is the text's own bytes, never base64-decoded.

use std::fmt;

use serde::{
    Serialize,
    de::{Deserialize, Deserializer, MapAccess, Visitor},
};
use zeroize::Zeroizing;

/// What is wrong with a secret, or looks like a slip. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretProblem {
    /// No key: the secret is binary.
    Binary,
    /// No key: there is nothing in it that could be one.
    Empty,
    /// Used as it is, with the quotation marks around it.
    Quoted,
    /// Used as it is, with the byte-order mark before or behind it.
    ByteOrderMark,
    /// Used as it is: it looks like JSON.
    Json,
}

/// A secret, read.
pub struct SecretReading {
    /// None if the secret cannot be a key.
    pub key: Option<Zeroizing<String>>,
    pub problem: Option<SecretProblem>,
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Reads a secret's text; `None` is a binary secret.
pub fn read(text: Option<&str>) -> SecretReading {
    let without_key = |problem| SecretReading { key: None, problem: Some(problem) };
    let Some(text) = text else { return without_key(SecretProblem::Binary) };
    let mut text = Zeroizing::new(text.trim().to_owned());
    // Each time the text gets shorter, so that this ends.
    while let Ok(OnlyMember(value)) = serde_json::from_str(&text) {
        text = Zeroizing::new(value.trim().to_owned());
    }
    let is_nothing = |character: char| {
        character.is_whitespace() || matches!(character, '\0' | BYTE_ORDER_MARK) || is_quotation_mark(character)
    };
    if text.chars().all(is_nothing) {
        return without_key(SecretProblem::Empty);
    }
    SecretReading { problem: slip(&text), key: Some(text) }
}

/// What a text looks like that is used as it is.
fn slip(text: &str) -> Option<SecretProblem> {
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

/// The value of a JSON object that has one member, and that is a string.
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
                // Somebody may have pasted the secret into the name's field: that is wiped as well.
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
mod tests {
    use super::*;

    fn reading(text: &str) -> (Option<String>, Option<SecretProblem>) {
        let SecretReading { key, problem } = read(Some(text));
        (key.map(|key| key.to_string()), problem)
    }

    fn is_key(text: &str, key: &str) {
        assert_eq!(reading(text), (Some(key.to_owned()), None), "{text:?}");
    }

    #[test]
    fn white_space_around_a_secret_is_not_part_of_the_key() {
        for text in [
            "secret",
            "secret\n",
            "secret\r\n",
            "secret\n\n",
            " secret",
            "\tsecret ",
            "\u{A0}secret\u{2003}",
            "\n\n secret",
        ] {
            is_key(text, "secret");
        }
        is_key("in the middle\tit is", "in the middle\tit is");
        is_key("c2VjcmV0", "c2VjcmV0");
    }

    #[test]
    fn a_json_object_with_one_string_means_that_string() {
        for text in [
            r#"{"key":"secret"}"#,
            r#" { "key" : " secret\n" } "#,
            r#"{"":"secret"}"#,
            r#"{"key":"s\u0065cret"}"#,
            r#"{"key":"{\"inner\":\"secret\"}"}"#,
        ] {
            is_key(text, "secret");
        }
    }

    #[test]
    fn what_is_nothing_is_no_key() {
        let nothing = [
            "",
            " ",
            "   ",
            "\t",
            "\n",
            "\u{A0}",
            "\0",
            "\0\0\0",
            " \0 ",
            "\"",
            "\"\"",
            "''",
            "\" \"",
            "\u{FEFF}",
            "\u{FEFF}\"\"",
            "\u{201C}\u{201D}",
            r#"{"":""}"#,
            r#"{"key":" "}"#,
            r#"{"key":"\u0000"}"#,
            r#"{"key":"\"\""}"#,
        ];
        for text in nothing {
            assert_eq!(reading(text), (None, Some(SecretProblem::Empty)), "{text:?}");
        }
        let binary = read(None);
        assert!(binary.key.is_none());
        assert_eq!(binary.problem, Some(SecretProblem::Binary));
    }

    #[test]
    fn what_looks_like_a_slip_is_used_as_it_is_and_named() {
        for (text, problem) in [
            (r#""secret""#, SecretProblem::Quoted),
            ("'secret'", SecretProblem::Quoted),
            ("\u{201C}secret\u{201D}", SecretProblem::Quoted),
            ("\u{FEFF}secret", SecretProblem::ByteOrderMark),
            ("\u{FEFF}{\"key\":\"secret\"}", SecretProblem::ByteOrderMark),
            (r#"{"key":"secret","other":"secret"}"#, SecretProblem::Json),
            (r#"{"key":"secret","key":"secret"}"#, SecretProblem::Json),
            (r#"{"key":5}"#, SecretProblem::Json),
            (r#"{"key":{"key":"secret"}}"#, SecretProblem::Json),
            ("{}", SecretProblem::Json),
            (r#"["secret"]"#, SecretProblem::Json),
        ] {
            assert_eq!(reading(text), (Some(text.to_owned()), Some(problem)), "{text:?}");
            let padded = format!(" {text}\n");
            assert_eq!(reading(&padded), (Some(text.to_owned()), Some(problem)), "{text:?}");
        }
        is_key("it's", "it's");
        is_key("\"it is", "\"it is");
        is_key("{it", "{it");
        is_key("12345678", "12345678");
    }
}
