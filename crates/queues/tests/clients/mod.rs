//! The SDK's clients, for a stack in this process.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use flinks_dev::stack::Stack;

/// Clients that fill a stack and look into it.
pub fn clients(stack: &Stack) -> (aws_sdk_sqs::Client, aws_sdk_s3::Client) {
    macro_rules! client {
        ($sdk:ident, $builder:expr) => {
            $sdk::Client::from_conf(
                $builder
                    .behavior_version(BehaviorVersion::v2026_01_12())
                    .region(Region::new("us-east-1"))
                    .credentials_provider(Credentials::new("fake", "fake", None, None, "test"))
                    .endpoint_url(stack.aws.endpoint())
                    .http_client(aws_smithy_http_client::Builder::new().build_http())
                    .build(),
            )
        };
    }
    let sqs = client!(aws_sdk_sqs, aws_sdk_sqs::Config::builder());
    let s3 = client!(aws_sdk_s3, aws_sdk_s3::Config::builder().force_path_style(true));
    (sqs, s3)
}
