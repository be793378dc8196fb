//! `cargo dev forget` as users run it, on a stack like the deployed one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageAttributeValue},
};
use axum::{body::Body, extract::Request, response::Response};
use flinks_dev::stack::{PAYLOAD_BUCKET, Stack};
use flinks_webhooks::routing::Kind;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioExecutor};
use local_aws::{Calls, Fault, Operation, QueueSettings, Redrive, StoredMessage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, process::Command};

use clients::clients;

mod clients;

const QUEUE: &str = "KycQueue";
const DEAD_LETTERS: &str = "KycDeadLetterQueue";
/// The redrive policy's maxReceiveCount, in the template and on the local stack.
const MAX_RECEIVES: u32 = 5;
const DENIED: Fault = Fault::Reject("AccessDenied", "not you");
/// The person's Tag.
const PERSON: &str = "jane+1@example.com";
const BY_TAG: [&str; 2] = ["--by", "tag"];
/// The person's payload, in two spellings.
const HERS: &str = r#"{"ResponseType":"KYC","Tag":"jane+1@example.com"}"#;
const HERS_ESCAPED: &str = r#"{"\u0054ag":"jane\u002B1@ex\u0061mple.com","ResponseType":"KYC"}"#;
const OTHERS: &str = r#"{"ResponseType":"KYC","Tag":"jane+10@example.com","a":"jane+1@example.com"}"#;

#[tokio::test]
async fn the_persons_messages_are_deleted_however_their_json_is_escaped() {
    let desk = Desk::start().await;
    for body in [HERS, OTHERS, HERS_ESCAPED] {
        desk.send(QUEUE, body, &[]).await;
    }
    let lines = desk.json(&["--delete"]).await;
    assert_eq!(lines.len(), 3);
    for found in &lines[..2] {
        assert_eq!((&found["queue"], &found["deleted"]), (&json!(QUEUE), &json!(true)));
        assert!(found["messageId"].is_string());
    }
    let summary = &lines[2];
    assert_eq!((&summary["messagesSeen"], &summary["messagesFound"]), (&json!(3), &json!(2)));
    assert_eq!((&summary["messagesDeleted"], &summary["complete"]), (&json!(2), &json!(true)));
    assert_eq!(desk.bodies(QUEUE), [OTHERS]);
    assert_eq!(desk.receive(QUEUE).await.len(), 1, "visible again at once");
}

#[tokio::test]
async fn a_value_is_only_text_and_never_a_command_or_pattern() {
    let desk = Desk::start().await;
    let values = ["$(touch forgotten)", "`id` '\"", ".*", "--delete", "a\nb \\u002B"];
    for value in values {
        desk.send(QUEUE, &json!({ "Tag": value }).to_string(), &[]).await;
    }
    for (place, value) in values.iter().enumerate() {
        let [_, summary] =
            objects(&desk.run_for(value, &["--by", "tag", "--delete", "--json"]).await).try_into().unwrap();
        assert_eq!(summary["messagesDeleted"], 1, "{value}");
        let left: Vec<_> = values[place + 1..].iter().map(|value| json!({ "Tag": value }).to_string()).collect();
        assert_eq!(desk.bodies(QUEUE), left, "{value}");
        // Each search costs a receive, so start again with new messages.
        desk.renew_all(QUEUE).await;
    }
}

