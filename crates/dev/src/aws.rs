//! AWS as a developer has it: their own account, or a local one.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};

/// Time to connect, to AWS from anywhere.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for one attempt at a call. Three of them fit into the time for which a dead letter is hidden while it is moved.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Before the second attempt. A local AWS is near: what is not there now will not be there in a second.
const LOCAL_BACK_OFF: Duration = Duration::from_millis(50);

/// The configuration of the machine's user: profile, environment, single sign-on. `AWS_ENDPOINT_URL` points it at a
/// local AWS.
pub async fn of_the_user() -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12());
    config.http_client(http_client()).timeout_config(timeouts()).load().await
}

/// The configuration for a local AWS, which takes any credentials and has one region.
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

/// For both `https:` and `http:`.
fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
