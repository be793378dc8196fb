//! How the SDK's clients are configured.

use std::{sync::LazyLock, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_s3::config::BehaviorVersion;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::{config::AwsConfig, time_budget::CONNECT};

/// A connection that was idle for longer is not used again: AWS may have closed it while the function was frozen.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// A client that is made at its first use, because each client builds a table of all regions, which takes time.
pub(super) type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

/// The common configuration of the clients. It is not made by `aws-config`, whose chain of providers uses a variable
/// that is set but empty, and looks for files that a function does not have.
pub(super) fn sdk_config(http: SharedHttpClient, aws: &AwsConfig) -> SdkConfig {
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

/// The common configuration, with this endpoint if it is set. A custom endpoint turns FIPS and dual-stack off, because
/// the SDK's clients of SQS and S3 reject the combination.
pub(super) fn with_endpoint(common: &SdkConfig, endpoint: &Option<String>) -> SdkConfig {
    let mut builder = common.to_builder();
    if endpoint.is_some() {
        builder.set_endpoint_url(endpoint.clone());
        builder.set_use_fips(None);
        builder.set_use_dual_stack(None);
    }
    builder.build()
}

/// One HTTP client for all services: each would otherwise load the root certificates again.
pub(super) fn http_client<const N: usize>(endpoints: [&Option<String>; N]) -> SharedHttpClient {
    let http = Builder::new().pool_idle_timeout(IDLE_CONNECTION);
    let all_plain = endpoints.iter().all(|url| url.as_ref().is_some_and(|url| url.starts_with("http://")));
    // Loading the root certificates is a good part of the start. A local AWS over plain HTTP needs none.
    if all_plain {
        http.build_http()
    } else {
        http.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
    }
}
