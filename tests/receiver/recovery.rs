//! The recovery's program as Lambda runs it: from a request to the message that the callback would have been.

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, SystemTime},
};

use flinks_dev::stack::PAYLOAD_BUCKET;
use flinks_webhooks::{
    aws,
    delivery::{Redelivery, RunBudget},
};
use local_aws::{Calls, Fault, Operation, QueueSettings, StoredMessage};
use local_flinks::{API_KEY, Behaviour, CUSTOMER_ID, Calls as FlinksCalls, Fault as FlinksFault, LocalFlinks, Login};
use local_flinks::{Operation as Call, SECRET_KEY};
use local_lambda::{Outcome, RuntimeApi};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::{Fixture, pointer};

const LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";
/// The place of the login's outcomes.
const LOGIN_SHA256: &str = "636f40cb9a3b650dd8821049045338aae71fe1d261584393cbc4a733b2228782";
const TAG: &str = "secret-tag";
const SECRET_ID: &str = "flinks/api-credentials";
const QUEUE: &str = "RecoveryQueue";
const DEAD_LETTERS: &str = "RecoveryDeadLetterQueue";
/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(330);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const EIGHT_MEGABYTES: usize = 8_000_000;

/// A receiver's stack, a Flinks and the recovery.
struct Fetching {
    fixture: Fixture,
    flinks: LocalFlinks,
    runtime: RuntimeApi,
    process: Child,
}

impl Fetching {
    async fn start(login: Login) -> Self {
        let fixture = Fixture::start().await;
        for queue in [QUEUE, DEAD_LETTERS] {
            fixture.aws().create_queue(queue, QueueSettings::default());
        }
        fixture.aws().create_secret(SECRET_ID, &secret(SECRET_KEY, API_KEY));
        let flinks = LocalFlinks::start().await.unwrap();
        flinks.add_login(login);
        let (runtime, process) = Self::program(&fixture, &flinks).await;
        Self { fixture, flinks, runtime, process }
    }

    async fn program(fixture: &Fixture, flinks: &LocalFlinks) -> (RuntimeApi, Child) {
        let runtime = RuntimeApi::start().await.unwrap();
        runtime.set_timeout(TIMEOUT);
        let mut command = Command::new(env!("CARGO_BIN_EXE_recovery"));
        command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let own = [
            ("FLINKS_API_URL", flinks.endpoint()),
            ("FLINKS_CUSTOMER_ID", CUSTOMER_ID.to_owned()),
            ("FLINKS_API_SECRET_ID", SECRET_ID.to_owned()),
            ("RECOVERY_QUEUE_URL", fixture.aws().queue_url(QUEUE)),
            ("RECOVERY_DEAD_LETTER_QUEUE_URL", fixture.aws().queue_url(DEAD_LETTERS)),
        ];
        command.envs(runtime.environment()).envs(fixture.stack.environment()).envs(own);
        let process = command.spawn().unwrap();
        tokio::time::timeout(PATIENCE, runtime.first_poll()).await.unwrap();
        (runtime, process)
    }

    async fn invoke(&self, event: &Value) -> Outcome {
        tokio::time::timeout(PATIENCE, self.runtime.invoke(event.to_string())).await.unwrap()
    }

