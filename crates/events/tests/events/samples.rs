//! Every sample in the repository against the schemas, and everything in it that is a body.

use std::collections::BTreeSet;

use flinks_events::{Attributes, Event, Payload, UnknownReason};
use serde_json::Value;

use crate::support::{PAYLOADS, body_of, closed, corpus, files_in, package, read_json, repository, schema};

/// Samples that lose a field on purpose: to a list of lists where holders are expected, to a lone surrogate, and to null
/// elements of lists.
const ODD: [&str; 3] = ["deeply-nested", "lone-surrogate", "nulls"];

/// Name, body and signature form of every sample that the receiver stores.
fn samples() -> Vec<(String, Vec<u8>, &'static str)> {
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let events = files_in(&repository().join("events")).into_iter().filter_map(|path| {
        let event = read_json(&path);
        let is_pay =
            event["headers"].as_object()?.keys().any(|header| header.eq_ignore_ascii_case("x-webhook-signature"));
        Some((name(&path), body_of(&event)?, if is_pay { "pay" } else { "raw" }))
    });
    let own = files_in(&package().join("samples")).into_iter().map(|path| {
        let sample = read_json(&path);
        let form = if sample["attributes"]["SignatureForm"] == "pay" { "pay" } else { "raw" };
        (name(&path), sample["payload"].to_string().into_bytes(), form)
    });
    events.chain(own).collect()
}

#[test]
fn every_sample_fits_its_schema_and_has_no_field_beyond_it() {
    let (mut typed, mut count) = (BTreeSet::new(), 0);
    for (name, body, form) in samples() {
        let event = Event::read(&body, Attributes::from_iter([("SignatureForm", form)]));
        assert_eq!(!event.lost.is_empty(), ODD.contains(&&*name), "{name}: {:?}", event.lost);
        let payload = event.payload.name();
        count += usize::from(payload != "Unknown");
        if payload == "Unknown" || ODD.contains(&&*name) {
            continue;
        }
        let text = str::from_utf8(&body).unwrap().trim_start_matches('\u{FEFF}');
        // A `Value` cannot hold the largest number of `exact-money`.
        let json: Value = serde_json::from_str(&text.replace("1e400", "1e40")).unwrap();
        for schema in [schema(payload), closed(schema(payload))] {
            jsonschema::draft202012::validate(&schema, &json).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        typed.insert(payload);
    }
    println!("{count} samples are typed");
    for (payload, _) in PAYLOADS {
        assert!(typed.contains(payload), "no sample of {payload}");
    }
}

#[test]
fn the_attributes_of_each_sample_are_those_of_the_schema() {
    let schema = closed(read_json(&package().join("schemas/attributes.json")));
    for path in files_in(&package().join("samples")) {
        let attributes = &read_json(&path)["attributes"];
        jsonschema::draft202012::validate(&schema, attributes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    }
}

#[test]
fn a_misspelt_field_is_found_by_the_closed_schema() {
    let schema = closed(schema("Kyc"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::json!({ "ResponseType": "KYC", "Holders": [{ "Name": "n" }] })));
    assert!(!validator.is_valid(&serde_json::json!({ "ResponseType": "KYC", "Holders": [{ "FirstName": "n" }] })));
}

/// Prints how often the type of a payload, or a field of it, is lost: `cargo test -p flinks-events -- --nocapture`.
#[test]
fn every_body_of_the_fuzz_corpus_is_read_and_few_lose_anything() {
    let (mut typed, mut without_type, mut with_lost_fields, mut lost_fields) = (0, 0, 0, 0);
    for (place, body) in corpus() {
        for form in ["raw", "pay", "api", ""] {
            let event = Event::read(&body, Attributes::from_iter([("SignatureForm", form)]));
            assert!(!format!("{event:?}").contains("Canary"), "{place}");
            let lost = &event.lost;
            let has_type = match &event.payload {
                Payload::Unknown(unknown) => {
                    assert_eq!(unknown.reason == UnknownReason::WrongType, !lost.is_empty(), "{place}");
                    assert_eq!(unknown.body, body, "{place}");
                    false
                }
                _ => true,
            };
            // Most bodies of the corpus are made for this signature.
            if form == "raw" {
                typed += usize::from(has_type);
                without_type += usize::from(!has_type && !lost.is_empty());
                with_lost_fields += usize::from(has_type && !lost.is_empty());
                lost_fields += if has_type { lost.count() } else { 0 };
            }
        }
    }
    println!("{typed} typed; {without_type} lost their type; {with_lost_fields} lost {lost_fields} fields");
    assert!(typed > 100 && (without_type + with_lost_fields) * 5 < typed);
}
