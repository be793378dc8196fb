//! The rules for the names and values of message attributes (SQS developer guide, "Amazon SQS message attributes", and
//! the API reference's MessageAttributeValue).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::error::{invalid, unsupported};
use super::message::{AttributeValue, StoredAttribute};
use super::number::is_number;
use super::text::{complaint, forbidden_character};
use crate::error::ServiceError;

/// The most characters in a name, and in a data type with its label.
const MAX_NAME_CHARACTERS: usize = 256;

/// A MessageAttributeValue as sent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SentAttribute {
    data_type: Option<String>,
    string_value: Option<String>,
    /// In base64.
    binary_value: Option<String>,
    string_list_values: Option<Vec<Value>>,
    binary_list_values: Option<Vec<Value>>,
}

impl SentAttribute {
    /// Returns the attribute, or fails with InvalidParameterValue if its name, type or value breaks a rule.
    pub(super) fn check(self, name: &str) -> Result<StoredAttribute, ServiceError> {
        check_name(name)?;
        let lists = [&self.string_list_values, &self.binary_list_values];
        if lists.into_iter().flatten().any(|list| !list.is_empty()) {
            return Err(unsupported("Message attribute list values in SendMessage operation are not supported."));
        }
        let data_type = self.data_type.filter(|data_type| !data_type.is_empty());
        let data_type = data_type.ok_or_else(|| {
            invalid(format!("The message attribute '{name}' must contain non-empty message attribute type."))
        })?;
        let kind = Kind::from_data_type(&data_type).ok_or_else(|| {
            invalid(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of \
                 supported type prefixes is Binary, Number, and String."
            ))
        })?;
        let value = kind.value(name, self.string_value, self.binary_value)?;
        Ok(StoredAttribute { data_type, value })
    }
}

/// The part of a data type before the first dot.
enum Kind {
    String,
    Number,
    Binary,
}

impl Kind {
    fn from_data_type(data_type: &str) -> Option<Kind> {
        if data_type.chars().count() > MAX_NAME_CHARACTERS {
            return None;
        }
        match data_type.split('.').next()? {
            "String" => Some(Kind::String),
            "Number" => Some(Kind::Number),
            "Binary" => Some(Kind::Binary),
            _ => None,
        }
    }

    fn value(&self, name: &str, text: Option<String>, binary: Option<String>) -> Result<AttributeValue, ServiceError> {
        let value = match self {
            Kind::String | Kind::Number => AttributeValue::Text(text.unwrap_or_default()),
            Kind::Binary => {
                let bytes = STANDARD.decode(binary.unwrap_or_default());
                AttributeValue::Binary(
                    bytes.map_err(|error| ServiceError::bad_request("SerializationException", error.to_string()))?,
                )
            }
        };
        if value.bytes().is_empty() {
            let kind = self.name();
            return Err(invalid(format!(
                "The message attribute '{name}' must contain non-empty message attribute value \
                 for message attribute type '{kind}'."
            )));
        }
        match (self, &value) {
            (Kind::Number, AttributeValue::Text(text)) if !is_number(text) => {
                Err(invalid(format!("Can't cast the value of message attribute '{name}' to a number.")))
            }
            (_, AttributeValue::Text(text)) => match forbidden_character(text) {
                Some(forbidden) => {
                    let place = format!("message attribute '{name}' value");
                    Err(invalid(complaint(forbidden, &place)))
                }
                None => Ok(value),
            },
            (_, AttributeValue::Binary(_)) => Ok(value),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Kind::String => "String",
            Kind::Number => "Number",
            Kind::Binary => "Binary",
        }
    }
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let reserved = ["aws.", "amazon."];
    let lower = name.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let complaint = if name.is_empty() || name.chars().count() > MAX_NAME_CHARACTERS {
        "must be between 1 and 256 characters long"
    } else if !name.chars().all(allowed) {
        "can contain only alphanumeric characters, hyphens, underscores and periods"
    } else if reserved.iter().any(|prefix| lower.starts_with(prefix)) {
        "must not start with AWS. or Amazon."
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        "must not start or end with a period or have periods in succession"
    } else {
        return Ok(());
    };
    Err(invalid(format!("Invalid message attribute name '{name}': it {complaint}.")))
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn letters_digits_underscores_hyphens_and_inner_periods_make_a_name() {
        let long = "n".repeat(256);
        for name in ["a", "A-1_b.c", "aws", "AmazonThing", &long] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn other_names_are_rejected() {
        let long = "n".repeat(257);
        let names = ["", ".a", "a.", "a..b", "a b", "é", "AWS.x", "aWs.x", "Amazon.x", "amazon.x", &long];
        for name in names {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
