//! AWS behind the seams: the SDK's clients, on one HTTP client, within the time budget.

use std::{
    collections::HashMap,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_s3::{
    config::BehaviorVersion,
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, get_object::GetObjectError},
    primitives::ByteStream,
    types::EncodingType,
};
use aws_sdk_sqs::{
    operation::send_message::{SendMessageError, SendMessageOutput, builders::SendMessageFluentBuilder},
    types::MessageAttributeValue,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::SharedHttpClient,
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut, dyn_dispatch_hint},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
    http::StatusCode,
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use bytes::Bytes;
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    aws_error::{AwsError, Reason},
    config::{AwsConfig, Config, StorageConfig},
    keys::{FETCH, SecretSource, SecretVersion, Stage},
    kind::{Kind, PerKind},
    message::Attribute,
    redelivery::{Depth, GET, LIST, Listed, Object, Page, REMOVE, SpilledPayloads},
    send_message::OwnSerializer,
    signature::Scheme,
    spilled::SpilledKey,
    storage::{PUT, PayloadStore, Queues, Receipt, SEND, Storage},
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

/// The clients of the receiver's three services.
pub struct Aws {
    pub secrets: SecretsManager,
    pub storage: Storage<Sqs, S3>,
}

impl Aws {
    /// Makes the clients; nothing is sent.
    pub fn new(config: &Config) -> Self {
        let StorageConfig { sqs_endpoint, s3_endpoint, .. } = &config.storage;
        Self::over(http_client([sqs_endpoint, s3_endpoint, &config.secrets_manager_endpoint]), config)
    }

    /// Makes the clients on a given HTTP client.
    pub fn over(http: SharedHttpClient, config: &Config) -> Self {
        let common = sdk_config(http, &config.aws);
        Self {
            secrets: SecretsManager {
                client: aws_sdk_secretsmanager::Client::new(&at(&common, &config.secrets_manager_endpoint)),
                aggregation_id: config.signing_secret_id.clone(),
                pay_id: config.pay_signing_secret_id.clone(),
            },
            storage: Storage::of(&common, &config.storage),
        }
    }
}

impl Storage<Sqs, S3> {
    /// Makes the two clients; nothing is sent.
    pub fn on_aws(config: &StorageConfig, aws: &AwsConfig) -> Self {
        Self::over(http_client([&config.sqs_endpoint, &config.s3_endpoint]), config, aws)
    }

    /// Makes the two clients on a given HTTP client.
    pub fn over(http: SharedHttpClient, config: &StorageConfig, aws: &AwsConfig) -> Self {
        Self::of(&sdk_config(http, aws), config)
    }

