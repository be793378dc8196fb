use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::{auth::AuthenticCallback, routing::ResponseTypes};

fn message_of(body: impl Into<Bytes>, form: SignatureForm) -> Message {
    let callback = AuthenticCallback::for_test(body, form);
    let classified = ClassifiedCallback::classify(callback, &ResponseTypes::new());
    Message::from_callback(&classified, SystemTime::UNIX_EPOCH + Duration::from_millis(1_760_000_000_123))
}

fn message(body: impl Into<Bytes>) -> Message {
    message_of(body, SignatureForm::Raw)
}

fn attributes(message: &Message) -> Vec<(&'static str, &'static str, &str)> {
    message.attributes.iter().map(|a| (a.name, a.data_type.as_str(), a.value.as_str())).collect()
}

#[test]
fn an_aggregation_callback_has_these_attributes() {
    let kyc = message(
        r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"café","Login":{"Id":"l","IsScheduledRefresh":false}}"#,
    );
    assert_eq!(
        attributes(&kyc),
        [
            ("ResponseType", "String", "KYC"),
            ("DeliveryId", "String", kyc.delivery_id.as_str()),
            ("LoginId", "String", "l"),
            ("RequestId", "String", "r"),
            ("Tag", "String", "café"),
            ("HttpStatusCode", "Number", "200"),
            ("ScheduledRefresh", "String", "false"),
            ("SignatureForm", "String", "raw"),
            ("ReceivedAt", "String", "2025-10-09T08:53:20.123Z"),
        ]
    );
    assert_eq!(kyc.group_id.as_deref(), Some("l"));
}

#[test]
fn a_pay_callback_has_session_and_status_in_the_place_of_login_and_request() {
    let body = r#"{"sessionId":"s","status":"Completed","RequestId":"r","Login":{"Id":"l"}}"#;
    for form in [SignatureForm::Raw, SignatureForm::Pay] {
        let pay = message_of(body, form);
        let names: Vec<_> = pay.attributes.iter().map(|attribute| attribute.name).collect();
        assert_eq!(names, ["DeliveryId", "SessionId", "Status", "SignatureForm", "ReceivedAt"]);
        assert_eq!(pay.group_id.as_deref(), Some("s"));
    }
}

#[test]
fn consumers_have_a_field_for_every_attribute_and_no_other() {
    let aggregation = message(
        r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"t","Login":{"Id":"l","IsScheduledRefresh":true}}"#,
    );
    let pay = message_of(r#"{"sessionId":"s","status":"Completed"}"#, SignatureForm::Pay);
    let sent = [aggregation, pay].into_iter().flat_map(|message| message.claim_check("bucket", "key").1);
    let sent: BTreeSet<_> = sent.map(|attribute| attribute.name).collect();
    assert_eq!(sent, flinks_events::Attributes::NAMES.iter().copied().collect());
}

