//! `cargo dev queues`, `peek` and `redrive` as users run them, on a stack like the deployed one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    collections::BTreeMap,
    process::Output,
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client,
    primitives::Blob,
    types::{Message, MessageAttributeValue},
};
use axum::{Router, extract::Request, response::IntoResponse};
use flinks_dev::stack::{PAYLOAD_BUCKET, Stack};
use flinks_webhooks::routing::Kind;
use hyper_util::{client::legacy, rt::TokioExecutor};
use local_aws::{Attribute, Calls, Fault, Operation, StoredMessage};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use clients::clients;

mod clients;

const QUEUE: &str = "KycQueue";
const DEAD_LETTERS: &str = "KycDeadLetterQueue";
/// The redrive policy's maxReceiveCount, in the template and on the local stack.
const MAX_RECEIVES: u32 = 5;
const DENIED: Fault = Fault::Reject("AccessDenied", "not you");

#[tokio::test]
async fn queues_counts_the_messages_on_each_queue_and_its_dead_letters() {
    let desk = Desk::start().await;
    for delay in [0, 0, 0, 900] {
        let message = desk.sqs.send_message().queue_url(desk.url(QUEUE)).message_body("x");
        message.delay_seconds(delay).send().await.unwrap();
    }
    assert_eq!(desk.receive(QUEUE, 1).await.len(), 1);
    desk.dead_letter("PayQueue", "dead").await;

    let depths = desk.json(&["queues"]).await;
    assert_eq!(depths.len(), 2 * Kind::ALL.len());
    let depth = |name: &str| depths.iter().find(|depth| depth["queue"] == name).unwrap();
    assert_eq!(depth(QUEUE)["visible"], 2);
    assert_eq!(depth(QUEUE)["inFlight"], 1);
    assert_eq!(depth(QUEUE)["delayed"], 1);
    assert_eq!(depth(QUEUE)["deadLetters"], false);
    assert_eq!(depth("PayQueue")["visible"], 0);
    assert_eq!(depth("PayDeadLetterQueue")["visible"], 1);
    assert_eq!(depth("PayDeadLetterQueue")["kind"], "pay");
    assert_eq!(depth("PayDeadLetterQueue")["deadLetters"], true);
}

#[tokio::test]
async fn queues_shows_the_age_of_the_oldest_message() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "x").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3725)).await;
    tokio::time::resume();

    let depths = desk.json(&["queues"]).await;
    let age = depths[0]["oldestSeconds"].as_u64().unwrap();
    assert!((3725..3780).contains(&age), "{age}");
    assert_eq!(depths[1]["oldestSeconds"], Value::Null, "an empty queue has no oldest message");

    let table = text(&desk.ok(&["queues"]).await);
    let line = table.lines().find(|line| line.starts_with(QUEUE)).unwrap();
    assert!(line.contains("1h 2m "), "{line}");
}

#[tokio::test]
async fn queues_works_without_the_age_if_cloudwatch_fails() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "x").await;
    desk.stack.aws.fault(Operation::GetMetricData, Calls::All, DENIED);

    let table = text(&desk.ok(&["queues"]).await);
    assert!(table.lines().any(|line| line.starts_with(QUEUE) && line.ends_with("n/a")), "{table}");
    assert!(table.contains("CloudWatch") && table.contains("AccessDenied"), "{table}");
    assert_eq!(desk.json(&["queues"]).await[0]["oldestSeconds"], Value::Null);
}

