//! What the recovery needs of AWS: its secret, its two queues, and the outcomes in the payload bucket.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::types::MessageAttributeValue;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use bytes::Bytes;
use futures_util::FutureExt;

use super::{
    clients::storage_with_config,
    error::aws_error,
    s3::S3,
    sdk_config::{http_client, sdk_config, with_endpoint},
    secrets_manager::version,
    sqs::Sqs,
};
use crate::{
    auth::SecretVersion,
    aws_error::{AwsError, Operation, Reason},
    config::RecoveryConfig,
    delivery::Storage,
    recovery::{CredentialsSource, OutcomeStore, RequestQueues},
};

/// The recovery's clients. Making them sends nothing.
pub struct RecoveryClients {
    pub secret: RecoverySecret,
    pub queues: RecoveryQueues,
    pub storage: Storage<Sqs, S3>,
}

impl RecoveryClients {
    pub fn new(config: &RecoveryConfig) -> Self {
        let (storage, secrets) = (&config.storage, &config.flinks.secrets_endpoint);
        Self::with_http_client(http_client([&storage.sqs_endpoint, &storage.s3_endpoint, secrets]), config)
    }

    pub fn with_http_client(http: SharedHttpClient, config: &RecoveryConfig) -> Self {
        let common = sdk_config(http, &config.aws);
        Self {
            secret: RecoverySecret::new(&common, config),
            queues: RecoveryQueues::new(&common, config),
            storage: storage_with_config(&common, &config.storage),
        }
    }
}

/// The secret with the credentials for Flinks' API.
pub struct RecoverySecret {
    client: aws_sdk_secretsmanager::Client,
    id: String,
}

impl RecoverySecret {
    fn new(common: &SdkConfig, config: &RecoveryConfig) -> Self {
        let sdk_config = with_endpoint(common, &config.flinks.secrets_endpoint);
        Self { client: aws_sdk_secretsmanager::Client::new(&sdk_config), id: config.flinks.secret_id.clone() }
    }
}

impl CredentialsSource for RecoverySecret {
    async fn fetch(&self) -> Result<Option<SecretVersion>, AwsError> {
        version(&self.client, &self.id, "AWSCURRENT").await
    }
}

/// `RecoveryQueue` and `RecoveryDeadLetterQueue`. The SDK's own serialiser writes these messages: they are short, and
/// they can have a delay.
pub struct RecoveryQueues {
    client: aws_sdk_sqs::Client,
    recovery_queue_url: String,
    dead_letter_queue_url: String,
}

impl RecoveryQueues {
    fn new(common: &SdkConfig, config: &RecoveryConfig) -> Self {
        Self {
            client: aws_sdk_sqs::Client::new(&with_endpoint(common, &config.storage.sqs_endpoint)),
            recovery_queue_url: config.recovery_queue_url.clone(),
            dead_letter_queue_url: config.dead_letter_queue_url.clone(),
        }
    }
}

impl RequestQueues for RecoveryQueues {
    async fn put_back(&self, body: &str, delay: Duration) -> Result<(), AwsError> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.send_message().queue_url(&self.recovery_queue_url).message_body(body);
        let sent = request.delay_seconds(seconds).send().boxed().await;
        accepted(sent.map_err(|error| aws_error(Operation::SendMessage, &error))?.message_id())
    }

    async fn give_up(&self, body: &str, attributes: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|(name, value)| {
                let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build();
                let construction = |_| AwsError::new(Operation::SendMessage, Reason::Construction);
                Ok(((*name).to_owned(), value.map_err(construction)?))
            })
            .collect::<Result<_, AwsError>>()?;
        let request = self.client.send_message().queue_url(&self.dead_letter_queue_url).message_body(body);
        let sent = request.set_message_attributes(Some(attributes)).send().boxed().await;
        accepted(sent.map_err(|error| aws_error(Operation::SendMessage, &error))?.message_id())
    }
}

/// Something other than SQS can respond 200 too.
fn accepted(message_id: Option<&str>) -> Result<(), AwsError> {
    let has_id = message_id.is_some_and(|id| !id.is_empty());
    if has_id { Ok(()) } else { Err(AwsError::unusable(Operation::SendMessage, "no message id")) }
}

impl OutcomeStore for S3 {
    async fn put_outcome(&self, key: &str, outcome: Bytes) -> Result<(), AwsError> {
        self.put_json(key, outcome).await
    }
}
