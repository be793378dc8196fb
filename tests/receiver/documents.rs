//! What the documents promise, held against the sources.

use std::{collections::BTreeSet, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the table of defences, row by row.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").collect()).collect()
}

/// Where a test is, by the name under which `cargo test` runs it: `module::tests::name` is a unit test of the package, in
/// the module's file or in `tests.rs` beside it; `module::name` is one of `tests/receiver`.
fn source_of(test: &str) -> (String, &str) {
    let (modules, name) = test.rsplit_once("::").unwrap();
    let path = match modules.strip_suffix("::tests") {
        Some(module) => {
            let module = module.replace("::", "/");
            let beside = format!("src/{module}/tests.rs");
            if folder().join(&beside).exists() { beside } else { format!("src/{module}.rs") }
        }
        None => format!("tests/receiver/{}.rs", modules.replace("::", "/")),
    };
    (path, name)
}

/// Whether a source has a test of this name that is run.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let declared = |line: &str| {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        function.and_then(|function| function.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(|line| declared(line)) else { return false };
    let attributes: Vec<_> = lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).collect();
    let is_test = |attribute: &&&str| attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test");
    attributes.iter().any(is_test) && !attributes.iter().any(|attribute| attribute.starts_with("#[ignore"))
}

#[test]
fn every_defence_of_the_threat_model_names_a_test_that_is_there() {
    let (document, ci) = (read("docs/threat-model.md"), read(".ci/run"));
    let rows = rows(&document);
    assert!(rows.len() > 30, "the table is gone");
    for row in rows {
        let [_, _, defence, shown_by] = row[..] else { panic!("four cells: {row:?}") };
        let named: Vec<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {defence}");
        for test in named {
            let there = match test.strip_prefix(".ci/run: ") {
                Some(step) => ci.contains(&format!("step \"{step}\"")),
                None => {
                    let (path, name) = source_of(test);
                    has_test(&read(&path), name)
                }
            };
            assert!(there, "{test} is not there: {defence}");
        }
    }
}

/// The lines of the lint tables of a workspace's manifest, without comments.
fn lints_in(manifest: &str) -> Vec<String> {
    let manifest = read(manifest);
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.lints.rust]");
    let lines = lines.take_while(|line| !line.starts_with('[') || line.starts_with("[workspace.lints."));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn every_crate_keeps_to_the_lints_of_the_workspace_and_they_forbid_unsafe() {
    let lints = lints_in("Cargo.toml");
    assert!(lints.iter().any(|lint| lint == "unsafe_code = \"forbid\""));
    assert_eq!(lints_in("benches/Cargo.toml"), lints, "the measurements are a workspace of their own");
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates");
    let crates = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut manifests: BTreeSet<_> = crates.map(|name| format!("crates/{name}/Cargo.toml")).collect();
    manifests.extend(["Cargo.toml", "benches/floor/Cargo.toml", "benches/harness/Cargo.toml"].map(str::to_owned));
    for manifest in manifests {
        assert!(read(&manifest).contains("[lints]\nworkspace = true\n"), "{manifest}");
    }
}