#[tokio::test]
async fn peek_shows_messages_and_leaves_them_on_the_queue() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "first").await;
    desk.send(QUEUE, "second").await;

    let shown = desk.json(&["peek", "kyc"]).await;
    let bodies: Vec<_> = shown.iter().map(|message| message["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["first", "second"]);
    assert_eq!(shown[0]["attributes"], json!({ "DeliveryId": "d-1", "LoginId": "l-1", "Binary": "AAH/" }));
    assert_eq!(shown[0]["groupId"], "group-1");
    assert_eq!(shown[0]["receiveCount"], 1);
    assert_eq!(shown[0]["maxReceiveCount"], MAX_RECEIVES);
    assert_eq!(shown[0]["putBackAsNew"], false);

    assert_eq!(desk.receive(QUEUE, 10).await.len(), 2, "visible again at once");
}

#[tokio::test]
async fn peek_receives_each_message_once_however_many_there_are() {
    let desk = Desk::start().await;
    for n in 0..25 {
        desk.send(QUEUE, &n.to_string()).await;
    }
    assert_eq!(desk.json(&["peek", "kyc", "--limit", "23"]).await.len(), 23);
    let counts: Vec<u32> = desk.stack.aws.messages(QUEUE).iter().map(|message| message.receive_count).collect();
    assert_eq!(counts.iter().filter(|count| **count == 1).count(), 23);
    assert_eq!(counts.iter().filter(|count| **count == 0).count(), 2);
}

#[tokio::test]
async fn peek_never_uses_up_the_receives_of_a_message() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "kept").await;
    let [sent] = desk.stack.aws.messages(QUEUE).try_into().unwrap();
    let mut renewed = 0;
    for _ in 0..3 * MAX_RECEIVES {
        let shown = desk.json(&["peek", "kyc"]).await;
        assert_eq!(shown[0]["body"], "kept");
        renewed += u32::from(shown[0]["putBackAsNew"] == true);
        let [message] = desk.stack.aws.messages(QUEUE).try_into().unwrap();
        assert!(message.receive_count < MAX_RECEIVES, "a consumer has at least one receive left");
        assert_eq!(content(&message), content(&sent), "the same body, attributes and group");
    }
    assert_eq!(renewed, 3);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS), []);
    assert_eq!(desk.receive(QUEUE, 10).await.len(), 1);
}

#[tokio::test]
async fn peek_reports_a_message_that_it_could_not_put_back_as_new() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "unlucky").await;
    for _ in 1..MAX_RECEIVES {
        desk.fail_to_consume(QUEUE).await;
    }
    desk.stack.aws.fault(Operation::SendMessage, Calls::All, DENIED);
    let run = desk.run(&["peek", "kyc"]).await;
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).contains("unlucky"));
    let error = error(&run);
    assert!(error.contains("AccessDenied") && error.contains("redrive kyc"), "{error}");
    assert_eq!(desk.stack.aws.messages(QUEUE).len(), 1, "the message is not lost");
}

#[tokio::test]
async fn peek_shows_only_the_start_of_a_body_without_full() {
    let desk = Desk::start().await;
    let body = "é".repeat(400);
    desk.send(QUEUE, &body).await;

    let [message] = desk.json(&["peek", "kyc"]).await.try_into().unwrap();
    assert_eq!(message["body"], "é".repeat(300));
    assert_eq!((&message["cut"], &message["bytes"]), (&json!(true), &json!(800)));
    let shown = text(&desk.ok(&["peek", "kyc"]).await);
    assert!(!shown.contains(&"é".repeat(301)) && shown.contains("--full"), "{shown}");

    let [message] = desk.json(&["peek", "kyc", "--full"]).await.try_into().unwrap();
    assert_eq!(message["body"], body);
    assert_eq!(message["cut"], false);
}

#[tokio::test]
async fn peek_reads_the_payload_of_a_claim_check_and_leaves_the_object() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", b"{\"ResponseType\":\"KYC\"}\0").await;
    desk.claim_check(QUEUE, "kyc/d/2", b"\xff\xfe").await;
    let before = desk.stack.aws.objects(PAYLOAD_BUCKET);

    let shown = desk.json(&["peek", "kyc"]).await;
    assert_eq!(shown[0]["claimCheck"], json!({ "bucket": PAYLOAD_BUCKET, "key": "kyc/d/1" }));
    assert_eq!(shown[0]["body"], "{\"ResponseType\":\"KYC\"}\0");
    assert_eq!(shown[1]["bodyBase64"], "//4=", "this payload is not text");
    assert!(text(&desk.ok(&["peek", "kyc"]).await).contains("s3://"));

    assert_eq!(desk.stack.aws.objects(PAYLOAD_BUCKET), before);
    assert_eq!(desk.stack.aws.calls(Operation::DeleteObject), 0);
}

#[tokio::test]
async fn peek_reports_a_claim_check_whose_payload_is_gone() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", b"payload").await;
    desk.s3.delete_object().bucket(PAYLOAD_BUCKET).key("kyc/d/1").send().await.unwrap();
    let [message] = desk.json(&["peek", "kyc"]).await.try_into().unwrap();
    assert!(message["problem"].as_str().unwrap().contains("gone"), "{message}");
}

