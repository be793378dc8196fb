//! The fan-out's program as Lambda runs it: from a queue of the receiver to the queues that subscribe to its topic.

use std::{process::Stdio, time::Duration};

use flinks_webhooks::routing::Kind;
use local_aws::{Attribute, Calls, Fault, Operation, QueueSettings, StoredMessage};
use local_lambda::{Outcome, RuntimeApi};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    support::{Fixture, pointer},
    template::{fan_out_template, resource},
};

const QUEUES: &str = "arn:aws:sqs:us-east-1:000000000000:";
const TOPICS: &str = "arn:aws:sns:us-east-1:000000000000:";
const TEAMS: [&str; 2] = ["team-1", "team-2"];
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A receiver, and the bridge of its KYC queue with two subscribers.
struct FanOut {
    fixture: Fixture,
    runtime: RuntimeApi,
    process: Child,
}

impl FanOut {
    async fn start() -> Self {
        let fixture = Fixture::start().await;
        for team in TEAMS {
            fixture.aws().create_queue(team, QueueSettings::default());
            assert_eq!(fixture.aws().subscribe("KycTopic", team, None), format!("{TOPICS}KycTopic"));
        }
        let (runtime, process) = Self::program(&fixture).await;
        Self { fixture, runtime, process }
    }

    async fn program(fixture: &Fixture) -> (RuntimeApi, Child) {
        let runtime = RuntimeApi::start().await.unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fan-out"));
        command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let own = [("KINDS", "Kyc"), ("QUEUE_ARN_PREFIX", QUEUES), ("TOPIC_ARN_PREFIX", TOPICS)];
        command.envs(runtime.environment()).envs(fixture.stack.environment()).envs(own);
        let process = command.spawn().unwrap();
        tokio::time::timeout(PATIENCE, runtime.first_poll()).await.unwrap();
        (runtime, process)
    }

    /// Posts a callback, and returns the message on the queue.
    async fn post(&self, body: &[u8]) -> StoredMessage {
        assert_eq!(self.fixture.post_signed(body).await.response.status(), 200);
        self.fixture.aws().messages("KycQueue").pop().unwrap()
    }

    async fn invoke(&self, event: &Value) -> Outcome {
        tokio::time::timeout(PATIENCE, self.runtime.invoke(event.to_string())).await.unwrap()
    }

