use std::{env, panic::catch_unwind, process::Command};

use super::*;

const PAYLOAD: &str = "Zoé Lefrançois";

#[tokio::test]
async fn a_panic_costs_one_response_and_not_the_process() {
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
#[ignore = "the next test runs it in a process of its own, because the allocator is the whole process's"]
fn a_process_that_works_with_megabytes() {
    let page_faults = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        // The tenth field; the second one, a name in brackets, may have spaces.
        stat.rsplit_once(')').unwrap().1.split(' ').nth(8).unwrap().parse::<usize>().unwrap()
    };
    let work = || drop(black_box(vec![1_u8; 5_000_000]));
    keep_freed_memory();
    work();
    let before = page_faults();
    work();
    // It has 1,220 pages.
    assert!(page_faults() - before < 100, "{} page faults", page_faults() - before);
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn memory_that_is_freed_stays_in_the_process() {
    let arguments = ["--exact", "lambda::tests::a_process_that_works_with_megabytes", "--ignored"];
    let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn neither_a_panic_nor_a_trace_brings_a_payload_into_the_log() {
    let arguments = ["--exact", "lambda::tests::a_process_that_panics_and_traces", "--ignored", "--nocapture"];
    let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    for line in ["the program panicked", "the Lambda runtime reported an error"] {
        assert_eq!(printed.matches(line).count(), 1, "{printed}");
    }
    assert!(!printed.contains(PAYLOAD), "{printed}");
}
