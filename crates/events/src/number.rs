//! Numbers as Flinks wrote them.

use std::fmt;

pub use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::value::RawValue;

use crate::read::{FromJson, Reader};

/// A JSON number that keeps its text, and so loses no digit. Two are equal when they are written alike: compare amounts
/// by [`decimal`](Self::decimal).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// An amount of money, in the account's currency.
pub type Money = Number;

impl Number {
    /// The number as Flinks wrote it, such as `19.10` or `1e400`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its exact value, with the decimal places that are written: `19.10` has two. `None` where a [`Decimal`] cannot hold
    /// it exactly: beyond 28 decimal places, or about 28 digits. It is never rounded, and never goes through a float.
    pub fn decimal(&self) -> Option<Decimal> {
        exact(&self.0)
    }
}

impl fmt::Debug for Number {
    /// Without the digits: they are bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Number(..)")
    }
}

impl FromJson for Number {
    fn from_json(json: &RawValue, _: &mut Reader) -> Option<Self> {
        let json = json.get();
        // Only numbers start so, and a raw value is valid JSON.
        json.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| Self(json.into()))
    }
}

impl FromJson for i64 {
    /// Also `200.0` and `2e2`, which are the same number in JSON.
    fn from_json(json: &RawValue, reader: &mut Reader) -> Option<Self> {
        let value = Number::from_json(json, reader)?.decimal()?;
        value.is_integer().then(|| value.to_i64()).flatten()
    }
}

/// The exact value of a JSON number, made from its digits and the number of decimal places. `None` if it does not fit.
fn exact(number: &str) -> Option<Decimal> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        let scale = if exponent == "0" { fraction.len() } else { 0 };
        return Decimal::try_from_i128_with_scale(0, u32::try_from(scale).ok()?.min(Decimal::MAX_SCALE)).ok();
    }
    let places = i64::try_from(fraction.len()).ok()?.checked_sub(exponent.parse().ok()?)?;
    let decimal_of = |digits: &str, places: i64| {
        // Parsing fails if there are more digits than an `i128` can hold.
        let value: i128 = format!("{sign}{digits}").parse().ok()?;
        match u32::try_from(places) {
            Ok(places) => Decimal::try_from_i128_with_scale(value, places).ok(),
            Err(_) => {
                let factor = 10_i128.checked_pow(u32::try_from(places.checked_neg()?).ok()?)?;
                Decimal::try_from_i128_with_scale(value.checked_mul(factor)?, 0).ok()
            }
        }
    };
    // Drop zeros at the end only if the number does not fit with them.
    decimal_of(significant, places).or_else(|| {
        let shorter = significant.trim_end_matches('0');
        decimal_of(shorter, places.checked_sub(i64::try_from(significant.len() - shorter.len()).ok()?)?)
    })
}

#[cfg(test)]
mod tests;