    fn of(common: &SdkConfig, config: &StorageConfig) -> Self {
        let (for_sqs, for_s3) = (at(common, &config.sqs_endpoint), at(common, &config.s3_endpoint));
        // Another endpoint has no host name for each bucket.
        let path_style = config.s3_endpoint.is_some();
        let sqs = move || {
            let config = aws_sdk_sqs::config::Builder::from(&for_sqs).interceptor(OwnSerializer::default());
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        let s3 = move || {
            let config = aws_sdk_s3::config::Builder::from(&for_s3).force_path_style(path_style);
            aws_sdk_s3::Client::from_conf(config.build())
        };
        Self {
            queues: Sqs { client: LazyLock::new(Box::new(sqs)), urls: config.queue_urls.clone() },
            payloads: S3 { client: LazyLock::new(Box::new(s3)), bucket: config.payload_bucket.clone() },
        }
    }
}

/// A client that is made when it is first wanted: each reads all regions' names into a table of its own.
type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

/// What the clients have in common, for a service at this endpoint if it is not at AWS's own.
fn at(common: &SdkConfig, endpoint: &Option<String>) -> SdkConfig {
    let mut builder = common.to_builder();
    builder.set_endpoint_url(endpoint.clone());
    builder.build()
}

/// One client for all services: each would otherwise load the root certificates for itself.
fn http_client<const N: usize>(endpoints: [&Option<String>; N]) -> SharedHttpClient {
    let http = Builder::new().pool_idle_timeout(IDLE_CONNECTION);
    let all_plain = endpoints.iter().all(|url| url.as_ref().is_some_and(|url| url.starts_with("http://")));
    // Loading the root certificates is a good part of the start; a local AWS over plain HTTP needs none.
    if all_plain {
        http.build_http()
    } else {
        http.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
    }
}

/// What the clients have in common. Put together here and not by `aws-config`, whose chain of providers would take a
/// variable that is empty for one that is set, and look for files that a function does not have.
fn sdk_config(http: SharedHttpClient, aws: &AwsConfig) -> SdkConfig {
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
        // A stream that stalls is given up after 20 s by default; the limits here are shorter.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
        // Boxed, as every call here: its future of six kilobytes would be part of all that wait for it, and move with them.
        match self.client.get_secret_value().secret_id(id).version_stage(label).send().boxed().await {
            Ok(mut version) => {
                let id = version.version_id.take().unwrap_or_default();
                let created = version.created_date.and_then(|date| date.try_into().ok());
                let secret = version.secret_string.take().map(Zeroizing::new);
                Ok(secret.map(|secret| SecretVersion { id, created, secret }))
            }
            // Not there, no version at that stage, or marked for deletion.
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_resource_not_found_exception() || error.is_invalid_request_exception()
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(told(FETCH, &error)),
        }
    }
}

/// The queues, in SQS.
pub struct Sqs {
    client: Lazy<aws_sdk_sqs::Client>,
    urls: PerKind<String>,
}

impl Queues for Sqs {
    /// Opens a connection to SQS in the background: a name to look up and two handshakes that no callback waits for. What
    /// comes of it does not matter; a message finds the connection, or opens one.
    fn make_ready(&self) {
        let opening = self.client.send_message().customize().config_override(one_attempt()).interceptor(Bare).send();
        tokio::spawn(opening.map(drop));
    }

