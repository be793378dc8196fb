//! DeleteMessage and DeleteMessageBatch.

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{check_entry_ids, failed_entry};
use super::error::missing;
use super::receipt::Receipt;
use super::store::Sqs;
use crate::error::ServiceError;

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
