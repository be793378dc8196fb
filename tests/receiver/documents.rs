//! Checks what the documents promise against the sources.

mod deploys;
mod markdown;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use flinks_webhooks::time_budget;
use serde_json::Value;

use crate::template::template;
use markdown::{documents, width};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the table of defences, by row.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").collect()).collect()
}

/// The file of a test and its function name, from the name that `cargo test` prints. `module::tests::name` is a unit
/// test of the package, in the module's file or in `tests.rs` beside it. `flinks_events::module::tests::name` is a unit
/// test of that package. `module::name` is a test in `tests/receiver`.
fn source_of(test: &str) -> (String, &str) {
    let (modules, name) = test.rsplit_once("::").unwrap();
    let path = match modules.strip_suffix("::tests") {
        Some(module) => {
            let (package, module) = match module.strip_prefix("flinks_events::") {
                Some(module) => ("crates/events/", module),
                None => ("", module),
            };
            let module = module.replace("::", "/");
            let beside = format!("{package}src/{module}/tests.rs");
            if folder().join(&beside).exists() { beside } else { format!("{package}src/{module}.rs") }
        }
        None => format!("tests/receiver/{}.rs", modules.replace("::", "/")),
    };
    (path, name)
}

/// Whether a source has a test of this name that is not ignored.
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

/// Whether a step of `.ci/run` or a test that a document names exists.
fn is_there(test: &str) -> bool {
    match test.strip_prefix(".ci/run: ") {
        Some(step) => read(".ci/run").contains(&format!("step \"{step}\"")),
        None => {
            let (path, name) = source_of(test);
            has_test(&read(&path), name)
        }
    }
}

