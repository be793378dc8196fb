//! The faults that a test can inject.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::error::SdkError;
use local_aws::{Calls, Fault, Operation, QueueSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Target, code};

#[tokio::test]
async fn a_throttle_is_the_services_own() {
    let t = prepared().await;
    for operation in [Operation::SendMessage, Operation::GetSecretValue, Operation::PutObject] {
        t.aws().fault(operation, Calls::All, Fault::Throttle);
    }
    assert_eq!(send(&t).await, "RequestThrottled");
    assert_eq!(read(&t).await, "ThrottlingException");
    assert_eq!(put(&t).await, "SlowDown");
}

#[tokio::test]
async fn an_error_is_the_services_own() {
    let t = prepared().await;
    for operation in [Operation::SendMessage, Operation::GetSecretValue, Operation::PutObject] {
        t.aws().fault(operation, Calls::All, Fault::Error);
    }
    assert_eq!(send(&t).await, "InternalFailure");
    assert_eq!(read(&t).await, "InternalServiceError");
    assert_eq!(put(&t).await, "InternalError");
    assert!(t.aws().messages("queue").is_empty());
    assert!(t.aws().objects("bucket").is_empty());
}

#[tokio::test]
async fn any_error_code_can_be_injected() {
    let t = prepared().await;
    for operation in [Operation::SendMessage, Operation::GetSecretValue, Operation::PutObject] {
        t.aws().fault(operation, Calls::All, Fault::Reject("AccessDenied", "not allowed"));
    }
    assert_eq!(send(&t).await, "AccessDenied");
    assert_eq!(read(&t).await, "AccessDenied");
    assert_eq!(put(&t).await, "AccessDenied");
}

#[tokio::test]
async fn a_delay_only_delays() {
    let t = prepared().await;
    let delay = Duration::from_millis(300);
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::Delay(delay));
    let started = Instant::now();
    assert_eq!(send(&t).await, "none");
    assert!(started.elapsed() >= delay);
    assert_eq!(t.aws().messages("queue").len(), 1);
}

#[tokio::test]
async fn a_hang_never_responds() {
    let t = prepared().await;
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::Hang);
    let sent = tokio::time::timeout(Duration::from_millis(500), send(&t)).await;
    assert!(sent.is_err());
    assert_eq!(t.aws().calls(Operation::SendMessage), 1);
    assert!(t.aws().messages("queue").is_empty());
    assert_eq!(send(&t).await, "none");
}

#[tokio::test]
async fn a_reset_does_nothing_and_sends_no_response() {
    let t = prepared().await;
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::Reset);
    let sent = t.sqs.send_message().queue_url(t.aws().queue_url("queue")).message_body("x").send().await;
    assert!(matches!(sent, Err(SdkError::DispatchFailure(_))));
    assert!(t.aws().messages("queue").is_empty());
}

#[tokio::test]
async fn a_reset_is_a_tcp_reset() {
    let t = prepared().await;
    t.aws().fault(Operation::GetObject, Calls::Next(1), Fault::Reset);
    let mut stream = TcpStream::connect(t.aws().address()).await.unwrap();
    stream.write_all(b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_after_loses_only_the_response() {
    let t = prepared().await;
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::ResetAfter);
    let sent = t.sqs.send_message().queue_url(t.aws().queue_url("queue")).message_body("x").send().await;
    assert!(matches!(sent, Err(SdkError::DispatchFailure(_))));
    assert_eq!(t.aws().messages("queue").len(), 1);
}

#[tokio::test]
async fn a_fault_applies_only_to_the_calls_it_is_set_for() {
    let t = prepared().await;
    assert_eq!(send(&t).await, "none");
    t.aws().fault(Operation::SendMessage, Calls::Nth(2), Fault::Error);
    t.aws().fault(Operation::SendMessage, 1, Fault::Throttle);
    assert_eq!(send(&t).await, "RequestThrottled");
    assert_eq!(send(&t).await, "InternalFailure");
    assert_eq!(send(&t).await, "none");
    assert_eq!(t.aws().calls(Operation::SendMessage), 4);
}

#[tokio::test]
async fn of_two_faults_for_a_call_the_later_one_applies() {
    let t = prepared().await;
    t.aws().fault(Operation::SendMessage, Calls::All, Fault::Error);
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::Throttle);
    assert_eq!(send(&t).await, "RequestThrottled");
    assert_eq!(send(&t).await, "InternalFailure");
    t.aws().clear_faults();
    assert_eq!(send(&t).await, "none");
}

/// A target with a queue `queue`, a secret `secret` and a bucket `bucket`.
async fn prepared() -> Target {
    let t = Target::local().await;
    t.aws().create_queue("queue", QueueSettings::default());
    t.aws().create_secret("secret", "value");
    t.aws().create_bucket("bucket");
    t
}

async fn send(t: &Target) -> String {
    code(t.sqs.send_message().queue_url(t.aws().queue_url("queue")).message_body("x").send().await)
}

async fn read(t: &Target) -> String {
    code(t.secrets.get_secret_value().secret_id("secret").send().await)
}

async fn put(t: &Target) -> String {
    let request = t.s3.put_object().bucket("bucket").key("key");
    code(request.body(ByteStream::from_static(b"x")).send().await)
}
