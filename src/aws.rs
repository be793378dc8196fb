//! AWS behind the traits: the SDK's clients, on one HTTP client. Each call is one attempt; [`retry`](crate::retry) makes
//! the others.

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
use aws_sdk_sqs::types::MessageAttributeValue;
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
use aws_smithy_types::{
    DateTime, config_bag::ConfigBag, date_time::Format, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_types::{SdkConfig, region::Region};
use bytes::Bytes;
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    aws_error::{AwsError, Operation, Reason},
    config::{AwsConfig, Config, StorageConfig},
    keys::{SecretSource, SecretVersion, Stage},
    kind::{Kind, PerKind},
    message::Attribute,
    redelivery::{Depth, Listed, Object, Page, SpilledPayloads},
    send_message::OwnSerializer,
    signature::Scheme,
    spilled::SpilledKey,
    storage::{PayloadStore, Queues, Receipt, Storage},
    time_budget::{ATTEMPT, CONNECT},
};

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
        Self::new(
            Sqs { client: LazyLock::new(Box::new(sqs)), urls: config.queue_urls.clone() },
            S3 { client: LazyLock::new(Box::new(s3)), bucket: config.payload_bucket.clone() },
        )
    }
}

/// A client that is made when it is first wanted: each reads all regions' names into a table of its own.
type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

/// What the clients have in common, for a service at this endpoint if it is not at AWS's own. Another endpoint is used as it
/// is: SQS and S3 refuse to combine one with FIPS or dual-stack endpoints.
fn at(common: &SdkConfig, endpoint: &Option<String>) -> SdkConfig {
    let mut builder = common.to_builder();
    if endpoint.is_some() {
        builder.set_endpoint_url(endpoint.clone());
        builder.set_use_fips(None);
        builder.set_use_dual_stack(None);
    }
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
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .retry_config(RetryConfig::disabled())
        .use_fips(aws.use_fips)
        .use_dual_stack(aws.use_dual_stack)
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
                let text = version.secret_string.take().map(Zeroizing::new);
                let has_secret = text.is_some() || version.secret_binary.is_some();
                let id = version.version_id.take().filter(|id| !id.is_empty() && has_secret);
                let id = id.ok_or(AwsError::unusable(Operation::GetSecretValue, "no version id or no secret"))?;
                let created = version.created_date.and_then(|date| date.try_into().ok());
                Ok(Some(SecretVersion { id, created, text }))
            }
            // Not there, no version at that stage, or marked for deletion.
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_resource_not_found_exception() || error.is_invalid_request_exception()
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(reported(Operation::GetSecretValue, &error)),
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
        let opening = self.client.send_message().customize().interceptor(Bare).send();
        tokio::spawn(timeout(ATTEMPT, opening).map(drop));
    }

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
                    .map_err(|_| AwsError::new(Operation::SendMessage, Reason::Construction))?;
                Ok((attribute.name.to_owned(), value))
            })
            .collect::<Result<_, AwsError>>()?;
        let request = self.client.send_message().queue_url(self.urls.get(kind)).message_body(body);
        let request =
            request.set_message_attributes(Some(attributes)).set_message_group_id(group_id.map(str::to_owned));
        let sent = request.send().boxed().await.map_err(|error| reported(Operation::SendMessage, &error))?;
        // Something else than SQS can answer 200 too.
        if sent.message_id().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::SendMessage, "no message id"));
        }
        Ok(())
    }
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
        let put = put.body(ByteStream::from(payload)).send().boxed().await;
        let put = put.map_err(|error| reported(Operation::PutObject, &error))?;
        if put.e_tag().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::PutObject, "no entity tag"));
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
            .map_err(|error| reported(Operation::ListObjectsV2, &error))?;
        if page.name().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::ListObjectsV2, "no bucket name"));
        }
        if page.is_truncated == Some(true) && page.next_continuation_token.is_none() {
            return Err(AwsError::unusable(Operation::ListObjectsV2, "no continuation token"));
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
        let fetched = self.client.get_object().bucket(&self.bucket).key(key.to_string()).send().boxed().await;
        let object = match fetched {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
            Err(error) => return Err(reported(Operation::GetObject, &error)),
        };
        if object.e_tag().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::GetObject, "no entity tag"));
        }
        // Never log body errors: they may quote bank data. There are two: the connection broke, or the checksum is wrong.
        let body = object.body.collect().await.map_err(|_| AwsError::new(Operation::GetObject, Reason::Response))?;
        Ok(Some(Object { body: body.into_bytes(), metadata: object.metadata.unwrap_or_default() }))
    }

    async fn discard(&self, key: &str) -> Result<(), AwsError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().boxed().await;
        let deleted = deleted.map_err(|error| reported(Operation::DeleteObject, &error))?;
        // S3's success has no body, and nothing else that something else would not have.
        if deleted.request_id().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::DeleteObject, "no request id"));
        }
        Ok(())
    }

    async fn remove(&self, key: &SpilledKey, _: &Receipt) -> Result<(), AwsError> {
        self.discard(&key.to_string()).await
    }
}

/// What may be logged of an SDK's error: never its message, which can quote the request.
fn reported<E: ProvideErrorMetadata>(operation: Operation, error: &SdkError<E, HttpResponse>) -> AwsError {
    /// Longest code or id that is believed, in bytes. AWS's own are shorter.
    const LONGEST: usize = 64;
    // Words such as `AccessDeniedException`, and ids in hex or, S3's, in capitals: what else a service might echo is none.
    let code = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let id = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            || word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let legal = |word: &&str, form: fn(&str) -> bool| (1..=LONGEST).contains(&word.len()) && form(word);
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
        clocks_differ: error.raw_response().is_some_and(|response| clocks_differ(response, SystemTime::now())),
    }
}

/// Whether a response was made at a time so far from `now` that the SDK takes the clocks for skewed. It signs the next
/// attempt with the response's time.
fn clocks_differ(response: &HttpResponse, now: SystemTime) -> bool {
    const SKEW: Duration = Duration::from_secs(4 * 60);
    let date = response.headers().get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
    let Some(date) = date.and_then(|date| SystemTime::try_from(date).ok()) else { return false };
    let difference = date.duration_since(now).unwrap_or_else(|earlier| earlier.duration());
    difference > SKEW
}

#[cfg(test)]
mod tests;