#[tokio::test]
async fn a_body_that_only_looks_like_a_claim_check_is_shown_unchanged() {
    let desk = Desk::start().await;
    let body = pointer("kyc/d/1");
    desk.send(QUEUE, &body).await;
    let [message] = desk.json(&["peek", "kyc"]).await.try_into().unwrap();
    assert_eq!(message["body"], body);
    assert_eq!(desk.stack.aws.calls(Operation::GetObject), 0);
}

#[tokio::test]
async fn dead_letters_can_be_shown_any_number_of_times() {
    let desk = Desk::start().await;
    desk.dead_letter(QUEUE, "dead").await;
    for _ in 0..2 * MAX_RECEIVES {
        let [message] = desk.json(&["peek", "kyc", "--dead-letters"]).await.try_into().unwrap();
        assert_eq!((&message["queue"], &message["body"]), (&json!(DEAD_LETTERS), &json!("dead")));
        assert_eq!(message["putBackAsNew"], false);
    }
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 1);
}

#[tokio::test]
async fn an_empty_queue_is_not_an_error() {
    let desk = Desk::start().await;
    assert!(text(&desk.ok(&["peek", "kyc"]).await).contains("no message"));
    assert_eq!(desk.json(&["peek", "kyc"]).await, [] as [Value; 0]);
    assert!(text(&desk.ok(&["redrive", "kyc"]).await).contains("moved 0 from KycDeadLetterQueue to KycQueue"));
    assert_eq!(desk.json(&["redrive", "kyc", "--dry-run"]).await[0]["wouldMove"], 0);
}

#[tokio::test]
async fn redrive_moves_dead_letters_back_byte_for_byte() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "Zoé 🎉").await;
    desk.claim_check(QUEUE, "kyc/d/1", b"\xff payload").await;
    let before: Vec<_> = desk.stack.aws.messages(QUEUE).iter().map(content).collect();
    let objects = desk.stack.aws.objects(PAYLOAD_BUCKET);
    for _ in 0..MAX_RECEIVES {
        assert_eq!(desk.fail_to_consume(QUEUE).await, 2);
    }
    assert_eq!(desk.fail_to_consume(QUEUE).await, 0);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 2);

    assert_eq!(
        desk.json(&["redrive", "kyc"]).await,
        [json!({ "queue": QUEUE, "dryRun": false, "moved": 2, "failed": 0, "diedAgain": 0 })]
    );
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS), []);
    let back = desk.stack.aws.messages(QUEUE);
    assert!(back.iter().all(|message| message.receive_count == 0), "all receives are left");
    let mut after: Vec<_> = back.iter().map(content).collect();
    // They are moved concurrently, so they may arrive in any order.
    after.sort_by_key(|(body, ..)| before.iter().position(|(other, ..)| other == body));
    assert_eq!(after, before);
    assert_eq!(desk.stack.aws.objects(PAYLOAD_BUCKET), objects);

    let shown = desk.json(&["peek", "kyc"]).await;
    let has_payload = |message: &Value| message["claimCheck"]["key"] == "kyc/d/1" && message["bytes"] == 9;
    assert!(shown.iter().any(has_payload), "{shown:?}");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_moved_and_moves_nothing() {
    let desk = Desk::start().await;
    desk.dead_letter(QUEUE, "one").await;
    desk.dead_letter(QUEUE, "two").await;
    let before: Vec<_> = desk.stack.aws.messages(DEAD_LETTERS).iter().map(content).collect();

    let lines = desk.json(&["redrive", "kyc", "--dry-run"]).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["deliveryId"], "d-1");
    assert_eq!((&lines[2]["wouldMove"], &lines[2]["moved"]), (&json!(2), &json!(0)));
    let lines = desk.json(&["redrive", "kyc", "--dry-run", "--limit", "1"]).await;
    assert_eq!((lines.len(), &lines[1]["wouldMove"]), (2, &json!(1)));

    let after: Vec<_> = desk.stack.aws.messages(DEAD_LETTERS).iter().map(content).collect();
    assert_eq!(after, before);
    assert_eq!(desk.stack.aws.messages(QUEUE), []);
    assert_eq!(desk.receive(DEAD_LETTERS, 10).await.len(), 2, "visible again at once");
}

