use super::*;

fn text(value: &str) -> Option<Scalar> {
    Some(Scalar::Text(value.to_owned()))
}

#[test]
fn the_routing_fields_are_read_from_their_places() {
    let fields = Fields::parse(
        r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"t\"",
            "Login":{"Id":"l","IsScheduledRefresh":true,"Username":"jane"}}"#,
    );
    let fields = fields.unwrap();
    assert_eq!(fields.http_status_code, Some(Scalar::Number("200".to_owned())));
    assert_eq!(fields.tag, text("t\""));
    assert_eq!((fields.request_id, fields.login_id, fields.scheduled_refresh), (text("r"), text("l"), text("true")));
}

#[test]
fn a_fraud_analysis_names_login_and_request_inside_login() {
    let fields = Fields::parse(r#"{"DocumentAnalysis":[],"Login":{"LoginId":"l","RequestId":"r"}}"#).unwrap();
    assert_eq!((fields.login_id, fields.request_id), (text("l"), text("r")));
}

#[test]
fn a_value_that_cannot_be_an_attribute_is_left_out_and_never_cut() {
    let tag = |json: &str| Fields::parse(&format!(r#"{{"Tag":{json}}}"#)).unwrap().tag;
    let longest = "é".repeat(MAX_VALUE_BYTES / 2);
    assert_eq!(tag(&format!("\"{longest}\"")), text(&longest));
    assert_eq!(tag(&format!("\"{longest}a\"")), None);
    assert_eq!(tag(&format!("\"{}\"", "\\u0061".repeat(MAX_VALUE_BYTES))), text(&"a".repeat(MAX_VALUE_BYTES)));
    for json in ["\"\"", "null", "true", "[]", "{}", "\"\\ud800\""] {
        assert_eq!(tag(json), None, "{json}");
    }
    assert_eq!(tag("-1.50"), Some(Scalar::Number("-1.50".to_owned())));
}
