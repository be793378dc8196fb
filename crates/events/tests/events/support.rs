//! What the tests share: the committed schemas, and everything in the repository that is or has a body.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

/// Type and schema file of each payload.
pub const PAYLOADS: [(&str, &str); 5] = [
    ("Kyc", "kyc"),
    ("AccountsDetail", "accounts-detail"),
    ("Investments", "investments"),
    ("EftSessionStatus", "eft-session-status"),
    ("FraudAlert", "fraud-alert"),
];

pub fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The repository, in which this package is.
pub fn repository() -> PathBuf {
    package().join("../..")
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The committed schema of a payload.
pub fn schema(payload: &str) -> Value {
    let (_, file) = PAYLOADS.iter().find(|(name, _)| *name == payload).unwrap();
    read_json(&package().join(format!("schemas/{file}.json")))
}

/// The same, with no further properties anywhere.
pub fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            members.values_mut().for_each(|member| *member = closed(member.take()));
            if members.get("properties").is_some_and(Value::is_object) && members.contains_key("type") {
                members.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| *element = closed(element.take())),
        _ => {}
    }
    schema
}

pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The body of an event of API Gateway.
pub fn body_of(event: &Value) -> Option<Vec<u8>> {
    let body = event.get("body")?.as_str()?;
    if event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
        return BASE64_STANDARD.decode(body).ok();
    }
    Some(body.as_bytes().to_vec())
}

/// Every input of the fuzz corpus with its place: each is tried as a body, and as an event that has one.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for target in fs::read_dir(repository().join("fuzz/corpus")).unwrap() {
        for file in files_in(&target.unwrap().path()) {
            inputs.push((file.display().to_string(), fs::read(file).unwrap()));
        }
    }
    for file in files_in(&repository().join("fuzz/found")) {
        for (line, number) in fs::read_to_string(&file).unwrap().lines().zip(1..) {
            inputs.push((format!("{}:{number}", file.display()), BASE64_STANDARD.decode(line).unwrap()));
        }
    }
    let bodies = inputs.iter().filter_map(|(place, input)| {
        // The event may have a last line of its own.
        let event = input.split(|byte| *byte == b'\n').next()?;
        let event = serde_json::from_slice(event).or_else(|_| serde_json::from_slice(input)).ok()?;
        Some((format!("the body in {place}"), body_of(&event)?))
    });
    let bodies: Vec<_> = bodies.collect();
    inputs.extend(bodies);
    inputs
}
