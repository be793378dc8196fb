//! The queues of a local AWS or of a deployed stack, and the clients that reach them.

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sqs::types::QueueAttributeName::{
    self, ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
};
use flinks_webhooks::routing::Kind;
use futures_util::future::try_join_all;
use serde_json::Value;

use flinks_dev::failed_call;
use flinks_dev::{
    aws,
    failure::Failure,
    stack::{PAYLOAD_BUCKET, RECOVERY_QUEUE, dead_letter_queue},
};

/// Where to look.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// Use the queues of this deployed stack, in the account and region that the AWS CLI would use (AWS_PROFILE,
    /// AWS_REGION). The command finds them through the stack's SSM parameters, /NAME/queues/….
    #[arg(long, value_name = "NAME", conflicts_with = "endpoint")]
    stack: Option<String>,
    /// Use the queues of the local AWS at this URL. The default is AWS_ENDPOINT_URL, which `cargo dev up` prints, or
    /// http://127.0.0.1:4566, where `cargo dev up` listens by default.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    endpoint: Option<String>,
}

impl Target {
    fn endpoint(&self) -> Result<String, Failure> {
        const DEFAULT: &str = "http://127.0.0.1:4566";
        const VARIABLE: &str = "AWS_ENDPOINT_URL";
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        match std::env::var(VARIABLE).ok().filter(|url| !url.is_empty()) {
            Some(url) => http_url(&url).map_err(|why| Failure::usage(format!("{VARIABLE} is wrong: {why}"))),
            None => Ok(DEFAULT.to_owned()),
        }
    }
}

fn http_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("it must be like http://127.0.0.1:4566".to_owned()),
    }
}

/// Parses QUEUE: the kind's label or the queue's logical name, in any case.
pub fn queue_kind(name: &str) -> Result<Kind, String> {
    let is_meant = |kind: &Kind| name.eq_ignore_ascii_case(kind.label()) || name.eq_ignore_ascii_case(kind.queue());
    Kind::ALL.into_iter().find(is_meant).ok_or_else(|| {
        let known = Kind::ALL.map(|kind| format!("{} ({})", kind.label(), kind.queue()));
        format!("there is no such queue; the queues are {}", known.join(", "))
    })
}

/// The clients of a place, and how to find its queues.
pub struct Connection {
    pub sqs: aws_sdk_sqs::Client,
    pub s3: aws_sdk_s3::Client,
    pub metrics: aws_sdk_cloudwatch::Client,
    parameters: aws_sdk_ssm::Client,
    place: Place,
}

/// Which AWS it is. Errors name it.
enum Place {
    Stack { name: String, region: String },
    Local { endpoint: String },
}

/// A queue with its dead-letter queue.
#[derive(Clone, Debug)]
pub struct Queue {
    pub kind: Kind,
    pub url: String,
    pub dead_letters: DeadLetters,
}

/// A queue's redrive policy.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    pub url: String,
    /// How often a message can be received. The next receive moves it to the dead-letter queue.
    pub max_receives: u32,
}

/// Where the requests for recoveries go, and where their outcomes are.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub queue_url: String,
    /// `None` if the queue has no redrive policy.
    pub dead_letters: Option<DeadLetters>,
    pub bucket: String,
}

/// How many messages are in a queue; on AWS approximately.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
}

impl Queue {
    /// The queue's URL, or that of its dead-letter queue.
    pub fn url(&self, dead_letters: bool) -> &str {
        if dead_letters { &self.dead_letters.url } else { &self.url }
    }

    /// The logical name of the queue in the template, or that of its dead-letter queue.
    pub fn logical_name(&self, dead_letters: bool) -> String {
        let name = self.kind.queue();
        if dead_letters { dead_letter_queue(self.kind) } else { name.to_owned() }
    }
}

impl Connection {
    /// Makes the clients. For a stack, checks that there are credentials, and makes no call to AWS yet.
    ///
    /// # Errors
    /// When there is no region, or no credentials.
    pub async fn open(target: &Target) -> Result<Self, Failure> {
        let (config, place) = match &target.stack {
            Some(name) => {
                let config = aws::of_the_user().await;
                let region = config.region().map(ToString::to_string);
                let region = region.ok_or_else(|| Failure::usage("no region: set AWS_REGION, or AWS_PROFILE"))?;
                require_credentials(&config).await?;
                (config, Place::Stack { name: name.clone(), region })
            }
            None => {
                let endpoint = target.endpoint()?;
                let endpoint = endpoint.trim_end_matches('/').to_owned();
                (aws::local(&endpoint), Place::Local { endpoint })
            }
        };
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            // A custom endpoint has no host name for each bucket.
            .force_path_style(config.endpoint_url().is_some());
        Ok(Self {
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            metrics: aws_sdk_cloudwatch::Client::new(&config),
            parameters: aws_sdk_ssm::Client::new(&config),
            place,
        })
    }

