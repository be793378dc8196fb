use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::{aws_error::Reason, config::FanOutConfig, sqs_event::SqsEvent};

const QUEUES: &str = "arn:aws:sqs:ca-central-1:123456789012:flinks-webhooks-";
const TOPICS: &str = "arn:aws:sns:ca-central-1:123456789012:flinks-fan-out-";
const DELIVERY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn config(kinds: &str) -> FanOutConfig {
    let known = |name: &'static str| match name {
        "KINDS" => kinds.to_owned(),
        "QUEUE_ARN_PREFIX" => QUEUES.to_owned(),
        "TOPIC_ARN_PREFIX" => TOPICS.to_owned(),
        name if name.starts_with("AWS_ENDPOINT") || name.starts_with("AWS_USE") => String::new(),
        _ => "fake".to_owned(),
    };
    FanOutConfig::read(|name| Some(known(name))).unwrap()
}

fn record(id: &str, queue: &str) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": "handle",
        "body": format!("body of {id}"),
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1760000000000", "MessageGroupId": "group" },
        "messageAttributes": {
            "DeliveryId": {
                "stringValue": DELIVERY, "stringListValues": [], "binaryListValues": [], "dataType": "String",
            },
            "HttpStatusCode": { "stringValue": "200", "dataType": "Number" },
        },
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("{QUEUES}{queue}"),
        "awsRegion": "ca-central-1",
    })
}

fn messages(records: Vec<Value>) -> Option<Vec<QueueMessage>> {
    serde_json::from_value::<SqsEvent>(json!({ "Records": records })).unwrap().0
}

/// Topics that fail as told: each entry is the beginning of a body, the errors of its attempts.
#[derive(Default)]
struct Stand {
    errors: Mutex<Vec<(&'static str, AwsError)>>,
    published: Mutex<Vec<(String, String)>>,
    attempts: Mutex<usize>,
    hang: Option<&'static str>,
}

impl Topics for Stand {
    async fn publish(&self, notification: Notification<'_>) -> Result<(), AwsError> {
        *self.attempts.lock().unwrap() += 1;
        if self.hang == Some(notification.body) {
            std::future::pending::<()>().await;
        }
        let mut errors = self.errors.lock().unwrap();
        if let Some(at) = errors.iter().position(|(body, _)| *body == notification.body) {
            return Err(errors.remove(at).1);
        }
        assert_eq!(notification.group_id, Some("group"));
        assert_eq!(notification.attributes["HttpStatusCode"].data_type, "Number");
        self.published.lock().unwrap().push((notification.topic_arn.to_owned(), notification.body.to_owned()));
        Ok(())
    }
}

fn error(status: u16, code: &str) -> AwsError {
    let code = Some(code.to_owned());
    AwsError { status: Some(status), code, ..AwsError::new(Operation::Publish, Reason::Service) }
}

async fn publish_all(stand: &Stand, kinds: &str, records: Vec<Value>) -> Batch {
    let limit = Instant::now() + Duration::from_secs(28);
    publish_batch(stand, &config(kinds).routes, &messages(records).unwrap(), limit).await
}

#[tokio::test(start_paused = true)]
async fn the_queue_decides_the_topic() {
    let stand = Stand::default();
    let batch =
        publish_all(&stand, "Kyc,UploadFraud", vec![record("1", "KycQueue"), record("2", "UploadFraudQueue")]).await;
    assert_eq!((batch.published, batch.published_bytes, batch.failed.len()), (2, 18, 0));
    let expected = [("KycTopic", "body of 1"), ("UploadFraudTopic", "body of 2")]
        .map(|(topic, body)| (format!("{TOPICS}{topic}"), body.to_owned()));
    assert_eq!(*stand.published.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_queue_that_is_not_bridged_stays_there() {
    let stand = Stand::default();
    for queue in ["PayQueue", "KycDeadLetterQueue", "KycQueue2", ""] {
        let batch = publish_all(&stand, "Kyc", vec![record("1", queue), record("2", "KycQueue")]).await;
        assert_eq!((batch.without_topic, batch.published), (1, 1), "{queue}");
        assert_eq!(
            serde_json::to_value(batch.response()).unwrap(),
            json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_for_good_holds_up_no_other() {
    let stand = Stand::default();
    stand.errors.lock().unwrap().push(("body of 2", error(403, "AuthorizationError")));
    let records = ["1", "2", "3"].map(|id| record(id, "KycQueue")).into();
    let batch = publish_all(&stand, "Kyc", records).await;
    assert_eq!((batch.published, &batch.failed), (2, &vec!["2".to_owned()]));
    assert_eq!(batch.failed_deliveries, [DeliveryId::parse(DELIVERY).unwrap()]);
    assert_eq!(batch.aws_failures.iter().next().unwrap().error.code.as_deref(), Some("AuthorizationError"));
    assert_eq!(*stand.attempts.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_retried() {
    let stand = Stand::default();
    for (status, code) in [(429, "Throttled"), (400, "KMSThrottling"), (500, "InternalError")] {
        stand.errors.lock().unwrap().push(("body of 1", error(status, code)));
    }
    let batch = publish_all(&stand, "Kyc", vec![record("1", "KycQueue")]).await;
    assert_eq!((batch.published, batch.failed.len(), batch.aws_failures.iter().count()), (1, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn when_time_runs_out_the_rest_stays_on_the_queue() {
    let stand = Stand { hang: Some("body of 1"), ..Stand::default() };
    let started = Instant::now();
    let batch = publish_all(&stand, "Kyc", vec![record("1", "KycQueue"), record("2", "KycQueue")]).await;
    assert!(started.elapsed() <= Duration::from_secs(28));
    assert_eq!((batch.published, batch.failed), (1, vec!["1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_function_leaves_time_to_respond() {
    let limit = |seconds| publish_until(SystemTime::now() + Duration::from_secs(seconds)) - Instant::now();
    assert!(limit(30) <= Duration::from_secs(28) && limit(30) > Duration::from_secs(27));
    assert!(limit(2) <= Duration::from_secs(1));
    assert_eq!(publish_until(SystemTime::UNIX_EPOCH) - Instant::now(), Duration::ZERO);
}

#[test]
fn an_event_that_is_not_from_sqs_has_no_messages() {
    let mut of_sns = record("1", "KycQueue");
    of_sns["eventSource"] = "aws:sns".into();
    assert!(messages(vec![of_sns.clone()]).is_none());
    assert!(messages(vec![record("1", "KycQueue"), of_sns]).is_none());
    assert!(messages(vec![]).is_none());
    for event in
        ["{}", "null", "[]", "1", r#"{"Records":[{"s3":{}}]}"#, r#"{"Records":{}}"#, r#"{"Records":["secret"]}"#]
    {
        assert!(serde_json::from_str::<SqsEvent>(event).unwrap().0.is_none(), "{event}");
    }
    let mut without_id = record("1", "KycQueue");
    without_id.as_object_mut().unwrap().remove("messageId");
    assert!(messages(vec![without_id]).is_none(), "it could not be reported as failed");
}