    /// Invokes the function with a message. Returns whether it is done.
    async fn is_done(&self, body: &str) -> bool {
        let Outcome::Response(response) = self.invoke(&event(body)).await else { panic!("no response") };
        let response: Value = serde_json::from_slice(&response).unwrap();
        if response == json!({ "batchItemFailures": [] }) {
            return true;
        }
        assert_eq!(response, json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] }));
        false
    }

    fn on(&self, queue: &str) -> Vec<StoredMessage> {
        self.fixture.aws().messages(queue)
    }

    /// The only message on the queue of the kind.
    fn message(&self) -> StoredMessage {
        let [message] = &self.on("AccountsDetailQueue")[..] else { panic!("there should be one message") };
        message.clone()
    }

    /// The outcomes, by key.
    fn outcomes(&self) -> BTreeMap<String, Value> {
        let objects = self.fixture.aws().objects(PAYLOAD_BUCKET).into_iter();
        let outcomes = objects.filter(|(key, _)| key.starts_with("recovery/"));
        let read = |(key, object): (String, local_aws::StoredObject)| {
            assert_eq!(object.content_type.as_deref(), Some("application/json"));
            (key, serde_json::from_slice(&object.body).unwrap())
        };
        outcomes.map(read).collect()
    }

    /// What Flinks sent last, with the member of a callback.
    fn expected(&self, call: Call) -> Vec<u8> {
        let sent = self.flinks.last(call).unwrap().response;
        [br#"{"ResponseType":"GetAccountsDetail","#, &sent[1..]].concat()
    }

    /// Ends the function. Its log has nothing that must not be there.
    async fn log(mut self) -> Vec<Value> {
        self.process.start_kill().unwrap();
        let output = self.process.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let log = String::from_utf8(output.stdout).unwrap();
        for secret in [LOGIN, TAG, SECRET_KEY, API_KEY, "sam_example", "FlinksCapital", "LastRefresh"] {
            assert!(!log.contains(secret), "{log}");
        }
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn secret(secret_key: &str, api_key: &str) -> String {
    json!({ "secretKey": secret_key, "apiKey": api_key }).to_string()
}

fn request() -> String {
    json!({ "loginId": LOGIN, "tag": TAG }).to_string()
}

/// What Lambda delivers of a message.
fn event(body: &str) -> Value {
    json!({ "Records": [{
        "messageId": "message-1",
        "receiptHandle": "handle",
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1760000000000" },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{QUEUE}"),
        "awsRegion": "us-east-1",
    }] })
}

#[tokio::test]
async fn a_login_becomes_the_message_that_its_callback_would_have_been() {
    let recovery = Fetching::start(Login::new(LOGIN)).await;
    assert!(recovery.is_done(&request()).await);
    let message = recovery.message();
    assert_eq!(message.body.as_bytes(), recovery.expected(Call::GetAccountsDetail));
    let attribute = |name: &str| message.attributes[name].value.clone();
    for (name, expected) in
        [("SignatureForm", "api"), ("ResponseType", "GetAccountsDetail"), ("LoginId", LOGIN), ("Tag", TAG)]
    {
        assert_eq!(attribute(name), expected);
    }
    assert_eq!(message.group_id.as_deref(), Some(LOGIN));
    let outcomes = recovery.outcomes();
    let [outcome] = &outcomes.values().collect::<Vec<_>>()[..] else { panic!("{outcomes:?}") };
    assert_eq!((&outcome["outcome"], &outcome["deliveryId"]), (&json!("recovered"), &json!(attribute("DeliveryId"))));
    assert_eq!(outcome["lastRefresh"], "2026-10-01T17:57:16.4111654");

    // A callback with the same body would have the same message, but for what verified it and when.
    recovery.fixture.post_signed(message.body.as_bytes()).await;
    let messages = recovery.on("AccountsDetailQueue");
    let callback = messages.iter().find(|other| other.message_id != message.message_id).unwrap();
    let mut attributes = [message.attributes.clone(), callback.attributes.clone()];
    for attributes in &mut attributes {
        attributes.remove("SignatureForm").unwrap();
        attributes.remove("ReceivedAt").unwrap();
    }
    assert_eq!(attributes[0], attributes[1]);
    assert_eq!((&message.body, &message.group_id), (&callback.body, &callback.group_id));

    let log = recovery.log().await;
    let [line] = &log[..] else { panic!("{log:?}") };
    assert_eq!(
        (&line["level"], &line["outcome"], &line["storedAs"]),
        (&json!("INFO"), &json!("recovered"), &json!("inline"))
    );
    assert!(line["requestId"].is_string());
}

#[tokio::test]
async fn a_login_that_is_processed_is_polled_and_eight_megabytes_arrive_as_a_claim_check() {
    let login = Login::new(LOGIN).with_bytes(EIGHT_MEGABYTES);
    let recovery = Fetching::start(login.clone().behaves(Behaviour::QUICKLY_READY)).await;
    let mut body = request();
    for _ in 0..2 {
        assert!(recovery.is_done(&body).await);
        let waiting = recovery.on(QUEUE);
        body = waiting.last().unwrap().body.clone();
        let again: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&again["loginId"], &again["tag"]), (&json!(LOGIN), &json!(TAG)));
        assert!(again["requestId"].is_string() && again["startedAt"].is_string(), "{again}");
    }
    assert_eq!(recovery.on(QUEUE).len(), 2);
    assert!(recovery.on("AccountsDetailQueue").is_empty() && recovery.outcomes().is_empty());
    recovery.flinks.add_login(login);
    assert!(recovery.is_done(&body).await);
    let message = recovery.message();
    assert!(pointer(&message).is_some());
    let payload = recovery.fixture.payload(&message);
    assert!(payload.len() > EIGHT_MEGABYTES && payload == recovery.expected(Call::GetAccountsDetailAsync));
    assert_eq!(recovery.outcomes().values().next().unwrap()["storedAs"], "claim-check");
    assert_eq!(recovery.flinks.calls(Call::Authorize), 1);
    let log = recovery.log().await;
    assert_eq!(log.iter().map(|line| line["outcome"].clone()).collect::<Vec<_>>(), ["pending", "pending", "recovered"]);
}

