//! AWS as the developer's own machine knows it: profile, environment, single sign-on.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The configuration of the machine's user. `AWS_ENDPOINT_URL` points it at a local AWS.
pub async fn of_the_user() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client()).load().await
}

/// For both `https:` and `http:`.
pub fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
