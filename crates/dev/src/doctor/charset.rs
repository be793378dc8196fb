//! Conversions between UTF-8 and other text encodings.

use encoding_rs::WINDOWS_1252;

/// The same bytes. `None` if they are valid UTF-8.
pub fn not_utf8(bytes: &[u8]) -> Option<&[u8]> {
    str::from_utf8(bytes).is_err().then_some(bytes)
}

/// Encodes as ISO 8859-1. `None` if it lacks one of the characters.
pub fn to_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

pub fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// `None` if Windows-1252 lacks one of the characters.
pub fn to_windows_1252(text: &str) -> Option<Vec<u8>> {
    let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

pub fn from_windows_1252(bytes: &[u8]) -> Option<String> {
    WINDOWS_1252.decode_without_bom_handling_and_without_replacement(bytes).map(String::from)
}

pub fn to_utf16_le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub fn to_utf16_be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Decodes UTF-16. It detects the byte order by the byte-order mark, or by the zeros beside ASCII characters. The
/// result has no byte-order mark.
pub fn from_utf16(bytes: &[u8]) -> Option<String> {
    let little = match bytes {
        [0xFF, 0xFE, ..] | [1..=0x7F, 0, ..] => true,
        [0xFE, 0xFF, ..] | [0, 1..=0x7F, ..] => false,
        _ => return None,
    };
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let unit = |pair: &[u8; 2]| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let units: Vec<u16> = pairs.iter().map(unit).collect();
    let text = String::from_utf16(&units).ok()?;
    Some(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text))
}

/// Encodes as .NET's ASCII encoding does: `?` for each UTF-16 unit outside ASCII.
pub fn to_ascii(text: &str) -> Vec<u8> {
    text.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
}
