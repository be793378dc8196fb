//! The real binary as Lambda runs it: it polls the Lambda Runtime API, responds, and writes its log.

use std::{process::Stdio, time::Duration};

use flinks_dev::{
    samples,
    stack::{PAY_SIGNING_SECRET, PAYLOAD_BUCKET, SIGNING_SECRET, Stack},
};
use flinks_webhooks::{
    routing::Kind,
    telemetry::Metric,
    telemetry::metric::{FUNCTION_VERSION, NAMESPACE},
};
use local_aws::{Calls, Fault, Operation};
use local_lambda::{Outcome, RuntimeApi, gateway};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Far more than anything here takes. A process that hangs fails its test instead of blocking it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Function {
    stack: Stack,
    runtime: RuntimeApi,
    process: Child,
}

impl Function {
    async fn start() -> Self {
        Self::with_stack(Stack::start().await.unwrap()).await
    }

    async fn with_stack(stack: Stack) -> Self {
        Self::from_command(command(), stack).await
    }

    async fn from_command(command: Command, stack: Stack) -> Self {
        Self::with_variables(&[], command, stack).await
    }

    /// Starts the process with additional environment variables.
    async fn with_variables(variables: &[(&str, &str)], mut command: Command, stack: Stack) -> Self {
        let runtime = RuntimeApi::start().await.unwrap();
        command.envs(runtime.environment()).envs(stack.environment()).envs(variables.iter().copied());
        let process = command.spawn().unwrap();
        tokio::time::timeout(PATIENCE, runtime.first_poll()).await.unwrap();
        Self { stack, runtime, process }
    }

    /// Invokes the function with an event. Returns the status and body of its response.
    async fn invoke(&self, event: impl Into<Vec<u8>>) -> (u16, String) {
        match tokio::time::timeout(PATIENCE, self.runtime.invoke(event.into())).await.unwrap() {
            Outcome::Response(bytes) => {
                let response = gateway::response(&bytes).unwrap();
                assert_eq!(response.headers["content-type"], "application/json");
                (response.status, String::from_utf8(response.body).unwrap())
            }
            other => panic!("the function failed: {other:?}"),
        }
    }

    /// Ends the process and returns its log, line by line.
    async fn log(mut self) -> Vec<Value> {
        self.process.start_kill().unwrap();
        let output = self.process.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "the process writes only to its log");
        lines(&output.stdout)
    }
}

fn command() -> Command {
    program(env!("CARGO_BIN_EXE_flinks-webhooks"))
}

fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Parses a log: each line is one JSON object with a level and a time.
fn lines(log: &[u8]) -> Vec<Value> {
    let lines: Vec<Value> =
        str::from_utf8(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert!(["INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.len() >= 20 && timestamp.as_bytes()[10] == b'T' && timestamp.ends_with('Z'), "{line}");
    }
    lines
}

/// Everything from the samples that must not appear in a log: the values of their bodies and headers, and the secrets.
fn confidential() -> Vec<String> {
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
            Value::Object(members) => {
                // The response type names the queue, which may be logged.
                let may_be_logged = |name: &str| name == "ResponseType";
                members.iter().filter(|(name, _)| !may_be_logged(name)).for_each(|(_, value)| texts(value, found));
            }
            _ => {}
        }
    }
    let mut found = vec![SIGNING_SECRET.to_owned(), PAY_SIGNING_SECRET.to_owned(), "some other secret".to_owned()];
    for sample in samples::all() {
        if let Ok(body) = serde_json::from_slice::<Value>(&sample.body) {
            texts(&body, &mut found);
        }
        texts(&sample.event["headers"], &mut found);
    }
    // A log can contain shorter words for other reasons.
    found.retain(|text| text.len() > 4);
    found
}

#[tokio::test]
async fn every_sample_gets_its_response_its_queue_and_its_log_line() {
    let function = Function::start().await;
    let samples = samples::all();
    for sample in &samples {
        let (status, body) = function.invoke(sample.event.to_string()).await;
        assert_eq!(status, sample.expected.status(), "{}", sample.name);
        let expected = match status {
            200 => r#"{"status":"stored"}"#,
            400 => r#"{"error":"bad request"}"#,
            _ => r#"{"error":"unauthorized"}"#,
        };
        assert_eq!(body, expected, "{}", sample.name);
    }
    for kind in Kind::ALL {
        let expected = samples.iter().filter(|sample| sample.expected.kind() == Some(kind)).count();
        assert_eq!(function.stack.aws.messages(kind.queue()).len(), expected, "{kind:?}");
    }

    let log = function.log().await;
    assert_eq!(log.len(), samples.len(), "one log line per event");
    let secrets = confidential();
    for (line, sample) in log.iter().zip(&samples) {
        let name = sample.name;
        assert_eq!(line["queue"].as_str(), sample.expected.kind().map(Kind::queue), "{name}");
        assert!(!line["requestId"].as_str().unwrap().is_empty(), "{name}");
        let text = line.to_string();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{name}: the log has {secret:?}: {text}");
        }
        metrics(line);
    }
}

