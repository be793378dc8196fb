use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn longer(body: &[u8]) -> Option<Vec<u8>> {
    with_response_type(Bytes::copy_from_slice(body)).map(|body| body.to_vec())
}

#[test]
fn response_type_becomes_the_first_member_and_all_other_bytes_stay() {
    for (body, expected) in [
        (r#"{"Login":{}}"#, r#"{"ResponseType":"GetAccountsDetail","Login":{}}"#),
        (r#"{}"#, r#"{"ResponseType":"GetAccountsDetail"}"#),
        ("{ \n }", "{\"ResponseType\":\"GetAccountsDetail\" \n }"),
        (" \r\n\t{ \"a\" : 1 }\n", " \r\n\t{\"ResponseType\":\"GetAccountsDetail\", \"a\" : 1 }\n"),
        ("\u{FEFF}{\"a\":1}", "\u{FEFF}{\"ResponseType\":\"GetAccountsDetail\",\"a\":1}"),
        ("\u{FEFF} {}", "\u{FEFF} {\"ResponseType\":\"GetAccountsDetail\"}"),
        // Only a member of the object itself counts.
        (
            r#"{"Login":{"ResponseType":"x"},"Accounts":[{"ResponseType":"y"}]}"#,
            r#"{"ResponseType":"GetAccountsDetail","Login":{"ResponseType":"x"},"Accounts":[{"ResponseType":"y"}]}"#,
        ),
        (
            r#"{"a":"{\"ResponseType\":1}","responseType":1,"ResponseType ":2}"#,
            r#"{"ResponseType":"GetAccountsDetail","a":"{\"ResponseType\":1}","responseType":1,"ResponseType ":2}"#,
        ),
        // A name with half of a surrogate pair is not text.
        (r#"{"\ud800":1,"b":"\udc00"}"#, r#"{"ResponseType":"GetAccountsDetail","\ud800":1,"b":"\udc00"}"#),
        (r#"{"a":1,"a":2}"#, r#"{"ResponseType":"GetAccountsDetail","a":1,"a":2}"#),
    ] {
        assert_eq!(longer(body.as_bytes()).unwrap(), expected.as_bytes(), "{body}");
    }
    let not_utf8 = b"{\"a\":\"\xE9\"}";
    assert_eq!(longer(not_utf8).unwrap(), b"{\"ResponseType\":\"GetAccountsDetail\",\"a\":\"\xE9\"}");
}

#[test]
fn a_response_type_that_is_there_stays_the_only_one() {
    for body in [
        r#"{"ResponseType":"GetAccountsDetail","Login":{}}"#,
        r#"{"Login":{"Id":"l"},"ResponseType":"KYC","Accounts":[]}"#,
        r#" {"a":1,"ResponseType":null}"#,
        r#"{"a":1,"ResponseType":{"b":[]}}"#,
        r#"{"a":1,"\u0052esponseType":"x"}"#,
        r#"{"a":1,"Response\u0054\u0079pe":"x"}"#,
        r#"{"ResponseType":"x","ResponseType":"y"}"#,
        r#"{"ResponseType":"x","a":1,"a":2}"#,
    ] {
        assert_eq!(longer(body.as_bytes()).unwrap(), body.as_bytes(), "{body}");
    }
}

#[test]
fn what_is_not_one_json_object_is_not_a_payload() {
    for body in
        ["", "null", "[]", "\"Success\"", "{", "{\"a\":1", "{\"a\"}", "{} {}", "<html>", "\u{FEFF}", "{\"a\":1,}"]
    {
        assert_eq!(longer(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn last_refresh_is_read_from_the_login() {
    let of = |body: &str| last_refresh(body.as_bytes());
    let expected = Some("2026-10-01T17:57:16.4111654".to_owned());
    let login = r#""Login":{"Username":"u","LastRefresh":"2026-10-01T17:57:16.4111654","Id":"l"}"#;
    assert_eq!(of(&format!("{{{login}}}")), expected);
    assert_eq!(of(&format!("\u{FEFF} {{\"Accounts\":[{{{login}}}],{login}}}")), expected);
    for other in [
        "{}",
        r#"{"Login":null}"#,
        r#"{"Login":[]}"#,
        r#"{"Login":{"LastRefresh":null}}"#,
        r#"{"LastRefresh":"x"}"#,
        r#"{"Login":{"LastRefresh":20261001}}"#,
    ] {
        assert_eq!(of(other), None, "{other}");
    }
    assert_eq!(of(&format!(r#"{{"Login":{{"LastRefresh":"{}"}}}}"#, "x".repeat(65))), None);
    assert_eq!(last_refresh(b"{\"a\":\"\xE9\",\"Login\":{\"LastRefresh\":\"x\"}}"), None);
}

#[test]
fn the_redelivery_takes_the_longest_payload() {
    let longest = flinks_api::limits::BODY_BYTES + MEMBER.len() + b",".len();
    assert!(longest <= crate::delivery::MAX_RECOVERED_BYTES, "{longest}");
}

/// A value, as text.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,8}".prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = proptest::collection::vec((name(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
            members.prop_map(|members| object(&members, "")),
        ]
    })
}

/// A member's name, as text in quotation marks.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "\\PC{0,6}".prop_map(|text| Value::from(text).to_string()),
        1 => prop::sample::select(vec![
            r#""ResponseType""#, r#""\u0052esponseType""#, r#""ResponseTyp\u0065""#, r#""responseType""#,
            r#""ResponseType ""#, r#""\"ResponseType""#, r#""\ud83d""#,
        ]).prop_map(str::to_owned),
    ]
}

fn object(members: &[(String, String)], space: &str) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{space}{name}{space}:{space}{value}")).collect();
    format!("{{{}{space}}}", members.join(&format!("{space},")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_member_is_added_unless_it_is_there(
        members in proptest::collection::vec((name(), value()), 0..6),
        before in prop::sample::select(vec!["", "\u{FEFF}", " ", "\n\t\r ", "\u{FEFF}\n"]),
        space in prop::sample::select(vec!["", " ", "\r\n"]),
        after in prop::sample::select(vec!["", "\n", " \t"]),
    ) {
        let text = object(&members, space);
        let body = format!("{before}{text}{after}");
        let found = longer(body.as_bytes()).unwrap();
        // Another reader decides what the names are.
        let is_there = members.iter().any(|(name, _)| serde_json::from_str::<String>(name).is_ok_and(|name| name == "ResponseType"));
        if is_there {
            prop_assert_eq!(found, body.as_bytes());
        } else {
            let comma = if members.is_empty() { "" } else { "," };
            let rest = text.strip_prefix('{').unwrap();
            let expected = format!("{before}{{\"ResponseType\":\"GetAccountsDetail\"{comma}{rest}{after}");
            prop_assert_eq!(found, expected.into_bytes());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(found) = longer(&body) {
            prop_assert!(found.len() >= body.len());
        }
        let _ = last_refresh(&body);
    }
}
