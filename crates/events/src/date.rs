//! Dates and times as Flinks wrote them.

use std::fmt;

use serde_json::value::RawValue;

use crate::read::{FromJson, Reader};

/// A date or a time that keeps its text.
///
/// Flinks writes `2025-10-01`, `2025/10/01`, `2025-10-01T17:57:16.4111654` and `2025-10-01T12:00:00Z`. An RFC 3339
/// parser rejects the second and the third, and many other parsers drop the third's last digit.
/// [`parts`](Self::parts) says what is known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DateText(Box<str>);

/// What a [`DateText`] says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateParts {
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, and a day that the month has.
    pub day: u8,
    /// `None` for a date alone.
    pub time: Option<TimeParts>,
}

/// The time of day in a [`DateText`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeParts {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// All digits that are written, up to nine.
    pub nanosecond: u32,
    /// Minutes east of UTC: 0 for `Z`. `None` where the text does not say. Flinks' times without a zone are UTC as far as
    /// we know, but Flinks does not document it.
    pub offset_minutes: Option<i16>,
}

impl DateText {
    /// The text as Flinks wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the text says; `None` where it has none of the forms above, or names a day or a time that does not exist.
    pub fn parts(&self) -> Option<DateParts> {
        let (date, time) = match self.0.split_once('T') {
            Some((date, time)) => (date, Some(clock(time)?)),
            None => (&*self.0, None),
        };
        let (year, month, day) = calendar_day(date)?;
        Some(DateParts { year, month, day, time })
    }
}

impl fmt::Debug for DateText {
    /// Without the date: it is bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DateText(..)")
    }
}

impl fmt::Debug for DateParts {
    /// Without the date: it is bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DateParts(..)")
    }
}

impl fmt::Debug for TimeParts {
    /// Without the time: it is bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TimeParts(..)")
    }
}

impl FromJson for DateText {
    fn from_json(json: &RawValue, reader: &mut Reader) -> Option<Self> {
        String::from_json(json, reader).map(|text| Self(text.into()))
    }
}

/// `YYYY-MM-DD` or `YYYY/MM/DD`.
fn calendar_day(text: &str) -> Option<(u16, u8, u8)> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let (year, month, day) = (digits::<4>(parts.next()?)?, digits::<2>(parts.next()?)?, digits::<2>(parts.next()?)?);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u16::from(is_leap),
        _ => return None,
    };
    if parts.next().is_some() || !(1..=days).contains(&day) {
        return None;
    }
    Some((year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

/// `hh:mm:ss`, with a fraction or without, with a zone (`Z`, `+hh:mm` or `-hh:mm`) or without.
fn clock(text: &str) -> Option<TimeParts> {
    let (time, offset_minutes) = match text.find(['Z', '+', '-']).and_then(|at| text.split_at_checked(at)) {
        Some((time, "Z")) => (time, Some(0)),
        Some((time, zone)) => {
            let (hour, minute) = hour_and_minute(zone.get(1..)?)?;
            let minutes = i16::from(hour) * 60 + i16::from(minute);
            (time, Some(if zone.starts_with('-') { -minutes } else { minutes }))
        }
        None => (text, None),
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let (hour_minute, second) = time.rsplit_once(':')?;
    let (hour, minute) = hour_and_minute(hour_minute)?;
    let second = u8::try_from(digits::<2>(second).filter(|second| *second < 60)?).ok()?;
    let nanosecond = match fraction {
        None => 0,
        Some(fraction) if (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{fraction:0<9}").parse().ok()?
        }
        Some(_) => return None,
    };
    Some(TimeParts { hour, minute, second, nanosecond, offset_minutes })
}

/// `hh:mm`.
fn hour_and_minute(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let hour = digits::<2>(hour).filter(|hour| *hour < 24)?;
    let minute = digits::<2>(minute).filter(|minute| *minute < 60)?;
    Some((u8::try_from(hour).ok()?, u8::try_from(minute).ok()?))
}

/// The value of a text of exactly `N` digits. `N` is at most four, so that the value fits.
fn digits<const N: usize>(text: &str) -> Option<u16> {
    (text.len() == N && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
