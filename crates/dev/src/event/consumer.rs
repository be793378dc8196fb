//! What a consumer gets of a callback: the event of a Lambda function, or the response of `ReceiveMessage`.
//!
//! The receiver's own code verifies and classifies the callback and makes its message. What SQS and Lambda add has the
//! form that AWS gives it, and is the same each time: ids come from hashes, and times count from a fixed one.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flinks_webhooks::{
    auth::{Signatures, SigningKey},
    delivery::{Attribute, Message},
    http::{Callback, read_event},
    routing::{ClassifiedCallback, Kind, ResponseTypes},
};
use local_aws::{md5_of_attributes, md5_of_body};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::{secret, stack::PAYLOAD_BUCKET};

/// When the receiver gets the callback, since 1970.
const RECEIVED_AT: Duration = Duration::from_secs(1_790_000_000);
/// How long Flinks waits before it retries.
const RETRY_AFTER: Duration = Duration::from_mins(30);
/// From the receiver to the queue, and from there to the consumer.
const TO_QUEUE: Duration = Duration::from_millis(35);
const TO_CONSUMER: Duration = Duration::from_millis(16);

/// The account of AWS's own examples.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "ca-central-1";
const STACK: &str = "flinks-webhooks";

/// A message, as the receiver puts it on its queue.
pub struct Delivery {
    kind: Kind,
    body: String,
    attributes: Vec<Attribute>,
    group_id: Option<String>,
    message_id: String,
    receipt_handle: String,
    sent: Duration,
    /// What Flinks sent.
    pub payload: Bytes,
    /// Where the payload of a claim check is.
    pub object: Option<Object>,
}

/// An object in S3.
pub struct Object {
    pub bucket: &'static str,
    pub key: String,
}

/// The first delivery of a callback and Flinks' retries of it: each is a message of its own, with the same DeliveryId.
///
/// `event` is the API Gateway event of the callback, signed with a sample secret. `None` when the receiver rejects it.
pub fn deliveries(event: &Value, retries: u32) -> Option<Vec<Delivery>> {
    let callback = read_event(event.to_string().as_bytes()).ok()?;
    (0..=retries)
        .map(|number| {
            let received_at = RECEIVED_AT + RETRY_AFTER * number;
            Some(Delivery::of(&message(&callback, SystemTime::UNIX_EPOCH + received_at)?, number, received_at))
        })
        .collect()
}

/// The receiver's message of a callback.
fn message(callback: &Callback, received_at: SystemTime) -> Option<Message> {
    let signatures = Signatures::from_headers(&callback.headers).ok()?;
    let authentic = signatures.iter().find_map(|signature| {
        let key = SigningKey::new(secret::sample(signature.scheme()).as_bytes())?;
        signature.verify(&callback.body, [&key].into_iter(), true)
    })?;
    let classified = ClassifiedCallback::classify(authentic, &ResponseTypes::new());
    Some(Message::from_callback(&classified, received_at))
}

impl Delivery {
    fn of(message: &Message, number: u32, received_at: Duration) -> Self {
        let hash =
            |what: &str| -> [u8; 32] { Sha256::digest(format!("{what} {number} of {}", message.delivery_id())).into() };
        let (body, attributes, object) = match message.inline_body() {
            Some(body) => (body.to_owned(), message.attributes().to_vec(), None),
            None => {
                let key = message.payload_key(&uuid(hash("object")));
                let (pointer, attributes) = message.claim_check(PAYLOAD_BUCKET, &key);
                (pointer, attributes, Some(Object { bucket: PAYLOAD_BUCKET, key }))
            }
        };
        Self {
            kind: message.kind(),
            body,
            attributes,
            group_id: message.group_id().map(str::to_owned),
            message_id: uuid(hash("message")),
            // SQS's own are opaque, begin like this and are about as long.
            receipt_handle: format!("AQEB{}", BASE64_STANDARD.encode([hash("first"), hash("second")].concat())),
            sent: received_at + TO_QUEUE,
            payload: message.body().clone(),
            object,
        }
    }

