//! The files that are generated from the types: JSON Schemas, types for TypeScript and Python, and the catalogue of the
//! queues. `cargo run -p flinks-events --features schemas --example generate` writes them; a test compares.

mod asyncapi;
mod json_schema;
mod python;
mod small_types;
mod typescript;

use serde_json::Value;

use json_schema::Document;

/// Every generated file: its path, relative to the package, and its content. The types for a language are beside its
/// consumers.
pub fn files() -> Vec<(String, String)> {
    let documents = json_schema::documents();
    let mut files: Vec<_> =
        documents.iter().map(|Document { file, schema, .. }| (file.clone(), json(schema))).collect();
    files.extend([
        ("../../consumers/node/flinks-events.d.ts".to_owned(), typescript::module(&documents)),
        ("../../consumers/python/flinks_events.py".to_owned(), python::module(&documents)),
        ("asyncapi.json".to_owned(), json(&asyncapi::document(&documents))),
    ]);
    files
}

/// Sorted, so that it is the same whichever features of serde_json a build turns on.
fn json(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    // Serialising fails only for a map whose keys are not strings, and a `Value` has none.
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
