//! The second reading of a body: who it lets in, and with what.
//!
//! The input is a body; a second one may follow it after a record separator (0x1E).

use crate::{
    model::signature::{MAC_BYTES, Scheme, ascii_reading, mac},
    proof::{key, prove},
};

const CURRENT: &str = "the current secret";
const PREVIOUS: &str = "the previous secret";
const SEPARATOR: u8 = 0x1E;

/// A signature over what a body reads as in ASCII is accepted as that when it should be, and for no body that reads
/// otherwise.
pub fn check(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == SEPARATOR);
    let (body, other) = (parts.next().unwrap_or_default(), parts.next());
    // Of a body that is no text: what somebody might take for its reading.
    let reading = ascii_reading(&String::from_utf8_lossy(body));
    let mut others = vec![body.to_vec(), reading.clone(), reading.iter().rev().copied().collect()];
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
        let signature = mac(secret, &reading);
        for other in &others {
            for is_on in [true, false] {
                let expected = form(other, &reading, is_on);
                assert_eq!(form_proven(Scheme::Aggregation, &signature, other, is_on), expected);
                // Flinks Pay signs bytes.
                let expected = (*other == reading).then_some("pay");
                assert_eq!(form_proven(Scheme::Pay, &signature, other, is_on), expected);
            }
        }
        for is_on in [true, false] {
            assert_eq!(form_proven(Scheme::Aggregation, &mac(secret, body), body, is_on), Some("raw"));
        }
    }
}

/// The form in which a signature over `signed` is one of `body`.
fn form(body: &[u8], signed: &[u8], is_on: bool) -> Option<&'static str> {
    let reads_as_signed = || str::from_utf8(body).is_ok_and(|text| ascii_reading(text) == signed);
    if body == signed { Some("raw") } else { (is_on && reads_as_signed()).then_some("ascii") }
}

fn form_proven(scheme: Scheme, signature: &[u8; MAC_BYTES], body: &[u8], is_on: bool) -> Option<&'static str> {
    let keys = [key(CURRENT), key(PREVIOUS)];
    let proven = prove(scheme, signature, body, &keys, is_on)?;
    assert_eq!(proven.body(), body, "another body than the one that was signed");
    Some(proven.signature_form().as_str())
}
