use serde_json::{Value, json};

use super::*;

/// An event of an HTTP API or a function URL, with some members changed.
fn format_2(changed: Value) -> Value {
    let event = json!({
        "version": "2.0",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "sourceIp": "198.51.100.7"}, "requestId": "JKJaXmPLvHcESHA="},
        "isBase64Encoded": false,
    });
    merged(event, changed)
}

/// An event of a REST API, with some members changed.
fn format_1(changed: Value) -> Value {
    let event = json!({
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "requestContext": {"httpMethod": "POST", "identity": {"sourceIp": "198.51.100.7"}, "requestId": "c6af9ac6-7b61"},
        "isBase64Encoded": false,
    });
    merged(event, changed)
}

fn merged(mut event: Value, changed: Value) -> Value {
    let Value::Object(changed) = changed else { panic!("an object of members") };
    event.as_object_mut().unwrap().extend(changed);
    event
}

fn read(event: Value) -> Result<Callback, Rejection> {
    read_event(event.to_string().as_bytes())
}

fn callback(event: Value) -> Callback {
    read(event.clone()).map_err(|rejection| format!("{rejection:?}: {event}")).unwrap()
}

#[test]
fn the_body_is_the_string_unescaped() {
    for format in [format_1, format_2] {
        assert_eq!(callback(format(json!({ "body": "{\"Name\":\"Zoé\"}\n" }))).body, "{\"Name\":\"Zoé\"}\n");
    }
    let escaped =
        br#"{"version":"2.0","requestContext":{"http":{"method":"POST"}},"\u0062ody":"caf\u00e9 \ud83d\ude00\/"}"#;
    assert_eq!(read_event(escaped).ok().unwrap().body, "café 😀/");
}

#[test]
fn the_flag_and_nothing_else_decides_about_base64() {
    for format in [format_1, format_2] {
        let body =
            |body: &str, is_base64: bool| callback(format(json!({"body": body, "isBase64Encoded": is_base64}))).body;
        assert_eq!(body("e30=", true), "{}");
        assert_eq!(body("e30=", false), "e30=");
        assert_eq!(body("//4=", true), &b"\xff\xfe"[..]);
    }
}

#[test]
fn no_body_is_an_empty_body() {
    for format in [format_1, format_2] {
        for changed in [json!({}), json!({"body": null}), json!({"body": "", "isBase64Encoded": true})] {
            assert!(callback(format(changed.clone())).body.is_empty(), "{changed}");
        }
    }
}

#[test]
fn a_body_that_is_not_base64_is_rejected() {
    for format in [format_1, format_2] {
        for text in ["e30", "e3!=", "e30=\n", "é", "e31="] {
            let event = format(json!({"body": text, "isBase64Encoded": true}));
            assert_eq!(read(event).err(), Some(Rejection::NotBase64), "{text}");
        }
    }
}

#[test]
fn an_event_that_is_not_an_http_request_is_rejected() {
    for event in [
        "",
        "null",
        "5",
        "[]",
        "{}",
        "\"text\"",
        r#"{"Records":[{"body":"{}","messageAttributes":{}}]}"#,
        r#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#,
        "{\"body\":5}",
        r#"{"body":"cut sho"#,
        r#"{"version":"2.0","headers":{},"requestContext":{"http":{"method":"POST"}},"body":{}}"#,
        r#"{"version":"2.0","headers":[],"requestContext":{"http":{"method":"POST"}}}"#,
        "\u{0}",
    ] {
        assert_eq!(read_event(event.as_bytes()).err(), Some(Rejection::NotHttp), "{event}");
    }
}

/// What API Gateway documents as optional, and what it sends as `null`.
#[test]
fn an_event_may_lack_what_is_optional() {
    let nulls = json!({
        "headers": null, "multiValueHeaders": null, "queryStringParameters": null,
        "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null, "body": null,
    });
    assert!(read(format_1(nulls)).is_ok());
    assert!(read(format_2(json!({"headers": null, "pathParameters": null, "stageVariables": null}))).is_ok());
    let context = json!({"http": {"method": "POST"}});
    let bare = callback(format_2(json!({ "requestContext": context })));
    assert_eq!((bare.source, bare.gateway_request_id), (None, None));
}

#[test]
fn header_values_may_be_any_text() {
    let event =
        format_2(json!({"headers": {"user-agent": "café 日本 \u{80}", "x-empty": "", "x-comma": "a,b;c=\"d\""}}));
    assert!(read(event).is_ok());
}

