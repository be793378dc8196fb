//! SendMessage and SendMessageBatch.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::batch::{check_entry_ids, failed_entry};
use super::content::SentMessage;
use super::digest::{attributes_md5, md5_of_body};
use super::error::invalid;
use super::message::Content;
use super::queue::Queue;
use super::store::Sqs;
use crate::error::ServiceError;

/// The most bytes of all messages in one batch (SQS message quotas).
const MAX_BATCH_BYTES: usize = 1_048_576;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessageBatch {
    queue_url: Option<String>,
    #[serde(default)]
    entries: Vec<SentMessage>,
}

impl Sqs {
    pub(super) fn send_message(&self, request: SentMessage) -> Result<Value, ServiceError> {
        let url = request.queue_url.clone();
        let sent = self.with_queue(url.as_deref(), |_, queue| send(queue, request))?;
        self.arrivals.notify_waiters();
        Ok(Value::Object(sent))
    }

    /// An invalid message fails by itself. An invalid batch fails as a whole.
    pub(super) fn send_message_batch(&self, request: SendMessageBatch) -> Result<Value, ServiceError> {
        check_entry_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
        let checked = request.entries.into_iter().map(|mut entry| Entry {
            id: entry.id.take().unwrap_or_default(),
            delay: delay(&entry),
            content: entry.check(),
        });
        let entries: Vec<Entry> = checked.collect();
        let contents = entries.iter().filter_map(|entry| entry.content.as_ref().ok());
        check_batch_size(contents.map(Content::size).sum())?;
        let response = self.with_queue(request.queue_url.as_deref(), |_, queue| {
            let responses = entries.into_iter().map(|entry| entry.send(queue));
            let (sent, failed): (Vec<Value>, Vec<Value>) =
                responses.partition(|response| response.get("MessageId").is_some());
            Ok(json!({ "Successful": sent, "Failed": failed }))
        })?;
        self.arrivals.notify_waiters();
        Ok(response)
    }
}

fn send(queue: &mut Queue, request: SentMessage) -> Result<Map<String, Value>, ServiceError> {
    let delay = delay(&request);
    let content = request.check()?;
    store(queue, content, delay)
}

/// Stores a message unless it is too large for the queue. Returns the members of the response.
fn store(queue: &mut Queue, content: Content, delay: Option<u32>) -> Result<Map<String, Value>, ServiceError> {
    let max = queue.settings.maximum_message_size;
    if usize::try_from(max).is_ok_and(|max| content.size() > max) {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {max} bytes."
        )));
    }
    let attributes = content.attributes.iter();
    let attributes = attributes_md5(attributes.map(|(name, value)| (name.as_str(), value)));
    let trace_header = content.trace_header.as_ref();
    let system = attributes_md5(trace_header.map(|value| ("AWSTraceHeader", value)));
    let mut response = Map::new();
    response.insert("MD5OfMessageBody".into(), md5_of_body(&content.body).into());
    if let Some(md5) = attributes {
        response.insert("MD5OfMessageAttributes".into(), md5.into());
    }
    if let Some(md5) = system {
        response.insert("MD5OfMessageSystemAttributes".into(), md5.into());
    }
    response.insert("MessageId".into(), queue.send(content, delay).into());
    Ok(response)
}

/// One message of a batch.
struct Entry {
    id: String,
    delay: Option<u32>,
    content: Result<Content, ServiceError>,
}

impl Entry {
    fn send(self, queue: &mut Queue) -> Value {
        let sent = self.content.and_then(|content| store(queue, content, self.delay));
        match sent {
            Ok(mut response) => {
                response.insert("Id".into(), self.id.into());
                Value::Object(response)
            }
            Err(error) => failed_entry(&self.id, &error),
        }
    }
}

/// The delay, if it is in range. The content's check rejects any other.
fn delay(sent: &SentMessage) -> Option<u32> {
    sent.delay_seconds.and_then(|delay| u32::try_from(delay).ok())
}

fn check_batch_size(size: usize) -> Result<(), ServiceError> {
    if size <= MAX_BATCH_BYTES {
        return Ok(());
    }
    Err(ServiceError::bad_request(
        "AWS.SimpleQueueService.BatchRequestTooLong",
        format!("Batch requests cannot be longer than {MAX_BATCH_BYTES} bytes. You have sent {size} bytes."),
    ))
}
