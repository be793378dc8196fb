//! The rules for every batch.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::missing;
use crate::error::ServiceError;

/// The most entries in one batch.
const MAX_ENTRIES: usize = 10;
/// The most characters in the id of a batch entry.
const MAX_ENTRY_ID_CHARACTERS: usize = 80;

/// A batch has 1 to 10 entries. Their ids are distinct and have letters, digits, hyphens and underscores (SQS API
/// reference, SendMessageBatch and its entry).
pub(super) fn check_entry_ids<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Result<(), ServiceError> {
    let ids: Vec<&str> = ids.map(|id| id.ok_or_else(|| missing("Id"))).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Err(ServiceError::bad_request(
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one entry in the request.",
        ));
    }
    if ids.len() > MAX_ENTRIES {
        let sent = ids.len();
        return Err(ServiceError::bad_request(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are {MAX_ENTRIES}. You have sent {sent}."),
        ));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > MAX_ENTRY_ID_CHARACTERS || !id.chars().all(allowed) {
            return Err(ServiceError::bad_request(
                "AWS.SimpleQueueService.InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(ServiceError::bad_request(
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                format!("Id {id} repeated."),
            ));
        }
    }
    Ok(())
}

/// A BatchResultErrorEntry.
pub(super) fn failed_entry(id: &str, error: &ServiceError) -> Value {
    json!({
        "Id": id,
        "Code": error.code,
        "Message": error.message,
        "SenderFault": true,
    })
}
