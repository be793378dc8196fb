//! Replays the handmade inputs (`fuzz/corpus/`) and those that the fuzzer found (`fuzz/found/`) against the same
//! invariants.

use std::{collections::BTreeSet, fs, panic::catch_unwind, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flinks_invariants::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: PathBuf) -> BTreeSet<String> {
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// The handmade inputs, each with its file name.
fn made_by_hand(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let names = names_in(folder.clone());
    names
        .into_iter()
        .map(|name| (format!("fuzz/corpus/{target}/{name}"), fs::read(folder.join(name)).unwrap()))
        .collect()
}

/// The inputs that the fuzzer found, each with its line number. A line holds one input in base64.
fn found(target: &str) -> Vec<(String, Vec<u8>)> {
    let lines = fs::read_to_string(fuzz().join("found").join(target)).unwrap();
    let inputs = lines.lines().map(|line| STANDARD.decode(line).unwrap());
    inputs.zip(1..).map(|(input, line)| (format!("line {line} of fuzz/found/{target}"), input)).collect()
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    for folder in ["corpus", "found"] {
        assert_eq!(names_in(fuzz().join(folder)), TARGETS.map(|(target, _)| target.to_owned()).into(), "fuzz/{folder}");
    }
    for (target, _) in TARGETS {
        assert!(!made_by_hand(target).is_empty(), "fuzz/corpus/{target} is empty");
        assert!(!found(target).is_empty(), "fuzz/found/{target} is empty");
    }
}

#[test]
fn every_invariant_holds_for_the_corpus() {
    for (target, check) in TARGETS {
        for (place, input) in made_by_hand(target).into_iter().chain(found(target)) {
            assert!(catch_unwind(|| check(&input)).is_ok(), "{place} breaks an invariant");
        }
    }
}
