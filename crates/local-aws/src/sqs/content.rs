//! Checks a sent message by SQS's rules.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::attribute::SentAttribute;
use super::error::{invalid, invalid_contents, missing};
use super::message::{Content, StoredAttribute};
use super::text::{complaint, forbidden_character};
use crate::error::ServiceError;

/// The most attributes of one message (SQS message quotas).
const MAX_ATTRIBUTES: usize = 10;
/// The most characters in a MessageGroupId.
const MAX_GROUP_ID_CHARACTERS: usize = 128;
/// The longest delay of a message: 15 minutes.
const MAX_DELAY_SECONDS: i64 = 900;

/// The parameters of SendMessage, and an entry of SendMessageBatch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SentMessage {
    /// Only in SendMessage.
    pub(super) queue_url: Option<String>,
    /// Only in a batch entry.
    pub(super) id: Option<String>,
    pub(super) delay_seconds: Option<i64>,
    message_body: Option<String>,
    message_attributes: Option<BTreeMap<String, SentAttribute>>,
    message_system_attributes: Option<BTreeMap<String, SentAttribute>>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl SentMessage {
    /// Checks every rule except the size limit, which depends on the queue.
    pub(super) fn check(self) -> Result<Content, ServiceError> {
        let body = self.message_body.filter(|body| !body.is_empty());
        let body = body.ok_or_else(|| missing("MessageBody"))?;
        if let Some(forbidden) = forbidden_character(&body) {
            return Err(invalid_contents(complaint(forbidden, "message body")));
        }
        if let Some(delay) = self.delay_seconds.filter(|delay| !(0..=MAX_DELAY_SECONDS).contains(delay)) {
            return Err(invalid(format!(
                "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be \
                 >= 0 and <= {MAX_DELAY_SECONDS}."
            )));
        }
        if let Some(id) = self.message_deduplication_id {
            return Err(invalid(format!(
                "Value {id} for parameter MessageDeduplicationId is invalid. Reason: The request \
                 includes a parameter that is not valid for this queue type."
            )));
        }
        if let Some(id) = &self.message_group_id {
            check_group_id(id)?;
        }
        let attributes = self.message_attributes.unwrap_or_default();
        if attributes.len() > MAX_ATTRIBUTES {
            let count = attributes.len();
            return Err(invalid(format!(
                "Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
            )));
        }
        let attributes = attributes.into_iter();
        Ok(Content {
            body,
            attributes: attributes
                .map(|(name, sent)| sent.check(&name).map(|attribute| (name, attribute)))
                .collect::<Result<_, _>>()?,
            group_id: self.message_group_id,
            trace_header: trace_header(self.message_system_attributes.unwrap_or_default())?,
        })
    }
}

/// On a standard queue, a group id makes the queue a fair one. The rule for its characters is that of FIFO queues.
fn check_group_id(id: &str) -> Result<(), ServiceError> {
    let length = id.chars().count();
    if (1..=MAX_GROUP_ID_CHARACTERS).contains(&length) && id.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(invalid(format!(
        "Value {id} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only \
         include alphanumeric and punctuation characters. 1 to 128 in length."
    )))
}

/// The only system attribute that can be sent.
fn trace_header(sent: BTreeMap<String, SentAttribute>) -> Result<Option<StoredAttribute>, ServiceError> {
    sent.into_iter().try_fold(None, |_, (name, sent)| {
        if name == "AWSTraceHeader" {
            return sent.check(&name).map(Some);
        }
        Err(invalid(format!("Message system attribute name '{name}' is invalid: only AWSTraceHeader can be sent.")))
    })
}
