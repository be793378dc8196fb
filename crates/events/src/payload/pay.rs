//! Flinks Pay.

use super::object;
use crate::{date::DateText, number::Money};

object! {
    /// The status of a guaranteed EFT session: `SessionSetupStatusChanged`. Flinks sends it once, but SQS may deliver it
    /// more than once: deduplicate on the attribute `DeliveryId`. It has no event id; Flinks says to deduplicate on
    /// `sessionId`.
    pub struct EftSessionStatus {
        /// The session.
        "sessionId" => session_id: String,
        /// Your own reference, if you gave one.
        "referenceId" => reference_id: String,
        /// The amount of the payment.
        "amount" => amount: Money,
        /// `Completed`, `Failed` or `Canceled`.
        "status" => status: String,
        /// Why, as a code: `EFT0301`, `EFT0302`, `EFT0401` to `EFT0404`, or `EFT0501`.
        "statusDetails" => status_details: String,
        /// When the status changed.
        "when" => when: DateText,
    }
}
