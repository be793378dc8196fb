//! `cargo dev send` as a process.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use axum::Router;
use flinks_dev::{
    payload::{Options, PayloadKind, generate, generator},
    sign,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET},
};
use flinks_webhooks::routing::Kind;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Deployed, Ended, Scripted, cargo_dev, raw_server, resetting_server, send, serve};

/// Shortens the 30 minutes to 1.8 milliseconds.
const FAST: &str = "--retry --clock-speed 1000000";

#[tokio::test]
async fn a_callback_is_retried_unchanged_until_it_gets_a_200() {
    let server = Scripted::start(&[500, 401, 429, 200]).await;
    let ended = send(&format!("kyc --to {} {FAST}", server.url)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let received = server.received();
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|attempt| attempt == &received[0]));
    let report = ended.report();
    assert_eq!((&report["delivered"], &report["attempts"]), (&json!(1), &json!(4)));
}

#[tokio::test]
async fn a_callback_is_given_up_after_ten_attempts() {
    let server = Scripted::start(&[503]).await;
    let ended = send(&format!("accounts-detail --count 3 --to {} {FAST}", server.url)).await;
    assert_eq!((ended.code, server.received().len()), (Some(1), 30));
    assert_eq!(ended.report()["notDelivered"], 3);
}

#[tokio::test]
async fn a_pay_callback_is_sent_only_once() {
    let server = Scripted::start(&[503, 200]).await;
    let ended = send(&format!("pay --to {} {FAST}", server.url)).await;
    assert_eq!((ended.code, server.received().len()), (Some(1), 1));
}

#[tokio::test]
async fn without_retry_there_is_one_attempt() {
    let server = Scripted::start(&[503, 200]).await;
    let ended = send(&format!("kyc --count 2 --to {}", server.url)).await;
    assert_eq!((ended.code, server.received().len()), (Some(1), 2));
    assert_eq!(ended.report()["delivered"], 1);
}

