//! `cargo dev up` as users run it: a process with its output, callbacks over HTTP, and the queues through the SDK.

#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure in a helper fails its test, but clippy allows this only in test functions"
)]

mod running;

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

use flinks_dev::{
    sign,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET},
};
use futures_util::{StreamExt, stream};
use running::{AGGREGATION, JSON, PAY, Up};
use serde_json::{Value, json};

const KYC: &str = r#"{"ResponseType":"KYC","Tag":"user-7","Login":{"Id":"l"},"Holders":[{"Name":"Zoé"}]}"#;

#[tokio::test]
async fn a_signed_callback_is_printed_and_arrives_on_its_queue_with_its_attributes() {
    let mut up = Up::start().await;
    let (status, body) = up.post_signed(KYC).await;
    assert_eq!((status, body.as_str()), (200, r#"{"status":"stored"}"#));

    let line = up.line().await;
    for (name, expected) in [
        ("event", json!("callback")),
        ("status", json!(200)),
        ("kind", json!("kyc")),
        ("queue", json!("KycQueue")),
        ("storedAs", json!("inline")),
        ("bytes", json!(KYC.len())),
        ("signatureForm", json!("raw")),
        ("reason", Value::Null),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }

    let messages = up.receive("KycQueue").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body(), Some(KYC));
    let attributes = messages[0].message_attributes().unwrap();
    assert_eq!(attributes["Tag"].string_value(), Some("user-7"));
    assert_eq!(attributes["DeliveryId"].string_value(), line["deliveryId"].as_str());
    up.end("-INT").await;
}

#[tokio::test]
async fn a_rejected_callback_is_printed_with_the_reason_and_is_on_no_queue() {
    let mut up = Up::start().await;
    let forged = sign::aggregation(KYC.as_bytes(), "another secret");
    let correct = sign::aggregation(KYC.as_bytes(), SIGNING_SECRET);
    for (headers, reason) in [
        (vec![(AGGREGATION, forged.as_str())], "signature-wrong"),
        (vec![], "signature-missing"),
        (vec![(AGGREGATION, "no signature")], "signature-malformed"),
        (vec![(AGGREGATION, correct.as_str()), (AGGREGATION, forged.as_str())], "signature-malformed"),
    ] {
        let (status, body) = up.post(&headers, KYC).await;
        assert_eq!((status, body.as_str()), (401, r#"{"error":"unauthorized"}"#));
        let line = up.line().await;
        assert_eq!((&line["reason"], &line["queue"]), (&json!(reason), &Value::Null));
        assert!(!line["explanation"].as_str().unwrap().is_empty());
    }
    assert!(up.receive("KycQueue").await.is_empty());
}

#[tokio::test]
async fn each_scheme_and_each_encoding_is_accepted() {
    let mut up = Up::start().await;
    let session = r#"{"sessionId":"s","status":"Completed"}"#;
    let pay = sign::pay(session.as_bytes(), PAY_SIGNING_SECRET);
    assert_eq!(up.post(&[JSON, (PAY, &pay)], session).await.0, 200);
    assert_eq!(up.line().await["signatureForm"], "pay");

    let ascii = sign::ascii(KYC, SIGNING_SECRET);
    assert_eq!(up.post(&[JSON, (AGGREGATION, &ascii)], KYC).await.0, 200);
    assert_eq!(up.line().await["signatureForm"], "ascii");

    // Without a content type, API Gateway encodes the body as base64.
    let raw = sign::aggregation(KYC.as_bytes(), SIGNING_SECRET);
    assert_eq!(up.post(&[(AGGREGATION, &raw)], KYC).await.0, 200);
    assert_eq!(up.line().await["signatureForm"], "raw");

    assert_eq!(up.receive("PayQueue").await[0].body(), Some(session));
    assert_eq!(up.receive("KycQueue").await.len(), 2);
}

#[tokio::test]
async fn only_a_post_to_the_route_is_found() {
    let up = Up::start().await;
    for (method, path) in
        [("GET", "/webhooks/flinks"), ("PUT", "/webhooks/flinks"), ("POST", "/webhooks/flinks/"), ("POST", "/")]
    {
        let (status, body) = up.request(method, path, &[], "").await;
        assert_eq!((status, body.as_str()), (404, r#"{"message":"Not Found"}"#), "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_too_large_for_api_gateway_or_lambda_gets_a_413_and_is_printed() {
    let mut up = Up::start().await;
    // Five million bytes exceed an event's limit as base64, but not as text.
    let five_million = "a".repeat(5_000_000);
    let signature = sign::aggregation(five_million.as_bytes(), SIGNING_SECRET);
    assert_eq!(up.post(&[(AGGREGATION, &signature)], &five_million).await.0, 413);
    assert_eq!(up.line().await["reason"], "event-too-large");
    assert_eq!(up.post(&[JSON, (AGGREGATION, &signature)], &five_million).await.0, 200);
    assert_eq!(up.line().await["storedAs"], "claim-check");

    let too_large = "a".repeat(10 * 1024 * 1024 + 1);
    assert_eq!(up.post(&[JSON, (AGGREGATION, "x")], &too_large).await.0, 413);
    let line = up.line().await;
    assert_eq!((&line["reason"], &line["bytes"]), (&json!("body-too-large"), &json!(too_large.len())));
}

#[tokio::test]
async fn the_first_object_has_all_addresses() {
    let up = Up::start().await;
    let started = &up.started;
    assert_eq!(started["webhook"], format!("http://127.0.0.1:{}/webhooks/flinks", up.port()));
    assert_eq!(started["inspector"], format!("http://127.0.0.1:{}/", up.port()));
    let endpoint = started["environment"]["AWS_ENDPOINT_URL"].as_str().unwrap();
    let queues: BTreeMap<String, String> = serde_json::from_value(started["queues"].clone()).unwrap();
    assert_eq!(queues.len(), 6);
    for (name, url) in queues {
        assert_eq!(url, format!("{endpoint}/000000000000/{name}"));
    }
}

#[tokio::test]
async fn without_json_the_output_is_text_with_the_same_content() {
    let mut up = Up::start_with(&[]).await;
    up.post_signed(KYC).await;
    let text = up.end("-TERM").await;
    for expected in [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:",
        "/000000000000/KycQueue",
        "sam local invoke",
        "--aws-listen 0.0.0.0:4566",
        "200  kyc",
        "Stopped after 1 callback: 1 stored, 0 rejected.",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
}

#[tokio::test]
async fn on_all_interfaces_it_prints_addresses_that_a_program_can_connect_to() {
    let mut up = Up::start_with(&["--json", "--aws-listen", "0.0.0.0:0"]).await;
    assert_eq!(up.post_signed(KYC).await.0, 200);
    assert!(up.started["queues"]["KycQueue"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    up.line().await;
    assert_eq!(up.receive("KycQueue").await.len(), 1);
}

#[tokio::test]
async fn ctrl_c_ends_it_with_exit_code_0_even_if_a_page_is_open() {
    let mut up = Up::start().await;
    let (mut connection, first) = up.watch().await;
    assert!(first.contains("event: start"), "{first}");
    let last = up.end("-INT").await;
    assert_eq!(last.trim(), r#"{"event":"stopped","totals":{"received":0,"rejected":0,"stored":0}}"#);
    running::until_closed(&mut connection).await;
}

#[tokio::test]
async fn a_taken_port_gives_one_line_and_exit_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    for arguments in [
        ["--port", port.as_str(), "--aws-listen", "127.0.0.1:0"],
        ["--port", "0", "--aws-listen", &address.to_string()],
    ] {
        let (code, error) = running::fails(&arguments).await;
        assert_eq!(code, Some(2));
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with(&format!("error: {address} is taken: ")), "{error}");
    }
}

#[tokio::test]
async fn it_listens_on_both_loopbacks() {
    if !has_ipv6() {
        return;
    }
    for aws_listen in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let mut up = Up::start_with(&["--json", "--aws-listen", aws_listen]).await;
        let aws = up.aws_port();
        for (i, host) in ["127.0.0.1", "[::1]"].iter().enumerate() {
            let url = format!("http://{host}:{}", up.port());
            let signature = sign::aggregation(KYC.as_bytes(), SIGNING_SECRET);
            let headers = [JSON, (AGGREGATION, signature.as_str())];
            let webhook = format!("{url}/webhooks/flinks");
            assert_eq!(running::post(&up.client(), &webhook, &headers, KYC.to_owned()).await.0, 200, "{url}");
            assert_eq!(up.line().await["number"], i + 1, "both addresses reach the same receiver");
            assert_eq!(running::request(&up.client(), "GET", &url, &[], String::new()).await.0, 200, "{url}");
            let aws = format!("http://{host}:{aws}");
            let (status, queues) = running::post(&up.client(), &aws, &[LIST_QUEUES], "{}".to_owned()).await;
            assert!(status == 200 && queues.contains("KycQueue"), "{aws_listen} {host}: {queues}");
        }
        assert_eq!(up.receive("KycQueue").await.len(), 2);
        up.end("-INT").await;
    }
}

#[tokio::test]
async fn a_port_taken_on_the_other_loopback_gives_one_line_and_exit_code_2() {
    if !has_ipv6() {
        return;
    }
    let (_taken, address) = loop {
        let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
        let address = taken.local_addr().unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", address.port())).is_ok() {
            break (taken, address);
        }
    };
    let port = address.port().to_string();
    for arguments in [
        ["--port", port.as_str(), "--aws-listen", "127.0.0.1:0"],
        ["--port", "0", "--aws-listen", &format!("127.0.0.1:{port}")],
    ] {
        let (code, error) = running::fails(&arguments).await;
        assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.starts_with(&format!("error: {address} is taken: ")), "{error}");
    }
}

#[tokio::test]
async fn the_local_aws_accepts_only_host_names_that_a_website_cannot_point_to_this_machine() {
    let up = Up::start_with(&["--json", "--aws-allow-host", "machine.example", "--aws-allow-host", "Other"]).await;
    let port = up.aws_port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        // The function in a container of `sam local` uses this name.
        (format!("host.docker.internal:{port}"), 200),
        (format!("172.17.0.1:{port}"), 200),
        (format!("machine.example:{port}"), 200),
        ("other".to_owned(), 200),
        (format!("page.example:{port}"), 403),
        (format!("page.machine.example:{port}"), 403),
    ] {
        let response = up.aws_request(&[("Host", &host), LIST_QUEUES]).await;
        assert_eq!(response.0, status, "{host}: {}", response.1);
    }
}

#[tokio::test]
async fn only_a_host_name_can_be_allowed() {
    for name in ["http://machine.example", "machine.example:4566", "*"] {
        let (code, error) =
            running::fails(&["--port", "0", "--aws-listen", "127.0.0.1:0", "--aws-allow-host", name]).await;
        assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains(&format!("--aws-allow-host {name}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_tunnel_reaches_only_the_webhook() {
    let mut up = Up::start().await;
    up.post_signed(KYC).await;
    up.line().await;
    let host = format!("127.0.0.1:{}", up.port());
    for (name, value) in [
        ("Forwarded", "for=192.0.2.1;host=receiver.example"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Host", "receiver.example"),
        ("x-forwarded-proto", "https"),
        ("X-Forwarded-Whatever", ""),
    ] {
        for path in
            ["/", "/inspector/inspector.js", "/inspector/live", "/inspector/search?text=a", "/inspector/callbacks/1"]
        {
            let (status, body) = up.request("GET", path, &[("Host", &host), (name, value)], "").await;
            assert!(status == 403 && !body.contains("Zoé"), "{name} {path}: {status} {body}");
        }
        let origin = format!("http://{host}");
        let page = [("Host", host.as_str()), ("Origin", &origin), (name, value)];
        assert_eq!(up.request("POST", "/inspector/samples/kyc", &page, "").await.0, 403, "{name}");
        assert_eq!(up.aws_request(&[LIST_QUEUES, (name, value)]).await.0, 403, "{name}");

        let signature = sign::aggregation(KYC.as_bytes(), SIGNING_SECRET);
        let callback = [JSON, (AGGREGATION, signature.as_str()), ("Host", "receiver.example"), (name, value)];
        assert_eq!(up.post(&callback, KYC).await.0, 200, "{name}");
        up.line().await;
    }
}

/// Runs the first printed commands for a login, without the poll after a 202. Returns the data. `None` if this machine
/// has no curl.
async fn fetch(up: &Up, login_id: &str) -> Option<Value> {
    let commands: Vec<String> = serde_json::from_value(up.started["flinks"]["commands"].clone()).unwrap();
    let script = commands[..4].join("\n").replace(ACCOUNTS_LOGIN, login_id);
    let output = tokio::process::Command::new("sh").args(["-c", &script]).output().await.unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("curl: not found") {
        let _ = writeln!(std::io::stderr(), "skipped: this machine has no curl");
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The login of the sample accounts-detail.
const ACCOUNTS_LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";

fn accounts_detail(login_id: &str, bytes: usize) -> String {
    json!({
        "ResponseType": "GetAccountsDetail", "HttpStatusCode": 200, "Accounts": [], "Padding": "x".repeat(bytes),
        "Login": { "Id": login_id, "LastRefresh": "2026-10-01T17:57:16.4111654" }, "RequestId": "r-1",
    })
    .to_string()
}

#[tokio::test]
async fn the_printed_commands_fetch_the_data_of_a_sample_from_the_local_flinks() {
    let up = Up::start_with(&["--json", "--flinks", "--flinks-port", "0"]).await;
    let samples = flinks_dev::samples::all();
    let sample = samples.iter().find(|sample| sample.name == "accounts-detail").unwrap();
    let Some(mut data) = fetch(&up, ACCOUNTS_LOGIN).await else { return };
    let mut sent: Value = serde_json::from_slice(&sample.body).unwrap();
    assert_ne!(data["RequestId"], sent["RequestId"]);
    sent.as_object_mut().unwrap().remove("ResponseType");
    data["RequestId"] = sent["RequestId"].clone();
    assert_eq!(data, sent);
}

#[tokio::test]
async fn the_local_flinks_has_the_data_of_each_callback_that_was_posted_however_large() {
    let mut up = Up::start_with(&["--json", "--flinks", "--flinks-port", "0"]).await;
    for (login_id, bytes, status) in [("small", 10, 200), ("large", 7_000_000, 413), ("huge", 11_000_000, 413)] {
        let body = accounts_detail(login_id, bytes);
        assert_eq!(up.post_signed(&body).await.0, status, "{login_id}");
        up.line().await;
        let Some(data) = fetch(&up, login_id).await else { return };
        assert_eq!(data["Login"]["Id"], login_id);
        assert_eq!(data["Padding"].as_str().unwrap().len(), bytes);
    }
    let body = accounts_detail("forged", 10);
    let signature = sign::aggregation(body.as_bytes(), "another secret");
    assert_eq!(up.post(&[JSON, (AGGREGATION, &signature)], &body).await.0, 401);
    // There is no RequestId, so the last call is rejected too.
    let Some(data) = fetch(&up, "forged").await else { return };
    assert_ne!(data["HttpStatusCode"], 200);
}

#[tokio::test]
async fn the_local_flinks_and_the_queue_of_recoveries_are_there_only_if_asked_for() {
    let without = Up::start().await;
    assert_eq!((&without.started["flinks"], &without.started["recoveryQueue"]), (&Value::Null, &Value::Null));
    let (_, queues) = without.aws_request(&[LIST_QUEUES]).await;
    assert!(!queues.contains("RecoveryQueue"), "{queues}");

    let with = Up::start_with(&["--json", "--flinks", "--flinks-port", "0"]).await;
    let (_, queues) = with.aws_request(&[LIST_QUEUES]).await;
    for name in ["RecoveryQueue", "RecoveryDeadLetterQueue"] {
        assert!(queues.contains(&format!("/{name}\"")), "{queues}");
    }
    assert!(with.started["recoveryQueue"].as_str().unwrap().ends_with("/000000000000/RecoveryQueue"));
    let secret = [("X-Amz-Target", "secretsmanager.GetSecretValue")];
    let endpoint = with.started["environment"]["AWS_ENDPOINT_URL"].as_str().unwrap();
    let asked = json!({ "SecretId": "flinks/api-credentials" }).to_string();
    let (_, secret) = running::post(&with.client(), endpoint, &secret, asked).await;
    let secret: Value = serde_json::from_str(&secret).unwrap();
    let value: Value = serde_json::from_str(secret["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!(value["apiKey"], with.started["flinks"]["apiKey"]);
    assert_eq!(value["secretKey"], with.started["flinks"]["secretKey"]);
}

#[tokio::test]
async fn the_text_of_up_with_flinks_has_the_logins_and_the_commands() {
    let mut up = Up::start_with(&["--flinks", "--flinks-port", "0"]).await;
    up.post_signed(KYC).await;
    let text = up.end("-TERM").await;
    for expected in [ACCOUNTS_LOGIN, "greatday", "/GenerateAuthorizeToken", "/RecoveryQueue", "docs/recovery.md"] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[tokio::test]
async fn the_port_of_flinks_needs_flinks() {
    let (code, error) = running::fails(&["--port", "0", "--flinks-port", "1"]).await;
    assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
}

const LIST_QUEUES: (&str, &str) = ("X-Amz-Target", "AmazonSQS.ListQueues");

/// Whether this machine has an IPv6 loopback. Without one, the tests of both loopbacks are skipped.
fn has_ipv6() -> bool {
    let bound = std::net::TcpListener::bind("[::1]:0");
    if let Err(error) = &bound {
        let _ = writeln!(std::io::stderr(), "skipped: this machine has no ::1 ({error})");
    }
    bound.is_ok()
}

#[tokio::test]
async fn hundreds_of_concurrent_callbacks_are_each_stored_once() {
    full_speed(400).await;
}

#[tokio::test]
#[ignore = "takes up to a minute; prints its measurements"]
async fn ten_thousand_callbacks_at_full_speed_are_each_stored_once() {
    full_speed(10_000).await;
}

async fn full_speed(callbacks: usize) {
    const CONCURRENCY: usize = 50;
    let mut up = Up::start().await;
    let mut output = up.lines();
    let started = Instant::now();
    let (client, url) = (up.client(), up.webhook());
    let responses = stream::iter(0..callbacks).map(|i| {
        let body = format!(r#"{{"ResponseType":"Investments","Tag":"{i}","Padding":"{}"}}"#, "x".repeat(1500));
        let signature = sign::aggregation(body.as_bytes(), SIGNING_SECRET);
        let (client, url) = (&client, &url);
        async move { running::post(client, url, &[JSON, (AGGREGATION, &signature)], body).await }
    });
    let statuses: Vec<u16> = responses.buffer_unordered(CONCURRENCY).map(|(status, _)| status).collect().await;
    let took = started.elapsed();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), callbacks);
    assert_eq!(up.depth("InvestmentsQueue").await, callbacks);
    for _ in 0..callbacks {
        let line = tokio::time::timeout(Duration::from_secs(60), output.recv()).await.unwrap().unwrap();
        assert_eq!(line["status"], 200);
    }
    let rate = callbacks as f64 / took.as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{callbacks} callbacks, {CONCURRENCY} at once: {took:?}, {rate:.0} a second");
}
