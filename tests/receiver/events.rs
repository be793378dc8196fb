//! The files in `events/` are the samples. `UPDATE_EVENTS=1 cargo test events` writes them again.

use std::{collections::BTreeSet, fs, path::PathBuf};

use flinks_dev::{samples, stack::Stack};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// The one file in the folder that is not a sample.
const ENVIRONMENT: &str = "env.json";

#[test]
fn the_files_are_the_samples() {
    let update = std::env::var_os("UPDATE_EVENTS").is_some();
    let mut names = BTreeSet::from([ENVIRONMENT.to_owned()]);
    for sample in samples::all() {
        let name = format!("{}.json", sample.name);
        let expected = format!("{:#}\n", sample.event);
        if update {
            fs::write(folder().join(&name), &expected).unwrap();
        }
        let actual = fs::read_to_string(folder().join(&name)).unwrap_or_default();
        assert!(actual == expected, "events/{name} is stale: UPDATE_EVENTS=1 cargo test events");
        assert!(names.insert(name), "two samples have the name {}", sample.name);
    }
    let files: BTreeSet<_> =
        fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, names);
}

/// `sam local` runs the functions with these variables, against a local AWS on port 4566 of the host.
#[tokio::test]
async fn the_environment_for_sam_local_matches_the_local_stack() {
    let stack = Stack::start().await.unwrap();
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder().join(ENVIRONMENT)).unwrap()).unwrap();
    let here = stack.aws.endpoint();
    for (name, value) in stack.environment() {
        // The container has these from SAM itself.
        if ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(&name) {
            continue;
        }
        let value = value.replace(&here, "http://host.docker.internal:4566");
        assert_eq!(file["ReceiverFunction"][name], value, "{name}");
        // The redelivery checks no signature.
        let of_redelivery = (!name.ends_with("_SECRET_ID")).then_some(value.as_str());
        assert_eq!(file["RedeliveryFunction"][name].as_str(), of_redelivery, "{name}");
    }
}
