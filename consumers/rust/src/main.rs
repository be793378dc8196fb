//! Consumes one of the receiver's queues as a Lambda function. Copy this file, and replace [`process`].
//!
//! For each message of a batch: claim its `DeliveryId`, fetch the payload of a claim check, verify that the payload hashes
//! to the `DeliveryId`, run [`process`] on the typed event, and mark the `DeliveryId` as done. A message that fails is
//! reported alone, and SQS brings it again.
//!
//! **A crash after the effect of [`process`] and before the mark repeats the effect.** Where that is a problem, let your
//! database keep the ids: put a unique key on `DeliveryId`, insert the id in the transaction that writes your data, and
//! take a violation of that key as done. Then you need neither [`Deliveries`] nor its table.
//!
//! Environment:
//!   PAYLOAD_BUCKET     the receiver's bucket (output PayloadBucketName)
//!   IDEMPOTENCY_TABLE  a DynamoDB table with the key `id` (String) and TTL on `expiration`
//!   CONSUMER           the name of this consumer, if several share the table; it must stay the same
#![recursion_limit = "256"]

use std::{
    panic::{self, AssertUnwindSafe},
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig, timeout::TimeoutConfig};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    operation::put_item::PutItemError,
    primitives::{DateTime, DateTimeFormat},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use flinks_events::{Attributes, Event};
use futures_util::FutureExt as _;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

// ---- Replace this

/// **Your code.** `Ok` means done: the message is deleted. After an error SQS brings it again; after five receives it is a
/// dead letter.
///
/// The `DeliveryId` is the same for every retry: use it as your key. Match on `event.payload`; what has no type is
/// `Payload::Unknown`, and authentic like the others. `body` is what Flinks sent, and need not be UTF-8. On `PayQueue`,
/// check `event.attributes.signature_form`. Log ids alone: a payload is bank data, and an error may quote it, so nothing
/// here logs the error that you return.
async fn process(delivery_id: &str, event: &Event, body: &[u8]) -> Result<(), Error> {
    let ids = json!({ "deliveryId": delivery_id, "kind": event.payload.name(), "bytes": body.len() });
    log("INFO", "processed", ids);
    Ok(())
}

// ---- A batch

/// How long before its deadline the function stops: time to release the claim and to respond.
const RESERVE: Duration = Duration::from_secs(2);

struct Consumer<D, P, F> {
    deliveries: D,
    payloads: P,
    /// The one bucket that a claim check may point to.
    bucket: String,
    reserve: Duration,
    process: F,
}

