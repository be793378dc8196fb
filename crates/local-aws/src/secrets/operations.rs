//! GetSecretValue, PutSecretValue and CreateSecret.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::identity::Identity;
use super::secret::{Payload, Secret, Stage, Version};
use super::store::{SecretsManager, find};
use crate::error::ServiceError;
use crate::sync::lock;

/// The most bytes in a SecretString, or in a decoded SecretBinary (Secrets Manager quotas).
const MAX_PAYLOAD_BYTES: usize = 65_536;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetSecretValue {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutSecretValue {
    secret_id: Option<String>,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
    version_stages: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateSecret {
    name: Option<String>,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

impl SecretsManager {
    pub(super) fn get_secret_value(&self, request: &GetSecretValue) -> Result<Value, ServiceError> {
        let mut secrets = lock(&self.secrets);
        let secret = readable(&mut secrets, request.secret_id.as_deref())?;
        let version = wanted(secret, request)?;
        let mut response = described(secret, version);
        response.insert("CreatedDate".into(), seconds(version.created).into());
        let (name, value) = match &version.payload {
            Payload::Text(text) => ("SecretString", text),
            Payload::Binary(binary) => ("SecretBinary", binary),
        };
        response.insert(name.into(), value.as_str().into());
        Ok(Value::Object(response))
    }

    /// The token is the version's id. The same token with the same value repeats a request. With another value it is an
    /// error (Secrets Manager API reference, PutSecretValue).
    pub(super) fn put_secret_value(&self, request: PutSecretValue) -> Result<Value, ServiceError> {
        let payload = payload(request.secret_string, request.secret_binary)?;
        let payload =
            payload.ok_or_else(|| invalid_request("You must provide either SecretString or SecretBinary."))?;
        let token = token(request.client_request_token)?;
        let mut secrets = lock(&self.secrets);
        let secret = readable(&mut secrets, request.secret_id.as_deref())?;
        if !secret.versions.iter().any(|version| version.id == token) {
            let stages = request.version_stages.unwrap_or_default();
            let mut stages: Vec<Stage> = stages.into_iter().map(Stage).collect();
            // The first version is the current one, whatever the request says.
            let first = secret.version_at(&Stage::current()).is_none();
            if stages.is_empty() || (first && !stages.contains(&Stage::current())) {
                stages.push(Stage::current());
            }
            secret.add(token.clone(), payload.clone(), stages, self.clock.now());
        }
        let mut versions = secret.versions.iter();
        match versions.find(|version| version.id == token) {
            Some(version) if version.payload == payload => Ok(Value::Object(described(secret, version))),
            _ => Err(ServiceError::bad_request(
                "ResourceExistsException",
                format!(
                    "You can't modify an existing version, you can only create new versions. \
                     ClientRequestToken {token} is already in use."
                ),
            )),
        }
    }

    pub(super) fn create_secret(&self, request: CreateSecret) -> Result<Value, ServiceError> {
        let name = request.name.ok_or_else(|| invalid_parameter("Name is missing."))?;
        check_name(&name)?;
        let payload = payload(request.secret_string, request.secret_binary)?;
        let token = token(request.client_request_token)?;
        let mut secrets = lock(&self.secrets);
        if let Some(secret) = find(&mut secrets, &name) {
            return created_before(secret, &name, &token, payload.as_ref());
        }
        let mut secret = Secret::new(Identity::from_name(&name));
        if let Some(payload) = payload {
            secret.add(token, payload, vec![Stage::current()], self.clock.now());
        }
        let response = match secret.version_at(&Stage::current()) {
            Some(version) => described(&secret, version),
            None => named(&secret),
        };
        secrets.push(secret);
        Ok(Value::Object(response))
    }
}

/// The same token with the same value repeats the request.
fn created_before(secret: &Secret, name: &str, token: &str, payload: Option<&Payload>) -> Result<Value, ServiceError> {
    if secret.deleted {
        return Err(invalid_request(
            "You can't create this secret because a secret with this name is already scheduled \
             for deletion.",
        ));
    }
    let mut versions = secret.versions.iter();
    match versions.find(|version| version.id == token) {
        Some(version) if Some(&version.payload) == payload => Ok(Value::Object(described(secret, version))),
        _ => Err(ServiceError::bad_request(
            "ResourceExistsException",
            format!("The operation failed because the secret {name} already exists."),
        )),
    }
}

fn readable<'a>(secrets: &'a mut [Secret], id: Option<&str>) -> Result<&'a mut Secret, ServiceError> {
    let id = id.ok_or_else(|| invalid_parameter("SecretId is missing."))?;
    let secret = find(secrets, id).ok_or_else(|| not_found("Secrets Manager can't find the specified secret."))?;
    if secret.deleted {
        return Err(invalid_request(
            "You can't perform this operation on the secret because it was marked for deletion.",
        ));
    }
    Ok(secret)
}

/// The version with the requested id or stage. If both are given, they must agree. Without either, AWSCURRENT.
fn wanted<'a>(secret: &'a Secret, request: &GetSecretValue) -> Result<&'a Version, ServiceError> {
    let stage = request.version_stage.as_deref().map(Stage::from);
    let Some(id) = &request.version_id else {
        let stage = stage.unwrap_or_else(Stage::current);
        return secret.version_at(&stage).ok_or_else(|| {
            let stage = &stage.0;
            not_found(&format!("Secrets Manager can't find the specified secret value for staging label: {stage}"))
        });
    };
    let mut versions = secret.versions.iter();
    let version = versions.find(|version| version.id == *id).ok_or_else(|| {
        not_found(&format!("Secrets Manager can't find the specified secret value for VersionId: {id}"))
    })?;
    if stage.is_some_and(|stage| !version.stages.contains(&stage)) {
        return Err(invalid_request("You provided a VersionStage that is not associated to the provided VersionId."));
    }
    Ok(version)
}

