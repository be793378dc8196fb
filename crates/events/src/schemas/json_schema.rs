//! JSON Schemas, draft 2020-12. They are open: they have no formats and no patterns, allow further properties, and
//! require only the fields that identify the kind.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    attributes::Attributes,
    kind::Kind,
    payload::{AccountsDetail, EftSessionStatus, FraudAlert, Investments, Kyc},
};

/// The schema of a payload, or of the attributes.
pub struct Document {
    /// Where it is in the package.
    pub file: String,
    /// The type's name.
    pub name: String,
    /// The kind whose payload it describes; `None` for the attributes.
    pub kind: Option<Kind>,
    pub schema: Value,
}

/// All schemas.
pub fn documents() -> Vec<Document> {
    let mut documents = vec![
        document::<Kyc>("kyc", Some(Kind::Kyc)),
        document::<AccountsDetail>("accounts-detail", Some(Kind::AccountsDetail)),
        document::<Investments>("investments", Some(Kind::Investments)),
        document::<EftSessionStatus>("eft-session-status", Some(Kind::Pay)),
        document::<FraudAlert>("fraud-alert", Some(Kind::UploadFraud)),
        document::<Attributes>("attributes", None),
    ];
    for document in &mut documents {
        let identifying_keys: &[&str] = match document.kind {
            Some(Kind::Pay) => &["sessionId", "status"],
            Some(Kind::UploadFraud) => &["DocumentAnalysis"],
            Some(_) => &["ResponseType"],
            None => &[],
        };
        for key in identifying_keys {
            require(&mut document.schema, key);
        }
        if let Some(response_type) = document.kind.and_then(Kind::response_type)
            && let Some(property) = document.schema.pointer_mut("/properties/ResponseType")
        {
            property["const"] = json!(response_type);
        }
        // An attribute may be absent, and is never null.
        if document.kind.is_none()
            && let Some(properties) = document.schema.get_mut("properties").and_then(Value::as_object_mut)
        {
            properties.values_mut().filter_map(Value::as_object_mut).for_each(without_null);
        }
    }
    documents
}

/// A definition of a document: the document itself, or one of its `$defs`.
pub type Definition<'d> = (&'d str, &'d Value);

/// Every definition of all documents, once.
pub fn definitions(documents: &[Document]) -> Vec<Definition<'_>> {
    let mut found: Vec<Definition<'_>> = Vec::new();
    for document in documents {
        let parts = document.schema.get("$defs").and_then(Value::as_object).into_iter().flatten();
        let parts = parts.map(|(name, schema)| (name.as_str(), schema));
        for (name, schema) in parts.chain([(document.name.as_str(), &document.schema)]) {
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, schema));
            }
        }
    }
    found
}

fn document<T: JsonSchema>(file: &str, kind: Option<Kind>) -> Document {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    tidy(&mut schema);
    Document { file: format!("schemas/{file}.json"), name: T::schema_name().into_owned(), kind, schema }
}

/// Removes what schemars adds and Flinks does not document, and marks what is inferred.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get("description") {
                let text = one_line_for_each_paragraph(text);
                if text.contains("Inferred") {
                    members.insert("x-inferred".to_owned(), json!(true));
                }
                members.insert("description".to_owned(), json!(text));
            }
            // These come from Rust's integer types, not from Flinks' documentation.
            members.retain(|key, _| !["format", "minimum", "maximum"].contains(&key.as_str()));
            members.values_mut().for_each(tidy);
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn one_line_for_each_paragraph(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Makes a property required, and excludes `null`.
fn require(schema: &mut Value, key: &str) {
    let Some(members) = schema.as_object_mut() else { return };
    let required = members.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.push(json!(key));
    }
    let property = members.get_mut("properties").and_then(|properties| properties.get_mut(key));
    let Some(property) = property.and_then(Value::as_object_mut) else { return };
    without_null(property);
}

fn without_null(property: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = property.get("type") else { return };
    let types: Vec<_> = types.iter().filter(|name| *name != "null").cloned().collect();
    let types = match <[Value; 1]>::try_from(types) {
        Ok([only]) => only,
        Err(types) => Value::Array(types),
    };
    property.insert("type".to_owned(), types);
}
