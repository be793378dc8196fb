//! The services without sockets, through the HTTP client for the SDK, in virtual time.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::error::SdkError;
use local_aws::{Calls, Fault, LocalAws, Network, Operation, QueueSettings};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Target, code};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn request_and_response_take_the_latency_of_the_network() {
    let t = prepared();
    let started = Instant::now();
    assert_eq!(send(&t).await, "none");
    assert_eq!(started.elapsed(), Duration::from_millis(4));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_carried_out_even_if_nobody_waits_for_the_response() {
    let t = prepared();
    let dropped = timeout(Duration::from_millis(1), send(&t)).await;
    assert!(dropped.is_err());
    assert!(t.aws().messages("queue").is_empty());
    sleep(Duration::from_millis(5)).await;
    assert_eq!(t.aws().messages("queue").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn faults_are_the_same_as_over_a_socket() {
    let t = prepared();
    for (fault, expected) in [(Fault::Throttle, "RequestThrottled"), (Fault::Error, "InternalFailure")] {
        t.aws().fault(Operation::SendMessage, 1, fault);
        assert_eq!(send(&t).await, expected);
    }
    assert!(t.aws().messages("queue").is_empty());
    for (fault, stored) in [(Fault::Reset, 0), (Fault::ResetAfter, 1)] {
        t.aws().fault(Operation::SendMessage, 1, fault);
        let sent = t.sqs.send_message().queue_url(t.aws().queue_url("queue")).message_body("x").send().await;
        let Err(SdkError::DispatchFailure(failure)) = sent else { panic!("{sent:?}") };
        assert!(failure.is_io());
        assert_eq!(t.aws().messages("queue").len(), stored);
    }
    t.aws().fault(Operation::SendMessage, Calls::Next(1), Fault::Hang);
    assert!(timeout(DAY, send(&t)).await.is_err());
    assert_eq!(t.aws().messages("queue").len(), 1);
    assert_eq!(t.aws().calls(Operation::SendMessage), 5);
}

#[tokio::test(start_paused = true)]
async fn a_network_injects_its_own_faults_where_none_is_set() {
    /// A network on which every second call fails.
    #[derive(Default)]
    struct Shaky(Mutex<usize>);

    impl Network for Shaky {
        fn latency(&self) -> Duration {
            Duration::ZERO
        }

        fn fault(&self, operation: Operation) -> Option<Fault> {
            assert_eq!(operation, Operation::SendMessage);
            let mut calls = self.0.lock().unwrap();
            *calls += 1;
            calls.is_multiple_of(2).then_some(Fault::Error)
        }
    }

    let aws = LocalAws::detached(SystemTime::now());
    aws.create_queue("queue", QueueSettings::default());
    let t = Target::with_network(aws.clone(), Shaky::default());
    assert_eq!(send(&t).await, "none");
    assert_eq!(send(&t).await, "InternalFailure");
    aws.fault(Operation::SendMessage, 1, Fault::Throttle);
    assert_eq!(send(&t).await, "RequestThrottled");
    assert_eq!(send(&t).await, "none");
}

#[tokio::test(start_paused = true)]
async fn time_stamps_follow_the_moved_clock() {
    let t = prepared();
    sleep(DAY).await;
    let put = t.s3.put_object().bucket("bucket").key("key").body(ByteStream::from_static(b"x"));
    put.send().await.unwrap();
    let listed = t.s3.list_objects_v2().bucket("bucket").send().await.unwrap();
    let modified: SystemTime = (*listed.contents()[0].last_modified().unwrap()).try_into().unwrap();
    assert!(modified.duration_since(SystemTime::now()).unwrap() > DAY - Duration::from_secs(60));
    t.aws().put_secret_value("secret", "value");
    let secret = t.secrets.get_secret_value().secret_id("secret").send().await.unwrap();
    let created: SystemTime = (*secret.created_date().unwrap()).try_into().unwrap();
    assert!(created >= modified && created < modified + Duration::from_secs(1));
}

/// A target with a queue `queue` and a bucket `bucket`.
fn prepared() -> Target {
    let t = Target::in_process();
    t.aws().create_queue("queue", QueueSettings::default());
    t.aws().create_bucket("bucket");
    t
}

async fn send(t: &Target) -> String {
    code(t.sqs.send_message().queue_url(t.aws().queue_url("queue")).message_body("x").send().await)
}