fn described(secret: &Secret, version: &Version) -> Map<String, Value> {
    let stages = version.stages.iter().map(|stage| stage.0.as_str());
    let mut described = named(secret);
    described.insert("VersionId".into(), version.id.as_str().into());
    described.insert("VersionStages".into(), stages.collect());
    described
}

fn named(secret: &Secret) -> Map<String, Value> {
    let mut named = Map::new();
    named.insert("ARN".into(), secret.identity.arn.as_str().into());
    named.insert("Name".into(), secret.identity.name.as_str().into());
    named
}

fn payload(text: Option<String>, binary: Option<String>) -> Result<Option<Payload>, ServiceError> {
    let payload = match (text, binary) {
        (Some(_), Some(_)) => {
            return Err(invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the \
                 same secret.",
            ));
        }
        (Some(text), None) => Payload::Text(text),
        (None, Some(binary)) => Payload::Binary(binary),
        (None, None) => return Ok(None),
    };
    let size = match &payload {
        Payload::Text(text) => text.len(),
        Payload::Binary(binary) => {
            let bytes = STANDARD.decode(binary);
            bytes.map_err(|error| ServiceError::bad_request("SerializationException", error.to_string()))?.len()
        }
    };
    if (1..=MAX_PAYLOAD_BYTES).contains(&size) {
        return Ok(Some(payload));
    }
    Err(invalid_parameter(&format!("A secret value has between 1 and {MAX_PAYLOAD_BYTES} bytes.")))
}

/// SDKs make a token themselves; other callers must.
fn token(token: Option<String>) -> Result<String, ServiceError> {
    let token = token.unwrap_or_else(|| Uuid::new_v4().to_string());
    if (32..=64).contains(&token.len()) {
        return Ok(token);
    }
    Err(invalid_parameter("ClientRequestToken must be 32-64 characters long."))
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if (1..=512).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid_parameter(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
         following: -/_+=.@!",
    ))
}

/// Rounded to milliseconds, as the service returns it.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn not_found(message: &str) -> ServiceError {
    ServiceError::bad_request("ResourceNotFoundException", message)
}

fn invalid_request(message: &str) -> ServiceError {
    ServiceError::bad_request("InvalidRequestException", message)
}

fn invalid_parameter(message: &str) -> ServiceError {
    ServiceError::bad_request("InvalidParameterException", message)
}