#[tokio::test]
async fn a_login_id_a_session_id_or_a_tag_identifies_the_person() {
    let desk = Desk::start().await;
    let bodies = [
        (QUEUE, "login-id", r#"{"ResponseType":"KYC","Login":{"Id":"x"}}"#),
        ("UploadFraudQueue", "login-id", r#"{"DocumentAnalysis":[],"Login":{"LoginId":"x","RequestId":"r"}}"#),
        ("UnclassifiedQueue", "login-id", r#"{"Login":{"Id":"y"},"Login":{"Id":"x"},"Login":{"Id":"z"}}"#),
        ("PayQueue", "session-id", r#"{"sessionId":"x","status":"Completed"}"#),
        ("AccountsDetailQueue", "tag", r#"{"Tag":"x"}"#),
        ("InvestmentsQueue", "tag", r#"{"Tag":"\u0078"}"#),
    ];
    for (queue, _, body) in bodies {
        desk.send(queue, body, &[]).await;
    }
    for (field, count) in [("login-id", 3), ("session-id", 1), ("tag", 2)] {
        let lines = objects(&desk.run_for("x", &["--by", field, "--json"]).await);
        let found: Vec<_> = lines.iter().filter_map(|line| line["queue"].as_str()).collect();
        let holds = |queue: &&str| bodies.iter().any(|(on, by, _)| on == queue && *by == field);
        assert_eq!(found, Kind::ALL.map(Kind::queue).into_iter().filter(holds).collect::<Vec<_>>());
        assert_eq!((found.len(), &lines.last().unwrap()["by"]), (count, &json!(field)));
    }
}

#[tokio::test]
async fn a_number_is_compared_as_written() {
    let desk = Desk::start().await;
    for body in [r#"{"Tag":42}"#, r#"{"Tag":42.0}"#, r#"{"Tag":"42"}"#, r#"{"Tag":420}"#] {
        desk.send(QUEUE, body, &[]).await;
    }
    desk.run_for("42", &["--by", "tag", "--delete"]).await;
    assert_eq!(desk.bodies(QUEUE), [r#"{"Tag":42.0}"#, r#"{"Tag":420}"#]);
}

#[tokio::test]
async fn a_matching_attribute_alone_identifies_the_persons_message() {
    let desk = Desk::start().await;
    for (attribute, field) in [("LoginId", "login-id"), ("SessionId", "session-id"), ("Tag", "tag")] {
        desk.send(QUEUE, "not JSON", &[(attribute, PERSON)]).await;
        desk.send(QUEUE, "{}", &[("Other", PERSON), (attribute, "somebody")]).await;
        let run = desk.run_for(PERSON, &["--by", field, "--delete"]).await;
        assert_eq!(run.status.code(), Some(0), "{}", error(&run));
        assert_eq!(desk.bodies(QUEUE), ["{}"], "{field}");
        desk.empty(QUEUE).await;
    }
}

#[tokio::test]
async fn the_outcomes_of_the_persons_recoveries_are_deleted() {
    let desk = Desk::start().await;
    let folder = |login_id: &str| format!("recovery/{}", hex::encode(Sha256::digest(login_id)));
    let (outcome, note) =
        (format!("{}/20261125T141500.123Z.json", folder("l-1")), format!("{}/requested", folder("l-1")));
    let other = format!("{}/20261125T141500.123Z.json", folder("l-2"));
    for (key, object) in [
        (outcome.as_str(), json!({ "loginId": "l-1", "tag": PERSON, "outcome": "recovered" })),
        (&note, json!({ "loginId": "l-1" })),
        (&other, json!({ "loginId": "l-2", "tag": null, "outcome": "gone" })),
        // These members name nobody in a payload.
        ("kyc/d/1", json!({ "loginId": "l-1", "tag": PERSON })),
    ] {
        let put = desk.s3.put_object().bucket(PAYLOAD_BUCKET).key(key);
        put.body(object.to_string().into_bytes().into()).send().await.unwrap();
    }
    let lines = desk.json(&["--delete"]).await;
    assert_eq!(lines[0]["key"], outcome, "without the LoginId");
    let sorted = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(BTreeSet::from_iter(desk.keys()), sorted(&["kyc/d/1", &note, &other]));
    desk.run_for("l-1", &["--by", "login-id", "--delete"]).await;
    assert_eq!(BTreeSet::from_iter(desk.keys()), sorted(&["kyc/d/1", &other]));
}

#[tokio::test]
async fn the_object_of_a_claim_check_is_deleted_with_its_message() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS_ESCAPED.as_bytes(), &[]).await;
    desk.claim_check(QUEUE, "kyc/d/2", OTHERS.as_bytes(), &[]).await;
    // SQS cannot carry this character.
    let illegal = HERS.replace("KYC", "\u{FFFE}");
    desk.claim_check("PayQueue", "pay/d/3", illegal.as_bytes(), &[]).await;
    desk.claim_check("PayQueue", "pay/d/4", b"\xff payload", &[("Tag", PERSON)]).await;

    let lines = desk.json(&["--delete"]).await;
    let summary = lines.last().unwrap();
    assert_eq!((&summary["messagesDeleted"], &summary["objectsDeleted"]), (&json!(3), &json!(3)));
    assert_eq!(lines[0]["claimCheck"], json!({ "bucket": PAYLOAD_BUCKET, "key": "kyc/d/1" }));
    assert_eq!(desk.keys(), ["kyc/d/2"]);
    assert_eq!(desk.bodies(QUEUE), [pointer(PAYLOAD_BUCKET, "kyc/d/2")]);
    assert_eq!(desk.bodies("PayQueue"), [] as [&str; 0]);
}

#[tokio::test]
async fn objects_without_a_message_are_searched_too() {
    let desk = Desk::start().await;
    desk.put("kyc/d/orphan", HERS.as_bytes()).await;
    desk.put("accounts-detail/d/orphan", HERS_ESCAPED.as_bytes()).await;
    desk.put(&format!("undelivered/KycQueue/{}", "a".repeat(64)), HERS.as_bytes()).await;
    desk.put("elsewhere/copy.json", HERS.as_bytes()).await;
    desk.put("kyc/d/other", OTHERS.as_bytes()).await;
    desk.put(&format!("undelivered/KycQueue/{}", "b".repeat(64)), OTHERS.as_bytes()).await;
    desk.put("undelivered/", b"").await;
    let lines = desk.json(&["--delete"]).await;
    let summary = lines.last().unwrap();
    assert_eq!((&summary["objectsFound"], &summary["objectsDeleted"]), (&json!(4), &json!(4)));
    assert_eq!((&summary["objectsSeen"], &summary["complete"]), (&json!(6), &json!(true)));
    assert_eq!(desk.keys(), ["kyc/d/other", "undelivered/", &format!("undelivered/KycQueue/{}", "b".repeat(64))]);
}

#[tokio::test]
async fn dead_letters_are_searched_too() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS.as_bytes(), &[]).await;
    for body in [HERS, OTHERS] {
        desk.send(QUEUE, body, &[]).await;
    }
    while desk.fail_to_consume(QUEUE).await > 0 {}
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS).len(), 3);
    for _ in 0..2 {
        let lines = desk.json(&[]).await;
        assert_eq!(lines[0]["queue"], DEAD_LETTERS);
        assert_eq!(lines.last().unwrap()["messagesFound"], 2);
        assert_eq!(lines.last().unwrap()["putBackAsNew"], 0, "SQS moves no message from there");
    }
    desk.json(&["--delete"]).await;
    assert_eq!(desk.bodies(DEAD_LETTERS), [OTHERS]);
    assert_eq!(desk.keys(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_message_without_a_receive_left_is_found_among_the_dead_letters() {
    let desk = Desk::start().await;
    desk.send(QUEUE, HERS, &[]).await;
    for _ in 0..MAX_RECEIVES {
        desk.fail_to_consume(QUEUE).await;
    }
    assert_eq!(desk.bodies(QUEUE), [HERS]);
    let lines = desk.json(&["--delete"]).await;
    assert_eq!((&lines[0]["queue"], &lines[0]["deleted"]), (&json!(DEAD_LETTERS), &json!(true)));
    assert_eq!(lines[1]["complete"], true);
    assert_eq!((desk.bodies(QUEUE).len(), desk.bodies(DEAD_LETTERS).len()), (0, 0));
}

#[tokio::test]
async fn two_messages_that_share_an_object_are_both_found() {
    // An interrupted redrive leaves such messages.
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS.as_bytes(), &[]).await;
    desk.claim_check(DEAD_LETTERS, "kyc/d/1", HERS.as_bytes(), &[]).await;
    let lines = desk.json(&["--delete"]).await;
    assert_eq!(lines[3]["messagesDeleted"], 2);
    assert_eq!(lines[3]["objectsDeleted"], 1);
    assert_eq!(desk.keys(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_dry_run_changes_only_the_receive_counts() {
    let desk = Desk::start().await;
    desk.send(QUEUE, HERS, &[("DeliveryId", "d-1")]).await;
    desk.send(QUEUE, OTHERS, &[]).await;
    desk.claim_check("PayQueue", "pay/d/1", HERS.as_bytes(), &[]).await;
    desk.send(DEAD_LETTERS, HERS, &[]).await;
    desk.put("undelivered/x", HERS.as_bytes()).await;
    let objects_before = desk.stack.aws.objects(PAYLOAD_BUCKET);
    let queues = [QUEUE, "PayQueue", DEAD_LETTERS];
    let before = queues.map(|queue| desk.stack.aws.messages(queue));

    let lines = desk.json(&[]).await;
    let summary = lines.last().unwrap();
    assert_eq!((&summary["dryRun"], &summary["complete"]), (&json!(true), &json!(true)));
    assert_eq!((&summary["messagesFound"], &summary["objectsFound"]), (&json!(3), &json!(2)));
    assert_eq!((&summary["messagesDeleted"], &summary["objectsDeleted"]), (&json!(0), &json!(0)));
    assert!(lines[..5].iter().all(|line| line["deleted"] == false), "{lines:?}");
    assert!(lines.iter().any(|line| line["deliveryId"] == "d-1"), "{lines:?}");

    for (queue, before) in queues.into_iter().zip(before) {
        let after = desk.stack.aws.messages(queue);
        assert_eq!(after.iter().map(content).collect::<Vec<_>>(), before.iter().map(content).collect::<Vec<_>>());
        assert!(after.iter().all(|message| message.receive_count == 1), "each is received once");
        assert_eq!(desk.receive(queue).await.len(), before.len(), "visible again at once");
    }
    assert_eq!(desk.stack.aws.objects(PAYLOAD_BUCKET), objects_before);
    for operation in [Operation::DeleteMessage, Operation::DeleteObject] {
        assert_eq!(desk.stack.aws.calls(operation), 0);
    }
    let printed = text(&desk.run_for(PERSON, &BY_TAG).await);
    assert!(printed.contains("would delete") && printed.contains("A dry run deletes nothing"), "{printed}");
}

#[tokio::test]
async fn each_message_is_received_once_however_many_there_are() {
    let desk = Desk::start().await;
    for number in 0..35 {
        desk.send(QUEUE, &json!({ "Tag": format!("{PERSON}{number}") }).to_string(), &[]).await;
    }
    let lines = desk.json(&["--delete"]).await;
    assert_eq!(lines[0]["messagesSeen"], 35);
    assert!(desk.stack.aws.messages(QUEUE).iter().all(|message| message.receive_count == 1));
}

#[tokio::test]
async fn objects_are_found_on_every_page_of_the_listing() {
    let desk = Desk::start().await;
    for number in 0..1001 {
        desk.put(&format!("kyc/d/{number:04}"), b"{}").await;
    }
    desk.put("kyc/e", HERS.as_bytes()).await;
    let lines = desk.json(&["--delete"]).await;
    assert_eq!((&lines[1]["objectsSeen"], &lines[1]["objectsDeleted"]), (&json!(1002), &json!(1)));
}

#[tokio::test]
async fn a_search_leaves_each_message_at_least_one_receive() {
    let desk = Desk::start().await;
    for body in [OTHERS, HERS] {
        desk.send(QUEUE, body, &[("LoginId", "l-1")]).await;
    }
    let mut put_back = 0;
    for _ in 0..=MAX_RECEIVES {
        let lines = desk.json(&[]).await;
        let summary = lines.last().unwrap();
        assert_eq!(
            (&summary["messagesSeen"], &summary["messagesFound"]),
            (&json!(2), &json!(1)),
            "a copy does not count as another message"
        );
        put_back += summary["putBackAsNew"].as_u64().unwrap();
        let messages = desk.stack.aws.messages(QUEUE);
        assert!(messages.iter().all(|message| message.receive_count < MAX_RECEIVES), "one receive is left");
        let mut bodies: Vec<_> = messages.iter().map(|message| message.body.as_str()).collect();
        bodies.sort_unstable();
        assert_eq!(bodies, [OTHERS, HERS]);
        assert!(messages.iter().all(|message| message.group_id.as_deref() == Some("group-1")));
        assert!(messages.iter().all(|message| message.attributes.contains_key("LoginId")));
    }
    assert_eq!(put_back, 2);
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS), []);
}

#[tokio::test]
async fn a_queue_that_allows_one_receive_is_searched_completely() {
    let desk = Desk::start().await;
    let redrive = Some(Redrive { dead_letter_queue: DEAD_LETTERS.to_owned(), max_receive_count: 1 });
    desk.stack.aws.create_queue(QUEUE, QueueSettings { redrive, ..QueueSettings::default() });
    desk.send(QUEUE, OTHERS, &[]).await;
    desk.send(QUEUE, HERS, &[]).await;
    let lines = desk.json(&["--delete"]).await;
    assert_eq!((&lines[1]["messagesSeen"], &lines[1]["messagesDeleted"]), (&json!(2), &json!(1)));
    let [left] = desk.stack.aws.messages(QUEUE).try_into().unwrap();
    assert_eq!((left.body.as_str(), left.receive_count), (OTHERS, 0));
    assert_eq!(desk.stack.aws.messages(DEAD_LETTERS), []);
}

#[tokio::test]
async fn if_sqs_rejects_a_copy_the_search_uses_up_no_more_messages() {
    let desk = Desk::start().await;
    for _ in 0..25 {
        desk.send(QUEUE, OTHERS, &[]).await;
    }
    for _ in 1..MAX_RECEIVES {
        for message in desk.receive_all(QUEUE).await {
            desk.give_back(QUEUE, &message).await;
        }
    }
    desk.stack.aws.fault(Operation::SendMessage, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let problem = objects(&run)[0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("AccessDenied") && problem.contains("redrive kyc"), "{problem}");
    assert_eq!(desk.stack.aws.messages(QUEUE).len() + desk.stack.aws.messages(DEAD_LETTERS).len(), 25, "none is lost");
    let untouched = desk.stack.aws.messages(QUEUE);
    assert_eq!(untouched.iter().filter(|message| message.receive_count < MAX_RECEIVES).count(), 15);
}

#[tokio::test]
async fn if_a_copy_gets_no_message_id_the_original_stays() {
    for response in ["{}", r#"{"MessageId":""}"#] {
        let desk = Desk::start().await;
        desk.send(QUEUE, OTHERS, &[]).await;
        for _ in 1..MAX_RECEIVES {
            desk.fail_to_consume(QUEUE).await;
        }
        let endpoint = proxy(&desk.stack.aws.endpoint(), response).await;
        let run = tool(&["forget", "--by", "tag", "--endpoint", &endpoint, "--json"], PERSON, &[]).await;
        assert_eq!(run.status.code(), Some(1), "{response}");
        assert_eq!(objects(&run).last().unwrap()["putBackAsNew"], 0);
        assert_eq!(desk.bodies(QUEUE), [OTHERS], "{response}: the original is not deleted");
    }
}

#[tokio::test]
async fn messages_in_flight_and_delayed_ones_are_reported() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS.as_bytes(), &[]).await;
    desk.send(DEAD_LETTERS, HERS, &[]).await;
    assert_eq!((desk.receive(QUEUE).await.len(), desk.receive(DEAD_LETTERS).await.len()), (1, 1));
    let later = desk.sqs.send_message().queue_url(desk.url("PayQueue")).message_body(HERS).delay_seconds(900);
    later.send().await.unwrap();

    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    let of = |queue: &str| lines.iter().find(|line| line["queue"] == queue).unwrap();
    assert_eq!((&of(QUEUE)["inFlight"], &of(QUEUE)["delayed"]), (&json!(1), &json!(0)));
    assert_eq!((&of(DEAD_LETTERS)["inFlight"], &of("PayQueue")["delayed"]), (&json!(1), &json!(1)));
    let summary = lines.last().unwrap();
    assert_eq!((&summary["inFlight"], &summary["delayed"]), (&json!(2), &json!(1)));
    assert_eq!((&summary["complete"], &summary["messagesSeen"]), (&json!(false), &json!(0)));
    // A consumer has the message, but its object is in the bucket.
    assert_eq!(summary["objectsDeleted"], 1);
    assert!(error(&run).contains("in flight: 2") && error(&run).contains("run it again"), "{}", error(&run));
    let printed = text(&desk.run_for(PERSON, &BY_TAG).await);
    assert!(printed.contains("could not be seen: KycQueue: 1 in flight, 0 delayed"), "{printed}");
}

#[tokio::test]
async fn unreadable_payloads_are_reported_and_stay() {
    let desk = Desk::start().await;
    desk.send(QUEUE, &format!("{HERS}}}"), &[]).await;
    desk.claim_check(QUEUE, "kyc/d/1", b"{\"Tag\":\"jane+1@example.com\",\"a\":\"\xe9\"}", &[]).await;
    desk.put("undelivered/KycQueue/cut", b"{\"Tag\":").await;
    desk.send(QUEUE, "[]", &[]).await;
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    let problems = |name: &str| {
        let of = lines.iter().filter(|line| !line[name].is_null());
        of.map(|line| line["problem"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(problems("messageId"), ["the payload is not JSON", "the payload is not UTF-8"]);
    assert_eq!(problems("key"), ["the payload is not JSON"]);
    let summary = lines.last().unwrap();
    assert_eq!((&summary["notRead"], &summary["messagesFound"]), (&json!(3), &json!(0)));
    assert_eq!((desk.bodies(QUEUE).len(), desk.keys().len()), (3, 2));
    assert!(error(&run).contains("could not be read: 3"), "{}", error(&run));
}

#[tokio::test]
async fn if_the_object_is_gone_the_attribute_decides() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", b"", &[("Tag", "somebody")]).await;
    desk.claim_check("PayQueue", "pay/d/2", b"", &[("Tag", PERSON)]).await;
    desk.remove("kyc/d/1").await;
    desk.remove("pay/d/2").await;
    let lines = desk.json(&["--delete"]).await;
    assert_eq!((lines.len(), &lines[0]["queue"]), (2, &json!("PayQueue")));
    assert_eq!(desk.bodies(QUEUE).len(), 1);

    desk.claim_check(QUEUE, "kyc/d/3", b"", &[]).await;
    desk.remove("kyc/d/3").await;
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    assert!(objects(&run)[0]["problem"].as_str().unwrap().contains("gone"));
}

#[tokio::test]
async fn a_pointer_to_anything_but_a_claim_checks_object_is_not_followed() {
    let desk = Desk::start().await;
    desk.stack.aws.create_bucket("other-bucket");
    let object = desk.s3.put_object().bucket("other-bucket").key("kyc/d/1").body(HERS.as_bytes().to_vec().into());
    object.send().await.unwrap();
    desk.point(QUEUE, "other-bucket", "kyc/d/1", &[("Tag", PERSON)]).await;
    desk.put("undelivered/KycQueue/x", OTHERS.as_bytes()).await;
    desk.point(QUEUE, PAYLOAD_BUCKET, "undelivered/KycQueue/x", &[("Tag", PERSON)]).await;
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    assert!(lines[0]["problem"].as_str().unwrap().contains("s3://other-bucket/kyc/d/1"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["notRead"], 2);
    assert_eq!(desk.stack.aws.objects("other-bucket").len(), 1);
    assert_eq!(desk.keys(), ["undelivered/KycQueue/x"]);
    assert_eq!(desk.bodies(QUEUE).len(), 2);
}

#[tokio::test]
async fn the_next_run_finds_an_object_that_could_not_be_deleted() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS.as_bytes(), &[]).await;
    desk.stack.aws.fault(Operation::DeleteObject, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    assert_eq!((&lines[0]["deleted"], &lines[1]["deleted"]), (&json!(true), &json!(false)));
    assert!(lines[1]["problem"].as_str().unwrap().contains("AccessDenied"), "{lines:?}");
    assert_eq!(lines[2]["failed"], 1);
    assert_eq!((desk.bodies(QUEUE).len(), desk.keys().len()), (0, 1), "the message is deleted first");

    desk.stack.aws.clear_faults();
    assert_eq!(desk.json(&["--delete"]).await[1]["objectsDeleted"], 1);
    assert_eq!(desk.keys(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_message_that_could_not_be_deleted_keeps_its_object_for_the_next_run() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", HERS.as_bytes(), &[]).await;
    desk.stack.aws.fault(Operation::DeleteMessage, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let [message, summary] = objects(&run).try_into().unwrap();
    assert!(message["problem"].as_str().unwrap().contains("AccessDenied"), "{message}");
    assert_eq!((&summary["failed"], &summary["objectsDeleted"]), (&json!(1), &json!(0)));
    assert_eq!((desk.bodies(QUEUE).len(), desk.keys().len()), (1, 1));

    desk.stack.aws.clear_faults();
    let lines = desk.json(&["--delete"]).await;
    assert_eq!((&lines[2]["messagesDeleted"], &lines[2]["objectsDeleted"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn if_one_queue_fails_the_others_are_searched() {
    let desk = Desk::start().await;
    for kind in Kind::ALL {
        desk.send(kind.queue(), HERS, &[]).await;
    }
    desk.put("kyc/d/1", HERS.as_bytes()).await;
    desk.stack.aws.fault(Operation::ReceiveMessage, Calls::Nth(1), DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    let problem = lines.iter().find(|line| line["queue"].is_null() && line["problem"].is_string()).unwrap();
    assert!(problem["problem"].as_str().unwrap().contains("cannot receive from"), "{problem}");
    let summary = lines.last().unwrap();
    assert_eq!((&summary["messagesDeleted"], &summary["objectsDeleted"]), (&json!(5), &json!(1)));
    assert_eq!((&summary["problems"], &summary["complete"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn messages_that_cannot_be_given_back_are_reported() {
    let desk = Desk::start().await;
    desk.send(QUEUE, OTHERS, &[]).await;
    desk.stack.aws.fault(Operation::ChangeMessageVisibility, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &BY_TAG).await;
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).contains("KycQueue: could not give back 1 of the messages"), "{}", text(&run));
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_or_read_is_reported() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", b"{}", &[("Tag", PERSON)]).await;
    desk.put("kyc/d/2", HERS.as_bytes()).await;
    desk.stack.aws.fault(Operation::ListObjectsV2, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(objects(&run).last().unwrap()["problems"], 2);
    assert!(text(&run).contains("cannot list s3://flinks-payloads/"), "{}", text(&run));
    assert_eq!(
        desk.keys(),
        ["kyc/d/2"],
        "this object's message is deleted, so the object is deleted without the listing"
    );

    desk.stack.aws.clear_faults();
    desk.claim_check(QUEUE, "kyc/d/3", HERS.as_bytes(), &[]).await;
    desk.stack.aws.fault(Operation::GetObject, Calls::All, DENIED);
    let run = desk.run_for(PERSON, &["--by", "tag", "--delete", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(objects(&run).last().unwrap()["notRead"], 2, "the object of a message is reported with it");
    assert_eq!((desk.bodies(QUEUE).len(), desk.keys().len()), (1, 2));
}

#[tokio::test]
async fn a_value_from_a_file_or_standard_input_may_have_white_space_around_it() {
    let desk = Desk::start().await;
    let file = TemporaryFile::new("value");
    for text in [PERSON.to_owned(), format!(" \t{PERSON}\r\n\n"), format!("\u{FEFF}{PERSON}\u{A0}\n")] {
        desk.send(QUEUE, HERS, &[]).await;
        std::fs::write(&file.0, &text).unwrap();
        let from_file = ["--by", "tag", "--value-file", file.0.to_str().unwrap(), "--json"];
        let run = desk.run_for("somebody else", &from_file).await;
        assert_eq!(objects(&run).last().unwrap()["messagesFound"], 1, "{text:?}");
        let run = desk.run_for(&text, &["--by", "tag", "--json", "--delete"]).await;
        assert_eq!(objects(&run).last().unwrap()["messagesDeleted"], 1, "{text:?}");
    }
}

#[tokio::test]
async fn without_a_usable_value_nothing_is_searched() {
    let desk = Desk::start().await;
    desk.send(QUEUE, r#"{"Tag":""}"#, &[]).await;
    let file = TemporaryFile::new("latin-1");
    std::fs::write(&file.0, b"Zo\xe9").unwrap();
    let missing = format!("/nowhere/{PERSON}");
    for (input, arguments) in [
        ("", &["--by", "tag"][..]),
        (" \n\t", &["--by", "tag"]),
        ("x", &["--by", "tag", "--value-file", "/dev/null"]),
        ("x", &["--by", "tag", "--value-file", file.0.to_str().unwrap()]),
        ("x", &["--by", "tag", "--value-file", &missing]),
        ("x", &["--by", "tag", PERSON]),
        ("x", &["--by", "tag", "--delete", "--", PERSON]),
        ("x", &[]),
        ("x", &["--by", "name"]),
    ] {
        let run = desk.run_for(input, arguments).await;
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert_eq!(error(&run).lines().count(), 1, "{}", error(&run));
        assert!(!error(&run).contains(PERSON), "{}", error(&run));
    }
    assert_eq!(desk.stack.aws.calls(Operation::ReceiveMessage), 0);
}

#[tokio::test]
async fn the_value_is_never_printed() {
    let desk = Desk::start().await;
    let quoting = Fault::Reject("InvalidParameterValue", "jane+1@example.com is in your way");
    desk.send(QUEUE, HERS, &[("Tag", PERSON), ("DeliveryId", PERSON)]).await;
    desk.send("UnclassifiedQueue", PERSON, &[]).await;
    desk.point("PayQueue", "other", PERSON, &[]).await;
    desk.put(&format!("copies/{PERSON}.json"), HERS.as_bytes()).await;
    desk.put(&format!("copies/{PERSON}.txt"), PERSON.as_bytes()).await;
    desk.stack.aws.fault(Operation::DeleteMessage, Calls::All, quoting);
    desk.stack.aws.fault(Operation::DeleteObject, Calls::All, quoting);
    for arguments in [&["--by", "tag"][..], &["--by", "tag", "--json"], &["--by", "tag", "--delete"]] {
        let run = desk.run_for(PERSON, arguments).await;
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        let printed = text(&run) + &error(&run);
        assert!(printed.contains("copies/[the value].json"), "{printed}");
        assert!(!printed.contains(PERSON), "{printed}");
    }
    desk.stack.aws.fault(Operation::ReceiveMessage, Calls::All, quoting);
    let run = desk.run_for(PERSON, &["--by", "tag"]).await;
    assert!(!(text(&run) + &error(&run)).contains(PERSON));
}

#[tokio::test]
async fn control_characters_in_a_key_do_not_reach_the_terminal() {
    let desk = Desk::start().await;
    desk.put("copies/+ %2B\u{1b}[2J\u{202E}", HERS.as_bytes()).await;
    let printed = text(&desk.run_for(PERSON, &BY_TAG).await);
    assert!(printed.contains("copies/+ %2B\u{FFFD}[2J\u{FFFD}"), "{printed}");
    assert_eq!(desk.json(&["--delete"]).await[1]["objectsDeleted"], 1);
    assert_eq!(desk.keys(), [] as [&str; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_gives_the_messages_back() {
    let desk = Desk::start().await;
    desk.claim_check(QUEUE, "kyc/d/1", OTHERS.as_bytes(), &[]).await;
    desk.put("kyc/d/2", OTHERS.as_bytes()).await;
    desk.stack.aws.fault(Operation::GetObject, Calls::All, Fault::Delay(Duration::from_secs(2)));
    let endpoint = desk.stack.aws.endpoint();
    let mut command = program(&["forget", "--by", "tag", "--delete", "--endpoint", &endpoint, "--json"], &[]);
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(PERSON.as_bytes()).await.unwrap();
    while desk.stack.aws.calls(Operation::GetObject) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let run = process.wait_with_output().await.unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", error(&run));
    assert!(text(&run).contains("stopped before the end"), "{}", text(&run));
    assert_eq!(desk.receive(QUEUE).await.len(), 1, "visible again at once");
}

#[tokio::test]
async fn a_deployed_stack_is_found_through_its_parameters() {
    let desk = Desk::start().await;
    let stack = async || {
        let environment: Vec<_> =
            desk.stack.environment().into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect();
        tool(&["forget", "--by", "tag", "--delete", "--stack", "my-stack", "--json"], PERSON, &environment).await
    };
    for kind in Kind::ALL {
        desk.stack.aws.put_parameter(&format!("/my-stack/queues/{}/url", kind.label()), &desk.url(kind.queue()));
    }
    desk.stack.aws.create_bucket("my-bucket");
    let object = desk.s3.put_object().bucket("my-bucket").key("kyc/d/1").body(HERS.as_bytes().to_vec().into());
    object.send().await.unwrap();
    desk.point(QUEUE, "my-bucket", "kyc/d/1", &[]).await;
    let run = stack().await;
    assert_eq!(run.status.code(), Some(2), "without the bucket's parameter");
    assert!(error(&run).contains("/my-stack/payload-bucket"), "{}", error(&run));

    desk.stack.aws.put_parameter("/my-stack/payload-bucket", "my-bucket");
    let run = stack().await;
    assert_eq!(run.status.code(), Some(0), "{}", error(&run));
    assert_eq!(objects(&run)[1], json!({ "bucket": "my-bucket", "key": "kyc/d/1", "deleted": true }));
    assert_eq!((desk.bodies(QUEUE).len(), desk.stack.aws.objects("my-bucket").len()), (0, 0));
}

#[tokio::test]
async fn an_endpoint_without_a_server_gives_exit_code_2() {
    // This binds a port and closes it again, so nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = tool(&["forget", "--by", "tag", "--endpoint", &format!("http://127.0.0.1:{port}")], PERSON, &[]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(error(&run).contains("cargo dev up"), "{}", error(&run));
}

#[tokio::test]
async fn the_help_says_that_a_dry_run_has_a_cost() {
    let help = text(&tool(&["forget", "--help"], "", &[]).await);
    for expected in ["What it costs, also without --delete", "back as a new one", "in flight", "--value-file"] {
        assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{expected}: {help}");
    }
    assert!(!help.contains("[VALUE]"), "{help}");
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

    async fn run_for(&self, value: &str, arguments: &[&str]) -> Output {
        let endpoint = self.stack.aws.endpoint();
        tool(&[&["forget"], arguments, &["--endpoint", &endpoint]].concat(), value, &[]).await
    }

    /// Searches for the person by Tag with `--json`, expects exit code 0 and reads the objects.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.run_for(PERSON, &[&BY_TAG, arguments, &["--json"]].concat()).await;
        assert_eq!(run.status.code(), Some(0), "{}", error(&run));
        objects(&run)
    }

    async fn send(&self, queue: &str, body: &str, attributes: &[(&str, &str)]) {
        let mut message = self.sqs.send_message().queue_url(self.url(queue)).message_body(body);
        for (name, value) in attributes {
            message = message.message_attributes(*name, attribute("String", value));
        }
        message.message_group_id("group-1").send().await.unwrap();
    }

    async fn put(&self, key: &str, payload: &[u8]) {
        let object = self.s3.put_object().bucket(PAYLOAD_BUCKET).key(key).body(payload.to_vec().into());
        object.send().await.unwrap();
    }

    async fn remove(&self, key: &str) {
        self.s3.delete_object().bucket(PAYLOAD_BUCKET).key(key).send().await.unwrap();
    }

    /// Sends a claim check without its object.
    async fn point(&self, queue: &str, bucket: &str, key: &str, attributes: &[(&str, &str)]) {
        let message = self.sqs.send_message().queue_url(self.url(queue)).message_body(pointer(bucket, key));
        let mut message = message.message_attributes("ExtendedPayloadSize", attribute("Number", "1"));
        for (name, value) in attributes {
            message = message.message_attributes(*name, attribute("String", value));
        }
        message.send().await.unwrap();
    }

    async fn claim_check(&self, queue: &str, key: &str, payload: &[u8], attributes: &[(&str, &str)]) {
        self.put(key, payload).await;
        self.point(queue, PAYLOAD_BUCKET, key, attributes).await;
    }

    fn bodies(&self, queue: &str) -> Vec<String> {
        self.stack.aws.messages(queue).into_iter().map(|message| message.body).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.stack.aws.objects(PAYLOAD_BUCKET).into_keys().collect()
    }

    async fn receive(&self, queue: &str) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn receive_all(&self, queue: &str) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let received = self.receive(queue).await;
            if received.is_empty() {
                return all;
            }
            all.extend(received);
        }
    }

    async fn give_back(&self, queue: &str, message: &Message) {
        let back = self.sqs.change_message_visibility().queue_url(self.url(queue)).visibility_timeout(0);
        back.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    /// Acts as a consumer that fails at once. Returns how many messages it got.
    async fn fail_to_consume(&self, queue: &str) -> usize {
        let received = self.receive(queue).await;
        for message in &received {
            self.give_back(queue, message).await;
        }
        received.len()
    }

    /// Replaces each message by a new one, in the same order.
    async fn renew_all(&self, queue: &str) {
        let bodies = self.bodies(queue);
        self.empty(queue).await;
        for body in bodies {
            self.send(queue, &body, &[]).await;
        }
    }

    async fn empty(&self, queue: &str) {
        for message in self.receive_all(queue).await {
            let request = self.sqs.delete_message().queue_url(self.url(queue));
            request.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
        }
    }
}

/// A file that is deleted at the end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("flinks-forget-{}-{name}", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts a proxy in front of the AWS at `endpoint`. It responds to each SendMessage itself, with a 200 and `body`.
/// Returns its URL.
async fn proxy(endpoint: &str, body: &'static str) -> String {
    let client =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(HttpConnector::new());
    let behind = endpoint.to_owned();
    let pass = move |mut request: Request| {
        let (client, behind) = (client.clone(), behind.clone());
        async move {
            let target = request.headers().get("x-amz-target").cloned();
            if target.is_some_and(|target| target.as_bytes().ends_with(b".SendMessage")) {
                return Response::new(Body::from(body));
            }
            *request.uri_mut() = format!("{behind}{}", request.uri()).parse().unwrap();
            client.request(request).await.unwrap().map(Body::new)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(pass)).into_future());
    format!("http://{address}")
}

/// Everything that a consumer sees of a message.
fn content(message: &StoredMessage) -> (String, String, String) {
    (message.message_id.clone(), message.body.clone(), format!("{:?}{:?}", message.attributes, message.group_id))
}

fn pointer(bucket: &str, key: &str) -> String {
    let place = json!({ "s3BucketName": bucket, "s3Key": key });
    json!(["software.amazon.payloadoffloading.PayloadS3Pointer", place]).to_string()
}

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

/// The tool without this machine's AWS settings.
fn program(arguments: &[&str], environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-queues"));
    command.args(arguments).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs the tool with `input` on its standard input.
async fn tool(arguments: &[&str], input: &str, environment: &[(&str, String)]) -> Output {
    let mut process = program(arguments, environment).spawn().unwrap();
    // The tool may end without reading its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes()).await;
    process.wait_with_output().await.unwrap()
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
