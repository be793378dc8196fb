//! A stored message.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;
use uuid::Uuid;

/// A message as a test sees it: everything that was sent, and how often it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage {
    /// SQS's own id, as `SendMessage` returned it.
    pub message_id: String,
    /// The body, byte for byte.
    pub body: String,
    /// The message attributes, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The MessageGroupId, which on a standard queue makes it a fair one.
    pub group_id: Option<String>,
    /// The system attribute AWSTraceHeader.
    pub trace_header: Option<String>,
    /// The ApproximateReceiveCount, which is exact here. The message keeps it in its dead-letter queue.
    pub receive_count: u32,
    /// The ARN of the queue that the message came from, if it was received too often there.
    pub dead_letter_source: Option<String>,
}

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, perhaps with a label after a dot.
    pub data_type: String,
    /// The value. A Binary value is in base64, as on the wire.
    pub value: String,
}

/// The checked content of a sent message.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) body: String,
    pub(super) attributes: BTreeMap<String, StoredAttribute>,
    pub(super) group_id: Option<String>,
    /// The AWSTraceHeader system attribute. It does not count towards the size.
    pub(super) trace_header: Option<StoredAttribute>,
}

#[derive(Debug, Clone)]
pub(super) struct StoredAttribute {
    pub(super) data_type: String,
    pub(super) value: AttributeValue,
}

#[derive(Debug, Clone)]
pub(super) enum AttributeValue {
    /// The value of a String or a Number.
    Text(String),
    Binary(Vec<u8>),
}

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) content: Content,
    /// The SentTimestamp.
    pub(super) sent: SystemTime,
    /// When it was sent, for the retention period.
    pub(super) sent_at: Instant,
    /// When it arrived in its current queue.
    pub(super) arrived_at: Instant,
    /// When it becomes visible to a receive.
    pub(super) visible_from: Instant,
    pub(super) receive_count: u32,
    pub(super) first_received: Option<SystemTime>,
    pub(super) dead_letter_source: Option<String>,
}

impl Message {
    pub(super) fn new(content: Content, sent: SystemTime, visible_from: Instant) -> Message {
        Message {
            id: Uuid::new_v4().to_string(),
            content,
            sent,
            sent_at: Instant::now(),
            arrived_at: Instant::now(),
            visible_from,
            receive_count: 0,
            first_received: None,
            dead_letter_source: None,
        }
    }

    pub(super) fn stored(&self) -> StoredMessage {
        let attributes = self.content.attributes.iter();
        StoredMessage {
            message_id: self.id.clone(),
            body: self.content.body.clone(),
            attributes: attributes.map(|(name, attribute)| (name.clone(), attribute.shown())).collect(),
            group_id: self.content.group_id.clone(),
            trace_header: self.content.trace_header.as_ref().map(|header| header.shown().value),
            receive_count: self.receive_count,
            dead_letter_source: self.dead_letter_source.clone(),
        }
    }
}

impl Content {
    /// The size in bytes: the body, and each attribute's name, data type and value (SQS developer guide, message
    /// quotas).
    pub(super) fn size(&self) -> usize {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.value.bytes().len());
        self.body.len() + attributes.sum::<usize>()
    }
}

impl StoredAttribute {
    fn shown(&self) -> Attribute {
        Attribute {
            data_type: self.data_type.clone(),
            value: match &self.value {
                AttributeValue::Text(text) => text.clone(),
                AttributeValue::Binary(bytes) => STANDARD.encode(bytes),
            },
        }
    }
}

impl AttributeValue {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }
}
