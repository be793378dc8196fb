//! The files of `consumers/fixtures/` are what a consumer gets of the samples, written out.
//! `UPDATE_EVENTS=1 cargo test -p flinks-dev --test fixtures` writes them again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use flinks_dev::{event::consumer, samples};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../consumers/fixtures")
}

/// Samples that are there with Flinks' retry of them as well.
const RETRIED: [&str; 3] = ["claim-check", "kyc", "kyc-claim-check"];

/// Every file, by its path within the folder: the samples that the receiver stores.
fn expected() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for sample in samples::all().iter().filter(|sample| sample.expected.kind().is_some()) {
        let retries = RETRIED.contains(&sample.name).into();
        files.extend(consumer::files(sample.name, &consumer::deliveries(&sample.event, retries).unwrap()));
    }
    files
}

fn files_in(folder: &Path, within: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let within = within.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files_in(&entry.path(), &within, found);
        } else {
            found.insert(within, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_files_are_what_a_consumer_gets_of_the_samples() {
    let expected = expected();
    if std::env::var_os("UPDATE_EVENTS").is_some() {
        fs::remove_dir_all(folder()).unwrap_or_default();
        for (path, content) in &expected {
            let path = folder().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
    let mut actual = BTreeMap::new();
    files_in(&folder(), Path::new(""), &mut actual);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&actual), names(&expected), "UPDATE_EVENTS=1 cargo test -p flinks-dev --test fixtures");
    for (path, content) in expected {
        assert!(actual[&path] == content, "{} is stale", path.display());
    }
}
