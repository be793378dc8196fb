//! Test vectors: RFC 4231's and Wycheproof's for HMAC-SHA256, and the project's own for the two schemes.

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_webhooks::{
    auth::{SignatureForm, Signatures, SigningKey},
    http::{SignatureHeader, SignatureHeaders},
    rejection::Rejection,
};
use serde::Deserialize;
use wycheproof::{TestResult, mac};

/// Checks a body against the signature in one header.
fn check(key: &[u8], header: SignatureHeader, signature: &str, body: &[u8]) -> Result<SignatureForm, Rejection> {
    let mut headers = SignatureHeaders::default();
    headers.push(header, signature.as_bytes().to_vec());
    let signatures = Signatures::from_headers(&headers)?;
    let keys = SigningKey::new(key);
    let signature = signatures.iter().next().ok_or(Rejection::SignatureMissing)?;
    let verified = signature.verify(&body.to_vec().into(), keys.iter(), true);
    verified.map(|authentic| authentic.signature_form()).ok_or(Rejection::SignatureWrong)
}

fn check_tag(key: &[u8], tag: &[u8], body: &[u8]) -> [bool; 2] {
    [
        (SignatureHeader::AuthenticityKey, BASE64_STANDARD.encode(tag)),
        (SignatureHeader::WebhookSignature, format!("sha256={}", hex::encode(tag))),
    ]
    .map(|(header, signature)| check(key, header, &signature, body).is_ok())
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    scheme: String,
    key: String,
    body: String,
    signature: String,
    accept: bool,
}

#[test]
fn the_projects_vectors_are_accepted_or_rejected_as_they_say() {
    let vectors: Vectors = serde_json::from_str(include_str!("../data/signature-vectors.json")).unwrap();
    assert_eq!(vectors.vectors.len(), 6);
    for vector in vectors.vectors {
        let header =
            if vector.scheme == "pay" { SignatureHeader::WebhookSignature } else { SignatureHeader::AuthenticityKey };
        let checked = check(vector.key.as_bytes(), header, &vector.signature, vector.body.as_bytes());
        assert_eq!(checked.is_ok(), vector.accept, "{}", vector.name);
        if vector.name.contains("ASCII") {
            assert_eq!(checked, Ok(SignatureForm::Ascii), "{}", vector.name);
        }
    }
}

#[test]
fn rfc_4231() {
    // Section 4, test cases 1 to 4, 6 and 7. Case 5 has a truncated tag, which must fail.
    let long_key = "Test Using Larger Than Block-Size Key - Hash Key First";
    let long_data = "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.";
    for (key, data, tag) in [
        (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ((1..=25).collect(), vec![0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (vec![0xaa; 131], long_key.into(), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        (vec![0xaa; 131], long_data.into(), "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ] {
        assert_eq!(check_tag(&key, &hex::decode(tag).unwrap(), &data), [true, true], "{tag}");
    }
    let truncated = hex::decode("a3b6167473100ee06e0c796c2955552b").unwrap();
    assert_eq!(check_tag(&[0x0c; 20], &truncated, b"Test With Truncation"), [false, false]);
}

#[test]
fn wycheproof() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        for test in group.tests {
            // The receiver removes a line break at the end of a secret. HMAC itself does not.
            if test.key.last() == Some(&b'\n') {
                continue;
            }
            let valid = test.result == TestResult::Valid && group.tag_size == 256;
            assert_eq!(check_tag(&test.key, &test.tag, &test.msg), [valid, valid], "{}: {}", test.tc_id, test.comment);
            checked += 1;
        }
    }
    assert!(checked > 150, "{checked}");
}
