//! A local AWS on loopback, in this process: SQS, Secrets Manager and S3 with their real wire protocols and limits, and
//! a small part of Systems Manager and CloudWatch.
//!
//! It is for tests, and for running a program that needs these services without installing anything. Every AWS SDK
//! works with its [endpoint](LocalAws::endpoint). A test prepares queues, secrets and buckets, runs the program, and
//! reads what is [in a queue](LocalAws::messages) or [in a bucket](LocalAws::objects). It can make [any call
//! fail](Fault) as networks and services do.
//!
//! ```
//! use local_aws::{Calls, Fault, LocalAws, Operation, QueueSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let aws = LocalAws::start().await?;
//! let url = aws.create_queue("events", QueueSettings::default());
//! aws.create_secret("signing-key", "not a real key");
//! aws.fault(Operation::SendMessage, Calls::Nth(2), Fault::ResetAfter);
//! // Run the program with AWS_ENDPOINT_URL set to aws.endpoint() and the queue set to url, then:
//! assert!(aws.messages("events").is_empty());
//! assert_eq!(aws.calls(Operation::SendMessage), 0);
//! # assert!(url.ends_with("/events"));
//! # Ok(())
//! # }
//! ```
//!
//! A test in virtual time cannot use sockets, because tokio's clock does not wait for them. It uses
//! [`LocalAws::detached`], and [`LocalAws::http_client`] for the SDK.
//!
//! # What is served
//!
//! | service | protocol | operations |
//! |---|---|---|
//! | SQS, standard queues | AWS JSON 1.0 | SendMessage, SendMessageBatch, ReceiveMessage, DeleteMessage, DeleteMessageBatch, ChangeMessageVisibility, StartMessageMoveTask, CreateQueue, GetQueueUrl, ListQueues, GetQueueAttributes |
//! | Secrets Manager | AWS JSON 1.1 | GetSecretValue, PutSecretValue, CreateSecret |
//! | S3, path-style | REST | PutObject, GetObject, HeadObject, DeleteObject, ListObjectsV2, CreateBucket, HeadBucket |
//! | Systems Manager, parameters | AWS JSON 1.1 | PutParameter, GetParameters |
//! | CloudWatch | Smithy RPC v2 CBOR | GetMetricData |
//!
//! Anything else is rejected with `UnknownOperationException` or `NotImplemented`, never served in part. SDKs from
//! before November 2023 use the query protocol with SQS. It is rejected in its own XML, with the advice to use a newer
//! SDK.
//!
//! # Rules
//!
//! SQS (developer guide: message quotas, message attributes, dead-letter queues; API reference):
//!
//! - The size of a message is that of its body and of every attribute's name, data type and value, in bytes of UTF-8.
//!   The limit is the queue's MaximumMessageSize, by default 1,048,576. A batch has at most 10 entries with distinct
//!   ids, and together at most 1,048,576 bytes.
//! - A body is not empty. Bodies and String values have only the characters #x9 #xA #xD #x20-#xD7FF
//!   #xE000-#xFFFD #x10000-#x10FFFF.
//! - A message has at most 10 attributes, none empty. Names, data types and numbers follow their rules. No attribute is
//!   returned unless requested.
//! - The responses have the MD5 digests of body and attributes that clients check.
//! - A MessageGroupId has 1 to 128 ASCII letters, digits and punctuation marks.
//! - Visibility timeouts, delays, retention, long polling, receive counts and stale receipt handles work as documented.
//! - A message that was received as often as the redrive policy allows moves to the dead-letter queue at the next
//!   receive, with its body, attributes and id. StartMessageMoveTask moves all messages back at once, as new messages.
//!
//! Secrets Manager (API reference): a new AWSCURRENT makes the version before it AWSPREVIOUS. An unknown secret and a
//! stage without a version give `ResourceNotFoundException`, a deleted secret gives `InvalidRequestException`. A
//! request with a known ClientRequestToken is a repetition. A value has at most 65,536 bytes. A secret's id is its
//! name, its ARN, or its ARN without the suffix, in any region and account.
//!
//! S3 (API reference, user guide): `If-None-Match: *` never replaces; `Content-MD5`,
//! `x-amz-content-sha256` and `x-amz-checksum-*` (CRC-32, CRC-32C, CRC-64/NVME, SHA-1, SHA-256) are
//! verified, in a header or in the trailer of an `aws-chunked` body; keys have at most 1,024 bytes and
//! user metadata 2,048. A listing has at most 1,000 keys and common prefixes together.
//!
//! Systems Manager (API reference): a request replaces a value only if it says so, and each change is a new version.
//! One request reads up to 10 parameters, and its response names the missing ones.
//!
//! CloudWatch (SQS developer guide, available metrics): the one metric is `ApproximateAgeOfOldestMessage` of a queue in
//! `AWS/SQS`, the seconds since the oldest message arrived in the queue. In a dead-letter queue a message arrives when
//! it is moved there. AWS's metric is minutes late. Here the only data point is the current one. Any other metric has
//! no data.
//!
//! Errors have the codes and the wire format of each service. All times, including time stamps, follow tokio's clock,
//! which a test can pause and move.
//!
//! # Limits
//!
//! - **Not secure.** It does not check signatures, credentials or permissions. It listens on loopback by default; keep
//!   it there. Over a socket it rejects, with `AccessDenied`, requests that a page in a browser could send: those with
//!   `Origin` or `Sec-Fetch-Site`, those that a tunnel or proxy forwarded (`Forwarded`, `X-Forwarded-*`), and those
//!   whose Host is not a loopback name, an IP address, `host.docker.internal` or an [allowed](LocalAws::allow_host)
//!   name.
//! - **Not durable.** Everything is in memory and is lost with the last [`LocalAws`].
//! - **Not all of SQS.** There are no FIFO queues, no fair order among message groups (the oldest message comes first),
//!   and no limit on messages in flight. Approximate counts are exact. Requests cannot change, purge or delete a queue.
//! - **Not all of S3.** There are no ranges, versions or multipart uploads, and no conditions except `If-None-Match:
//!   *`. Encryption and ACL headers are ignored.
//! - **Not a measure of AWS.** Latency and throughput differ from AWS's.

mod client;
mod clock;
mod cloudwatch;
mod dispatch;
mod error;
mod fault;
mod host;
mod json;
mod local;
mod names;
mod operation;
mod parameters;
mod query;
mod s3;
mod secrets;
mod server;
mod sqs;
mod sync;
mod wire;

pub use client::Network;
pub use fault::{Calls, Fault};
pub use host::{Host, is_forwarded};
pub use local::LocalAws;
pub use operation::Operation;
pub use s3::StoredObject;
pub use sqs::{Attribute, QueueSettings, Redrive, StoredMessage, md5_of_attributes, md5_of_body};
