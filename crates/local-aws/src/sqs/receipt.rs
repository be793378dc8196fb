//! Receipt handles: a message and one of its receives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::ServiceError;

/// The content of a handle. It is opaque to clients, as SQS's handles are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) queue: String,
    /// The message's place in its queue.
    pub(super) place: u64,
    /// The message's receive count at that receive. A later receive makes the handle stale.
    pub(super) receive_count: u32,
}

impl Receipt {
    pub(super) fn handle(&self) -> String {
        STANDARD.encode(format!("receipt/{}/{}/{}", self.queue, self.place, self.receive_count))
    }

    /// Fails with ReceiptHandleIsInvalid unless the handle was made here for this queue.
    pub(super) fn read(handle: &str, queue: &str) -> Result<Receipt, ServiceError> {
        parse(handle).filter(|receipt| receipt.queue == queue).ok_or_else(|| {
            ServiceError::bad_request(
                "ReceiptHandleIsInvalid",
                format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
            )
        })
    }
}

fn parse(handle: &str) -> Option<Receipt> {
    let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
    let mut parts = text.strip_prefix("receipt/")?.split('/');
    Some(Receipt {
        queue: parts.next()?.to_owned(),
        place: parts.next()?.parse().ok()?,
        receive_count: parts.next()?.parse().ok()?,
    })
}
