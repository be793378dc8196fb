//! `cargo dev recover` as users run it, on a stack like the deployed one. The tests write the outcomes in place of
//! RecoveryFunction.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure in a helper fails its test, but clippy allows this only in test functions"
)]

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use aws_sdk_sqs::types::MessageAttributeValue;
use axum::{Router, extract::Request, response::IntoResponse};
use flinks_dev::stack::{PAYLOAD_BUCKET, RECOVERY_DEAD_LETTER_QUEUE, RECOVERY_QUEUE, Stack};
use hyper_util::{client::legacy, rt::TokioExecutor};
use local_aws::{Calls, Fault, Operation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, time::timeout};

use clients::clients;

mod clients;

const DENIED: Fault = Fault::Reject("AccessDenied", "not you");
/// A time limit that no run comes near.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";
const OTHER: &str = "5e115eac-1209-4f19-641c-08d6d484e2fe";

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let desk = Desk::start().await;
    let lines = desk.json(&[LOGIN, OTHER, LOGIN]).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], json!({ "loginId": LOGIN, "state": "send", "lastOutcome": null }));
    for (name, expected) in [("dryRun", json!(true)), ("wouldSend", json!(2)), ("duplicates", json!(1))] {
        assert_eq!(lines[2][name], expected, "{name}");
    }
    assert_eq!(desk.bodies(), [] as [Value; 0]);
    assert!(desk.stack.aws.objects(PAYLOAD_BUCKET).is_empty());
    let text = text(&desk.ok(&[LOGIN]).await);
    assert!(text.contains("would send 1") && text.contains("--send"), "{text}");
}