#[tokio::test]
async fn redrive_stops_at_its_limit() {
    let desk = Desk::start().await;
    for n in 0..15 {
        desk.dead_letter(QUEUE, &n.to_string()).await;
    }
    assert_eq!(desk.json(&["redrive", "kyc", "--limit", "12"]).await[0]["moved"], 12);
    assert_eq!(desk.stack.aws.messages(QUEUE).len(), 12);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 3);
}

#[tokio::test]
async fn redrive_does_not_exceed_its_rate() {
    let desk = Desk::start().await;
    for n in 0..9 {
        desk.dead_letter(QUEUE, &n.to_string()).await;
    }
    let started = Instant::now();
    desk.ok(&["redrive", "kyc", "--rate", "4"]).await;
    // The first is moved at once, and the other eight a quarter of a second apart. The last receive, with none, takes a
    // second more.
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(desk.stack.aws.messages(QUEUE).len(), 9);
}

#[tokio::test]
async fn a_dead_letter_whose_copy_sqs_rejects_stays_one() {
    let desk = Desk::start().await;
    for n in 0..3 {
        desk.dead_letter(QUEUE, &n.to_string()).await;
    }
    desk.stack.aws.fault(Operation::SendMessage, Calls::Nth(2), DENIED);
    let run = desk.run(&["redrive", "kyc", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    assert!(lines[0]["problem"].as_str().unwrap().starts_with("AccessDenied"), "{lines:?}");
    assert_eq!((&lines[1]["moved"], &lines[1]["failed"]), (&json!(2), &json!(1)));
    assert!(error(&run).contains("could not be moved"));
    assert_eq!(desk.stack.aws.messages(QUEUE).len(), 2);
    assert_eq!(desk.receive(DEAD_LETTERS, 10).await.len(), 1, "visible again at once");
}

#[tokio::test]
async fn redrive_stops_if_the_queue_accepts_nothing() {
    let desk = Desk::start().await;
    for number in 0..25 {
        desk.dead_letter(QUEUE, &number.to_string()).await;
    }
    desk.stack.aws.fault(Operation::SendMessage, Calls::All, DENIED);
    let before = desk.stack.aws.calls(Operation::SendMessage);
    let run = desk.run(&["redrive", "kyc"]).await;
    assert_eq!(run.status.code(), Some(1));
    // It tries each message of one batch once. The others would fail too.
    assert!(desk.stack.aws.calls(Operation::SendMessage) - before <= 10);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 25);
}

#[tokio::test]
async fn a_dead_letter_is_deleted_only_after_sqs_accepts_its_copy() {
    let desk = Desk::start().await;
    desk.dead_letter(QUEUE, "twice").await;
    desk.stack.aws.fault(Operation::DeleteMessage, Calls::All, DENIED);
    let run = desk.run(&["redrive", "kyc"]).await;
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).contains("on the queue now"));
    assert_eq!(desk.stack.aws.messages(QUEUE).len(), 1);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 1);
}

#[tokio::test]
async fn a_success_without_a_message_id_moves_nothing() {
    for response in ["{}", r#"{"MessageId":""}"#, r#"{"MessageId":null}"#, "", "OK"] {
        let desk = Desk::start().await;
        desk.dead_letter(QUEUE, "dead").await;
        let endpoint = desk.with_response("SendMessage", response).await;
        let run = tool(&["redrive", "kyc", "--json", "--endpoint", &endpoint], &[]).await;
        assert_eq!(run.status.code(), Some(1), "{response}: {}", error(&run));
        let lines = objects(&run);
        assert!(lines[0]["problem"].as_str().unwrap().starts_with("the response"), "{response}: {lines:?}");
        assert_eq!((&lines[1]["moved"], &lines[1]["failed"]), (&json!(0), &json!(1)), "{response}");
        assert_eq!(desk.stack.aws.calls(Operation::DeleteMessage), 0, "{response}");
        assert_eq!(desk.receive(DEAD_LETTERS, 10).await.len(), 1, "visible again at once");
    }
}

#[tokio::test]
async fn a_success_without_a_message_id_puts_nothing_back_as_new() {
    for response in ["{}", r#"{"MessageId":""}"#] {
        let desk = Desk::start().await;
        desk.send(QUEUE, "unlucky").await;
        for _ in 1..MAX_RECEIVES {
            desk.fail_to_consume(QUEUE).await;
        }
        let endpoint = desk.with_response("SendMessage", response).await;
        let run = tool(&["peek", "kyc", "--json", "--endpoint", &endpoint], &[]).await;
        assert_eq!(run.status.code(), Some(1), "{response}");
        assert_eq!(objects(&run)[0]["putBackAsNew"], false, "{response}");
        assert!(error(&run).contains("without a message id"), "{response}: {}", error(&run));
        assert_eq!(desk.stack.aws.calls(Operation::DeleteMessage), 0, "{response}");
        let [message] = desk.stack.aws.messages(QUEUE).try_into().unwrap();
        assert_eq!(message.body, "unlucky");
    }
}

