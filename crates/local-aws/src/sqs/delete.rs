//! DeleteMessage and DeleteMessageBatch, and the rules that every batch has.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Sqs;
use super::error::missing;
use super::receipt::Receipt;
use super::send::failed_entry;
use crate::error::ServiceError;

/// Entries in one batch.
const ENTRIES: usize = 10;
/// Characters in the id of a batch entry.
const ENTRY_ID_LENGTH: usize = 80;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessageBatch {
    queue_url: Option<String>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: Option<String>,
    receipt_handle: Option<String>,
}

impl Sqs {
    pub(super) fn delete_message(&self, request: DeleteMessage) -> Result<Value, ServiceError> {
        let handle = request.receipt_handle.ok_or_else(|| missing("ReceiptHandle"))?;
        self.with_queue(request.queue_url.as_deref(), |name, queue| {
            queue.delete(&Receipt::read(&handle, name)?);
            Ok(json!({}))
        })
    }

    pub(super) fn delete_message_batch(&self, request: DeleteMessageBatch) -> Result<Value, ServiceError> {
        check_entry_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
        self.with_queue(request.queue_url.as_deref(), |name, queue| {
            let mut deleted = Vec::new();
            let mut failed = Vec::new();
            for entry in request.entries {
                let id = entry.id.unwrap_or_default();
                match Receipt::read(&entry.receipt_handle.unwrap_or_default(), name) {
                    Ok(receipt) => {
                        queue.delete(&receipt);
                        deleted.push(json!({ "Id": id }));
                    }
                    Err(error) => failed.push(failed_entry(&id, &error)),
                }
            }
            Ok(json!({ "Successful": deleted, "Failed": failed }))
        })
    }
}

/// Between 1 and 10 entries, whose ids are distinct and made of letters, digits, hyphens and
/// underscores (SQS API reference, SendMessageBatch and its entry).
pub(super) fn check_entry_ids<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Result<(), ServiceError> {
    let ids: Vec<&str> = ids.map(|id| id.ok_or_else(|| missing("Id"))).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Err(refused(
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one entry in the request.".into(),
        ));
    }
    if ids.len() > ENTRIES {
        let sent = ids.len();
        return Err(refused(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are {ENTRIES}. You have sent {sent}."),
        ));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > ENTRY_ID_LENGTH || !id.chars().all(allowed) {
            return Err(refused(
                "AWS.SimpleQueueService.InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long."
                    .into(),
            ));
        }
        if !seen.insert(id) {
            return Err(refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

fn refused(code: &'static str, message: String) -> ServiceError {
    ServiceError::bad_request(code, message)
}