#[tokio::test]
async fn each_login_id_of_a_file_is_sent_once_with_its_tag_and_the_tag_is_not_printed() {
    let desk = Desk::start().await;
    let file = desk.file("logins.csv", &format!("loginId,tag\n{LOGIN},\"secret, 1\"\n{OTHER}\n{LOGIN},secret 2\n"));
    let run = desk.run(&[&file, OTHER, "--send", "--wait", "0"]).await;
    assert_eq!(run.status.code(), Some(0), "{}", error(&run));
    assert_eq!(desk.bodies(), [json!({ "loginId": LOGIN, "tag": "secret, 1" }), json!({ "loginId": OTHER })]);
    let printed = text(&run) + &error(&run);
    assert!(printed.contains(LOGIN) && printed.contains("different tags"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
    for json in [&[] as &[&str], &["--json"]] {
        let shown = text(&desk.run(&[&[file.as_str(), "--show-tags"], json].concat()).await);
        assert!(shown.contains("secret, 1"), "{shown}");
        let hidden = text(&desk.run(&[&[file.as_str()], json].concat()).await);
        assert!(!hidden.contains("secret"), "{hidden}");
    }
}

#[tokio::test]
async fn standard_input_may_have_requests_in_json() {
    let desk = Desk::start().await;
    let mut command = tool(&["-", "--send", "--wait", "0", "--endpoint", &desk.stack.aws.endpoint()]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(br#"{"loginId":"a-1","tag":"t","requestId":"of another run"}"#).await.unwrap();
    drop(input);
    let run = timeout(TIME_LIMIT, process.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", error(&run));
    assert_eq!(desk.bodies(), [json!({ "loginId": "a-1", "tag": "t" })]);
}

#[tokio::test]
async fn nothing_is_sent_if_something_in_the_input_is_wrong() {
    let desk = Desk::start().await;
    let wrong = desk.file("wrong", &format!("{LOGIN}\nsecret words,x\n"));
    let empty = desk.file("empty", "# none\n");
    for (argument, reason) in [
        (wrong.as_str(), "line 2"),
        (&empty, "has no LoginId"),
        ("./not-there.csv", "no such file"),
        (".", "cannot read"),
    ] {
        let run = desk.run(&[argument, LOGIN, "--send"]).await;
        let error = error(&run);
        assert_eq!((run.status.code(), error.lines().count()), (Some(2), 1), "{argument}: {error}");
        assert!(error.contains(reason) && !error.contains("secret"), "{argument}: {error}");
    }
    assert_eq!(desk.run(&["--send"]).await.status.code(), Some(2), "no LoginId at all");
    assert_eq!(desk.bodies(), [] as [Value; 0]);
}

#[tokio::test]
async fn the_report_says_what_arrived_and_what_failed_with_which_code() {
    let desk = Desk::start().await;
    let function = desk.finish_requests([
        (LOGIN, recovered(LOGIN)),
        (OTHER, failed(OTHER, "needs-user", Some("INVALID_PASSWORD"), None)),
        ("gone-1", failed("gone-1", "gone", Some("INVALID_LOGIN"), None)),
        ("late-1", failed("late-1", "timed-out", None, Some("timed out"))),
    ]);
    let run = desk.run(&[LOGIN, OTHER, "gone-1", "late-1", "--send", "--json"]).await;
    function.abort();
    assert_eq!(run.status.code(), Some(1), "{}", error(&run));
    let lines = objects(&run);
    assert_eq!(
        lines[0],
        json!({
            "loginId": LOGIN, "state": "recovered", "outcome": "recovered", "code": null, "problem": null,
            "deliveryId": "7c63", "queue": "AccountsDetailQueue", "storedAs": "claim-check", "bytes": 8_000_123,
            "lastRefresh": "2026-10-01T17:57:16.4111654", "startedAt": "2026-11-25T14:15:00.123Z",
            "endedAt": "2026-11-25T14:15:10.000Z",
        })
    );
    let failures: Vec<_> =
        lines[1..4].iter().map(|line| (&line["state"], &line["outcome"], &line["code"], &line["problem"])).collect();
    assert_eq!(
        failures,
        [
            (&json!("failed"), &json!("needs-user"), &json!("INVALID_PASSWORD"), &Value::Null),
            (&json!("failed"), &json!("gone"), &json!("INVALID_LOGIN"), &Value::Null),
            (&json!("failed"), &json!("timed-out"), &Value::Null, &json!("timed out")),
        ]
    );
    for (name, expected) in [("recovered", 1), ("failed", 3), ("waiting", 0), ("notSent", 0)] {
        assert_eq!(lines[4][name], expected, "{name}");
    }
}

#[tokio::test]
async fn everything_recovered_is_exit_code_0_and_text_for_a_person() {
    let desk = Desk::start().await;
    let function = desk.finish_requests([(LOGIN, recovered(LOGIN))]);
    let run = desk.ok(&[LOGIN, "--send"]).await;
    function.abort();
    let text = text(&run);
    for expected in [
        "recovered",
        LOGIN,
        "DeliveryId 7c63",
        "8000123 bytes",
        "claim-check",
        "LastRefresh 2026-10-01T17:57:16.4111654",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("secret"), "the tag of the outcome: {text}");
}

#[tokio::test]
async fn a_request_that_waits_or_was_recovered_is_not_sent_again() {
    let desk = Desk::start().await;
    desk.ok(&[LOGIN, "--send", "--wait", "0"]).await;
    let lines = desk.json(&[LOGIN, OTHER]).await;
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("waiting"), &json!("send")));
    desk.ok(&[LOGIN, OTHER, "--send", "--wait", "0"]).await;
    assert_eq!(desk.bodies().len(), 2, "each once");

    // A run that sends nothing waits for the requests of earlier runs.
    let function = desk.finish_requests([(LOGIN, recovered(LOGIN)), (OTHER, failed(OTHER, "stopped", None, None))]);
    let run = desk.run(&[LOGIN, OTHER, "--send", "--json"]).await;
    function.abort();
    let lines = objects(&run);
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("recovered"), &json!("failed")));
    assert_eq!(run.status.code(), Some(1));

    // Now one was recovered a moment ago. The other failed, and may be sent again.
    let lines = desk.json(&[LOGIN, OTHER]).await;
    assert_eq!(
        (&lines[0]["state"], &lines[0]["lastOutcome"]["deliveryId"]),
        (&json!("recovered-before"), &json!("7c63"))
    );
    assert_eq!((&lines[1]["state"], &lines[1]["lastOutcome"]["outcome"]), (&json!("send"), &json!("stopped")));
    let run = desk.run(&[LOGIN, "--send", "--json"]).await;
    assert_eq!((run.status.code(), &objects(&run)[0]["state"]), (Some(0), &json!("recovered-before")));
    assert_eq!(desk.bodies(), [] as [Value; 0]);
    desk.ok(&[LOGIN, "--send", "--again", "--wait", "0"]).await;
    assert_eq!(desk.bodies().len(), 1);
}

#[tokio::test]
async fn batches_have_at_most_ten_requests() {
    let desk = Desk::start().await;
    let lines: Vec<_> = (0..25).map(|n| format!("login-{n},{}\n", "\u{1}".repeat(4000))).collect();
    let file = desk.file("many", &lines.concat());
    desk.ok(&[&file, "--send", "--wait", "0"]).await;
    let sent: BTreeSet<_> = desk.bodies().iter().map(|body| body["loginId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent.len(), 25);
    assert_eq!(desk.stack.aws.calls(Operation::SendMessageBatch), 3);
}

#[tokio::test]
async fn a_failed_send_is_named_and_the_command_can_be_repeated() {
    let desk = Desk::start().await;
    let file = desk.file("many", &(0..25).map(|n| format!("login-{n}\n")).collect::<String>());
    desk.stack.aws.fault(Operation::SendMessageBatch, Calls::Nth(2), DENIED);
    let run = desk.run(&[&file, "--send", "--wait", "0", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines = objects(&run);
    let not_sent: Vec<_> = lines.iter().filter(|line| line["state"] == "not-sent").collect();
    assert_eq!(not_sent.len(), 15, "the batch that failed, and the one after it");
    assert_eq!(not_sent[0]["loginId"], "login-10");
    assert!(not_sent[0]["problem"].as_str().unwrap().contains("AccessDenied"), "{}", not_sent[0]);
    assert_eq!(desk.bodies().len(), 10);

    desk.stack.aws.clear_faults();
    let run = desk.ok(&[&file, "--send", "--wait", "0", "--json"]).await;
    assert_eq!(objects(&run).last().unwrap()["notSent"], 0);
    let sent: BTreeSet<_> = desk.bodies().iter().map(|body| body["loginId"].to_string()).collect();
    assert_eq!((sent.len(), desk.bodies().len()), (25, 25), "each once");
}

#[tokio::test]
async fn each_request_of_a_batch_fails_or_succeeds_alone() {
    let desk = Desk::start().await;
    let response = json!({
        "Successful": [{ "Id": "1", "MessageId": "m-1", "MD5OfMessageBody": "" }],
        "Failed": [{ "Id": "0", "Code": "InternalError", "SenderFault": false, "Message": "not now" }],
    });
    let endpoint = desk.with_batch_response(response).await;
    let arguments = ["a-0", "a-1", "a-2", "--send", "--wait", "0", "--json", "--endpoint", &endpoint];
    let run = run(tool(&arguments)).await;
    assert_eq!(run.status.code(), Some(1), "{}", error(&run));
    let lines = objects(&run);
    let results: Vec<_> = lines[..3].iter().map(|line| (&line["state"], &line["problem"])).collect();
    assert_eq!(
        results,
        [
            (&json!("not-sent"), &json!("InternalError: not now")),
            (&json!("waiting"), &Value::Null),
            (&json!("not-sent"), &json!("the response of SQS does not name the request")),
        ]
    );
    // A later run knows only the request that was sent.
    let lines = desk.json(&["a-0", "a-1", "a-2"]).await;
    let states: Vec<_> = lines[..3].iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["send", "waiting", "send"]);
}

#[tokio::test]
async fn an_undelivered_payload_is_explained() {
    let desk = Desk::start().await;
    let mut outcome = recovered(LOGIN);
    outcome["storedAs"] = json!("undelivered");
    let function = desk.finish_requests([(LOGIN, outcome)]);
    let run = desk.ok(&[LOGIN, "--send"]).await;
    function.abort();
    assert!(text(&run).contains("until the redelivery puts it on the queue"), "{}", text(&run));
}

#[tokio::test]
async fn a_request_that_cannot_be_noted_is_sent_all_the_same() {
    let desk = Desk::start().await;
    desk.stack.aws.fault(Operation::PutObject, Calls::All, DENIED);
    let run = desk.ok(&[LOGIN, "--send", "--wait", "0", "--json"]).await;
    assert!(objects(&run)[0]["notNoted"].as_str().unwrap().contains("AccessDenied"));
    assert_eq!(desk.bodies().len(), 1);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_read_stops_the_command_before_it_sends() {
    let desk = Desk::start().await;
    desk.stack.aws.fault(Operation::ListObjectsV2, Calls::All, DENIED);
    let run = desk.run(&[LOGIN, "--send"]).await;
    assert_eq!((run.status.code(), error(&run).lines().count()), (Some(2), 1), "{}", error(&run));
    assert!(error(&run).contains("nothing is sent"), "{}", error(&run));
    assert_eq!(desk.bodies(), [] as [Value; 0]);
}

#[tokio::test]
async fn ctrl_c_ends_the_waiting_and_a_request_without_an_outcome_may_be_a_dead_letter() {
    let desk = Desk::start().await;
    desk.add_dead_letter(LOGIN, None).await;
    // Two listings for the plan, then one for a look. It listens for Ctrl-C before that.
    let run = desk.signalled("-INT", &[LOGIN, OTHER, "--send"], Operation::ListObjectsV2, 3).await;
    assert_eq!(run.status.code(), Some(1), "{}", error(&run));
    let lines = objects(&run);
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("failed"), &json!("waiting")));
    assert!(lines[0]["problem"].as_str().unwrap().contains("dead letter"), "{}", lines[0]);
    assert!(error(&run).contains("run the same command again"), "{}", error(&run));
    let [dead] = desk.stack.aws.messages(RECOVERY_DEAD_LETTER_QUEUE).try_into().unwrap();
    assert_eq!(dead.body, json!({ "loginId": LOGIN }).to_string(), "it stays");
}

#[tokio::test]
async fn a_dead_letter_with_the_attributes_of_an_earlier_outcome_counts_unless_it_is_older_than_the_request() {
    let desk = Desk::start().await;
    desk.add_dead_letter(OTHER, Some("needs-user")).await;
    // S3's times have whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    desk.ok(&[LOGIN, OTHER, "--send", "--wait", "0"]).await;
    desk.add_dead_letter(LOGIN, Some("needs-user")).await;
    let looks = desk.stack.aws.calls(Operation::ListObjectsV2) + 3;
    let run = desk.signalled("-INT", &[LOGIN, OTHER, "--send"], Operation::ListObjectsV2, looks).await;
    let lines = objects(&run);
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("failed"), &json!("waiting")));
    assert!(lines[0]["problem"].as_str().unwrap().contains("dead letter"), "{}", lines[0]);
}

#[tokio::test]
async fn ctrl_c_while_sending_ends_after_the_batch_whose_requests_are_noted() {
    let desk = Desk::start().await;
    let file = desk.file("many", &(0..25).map(|n| format!("login-{n}\n")).collect::<String>());
    desk.stack.aws.fault(Operation::SendMessageBatch, Calls::All, Fault::Delay(Duration::from_millis(500)));
    let run = desk.signalled("-INT", &[&file, "--send"], Operation::SendMessageBatch, 1).await;
    assert_eq!(run.status.code(), Some(1), "{}", error(&run));
    let lines = objects(&run);
    assert!(lines[10]["problem"].as_str().unwrap().contains("Ctrl-C"), "{}", lines[10]);
    assert_eq!((desk.bodies().len(), &lines[25]["waiting"], &lines[25]["notSent"]), (10, &json!(10), &json!(15)));
    let lines = desk.json(&[&file]).await;
    for (index, line) in lines[..25].iter().enumerate() {
        assert_eq!(line["state"], if index < 10 { "waiting" } else { "send" }, "{index}");
        assert_eq!(line["problem"], Value::Null, "{index}");
    }
}

#[tokio::test]
async fn a_request_of_a_run_that_was_killed_was_perhaps_not_sent() {
    let desk = Desk::start().await;
    desk.stack.aws.fault(Operation::SendMessageBatch, Calls::All, Fault::Hang);
    desk.signalled("-KILL", &[LOGIN, "--send"], Operation::SendMessageBatch, 1).await;
    desk.stack.aws.clear_faults();
    for arguments in [&[LOGIN] as &[&str], &[LOGIN, "--send", "--wait", "0"]] {
        let line = &desk.json(arguments).await[0];
        assert_eq!(line["state"], "waiting");
        assert!(line["problem"].as_str().unwrap().contains("perhaps not sent"), "{line}");
        let text = text(&desk.ok(arguments).await);
        assert!(text.contains("perhaps not sent") && text.contains("--again"), "{text}");
    }
    assert_eq!(desk.bodies(), [] as [Value; 0]);
    desk.ok(&[LOGIN, "--send", "--again", "--wait", "0"]).await;
    assert_eq!(desk.bodies().len(), 1);
    let line = &desk.json(&[LOGIN]).await[0];
    assert_eq!((&line["state"], &line["problem"]), (&json!("waiting"), &Value::Null));
}

#[tokio::test]
async fn an_outcome_that_cannot_be_read_does_not_stop_the_others() {
    let desk = Desk::start().await;
    let put = desk.s3.put_object().bucket(PAYLOAD_BUCKET).key(format!("{}20261125T141500.123Z.json", folder(LOGIN)));
    put.body(b"secret".to_vec().into()).send().await.unwrap();
    for arguments in [&[LOGIN, OTHER] as &[&str], &[LOGIN, OTHER, "--send", "--wait", "0"]] {
        let lines = desk.json(arguments).await;
        assert_eq!(lines[0]["unreadableOutcome"], "the object is not an outcome", "{arguments:?}");
        assert_eq!(lines[1]["unreadableOutcome"], Value::Null, "{arguments:?}");
    }
    assert_eq!(desk.bodies().len(), 2);
    let text = text(&desk.ok(&[LOGIN]).await);
    assert!(text.contains("cannot be read") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn without_a_queue_for_recoveries_one_line_says_what_to_do() {
    let desk = Desk::without_recovery().await;
    let run = desk.run(&[LOGIN]).await;
    assert_eq!((run.status.code(), error(&run).lines().count()), (Some(2), 1));
    assert!(error(&run).contains("cargo dev up --flinks"), "{}", error(&run));
}

#[tokio::test]
async fn a_deployed_stack_is_found_through_its_parameters() {
    let desk = Desk::start().await;
    let stack = async |name| desk.on_stack(&[LOGIN, "--stack", "receiver", "--recovery-stack", name]).await;
    let queue = desk.stack.aws.queue_url(RECOVERY_QUEUE);
    let put = |name: &str, value: &str| desk.stack.aws.put_parameter(name, value);
    put("/receiver/payload-bucket", PAYLOAD_BUCKET);
    put("/other/recovery-queue/url", &queue);
    put("/other/payload-bucket", "another-bucket");
    let (missing, other) = (stack("flinks-recovery").await, stack("other").await);
    for (run, expected) in [(missing, "/flinks-recovery/recovery-queue/url"), (other, "another receiver")] {
        assert_eq!((run.status.code(), error(&run).lines().count()), (Some(2), 1));
        assert!(error(&run).contains(expected), "{}", error(&run));
    }
    put("/flinks-recovery/recovery-queue/url", &queue);
    put("/flinks-recovery/payload-bucket", PAYLOAD_BUCKET);
    // This is the recovery stack's default name.
    let run = desk.on_stack(&[LOGIN, "--stack", "receiver", "--send", "--wait", "0"]).await;
    assert_eq!(run.status.code(), Some(0), "{}", error(&run));
    assert_eq!(desk.bodies().len(), 1);
}

#[tokio::test]
async fn no_key_has_a_login_id() {
    let desk = Desk::start().await;
    let file = desk.file("two", &format!("{LOGIN}\n{{\"loginId\":\"Zoé/1\"}}\n"));
    desk.ok(&[&file, "--send", "--wait", "0"]).await;
    let keys: BTreeSet<_> = desk.stack.aws.objects(PAYLOAD_BUCKET).into_keys().collect();
    let notes = |login_id| ["requested", "sent"].map(|name| format!("{}{name}", folder(login_id)));
    assert_eq!(keys, [LOGIN, "Zoé/1"].into_iter().flat_map(notes).collect());
    let lines = desk.json(&[&file]).await;
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("waiting"), &json!("waiting")));
}

/// Where RecoveryFunction writes the outcomes of a login.
fn folder(login_id: &str) -> String {
    format!("recovery/{}/", hex::encode(Sha256::digest(login_id)))
}

fn recovered(login_id: &str) -> Value {
    json!({
        "loginId": login_id, "tag": "secret", "startedAt": "2026-11-25T14:15:00.123Z",
        "endedAt": "2026-11-25T14:15:10.000Z", "outcome": "recovered", "code": null, "problem": null,
        "deliveryId": "7c63", "queue": "AccountsDetailQueue", "storedAs": "claim-check", "bytes": 8_000_123,
        "lastRefresh": "2026-10-01T17:57:16.4111654",
    })
}

fn failed(login_id: &str, outcome: &str, code: Option<&str>, problem: Option<&str>) -> Value {
    json!({
        "loginId": login_id, "tag": null, "startedAt": "2026-11-25T14:15:00.123Z",
        "endedAt": "2026-11-25T14:15:10.000Z", "outcome": outcome, "code": code, "problem": problem,
        "deliveryId": null, "queue": null, "storedAs": null, "bytes": null, "lastRefresh": null,
    })
}

/// A stack like the deployed one, and a folder for files.
struct Desk {
    stack: Stack,
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    folder: PathBuf,
}

impl Desk {
    async fn start() -> Self {
        let desk = Self::without_recovery().await;
        desk.stack.add_recovery(&json!({}));
        desk
    }

    async fn without_recovery() -> Self {
        let stack = Stack::start().await.unwrap();
        let (sqs, s3) = clients(&stack);
        let port = stack.aws.address().port();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("recover-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { stack, sqs, s3, folder }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let endpoint = self.stack.aws.endpoint();
        run(tool(&[arguments, &["--endpoint", &endpoint]].concat())).await
    }

    /// Runs the tool as on a deployed stack.
    async fn on_stack(&self, arguments: &[&str]) -> Output {
        let mut command = tool(arguments);
        command.envs(self.stack.environment().into_iter().filter(|(name, _)| name.starts_with("AWS_")));
        run(command).await
    }

    async fn ok(&self, arguments: &[&str]) -> Output {
        let run = self.run(arguments).await;
        assert_eq!(run.status.code(), Some(0), "{}{}", text(&run), error(&run));
        run
    }

    /// Runs the tool, and sends it a signal when the stack has had so many calls.
    async fn signalled(&self, signal: &str, arguments: &[&str], operation: Operation, calls: usize) -> Output {
        let endpoint = self.stack.aws.endpoint();
        let mut command = tool(&[arguments, &["--json", "--endpoint", &endpoint]].concat());
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while self.stack.aws.calls(operation) < calls {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let id = process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        timeout(TIME_LIMIT, process.wait_with_output()).await.unwrap().unwrap()
    }

    async fn add_dead_letter(&self, login_id: &str, outcome: Option<&str>) {
        let dead = self.sqs.send_message().queue_url(self.stack.aws.queue_url(RECOVERY_DEAD_LETTER_QUEUE));
        let text =
            |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap();
        let attributes = outcome.map(|outcome| [("Outcome".to_owned(), text(outcome))].into());
        let dead = dead.set_message_attributes(attributes).message_body(json!({ "loginId": login_id }).to_string());
        dead.send().await.unwrap();
    }

    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        objects(&self.ok(&[arguments, &["--json"]].concat()).await)
    }

    /// The requests on the queue, in order.
    fn bodies(&self) -> Vec<Value> {
        let messages = self.stack.aws.messages(RECOVERY_QUEUE);
        messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    /// Starts a proxy in front of the stack, which responds to SendMessageBatch itself. Returns its URL.
    async fn with_batch_response(&self, response: Value) -> String {
        let behind = self.stack.aws.endpoint();
        let client = legacy::Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>();
        let router = Router::new().fallback(async move |mut request: Request| {
            if request.headers().get("x-amz-target").is_some_and(|target| target == "AmazonSQS.SendMessageBatch") {
                return ([("content-type", "application/x-amz-json-1.0")], response.to_string()).into_response();
            }
            let path = request.uri().path_and_query().unwrap();
            *request.uri_mut() = format!("{behind}{path}").parse().unwrap();
            client.request(request).await.unwrap().into_response()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    /// Acts as RecoveryFunction: takes the requests from the queue, and finishes each with its outcome. Begins when the
    /// command has looked at the objects of each login.
    fn finish_requests<const N: usize>(&self, outcomes: [(&'static str, Value); N]) -> tokio::task::JoinHandle<()> {
        let (sqs, s3, url) = (self.sqs.clone(), self.s3.clone(), self.stack.aws.queue_url(RECOVERY_QUEUE));
        let aws = self.stack.aws.clone();
        let looked = aws.calls(Operation::ListObjectsV2) + N;
        tokio::spawn(async move {
            while aws.calls(Operation::ListObjectsV2) < looked {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            loop {
                let request = sqs.receive_message().queue_url(&url).wait_time_seconds(1);
                for message in request.send().await.unwrap().messages.unwrap_or_default() {
                    let body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                    let login_id = body["loginId"].as_str().unwrap();
                    let (_, outcome) = outcomes.iter().find(|(known, _)| *known == login_id).unwrap();
                    let key = format!("{}20261125T141500.123Z.json", folder(login_id));
                    let put = s3.put_object().bucket(PAYLOAD_BUCKET).key(key);
                    put.body(outcome.to_string().into_bytes().into()).send().await.unwrap();
                    let delete = sqs.delete_message().queue_url(&url);
                    delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
                }
            }
        })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-queues"));
    command.arg("recover").args(arguments).kill_on_drop(true);
    for name in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"] {
        command.env_remove(name);
    }
    command
}

async fn run(mut command: Command) -> Output {
    timeout(TIME_LIMIT, command.output()).await.unwrap().unwrap()
}

fn text(run: &Output) -> String {
    String::from_utf8(run.stdout.clone()).unwrap()
}

fn error(run: &Output) -> String {
    String::from_utf8(run.stderr.clone()).unwrap()
}

fn objects(run: &Output) -> Vec<Value> {
    text(run).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
