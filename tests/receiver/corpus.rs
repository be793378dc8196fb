//! What the fuzzer found worth keeping, tried again on the same invariants.

use std::{collections::BTreeSet, fs, panic::catch_unwind, path::PathBuf};

use flinks_invariants::TARGETS;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn names_in(folder: PathBuf) -> BTreeSet<String> {
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    assert_eq!(names_in(corpus()), TARGETS.map(|(target, _)| target.to_owned()).into());
    for (target, _) in TARGETS {
        assert!(!names_in(corpus().join(target)).is_empty(), "fuzz/corpus/{target} is empty");
    }
}

#[test]
fn every_invariant_holds_for_the_corpus() {
    for (target, check) in TARGETS {
        for name in names_in(corpus().join(target)) {
            let input = fs::read(corpus().join(target).join(&name)).unwrap();
            assert!(catch_unwind(|| check(&input)).is_ok(), "fuzz/corpus/{target}/{name} breaks an invariant");
        }
    }
}
