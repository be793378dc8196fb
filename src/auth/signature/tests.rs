use std::cell::Cell;

use super::*;

fn signatures(headers: &[(&str, &str)]) -> Result<Vec<(Scheme, [u8; MAC_BYTES])>, Rejection> {
    let mut values = SignatureHeaders::default();
    for (name, value) in headers {
        values.push(SignatureHeader::from_name(name.as_bytes()).unwrap(), value.as_bytes().to_vec());
    }
    Signatures::from_headers(&values).map(|found| found.iter().map(|found| (found.scheme, found.mac)).collect())
}

const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ONES: &str = "//////////////////////////////////////////8=";

fn sha256_of(digits: &str) -> String {
    format!("sha256={}", digits.repeat(MAC_BYTES))
}

#[test]
fn header_names_are_known_in_any_case() {
    assert_eq!(SignatureHeader::from_name(b"Flinks-Authenticity-KEY"), Some(SignatureHeader::AuthenticityKey));
    assert_eq!(SignatureHeader::from_name(b"X-FLINKS-SIGNATURE"), Some(SignatureHeader::AuthenticityKeyAlias));
    assert_eq!(SignatureHeader::from_name(b"x-webhook-signature"), Some(SignatureHeader::WebhookSignature));
    assert_eq!(SignatureHeader::from_name(b"flinks-authenticity-keys"), None);
}

#[test]
fn white_space_around_a_signature_is_trimmed() {
    let padded = format!(" \t{ZEROS}\r\n");
    assert_eq!(signatures(&[("flinks-authenticity-key", &padded)]), Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]));
}

#[test]
fn hex_is_read_in_any_case() {
    for value in [sha256_of("aB"), sha256_of("AB").to_uppercase(), format!(" {} ", sha256_of("ab"))] {
        assert_eq!(
            signatures(&[("x-webhook-signature", &value)]),
            Ok(vec![(Scheme::Pay, [0xAB; MAC_BYTES])]),
            "{value}"
        );
    }
}

#[test]
fn no_signature_is_missing_and_not_malformed() {
    assert_eq!(signatures(&[]), Err(Rejection::SignatureMissing));
}

#[test]
fn a_value_that_is_not_a_signature_is_malformed() {
    let key = "flinks-authenticity-key";
    let pay = "X-Webhook-Signature";
    let (short, url_safe, stray) = (&ZEROS[..42], ONES.replace('/', "_"), ZEROS.replace("A=", "B="));
    for headers in [
        [(key, "")],
        [(key, short)],
        [(key, &ZEROS[..43])],
        [(key, &url_safe)],
        [(key, &stray)],
        [(key, &sha256_of("00"))],
        [(key, &sha256_of("00")[7..])],
        [(key, &format!("{ZEROS},{ONES}"))],
        [(key, &format!("{ZEROS},"))],
        [(key, &format!("{ZEROS} {ZEROS}"))],
        [(key, ",")],
        [(key, &format!("{}\n{}", &ZEROS[..20], &ZEROS[20..]))],
        [(key, "é")],
        [(pay, "")],
        [(pay, "sha256=")],
        [(pay, &sha256_of("00")[7..])],
        [(pay, &sha256_of("0g"))],
        [(pay, &sha256_of("0"))],
        [(pay, &format!("{}0", sha256_of("00")))],
        [(pay, &sha256_of("00").replace("256", "512"))],
        [(pay, ZEROS)],
    ] {
        assert_eq!(signatures(&headers), Err(Rejection::SignatureMalformed), "{headers:?}");
    }
}

#[test]
fn different_values_of_one_header_are_malformed() {
    let key = "flinks-authenticity-key";
    let lists = [format!("{ZEROS},{ONES}"), format!("{ZEROS}, {ZEROS},{ONES}"), format!("{ZEROS},{ZEROS},")];
    assert_eq!(signatures(&[(key, ZEROS), (key, ONES)]), Err(Rejection::SignatureMalformed));
    assert_eq!(signatures(&[(key, ZEROS), ("Flinks-Authenticity-Key", ONES)]), Err(Rejection::SignatureMalformed));
    assert_eq!(signatures(&[(key, ZEROS), (key, "")]), Err(Rejection::SignatureMalformed));
    for list in &lists {
        assert_eq!(signatures(&[(key, list)]), Err(Rejection::SignatureMalformed), "{list}");
    }
    let (zeros, ones) = (sha256_of("00"), sha256_of("ff"));
    assert_eq!(signatures(&[("x-webhook-signature", &format!("{zeros},{ones}"))]), Err(Rejection::SignatureMalformed));
}