#[test]
fn the_delivery_id_is_the_lower_case_hex_sha_256_of_the_body() {
    // FIPS 180-2, appendix B.1.
    assert_eq!(message("abc").delivery_id.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_value_that_sqs_cannot_carry_is_left_out() {
    for tag in ["", "\u{1}", "a\u{FFFF}", "\u{FFFE}"] {
        let message = message(json!({ "Tag": tag }).to_string());
        assert!(!message.attributes.iter().any(|attribute| attribute.name == "Tag"), "{tag:?}");
    }
}

#[test]
fn a_status_code_is_a_number_only_where_sqs_takes_it_for_one() {
    let code = |json: &str| {
        let message = message(format!(r#"{{"HttpStatusCode":{json}}}"#));
        let code = message.attributes.iter().find(|attribute| attribute.name == "HttpStatusCode");
        code.map(|code| (code.data_type.as_str(), code.value.clone()))
    };
    assert_eq!(code("200"), Some(("Number", "200".to_owned())));
    assert_eq!(code("\"401\""), Some(("Number", "401".to_owned())));
    assert_eq!(code("1e999"), Some(("String", "1e999".to_owned())));
    assert_eq!(code("\"OK\""), Some(("String", "OK".to_owned())));
    assert_eq!(code("null"), None);
}

#[test]
fn a_group_id_is_legal_or_none() {
    let group = |id: &str| message(json!({ "Login": { "Id": id } }).to_string()).group_id;
    assert_eq!(group("{5e115eac~1209}").as_deref(), Some("{5e115eac~1209}"));
    assert_eq!(group(&"a".repeat(128)), Some("a".repeat(128)));
    for id in ["", "a b", "é", &"a".repeat(129)] {
        assert_eq!(group(id), None, "{id}");
    }
}

#[test]
fn a_message_of_the_largest_size_goes_inline_and_one_byte_more_does_not() {
    let room = MAX_MESSAGE_BYTES - message("").attributes.iter().map(Attribute::size).sum::<usize>();
    assert!(message("a".repeat(room)).inline_body().is_some());
    assert!(message("a".repeat(room + 1)).inline_body().is_none());
    // Bytes count, not characters.
    assert!(message("é".repeat(room / 2 + 1)).inline_body().is_none());
}

#[test]
fn a_body_that_sqs_cannot_carry_does_not_go_inline() {
    for body in [&b""[..], b"\xff", b"\x00", b"\x1f", "\u{FFFE}".as_bytes(), "a\u{FFFF}".as_bytes(), b"\xed\xa0\x80"] {
        assert_eq!(message(body).inline_body(), None, "{body:x?}");
    }
    for body in ["\t\n\r ", "\x7f", "\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{1FFFF}\u{10FFFF}", "{}"] {
        assert_eq!(message(body).inline_body(), Some(body));
    }
}

#[test]
fn an_illegal_character_is_found_wherever_it_is() {
    for illegal in ["\0", "\u{1}\u{2}", "\u{8}", "\u{b}", "\u{c}", "\u{e}", "\u{1f}", "\u{FFFE}", "\u{FFFF}"] {
        // Where pieces of the body meet, and across it.
        for before in [0, 1, 254, 255, 256, 257, 511, 512, 1000] {
            for (letter, after) in [("a", ""), ("a", "a"), ("é", "é")] {
                let legal = letter.repeat(before);
                let body = format!("{legal}{illegal}{after}");
                assert_eq!(message(body).inline_body(), None, "{illegal:?} after {before} times {letter}");
                let body = format!("{legal}\u{FFFD}{after}");
                assert!(message(body).inline_body().is_some(), "{before} times {letter}");
            }
        }
    }
}

#[test]
fn a_claim_check_has_the_extended_clients_format() {
    let big = message("body");
    let key = big.payload_key("unique");
    assert_eq!(key, format!("unclassified/{}/unique", big.delivery_id.as_str()));
    let (pointer, attributes) = big.claim_check("bucket", "key");
    let expected = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"key"}]"#;
    assert_eq!(pointer, expected);
    let size = attributes.last().map(|size| (size.name, size.data_type, size.value.as_str()));
    assert_eq!(size, Some(("ExtendedPayloadSize", DataType::Number, "4")));
}

#[test]
fn a_claim_check_never_has_more_than_ten_attributes() {
    let full = message(
        r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"t","Login":{"Id":"l","IsScheduledRefresh":false}}"#,
    );
    assert_eq!(full.claim_check("b", "k").1.len(), 10);
}

#[cfg(feature = "recovery")]
#[test]
fn a_recovered_payload_is_accounts_detail_whatever_it_says() {
    for body in [
        r#"{"ResponseType":"KYC","sessionId":"s","status":"Completed"}"#,
        r#"{"ResponseType":"GetAccountsDetail","DocumentAnalysis":[]}"#,
        "{}",
    ] {
        let payload = RecoveredPayload::for_test(body.into());
        let message = Message::of_recovered(&payload, SystemTime::UNIX_EPOCH);
        assert_eq!((message.kind(), message.signature_form()), (Kind::AccountsDetail, SignatureForm::Api), "{body}");
        assert_eq!(message.body(), body);
    }
}