impl<D: Deliveries, P: Payloads, F: AsyncFn(&str, &Event, &[u8]) -> Result<(), Error>> Consumer<D, P, F> {
    /// Works the messages off, one after the other. Says which failed: Lambda deletes all others.
    ///
    /// An event that SQS did not send is an error. A response without failures would count as success.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<SqsBatchResponse, Error> {
        let LambdaEvent { payload: mut event, context } = event;
        let records = event.get_mut("Records").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let from_sqs = |record: &Value| {
            let text = |name| record.get(name).and_then(Value::as_str);
            text("eventSource") == Some("aws:sqs") && text("messageId").is_some()
        };
        if records.is_empty() || !records.iter().all(from_sqs) {
            return Err("not an event of SQS".into());
        }
        let mut response = SqsBatchResponse::default();
        for record in records {
            let message_id = record.get("messageId").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Err(failure) = self.message(record, &context.request_id, context.deadline()).await {
                let Failure { reason, delivery_id, code } = failure;
                let ids = json!({ "messageId": message_id, "deliveryId": delivery_id, "reason": reason, "code": code });
                log("ERROR", "failed", ids);
                response.add_failure(message_id);
            }
        }
        Ok(response)
    }

    async fn message(&self, record: Value, request_id: &str, deadline: SystemTime) -> Result<(), Failure> {
        // Whatever serde_json says of it may quote the record.
        let message: SqsMessage = serde_json::from_value(record).map_err(|_| Failure::new("not a message"))?;
        let attributes: Attributes = (message.message_attributes.iter())
            .filter_map(|(name, attribute)| Some((name, attribute.string_value.as_deref()?)))
            .collect();
        let delivery_id = attributes.delivery_id.clone().filter(|id| is_sha256(id));
        let delivery_id = delivery_id.ok_or(Failure::new("no DeliveryId"))?;
        let body = message.body.unwrap_or_default();
        // Another one for a duplicate in the same batch.
        let owner = format!("{request_id}/{}", message.message_id.unwrap_or_default());
        let lease = Lease { owner: &owner, from: SystemTime::now(), until: deadline };
        let work = self.delivery(&delivery_id, attributes, body, &lease);
        work.await.map_err(|failure| Failure { delivery_id: Some(delivery_id), ..failure })
    }

    /// Claims first: a delivery that is done is done, even if its object is gone.
    async fn delivery(
        &self,
        delivery_id: &str,
        attributes: Attributes,
        body: String,
        lease: &Lease<'_>,
    ) -> Result<(), Failure> {
        let left = lease.until.duration_since(lease.from).unwrap_or_default().saturating_sub(self.reserve);
        if left.is_zero() {
            return Err(Failure::new("no time left"));
        }
        let end = Instant::now() + left;
        match self.deliveries.claim(delivery_id, lease).await? {
            Claim::Ours => {}
            Claim::Done => {
                log("INFO", "duplicate", json!({ "deliveryId": delivery_id }));
                return Ok(());
            }
            Claim::InProgress => return Err(Failure::new("in progress elsewhere")),
        }
        let work = AssertUnwindSafe(self.work_off(delivery_id, attributes, body)).catch_unwind();
        let worked_off = match timeout_at(end, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::new("panicked")),
            Err(_) => Err(Failure::new("no time left")),
        };
        match worked_off {
            Ok(()) => self.deliveries.finish(delivery_id).await,
            Err(failure) => {
                // So that the next receive need not wait for the end of the lease.
                if let Err(Failure { code, .. }) = self.deliveries.release(delivery_id, lease).await {
                    log("WARN", "claim not released", json!({ "deliveryId": delivery_id, "code": code }));
                }
                Err(failure)
            }
        }
    }

    async fn work_off(&self, delivery_id: &str, attributes: Attributes, body: String) -> Result<(), Failure> {
        // The attribute alone makes a body a pointer: Flinks could send one that looks like it.
        let payload = if attributes.is_claim_check() { self.fetch(&body).await? } else { body.into_bytes() };
        if hex::encode(Sha256::digest(&payload)) != delivery_id {
            return Err(Failure::new("the payload does not hash to the DeliveryId"));
        }
        let event = Event::read(&payload, attributes);
        (self.process)(delivery_id, &event, &payload).await.map_err(|_| Failure::new("process failed"))
    }

    async fn fetch(&self, body: &str) -> Result<Vec<u8>, Failure> {
        let malformed = || Failure::new("malformed pointer");
        let pointer: Value = serde_json::from_str(body).map_err(|_| malformed())?;
        let part = |at| pointer.pointer(at).and_then(Value::as_str).ok_or_else(malformed);
        if part("/0")? != "software.amazon.payloadoffloading.PayloadS3Pointer" {
            return Err(malformed());
        }
        // Whoever can send to the queue chooses the bucket.
        if part("/1/s3BucketName")? != self.bucket {
            return Err(Failure::new("foreign bucket"));
        }
        self.payloads.fetch(&self.bucket, part("/1/s3Key")?).await
    }
}

fn is_sha256(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Why a message failed, in words and ids that may be logged.
#[derive(Debug)]
struct Failure {
    reason: &'static str,
    delivery_id: Option<String>,
    /// AWS's code for the error.
    code: Option<String>,
}

impl Failure {
    fn new(reason: &'static str) -> Self {
        Self { reason, delivery_id: None, code: None }
    }

    fn of_aws(reason: &'static str, error: &impl ProvideErrorMetadata) -> Self {
        Self { code: Some(error.code().unwrap_or("no response").to_owned()), ..Self::new(reason) }
    }
}

// ---- Which deliveries are done

trait Deliveries {
    /// Claims a delivery that nobody else claimed, or whose lease is over.
    async fn claim(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<Claim, Failure>;
    /// Marks a delivery as done, whoever claims it by now: its effect is there.
    async fn finish(&self, delivery_id: &str) -> Result<(), Failure>;
    /// Gives up a claim of this lease. The claim of another owner stays.
    async fn release(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<(), Failure>;
}

/// Who claims, and until when: after its deadline a function no longer runs.
struct Lease<'a> {
    owner: &'a str,
    from: SystemTime,
    until: SystemTime,
}

#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Ours,
    Done,
    InProgress,
}

/// A message can come back for 28 days (queue, dead letters, redrive), and an undelivered payload later still.
const KEPT: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// A table with the key `id` and its TTL on `expiration`. The names are those of Powertools for AWS Lambda, so that consumers
/// in other languages can use the same template.
struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
    /// Keeps consumers apart that share the table.
    consumer: String,
}

impl Table {
    fn id(&self, delivery_id: &str) -> AttributeValue {
        AttributeValue::S(format!("{}#{delivery_id}", self.consumer))
    }
}

