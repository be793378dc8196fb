use super::*;

fn parsed(text: &str) -> (Option<String>, Option<SecretProblem>) {
    let ParsedSecret { key, problem } = parse(Some(text));
    (key.map(|key| key.to_string()), problem)
}

fn is_key(text: &str, key: &str) {
    assert_eq!(parsed(text), (Some(key.to_owned()), None), "{text:?}");
}

#[test]
fn white_space_around_a_secret_is_not_part_of_the_key() {
    for text in [
        "secret",
        "secret\n",
        "secret\r\n",
        "secret\n\n",
        " secret",
        "\tsecret ",
        "\u{A0}secret\u{2003}",
        "\n\n secret",
    ] {
        is_key(text, "secret");
    }
    is_key("in the middle\tit is", "in the middle\tit is");
    is_key("c2VjcmV0", "c2VjcmV0");
}

#[test]
fn a_json_object_with_one_string_means_that_string() {
    for text in [
        r#"{"key":"secret"}"#,
        r#" { "key" : " secret\n" } "#,
        r#"{"":"secret"}"#,
        r#"{"key":"s\u0065cret"}"#,
        r#"{"key":"{\"inner\":\"secret\"}"}"#,
    ] {
        is_key(text, "secret");
    }
}

#[test]
fn a_secret_with_nothing_in_it_is_no_key() {
    let nothing = [
        "",
        " ",
        "   ",
        "\t",
        "\n",
        "\u{A0}",
        "\0",
        "\0\0\0",
        " \0 ",
        "\"",
        "\"\"",
        "''",
        "\" \"",
        "\u{FEFF}",
        "\u{FEFF}\"\"",
        "\u{201C}\u{201D}",
        r#"{"":""}"#,
        r#"{"key":" "}"#,
        r#"{"key":"\u0000"}"#,
        r#"{"key":"\"\""}"#,
    ];
    for text in nothing {
        assert_eq!(parsed(text), (None, Some(SecretProblem::Empty)), "{text:?}");
    }
    let binary = parse(None);
    assert!(binary.key.is_none());
    assert_eq!(binary.problem, Some(SecretProblem::Binary));
}

#[test]
fn what_looks_like_a_mistake_is_used_as_it_is_and_named() {
    for (text, problem) in [
        (r#""secret""#, SecretProblem::Quoted),
        ("'secret'", SecretProblem::Quoted),
        ("\u{201C}secret\u{201D}", SecretProblem::Quoted),
        ("\u{FEFF}secret", SecretProblem::ByteOrderMark),
        ("\u{FEFF}{\"key\":\"secret\"}", SecretProblem::ByteOrderMark),
        (r#"{"key":"secret","other":"secret"}"#, SecretProblem::Json),
        (r#"{"key":"secret","key":"secret"}"#, SecretProblem::Json),
        (r#"{"key":5}"#, SecretProblem::Json),
        (r#"{"key":{"key":"secret"}}"#, SecretProblem::Json),
        ("{}", SecretProblem::Json),
        (r#"["secret"]"#, SecretProblem::Json),
    ] {
        assert_eq!(parsed(text), (Some(text.to_owned()), Some(problem)), "{text:?}");
        let padded = format!(" {text}\n");
        assert_eq!(parsed(&padded), (Some(text.to_owned()), Some(problem)), "{text:?}");
    }
    is_key("it's", "it's");
    is_key("\"it is", "\"it is");
    is_key("{it", "{it");
    is_key("12345678", "12345678");
}
