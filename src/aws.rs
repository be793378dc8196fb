//! AWS behind the seams: the SDK's clients, on one HTTP client, within the time budget.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_s3::{
    config::BehaviorVersion,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    primitives::ByteStream,
};
use aws_sdk_sqs::types::MessageAttributeValue;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{
    aws_error::{AwsError, Reason},
    config::{AwsConfig, Config},
    keys::{SecretSource, SecretVersion, Stage},
    kind::{Kind, PerKind},
    message::Attribute,
    signature::Scheme,
    storage::{PayloadStore, Queues},
};

/// Time to connect. Within a region it takes a few milliseconds.
const CONNECT: Duration = Duration::from_secs(1);
/// Time for one attempt, so that a second and a third fit into the operation.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Time for an operation with all its attempts.
const OPERATION: Duration = Duration::from_secs(9);
const ATTEMPTS: u32 = 3;
/// Longest wait before the second attempt; it doubles from there.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// A function may be frozen between callbacks for longer than AWS keeps an idle connection open.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// The clients of the three services.
pub struct Aws {
    pub secrets: Arc<SecretsManager>,
    pub queues: Arc<Sqs>,
    pub payloads: Arc<S3>,
}

impl Aws {
    /// Makes the clients; nothing is sent.
    pub fn new(config: &Config) -> Self {
        let common = sdk_config(&config.aws);
        let with_endpoint = |endpoint: &Option<String>| {
            let mut builder = common.to_builder();
            builder.set_endpoint_url(endpoint.clone());
            builder.build()
        };
        let s3 = aws_sdk_s3::config::Builder::from(&with_endpoint(&config.aws.s3_endpoint))
            // Another endpoint has no host name for each bucket.
            .force_path_style(config.aws.s3_endpoint.is_some());
        Self {
            secrets: Arc::new(SecretsManager {
                client: aws_sdk_secretsmanager::Client::new(&with_endpoint(&config.aws.secrets_manager_endpoint)),
                aggregation_id: config.signing_secret_id.clone(),
                pay_id: config.pay_signing_secret_id.clone(),
            }),
            queues: Arc::new(Sqs {
                client: aws_sdk_sqs::Client::new(&with_endpoint(&config.aws.sqs_endpoint)),
                urls: config.queue_urls.clone(),
            }),
            payloads: Arc::new(S3 {
                client: aws_sdk_s3::Client::from_conf(s3.build()),
                bucket: config.payload_bucket.clone(),
            }),
        }
    }
}

/// What the clients have in common. Put together here and not by `aws-config`, whose chain of providers would take a
/// variable that is empty for one that is set, and look for files that a function does not have.
fn sdk_config(aws: &AwsConfig) -> SdkConfig {
    let http = Builder::new().pool_idle_timeout(IDLE_CONNECTION);
    let endpoints = [&aws.sqs_endpoint, &aws.secrets_manager_endpoint, &aws.s3_endpoint];
    let all_plain = endpoints.iter().all(|url| url.as_ref().is_some_and(|url| url.starts_with("http://")));
    // Loading the root certificates is a good part of the start; a local AWS over plain HTTP needs none.
    let http = if all_plain {
        http.build_http()
    } else {
        http.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
    };
    let credentials = Credentials::new(
        aws.access_key_id.clone(),
        aws.secret_access_key.clone(),
        aws.session_token.clone(),
        None,
        "environment",
    );
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .sleep_impl(TokioSleep::new())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(OPERATION)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACK_OFF))
        .build()
}

/// The secrets, in Secrets Manager.
pub struct SecretsManager {
    client: aws_sdk_secretsmanager::Client,
    aggregation_id: String,
    pay_id: String,
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
        match self.client.get_secret_value().secret_id(id).version_stage(label).send().await {
            Ok(mut version) => {
                let Some(secret) = version.secret_string.take().map(Zeroizing::new) else {
                    return Err(AwsError::unusable("GetSecretValue", "the secret is binary, it must be text"));
                };
                Ok(Some(SecretVersion {
                    id: version.version_id.take().unwrap_or_default(),
                    created: version.created_date.and_then(|date| date.try_into().ok()),
                    secret,
                }))
            }
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => Err(told("GetSecretValue", &error)),
        }
    }
}

/// The queues, in SQS.
pub struct Sqs {
    client: aws_sdk_sqs::Client,
    urls: PerKind<String>,
}

impl Queues for Sqs {
    async fn send(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> Result<(), AwsError> {
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|attribute| {
                let value = MessageAttributeValue::builder()
                    .data_type(attribute.data_type.as_str())
                    .string_value(&attribute.value)
                    .build()
                    .map_err(|_| AwsError::new("SendMessage", Reason::Construction))?;
                Ok((attribute.name.to_owned(), value))
            })
            .collect::<Result<_, AwsError>>()?;
        self.client
            .send_message()
            .queue_url(self.urls.get(kind))
            .message_body(body)
            .set_message_attributes(Some(attributes))
            .set_message_group_id(group_id.map(str::to_owned))
            .send()
            .await
            .map_err(|error| told("SendMessage", &error))?;
        Ok(())
    }
}

/// The payload bucket, in S3.
pub struct S3 {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl PayloadStore for S3 {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn create(&self, key: &str, payload: Bytes) -> Result<(), AwsError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).if_none_match("*");
        match put.body(ByteStream::from(payload)).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = told("PutObject", &error);
                // The key is nobody else's: an attempt before this one was carried out and its answer lost.
                if error.has_code(&["PreconditionFailed"]) { Ok(()) } else { Err(error) }
            }
        }
    }

    async fn replace(&self, key: &str, payload: Bytes, metadata: &[(&'static str, String)]) -> Result<(), AwsError> {
        let mut put = self.client.put_object().bucket(&self.bucket).key(key);
        for (name, value) in metadata {
            put = put.metadata(*name, value);
        }
        put.body(ByteStream::from(payload)).send().await.map_err(|error| told("PutObject", &error))?;
        Ok(())
    }
}

/// What may be told of an SDK's error: never its message, which can quote the request.
fn told<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> AwsError {
    /// Longest code that is believed, in bytes. AWS's own are words of less.
    const LONGEST_CODE: usize = 128;
    let word = |word: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte);
        (word.len() <= LONGEST_CODE && word.bytes().all(legal)).then(|| word.to_owned())
    };
    let reason = match error {
        SdkError::ConstructionFailure(_) => Reason::Construction,
        SdkError::TimeoutError(_) => Reason::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Reason::Timeout,
        SdkError::DispatchFailure(_) => Reason::Connection,
        SdkError::ResponseError(_) => Reason::Response,
        _ => Reason::Service,
    };
    AwsError {
        operation,
        reason,
        code: error.as_service_error().and_then(ProvideErrorMetadata::code).and_then(word),
        status: error.raw_response().map(HttpResponse::status).map(StatusCode::as_u16),
        aws_request_id: error.request_id().and_then(word),
    }
}
