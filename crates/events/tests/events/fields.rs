//! Every field in every form: the types lose a field exactly where the schema does not allow its value.

use flinks_events::{Attributes, Event};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{PAYLOADS, schema};

/// What stands in an instance for the value that is tried.
const HERE: &str = "@here@";

/// Every form of a value that `serde_json` can hold. `None` is an absent field.
const FORMS: [Option<&str>; 19] = [
    None,
    Some("null"),
    Some("0"),
    Some("-3"),
    Some("5.25"),
    Some("200.0"),
    Some("2e2"),
    Some("1.5E-3"),
    Some("\"\""),
    Some("\"text\""),
    Some("\"5.25\""),
    Some("true"),
    Some("false"),
    Some("[]"),
    Some("[1]"),
    Some("[null]"),
    Some("[{}]"),
    Some("{}"),
    Some("{\"a\":1}"),
];

fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(choices) => resolve(root, &choices[0]),
        None => schema,
    }
}

/// A value with everything that the schema has, once; `fill` gives what a field holds.
fn instance(root: &Value, schema: &Value, path: &str, fill: &mut impl FnMut(&str) -> Option<Value>) -> Value {
    let schema = resolve(root, schema);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let mut members = Map::new();
        for (key, property) in properties {
            let path = format!("{path}/{key}");
            let value = match fill(&path) {
                Some(value) => value,
                None => instance(root, property, &path, fill),
            };
            members.insert(key.clone(), value);
        }
        return Value::Object(members);
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    let is = |name: &str| match &schema["type"] {
        Value::String(of) => of == name,
        Value::Array(of) => of.iter().any(|of| of == name),
        _ => false,
    };
    match () {
        () if is("array") => json!([instance(root, &schema["items"], &format!("{path}/0"), fill)]),
        () if is("string") => json!("text"),
        () if is("boolean") => json!(true),
        () => json!(7),
    }
}

/// Every path to a field.
fn paths(root: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    instance(root, root, "", &mut |path| {
        paths.push(path.to_owned());
        None
    });
    paths
}

fn read(body: &str) -> Event {
    Event::read(body.as_bytes(), Attributes::from_iter([("SignatureForm", "raw")]))
}

fn is_whole(event: &Event, payload: &str) -> bool {
    event.payload.name() == payload && event.lost.is_empty()
}

/// The path in the way of `Event::lost`.
fn shown(path: &str) -> String {
    path.trim_start_matches('/').replace("/0", "[0]").replace('/', ".")
}

/// The whole payload with a field in this form.
fn with_field(root: &Value, path: &str, form: Option<&str>) -> String {
    let mut whole = instance(root, root, "", &mut |at| (at == path).then(|| json!(HERE)));
    match form {
        Some(form) => whole.to_string().replace(&format!("\"{HERE}\""), form),
        None => {
            let (parent, key) = path.rsplit_once('/').unwrap();
            whole.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(key);
            whole.to_string()
        }
    }
}

#[test]
fn each_field_in_each_form_is_read_where_the_schema_allows_it_and_lost_where_not() {
    let mut tried = 0;
    for (payload, _) in PAYLOADS {
        let root = schema(payload);
        let validator = jsonschema::draft202012::new(&root).unwrap();
        for path in paths(&root) {
            for form in FORMS {
                let body = with_field(&root, &path, form);
                let event = read(&body);
                let is_valid = validator.is_valid(&serde_json::from_str(&body).unwrap());
                assert_eq!(is_whole(&event, payload), is_valid, "{payload} {path} {form:?}: {:?}", event.lost);
                if !is_valid && event.payload.name() == payload {
                    // An element of a list is lost by itself.
                    let lost = event.lost.paths();
                    let inside = format!("{}[0]", shown(&path));
                    assert!(lost == [shown(&path)] || lost == [inside], "{payload} {path} {form:?}: {lost:?}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 1500, "{tried}");
}

#[test]
fn a_number_beyond_every_float_is_lost_only_where_no_number_is_expected() {
    for (payload, _) in PAYLOADS {
        let root = schema(payload);
        for path in paths(&root) {
            let event = read(&with_field(&root, &path, Some("1e400")));
            let place = path.split('/').skip(1).fold(&root, |at, step| {
                if step == "0" { resolve(&root, &at["items"]) } else { resolve(&root, &at["properties"][step]) }
            });
            let takes_numbers = place["type"].as_array().is_some_and(|of| of.iter().any(|of| of == "number"));
            assert_eq!(is_whole(&event, payload), takes_numbers, "{payload} {path}");
        }
    }
}

#[test]
fn half_of_a_surrogate_pair_is_lost_wherever_it_is() {
    for (payload, _) in PAYLOADS {
        let root = schema(payload);
        for path in paths(&root) {
            for form in ["\"\\ud800\"", "\"\\udc00x\""] {
                assert!(!is_whole(&read(&with_field(&root, &path, Some(form))), payload), "{payload} {path}");
            }
        }
    }
}

#[test]
fn the_last_of_two_values_counts_whatever_the_first_is() {
    for (payload, _) in PAYLOADS {
        let root = schema(payload);
        for path in paths(&root) {
            for first in ["null", "[[1]]", "{\"a\":{}}", "\"\\ud800\"", "1e400"] {
                let whole = instance(&root, &root, "", &mut |_| None);
                let last = whole.pointer(&path).unwrap();
                let (_, key) = path.rsplit_once('/').unwrap();
                let body = with_field(&root, &path, Some(&format!("{first},\"{key}\":{last}")));
                assert!(is_whole(&read(&body), payload), "{payload} {path} {first}");
            }
        }
    }
}

proptest! {
    /// Any fields in any forms at once, beside unknown ones.
    #[test]
    fn types_and_schema_agree_on_any_mixture(
        payload in 0..PAYLOADS.len(),
        choices in prop::collection::vec(any::<u8>(), 64),
    ) {
        let (payload, _) = PAYLOADS[payload];
        let root = schema(payload);
        let mut choices = choices.into_iter().cycle();
        let mut body = instance(&root, &root, "", &mut |_| {
            // Most fields stay what they are, so that the inner ones are reached.
            let form = FORMS[1..].get(usize::from(choices.next()?))?;
            serde_json::from_str((*form)?).ok()
        });
        body["Unknown"] = json!([{ "Login": 5 }, null]);
        let event = read(&body.to_string());
        let is_valid = jsonschema::draft202012::is_valid(&root, &body);
        prop_assert_eq!(is_whole(&event, payload), is_valid, "{}: {:?}", payload, event.lost);
    }

    #[test]
    fn no_bytes_are_too_odd(body in prop::collection::vec(any::<u8>(), 0..64), text in ".{0,64}", form in "raw|pay|api") {
        for body in [&body, text.as_bytes()] {
            let event = Event::read(body, Attributes::from_iter([("SignatureForm", &form)]));
            prop_assert!(event.lost.is_empty());
        }
    }
}
