//! Systems Manager's parameters: AWS JSON 1.1, target prefix `AmazonSSM`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::ServiceError;
use crate::json::parameters;
use crate::names::arn;
use crate::operation::Operation;
use crate::sync::lock;
use crate::wire::Call;

/// The most names in one GetParameters (API reference).
const MAX_NAMES: usize = 10;

/// All parameters, by name.
pub(crate) struct Parameters {
    clock: Clock,
    parameters: Mutex<BTreeMap<String, Parameter>>,
}

struct Parameter {
    data_type: String,
    value: String,
    /// Starts at 1 and grows with every change.
    version: u64,
    changed: SystemTime,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameter {
    name: String,
    value: String,
    #[serde(default = "text")]
    r#type: String,
    #[serde(default)]
    overwrite: bool,
}

fn text() -> String {
    "String".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
}

impl Parameters {
    pub(crate) fn new(clock: Clock) -> Parameters {
        Parameters { clock, parameters: Mutex::default() }
    }

    pub(crate) fn serve(&self, operation: Operation, call: &Call) -> Result<Value, ServiceError> {
        match operation {
            Operation::PutParameter => self.put_parameter(parameters(call)?),
            Operation::GetParameters => self.get_parameters(&parameters(call)?),
            _ => Err(ServiceError::other_service()),
        }
    }

    /// Returns the new version.
    pub(crate) fn put(&self, name: &str, value: &str) -> u64 {
        self.store(name.to_owned(), text(), value.to_owned())
    }

    fn store(&self, name: String, data_type: String, value: String) -> u64 {
        let mut parameters = lock(&self.parameters);
        let version = parameters.get(&name).map_or(1, |parameter| parameter.version.saturating_add(1));
        parameters.insert(name, Parameter { data_type, value, version, changed: self.clock.now() });
        version
    }

    fn put_parameter(&self, request: PutParameter) -> Result<Value, ServiceError> {
        if !request.overwrite && lock(&self.parameters).contains_key(&request.name) {
            return Err(ServiceError::bad_request(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to \
                 true.",
            ));
        }
        let version = self.store(request.name, request.r#type, request.value);
        Ok(json!({ "Version": version, "Tier": "Standard" }))
    }

    fn get_parameters(&self, request: &GetParameters) -> Result<Value, ServiceError> {
        if !(1..=MAX_NAMES).contains(&request.names.len()) {
            let message = format!("names: must have length between 1 and {MAX_NAMES}");
            return Err(ServiceError::bad_request("ValidationException", message));
        }
        let parameters = lock(&self.parameters);
        let (found, missing): (Vec<_>, Vec<_>) =
            request.names.iter().partition(|name| parameters.contains_key(name.as_str()));
        let found = found.into_iter().filter_map(|name| Some(shown(name, parameters.get(name)?)));
        Ok(json!({ "Parameters": found.collect::<Vec<_>>(), "InvalidParameters": missing }))
    }
}

fn shown(name: &str, parameter: &Parameter) -> Value {
    let changed = parameter.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    // If the name starts with a slash, it is the separator.
    let resource = format!("parameter/{}", name.trim_start_matches('/'));
    json!({
        "Name": name,
        "Type": parameter.data_type,
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": changed.as_secs_f64(),
        "ARN": arn("ssm", &resource),
        "DataType": "text",
    })
}