#[tokio::test]
async fn what_is_put_back_is_delayed() {
    let recovery = Fetching::start(Login::new(LOGIN).behaves(Behaviour::QUICKLY_READY)).await;
    assert!(recovery.is_done(&request()).await);
    // Read by its attributes, as an operator does.
    let config = recovery.fixture.stack.redelivery_config().unwrap();
    let delayed = delayed(&config.aws.region, &recovery).await;
    assert_eq!(delayed, "1");
}

/// How many messages of the recovery's queue are delayed.
async fn delayed(region: &str, recovery: &Fetching) -> String {
    use aws_sdk_sqs::{
        Client, Config,
        config::{BehaviorVersion, Credentials, Region},
        types::QueueAttributeName,
    };
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("fake", "fake", None, None, "test"))
        .endpoint_url(recovery.fixture.aws().endpoint())
        .http_client(http);
    let name = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    let attributes = Client::from_conf(config.build())
        .get_queue_attributes()
        .queue_url(recovery.fixture.aws().queue_url(QUEUE))
        .attribute_names(name.clone());
    attributes.send().await.unwrap().attributes.unwrap()[&name].clone()
}

#[tokio::test]
async fn eight_megabytes_that_the_queue_does_not_take_arrive_later() {
    let recovery = Fetching::start(Login::new(LOGIN).with_bytes(EIGHT_MEGABYTES)).await;
    let aws = recovery.fixture.aws().clone();
    aws.fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", TAG));
    assert!(recovery.is_done(&request()).await);
    assert!(recovery.on("AccountsDetailQueue").is_empty());
    let objects = aws.objects(PAYLOAD_BUCKET);
    let (key, object) = objects.iter().find(|(key, _)| key.starts_with("undelivered/")).unwrap();
    assert!(key.starts_with("undelivered/AccountsDetailQueue/"), "{key}");
    assert_eq!(object.metadata["signature-form"], "api");
    assert_eq!(recovery.outcomes().values().next().unwrap()["storedAs"], "undelivered");
    aws.clear_faults();

    let config = recovery.fixture.stack.redelivery_config().unwrap();
    let redelivery = Redelivery::new(aws::storage(&config.storage, &config.aws));
    let summary = redelivery.run(RunBudget::until(SystemTime::now() + Duration::from_secs(300))).await.unwrap();
    assert_eq!((summary.found, summary.sent, summary.damaged, summary.left), (1, 1, 0, 0), "{summary:?}");
    let message = recovery.message();
    assert!(recovery.fixture.payload(&message) == recovery.expected(Call::GetAccountsDetail));
    for (name, expected) in
        [("SignatureForm", "api"), ("LoginId", LOGIN), ("Tag", TAG), ("ReceivedAt", &object.metadata["received-at"])]
    {
        assert_eq!(message.attributes[name].value, expected, "{name}");
    }
    let log = recovery.log().await;
    assert_eq!((&log[0]["level"], &log[0]["storedAs"]), (&json!("ERROR"), &json!("undelivered")));
    assert_eq!((&log[0]["StoredUndelivered"], &log[0]["Recovered"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn whichever_call_to_aws_fails_the_message_stays_or_its_payload_and_outcome_are_stored() {
    let recovery = Fetching::start(Login::new(LOGIN).with_bytes(1_200_000)).await;
    let aws = recovery.fixture.aws().clone();
    // Payloads, and outcomes with the requests that were put back for one.
    let stored = || {
        let is_undelivered = |key: &String| key.starts_with("undelivered/");
        let undelivered = aws.objects(PAYLOAD_BUCKET).into_keys().filter(is_undelivered).count();
        (recovery.on("AccountsDetailQueue").len() + undelivered, recovery.outcomes().len() + recovery.on(QUEUE).len())
    };
    for operation in [Operation::GetSecretValue, Operation::PutObject, Operation::SendMessage] {
        for fault in
            [Fault::Reject("AccessDenied", TAG), Fault::Throttle, Fault::Error, Fault::Reset, Fault::ResetAfter]
        {
            // The calls of one message: one read of the secret, two objects and one message.
            for nth in 1..=3 {
                let before = stored();
                aws.fault(operation, Calls::Nth(nth), fault);
                let is_done = recovery.is_done(&request()).await;
                aws.clear_faults();
                let after = stored();
                let is_stored = after.0 > before.0 && after.1 > before.1;
                assert!(!is_done || is_stored, "{operation:?} {fault:?} {nth}");
                // Only what is denied for good is left to Lambda.
                let is_for_good = matches!(fault, Fault::Reject(..));
                assert!(is_done || is_for_good, "{operation:?} {fault:?} {nth}");
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_leaves_the_message_and_then_all_is_well() {
    let mut recovery = Fetching::start(Login::new(LOGIN)).await;
    let aws = recovery.fixture.aws().clone();
    for text in ["not JSON", r#"{"secretKey":"fake"}"#] {
        aws.put_secret_value(SECRET_ID, text);
        assert!(!recovery.is_done(&request()).await, "{text}");
    }
    aws.put_secret_value(SECRET_ID, &secret(SECRET_KEY, API_KEY));
    aws.fault(Operation::GetSecretValue, Calls::All, Fault::Reject("AccessDeniedException", SECRET_KEY));
    assert!(!recovery.is_done(&request()).await);
    assert!(recovery.fixture.is_empty() && recovery.on(DEAD_LETTERS).is_empty());
    aws.clear_faults();
    assert!(recovery.is_done(&request()).await);
    assert_eq!(recovery.message().attributes["LoginId"].value, LOGIN);

    // Flinks denies the cached credentials, and the secret has new ones: these are tried at once.
    aws.put_secret_value(SECRET_ID, &secret(SECRET_KEY, API_KEY));
    recovery.flinks.fault(Call::Authorize, FlinksCalls::Next(1), FlinksFault::Code(401, "UNAUTHORIZED"));
    assert!(recovery.is_done(&request()).await);
    assert_eq!(recovery.on("AccountsDetailQueue").len(), 2);
    assert!(recovery.on(QUEUE).is_empty());

    // Wrong ones are read by a new instance.
    aws.put_secret_value(SECRET_ID, &secret("wrong", "wrong"));
    (recovery.runtime, recovery.process) = Fetching::program(&recovery.fixture, &recovery.flinks).await;
    let mut body = request();
    for _ in 0..4 {
        assert!(recovery.is_done(&body).await);
        assert!(recovery.on(DEAD_LETTERS).is_empty());
        body = recovery.on(QUEUE).last().unwrap().body.clone();
    }
    assert!(recovery.is_done(&body).await);
    assert_eq!(recovery.on(DEAD_LETTERS)[0].attributes["FlinksCode"].value, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_login_that_needs_its_user_is_a_dead_letter_with_its_code() {
    for (behaviour, code, outcome) in [
        (Behaviour::Refused(401, "INVALID_PASSWORD"), "INVALID_PASSWORD", "needs-user"),
        (Behaviour::Refused(401, "INVALID_LOGIN"), "INVALID_LOGIN", "gone"),
        (Behaviour::Refused(400, "METHOD_NOT_AVAILABLE"), "METHOD_NOT_AVAILABLE", "stopped"),
    ] {
        let recovery = Fetching::start(Login::new(LOGIN).behaves(behaviour)).await;
        assert!(recovery.is_done(&request()).await);
        let [dead_letter] = &recovery.on(DEAD_LETTERS)[..] else { panic!("there should be one dead letter") };
        assert_eq!(serde_json::from_str::<Value>(&dead_letter.body).unwrap(), json!({ "loginId": LOGIN, "tag": TAG }));
        let attributes = dead_letter.attributes.iter().map(|(name, value)| (name.as_str(), value.value.as_str()));
        assert_eq!(attributes.collect::<Vec<_>>(), [("FlinksCode", code), ("Outcome", outcome)]);
        let outcomes = recovery.outcomes();
        let (key, object) = outcomes.first_key_value().unwrap();
        assert!(key.starts_with(&format!("recovery/{LOGIN_SHA256}/")), "{key}");
        assert_eq!((&object["outcome"], &object["code"]), (&json!(outcome), &json!(code)));
        let log = recovery.log().await;
        assert_eq!((&log[0]["flinksCode"], &log[0]["outcome"]), (&json!(code), &json!(outcome)));
    }
}

#[tokio::test]
async fn a_message_that_is_not_a_request_is_a_dead_letter() {
    let recovery = Fetching::start(Login::new(LOGIN)).await;
    assert!(recovery.is_done(TAG).await);
    let [dead_letter] = &recovery.on(DEAD_LETTERS)[..] else { panic!("there should be one dead letter") };
    assert_eq!(
        (dead_letter.body.as_str(), dead_letter.attributes["RecoveryProblem"].value.as_str()),
        (TAG, "unreadable")
    );
    assert_eq!(recovery.log().await[0]["outcome"], "unreadable");
}

#[tokio::test]
async fn a_function_that_is_killed_while_flinks_responds_loses_nothing() {
    let mut recovery = Fetching::start(Login::new(LOGIN)).await;
    recovery.flinks.fault(Call::GetAccountsDetail, FlinksCalls::Next(1), FlinksFault::Hang);
    {
        let event = event(&request()).to_string();
        let invocation = recovery.runtime.invoke(event);
        let asked = async {
            while recovery.flinks.calls(Call::GetAccountsDetail) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = invocation => panic!("{outcome:?}"),
            () = asked => {}
        }
    }
    recovery.process.kill().await.unwrap();
    assert!(recovery.fixture.is_empty());
    // Without a response Lambda deletes nothing, and delivers the message again.
    (recovery.runtime, recovery.process) = Fetching::program(&recovery.fixture, &recovery.flinks).await;
    assert!(recovery.is_done(&request()).await);
    assert_eq!(recovery.message().attributes["LoginId"].value, LOGIN);
}

#[tokio::test]
async fn an_event_that_is_not_from_sqs_is_an_error_that_quotes_nothing() {
    let recovery = Fetching::start(Login::new(LOGIN)).await;
    for event in [json!({}), json!({ "Records": [{ "eventSource": "aws:s3", "s3": TAG }] }), json!(TAG)] {
        let Outcome::Error { error_message, .. } = recovery.invoke(&event).await else { panic!("{event}") };
        assert_eq!(error_message, "the event is not from an SQS queue", "{event}");
    }
    recovery.log().await;
}

/// The most memory that a process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// The functions have 512 MB and at least 256 MB. Lambda's own programs need some of it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_longest_payload_fits_into_the_memory_of_both_functions() {
    const LAMBDAS_OWN: u64 = 60_000_000;
    let recovery = Fetching::start(Login::new(LOGIN)).await;
    // As long as the API's client reads.
    const LONGEST: usize = 64 * 1024 * 1024;
    let mut body = br#"{"HttpStatusCode":200,"RequestId":"r","Title":""#.to_vec();
    body.resize(LONGEST - 2, b'x');
    body.extend_from_slice(b"\"}");
    let respond = FlinksFault::Respond(200, "application/json", body.into());
    recovery.flinks.fault(Call::GetAccountsDetail, FlinksCalls::All, respond);
    let aws = recovery.fixture.aws().clone();
    aws.fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert!(recovery.is_done(&request()).await);
    aws.clear_faults();
    let peak = peak_memory(&recovery.process);
    assert!(peak + LAMBDAS_OWN < 512_000_000, "{peak}");
    assert_eq!(recovery.outcomes().values().next().unwrap()["storedAs"], "undelivered");

    let runtime = RuntimeApi::start().await.unwrap();
    runtime.set_timeout(TIMEOUT);
    let mut command = Command::new(env!("CARGO_BIN_EXE_redelivery"));
    command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
    let process = command.envs(runtime.environment()).envs(recovery.fixture.stack.environment()).spawn().unwrap();
    let outcome = tokio::time::timeout(PATIENCE, runtime.invoke("{}")).await.unwrap();
    assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
    let peak = peak_memory(&process);
    assert!(peak + LAMBDAS_OWN < 256_000_000, "{peak}");
    let message = recovery.message();
    assert_eq!(message.attributes["SignatureForm"].value, "api");
    assert!(recovery.fixture.payload(&message).len() > LONGEST);
}

#[tokio::test]
async fn a_response_that_is_too_long_stops_the_request() {
    let recovery = Fetching::start(Login::new(LOGIN)).await;
    let body = vec![b' '; 64 * 1024 * 1024 + 1];
    let respond = FlinksFault::Respond(200, "application/json", body.into());
    recovery.flinks.fault(Call::GetAccountsDetail, FlinksCalls::All, respond);
    assert!(recovery.is_done(&request()).await);
    let [dead_letter] = &recovery.on(DEAD_LETTERS)[..] else { panic!("there should be one dead letter") };
    let attributes = dead_letter.attributes.iter().map(|(name, value)| (name.as_str(), value.value.as_str()));
    assert_eq!(attributes.collect::<Vec<_>>(), [("Outcome", "stopped"), ("RecoveryProblem", "too long")]);
}

/// The compiler ensures the rest: only a final response of the API's client becomes a recovered payload, and only a
/// recovered payload a message with the form `api`.
#[test]
fn only_the_recovery_names_the_api() {
    let mut folders = vec![std::path::PathBuf::from("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let may_name_it = ["src/recovery/", "src/recovered_payload.rs", "src/recovered_payload/"];
    for path in files {
        let (name, text) = (path.to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        let is_exempt = name.ends_with("tests.rs") || may_name_it.iter().any(|start| name.starts_with(start));
        assert!(is_exempt || !text.contains("flinks_api"), "{name}");
    }
}