#[test]
fn the_same_value_several_times_is_one_value() {
    let key = "flinks-authenticity-key";
    let zeros = Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]);
    assert_eq!(signatures(&[(key, ZEROS), (key, ZEROS)]), zeros);
    for list in [format!("{ZEROS},{ZEROS}"), format!("{ZEROS}, {ZEROS}"), format!(" {ZEROS} ,\t{ZEROS},{ZEROS}")] {
        assert_eq!(signatures(&[(key, &list)]), zeros, "{list}");
        assert_eq!(signatures(&[(key, &list), ("x-flinks-signature", ZEROS)]), zeros, "{list}");
    }
    let pay = format!("{}, {}", sha256_of("aB"), sha256_of("Ab"));
    assert_eq!(signatures(&[("x-webhook-signature", &pay)]), Ok(vec![(Scheme::Pay, [0xAB; MAC_BYTES])]));
}

#[test]
fn the_alias_counts_alone_or_in_agreement() {
    let (key, alias) = ("flinks-authenticity-key", "X-Flinks-Signature");
    let zeros = Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]);
    assert_eq!(signatures(&[(alias, ZEROS)]), zeros);
    assert_eq!(signatures(&[(key, ZEROS), (alias, ZEROS)]), zeros);
    assert_eq!(signatures(&[(key, ZEROS), (alias, ONES)]), Err(Rejection::SignatureMalformed));
    assert_eq!(signatures(&[(key, ZEROS), (alias, "")]), Err(Rejection::SignatureMalformed));
}

#[test]
fn both_schemes_have_a_signature_and_pay_goes_first() {
    let both = signatures(&[("flinks-authenticity-key", ZEROS), ("x-webhook-signature", &sha256_of("ff"))]);
    assert_eq!(both, Ok(vec![(Scheme::Pay, [0xFF; MAC_BYTES]), (Scheme::Aggregation, [0; MAC_BYTES])]));
}

#[test]
fn a_malformed_header_of_one_scheme_does_not_spoil_the_other() {
    let one = signatures(&[("flinks-authenticity-key", ZEROS), ("x-webhook-signature", "v1=abc")]);
    assert_eq!(one, Ok(vec![(Scheme::Aggregation, [0; MAC_BYTES])]));
}

fn mac_of_ascii_encoding(text: &str) -> Vec<u8> {
    let mut mac = Hmac::new_from_slice(b"key").unwrap();
    ascii_encoding::update(&mut mac, text);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn the_ascii_encoding_has_a_question_mark_for_each_utf_16_unit_outside_ascii() {
    // Longer than a piece, so that characters fall across the seams; and runs of ASCII of each length.
    let runs: String = (0..200).map(|length| "a".repeat(length) + "é").collect();
    for text in ["é", "a\u{FFFF}b", "😀", "Zoé 😀\0", &"aé😀€".repeat(2000), &runs] {
        let model: String = text
            .encode_utf16()
            .map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).map_or('?', char::from))
            .collect();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
        mac.update(model.as_bytes());
        assert_eq!(mac_of_ascii_encoding(text), mac.finalize().into_bytes().to_vec(), "{text:.20}");
    }
}

#[test]
fn a_forgery_costs_one_hmac_for_each_key_and_encoding() {
    let keys = ["current", "previous"].map(|secret| SigningKey::new(secret.as_bytes()).unwrap());
    let hmacs = |scheme, body: &[u8], accept_ascii| {
        let taken = Cell::new(0);
        // A key is taken from the iterator for one HMAC.
        let keys = keys.iter().inspect(|_| taken.set(taken.get() + 1));
        let body = Bytes::copy_from_slice(body);
        assert!(Signature { scheme, mac: [0; MAC_BYTES] }.verify(&body, keys, accept_ascii).is_none());
        taken.get()
    };
    assert_eq!(hmacs(Scheme::Aggregation, b"Zoe", true), 2);
    assert_eq!(hmacs(Scheme::Aggregation, "Zoé".as_bytes(), true), 4);
    assert_eq!(hmacs(Scheme::Aggregation, "Zoé".as_bytes(), false), 2);
    // Not text, so there is no second encoding.
    assert_eq!(hmacs(Scheme::Aggregation, b"Zo\xe9", true), 2);
    assert_eq!(hmacs(Scheme::Pay, "Zoé".as_bytes(), true), 2);
}

#[test]
fn an_empty_key_is_not_a_key() {
    assert!(SigningKey::new(b"").is_none());
}

#[test]
fn a_key_wipes_itself_and_shows_nothing() {
    // An HMAC is two states of its hash, which wipe themselves.
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<Sha256>();
    let shown = SigningKey::new(b"secret").map(|key| format!("{key:?}"));
    assert_eq!(shown.as_deref(), Some("SigningKey(..)"));
}