impl Deliveries for Table {
    async fn claim(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<Claim, Failure> {
        let claimed = (self.client.put_item().table_name(&self.name))
            .item("id", self.id(delivery_id))
            .item("status", AttributeValue::S("INPROGRESS".to_owned()))
            .item("owner", AttributeValue::S(lease.owner.to_owned()))
            .item("in_progress_expiration", number(millis(lease.until)))
            .item("expiration", number(millis(lease.from + KEPT) / 1000))
            // Its own claim: the SDK tries again when a response is lost.
            .condition_expression(
                "attribute_not_exists(id) OR #status = :open AND (in_progress_expiration < :now OR #owner = :owner)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":open", AttributeValue::S("INPROGRESS".to_owned()))
            .expression_attribute_values(":now", number(millis(lease.from)))
            .expression_attribute_values(":owner", AttributeValue::S(lease.owner.to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
            .map_err(aws_sdk_dynamodb::error::SdkError::into_service_error);
        match claimed {
            Ok(_) => Ok(Claim::Ours),
            Err(PutItemError::ConditionalCheckFailedException(there)) => {
                let status = there.item().and_then(|item| item.get("status")).and_then(|status| status.as_s().ok());
                Ok(if status.is_some_and(|status| status == "COMPLETED") { Claim::Done } else { Claim::InProgress })
            }
            Err(error) => Err(Failure::of_aws("could not claim", &error)),
        }
    }

    async fn finish(&self, delivery_id: &str) -> Result<(), Failure> {
        let finished = (self.client.put_item().table_name(&self.name))
            .item("id", self.id(delivery_id))
            .item("status", AttributeValue::S("COMPLETED".to_owned()))
            .item("expiration", number(millis(SystemTime::now() + KEPT) / 1000))
            .send()
            .await;
        finished.map(drop).map_err(|error| Failure::of_aws("could not mark as done", &error))
    }

    async fn release(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<(), Failure> {
        let released = (self.client.delete_item().table_name(&self.name))
            .key("id", self.id(delivery_id))
            .condition_expression("#status = :open AND #owner = :owner")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":open", AttributeValue::S("INPROGRESS".to_owned()))
            .expression_attribute_values(":owner", AttributeValue::S(lease.owner.to_owned()))
            .send()
            .await;
        released.map(drop).map_err(|error| Failure::of_aws("could not release", &error))
    }
}

fn number(value: u128) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis()
}

// ---- The payloads of claim checks

trait Payloads {
    async fn fetch(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Failure>;
}

impl Payloads for aws_sdk_s3::Client {
    /// The bytes, because a payload need not be text. The code of an object that is gone is `AccessDenied` where the role may
    /// not list the bucket.
    async fn fetch(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Failure> {
        const REASON: &str = "could not fetch the payload";
        let object = self.get_object().bucket(bucket).key(key).send().await;
        let object = object.map_err(|error| Failure::of_aws(REASON, &error))?;
        Ok(object.body.collect().await.map_err(|_| Failure::new(REASON))?.to_vec())
    }
}

// ---- The function

/// Writes one line. Lambda reads `level` and `timestamp`.
#[expect(clippy::print_stdout, reason = "this is the log")]
fn log(level: &str, message: &str, ids: Value) {
    let timestamp = DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTime).unwrap_or_default();
    let mut line = json!({ "level": level, "timestamp": timestamp, "message": message });
    if let (Some(line), Value::Object(ids)) = (line.as_object_mut(), ids) {
        line.extend(ids);
    }
    println!("{line}");
}

fn config_loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(5))
        .build();
    // ring: the other choice gathers entropy for 10 to 50 ms at each cold start.
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        // A function may be frozen for longer than AWS keeps an idle connection open.
        .pool_idle_timeout(Duration::from_secs(15))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts)
}

fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    // An S3 on this machine has no name for each bucket.
    let is_local = config.endpoint_url().is_some() || std::env::var("AWS_ENDPOINT_URL_S3").is_ok();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_local).build();
    aws_sdk_s3::Client::from_conf(config)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // A panic's message may quote a payload. Its place may be logged.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log("ERROR", "panicked", json!({ "place": place }));
    }));
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let config = config_loader().load().await;
    let consumer = Consumer {
        deliveries: Table {
            client: aws_sdk_dynamodb::Client::new(&config),
            name: variable("IDEMPOTENCY_TABLE")?,
            consumer: variable("CONSUMER").unwrap_or_else(|_| "flinks-consumer".to_owned()),
        },
        payloads: s3(&config),
        bucket: variable("PAYLOAD_BUCKET")?,
        reserve: RESERVE,
        process,
    };
    lambda_runtime::run(service_fn(|event| consumer.handle(event))).await
}

#[cfg(test)]
mod tests;