#[tokio::test]
async fn a_202_is_a_failure() {
    let server = Scripted::start(&[202]).await;
    let ended = send(&format!("kyc --to {}", server.url)).await;
    assert_eq!((ended.code, &ended.report()["delivered"]), (Some(1), &json!(0)));
    assert_eq!(ended.report()["responses"], json!([{ "status": 202, "count": 1, "example": "" }]));
    assert!(ended.stderr.contains("1 of 1 not delivered"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Scripted::start(&[307]).await;
    let ended = send(&format!("kyc --to {}", server.url)).await;
    assert_eq!((ended.code, server.received().len()), (Some(1), 1));
}

#[tokio::test]
async fn a_thousand_payloads_arrive_byte_for_byte_on_their_queue() {
    const COUNT: u64 = 1000;
    let deployed = Deployed::start().await;
    let ended = send(&format!("kyc --count {COUNT} --concurrency 100 --seed 9 --to {}", deployed.serve().await)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(deployed.depths(), [1000, 0, 0, 0, 0, 0]);
    let stored: BTreeSet<_> = deployed.stored(Kind::Kyc).into_iter().collect();
    let generated =
        (0..COUNT).map(|index| generate(PayloadKind::Kyc, &Options::default(), &mut generator(9, index)).into());
    assert_eq!(stored, generated.collect::<BTreeSet<_>>());
    let report = ended.report();
    assert_eq!(report["responses"][0]["count"], COUNT);
    assert!(report["latencyMs"]["p99"].as_f64() >= report["latencyMs"]["p50"].as_f64());
}

#[tokio::test]
async fn the_receiver_accepts_the_signature_of_each_kind() {
    let deployed = Deployed::start().await;
    let url = deployed.serve().await;
    for kind in ["kyc", "accounts-detail", "investments", "pay", "upload-fraud", "unknown"] {
        let ended = send(&format!("{kind} --to {url}")).await;
        assert_eq!(ended.code, Some(0), "{kind}: {}", ended.stderr);
    }
    assert_eq!(deployed.depths(), [1; 6]);
}

#[tokio::test]
async fn the_receiver_accepts_the_ascii_encoding_and_the_other_scheme() {
    let deployed = Deployed::start().await;
    let url = deployed.serve().await;
    for options in ["--form ascii --seed 1", "--scheme pay"] {
        assert_eq!(send(&format!("kyc {options} --to {url}")).await.code, Some(0), "{options}");
    }
    let form = |queue| deployed.stack.aws.messages(queue)[0].attributes["SignatureForm"].value.clone();
    assert_eq!([form("KycQueue"), form("PayQueue")], ["ascii", "pay"]);
}

#[tokio::test]
async fn the_exit_code_is_0_if_every_forgery_is_rejected() {
    let deployed = Deployed::start().await;
    let url = deployed.serve().await;
    for kind in ["kyc", "kyc --form ascii", "pay", "kyc --count 5"] {
        let ended = send(&format!("{kind} --tamper --to {url}")).await;
        assert_eq!(ended.code, Some(0), "{kind}: {}", ended.stderr);
        let report = ended.report();
        assert_eq!((&report["responses"][0]["status"], &report["delivered"]), (&json!(401), &json!(0)), "{kind}");
        assert_eq!(report["rejected"], report["count"], "{kind}");
        assert_eq!(ended.stderr, "", "{kind}");
    }
    assert_eq!(deployed.depths(), [0; 6]);

    let ended: Ended = cargo_dev(&["send", "kyc", "--tamper", "--to", &url]).output().await.unwrap().into();
    assert!(ended.stdout.contains("The receiver rejected all of them."), "{}", ended.stdout);
}

#[tokio::test]
async fn an_accepted_forgery_is_reported_and_the_exit_code_is_1() {
    // One accepted forgery is enough.
    for (statuses, accepted) in [(&[200][..], 3), (&[401, 200, 401], 1)] {
        let server = Scripted::start(statuses).await;
        let three = ["send", "kyc", "--tamper", "--count", "3", "--concurrency", "1", "--to", &server.url];
        let ended: Ended = cargo_dev(&three).output().await.unwrap().into();
        assert_eq!(ended.code, Some(1));
        let expected = format!("The receiver accepted {accepted} forged signatures");
        assert!(ended.stdout.contains(&expected), "{}", ended.stdout);
        assert!(ended.stderr.contains(&format!("{accepted} of 3 forgeries accepted")), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn the_exit_code_is_1_if_a_forgery_gets_another_status_than_401() {
    for statuses in [&[403][..], &[404], &[429], &[503], &[202], &[401, 503]] {
        let server = Scripted::start(statuses).await;
        let ended = send(&format!("kyc --tamper --count 2 --concurrency 1 --to {}", server.url)).await;
        assert_eq!(ended.code, Some(1), "{statuses:?}");
        assert!(ended.stderr.contains("forgeries not rejected"), "{statuses:?}: {}", ended.stderr);
        assert!(!ended.stdout.contains("The receiver rejected all"), "{}", ended.stdout);
    }
    // With retries, the last response counts.
    let server = Scripted::start(&[503, 401]).await;
    let ended = send(&format!("kyc --tamper --to {} {FAST}", server.url)).await;
    assert_eq!((ended.code, &ended.report()["rejected"]), (Some(0), &json!(1)), "{}", ended.stderr);
}

#[tokio::test]
async fn https_to_a_plain_http_server_gives_a_clear_error() {
    let server = Scripted::start(&[200]).await;
    let hangs_up = raw_server(|_| &[]).await;
    let resets = resetting_server().await;
    for (url, expected) in [
        (server.url.replace("http://", "https://"), "speaks plain HTTP, not TLS"),
        (hangs_up.replace("http://", "https://"), "closed the connection in the TLS handshake"),
        (resets.replace("http://", "https://"), "closed the connection in the TLS handshake"),
    ] {
        let ended = send(&format!("kyc --count 3 --to {url}")).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        let error = &ended.stderr;
        assert!(error.contains(&format!("cannot connect to {url}: ")) && error.contains(expected), "{error}");
        assert!(error.contains("http://") && error.lines().count() == 1, "{error}");
        assert!(!error.contains("InvalidContentType") && !error.contains("corrupt"), "{error}");

        let ended = send(&format!("kyc --to {url} {FAST}")).await;
        let report = ended.report();
        assert_eq!(ended.code, Some(1));
        assert!(report["withoutResponse"][0]["why"].as_str().unwrap().contains(expected), "{report}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn plain_http_to_a_tls_server_gives_a_clear_error() {
    // TLS alerts: "unexpected message" in response to plain HTTP, "handshake failure" in response to TLS.
    const NO_TLS: &[u8] = &[0x15, 3, 1, 0, 2, 2, 10];
    const NO_HANDSHAKE: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];
    const IN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let sends_alert = raw_server(|is_tls| if is_tls { NO_HANDSHAKE } else { NO_TLS }).await;
    let hangs_up = raw_server(|is_tls| if is_tls { NO_HANDSHAKE } else { &[] }).await;
    let responds_in_http = raw_server(|is_tls| if is_tls { NO_HANDSHAKE } else { IN_HTTP }).await;
    for url in [sends_alert, hangs_up, responds_in_http] {
        let ended = send(&format!("kyc --count 3 --to {url}")).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert!(
            ended.stderr.contains("speaks TLS, not plain HTTP; use a URL that starts with https://"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_400_of_a_plain_http_server_counts_as_a_response() {
    let server = Scripted::start(&[400]).await;
    let ended = send(&format!("kyc --count 2 --to {}", server.url)).await;
    assert_eq!((ended.code, &ended.report()["responses"][0]["count"]), (Some(1), &json!(2)), "{}", ended.stderr);
}

#[tokio::test]
async fn a_server_that_speaks_neither_gives_a_clear_error() {
    let url = raw_server(|_| b"SSH-2.0-other\r\n").await;
    let ended = send(&format!("kyc --to {url}")).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let why = ended.report()["withoutResponse"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("does not speak HTTP") && !why.contains("TLS"), "{why}");
}

#[tokio::test]
async fn the_secret_comes_from_a_file_or_the_environment_and_is_never_printed() {
    const SECRET: &str = "not-the-sample-secret";
    let server = Scripted::start(&[200]).await;
    let file = std::env::temp_dir().join(format!("send-secret-{}", std::process::id()));
    std::fs::write(&file, format!("{SECRET}\r\n")).unwrap();
    let from_file = ["send", "kyc", "--to", &server.url, "--secret-file", file.to_str().unwrap()];
    let from_environment = ["send", "kyc", "--to", &server.url];
    for arguments in [&from_file[..], &from_environment] {
        let variable = if arguments == from_environment { SECRET } else { "another" };
        let ended: Ended = cargo_dev(arguments).env("FLINKS_SIGNING_SECRET", variable).output().await.unwrap().into();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stdout.contains(SECRET) && !ended.stdout.contains("sample secret"), "{}", ended.stdout);
    }
    std::fs::remove_file(file).unwrap();
    for received in server.received() {
        assert_eq!(received.aggregation, Some(sign::aggregation(&received.body, SECRET)));
    }
}

#[tokio::test]
async fn no_option_takes_a_secret_as_its_value() {
    for option in ["--secret", "--key", "--signing-secret"] {
        let ended = send(&format!("kyc {option} value")).await;
        assert_eq!(ended.code, Some(2), "{option}");
        assert!(ended.stderr.contains("unexpected argument"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn on_loopback_the_sample_secret_signs_and_the_output_says_so() {
    let server = Scripted::start(&[200]).await;
    for kind in ["kyc", "pay"] {
        let ended: Ended = cargo_dev(&["send", kind, "--to", &server.url]).output().await.unwrap().into();
        assert!(ended.stdout.contains("the sample secret, which is fake"), "{}", ended.stdout);
    }
    let received = server.received();
    assert_eq!(received[0].aggregation, Some(sign::aggregation(&received[0].body, SIGNING_SECRET)));
    assert_eq!(received[1].pay, Some(sign::pay(&received[1].body, PAY_SIGNING_SECRET)));
    assert_eq!((&received[0].pay, &received[1].aggregation), (&None, &None));
}

#[tokio::test]
async fn the_printed_seed_gives_the_same_payloads_again() {
    let server = Scripted::start(&[200]).await;
    let first = send(&format!("accounts-detail --size 20kB --to {}", server.url)).await;
    let seed = first.report()["seed"].clone();
    send(&format!("accounts-detail --size 20kB --seed {seed} --to {}", server.url)).await;
    let received = server.received();
    assert_eq!(received[0], received[1]);
    assert!((19_700..=20_000).contains(&received[0].body.len()));
}

#[tokio::test]
async fn the_rate_is_a_limit() {
    let server = Scripted::start(&[200]).await;
    let ended = send(&format!("kyc --count 6 --rate 25 --to {}", server.url)).await;
    let seconds = ended.report()["seconds"].as_f64().unwrap();
    assert!(seconds >= 0.195, "five pauses of 0.04 s took only {seconds} s");
}

#[tokio::test]
async fn bad_input_gives_one_line_that_says_what_to_do_and_exit_code_2() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (arguments, expected) in [
        (format!("kyc --count 9 --to http://{nobody}/"), "cannot connect to http://127.0.0.1"),
        ("kyc --to https://hooks.example.com/".to_owned(), "set FLINKS_SIGNING_SECRET"),
        ("pay --to https://hooks.example.com/".to_owned(), "set FLINKS_PAY_SIGNING_SECRET"),
        ("kyc --to hooks.example.com".to_owned(), "not a URL that starts with http"),
        ("kyc --to ftp://127.0.0.1/".to_owned(), "not a URL that starts with http"),
        ("kyc --secret-file /no/such/file".to_owned(), "cannot read the secret from /no/such/file"),
        ("pay --size 3kB".to_owned(), "--size needs a payload with a list"),
        ("pay --tag a".to_owned(), "neither a LoginId nor a Tag"),
        ("kyc --size 3B".to_owned(), "--size is too small"),
        ("pay --form ascii".to_owned(), "only the aggregation scheme allows --form ascii"),
    ] {
        let ended = send(&arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments}");
        assert!(ended.stderr.contains(expected) && ended.stderr.lines().count() == 1, "{arguments}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn the_error_for_an_unknown_kind_lists_the_known_ones() {
    let ended = send("kycc").await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("kyc, accounts-detail, investments, pay, upload-fraud"), "{}", ended.stderr);
}

#[tokio::test]
async fn options_out_of_range_are_rejected() {
    for options in
        ["--count 0", "--concurrency 0", "--rate 0", "--rate nan", "--rate 1e-300", "--size 1GB", "--clock-speed 2"]
    {
        let ended = send(&format!("kyc {options}")).await;
        assert_eq!(ended.code, Some(2), "{options}");
        assert!(!ended.stderr.contains("cannot connect"), "{options}: {}", ended.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_the_run_with_the_results_so_far() {
    let url = serve(Router::new().fallback(std::future::pending::<()>)).await;
    let process = cargo_dev(&["--json", "send", "kyc", "--to", &url]).spawn().unwrap();
    let id = process.id().unwrap().to_string();
    // This is long enough to send the request. If it were not, the signal would kill the process, without an exit code.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let killed = tokio::process::Command::new("kill").args(["-INT", &id]).stdout(Stdio::null()).status().await;
    assert!(killed.unwrap().success());
    let ended: Ended = process.wait_with_output().await.unwrap().into();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!((&ended.report()["interrupted"], &ended.report()["attempts"]), (&json!(true), &json!(0)));
}

#[tokio::test]
async fn the_help_marks_guesses() {
    let ended = send("--help").await;
    for kind in ["investments", "upload-fraud", "unknown"] {
        let line = ended.stdout.lines().find(|line| line.contains(&format!("- {kind}:"))).unwrap();
        assert!(line.contains("GUESS"), "{line}");
    }
}
