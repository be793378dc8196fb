use proptest::prelude::*;

use super::*;

fn number(json: &str) -> Option<Number> {
    Number::from_json(serde_json::from_str(json).unwrap(), &mut Reader::default())
}

/// Value and decimal places, as text.
fn decimal(json: &str) -> Option<String> {
    number(json)?.decimal().map(|value| value.to_string())
}

#[test]
fn a_number_keeps_its_text_and_its_decimal_places() {
    for json in ["0", "-1", "19.10", "500", "0.00", "123456789012345678.12", "0.0000000000000000000000000001"] {
        assert_eq!(number(json).unwrap().as_str(), json);
        assert_eq!(decimal(json).as_deref(), Some(json));
    }
}

#[test]
fn an_exponent_is_exact() {
    for (json, expected) in [
        ("1e2", "100"),
        ("1E+2", "100"),
        ("1.50e1", "15.0"),
        ("-1.5e-3", "-0.0015"),
        ("1e28", "10000000000000000000000000000"),
        ("0e400", "0"),
        ("0e99999999999999999999", "0"),
        ("100000000000000000000000000000000000000000e-40", "10"),
        ("1.00000000000000000000000000000000000000", "1"),
    ] {
        assert_eq!(decimal(json).as_deref(), Some(expected), "{json}");
    }
}

#[test]
fn what_a_decimal_cannot_hold_is_none_and_never_rounded() {
    for json in [
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "79228162514264337593543950336",
        "0.00000000000000000000000000001",
        "1.23456789012345678901234567890123",
    ] {
        assert!(number(json).is_some(), "{json}");
        assert_eq!(decimal(json), None, "{json}");
    }
    let long = "1".repeat(100_000);
    assert_eq!(decimal(&long), None);
}

#[test]
fn only_numbers_are_numbers() {
    for json in ["null", "true", "\"1\"", "[1]", "{}"] {
        assert_eq!(number(json), None, "{json}");
    }
}

#[test]
fn a_whole_number_may_be_written_in_any_way() {
    let whole = |json| i64::from_json(serde_json::from_str(json).unwrap(), &mut Reader::default());
    for json in ["200", "200.0", "2e2", "2000e-1"] {
        assert_eq!(whole(json), Some(200), "{json}");
    }
    for json in ["200.5", "1e400", "9223372036854775808", "\"200\""] {
        assert_eq!(whole(json), None, "{json}");
    }
}

proptest! {
    #[test]
    fn every_decimal_comes_back(mantissa in -(1_i128 << 96) + 1..1_i128 << 96, scale in 0..=28_u32) {
        let value = Decimal::from_i128_with_scale(mantissa, scale);
        let read = number(&value.to_string()).unwrap();
        prop_assert_eq!(read.as_str(), value.to_string());
        prop_assert_eq!(read.decimal(), Some(value));
    }

    #[test]
    fn every_number_is_exact_or_nothing(whole in "0|[1-9][0-9]{0,32}", fraction in "(\\.[0-9]{1,32})?", exponent in -40..40_i32) {
        let json = format!("{whole}{fraction}e{exponent}");
        if let Some(value) = number(&json).unwrap().decimal() {
            // The same digits without zeros at either end, and the same place of the first.
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let places = i32::try_from(fraction.len().saturating_sub(1)).unwrap() - exponent;
            let scale = i32::try_from(value.scale()).unwrap();
            let pad = |digits: String, zeros: i32| digits + &"0".repeat(usize::try_from(zeros.max(0)).unwrap());
            let expected = pad(digits(&format!("{whole}{fraction}")), scale - places);
            let actual = pad(digits(&value.to_string()), places - scale);
            prop_assert_eq!(actual.trim_start_matches('0'), expected.trim_start_matches('0'), "{}", json);
        }
    }
}
