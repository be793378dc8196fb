//! The ASCII encoding of a body, and which bodies a signature over it verifies.
//!
//! The input is a body. A second body may follow after a record separator (0x1E).

use crate::{
    model::signature::{MAC_BYTES, Scheme, ascii_encoding, mac},
    signature_check::{key, verify},
};

const CURRENT: &str = "the current secret";
const PREVIOUS: &str = "the previous secret";
const SEPARATOR: u8 = 0x1E;

/// The receiver accepts a signature over an ASCII encoding for the bodies that have this encoding, and for no other
/// body.
pub fn check(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == SEPARATOR);
    let (body, other) = (parts.next().unwrap_or_default(), parts.next());
    // A body that is not UTF-8 has no ASCII encoding. This is what somebody might take for it.
    let encoding = ascii_encoding(&String::from_utf8_lossy(body));
    let mut others = vec![body.to_vec(), encoding.clone(), encoding.iter().rev().copied().collect()];
    others.extend(other.map(<[u8]>::to_vec));
    if let Ok(text) = str::from_utf8(body) {
        others.push(text.replace('?', "é").into_bytes());
        others.push(text.replace(|character: char| !character.is_ascii(), "?").into_bytes());
        others.push(
            text.chars()
                .map(|character| if character.is_ascii() { character } else { '€' })
                .collect::<String>()
                .into_bytes(),
        );
    }
    for secret in [CURRENT, PREVIOUS] {
        let signature = mac(secret, &encoding);
        for other in &others {
            for is_on in [true, false] {
                let expected = form(other, &encoding, is_on);
                assert_eq!(verified_form(Scheme::Aggregation, &signature, other, is_on), expected);
                // Flinks Pay signs the bytes.
                let expected = (*other == encoding).then_some("pay");
                assert_eq!(verified_form(Scheme::Pay, &signature, other, is_on), expected);
            }
        }
        for is_on in [true, false] {
            assert_eq!(verified_form(Scheme::Aggregation, &mac(secret, body), body, is_on), Some("raw"));
        }
    }
}

/// The signature form in which a signature over `signed` verifies `body`, if any.
fn form(body: &[u8], signed: &[u8], is_on: bool) -> Option<&'static str> {
    let reads_as_signed = || str::from_utf8(body).is_ok_and(|text| ascii_encoding(text) == signed);
    if body == signed { Some("raw") } else { (is_on && reads_as_signed()).then_some("ascii") }
}

fn verified_form(scheme: Scheme, signature: &[u8; MAC_BYTES], body: &[u8], is_on: bool) -> Option<&'static str> {
    let keys = [key(CURRENT), key(PREVIOUS)];
    let authentic = verify(scheme, signature, body, &keys, is_on)?;
    assert_eq!(authentic.body(), body, "the body differs from the posted one");
    Some(authentic.signature_form().as_str())
}
