//! The commands and options of `cargo dev` in the documents exist.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// The help of a command, or of `cargo dev` itself for `None`.
fn help(command: Option<&str>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_flinks-dev")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "there is no command {command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_and_option_in_a_document_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["", "docs", "benches", "fuzz", ".github/ISSUE_TEMPLATE"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut helps = BTreeMap::new();
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "md" || extension == "yml")) {
        // A command may continue on the next line.
        let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        for rest in text.split("cargo dev ").skip(1) {
            let command_line = rest.split(['\n', '`', '#', '|', ';', ')', '"']).next().unwrap();
            let mut words = command_line.split_whitespace();
            let Some(command) = words.next().filter(|command| command.starts_with(|first: char| first.is_lowercase()))
            else {
                continue;
            };
            let help = helps.entry(command.to_owned()).or_insert_with(|| help(Some(command)));
            for option in words.filter(|word| word.starts_with("--")) {
                let exists = help.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                assert!(exists, "{}: cargo dev {command} has no option {option}", path.display());
            }
        }
    }
    let all = help(None);
    for command in helps.keys() {
        assert!(all.contains(&format!("\n  {command} ")), "{command}");
    }
}