fn signatures(event: Value) -> Vec<(SignatureHeader, String)> {
    let SignatureHeaders(values) = callback(event).headers;
    values.into_iter().map(|(header, value)| (header, String::from_utf8(value).unwrap())).collect()
}

#[test]
fn signature_headers_are_found_in_any_case() {
    let headers = json!({"FLINKS-Authenticity-Key": "a", "x-flinks-signature": "b", "X-Webhook-Signature": "c"});
    let all = [
        (SignatureHeader::AuthenticityKey, "a".to_owned()),
        (SignatureHeader::AuthenticityKeyAlias, "b".to_owned()),
        (SignatureHeader::WebhookSignature, "c".to_owned()),
    ];
    assert_eq!(signatures(format_2(json!({"headers": headers}))), all);
    assert_eq!(signatures(format_1(json!({"headers": headers}))), all);
}

#[test]
fn a_repeated_header_of_a_rest_api_keeps_all_its_values() {
    let values = |single: Value, multi: Value| {
        let name = "Flinks-Authenticity-Key";
        let found = signatures(format_1(json!({"headers": {name: single}, "multiValueHeaders": {name: multi}})));
        found.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(values(json!("a"), json!(["a"])), ["a"]);
    assert_eq!(values(json!("b"), json!(["a", "b"])), ["a", "b"]);
    assert_eq!(values(json!("a"), json!([])), ["a"]);
    let single = json!({"headers": {"Flinks-Authenticity-Key": "a"}, "multiValueHeaders": null});
    assert_eq!(signatures(format_1(single)).len(), 1);
}

#[test]
fn the_source_is_the_address_of_the_connection_and_never_one_from_a_header() {
    let headers = json!({"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"});
    for format in [format_1, format_2] {
        let source = callback(format(json!({ "headers": headers }))).source;
        assert_eq!(source.map(|address| address.to_string()).as_deref(), Some("198.51.100.7"));
    }
    for (text, source) in [
        (json!("2001:db8::7"), Some("2001:db8::7")),
        (json!(null), None),
        (json!(""), None),
        (json!("198.51.100.7, 203.0.113.7"), None),
    ] {
        let context = json!({"http": {"method": "POST", "sourceIp": text}});
        let found = callback(format_2(json!({ "requestContext": context }))).source;
        assert_eq!(found.map(|address| address.to_string()).as_deref(), source, "{text}");
    }
}

#[test]
fn a_request_id_is_kept_only_where_it_looks_like_one() {
    assert!(RequestId::parse("JKJaXmPLvHcESHA=").is_some());
    assert!(RequestId::parse("c6af9ac6-7b61-11e6-9a41-93e8deadbeef").is_some());
    for text in ["", "Jane Smith", "é", &"a".repeat(65)] {
        assert_eq!(RequestId::parse(text), None, "{text}");
    }
    assert_eq!(callback(format_1(json!({}))).gateway_request_id, RequestId::parse("c6af9ac6-7b61"));
}

#[test]
fn only_an_authorizers_place_says_that_the_stack_sent_it() {
    let context = |authorizer: Value| json!({"http": {"method": "POST"}, "authorizer": authorizer});
    let check = |authorizer: Value| callback(format_2(json!({"requestContext": context(authorizer)}))).deployment_check;
    assert!(check(json!({"lambda": {"deploymentCheck": true}})));
    for authorizer in [json!(null), json!({}), json!({"lambda": null}), json!({"lambda": {"deploymentCheck": "true"}})]
    {
        assert!(!check(authorizer.clone()), "{authorizer}");
    }
}

/// API Gateway writes `version` first. The order of the members is not part of the format.
#[test]
fn the_order_of_the_members_does_not_matter() {
    let first = br#"{"version":"2.0","headers":{},"requestContext":{"http":{"method":"POST"}},"body":"{}"}"#;
    let last = br#"{"body":"{}","requestContext":{"http":{"method":"POST"}},"headers":{},"version":"2.0"}"#;
    for event in [&first[..], last] {
        assert_eq!(read_event(event).ok().unwrap().body, "{}");
    }
    let broken = br#"{"version":"2.0","headers":{},"requestContext":{"http":{"method":"POST"}},"body":"{}","#;
    assert_eq!(read_event(broken).err(), Some(Rejection::NotHttp));
}
