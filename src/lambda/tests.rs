use std::{env, panic::catch_unwind, process::Command};

use super::*;

const PAYLOAD: &str = "Zoé Lefrançois";

#[tokio::test]
async fn a_panic_ends_one_invocation_and_not_the_process() {
    assert_eq!(catch_panic(async { panic!("as it should") }).await, None::<()>);
    assert_eq!(catch_panic(async { 5 }).await, Some(5));
}

#[test]
#[ignore = "the next test runs it in a process of its own, because hook and subscriber are the whole process's"]
fn a_process_that_panics_and_traces() {
    silence_panics();
    runtime::install().unwrap();
    tracing::error!(target: "lambda_runtime", status = 500, event = PAYLOAD, "quoting {PAYLOAD}");
    tracing::error!(target: "a_library", event = PAYLOAD, "quoting {PAYLOAD}");
    assert!(catch_unwind(|| panic!("quoting {PAYLOAD}")).is_err());
}

#[test]
fn neither_a_panic_nor_a_trace_brings_a_payload_into_the_log() {
    let arguments = ["--exact", "lambda::tests::a_process_that_panics_and_traces", "--ignored", "--nocapture"];
    let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    for line in ["the program panicked", "the Lambda runtime reported a warning or an error"] {
        assert_eq!(printed.matches(line).count(), 1, "{printed}");
    }
    assert!(!printed.contains(PAYLOAD), "{printed}");
}