#[test]
fn every_defence_in_the_threat_model_names_an_existing_test() {
    let document = read("docs/threat-model.md");
    let rows = rows(&document);
    assert!(rows.len() > 30, "the table is missing");
    for row in rows {
        let [_, _, defence, shown_by] = row[..] else { panic!("four cells: {row:?}") };
        let named: Vec<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {defence}");
        for test in named {
            assert!(is_there(test), "{test} does not exist: {defence}");
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
fn the_architecture_names_existing_files_and_tests() {
    let document = read("docs/architecture.md");
    let (_, where_to_change) = document.split_once("## Where do I change X").unwrap();
    for named in document.split("\n```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2)) {
        let folders = ["src/", "crates/", "tests/", "benches/", "docs/", ".ci/", ".github/", "template.yaml"];
        if named.starts_with(".ci/run: ") {
            assert!(is_there(named), "{named}");
        } else if folders.iter().any(|folder| named.starts_with(folder)) {
            assert!(folder().join(named).exists(), "{named}");
        }
    }
    let tests = where_to_change.split('`').skip(1).step_by(2).filter(|named| named.contains("::"));
    assert!(tests.clone().count() > 10, "the table is missing");
    for test in tests {
        assert!(is_there(test), "{test}");
    }
}

/// Commands that the documents show without saying what they need: the command, the file that runs it, and the text
/// there.
const RUN: [(&str, &str, &str); 8] = [
    ("cargo dev demo", "crates/dev/tests/demo.rs", r#".arg("demo")"#),
    ("cargo dev up", "crates/dev/tests/running/mod.rs", r#".arg("up")"#),
    ("cargo dev up --aws-listen 0.0.0.0:4566", "crates/dev/tests/up.rs", r#""--aws-listen", "0.0.0.0:0""#),
    ("cargo dev send kyc", "crates/dev/tests/send/process.rs", r#"["send", "kyc","#),
    ("cargo dev queues", "crates/queues/tests/queues.rs", r#"&["queues"]"#),
    ("cargo dev peek kyc", "crates/queues/tests/queues.rs", r#"["peek", "kyc"]"#),
    ("cargo test --workspace", ".ci/run", "cargo test --workspace"),
    (".ci/run", ".github/workflows/ci.yml", "run: .ci/run"),
];

/// Requirements that the first line of a block can state. No test runs such a block.
const NEEDS: [&str; 8] = [
    "# Needs an AWS account.",
    "# Needs a network.",
    "# Needs a quarter of an hour.",
    "# Needs access to the package indexes.",
    "# Needs Linux, and for the peers Node 20 and Python 3.10.",
    "# Needs nightly Rust.",
    "# Needs the SAM CLI and a container engine.",
    "# Needs valgrind.",
];

const WHOLE_PAGE_NEEDS_AN_ACCOUNT: &str = "**Every command on this page needs an AWS account.**";

#[test]
fn every_command_is_run_by_a_test_or_marked() {
    for (command, path, text) in RUN {
        assert!(read(path).contains(text), "{path} no longer runs {command}");
    }
    for document in documents() {
        let path = &document.path;
        let is_marked = document.prose.iter().any(|(_, line)| line.contains(WHOLE_PAGE_NEEDS_AN_ACCOUNT));
        for block in &document.blocks {
            let language = block.language.as_str();
            assert!(["sh", "text", "yaml", "json", "java"].contains(&language), "{path}: a block in {language:?}");
            let needs = block.lines.first().map(|line| line.trim()).filter(|line| line.starts_with("# Needs "));
            assert!(needs.is_none_or(|needs| NEEDS.contains(&needs)), "{path}: {needs:?}");
            if language == "sh" && !is_marked && needs.is_none() {
                for command in block.commands() {
                    assert!(RUN.iter().any(|(run, ..)| *run == command), "{path}: nothing runs {command:?}");
                }
            }
        }
    }
}

#[test]
fn the_recipes_match_the_commands_in_the_readme() {
    let justfile = read("justfile");
    let recipes = justfile.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with('@'));
    let recipes: BTreeSet<_> = recipes.map(str::to_owned).collect();
    let readme = documents().into_iter().find(|document| document.path == "README.md").unwrap();
    let blocks = readme.blocks.iter().filter(|block| block.language == "sh");
    let mut commands: BTreeSet<_> = blocks.flat_map(|block| block.commands()).collect();
    let deploy = "sam build && sam deploy";
    assert!(readme.prose.iter().any(|(_, line)| line.contains(&format!("`{deploy}` (needs an AWS account)"))));
    commands.insert(deploy.to_owned());
    assert_eq!(recipes, commands);
    let names: Vec<_> = justfile.lines().filter_map(|line| line.strip_suffix(':')).collect();
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.language == "sh") {
            for name in block.commands().iter().filter_map(|command| command.strip_prefix("just ")) {
                assert!(names.contains(&name), "{}: just {name}", document.path);
            }
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    for document in &documents {
        for link in document.links() {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, at)| (path, Some(at)));
            let parent = Path::new(&document.path).parent().unwrap();
            let target = if path.is_empty() { document.path.clone() } else { normal(&parent.join(path)) };
            assert!(folder().join(&target).exists(), "{}: {link}", document.path);
            if let Some(anchor) = anchor {
                let target = documents.iter().find(|document| document.path == target);
                assert!(target.is_some_and(|target| target.anchors().contains(anchor)), "{}: {link}", document.path);
            }
        }
    }
}

/// A path without `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        if part == ".." {
            assert!(parts.pop().is_some(), "{path:?} is outside");
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn no_line_of_prose_is_over_100_columns() {
    for document in documents() {
        for (number, line) in &document.prose {
            let is_table = line.trim_start().starts_with('|');
            assert!(is_table || width(line) <= 100, "{}:{number}: {}", document.path, width(line));
        }
    }
}

#[test]
fn every_parameter_and_variable_is_in_the_configuration_with_its_default() {
    let (template, document) = (template(), read("docs/configuration.md"));
    let parameters = template["Parameters"].as_object().unwrap();
    for (name, parameter) in parameters {
        let default = match &parameter["Default"] {
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        assert!(document.contains(&format!("\n| `{name}` | {default} | ")), "{name}, {default}");
    }
    let (of_parameters, of_variables) = document.split_once("## Environment variables").unwrap();
    assert_eq!(of_parameters.matches("\n| `").count(), parameters.len(), "a parameter that no longer exists");
    let variables = &template["Resources"]["ReceiverFunction"]["Properties"]["Environment"]["Variables"];
    for name in variables.as_object().unwrap().keys() {
        assert!(of_variables.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_time_limits_match_the_code() {
    let document = read("docs/architecture.md");
    for (name, limit) in [
        ("FUNCTION_TIMEOUT", time_budget::FUNCTION_TIMEOUT),
        ("SLOW", time_budget::SLOW),
        ("RESPONSE", time_budget::RESPONSE),
        ("BUDGET", time_budget::BUDGET),
        ("TO_STORE", time_budget::TO_STORE),
        ("MISMATCH", time_budget::MISMATCH),
        ("START", time_budget::START),
        ("ATTEMPT", time_budget::ATTEMPT),
        ("CONNECT", time_budget::CONNECT),
        ("FIRST_BACK_OFF", time_budget::FIRST_BACK_OFF),
        ("MAX_BACK_OFF", time_budget::MAX_BACK_OFF),
        ("BUCKET_JOINS_AFTER", time_budget::BUCKET_JOINS_AFTER),
        ("BUCKET_JOINS_BEFORE_THE_END", time_budget::BUCKET_JOINS_BEFORE_THE_END),
    ] {
        let row = document.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        assert!(row.contains(&format!(" {} s", limit.as_secs_f64())), "{name}: {row}");
    }
}

#[test]
fn every_crate_uses_the_workspace_lints_and_they_forbid_unsafe() {
    let lints = lints_in("Cargo.toml");
    assert!(lints.iter().any(|lint| lint == "unsafe_code = \"forbid\""));
    for workspace in ["benches/Cargo.toml", "consumers/rust/Cargo.toml"] {
        assert_eq!(lints_in(workspace), lints, "{workspace} is a separate workspace");
    }
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates");
    let crates = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut manifests: BTreeSet<_> = crates.map(|name| format!("crates/{name}/Cargo.toml")).collect();
    let others = ["benches/floor/Cargo.toml", "benches/harness/Cargo.toml", "consumers/rust/Cargo.toml"];
    manifests.extend(["Cargo.toml"].into_iter().chain(others).map(str::to_owned));
    for manifest in manifests {
        assert!(read(&manifest).contains("[lints]\nworkspace = true\n"), "{manifest}");
    }
}
