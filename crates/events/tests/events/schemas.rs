//! The generated files. This needs the feature `schemas`: `cargo test -p flinks-events --features schemas`.

use std::{collections::BTreeSet, fs};

use flinks_events::{Kind, schemas};
use serde_json::Value;

use crate::support::{files_in, package, read_json};

#[test]
fn the_committed_files_are_those_that_the_types_give() {
    let fresh = schemas::files();
    for (path, text) in &fresh {
        let committed = fs::read_to_string(package().join(path)).unwrap_or_default();
        assert!(committed == *text, "{path}: run cargo run -p flinks-events --features schemas --example generate");
    }
    // No schema is left over from a type that is gone.
    let schemas = files_in(&package().join("schemas")).into_iter();
    let committed: BTreeSet<_> =
        schemas.map(|path| format!("schemas/{}", path.file_name().unwrap().to_str().unwrap())).collect();
    let fresh = fresh.into_iter().map(|(path, _)| path).filter(|path| path.starts_with("schemas/"));
    assert_eq!(committed, fresh.collect());
}

fn each_schema(schema: &Value, check: &mut impl FnMut(&Value)) {
    check(schema);
    match schema {
        Value::Object(members) => members.values().for_each(|member| each_schema(member, check)),
        Value::Array(elements) => elements.iter().for_each(|element| each_schema(element, check)),
        _ => {}
    }
}

#[test]
fn the_schemas_are_plain_and_mark_what_is_inferred() {
    for path in files_in(&package().join("schemas")) {
        let schema = read_json(&path);
        jsonschema::meta::validate(&schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let told_by: &[&str] = match path.file_stem().unwrap().to_str().unwrap() {
            "attributes" => &[],
            "eft-session-status" => &["sessionId", "status"],
            "fraud-alert" => &["DocumentAnalysis"],
            _ => &["ResponseType"],
        };
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        assert_eq!(required, told_by, "{path:?}");
        each_schema(&schema, &mut |part| {
            let Some(members) = part.as_object() else { return };
            // A property may have any of these names, but its schema is an object.
            for keyword in ["format", "pattern", "additionalProperties", "enum", "minimum", "maximum", "minLength"] {
                assert!(members.get(keyword).is_none_or(Value::is_object), "{path:?}: {keyword}");
            }
            let has_description = members.get("description").and_then(Value::as_str);
            if let Some(description) = has_description {
                let is_marked = members.get("x-inferred") == Some(&Value::Bool(true));
                assert_eq!(description.contains("Inferred"), is_marked, "{description}");
            }
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    assert!(property["description"].is_string(), "{path:?}: {name} has no description");
                }
            }
        });
    }
}

/// Field names that no page of Flinks has for the payload.
#[test]
fn only_what_is_marked_is_inferred() {
    let inferred = |file: &str| -> Vec<String> {
        let schema = read_json(&package().join(format!("schemas/{file}.json")));
        let mut names = Vec::new();
        each_schema(&schema, &mut |part| {
            let properties = part.get("properties").and_then(Value::as_object).into_iter().flatten();
            names.extend(properties.filter(|(_, of)| of.get("x-inferred").is_some()).map(|(name, _)| name.clone()));
        });
        names.sort();
        names
    };
    assert_eq!(inferred("kyc"), ["FlinksCode", "InstitutionId", "Message"]);
    assert_eq!(inferred("accounts-detail"), ["ETransferEligibleRatio", "EftEligibleRatio", "FlinksCode", "Message"]);
    assert_eq!(
        inferred("investments"),
        ["FlinksCode", "HttpStatusCode", "Institution", "InstitutionId", "Login", "Message", "RequestId"]
    );
    assert!(inferred("eft-session-status").is_empty());
    let alert = read_json(&package().join("schemas/fraud-alert.json"));
    assert_eq!(alert["x-inferred"], true);
}

#[test]
fn the_catalogue_has_every_queue_and_each_reference_leads_somewhere() {
    let catalogue = read_json(&package().join("asyncapi.json"));
    assert_eq!(catalogue["asyncapi"], "3.0.0");
    let channels: BTreeSet<_> = catalogue["channels"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(channels, Kind::ALL.map(Kind::queue).into());
    for channel in catalogue["channels"].as_object().unwrap().values() {
        assert_eq!(channel["bindings"]["sqs"]["bindingVersion"], "0.2.0");
    }
    each_schema(&catalogue, &mut |part| {
        let Some(reference) = part.get("$ref").and_then(Value::as_str) else { return };
        let is_there = match reference.strip_prefix('#') {
            Some(pointer) => catalogue.pointer(pointer).is_some(),
            None => package().join(reference).exists(),
        };
        assert!(is_there, "{reference}");
    });
    for message in catalogue["components"]["messages"].as_object().unwrap().values() {
        let example = &message["examples"][0];
        assert!(example["headers"]["DeliveryId"].is_string() && example["payload"].is_object(), "{}", message["name"]);
        if let Some(file) = message["payload"]["$ref"].as_str() {
            jsonschema::draft202012::validate(&read_json(&package().join(file)), &example["payload"]).unwrap();
        }
    }
}

/// Every line is one of a few forms, which each version of TypeScript understands.
#[test]
fn the_types_for_typescript_are_plain() {
    let module = fs::read_to_string(package().join("../../consumers/node/flinks-events.d.ts")).unwrap();
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_type = |text: &str| {
        text.split(" | ").all(|part| {
            let part = part.strip_prefix("Array<").and_then(|part| part.strip_suffix('>')).unwrap_or(part);
            let part = part.strip_prefix('"').and_then(|part| part.strip_suffix('"')).unwrap_or(part);
            is_name(part)
        })
    };
    let mut open = false;
    for line in module.lines() {
        let is_comment = ["//", "/**", " *", "  /**"].iter().any(|start| line.starts_with(start));
        if is_comment || line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix("export interface ").and_then(|line| line.strip_suffix(" {")) {
            assert!(!open && is_name(name), "{line}");
            open = true;
        } else if line == "}" {
            assert!(open);
            open = false;
        } else if let Some(alias) = line.strip_prefix("export type ").and_then(|line| line.strip_suffix(';')) {
            let (name, of) = alias.split_once(" = ").unwrap();
            assert!(!open && is_name(name) && is_type(of), "{line}");
        } else {
            let (name, of) = line.trim_start().trim_end_matches(';').split_once(": ").unwrap();
            assert!(open && is_name(name.trim_end_matches('?')) && is_type(of), "{line}");
        }
    }
    assert!(!open);
}