    /// The endpoint of a local AWS; `None` for a stack.
    pub fn local(&self) -> Option<&str> {
        match &self.place {
            Place::Local { endpoint } => Some(endpoint),
            Place::Stack { .. } => None,
        }
    }

    /// The queues of these kinds.
    ///
    /// # Errors
    /// When AWS cannot be reached, or does not have the queues.
    pub async fn queues(&self, kinds: &[Kind]) -> Result<Vec<Queue>, Failure> {
        let urls = self.urls(kinds).await?;
        let queues = urls.into_iter().map(async |(kind, url)| {
            let queue = kind.queue();
            let dead_letters = self.dead_letters(queue, &url).await?;
            let dead_letters = dead_letters
                .ok_or_else(|| Failure::usage(format!("{queue} has no redrive policy, so it has no dead letters")))?;
            Ok(Queue { kind, url, dead_letters })
        });
        try_join_all(queues).await
    }

    /// The queue of this kind.
    ///
    /// # Errors
    /// As [`Connection::queues`].
    pub async fn queue(&self, kind: Kind) -> Result<Queue, Failure> {
        let mut queues = self.queues(&[kind]).await?;
        queues.pop().ok_or_else(|| Failure::usage(format!("there is no {}", kind.queue())))
    }

    /// Counts the messages of the queue with this URL.
    ///
    /// # Errors
    /// When SQS does not return the counts.
    pub async fn counts(&self, url: &str) -> Result<Counts, Failure> {
        let names =
            [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, ApproximateNumberOfMessagesDelayed];
        let request = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let response = request.send().await;
        let response = response.map_err(|error| failed_call::failure("count messages", self.local(), &error))?;
        let count = |name: &QueueAttributeName| {
            let count = response.attributes().and_then(|attributes| attributes.get(name)?.parse().ok());
            // A missing count is not zero: a user who reads zero would leave messages behind.
            count.ok_or_else(|| Failure::usage(format!("cannot count messages: the response has no {name}")))
        };
        let [visible, in_flight, delayed] = &names;
        Ok(Counts { visible: count(visible)?, in_flight: count(in_flight)?, delayed: count(delayed)? })
    }

    /// The name of the bucket for the payloads that no message can carry.
    ///
    /// # Errors
    /// When the stack has no parameter for it.
    pub async fn bucket(&self) -> Result<String, Failure> {
        let Place::Stack { name: stack, .. } = &self.place else {
            return Ok(PAYLOAD_BUCKET.to_owned());
        };
        let name = format!("/{stack}/payload-bucket");
        let response = self.parameters.get_parameters().names(&name).send().await;
        let response =
            response.map_err(|error| failed_call::failure("read the stack's SSM parameters", None, &error))?;
        let value = response.parameters().first().and_then(|parameter| parameter.value());
        let missing = || Failure::usage(format!("the stack {stack} does not name its bucket: no SSM parameter {name}"));
        value.map(str::to_owned).ok_or_else(missing)
    }

    /// Where the requests for recoveries go: the queue of the optional recovery stack, and the receiver's bucket.
    ///
    /// # Errors
    /// When AWS cannot be reached, or there is no such stack, or it belongs to another receiver.
    pub async fn recovery(&self, recovery_stack: &str) -> Result<Recovery, Failure> {
        let (queue_url, bucket) = match &self.place {
            Place::Local { endpoint } => {
                let url = self.url(RECOVERY_QUEUE, None).await?.ok_or_else(|| {
                    Failure::usage(format!("there is no {RECOVERY_QUEUE} at {endpoint}: start `cargo dev up --flinks`"))
                })?;
                (url, PAYLOAD_BUCKET.to_owned())
            }
            Place::Stack { name: stack, region } => self.recovery_of_stack(stack, recovery_stack, region).await?,
        };
        let dead_letters = self.dead_letters(RECOVERY_QUEUE, &queue_url).await?;
        Ok(Recovery { queue_url, dead_letters, bucket })
    }

