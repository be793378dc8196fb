//! SDK configurations for a developer: for their own account, or for a local AWS.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};

/// Time limit for connecting. It is long enough to reach AWS from anywhere.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit for one attempt at a call. While a dead letter is moved it is hidden for long enough to make three
/// attempts.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The pause before the second attempt. A local AWS is on this machine, so a longer pause would not help.
const LOCAL_BACK_OFF: Duration = Duration::from_millis(50);

/// The user's own configuration: profile, environment, single sign-on. With `AWS_ENDPOINT_URL` it leads to a local AWS.
pub async fn of_the_user() -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12());
    config.http_client(http_client()).timeout_config(timeouts()).load().await
}

/// The configuration for a local AWS, which accepts any credentials and has one region.
pub fn local(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("fake", "fake", None, None, "local")))
        .endpoint_url(endpoint)
        .http_client(http_client())
        .timeout_config(timeouts())
        .retry_config(RetryConfig::standard().with_initial_backoff(LOCAL_BACK_OFF))
        .build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build()
}

/// A client for both `https:` and `http:`.
fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
