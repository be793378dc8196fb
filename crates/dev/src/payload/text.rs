//! Small made-up values: ids, amounts, dates.

use rand::{Rng, RngExt};
use serde::{Serialize, Serializer};
use time::{Date, Duration};

/// Chooses one of several values.
pub fn any<T: Copy, const N: usize>(values: &[T; N], rng: &mut impl Rng) -> T {
    const { assert!(N > 0, "there is nothing to choose from") };
    #[expect(clippy::indexing_slicing, reason = "the index is less than the array's length")]
    values[rng.random_range(0..N)]
}

/// A random UUID. All of Flinks' ids are UUIDs.
pub fn id(rng: &mut impl Rng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

/// `count` random digits.
pub fn digits(count: usize, rng: &mut impl Rng) -> String {
    (0..count).map(|_| char::from(rng.random_range(b'0'..=b'9'))).collect()
}

/// A tag like those of a front end.
pub fn tag(rng: &mut impl Rng) -> String {
    format!("user-{}", rng.random_range(1000..10_000))
}

/// An amount of dollars, in cents. It is serialised as Flinks does: as an integer if there are no cents.
#[derive(Clone, Copy)]
pub struct Amount(pub i64);

impl Amount {
    /// A random amount between one cent and `dollars`. One amount in four has no cents.
    pub fn up_to(dollars: i64, rng: &mut impl Rng) -> Self {
        if rng.random_ratio(1, 4) {
            Self(rng.random_range(1..=dollars) * 100)
        } else {
            Self(rng.random_range(1..=dollars * 100))
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i64(self.0 / 100)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "made-up amounts are far below 2^53 cents")]
            serializer.serialize_f64(self.0 as f64 / 100.0)
        }
    }
}

/// The day on which all data was fetched. It is fixed, so that the same seed gives the same payload on any day.
const FETCHED: Date = match Date::from_ordinal_date(2026, 274) {
    Ok(date) => date,
    Err(_) => Date::MIN,
};

/// The day `days_before` days before [`FETCHED`].
pub fn day(days_before: u32) -> String {
    FETCHED.saturating_sub(Duration::days(days_before.into())).to_string()
}

/// A random time on that day, without a time zone. The seconds have `fraction` decimals.
pub fn moment(fraction: usize, rng: &mut impl Rng) -> String {
    let (hour, minute, second) = (rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60));
    let point = if fraction == 0 { "" } else { "." };
    format!("{FETCHED}T{hour:02}:{minute:02}:{second:02}{point}{}", digits(fraction, rng))
}