    /// The system attributes, for the first receive.
    fn system_attributes(&self) -> Map<String, Value> {
        let milliseconds = |time: Duration| Some(time.as_millis().to_string());
        [
            ("ApproximateFirstReceiveTimestamp", milliseconds(self.sent + TO_CONSUMER)),
            ("ApproximateReceiveCount", Some("1".to_owned())),
            ("MessageGroupId", self.group_id.clone()),
            // The receiver's role, and its function as the name of the session.
            ("SenderId", Some(format!("AROAEXAMPLEEXAMPLE123:{STACK}-ReceiverFunction"))),
            ("SentTimestamp", milliseconds(self.sent)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect()
    }

    fn attributes(&self, value: impl Fn(&Attribute) -> Value) -> Map<String, Value> {
        self.attributes.iter().map(|attribute| (attribute.name.to_owned(), value(attribute))).collect()
    }

    fn md5_of_attributes(&self) -> Option<String> {
        let values = self.attributes.iter();
        md5_of_attributes(values.map(|value| (value.name, value.data_type.as_str(), value.value.as_str())))
    }

    fn in_lambda(&self) -> Value {
        json!({
            "messageId": self.message_id,
            "receiptHandle": self.receipt_handle,
            "body": self.body,
            "attributes": self.system_attributes(),
            "messageAttributes": self.attributes(|attribute| json!({
                "stringValue": attribute.value,
                "dataType": attribute.data_type.as_str(),
                "stringListValues": [],
                "binaryListValues": [],
            })),
            "md5OfMessageAttributes": self.md5_of_attributes(),
            "md5OfBody": md5_of_body(&self.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-{}", self.kind.queue()),
            "awsRegion": REGION,
        })
    }

    fn in_response(&self) -> Value {
        json!({
            "MessageId": self.message_id,
            "ReceiptHandle": self.receipt_handle,
            "Body": self.body,
            "Attributes": self.system_attributes(),
            "MessageAttributes": self.attributes(|attribute| json!({
                "StringValue": attribute.value,
                "DataType": attribute.data_type.as_str(),
            })),
            "MD5OfMessageAttributes": self.md5_of_attributes(),
            "MD5OfBody": md5_of_body(&self.body),
        })
    }
}

/// The event of a Lambda function with an event source mapping.
pub fn lambda_event(deliveries: &[Delivery]) -> Value {
    json!({ "Records": Vec::from_iter(deliveries.iter().map(Delivery::in_lambda)) })
}

/// The response of `ReceiveMessage` to a client that asks for all attributes.
pub fn receive_message(deliveries: &[Delivery]) -> Value {
    json!({ "Messages": Vec::from_iter(deliveries.iter().map(Delivery::in_response)) })
}

/// The files that the tests of a consumer read, by their paths in the folder of fixtures: each delivery in both forms, and
/// the object of a claim check. The first delivery has the given name, and Flinks' retry of it has `.retry` after that.
pub fn files(name: &str, deliveries: &[Delivery]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let names = [name.to_owned(), format!("{name}.retry")];
    for (name, delivery) in names.iter().zip(deliveries) {
        if let Some(object) = &delivery.object {
            files.insert(format!("objects/{}/{}", object.bucket, object.key).into(), delivery.payload.to_vec());
        }
        let delivery = std::slice::from_ref(delivery);
        for (form, event) in [("sqs", lambda_event(delivery)), ("receive-message", receive_message(delivery))] {
            files.insert(format!("{form}/{name}.json").into(), format!("{event:#}\n").into());
        }
    }
    files
}

fn uuid(hash: [u8; 32]) -> String {
    Builder::from_random_bytes(hash.first_chunk().copied().unwrap_or_default()).into_uuid().to_string()
}