    /// Invokes the bridge with messages. Returns the ids of those that it reports as failed.
    async fn bridge(&self, messages: &[&StoredMessage]) -> Vec<String> {
        let Outcome::Response(response) = self.invoke(&event(messages)).await else { panic!("no response") };
        let response: Value = serde_json::from_slice(&response).unwrap();
        assert_eq!(response.as_object().unwrap().len(), 1, "{response}");
        let failures = response["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    fn of(&self, team: &str) -> Vec<StoredMessage> {
        self.fixture.aws().messages(team)
    }

    async fn log(mut self) -> String {
        self.process.start_kill().unwrap();
        let output = self.process.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What Lambda delivers of these messages.
fn event(messages: &[&StoredMessage]) -> Value {
    let records = messages.iter().map(|message| {
        let attributes = message.attributes.iter().map(|(name, Attribute { data_type, value })| {
            let attribute = json!({ "stringValue": value, "dataType": data_type, "stringListValues": [] });
            (name.clone(), attribute)
        });
        let mut system = json!({ "ApproximateReceiveCount": "1", "SentTimestamp": "1760000000000" });
        if let Some(id) = &message.group_id {
            system["MessageGroupId"] = json!(id);
        }
        if let Some(header) = &message.trace_header {
            system["AWSTraceHeader"] = json!(header);
        }
        json!({
            "messageId": message.message_id,
            "receiptHandle": "handle",
            "body": message.body,
            "attributes": system,
            "messageAttributes": attributes.collect::<serde_json::Map<_, _>>(),
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("{QUEUES}KycQueue"),
            "awsRegion": "us-east-1",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

fn kyc(tag: &str, title: &str) -> Vec<u8> {
    let login = r#""Login":{"Id":"5e115eac-1209-4f19-641c-08d6d484e2fe","IsScheduledRefresh":false},"RequestId":"r","HttpStatusCode":200"#;
    format!(r#"{{"ResponseType":"KYC","Tag":"{tag}",{login},"Title":"{title}"}}"#).into_bytes()
}

/// A message without what SQS itself gives it.
fn content(message: &StoredMessage) -> StoredMessage {
    let mut content = message.clone();
    content.message_id.clear();
    content
}

#[tokio::test]
async fn each_subscriber_gets_body_attributes_group_and_trace_unchanged() {
    const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let fan_out = FanOut::start().await;
    let odd = "a+b%20 &=;\\u0000\u{e9}\u{1F600}\u{FFFD}\\t~*";
    let body = [kyc("caf\u{e9} &+=", odd), b"\r\n\t ".to_vec()].concat();
    let mut message = fan_out.post(&body).await;
    message.trace_header = Some(TRACE.to_owned());
    assert!(fan_out.bridge(&[&message]).await.is_empty());
    assert_eq!(message.attributes.len(), 9);
    assert_eq!(message.group_id.as_deref(), Some("5e115eac-1209-4f19-641c-08d6d484e2fe"));
    for team in TEAMS {
        assert_eq!(fan_out.of(team).iter().map(content).collect::<Vec<_>>(), [content(&message)], "{team}");
    }
}

#[tokio::test]
async fn bodies_from_256_kib_to_1_mib_arrive_byte_for_byte() {
    let fan_out = FanOut::start().await;
    let attributes = fan_out.post(&kyc("t", "")).await;
    let attributes: usize = attributes
        .attributes
        .iter()
        .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.value.len())
        .sum();
    let empty = kyc("t", "").len();
    let largest = 1_048_576 - attributes;
    for length in [262_144, 262_145, 500_000, largest] {
        // Two bytes each, and an odd one: the form-encoded request is three times as long.
        let title = "\u{e9}".repeat((length - empty) / 2) + if (length - empty) % 2 == 1 { "x" } else { "" };
        let body = kyc("t", &title);
        assert_eq!(body.len(), length);
        let message = fan_out.post(&body).await;
        assert_eq!(pointer(&message), None, "{length}");
        assert!(fan_out.bridge(&[&message]).await.is_empty(), "{length}");
        for team in TEAMS {
            let received = fan_out.of(team).pop().unwrap();
            assert!(received.body.as_bytes() == body, "{length}");
            assert_eq!(received.attributes, message.attributes);
        }
    }
}

#[tokio::test]
async fn a_claim_check_has_its_ten_attributes_and_one_object_for_all() {
    let fan_out = FanOut::start().await;
    let message = fan_out.post(&kyc("t", &"x".repeat(1_100_000))).await;
    assert_eq!(message.attributes.len(), 10);
    assert!(fan_out.bridge(&[&message]).await.is_empty());
    for team in TEAMS {
        let received = fan_out.of(team).pop().unwrap();
        assert_eq!(content(&received), content(&message));
        assert_eq!(fan_out.fixture.payload(&received).len(), kyc("t", "").len() + 1_100_000);
    }
}

#[tokio::test]
async fn a_subscriber_that_is_gone_has_its_dead_letters_and_the_others_lose_nothing() {
    let fan_out = FanOut::start().await;
    let aws = fan_out.fixture.aws();
    aws.create_queue("dead-letters-of-gone", QueueSettings::default());
    aws.subscribe("KycTopic", "gone", Some("dead-letters-of-gone"));
    let messages = [fan_out.post(&kyc("t", "")).await, fan_out.post(&kyc("t", &"x".repeat(1_100_000))).await];
    assert!(fan_out.bridge(&messages.iter().collect::<Vec<_>>()).await.is_empty());
    for queue in [TEAMS[0], TEAMS[1], "dead-letters-of-gone"] {
        let mut received: Vec<_> = fan_out.of(queue).iter().map(content).collect();
        received.sort_by_key(|message| message.attributes.len());
        assert_eq!(received, messages.each_ref().map(content), "{queue}");
    }
}

#[tokio::test]
async fn a_message_that_sns_does_not_take_stays_and_the_others_go() {
    let fan_out = FanOut::start().await;
    let (first, second) = (fan_out.post(&kyc("secret-tag", "1")).await, fan_out.post(&kyc("secret-tag", "2")).await);
    fan_out.fixture.aws().fault(Operation::Publish, Calls::Nth(1), Fault::Reject("AuthorizationError", "secret-tag"));
    let failed = fan_out.bridge(&[&first, &second]).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(fan_out.of(TEAMS[0]).len(), 1);
    // Lambda delivers it again.
    let again = [&first, &second].into_iter().find(|message| failed.contains(&message.message_id)).unwrap();
    assert!(fan_out.bridge(&[again]).await.is_empty());
    assert_eq!(fan_out.of(TEAMS[1]).len(), 2);

    let delivery_id = again.attributes["DeliveryId"].value.clone();
    let log = fan_out.log().await;
    assert!(!log.contains("secret-tag"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [failed, published] = &lines[..] else { panic!("{log}") };
    assert_eq!((&failed["level"], &published["level"]), (&json!("ERROR"), &json!("INFO")));
    assert_eq!((&failed["Published"], &failed["PublishFailures"]), (&json!(1), &json!(1)));
    assert_eq!(failed["failedDeliveries"], json!([delivery_id]));
    assert_eq!(failed["awsFailures"][0]["code"], "AuthorizationError");
    assert_eq!((&published["queue"], &published["PublishFailures"]), (&json!("KycQueue"), &json!(0)));
}

#[tokio::test]
async fn throttling_and_lost_responses_are_retried_with_the_same_delivery_id() {
    let fan_out = FanOut::start().await;
    let message = fan_out.post(&kyc("t", "")).await;
    fan_out.fixture.aws().fault(Operation::Publish, Calls::Nth(1), Fault::Throttle);
    fan_out.fixture.aws().fault(Operation::Publish, Calls::Nth(2), Fault::ResetAfter);
    fan_out.fixture.aws().fault(Operation::Publish, Calls::Nth(3), Fault::Error);
    assert!(fan_out.bridge(&[&message]).await.is_empty());
    assert_eq!(fan_out.fixture.aws().calls(Operation::Publish), 4);
    for team in TEAMS {
        let received = fan_out.of(team);
        assert_eq!(received.len(), 2, "one response was lost");
        assert!(received.iter().all(|received| content(received) == content(&message)));
    }
}

#[tokio::test]
async fn a_function_that_is_killed_loses_nothing() {
    let mut fan_out = FanOut::start().await;
    let message = fan_out.post(&kyc("t", "")).await;
    let aws = fan_out.fixture.aws().clone();
    aws.fault(Operation::Publish, Calls::Nth(1), Fault::Hang);
    {
        let event = event(&[&message]).to_string();
        let invocation = fan_out.runtime.invoke(event);
        let published = async {
            while aws.calls(Operation::Publish) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = invocation => panic!("{outcome:?}"),
            () = published => {}
        }
    }
    fan_out.process.kill().await.unwrap();
    // Without a response Lambda deletes nothing, and delivers the message again.
    assert_eq!(aws.messages("KycQueue"), std::slice::from_ref(&message));
    (fan_out.runtime, fan_out.process) = FanOut::program(&fan_out.fixture).await;
    assert!(fan_out.bridge(&[&message]).await.is_empty());
    for team in TEAMS {
        assert_eq!(fan_out.of(team).iter().map(content).collect::<Vec<_>>(), [content(&message)], "{team}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_from_sqs_is_an_error_that_quotes_nothing() {
    let fan_out = FanOut::start().await;
    for event in [
        json!({}),
        json!({ "Records": [] }),
        json!({ "Records": ["secret"] }),
        json!({ "Records": [{ "eventSource": "aws:s3", "s3": "secret" }] }),
        json!("secret"),
    ] {
        let Outcome::Error { error_message, .. } = fan_out.invoke(&event).await else { panic!("{event}") };
        assert_eq!(error_message, "the event is not from an SQS queue", "{event}");
    }
    let log = fan_out.log().await;
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn the_template_has_a_topic_and_exactly_its_permissions_for_each_kind() {
    let template = fan_out_template();
    for kind in Kind::ALL {
        let name = kind.queue().strip_suffix("Queue").unwrap();
        let topic = &resource(&template, &format!("{name}Topic"))["Properties"];
        assert_eq!(topic["TopicName"]["Sub"], format!("${{AWS::StackName}}-{name}Topic"));
        assert_eq!(topic["MaximumMessageSize"], 1_048_576);
        let of_topic = json!({ "Ref": format!("{name}Topic") });
        let of_queue = json!({ "Sub": format!("{{{{resolve:ssm:/${{ReceiverStack}}/queues/{}/arn}}}}", kind.label()) });
        let statements = &resource(&template, &format!("{name}Policy"))["Properties"]["PolicyDocument"]["Statement"];
        let allowed = statements.as_array().unwrap().iter();
        let allowed = allowed.map(|statement| (statement["Action"].clone(), statement["Resource"].clone()));
        let consume = json!(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]);
        let expected = [(consume, of_queue.clone()), (json!("sns:Publish"), of_topic.clone())];
        assert_eq!(allowed.collect::<Vec<_>>(), expected, "{name}");
        let mapping = &resource(&template, &format!("{name}Mapping"))["Properties"];
        assert_eq!(mapping["EventSourceArn"], of_queue);
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert!(mapping["ScalingConfig"]["MaximumConcurrency"].is_object());
        // CloudFormation creates the policy first.
        assert_eq!(mapping["Tags"][0]["Value"], json!({ "Ref": format!("{name}Policy") }));
        let policy = &resource(&template, &format!("{name}TopicPolicy"))["Properties"];
        assert_eq!(policy["Topics"], json!([of_topic]));
        let statements = &policy["PolicyDocument"]["Statement"];
        assert_eq!(statements[0]["Effect"], "Deny");
        assert_eq!(statements[0]["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }));
        let subscribe = &statements[1]["If"][1];
        assert_eq!(subscribe["Action"], "sns:Subscribe");
        assert_eq!(subscribe["Condition"], json!({ "StringEquals": { "sns:Protocol": "sqs" } }));
        let parameter = resource(&template, &format!("{name}TopicArnParameter"))["Properties"].clone();
        assert_eq!(parameter["Name"]["Sub"], format!("/${{AWS::StackName}}/topics/{}/arn", kind.label()));
    }
}
