//! `cargo dev event` as users run it. The receiver accepts the printed events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flinks_dev::{
    samples::{self, Expected},
    stack::{self, PAY_SIGNING_SECRET_ID, SIGNING_SECRET_ID, Stack},
};
use flinks_webhooks::{http::read_event, routing::Kind, telemetry::Record};
use serde_json::{Value, json};

const BODY: &str = r#"{"ResponseType":"KYC","Holders":[{"Name":"Zoé 😀"}]}"#;

fn event(arguments: &[&str], body: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-dev"));
    command.arg("event").args(arguments).env_remove("FLINKS_SIGNING_SECRET").env_remove("FLINKS_PAY_SIGNING_SECRET");
    command.envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails before it reads closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(body.as_bytes());
    child.wait_with_output().unwrap()
}

fn printed(arguments: &[&str], body: &str, environment: &[(&str, &str)]) -> Value {
    let output = event(arguments, body, environment);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Passes an event to the receiver. Returns the status and the record.
async fn receive(stack: &Stack, event: &Value) -> (u16, Record) {
    let config = stack.config(&[]).unwrap();
    let mut record = Record::default();
    let answer = stack::receiver(&config).receive(read_event(event.to_string().as_bytes()), &mut record).await;
    (answer.status(), record)
}

#[tokio::test]
async fn every_sample_gets_its_expected_result() {
    let stack = Stack::start().await.unwrap();
    for sample in samples::all() {
        let event = printed(&[sample.name], "", &[]);
        assert_eq!(event, sample.event, "{}", sample.name);
        let (status, record) = receive(&stack, &event).await;
        assert_eq!((status, record.kind), (sample.expected.status(), sample.expected.kind()), "{}", sample.name);
    }
}

#[tokio::test]
async fn a_given_secret_replaces_the_sample_secret() {
    let stack = Stack::start().await.unwrap();
    stack.aws.create_secret(SIGNING_SECRET_ID, "a secret of mine\n");
    stack.aws.create_secret(PAY_SIGNING_SECRET_ID, "another of mine");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("event-secret");
    std::fs::write(&file, "a secret of mine\r\n").unwrap();
    let environment = [("FLINKS_SIGNING_SECRET", "a secret of mine"), ("FLINKS_PAY_SIGNING_SECRET", "another of mine")];
    for (event, kind) in [
        (printed(&["kyc", "--secret-file", file.to_str().unwrap()], "", &[]), Kind::Kyc),
        (printed(&["kyc-ascii"], "", &environment), Kind::Kyc),
        (printed(&["kyc-base64"], "", &environment), Kind::Kyc),
        (printed(&["accounts-detail"], "", &environment), Kind::AccountsDetail),
        (printed(&["investments"], "", &environment), Kind::Investments),
        (printed(&["pay"], "", &environment), Kind::Pay),
        (printed(&["upload-fraud"], "", &environment), Kind::UploadFraud),
    ] {
        let (status, record) = receive(&stack, &event).await;
        assert_eq!((status, record.kind), (200, Some(kind)));
    }
}

#[tokio::test]
async fn a_body_of_the_users_own_works_in_every_scheme_and_encoding() {
    let stack = Stack::start().await.unwrap();
    for (more, form) in [(&[][..], "raw"), (&["--form", "ascii"], "ascii"), (&["--scheme", "pay"], "pay")] {
        for base64 in [false, true] {
            let arguments = [&["-"][..], more, if base64 { &["--base64"][..] } else { &[] }].concat();
            let event = printed(&arguments, BODY, &[]);
            assert_eq!(event["version"], "2.0");
            assert_eq!(event["isBase64Encoded"], base64);
            assert_eq!(event["body"], if base64 { BASE64_STANDARD.encode(BODY) } else { BODY.to_owned() });
            let (status, record) = receive(&stack, &event).await;
            assert_eq!((status, record.signature_form.map(|form| form.as_str())), (200, Some(form)));
        }
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("event-body.json");
    std::fs::write(&file, BODY).unwrap();
    assert_eq!(receive(&stack, &printed(&[file.to_str().unwrap()], "", &[])).await.0, 200);
}

#[tokio::test]
async fn a_sample_can_be_signed_with_another_scheme_or_encoding() {
    let stack = Stack::start().await.unwrap();
    let (status, record) = receive(&stack, &printed(&["kyc", "--form", "ascii", "--base64"], "", &[])).await;
    assert_eq!((status, record.signature_form.map(|form| form.as_str())), (200, Some("ascii")));
    let (status, record) = receive(&stack, &printed(&["kyc-ascii", "--scheme", "pay"], "", &[])).await;
    assert_eq!((status, record.signature_form.map(|form| form.as_str())), (200, Some("pay")));
}

/// What the whole receiver puts on the queue of a sample, without what differs each time.
async fn queued(sample: &samples::Sample) -> (String, Value) {
    let stack = Stack::start().await.unwrap();
    receive(&stack, &sample.event).await;
    let kind = sample.expected.kind().unwrap();
    let messages = stack.aws.messages(kind.queue());
    assert_eq!(messages.len(), 1, "{}", sample.name);
    let message = messages.first().unwrap();
    let in_json = |(name, attribute): (&String, &local_aws::Attribute)| {
        (name.clone(), json!({ "stringValue": attribute.value, "dataType": attribute.data_type }))
    };
    let attributes: serde_json::Map<_, _> = message.attributes.iter().map(in_json).collect();
    let attributes = json!({ "message": attributes, "group": message.group_id });
    (message.body.clone(), attributes)
}

#[tokio::test]
async fn a_consumer_gets_what_the_receiver_puts_on_the_queue() {
    for sample in samples::all().iter().filter(|sample| sample.expected.kind().is_some()) {
        let event = printed(&[sample.name, "--as", "sqs"], "", &[]);
        let record = &event["Records"][0];
        let (body, mut attributes) = queued(sample).await;
        for (name, value) in attributes["message"].as_object_mut().unwrap() {
            let mut found = record["messageAttributes"][name].clone();
            for list in ["stringListValues", "binaryListValues"] {
                assert_eq!(found.as_object_mut().unwrap().remove(list), Some(json!([])));
            }
            if name == "ReceivedAt" {
                *value = found.clone();
            }
            assert_eq!(found, *value, "{} {name}", sample.name);
        }
        assert_eq!(
            record["messageAttributes"].as_object().unwrap().len(),
            attributes["message"].as_object().unwrap().len()
        );
        assert_eq!(record["attributes"]["MessageGroupId"], attributes["group"], "{}", sample.name);
        // The key of a claim check's object ends in a random part.
        let until_the_random_part = |body: &str| body.rsplit_once('/').unwrap().0.to_owned();
        let found = record["body"].as_str().unwrap();
        match sample.expected {
            Expected::ClaimCheck(_) => assert_eq!(until_the_random_part(found), until_the_random_part(&body)),
            _ => assert_eq!(found, body),
        }
        let output = self::event(&[sample.name, "--as", "payload"], "", &[]);
        assert!(output.stdout == sample.body, "{}", sample.name);
    }
}

#[test]
fn it_has_every_field_that_aws_sends_in_the_case_of_each() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let event = printed(&["kyc", "--as", "sqs"], "", &[]);
    let record = &event["Records"][0];
    let expected = "attributes awsRegion body eventSource eventSourceARN md5OfBody md5OfMessageAttributes \
                    messageAttributes messageId receiptHandle";
    assert_eq!(keys(record), expected);
    let system = "ApproximateFirstReceiveTimestamp ApproximateReceiveCount MessageGroupId SenderId SentTimestamp";
    assert_eq!(keys(&record["attributes"]), system);
    let value = &record["messageAttributes"]["HttpStatusCode"];
    let expected =
        json!({ "stringValue": "200", "dataType": "Number", "stringListValues": [], "binaryListValues": [] });
    assert_eq!(*value, expected);

    let response = printed(&["kyc", "--as", "receive-message"], "", &[]);
    let message = &response["Messages"][0];
    let expected = "Attributes Body MD5OfBody MD5OfMessageAttributes MessageAttributes MessageId ReceiptHandle";
    assert_eq!(keys(message), expected);
    assert_eq!(keys(&message["Attributes"]), system);
    assert_eq!(message["MessageAttributes"]["HttpStatusCode"], json!({ "StringValue": "200", "DataType": "Number" }));
    for (lambda, response) in
        [("messageId", "MessageId"), ("body", "Body"), ("md5OfMessageAttributes", "MD5OfMessageAttributes")]
    {
        assert_eq!(record[lambda], message[response]);
    }
}

#[test]
fn a_duplicate_is_another_message_with_the_same_delivery_id() {
    for sample in ["kyc", "claim-check"] {
        let event = printed(&[sample, "--as", "sqs", "--duplicate"], "", &[]);
        let records = event["Records"].as_array().unwrap();
        assert_eq!(records.len(), 2);
        let (first, second) = (&records[0], &records[1]);
        let delivery_id = |record: &Value| record["messageAttributes"]["DeliveryId"].clone();
        assert_eq!(delivery_id(first), delivery_id(second));
        for field in ["messageId", "receiptHandle"] {
            assert_ne!(first[field], second[field]);
        }
        // Every message has an object of its own.
        assert_eq!(first["body"] == second["body"], sample == "kyc");
        assert_eq!(event, printed(&[sample, "--as", "sqs", "--duplicate"], "", &[]), "the same each time");
    }
}

#[test]
fn a_consumer_gets_a_body_of_ones_own_whatever_the_secret_is() {
    let environment = [("FLINKS_SIGNING_SECRET", "a secret of mine")];
    let event = printed(&["-", "--as", "sqs", "--form", "ascii"], BODY, &environment);
    assert_eq!(event["Records"][0]["body"], BODY);
    assert_eq!(event["Records"][0]["messageAttributes"]["SignatureForm"]["stringValue"], "ascii");
    assert_eq!(event["Records"][0]["eventSourceARN"], "arn:aws:sqs:ca-central-1:123456789012:flinks-webhooks-KycQueue");
}

#[test]
fn what_a_consumer_gets_is_written_where_the_tests_of_a_consumer_read_it() {
    let temporary = std::env::temp_dir().join(format!("flinks-dev-event-{}", std::process::id()));
    let (mine, folder) = (temporary.join("mine.txt"), temporary.join("fixtures"));
    std::fs::create_dir_all(&temporary).unwrap();
    // The last character makes it a claim check.
    let payload = BODY.replace("Zoé", "Zoé \u{FFFF}");
    std::fs::write(&mine, &payload).unwrap();
    let output = event(&[mine.to_str().unwrap(), "--to", folder.to_str().unwrap(), "--duplicate"], "", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    for (name, duplicate) in [("mine", 0), ("mine.retry", 1)] {
        let written: Value = serde_json::from_str(&read(&format!("sqs/{name}.json"))).unwrap();
        let printed = printed(&[mine.to_str().unwrap(), "--as", "sqs", "--duplicate"], "", &[]);
        assert_eq!(written["Records"], json!([printed["Records"][duplicate]]));
        let pointer: Value = serde_json::from_str(written["Records"][0]["body"].as_str().unwrap()).unwrap();
        let [bucket, key] = ["s3BucketName", "s3Key"].map(|name| pointer[1][name].as_str().unwrap());
        assert_eq!(read(&format!("objects/{bucket}/{key}")), payload);
        assert!(read(&format!("receive-message/{name}.json")).contains("ReceiptHandle"));
    }
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().count(), 6, "{listed}");
    assert!(listed.lines().all(|path| std::fs::exists(path).unwrap()), "{listed}");
    std::fs::remove_dir_all(temporary).unwrap();
}

#[test]
fn a_script_gets_the_event_on_one_line() {
    let output = event(&["kyc", "--json"], "", &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

#[test]
fn an_impossible_event_gives_one_line_and_exit_code_2() {
    for (arguments, expected) in [
        (&["kycc"][..], "there is no sample and no file named kycc; the samples are kyc, accounts-detail"),
        (&["no-such-file.json"], "cannot read the body from no-such-file.json"),
        (&["forged", "--base64"], "the sample forged is wrong on purpose"),
        (&["pay", "--form", "ascii"], "the Pay scheme has no ASCII encoding"),
        (&["forged", "--as", "sqs"], "no consumer gets forged: the receiver rejects it"),
        (&["kyc", "--duplicate"], "--duplicate is only for --as sqs, --as receive-message and --to"),
        (&["kyc", "--to", "Cargo.toml"], "cannot write Cargo.toml/"),
        (&["kyc", "--secret-file", "no-such-secret"], "cannot read the secret from no-such-secret"),
    ] {
        let output = event(arguments, "", &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
    }
}
