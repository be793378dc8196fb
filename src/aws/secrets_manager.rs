//! The secrets, in Secrets Manager.

use aws_types::SdkConfig;
use futures_util::FutureExt;
use zeroize::Zeroizing;

use super::{error::aws_error, sdk_config::with_endpoint};
use crate::{
    auth::{Scheme, SecretSource, SecretVersion, Stage},
    aws_error::{AwsError, Operation},
    config::SecretsConfig,
};

/// The signing secrets.
pub struct SecretsManager {
    client: aws_sdk_secretsmanager::Client,
    aggregation_id: String,
    pay_id: String,
}

impl SecretsManager {
    pub fn new(common: &SdkConfig, config: &SecretsConfig) -> Self {
        Self {
            client: aws_sdk_secretsmanager::Client::new(&with_endpoint(common, &config.endpoint)),
            aggregation_id: config.signing_secret_id.clone(),
            pay_id: config.pay_signing_secret_id.clone(),
        }
    }
}

impl SecretSource for SecretsManager {
    async fn fetch(&self, scheme: Scheme, stage: Stage) -> Result<Option<SecretVersion>, AwsError> {
        let id = match scheme {
            Scheme::Aggregation => &self.aggregation_id,
            Scheme::Pay => &self.pay_id,
        };
        let label = match stage {
            Stage::Current => "AWSCURRENT",
            Stage::Previous => "AWSPREVIOUS",
        };
        version(&self.client, id, label).await
    }
}

/// The version of a secret at a stage.
pub(super) async fn version(
    client: &aws_sdk_secretsmanager::Client,
    id: &str,
    label: &str,
) -> Result<Option<SecretVersion>, AwsError> {
    // Boxed, as every call to the SDK: its future of six kilobytes would be part of every future that waits for it.
    match client.get_secret_value().secret_id(id).version_stage(label).send().boxed().await {
        Ok(mut version) => {
            let text = version.secret_string.take().map(Zeroizing::new);
            let has_secret = text.is_some() || version.secret_binary.is_some();
            let id = version.version_id.take().filter(|id| !id.is_empty() && has_secret);
            let id = id.ok_or(AwsError::unusable(Operation::GetSecretValue, "no version id or no secret"))?;
            let created = version.created_date.and_then(|date| date.try_into().ok());
            Ok(Some(SecretVersion { id, created, text }))
        }
        // No secret, no version at that stage, or marked for deletion.
        Err(error)
            if error.as_service_error().is_some_and(|error| {
                error.is_resource_not_found_exception() || error.is_invalid_request_exception()
            }) =>
        {
            Ok(None)
        }
        Err(error) => Err(aws_error(Operation::GetSecretValue, &error)),
    }
}
