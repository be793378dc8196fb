//! What a value of data type Number may be.

/// Significant digits that a number keeps.
const MAX_DIGITS: usize = 38;
/// Number values lie between 10^-128 and 10^126 in size, or are zero.
const EXPONENTS: std::ops::Range<i64> = -128..127;

/// Whether SQS takes a text as a number: an integer or decimal with an optional exponent, at most
/// 38 digits of precision, between 10^-128 and 10^126 (SQS developer guide, message attributes).
pub(super) fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()),
        None => (text, Some(0)),
    };
    let Some(exponent) = exponent else {
        return false;
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let significant = digits.trim_start_matches('0');
    let leading_zeros = digits.len() - significant.len();
    if significant.is_empty() {
        return true;
    }
    let size = i64::try_from(whole.len())
        .and_then(|whole| Ok(whole - i64::try_from(leading_zeros)? - 1))
        .map(|size| size.saturating_add(exponent));
    significant.trim_end_matches('0').len() <= MAX_DIGITS && size.is_ok_and(|size| EXPONENTS.contains(&size))
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn integers_decimals_and_exponents_are_numbers() {
        for text in ["0", "-1", "+2", "3.25", ".5", "6.", "7e2", "8E-3", "0.00", "1048576"] {
            assert!(is_number(text), "{text}");
        }
    }

    #[test]
    fn other_text_is_not() {
        for text in ["", ".", "-", "1 ", "0x1", "1_0", "NaN", "inf", "1e", "e1", "1.2.3", "٣"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn precision_ends_at_38_digits() {
        let digits = "1".repeat(38);
        assert!(is_number(&digits));
        assert!(is_number(&format!("000{digits}000")));
        assert!(!is_number(&format!("{digits}1")));
    }

    #[test]
    fn size_ends_at_ten_to_the_126_and_minus_128() {
        assert!(is_number("1e126"));
        assert!(!is_number("1e127"));
        assert!(is_number("1e-128"));
        assert!(!is_number("1e-129"));
        assert!(!is_number("1e99999999999999999999"));
        assert!(!is_number("123e9223372036854775807"));
    }
}