#[tokio::test]
async fn a_missing_count_is_not_zero() {
    let desk = Desk::start().await;
    desk.send(QUEUE, "there").await;
    let policy = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:KycDeadLetterQueue",
                         "maxReceiveCount": 5 });
    let response = json!({ "Attributes": { "RedrivePolicy": policy.to_string() } }).to_string();
    let endpoint = desk.with_response("GetQueueAttributes", response.leak()).await;
    for arguments in [&["queues"][..], &["peek", "kyc"], &["redrive", "kyc"]] {
        let run = tool(&[arguments, &["--endpoint", &endpoint]].concat(), &[]).await;
        assert_eq!(run.status.code(), Some(2), "{}", text(&run));
        assert!(error(&run).contains("cannot count messages"), "{}", error(&run));
    }
}

#[tokio::test]
async fn a_message_that_becomes_a_dead_letter_again_during_the_run_stays_one() {
    let desk = Desk::start().await;
    for n in 0..3 {
        desk.dead_letter(QUEUE, &n.to_string()).await;
    }
    let run = desk.json(&["redrive", "kyc", "--rate", "1"]);
    tokio::pin!(run);
    let lines = loop {
        // A consumer fails all the time.
        desk.fail_to_consume(QUEUE).await;
        if let Ok(lines) = tokio::time::timeout(Duration::from_millis(10), &mut run).await {
            break lines;
        }
    };
    assert_eq!(lines[0]["moved"], 3);
    assert!(lines[0]["diedAgain"].as_u64().unwrap() >= 1, "{lines:?}");
}

#[tokio::test]
async fn a_queue_is_found_by_its_label_and_by_its_name_in_any_case() {
    let desk = Desk::start().await;
    desk.send("UploadFraudQueue", "fraud").await;
    for name in ["upload-fraud", "UploadFraudQueue", "UPLOADFRAUDQUEUE"] {
        assert_eq!(desk.json(&["peek", name]).await[0]["body"], "fraud", "{name}");
    }
}

#[tokio::test]
async fn the_error_for_an_unknown_queue_lists_the_known_ones() {
    for command in ["peek", "redrive"] {
        let run = tool(&[command, "payments"], &[]).await;
        assert_eq!(run.status.code(), Some(2));
        for kind in Kind::ALL {
            assert!(error(&run).contains(kind.label()) && error(&run).contains(kind.queue()), "{}", error(&run));
        }
    }
}

