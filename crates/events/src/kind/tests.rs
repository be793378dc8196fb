use super::*;
use crate::signature_form::{API, ASCII, PAY, RAW};

fn kind(body: &str) -> Kind {
    Kind::of(RAW, &Fields::read(body.as_bytes()), |_| None)
}

#[test]
fn a_pay_signature_comes_before_everything_that_the_payload_says() {
    for body in [r#"{"ResponseType":"KYC"}"#, r#"{"DocumentAnalysis":[]}"#, "[]", ""] {
        assert_eq!(Kind::of(PAY, &Fields::read(body.as_bytes()), |_| None), Kind::Pay, "{body}");
    }
}

#[test]
fn what_the_api_gave_is_the_details_of_accounts() {
    for body in [r#"{"Accounts":[]}"#, r#"{"ResponseType":"KYC"}"#, ""] {
        assert_eq!(Kind::of(API, &Fields::read(body.as_bytes()), |_| None), Kind::AccountsDetail, "{body}");
    }
}

#[test]
fn any_other_signature_form_leaves_the_choice_to_the_payload() {
    for form in [RAW, ASCII, "", "Pay", "something new"] {
        assert_eq!(Kind::of(form, &Fields::read(br#"{"ResponseType":"KYC"}"#), |_| None), Kind::Kyc, "{form}");
    }
}

#[test]
fn a_mapped_response_type_has_the_kind_it_is_mapped_to_unless_it_is_documented() {
    let kind = |body: &str| Kind::of(RAW, &Fields::read(body.as_bytes()), |_| Some(Kind::Investments));
    assert_eq!(kind(r#"{"ResponseType":"GetAccountsSummary","DocumentAnalysis":[]}"#), Kind::Investments);
    assert_eq!(kind(r#"{"ResponseType":"KYC"}"#), Kind::Kyc);
    assert_eq!(kind(r#"{"DocumentAnalysis":[]}"#), Kind::UploadFraud);
}

#[test]
fn the_documented_response_types_have_their_kinds() {
    assert_eq!(kind(r#"{"ResponseType":"KYC"}"#), Kind::Kyc);
    assert_eq!(kind(r#"{"ResponseType":"GetAccountsDetail"}"#), Kind::AccountsDetail);
    assert_eq!(kind(r#"{"ResponseType":"Investments"}"#), Kind::Investments);
}

#[test]
fn without_a_known_response_type_the_published_shape_decides() {
    assert_eq!(kind(r#"{"DocumentAnalysis":[]}"#), Kind::UploadFraud);
    assert_eq!(kind(r#"{"ResponseType":"New","DocumentAnalysis":[{}]}"#), Kind::UploadFraud);
    assert_eq!(kind(r#"{"sessionId":"a","status":"Completed"}"#), Kind::Pay);
}

#[test]
fn everything_else_is_unclassified() {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"KYC\"",
        r#"{"ResponseType":"KYC""#,
        r#"{"ResponseType":"KYC"}}"#,
        r#"[{"ResponseType":"KYC"}]"#,
        r#"{"Login":{"ResponseType":"KYC"}}"#,
        r#"{"Tag":"\",\"ResponseType\":\"KYC\",\"\":\""}"#,
        r#"{"ResponseType":["KYC"]}"#,
        r#"{"ResponseType":"kyc"}"#,
        r#"{"responsetype":"KYC"}"#,
        r#"{"DocumentAnalysis":null}"#,
        r#"{"sessionId":"a"}"#,
        r#"{"ResponseType":"KYC",}"#,
        r#"{"ResponseType":"KYC","a":01}"#,
        "{\"ResponseType\":\"KYC\",\"a\n\":1}",
        "{\"ResponseType\":\"KYC\",\"a\":\"\n\"}",
    ] {
        assert_eq!(kind(body), Kind::Unclassified, "{body}");
    }
}

#[test]
fn odd_but_legal_json_is_read() {
    let deep = format!(r#"{{"a":{}{},"ResponseType":"KYC"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        &deep,
        "\u{FEFF}{\"ResponseType\":\"KYC\"}",
        r#"{"ResponseType":"\u004b\u0059C"}"#,
        r#"{"\ud800":1,"ResponseType":"KYC","a":"\udfff"}"#,
        r#"{"ResponseType":"Investments","ResponseType":"KYC"}"#,
        r#"{"ResponseType":"KYC","Tag":"\ud800"}"#,
        r#" {"ResponseType" : "KYC", "a": 1e999 } "#,
        r#"{"Login":5,"ResponseType":"KYC"}"#,
    ] {
        assert_eq!(kind(body), Kind::Kyc, "{body:.80}");
    }
}
