use super::*;

fn wanted(field: Field, value: &str) -> Wanted {
    Wanted::new(field, Zeroizing::new(value.to_owned()))
}

fn is_tag(json: &str, value: &str) -> bool {
    wanted(Field::Tag, value).is_in(json.as_bytes()).unwrap()
}

#[test]
fn a_value_is_found_however_json_escapes_it() {
    for json in [
        r#"{"Tag":"a+b@example.com"}"#,
        r#"{"Tag":"a\u002Bb@example.com"}"#,
        r#"{"Tag":"a\u002bb\u0040example.com"}"#,
        r#"{"\u0054ag":"a+b@example.com"}"#,
        "\u{FEFF} {\"a\":[1,{}],\"Tag\" : \"a+b@example.com\" } \n",
    ] {
        assert!(is_tag(json, "a+b@example.com"), "{json}");
    }
    assert!(is_tag(r#"{"Tag":"Zo\u00e9 \ud83c\udf89 \"q\" a\/b"}"#, "Zoé 🎉 \"q\" a/b"));
    assert!(is_tag(r#"{"Tag":"$(touch x)"}"#, "$(touch x)"));
}

#[test]
fn the_whole_value_must_be_equal() {
    for json in [
        r#"{"Tag":"person-10"}"#,
        r#"{"Tag":"a person-1"}"#,
        r#"{"Tag":"Person-1"}"#,
        r#"{"Tag":" person-1"}"#,
        r#"{"Tag":["person-1"]}"#,
        r#"{"Tag":{"Tag":"person-1"}}"#,
        r#"{"a":{"Tag":"person-1"},"b":"\"Tag\":\"person-1\""}"#,
        r#"{"tag":"person-1"}"#,
        r#"{"sessionId":"person-1","Login":{"Id":"person-1","Tag":"person-1"}}"#,
        r#"[{"Tag":"person-1"}]"#,
        "\"person-1\"",
        "null",
        "{}",
        "",
        " \n",
    ] {
        assert!(!is_tag(json, "person-1"), "{json}");
    }
}

#[test]
fn a_number_is_compared_as_written() {
    assert!(is_tag(r#"{"Tag":42}"#, "42"));
    assert!(is_tag(r#"{"Tag":-1.50}"#, "-1.50"));
    assert!(!is_tag(r#"{"Tag":42.0}"#, "42"));
    assert!(!is_tag(r#"{"Tag":true}"#, "true"));
    assert!(!is_tag(r#"{"Tag":null}"#, "null"));
}

#[test]
fn both_values_of_a_repeated_key_count() {
    assert!(is_tag(r#"{"Tag":"person-1","Tag":"person-2"}"#, "person-1"));
    assert!(is_tag(r#"{"Tag":"person-1","Tag":"person-2"}"#, "person-2"));
    let login = wanted(Field::LoginId, "l");
    assert_eq!(login.is_in(br#"{"Login":{"Id":"l"},"Login":{"Id":"m"}}"#), Ok(true));
    assert_eq!(login.is_in(br#"{"Login":{"Id":"l","Id":"m"}}"#), Ok(true));
}

#[test]
fn each_field_is_searched_in_its_places() {
    let (login, session) = (wanted(Field::LoginId, "x"), wanted(Field::SessionId, "x"));
    assert_eq!(login.is_in(br#"{"Login":{"Id":"x"}}"#), Ok(true));
    assert_eq!(login.is_in(br#"{"Login":{"LoginId":"x","RequestId":"r"}}"#), Ok(true));
    assert_eq!(login.is_in(br#"{"Login":{"RequestId":"x"},"Id":"x","LoginId":"x"}"#), Ok(false));
    assert_eq!(login.is_in(br#"{"Login":"x"}"#), Ok(false));
    assert_eq!(session.is_in(br#"{"sessionId":"x","status":"Completed"}"#), Ok(true));
    assert_eq!(session.is_in(br#"{"SessionId":"x"}"#), Ok(false));
}

#[test]
fn unusual_but_legal_json_is_read() {
    let deep = format!(r#"{{"a":{}{},"Tag":"t"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(is_tag(&deep, "t"));
    assert!(is_tag(r#"{"\ud800":1,"Tag":"\ud800","Tag":"t","a":1e999}"#, "t"));
}

#[test]
fn an_unreadable_payload_is_an_error() {
    for payload in [&b"{\"Tag\":\"t\""[..], b"{\"Tag\":\"t\"}}", b"Tag", b"{\"Tag\":\"t\",}", b"{\"a\":\"\n\"}", b"[1"]
    {
        assert_eq!(wanted(Field::Tag, "t").is_in(payload), Err("the payload is not JSON"));
        assert_eq!(wanted(Field::LoginId, "t").is_in(payload), Err("the payload is not JSON"));
    }
    assert_eq!(wanted(Field::Tag, "t").is_in(b"{\"Tag\":\"t\",\"a\":\"\xe9\"}"), Err("the payload is not UTF-8"));
}

#[test]
fn the_value_is_removed_from_a_text_that_quotes_it() {
    assert_eq!(wanted(Field::Tag, "t-1").redact("a/t-1.json: t-1"), "a/[the value].json: [the value]");
}

#[test]
fn a_short_value_is_not_removed_from_a_key_that_the_receiver_made() {
    let id = "0b5b58e4-1b2c-4ff3-a111-3ad20e34f9ab";
    let key = format!("kyc/{}/{id}", "ab".repeat(32));
    assert_eq!(wanted(Field::Tag, "42").redact_name(&key), key);
    assert_eq!(wanted(Field::Tag, "ab").redact_name(&key), key);
    for name in ["requested", "sent", "20261125T141500.123Z.json"] {
        let key = format!("recovery/{}/{name}", "ab".repeat(32));
        for value in ["ab", "e", "15"] {
            assert_eq!(wanted(Field::Tag, value).redact_name(&key), key);
        }
    }
    assert_eq!(wanted(Field::Tag, "ab").redact_name("kyc/ab.json"), "kyc/[the value].json");
    assert!(!wanted(Field::LoginId, id).redact_name(&key).contains(id));
}