    async fn recovery_of_stack(
        &self,
        stack: &str,
        recovery_stack: &str,
        region: &str,
    ) -> Result<(String, String), Failure> {
        let (queue, bucket) = (format!("/{recovery_stack}/recovery-queue/url"), format!("/{stack}/payload-bucket"));
        let its_bucket = format!("/{recovery_stack}/payload-bucket");
        let names = [&queue, &bucket, &its_bucket].map(String::clone);
        let response = self.parameters.get_parameters().set_names(Some(names.to_vec())).send().await;
        let response =
            response.map_err(|error| failed_call::failure("read the stacks' SSM parameters", None, &error))?;
        let value = |name: &str| {
            let found = response.parameters().iter().find(|parameter| parameter.name() == Some(name));
            found.and_then(|parameter| parameter.value()).map(str::to_owned)
        };
        let missing = |what: &str, stack: &str, name: &str| {
            Failure::usage(format!(
                "there is no {what} {stack} in {region}: it has no SSM parameter {name}. Check the name, AWS_REGION and \
                 AWS_PROFILE"
            ))
        };
        let bucket = value(&bucket).ok_or_else(|| missing("stack of this project", stack, &bucket))?;
        let queue = value(&queue).ok_or_else(|| missing("recovery stack", recovery_stack, &queue))?;
        match value(&its_bucket) {
            Some(its_bucket) if its_bucket != bucket => Err(Failure::usage(format!(
                "the recovery stack {recovery_stack} stores into another bucket than the stack {stack}, so it belongs \
                 to another receiver: use --recovery-stack NAME"
            ))),
            _ => Ok((queue, bucket)),
        }
    }

    async fn urls(&self, kinds: &[Kind]) -> Result<Vec<(Kind, String)>, Failure> {
        match &self.place {
            Place::Stack { name, region } => self.urls_of_stack(kinds, name, region).await,
            Place::Local { endpoint } => {
                let mut urls = Vec::new();
                for kind in kinds {
                    let url = self.url(kind.queue(), None).await?;
                    let url = url.ok_or_else(|| {
                        let queue = kind.queue();
                        Failure::usage(format!(
                            "there is no {queue} at {endpoint}: is that what `cargo dev up` serves?"
                        ))
                    })?;
                    urls.push((*kind, url));
                }
                Ok(urls)
            }
        }
    }

    async fn urls_of_stack(&self, kinds: &[Kind], stack: &str, region: &str) -> Result<Vec<(Kind, String)>, Failure> {
        let parameter = |kind: Kind| format!("/{stack}/queues/{}/url", kind.label());
        let names = kinds.iter().map(|kind| parameter(*kind)).collect();
        let response = self.parameters.get_parameters().set_names(Some(names)).send().await;
        let response =
            response.map_err(|error| failed_call::failure("read the stack's SSM parameters", None, &error))?;
        let find = |kind: Kind| {
            let name = parameter(kind);
            let found = response.parameters().iter().find(|parameter| parameter.name() == Some(name.as_str()));
            let value = found.and_then(|parameter| parameter.value()).ok_or_else(|| {
                Failure::usage(format!(
                    "there is no stack {stack} of this project in {region}: it has no SSM parameter {name}. Check the \
                     name, AWS_REGION and AWS_PROFILE"
                ))
            })?;
            Ok((kind, value.to_owned()))
        };
        kinds.iter().map(|kind| find(*kind)).collect()
    }

    /// `None` if there is no such queue.
    async fn url(&self, name: &str, account: Option<&str>) -> Result<Option<String>, Failure> {
        let request = self.sqs.get_queue_url().queue_name(name);
        let response = request.set_queue_owner_aws_account_id(account.map(str::to_owned)).send().await;
        match response {
            Ok(found) => Ok(found.queue_url),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => Ok(None),
            Err(error) => Err(failed_call::failure(&format!("look for the queue {name}"), self.local(), &error)),
        }
    }

    /// Finds the dead-letter queue through the redrive policy, because it has no parameter of its own. `None` without a
    /// redrive policy.
    async fn dead_letters(&self, queue: &str, url: &str) -> Result<Option<DeadLetters>, Failure> {
        let request = self.sqs.get_queue_attributes().queue_url(url);
        let response = request.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let response =
            response.map_err(|error| failed_call::failure(&format!("look at {queue}"), self.local(), &error))?;
        let policy = response.attributes().and_then(|attributes| attributes.get(&QueueAttributeName::RedrivePolicy));
        let policy: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
        let Some((arn, max_receives)) = policy.as_ref().and_then(read_policy) else { return Ok(None) };
        let mut parts = arn.rsplit(':');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next());
        let url = self.url(name, account).await?;
        let url = url.ok_or_else(|| Failure::usage(format!("the dead-letter queue of {queue}, {arn}, is gone")))?;
        Ok(Some(DeadLetters { url, max_receives }))
    }
}

/// The ARN of the dead-letter queue, and the receives before it. SQS returns the number as it was set, which may be text.
fn read_policy(policy: &Value) -> Option<(&str, u32)> {
    let receives = policy.get("maxReceiveCount")?;
    let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok())?;
    Some((policy.get("deadLetterTargetArn")?.as_str()?, u32::try_from(receives).ok()?))
}

/// Checks this before the first call, because the error of a call that cannot be signed says less.
async fn require_credentials(config: &SdkConfig) -> Result<(), Failure> {
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.is_ok(),
        None => false,
    };
    let advice = "no AWS credentials: sign in (`aws sso login`, `aws configure`), or set AWS_PROFILE";
    found.then_some(()).ok_or_else(|| Failure::usage(advice))
}
