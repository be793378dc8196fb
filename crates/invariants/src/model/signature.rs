//! Signatures: which headers carry them, how they are written, and what they sign.

use ring::hmac;

/// Length of an HMAC-SHA256, in bytes.
pub const MAC_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Aggregation,
    Pay,
}

/// A header that can carry a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Aggregation,
    AggregationAlias,
    Pay,
}

impl Header {
    /// The header with this name, in upper or lower case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let lower: Vec<u8> =
            name.iter().map(|byte: &u8| if byte.is_ascii_uppercase() { byte + (b'a' - b'A') } else { *byte }).collect();
        match lower.as_slice() {
            b"flinks-authenticity-key" => Some(Self::Aggregation),
            b"x-flinks-signature" => Some(Self::AggregationAlias),
            b"x-webhook-signature" => Some(Self::Pay),
            _ => None,
        }
    }
}

/// Why headers contain no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSignature {
    Missing,
    Malformed,
}

/// The signatures in the headers: at most one per scheme, Pay before aggregation.
pub fn signatures(headers: &[(Header, Vec<u8>)]) -> Result<Vec<(Scheme, [u8; MAC_BYTES])>, NoSignature> {
    let aggregation = one_value(headers, &[Header::Aggregation, Header::AggregationAlias], base64_mac);
    let pay = one_value(headers, &[Header::Pay], hex_mac);
    let signatures: Vec<_> = pay
        .map(|mac| (Scheme::Pay, mac))
        .into_iter()
        .chain(aggregation.map(|mac| (Scheme::Aggregation, mac)))
        .collect();
    match (headers, signatures.as_slice()) {
        ([], _) => Err(NoSignature::Missing),
        (_, []) => Err(NoSignature::Malformed),
        _ => Ok(signatures),
    }
}

/// The signature in the headers with these names, if there is exactly one value. It may occur several times, in
/// separate headers or separated by commas.
fn one_value(
    headers: &[(Header, Vec<u8>)],
    names: &[Header],
    decode: fn(&[u8]) -> Option<[u8; MAC_BYTES]>,
) -> Option<[u8; MAC_BYTES]> {
    let mut found = Vec::new();
    for (_, list) in headers.iter().filter(|(name, _)| names.contains(name)) {
        for value in list.split(|byte| *byte == b',') {
            found.push(decode(value)?);
        }
    }
    found.dedup();
    match found.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

fn base64_mac(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    base64(trimmed(value))?.try_into().ok()
}

fn hex_mac(value: &[u8]) -> Option<[u8; MAC_BYTES]> {
    let value = str::from_utf8(trimmed(value)).ok()?.to_ascii_lowercase();
    let digits: Vec<u8> = value.strip_prefix("sha256=")?.bytes().collect();
    let legal = digits.len() == 2 * MAC_BYTES && digits.iter().all(u8::is_ascii_hexdigit);
    let bytes = digits.chunks(2).filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    if legal { bytes.collect::<Vec<_>>().try_into().ok() } else { None }
}

/// The value without white space at both ends.
fn trimmed(value: &[u8]) -> &[u8] {
    let space = |byte: &u8| [b' ', b'\t', b'\n', b'\r', 0x0C].contains(byte);
    let start = value.iter().position(|byte| !space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !space(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// Decodes base64 by RFC 4648, section 4: the standard alphabet, padded, without line breaks, and with zero padding
/// bits.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] => digits,
        digits => digits,
    };
    let values: Option<Vec<usize>> =
        digits.iter().map(|digit| ALPHABET.iter().position(|known| known == digit)).collect();
    let bits: Vec<bool> = values?.iter().flat_map(|value| (0..6).rev().map(move |bit| value >> bit & 1 == 1)).collect();
    let (bytes, padding) = bits.split_at(bits.len() / 8 * 8);
    let legal = text.len().is_multiple_of(4) && padding.len() < 6 && !padding.contains(&true);
    legal.then(|| bytes.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect())
}

/// HMAC-SHA256.
pub fn mac(secret: &str, text: &[u8]) -> [u8; MAC_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text);
    tag.as_ref().try_into().expect("an HMAC-SHA256 has 32 bytes")
}

/// A text in .NET's `Encoding.ASCII`: each UTF-16 unit outside ASCII becomes a question mark.
pub fn ascii_encoding(text: &str) -> Vec<u8> {
    text.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(|byte| *byte < 0x80).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        // RFC 4648, section 10.
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")] {
            assert_eq!(base64(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        for text in ["Zg", "Zg=", "Zh==", "Zm9=", "=", "====", "Zm9v=", "Z===", "Zg==\n", "Zm9vZg==Zm9v", "Zm-_"] {
            assert_eq!(base64(text.as_bytes()), None, "{text}");
        }
    }
}