#[tokio::test]
async fn bad_options_give_exit_code_2() {
    for arguments in [
        &["peek", "kyc", "--limit", "0"][..],
        &["peek", "kyc", "--limit", "101"],
        &["redrive", "kyc", "--rate", "0"],
        &["redrive", "kyc", "--limit", "many"],
        &["queues", "--stack", "a-stack", "--endpoint", "http://127.0.0.1:4566"],
        &["queues", "--endpoint", "localhost:4566"],
    ] {
        assert_eq!(tool(arguments, &[]).await.status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_endpoint_without_a_server_gives_exit_code_2_and_advice() {
    // This binds a port and closes it again, so nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    for arguments in [&["queues"][..], &["peek", "pay"], &["redrive", "pay"]] {
        let run = tool(&[arguments, &["--endpoint", &endpoint, "--json"]].concat(), &[]).await;
        assert_eq!(run.status.code(), Some(2));
        assert!(error(&run).contains(&endpoint) && error(&run).contains("cargo dev up"), "{}", error(&run));
        assert_eq!(error(&run).lines().count(), 1, "{}", error(&run));
        assert!(objects(&run)[0]["error"].is_string());
    }
}

#[tokio::test]
async fn an_endpoint_with_the_wrong_scheme_gives_a_clear_error() {
    let desk = Desk::start().await;
    let plain = format!("https://{}", desk.stack.aws.address());
    let tls = tls_server().await;
    for (endpoint, expected) in
        [(plain, "speaks plain HTTP, not TLS"), (tls, "if it speaks TLS, use a URL that starts with https://")]
    {
        for arguments in [&["queues"][..], &["peek", "pay"], &["redrive", "pay"]] {
            let run = tool(&[arguments, &["--endpoint", &endpoint]].concat(), &[]).await;
            assert_eq!(run.status.code(), Some(2));
            assert!(error(&run).contains(expected) && error(&run).contains(&endpoint), "{}", error(&run));
            assert!(!error(&run).contains("no server") && !error(&run).contains("Invalid"), "{}", error(&run));
            assert_eq!(error(&run).lines().count(), 1, "{}", error(&run));
        }
    }
}

#[tokio::test]
async fn a_host_name_that_the_local_aws_rejects_gives_a_clear_error() {
    let desk = Desk::start().await;
    let endpoint = desk.forward(None, Some("machine.example")).await;
    let run = tool(&["queues", "--endpoint", &endpoint], &[]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(error(&run).contains("AccessDenied") && error(&run).contains("--aws-allow-host"), "{}", error(&run));
}

#[tokio::test]
async fn a_local_aws_without_the_queues_gives_exit_code_2() {
    let aws = local_aws::LocalAws::start().await.unwrap();
    let run = tool(&["queues", "--endpoint", &aws.endpoint()], &[]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(error(&run).contains("there is no KycQueue at"), "{}", error(&run));
}

#[tokio::test]
async fn a_deployed_stack_is_found_through_its_parameters() {
    let desk = Desk::start().await;
    for kind in Kind::ALL {
        let parameter = format!("/my-stack/queues/{}/url", kind.label());
        desk.stack.aws.put_parameter(&parameter, &desk.url(kind.queue()));
    }
    desk.dead_letter(QUEUE, "dead").await;
    let environment = desk.environment();
    let on_stack = async |arguments: &[&str]| {
        let run = tool(&[arguments, &["--stack", "my-stack", "--json"]].concat(), &environment).await;
        assert_eq!(run.status.code(), Some(0), "{}", error(&run));
        objects(&run)
    };

    let depths = on_stack(&["queues"]).await;
    assert_eq!(depths.iter().find(|depth| depth["queue"] == DEAD_LETTERS).unwrap()["visible"], 1);
    assert_eq!(on_stack(&["redrive", "kyc"]).await[0]["moved"], 1);
    assert_eq!(on_stack(&["peek", "kyc"]).await[0]["body"], "dead");
}

#[tokio::test]
async fn a_missing_stack_gives_exit_code_2() {
    let desk = Desk::start().await;
    for arguments in [&["queues"][..], &["peek", "kyc"], &["redrive", "kyc"]] {
        let run = tool(&[arguments, &["--stack", "no-stack"]].concat(), &desk.environment()).await;
        assert_eq!(run.status.code(), Some(2));
        assert!(error(&run).contains("there is no stack no-stack"), "{}", error(&run));
        assert!(error(&run).contains("us-east-1"), "{}", error(&run));
    }
}

#[tokio::test]
async fn missing_credentials_and_a_missing_region_give_exit_code_2() {
    let run = tool(&["queues", "--stack", "my-stack"], &[("AWS_REGION", "us-east-1".to_owned())]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(error(&run).contains("no AWS credentials"), "{}", error(&run));

    let run = tool(&["queues", "--stack", "my-stack"], &[]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(error(&run).contains("AWS_REGION"), "{}", error(&run));
}

#[tokio::test]
async fn the_help_of_peek_says_what_it_costs() {
    let help = text(&tool(&["peek", "--help"], &[]).await);
    assert!(help.contains("What it costs") && help.contains("dead letters"), "{help}");
}

/// A stack in this process, and clients that fill it.
struct Desk {
    stack: Stack,
    sqs: Client,
    s3: aws_sdk_s3::Client,
}

impl Desk {
    async fn start() -> Self {
        let stack = Stack::start().await.unwrap();
        let (sqs, s3) = clients(&stack);
        Self { stack, sqs, s3 }
    }

    fn url(&self, queue: &str) -> String {
        self.stack.aws.queue_url(queue)
    }

    /// The environment variables for a user's SDK.
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.stack.environment().into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let endpoint = self.stack.aws.endpoint();
        tool(&[arguments, &["--endpoint", &endpoint]].concat(), &[]).await
    }

    /// Runs the tool and expects exit code 0.
    async fn ok(&self, arguments: &[&str]) -> Output {
        let run = self.run(arguments).await;
        assert_eq!(run.status.code(), Some(0), "{}", error(&run));
        run
    }

    /// Runs the tool with `--json`, expects exit code 0 and reads the objects.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        objects(&self.ok(&[arguments, &["--json"]].concat()).await)
    }

    /// Starts a proxy in front of the stack. It responds to one operation itself, with a 200 and this body. Returns the
    /// URL.
    async fn with_response(&self, operation: &'static str, body: &'static str) -> String {
        self.forward(Some((operation, body)), None).await
    }

    /// Starts a proxy in front of the stack. It can respond to one operation itself, or change the host name. Returns
    /// the URL.
    async fn forward(&self, own: Option<(&'static str, &'static str)>, host: Option<&'static str>) -> String {
        let behind = self.stack.aws.endpoint();
        let client = legacy::Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>();
        let router = Router::new().fallback(async move |mut request: Request| {
            let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
            if let Some((operation, body)) = own
                && target == Some(&format!("AmazonSQS.{operation}"))
            {
                return ([("content-type", "application/x-amz-json-1.0")], body).into_response();
            }
            *request.uri_mut() = format!("{behind}{}", request.uri().path()).parse().unwrap();
            if let Some(host) = host {
                request.headers_mut().insert("host", host.parse().unwrap());
            }
            client.request(request).await.unwrap().into_response()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    async fn send(&self, queue: &str, body: &str) {
        let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 1, 0xff]));
        let message = self.sqs.send_message().queue_url(self.url(queue)).message_body(body);
        let message = message.message_attributes("DeliveryId", attribute("String", "d-1"));
        let message = message.message_attributes("LoginId", attribute("String", "l-1"));
        let message = message.message_attributes("Binary", binary.build().unwrap());
        message.message_group_id("group-1").send().await.unwrap();
    }

    async fn claim_check(&self, queue: &str, key: &str, payload: &'static [u8]) {
        let object = self.s3.put_object().bucket(PAYLOAD_BUCKET).key(key);
        object.body(payload.to_vec().into()).send().await.unwrap();
        let message = self.sqs.send_message().queue_url(self.url(queue)).message_body(pointer(key));
        let size = attribute("Number", &payload.len().to_string());
        message.message_attributes("ExtendedPayloadSize", size).send().await.unwrap();
    }

    async fn receive(&self, queue: &str, limit: i32) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(limit);
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    /// Acts as a consumer that fails at once: receives messages and gives them back. Returns how many it got.
    async fn fail_to_consume(&self, queue: &str) -> usize {
        let received = self.receive(queue, 10).await;
        for message in &received {
            let back = self.sqs.change_message_visibility().queue_url(self.url(queue)).visibility_timeout(0);
            back.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
        }
        received.len()
    }

    /// Sends a message and fails to consume it until it is a dead letter.
    async fn dead_letter(&self, queue: &str, body: &str) {
        self.send(queue, body).await;
        while self.fail_to_consume(queue).await > 0 {}
    }
}

/// Starts a server that closes the connection after the first bytes, as a TLS server does on plain HTTP. Returns its
/// URL with `http://`.
async fn tls_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 16 * 1024]).await;
        }
    });
    url
}

/// Everything that a consumer sees of a message.
fn content(message: &StoredMessage) -> (String, BTreeMap<String, Attribute>, Option<String>) {
    (message.body.clone(), message.attributes.clone(), message.group_id.clone())
}

fn pointer(key: &str) -> String {
    let place = json!({ "s3BucketName": PAYLOAD_BUCKET, "s3Key": key });
    json!(["software.amazon.payloadoffloading.PayloadS3Pointer", place]).to_string()
}

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

/// Runs the tool without this machine's AWS settings.
async fn tool(arguments: &[&str], environment: &[(&str, String)]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_flinks-queues"));
    command.args(arguments).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().map(|(name, value)| (name, value))).output().await.unwrap()
}

fn text(run: &Output) -> String {
    String::from_utf8(run.stdout.clone()).unwrap()
}

fn error(run: &Output) -> String {
    String::from_utf8(run.stderr.clone()).unwrap()
}

/// Reads the output of `--json`: only objects, one on each line.
fn objects(run: &Output) -> Vec<Value> {
    text(run).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
