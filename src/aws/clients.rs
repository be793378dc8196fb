//! The clients of the services that the functions use.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;

use super::{
    s3::S3,
    sdk_config::{http_client, sdk_config},
    secrets_manager::SecretsManager,
    sqs::Sqs,
};
use crate::{
    config::{AwsConfig, Config, StorageConfig},
    delivery::Storage,
};

/// The receiver's clients. Making them sends nothing.
pub struct Clients {
    pub secrets: SecretsManager,
    pub storage: Storage<Sqs, S3>,
}

impl Clients {
    pub fn new(config: &Config) -> Self {
        let StorageConfig { sqs_endpoint, s3_endpoint, .. } = &config.storage;
        Self::with_http_client(http_client([sqs_endpoint, s3_endpoint, &config.secrets.endpoint]), config)
    }

    pub fn with_http_client(http: SharedHttpClient, config: &Config) -> Self {
        let common = sdk_config(http, &config.aws);
        Self {
            secrets: SecretsManager::new(&common, &config.secrets),
            storage: storage_with_config(&common, &config.storage),
        }
    }
}

/// The redelivery's clients. Making them sends nothing.
pub fn storage(config: &StorageConfig, aws: &AwsConfig) -> Storage<Sqs, S3> {
    storage_with_http_client(http_client([&config.sqs_endpoint, &config.s3_endpoint]), config, aws)
}

pub fn storage_with_http_client(http: SharedHttpClient, config: &StorageConfig, aws: &AwsConfig) -> Storage<Sqs, S3> {
    storage_with_config(&sdk_config(http, aws), config)
}

pub(super) fn storage_with_config(common: &SdkConfig, config: &StorageConfig) -> Storage<Sqs, S3> {
    Storage::new(Sqs::new(common, config), S3::new(common, config))
}