/// Checks a line against the embedded metric format and the list of metrics: every declared metric has a number in its
/// unit, every dimension a text. Returns the names of the metrics.
fn metrics(line: &Value) -> Vec<String> {
    let mut names = Vec::new();
    assert!(line["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000, "{line}");
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], NAMESPACE);
        for declared in directive["Metrics"].as_array().unwrap() {
            let name = declared["Name"].as_str().unwrap();
            let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name).unwrap();
            assert_eq!(declared["Unit"], metric.unit().as_str(), "{line}");
            let sets = [metric.dimensions(), metric.dimensions_by_version()];
            assert!(sets.iter().any(|sets| directive["Dimensions"] == json!(sets)), "{line}");
            let mut dimensions =
                directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap());
            assert!(dimensions.all(|dimension| line[dimension.as_str().unwrap()].is_string()), "{name}: {line}");
            assert!(line[name].is_number(), "{name}: {line}");
            names.push(name.to_owned());
        }
    }
    names
}

#[tokio::test]
async fn a_log_line_counts_what_happened() {
    let function = Function::start().await;
    let samples = samples::all();
    let sample = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap().event.to_string();
    for name in ["kyc", "illegal-character", "forged", "not-http"] {
        function.invoke(sample(name)).await;
    }
    function.stack.aws.fault(
        Operation::SendMessage,
        Calls::All,
        Fault::Reject("AccessDenied", "quoting Zoé Lefrançois"),
    );
    assert_eq!(function.invoke(sample("kyc")).await.0, 200);
    assert_eq!(function.stack.aws.objects(PAYLOAD_BUCKET).len(), 2);
    let log = function.log().await;
    let has = |line: usize, name: &str| metrics(&log[line]).iter().any(|metric| metric == name);

    assert!(
        has(0, "Received")
            && has(0, "StoredInline")
            && has(0, "SignedRaw")
            && has(0, "Stored")
            && has(0, "TotalTime")
            && has(0, "KeyAge")
    );
    assert_eq!(
        (&log[0]["level"], &log[0]["Kind"], &log[0]["BodyBytes"]),
        (&"INFO".into(), &"kyc".into(), &samples[0].body.len().into())
    );
    assert!(has(1, "StoredClaimCheck"));
    assert!(has(2, "Rejected") && has(2, "KeyRefreshes") && !has(2, "Stored"));
    assert_eq!((&log[2]["level"], &log[2]["Reason"]), (&"INFO".into(), &"signature-wrong".into()));
    assert_eq!(log[3]["Reason"], "not-http");
    assert!(has(4, "StoredUndelivered"));
    assert_eq!((&log[4]["level"], &log[4]["awsFailures"][0]["code"]), (&"ERROR".into(), &"AccessDenied".into()));
    assert!(!log[4].to_string().contains("quoting"), "{}", log[4]);
}

