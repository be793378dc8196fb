//! The status of a guaranteed EFT session of Flinks Pay.

use rand::{Rng, RngExt};
use serde::Serialize;

use super::{
    item::json,
    text::{Amount, any, digits, id, moment},
};

/// Makes up a `SessionSetupStatusChanged` event.
pub fn session_status(rng: &mut impl Rng) -> String {
    let (status, status_details) = any(&STATUSES, rng);
    json(&Session {
        session_id: id(rng),
        reference_id: rng.random_ratio(3, 4).then(|| format!("USER{}", digits(5, rng))),
        amount: rng.random_ratio(3, 4).then(|| Amount::up_to(2000, rng)),
        status,
        status_details,
        when: moment(0, rng) + "Z",
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    status: &'static str,
    status_details: &'static str,
    when: String,
}

/// Each status that Flinks sends, with its codes.
const STATUSES: [(&str, &str); 7] = [
    ("Completed", "EFT0301"),
    ("Completed", "EFT0302"),
    ("Failed", "EFT0401"),
    ("Failed", "EFT0402"),
    ("Failed", "EFT0403"),
    ("Failed", "EFT0404"),
    ("Canceled", "EFT0501"),
];
