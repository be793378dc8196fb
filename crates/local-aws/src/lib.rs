//! The local AWS: SQS, Secrets Manager and S3 on loopback, in process, over their real wire
//! protocols and with their real limits; and a little of Systems Manager and CloudWatch.
//!
//! It is for tests, and for running a program that needs these services with nothing installed: any
//! AWS SDK that is given its [endpoint](LocalAws::endpoint) works with it. A test prepares queues,
//! secrets and buckets, lets the program run, then looks at what is [in a queue](LocalAws::messages)
//! or [in a bucket](LocalAws::objects); it can make [any call fail](Fault) in the ways networks and
//! services do.
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
//! A test that runs in virtual time does without the sockets, on which tokio's clock cannot wait:
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
//! Anything else is rejected with `UnknownOperationException` or `NotImplemented`, never served in part. The query
//! protocol, which SDKs from before November 2023 speak with SQS, is rejected in its own XML, with the advice to use a
//! newer SDK.
//!
//! # Which rules hold
//!
//! SQS (developer guide: message quotas, message attributes, dead-letter queues; API reference):
//!
//! - A message is its body and every attribute's name, data type and value, in bytes of UTF-8, and
//!   no larger than its queue's MaximumMessageSize, by default 1,048,576; a batch together no larger
//!   than that, of at most 10 entries with distinct ids.
//! - A body is not empty. Bodies and String values have only the characters #x9 #xA #xD #x20-#xD7FF
//!   #xE000-#xFFFD #x10000-#x10FFFF.
//! - At most 10 attributes, none empty; names, data types and numbers keep their rules. None comes
//!   back unless asked for.
//! - MD5 digests of body and attributes are the ones that clients check.
//! - A MessageGroupId has 1 to 128 ASCII letters, digits and punctuation marks.
//! - Visibility timeouts, delays, retention, long polling, receive counts and receipt handles that
//!   go stale work as documented.
//! - A message received more often than the redrive policy allows moves, at the next receive, to the
//!   dead-letter queue, with its body, attributes and id. StartMessageMoveTask moves all back at
//!   once, as new messages.
//!
//! Secrets Manager (API reference): a new AWSCURRENT makes the one before AWSPREVIOUS; a stage that
//! no version has is `ResourceNotFoundException`, as an unknown secret is; a deleted secret is
//! `InvalidRequestException`; a ClientRequestToken makes a request the same as before; a value has at
//! most 65,536 bytes. A secret goes by name, by ARN, and by ARN without its suffix; any region and
//! account will do.
//!
//! S3 (API reference, user guide): `If-None-Match: *` never replaces; `Content-MD5`,
//! `x-amz-content-sha256` and `x-amz-checksum-*` (CRC-32, CRC-32C, CRC-64/NVME, SHA-1, SHA-256) are
//! verified, in a header or in the trailer of an `aws-chunked` body; keys have at most 1,024 bytes and
//! user metadata 2,048. A listing has at most 1,000 keys and common prefixes together.
//!
//! Systems Manager (API reference): a value changes only where the request says so, each change is a
//! new version, and of up to 10 parameters asked for together those that are not there are named.
//!
//! CloudWatch (SQS developer guide, available metrics): the one metric is `ApproximateAgeOfOldestMessage` of a queue in
//! `AWS/SQS`: the seconds since the oldest message in it came into it, in a dead-letter queue since it was moved there.
//! AWS's is minutes behind; this is of the moment, as its only data point. Any other metric has no data.
//!
//! Errors have the codes and the wire form of each service. Time is tokio's, time stamps included, so a test with
//! tokio's clock paused can move it.
//!
//! # What it is not
//!
//! - **Not secure.** Signatures, credentials and permissions are not checked. It listens on loopback
//!   by default; leave it there. Over a socket it rejects, with `AccessDenied`, what a page in a browser
//!   could send: a request with `Origin` or `Sec-Fetch-Site`; one whose Host is neither a loopback name nor an IP address
//!   nor `host.docker.internal` nor [allowed](LocalAws::allow_host); and one that a tunnel or proxy passed on
//!   (`Forwarded`, `X-Forwarded-*`).
//! - **Not durable.** All is in memory, and gone with the last [`LocalAws`].
//! - **Not all of SQS.** No FIFO queues, no fair order among message groups (oldest first), no limit
//!   on messages in flight, and counts called approximate are exact. Queues cannot be changed, purged
//!   or deleted over the wire.
//! - **Not all of S3.** No ranges, versions, multipart uploads or conditions but that one; encryption
//!   and ACL headers are taken and ignored.
//! - **Not a measure of AWS.** Its latency and throughput are its own.

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