/// The metrics of a line that are published by function version.
fn by_version(line: &Value) -> Vec<&str> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter();
    let of_version = |directive: &&Value| directive["Dimensions"].to_string().contains(FUNCTION_VERSION);
    let metrics = directives.filter(of_version).flat_map(|directive| directive["Metrics"].as_array().unwrap());
    metrics.map(|metric| metric["Name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_metrics_that_roll_a_deploy_back_are_published_by_version() {
    let stack = Stack::start().await.unwrap();
    let function = Function::with_variables(&[("AWS_LAMBDA_FUNCTION_VERSION", "7")], command(), stack).await;
    let (kyc, forged) = (samples::all().remove(0), samples::all().into_iter().find(|sample| sample.name == "forged"));
    assert_eq!(function.invoke(kyc.event.to_string()).await.0, 200);
    assert_eq!(function.invoke(forged.unwrap().event.to_string()).await.0, 401);
    function.stack.aws.fault(Operation::SendMessage, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(function.invoke(kyc.event.to_string()).await.0, 200);
    function.stack.aws.fault(Operation::PutObject, Calls::All, Fault::Reject("AccessDenied", "no"));
    assert_eq!(function.invoke(kyc.event.to_string()).await.0, 503);
    let log = function.log().await;
    for (line, expected) in log.iter().zip([&[][..], &[], &["StoredUndelivered"], &["Rejected"]]) {
        assert_eq!(line[FUNCTION_VERSION], "7", "{line}");
        assert_eq!(by_version(line), expected, "{line}");
        metrics(line);
    }
}

#[tokio::test]
async fn a_deployment_check_event_gets_the_usual_response_and_counts_in_no_metric() {
    let function = Function::start().await;
    let samples = samples::all();
    let event = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap().event.clone();
    for (name, status) in [("forged", 401), ("kyc", 200)] {
        let mut event = event(name);
        event["requestContext"]["authorizer"] = json!({ "lambda": { "deploymentCheck": true } });
        assert_eq!(function.invoke(event.to_string()).await.0, status, "{name}");
    }
    // A sender can write headers, query and body. None of them marks an event, and neither does any other value of the
    // authorizer.
    let marker = json!({ "requestContext": { "authorizer": { "lambda": { "deploymentCheck": true } } } });
    let mut sent = event("forged");
    sent["body"] = marker.to_string().into();
    sent["headers"]["deploymentcheck"] = "true".into();
    sent["headers"]["requestcontext"] = marker.to_string().into();
    sent["queryStringParameters"] = json!({ "deploymentCheck": "true", "requestContext": marker.to_string() });
    for authorizer in [json!(null), json!({ "lambda": null }), json!({ "lambda": { "deploymentCheck": "true" } })] {
        sent["requestContext"]["authorizer"] = authorizer;
        assert_eq!(function.invoke(sent.to_string()).await.0, 401);
    }
    let log = function.log().await;
    for line in &log[..2] {
        assert!(line.get("_aws").is_none() && line["deploymentCheck"] == true, "{line}");
        assert!(line[FUNCTION_VERSION].is_string(), "{line}");
    }
    for line in &log[2..] {
        assert!(metrics(line).contains(&"Rejected".to_owned()) && line.get("deploymentCheck").is_none(), "{line}");
    }
}

#[tokio::test]
async fn hostile_events_get_a_response_and_the_process_lives_on() {
    let function = Function::start().await;
    for event in [
        &b""[..],
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"body\":",
        b"{\"headers\":{\"flinks-authenticity-key\":5}}",
        b"{\"body\":[1,2],\"headers\":{}}",
        b"{\"isBase64Encoded\":true,\"body\":\"\xff\"}",
        b"{\"headers\":{\"flinks-authenticity-key\":\"\\ud800\"}}",
        b"{\"requestContext\":{}}",
    ] {
        assert_eq!(function.invoke(event).await, (400, r#"{"error":"bad request"}"#.to_owned()), "{event:?}");
    }
    let kyc = samples::all().remove(0);
    assert_eq!(function.invoke(kyc.event.to_string()).await.0, 200);
    assert_eq!(function.log().await.len(), 11);
}

#[tokio::test]
async fn without_secrets_it_starts_logs_an_error_and_responds_503() {
    let stack = Stack::start().await.unwrap();
    stack.aws.fault(Operation::GetSecretValue, Calls::All, Fault::Reject("AccessDeniedException", "no"));
    let function = Function::with_stack(stack).await;
    let kyc = samples::all().remove(0);
    assert_eq!(function.invoke(kyc.event.to_string()).await, (503, r#"{"error":"unavailable"}"#.to_owned()));
    function.stack.aws.clear_faults();
    assert_eq!(function.invoke(kyc.event.to_string()).await.0, 200);
    let log = function.log().await;
    assert_eq!(log[0]["level"], "ERROR");
    assert_eq!(log[0]["awsFailures"][0]["code"], "AccessDeniedException");
    assert_eq!(log[1]["Reason"], "no-keys");
}

#[tokio::test]
async fn a_wrong_configuration_stops_the_start_and_names_each_variable() {
    let output = command().env("KYC_QUEUE_URL", "a secret that landed here").output().await.unwrap();
    assert!(!output.status.success());
    let log = lines(&output.stdout);
    let variables: Vec<_> = log.iter().map(|line| line["variable"].as_str().unwrap()).collect();
    for variable in ["SIGNING_SECRET_ID", "KYC_QUEUE_URL", "PAYLOAD_BUCKET", "AWS_REGION", "AWS_LAMBDA_RUNTIME_API"] {
        assert!(variables.contains(&variable), "{variable}: {variables:?}");
    }
    assert!(!String::from_utf8(output.stdout).unwrap().contains("landed here"));
}

#[tokio::test]
async fn a_mapping_of_a_built_in_response_type_is_ignored_and_logged_once() {
    let variables = [("RESPONSE_TYPE_QUEUES", "KYC=PayQueue,GetStatements=AccountsDetailQueue")];
    let function = Function::with_variables(&variables, command(), Stack::start().await.unwrap()).await;
    let kyc = samples::all().remove(0);
    for _ in 0..2 {
        assert_eq!(function.invoke(kyc.event.to_string()).await.0, 200);
    }
    assert_eq!(function.stack.aws.messages("KycQueue").len(), 2);
    assert!(function.stack.aws.messages("PayQueue").is_empty());
    let log = function.log().await;
    assert_eq!(log.len(), 3);
    assert_eq!((&log[0]["level"], &log[0]["variable"]), (&"WARN".into(), &"RESPONSE_TYPE_QUEUES".into()));
    assert_eq!(log[0]["responseTypes"], json!(["KYC"]));
}

#[tokio::test]
async fn without_the_runtime_api_the_process_ends_and_logs_why() {
    let Function { stack: _stack, runtime, process } = Function::start().await;
    drop(runtime);
    let output = tokio::time::timeout(PATIENCE, process.wait_with_output()).await.unwrap().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let log = lines(&output.stdout);
    assert_eq!(log.last().unwrap()["message"], "stopped: lost the connection to the Lambda Runtime API");
}

#[tokio::test]
async fn a_sampled_trace_continues_on_the_message_whatever_its_size() {
    let trace_headers = |function: &Function| -> Vec<Option<String>> {
        let messages = Kind::ALL.into_iter().flat_map(|kind| function.stack.aws.messages(kind.queue()));
        messages.map(|message| message.trace_header).collect()
    };
    let function = Function::start().await;
    let samples = samples::all();
    let post = async |name: &str| {
        let sample = samples.iter().find(|sample| sample.name == name).unwrap();
        assert_eq!(function.invoke(sample.event.to_string()).await.0, 200);
    };
    post("kyc").await;
    post("claim-check").await;
    assert_eq!(trace_headers(&function), [None, None]);

    function.runtime.sample_traces();
    post("pay").await;
    post("not-utf8").await;
    let headers: Vec<_> = trace_headers(&function).into_iter().flatten().collect();
    assert_eq!(headers.len(), 2);
    for header in headers {
        assert!(header.starts_with("Root=1-") && header.ends_with(";Sampled=1"), "{header}");
    }
}

#[tokio::test]
async fn the_redelivery_sends_undelivered_payloads_and_logs_them() {
    let receiver = Function::start().await;
    receiver.stack.aws.fault(Operation::SendMessage, Calls::All, Fault::Error);
    let kyc = samples::all().remove(0);
    receiver.runtime.sample_traces();
    assert_eq!(receiver.invoke(kyc.event.to_string()).await.0, 200);
    receiver.stack.aws.clear_faults();

    let redelivery = Function::from_command(program(env!("CARGO_BIN_EXE_redelivery")), receiver.stack).await;
    let Outcome::Response(summary) = redelivery.runtime.invoke(b"{\"source\":\"aws.events\"}".to_vec()).await else {
        panic!("the redelivery failed");
    };
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!((&summary["found"], &summary["sent"], &summary["left"]), (&json!(1), &json!(1), &json!(0)));
    let message = &redelivery.stack.aws.messages("KycQueue")[0];
    assert_eq!(message.body.as_bytes(), kyc.body);
    assert_eq!(message.trace_header, None);
    assert!(redelivery.stack.aws.objects(PAYLOAD_BUCKET).is_empty());

    // Without a listing the run does not know what waits. The invocation fails, so that Lambda counts an error.
    redelivery.stack.aws.fault(Operation::ListObjectsV2, Calls::All, Fault::Reject("AccessDenied", "quoting Zoé"));
    let failed = redelivery.runtime.invoke(b"{}".to_vec()).await;
    assert!(matches!(failed, Outcome::Error { .. }), "{failed:?}");

    let log = redelivery.log().await;
    let measured = ["Redelivered", "RedeliveredBytes", "RedeliveryFailures", "Undelivered", "UndeliveredAge"];
    assert_eq!(metrics(&log[0]), measured);
    assert_eq!((&log[0]["level"], &log[1]["level"]), (&"INFO".into(), &"ERROR".into()));
    let text = format!("{log:?}");
    assert!(!confidential().iter().any(|secret| text.contains(secret.as_str())), "{text}");
    assert!(!text.contains("quoting"), "{text}");
}