    async fn send(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> Result<(), AwsError> {
        taken(self.request(kind, body, attributes, group_id)?.send().boxed().await)
    }

    async fn send_once(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> Result<(), AwsError> {
        let request = self.request(kind, body, attributes, group_id)?;
        taken(request.customize().config_override(one_attempt()).send().boxed().await)
    }
}

fn one_attempt() -> aws_sdk_sqs::config::Builder {
    aws_sdk_sqs::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// Sends `GET /` in the place of a call: unsigned, with nothing in it. The SDK cannot connect without a request, and only
/// one that is made like a message's goes to the same host over the same pool of connections.
#[derive(Debug)]
struct Bare;

#[dyn_dispatch_hint]
impl Intercept for Bare {
    fn name(&self) -> &'static str {
        "Bare"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        *request = HttpRequest::get(request.uri())?;
        Ok(())
    }
}

impl Sqs {
    fn request(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> Result<SendMessageFluentBuilder, AwsError> {
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|attribute| {
                let value = MessageAttributeValue::builder()
                    .data_type(attribute.data_type.as_str())
                    .string_value(&attribute.value)
                    .build()
                    .map_err(|_| AwsError::new(SEND, Reason::Construction))?;
                Ok((attribute.name.to_owned(), value))
            })
            .collect::<Result<_, AwsError>>()?;
        let request = self.client.send_message().queue_url(self.urls.get(kind)).message_body(body);
        Ok(request.set_message_attributes(Some(attributes)).set_message_group_id(group_id.map(str::to_owned)))
    }
}

/// Whether SQS has the message.
fn taken(sent: Result<SendMessageOutput, SdkError<SendMessageError, HttpResponse>>) -> Result<(), AwsError> {
    let sent = sent.map_err(|error| told(SEND, &error))?;
    // Something else than SQS can answer 200 too.
    if sent.message_id().is_none() {
        return Err(AwsError::unusable(SEND, "an answer that SQS does not give"));
    }
    Ok(())
}

/// The payload bucket, in S3.
pub struct S3 {
    client: Lazy<aws_sdk_s3::Client>,
    bucket: String,
}

impl PayloadStore for S3 {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn put(&self, key: &str, payload: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let mut put = self.client.put_object().bucket(&self.bucket).key(key);
        for (name, value) in metadata {
            put = put.metadata(*name, *value);
        }
        let put = put.body(ByteStream::from(payload)).send().boxed().await.map_err(|error| told(PUT, &error))?;
        if put.e_tag().is_none() {
            return Err(AwsError::unusable(PUT, "an answer that S3 does not give"));
        }
        Ok(())
    }
}

impl SpilledPayloads for S3 {
    async fn list(&self, prefix: &str, depth: Depth, after: Option<String>) -> Result<Page, AwsError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_delimiter((depth == Depth::One).then(|| "/".to_owned()))
            // A key can have characters that XML cannot hold. One such object would make its whole page unreadable.
            .encoding_type(EncodingType::Url)
            .set_continuation_token(after)
            .send()
            .boxed()
            .await
            .map_err(|error| told(LIST, &error))?;
        if page.is_truncated == Some(true) && page.next_continuation_token.is_none() {
            return Err(AwsError::unusable(LIST, "an answer that S3 does not give"));
        }
        let is_encoded = page.encoding_type == Some(EncodingType::Url);
        let plain = |key: Option<String>| {
            let key = key.unwrap_or_default();
            if is_encoded { percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned() } else { key }
        };
        let listed = page.contents.unwrap_or_default().into_iter().map(|object| Listed {
            key: plain(object.key),
            modified: object.last_modified.and_then(|at| at.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH),
            bytes: object.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
        });
        let common_prefixes = page.common_prefixes.unwrap_or_default().into_iter();
        Ok(Page {
            listed: listed.collect(),
            common_prefixes: common_prefixes.map(|common| plain(common.prefix)).collect(),
            next: page.next_continuation_token,
        })
    }

    async fn get(&self, key: &SpilledKey) -> Result<Option<Object>, AwsError> {
        let fetch = async {
            let object = match self.client.get_object().bucket(&self.bucket).key(key.to_string()).send().await {
                Ok(object) => object,
                Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
                Err(error) => return Err(told(GET, &error)),
            };
            // Of the body's errors nothing may be told, and there is little to tell: the connection broke, or the
            // checksum is wrong.
            let body = object.body.collect().await.map_err(|_| AwsError::new(GET, Reason::Response))?;
            Ok(Some(Object { body: body.into_bytes(), metadata: object.metadata.unwrap_or_default() }))
        };
        // The SDK's own limit ends with the head of the answer.
        timeout(OPERATION, fetch).await.unwrap_or_else(|_| Err(AwsError::timeout(GET)))
    }

    async fn remove(&self, key: &SpilledKey, _: Receipt) -> Result<(), AwsError> {
        let removed = self.client.delete_object().bucket(&self.bucket).key(key.to_string()).send().await;
        removed.map(drop).map_err(|error| told(REMOVE, &error))
    }
}

/// What may be told of an SDK's error: never its message, which can quote the request.
fn told<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> AwsError {
    /// Longest code or id that is believed, in bytes. AWS's own are shorter.
    const LONGEST: usize = 64;
    // Words such as `AccessDeniedException`, and ids in hex or, S3's, in capitals: what else a service might echo is none.
    let code = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let id = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            || word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let legal = |word: &&str, form: fn(&str) -> bool| word.len() <= LONGEST && form(word);
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
        code: error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
            .filter(|word| legal(word, code))
            .map(str::to_owned),
        status: error.raw_response().map(HttpResponse::status).map(StatusCode::as_u16),
        aws_request_id: error.request_id().filter(|word| legal(word, id)).map(str::to_owned),
    }
}
