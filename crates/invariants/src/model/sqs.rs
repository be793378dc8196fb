//! SQS's rules for a message, from its API reference and its page on message quotas.

/// The maximum size of a message in bytes: its body, and the name, type and value of each attribute.
pub const MAX_BYTES: usize = 1_048_576;
const MAX_ATTRIBUTES: usize = 10;
const MAX_GROUP_ID_CHARACTERS: usize = 128;
const MAX_NAME_CHARACTERS: usize = 256;

/// An attribute of a message: name, type, value.
pub type Attribute = (String, String, String);

/// The bytes that count for an attribute.
pub fn size(attribute: &Attribute) -> usize {
    attribute.0.len() + attribute.1.len() + attribute.2.len()
}

/// "A message can include only XML, JSON, and unformatted text. The following Unicode characters are allowed."
pub fn allows(character: char) -> bool {
    matches!(
        u32::from(character),
        0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF
    )
}

/// Whether a text can be a body, or an attribute's value.
pub fn allows_text(text: &str) -> bool {
    !text.is_empty() && text.chars().all(allows)
}

/// Panics unless SQS accepts the message.
pub fn check(body: &str, attributes: &[Attribute], group_id: Option<&str>) {
    assert!(allows_text(body), "a body that SQS rejects");
    assert!(attributes.len() <= MAX_ATTRIBUTES, "{} attributes", attributes.len());
    assert!(body.len() + attributes.iter().map(size).sum::<usize>() <= MAX_BYTES, "a message that is too large");
    for (place, (name, data_type, value)) in attributes.iter().enumerate() {
        let mut others = attributes.iter().enumerate().filter(|(other, _)| *other != place);
        assert!(others.all(|(_, (other, ..))| !other.eq_ignore_ascii_case(name)), "{name} occurs twice");
        assert!(is_name(name), "{name:?} is not an attribute name");
        assert!(allows_text(value), "a value of {name} that SQS rejects");
        match data_type.as_str() {
            "String" => {}
            "Number" => assert!(is_number(value), "{value:?} of {name} is not a number"),
            _ => panic!("the receiver sends no attributes of type {data_type:?}"),
        }
    }
    if let Some(id) = group_id {
        assert!((1..=MAX_GROUP_ID_CHARACTERS).contains(&id.chars().count()), "a group id of the wrong length");
        let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
        assert!(
            id.chars().all(|character| character.is_ascii_alphanumeric() || punctuation.contains(character)),
            "{id:?} is not a group id"
        );
    }
}

/// A name has letters, digits, underscores, hyphens and full stops. It does not start or end with a full stop, has no
/// two in a row, and has none of AWS's reserved prefixes.
fn is_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=MAX_NAME_CHARACTERS).contains(&name.chars().count())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "_-.".contains(character))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

/// A number has up to 38 significant digits and a magnitude from 10^-128 to 10^126.
fn is_number(value: &str) -> bool {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_matches('0');
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    let leading = digits.len() - digits.trim_start_matches('0').len();
    // The exponent of the first significant digit.
    let order = exponent + whole.len() as i64 - leading as i64 - 1;
    !whole.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && significant.len() <= 38
        && (significant.is_empty() || (-128..126).contains(&order))
}
