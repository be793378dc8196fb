use proptest::prelude::*;

use super::*;

fn parts(text: &str) -> Option<DateParts> {
    DateText(text.into()).parts()
}

fn date(year: u16, month: u8, day: u8) -> DateParts {
    DateParts { year, month, day, time: None }
}

#[test]
fn a_date_has_either_separator() {
    assert!(parts("2025-10-01") == Some(date(2025, 10, 1)));
    assert!(parts("2025/10/01") == Some(date(2025, 10, 1)));
    assert!(parts("2024-02-29") == Some(date(2024, 2, 29)));
    assert!(parts("2000-02-29") == Some(date(2000, 2, 29)));
}

#[test]
fn a_time_keeps_its_seven_digits_and_says_whether_its_zone_is_known() {
    let time = |text: &str| parts(text).unwrap().time.unwrap();
    let expected = TimeParts { hour: 17, minute: 57, second: 16, nanosecond: 411_165_400, offset_minutes: None };
    assert!(time("2025-10-01T17:57:16.4111654") == expected);
    assert!(time("2025-10-01T17:57:16.4111654Z") == TimeParts { offset_minutes: Some(0), ..expected });
    assert!(time("2025-10-01T17:57:16.4111654-03:30") == TimeParts { offset_minutes: Some(-210), ..expected });
    assert!(time("2025/10/01T17:57:16+05:00").offset_minutes == Some(300));
    assert!(time("2025-10-01T00:00:00").nanosecond == 0);
}

#[test]
fn what_is_no_date_is_text_only() {
    for text in [
        "",
        "T",
        "2025",
        "2025-10",
        "2025-10-1",
        "2025-10/01",
        "2025-13-01",
        "2025-00-01",
        "2025-02-29",
        "1900-02-29",
        "2025-04-31",
        "2025-10-01-01",
        "01/10/2025",
        "+025-10-01",
        "2025-10-01T",
        "2025-10-01T24:00:00",
        "2025-10-01T12:60:00",
        "2025-10-01T12:00:60",
        "2025-10-01T12:00",
        "2025-10-01T12:00:00.",
        "2025-10-01T12:00:00.1234567890",
        "2025-10-01T12:00:00ZZ",
        "2025-10-01T12:00:00+0500",
        "2025-10-01T12:00:00é",
        "２０２５-10-01",
    ] {
        assert!(parts(text).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", like in "[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(T[0-9:.]{0,16}[-+Z]?[0-9:é]{0,6})?") {
        let _ = (parts(&text), parts(&like));
    }
}
