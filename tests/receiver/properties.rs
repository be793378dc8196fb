//! Properties that hold for every input.

use flinks_dev::sign;
use flinks_webhooks::{
    auth::{AuthenticCallback, SignatureForm, Signatures, SigningKey},
    delivery::{MAX_MESSAGE_BYTES, Message},
    http::{SignatureHeader, SignatureHeaders},
    routing::{ClassifiedCallback, ResponseTypes},
};
use proptest::prelude::*;
use serde_json::json;
use std::time::SystemTime;

const SECRET: &str = "secret";

fn verify(signature: &[u8], body: &[u8], ascii_encoding: bool) -> Option<AuthenticCallback> {
    let mut headers = SignatureHeaders::default();
    headers.push(SignatureHeader::AuthenticityKey, signature.to_vec());
    let signatures = Signatures::from_headers(&headers).ok()?;
    let key = SigningKey::new(SECRET.as_bytes());
    signatures.iter().next()?.verify(&body.to_vec().into(), key.iter(), ascii_encoding)
}

fn message(body: &[u8]) -> Message {
    let callback = verify(sign::aggregation(body, SECRET).as_bytes(), body, false).unwrap();
    Message::from_callback(&ClassifiedCallback::classify(callback, &ResponseTypes::new()), SystemTime::now())
}

/// Bodies of all kinds: bytes, text, and JSON with unusual values in the routing fields.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        // Any characters, including those that proptest's own strings never have: control characters and noncharacters.
        proptest::collection::vec(any::<char>(), 0..20).prop_map(|text| json!(text.iter().collect::<String>())),
        "\\PC{0,300}".prop_map(|text| json!(text)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        Just(json!(null)),
        Just(json!(true)),
        Just(json!([{}])),
    ];
    let keys = [
        "ResponseType",
        "HttpStatusCode",
        "RequestId",
        "Tag",
        "sessionId",
        "status",
        "DocumentAnalysis",
        "Id",
        "LoginId",
        "IsScheduledRefresh",
    ];
    let fields = move || proptest::collection::vec((proptest::sample::select(keys.to_vec()), scalar.clone()), 0..12);
    let object = |fields: Vec<(&str, serde_json::Value)>| {
        let members: Vec<_> = fields.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        members.join(",")
    };
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        any::<String>().prop_map(String::into_bytes),
        (fields(), fields()).prop_map(move |(top, login)| {
            format!(
                r#"{{{}{}"Login":{{{}}}}}"#,
                object(top.clone()),
                if top.is_empty() { "" } else { "," },
                object(login)
            )
            .into_bytes()
        }),
    ]
}

/// The rule for legal characters, as in SQS's API reference.
fn sqs_has(character: char) -> bool {
    matches!(u32::from(character), 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x10000..=0x10FFFF)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_in_the_body_is_rejected(mut body in proptest::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let signature = sign::aggregation(&body, SECRET);
        prop_assert!(verify(signature.as_bytes(), &body, true).is_some());
        let byte = at.index(body.len());
        body[byte] ^= 1 << bit;
        prop_assert!(verify(signature.as_bytes(), &body, true).is_none());
    }

    #[test]
    fn a_flipped_bit_in_the_signature_is_rejected(body in proptest::collection::vec(any::<u8>(), 0..300), at in 0..44usize, bit in 0..8u8) {
        let mut signature = sign::aggregation(&body, SECRET).into_bytes();
        signature[at] ^= 1 << bit;
        prop_assert!(verify(&signature, &body, true).is_none());
    }

    #[test]
    fn the_ascii_encoding_matches_dot_net_and_can_be_turned_off(text in any::<String>()) {
        let signature = sign::ascii(&text, SECRET);
        let form = |on| verify(signature.as_bytes(), text.as_bytes(), on).map(|authentic| authentic.signature_form());
        let expected = if text.is_ascii() { SignatureForm::Raw } else { SignatureForm::Ascii };
        prop_assert_eq!(form(true), Some(expected));
        prop_assert_eq!(form(false), text.is_ascii().then_some(SignatureForm::Raw));
    }

    #[test]
    fn an_ascii_signature_covers_everything_but_letters_outside_ascii(
        before in "[ -~]{0,50}", after in "[ -~]{0,50}", other in any::<char>(),
    ) {
        let signature = sign::ascii(&format!("{before}é{after}"), SECRET);
        let form = |body: &str| verify(signature.as_bytes(), body.as_bytes(), true).map(|authentic| authentic.signature_form());
        // The characters that the ASCII encoding writes as one `?`, as it does with é.
        let same = other == '?' || !other.is_ascii() && other.len_utf16() == 1;
        prop_assert_eq!(form(&format!("{before}{other}{after}")).is_some(), same);
        prop_assert_eq!(form(&format!("{before}é{after}{other}")), None);
        prop_assert_eq!(form(&format!("{other}{before}é{after}")), None);
    }

    #[test]
    fn routing_takes_any_body_and_keeps_its_bytes(body in bodies()) {
        let message = message(&body);
        prop_assert_eq!(&message.body()[..], &body[..]);
        if let Some(inline) = message.inline_body() {
            prop_assert_eq!(inline.as_bytes(), &body[..]);
            prop_assert!(inline.chars().all(sqs_has) && !inline.is_empty());
        } else {
            let legal = str::from_utf8(&body).is_ok_and(|text| !text.is_empty() && text.chars().all(sqs_has));
            prop_assert!(!legal);
        }
    }

    #[test]
    fn attributes_keep_to_the_rules_of_sqs(body in bodies()) {
        let message = message(&body);
        let (pointer, attributes) = message.claim_check("bucket", "key");
        prop_assert!(attributes.len() <= 10);
        let mut size = pointer.len();
        for (place, attribute) in attributes.iter().enumerate() {
            prop_assert!((1..=256).contains(&attribute.value.len()));
            prop_assert!(attribute.value.chars().all(sqs_has));
            prop_assert!(attributes[..place].iter().all(|other| other.name != attribute.name));
            if attribute.data_type.as_str() == "Number" {
                prop_assert!(attribute.value.parse::<u64>().is_ok());
            }
            size += attribute.name.len() + attribute.data_type.as_str().len() + attribute.value.len();
        }
        prop_assert!(size <= MAX_MESSAGE_BYTES);
        if let Some(group) = message.group_id() {
            prop_assert!((1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
