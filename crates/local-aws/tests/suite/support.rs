//! A server under test, and its clients.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sqs::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use local_aws::{LocalAws, Network};
use uuid::Uuid;

/// Runs each rule against the local server and against the services in process, and lists the rules for moto.
macro_rules! rules {
    ($($name:ident: $moto:ident,)*) => {
        mod local {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::support::Target::local().await).await;
                }
            )*
        }

        mod in_process {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::support::Target::in_process()).await;
                }
            )*
        }

        pub(crate) fn rules() -> Vec<crate::support::Rule> {
            vec![$(crate::support::Rule {
                name: stringify!($name),
                moto: crate::support::Moto::$moto,
                check: |target| Box::pin(async move { $name(&target).await }),
            },)*]
        }
    };
}

pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) moto: Moto,
    pub(crate) check: fn(Arc<Target>) -> Check,
}

/// Panics if the rule does not hold.
pub(crate) type Check = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether moto has a rule.
#[derive(PartialEq, Eq)]
pub(crate) enum Moto {
    Has,
    Lacks,
}

pub(crate) struct Target {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) parameters: aws_sdk_ssm::Client,
    pub(crate) metrics: aws_sdk_cloudwatch::Client,
    /// `None` if the server is another program, whose clock cannot be moved.
    local: Option<LocalAws>,
}

impl Target {
    pub(crate) async fn local() -> Target {
        let local = LocalAws::start().await.unwrap();
        Target { local: Some(local.clone()), ..Target::at_endpoint(&local.endpoint()) }
    }

    /// A target without sockets, with a latency of two milliseconds each way.
    pub(crate) fn in_process() -> Target {
        Target::with_network(LocalAws::detached(SystemTime::now()), Duration::from_millis(2))
    }

    pub(crate) fn with_network(local: LocalAws, network: impl Network) -> Target {
        let (http, endpoint) = (local.http_client(network), local.endpoint());
        Target { local: Some(local), ..Target::new(http, &endpoint) }
    }

    /// Clients for the server at this endpoint.
    pub(crate) fn at_endpoint(endpoint: &str) -> Target {
        Target::new(Builder::new().build_http(), endpoint)
    }

    /// Clients that do not retry.
    fn new(http: SharedHttpClient, endpoint: &str) -> Target {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        macro_rules! client {
            ($sdk:ident, $builder:expr) => {
                $sdk::Client::from_conf(
                    $builder
                        .behavior_version(BehaviorVersion::latest())
                        .region(Region::from_static("us-east-1"))
                        .credentials_provider(credentials.clone())
                        .endpoint_url(endpoint)
                        .http_client(http.clone())
                        .retry_config(RetryConfig::disabled())
                        .build(),
                )
            };
        }
        Target {
            sqs: client!(aws_sdk_sqs, aws_sdk_sqs::Config::builder()),
            secrets: client!(aws_sdk_secretsmanager, aws_sdk_secretsmanager::Config::builder()),
            s3: client!(aws_sdk_s3, aws_sdk_s3::Config::builder().force_path_style(true)),
            parameters: client!(aws_sdk_ssm, aws_sdk_ssm::Config::builder()),
            metrics: client!(aws_sdk_cloudwatch, aws_sdk_cloudwatch::Config::builder()),
            local: None,
        }
    }

    pub(crate) fn aws(&self) -> &LocalAws {
        self.local.as_ref().unwrap()
    }

    /// Lets time pass: moves the clock, or waits if it cannot be moved.
    pub(crate) async fn pass(&self, time: Duration) {
        if self.local.is_none() {
            return tokio::time::sleep(time).await;
        }
        // Resumes at once, because a paused clock advances whenever all tasks wait for the network.
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    /// Creates a queue for one test and returns its URL.
    pub(crate) async fn queue<const N: usize>(&self, attributes: [(QueueAttributeName, &str); N]) -> String {
        let mut request = self.sqs.create_queue().queue_name(unique());
        for (name, value) in attributes {
            request = request.attributes(name, value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    pub(crate) async fn attribute(&self, queue: &str, name: QueueAttributeName) -> String {
        let request = self.sqs.get_queue_attributes().queue_url(queue);
        let response = request.attribute_names(name.clone()).send().await.unwrap();
        response.attributes.unwrap()[&name].clone()
    }

    /// Creates a bucket for one test and returns its name.
    pub(crate) async fn bucket(&self) -> String {
        let name = unique();
        self.s3.create_bucket().bucket(&name).send().await.unwrap();
        name
    }

    /// Creates a secret for one test and returns its name.
    pub(crate) async fn secret(&self, value: &str) -> String {
        let name = unique();
        let request = self.secrets.create_secret().name(&name);
        request.secret_string(value).send().await.unwrap();
        name
    }
}

pub(crate) fn unique() -> String {
    format!("test-{}", Uuid::new_v4())
}

/// The code of the error, or `none`.
pub(crate) fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    let error = result.err();
    let code = error.as_ref().and_then(|error| error.code());
    code.unwrap_or("none").to_owned()
}
