//! `cargo dev demo` as users run it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

const QUEUES: [&str; 6] =
    ["KycQueue", "AccountsDetailQueue", "InvestmentsQueue", "PayQueue", "UploadFraudQueue", "UnclassifiedQueue"];

fn demo(arguments: &[&str]) -> Output {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_flinks-dev")).arg("demo").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    output
}

#[test]
fn the_table_has_every_queue_and_the_forgery_is_on_none() {
    let text = String::from_utf8(demo(&[]).stdout).unwrap();
    for queue in QUEUES {
        assert_eq!(text.matches(&format!(" {queue} ")).count(), 1, "{queue} in\n{text}");
    }
    for attribute in
        ["DeliveryId", "LoginId", "SignatureForm", "Status           Completed", "Tag              user-1001"]
    {
        assert!(text.contains(attribute), "{attribute} in\n{text}");
    }
    let forgery = text.lines().find(|line| line.contains("KYC, forged")).unwrap();
    assert!(forgery.contains("401") && forgery.contains("nothing stored"), "{forgery}");
    for next in ["cargo dev up", "cargo dev send kyc", "cargo dev verify"] {
        assert!(text.contains(next), "{next} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
}

#[test]
fn a_script_gets_one_object_for_each_callback_and_then_the_counts() {
    let text = String::from_utf8(demo(&["--json"]).stdout).unwrap();
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, callbacks) = objects.split_last().unwrap();
    assert_eq!((&last["posted"], &last["stored"], &last["rejected"]), (&7.into(), &6.into(), &1.into()));
    let queues: Vec<_> = callbacks.iter().filter_map(|callback| callback["queue"].as_str()).collect();
    assert_eq!(queues, QUEUES);
    for callback in callbacks {
        let stored = callback["queue"].is_string();
        assert_eq!(callback["status"], if stored { 200 } else { 401 });
        assert_eq!(callback["attributes"]["DeliveryId"].is_string(), stored);
    }
}

#[test]
fn the_tool_compiles_without_the_client_of_flinks_api() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--package", "flinks-dev", "--edges", "normal,build", "--prefix", "none"]);
    let tree = tree.args(["--locked", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let packages = String::from_utf8(tree.stdout).unwrap();
    assert!(packages.contains("local-flinks v"), "{}", String::from_utf8_lossy(&tree.stderr));
    assert!(!packages.contains("flinks-api v"), "{packages}");
}
