//! The configuration: environment variables, all declared in `template.yaml`, read and checked once at start.
//!
//! An empty value counts as unset, because the template declares every variable and `sam local` can only override what
//! is declared.

#[cfg(feature = "recovery")]
use std::net::IpAddr;
use std::{fmt, time::Duration};

use http::Uri;

use crate::{
    auth::{IpAllowlist, KeyRules},
    routing::{Kind, PerKind, ResponseTypes},
};

/// The function that runs this program, as Lambda names it. Its name is a dimension of every metric, its version of
/// some.
#[derive(Clone, Debug)]
pub struct LambdaFunction {
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// `AWS_LAMBDA_FUNCTION_VERSION`: a number, or `$LATEST`.
    pub version: String,
}

/// The receiver's settings.
#[derive(Clone, Debug)]
pub struct Config {
    pub function: LambdaFunction,
    pub policy: Policy,
    /// Mapped `ResponseType` values that have no effect because they are built in. They are only logged: an operator
    /// may have mapped a value that a newer version has built in, and that version must still start.
    pub ignored_response_types: Option<IgnoredResponseTypes>,
    pub secrets: SecretsConfig,
    pub storage: StorageConfig,
    pub aws: AwsConfig,
}

/// What the operator decides about callbacks.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `ALLOWED_SOURCE_CIDRS`: the networks that may send.
    pub allowlist: IpAllowlist,
    /// `PREVIOUS_KEY_DAYS`, `ASCII_ENCODING`.
    pub key_rules: KeyRules,
    /// `RESPONSE_TYPE_QUEUES`: further `ResponseType` values and their queues.
    pub response_types: ResponseTypes,
}

/// The signing secrets.
#[derive(Clone, Debug)]
pub struct SecretsConfig {
    /// `SIGNING_SECRET_ID`, `PAY_SIGNING_SECRET_ID`: name or ARN of each scheme's secret.
    pub signing_secret_id: String,
    pub pay_signing_secret_id: String,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, else `AWS_ENDPOINT_URL`: in place of AWS's own.
    pub endpoint: Option<String>,
}

/// The redelivery's settings.
#[derive(Clone, Debug)]
pub struct RedeliveryConfig {
    pub function: LambdaFunction,
    pub storage: StorageConfig,
    pub aws: AwsConfig,
}

/// The queues, and the bucket behind them.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// `KYC_QUEUE_URL` and so on.
    pub queue_urls: PerKind<String>,
    /// `PAYLOAD_BUCKET`: name of the bucket.
    pub payload_bucket: String,
    /// `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL_S3`, or else `AWS_ENDPOINT_URL`.
    pub sqs_endpoint: Option<String>,
    pub s3_endpoint: Option<String>,
}

/// The settings of the fan-out's bridge.
#[cfg(feature = "fan-out")]
#[derive(Clone, Debug)]
pub struct FanOutConfig {
    pub function: LambdaFunction,
    pub routes: TopicRoutes,
    /// `AWS_ENDPOINT_URL_SNS`, or else `AWS_ENDPOINT_URL`.
    pub sns_endpoint: Option<String>,
    pub aws: AwsConfig,
}

/// The settings of the recovery.
#[cfg(feature = "recovery")]
#[derive(Clone, Debug)]
pub struct RecoveryConfig {
    pub function: LambdaFunction,
    pub flinks: FlinksConfig,
    /// `RECOVERY_QUEUE_URL`: the requests.
    pub recovery_queue_url: String,
    /// `RECOVERY_DEAD_LETTER_QUEUE_URL`: the requests that cannot be fulfilled.
    pub dead_letter_queue_url: String,
    /// The queues' URLs are empty but for `ACCOUNTS_DETAIL_QUEUE_URL`, because every recovered payload goes there.
    pub storage: StorageConfig,
    pub aws: AwsConfig,
}

/// Flinks' API, and our credentials for it.
#[cfg(feature = "recovery")]
#[derive(Clone, Debug)]
pub struct FlinksConfig {
    /// `FLINKS_API_URL`: https, or http to this machine.
    pub api_url: String,
    /// `FLINKS_CUSTOMER_ID`.
    pub customer_id: String,
    /// `FLINKS_API_SECRET_ID`: name or ARN of the secret with the credentials.
    pub secret_id: String,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, else `AWS_ENDPOINT_URL`.
    pub secrets_endpoint: Option<String>,
}

/// The topics of the bridged queues.
#[cfg(feature = "fan-out")]
#[derive(Clone, Debug)]
pub struct TopicRoutes(Vec<TopicRoute>);

/// A bridged queue and its topic. `KINDS` lists the kinds. The ARNs are `QUEUE_ARN_PREFIX` and `TOPIC_ARN_PREFIX` with a
/// name of the kind: both stacks name their queues and topics like that, and a template cannot write a variable for each
/// member of a list.
#[cfg(feature = "fan-out")]
#[derive(Clone, Debug)]
pub struct TopicRoute {
    pub kind: Kind,
    pub queue_arn: String,
    pub topic_arn: String,
}

#[cfg(feature = "fan-out")]
impl TopicRoutes {
    /// The topic of what comes from a queue.
    pub fn of_queue(&self, queue_arn: &str) -> Option<&TopicRoute> {
        self.0.iter().find(|route| route.queue_arn == queue_arn)
    }
}

/// What every call to AWS needs. Lambda sets it.
#[derive(Clone)]
pub struct AwsConfig {
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`. Ignored for a service whose endpoint is set.
    pub use_fips: bool,
    pub use_dual_stack: bool,
}

impl fmt::Debug for AwsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsConfig").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A variable that is missing or wrong, with what it should be. Never holds the value, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub variable: &'static str,
    pub expected: &'static str,
}

/// Mapped `ResponseType` values that have no effect, because they are built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredResponseTypes {
    pub variable: &'static str,
    /// Without duplicates. The names are this program's own constants, so they are safe to log.
    pub names: Vec<&'static str>,
}

impl Config {
    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn read(lookup: impl FnMut(&'static str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let (response_types, ignored_response_types) = reader.response_types("RESPONSE_TYPE_QUEUES");
        let config = Self {
            function: reader.function(),
            policy: Policy {
                allowlist: reader.allowlist("ALLOWED_SOURCE_CIDRS"),
                key_rules: KeyRules {
                    previous_key_for: reader.days("PREVIOUS_KEY_DAYS", 7),
                    accept_ascii: reader.switch("ASCII_ENCODING", true),
                },
                response_types,
            },
            ignored_response_types,
            secrets: SecretsConfig {
                signing_secret_id: reader.required("SIGNING_SECRET_ID", "name or ARN of the aggregation secret"),
                pay_signing_secret_id: reader.required("PAY_SIGNING_SECRET_ID", "name or ARN of the Flinks Pay secret"),
                endpoint: reader.endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            },
            storage: reader.storage(),
            aws: reader.aws(),
        };
        reader.done(config)
    }
}

impl RedeliveryConfig {
    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(lookup: impl FnMut(&'static str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let config = Self { function: reader.function(), storage: reader.storage(), aws: reader.aws() };
        reader.done(config)
    }
}

#[cfg(feature = "fan-out")]
impl FanOutConfig {
    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(lookup: impl FnMut(&'static str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let config = Self {
            function: reader.function(),
            routes: reader.topic_routes(),
            sns_endpoint: reader.endpoint("AWS_ENDPOINT_URL_SNS"),
            aws: reader.aws(),
        };
        reader.done(config)
    }
}

#[cfg(feature = "recovery")]
impl RecoveryConfig {
    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(lookup: impl FnMut(&'static str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let of_flinks = "https://INSTANCE-api.private.fin.ag without a path; http only to this machine";
        let mut reader = Reader { lookup, problems: Vec::new() };
        let config = Self {
            function: reader.function(),
            flinks: FlinksConfig {
                api_url: reader.checked("FLINKS_API_URL", of_flinks, is_flinks_url),
                customer_id: reader.checked("FLINKS_CUSTOMER_ID", "letters, digits and hyphens", is_customer_id),
                secret_id: reader.required("FLINKS_API_SECRET_ID", "name or ARN of the secret with the credentials"),
                secrets_endpoint: reader.endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            },
            recovery_queue_url: reader.queue_url("RECOVERY_QUEUE_URL"),
            dead_letter_queue_url: reader.queue_url("RECOVERY_DEAD_LETTER_QUEUE_URL"),
            storage: StorageConfig {
                queue_urls: PerKind {
                    accounts_detail: reader.queue_url("ACCOUNTS_DETAIL_QUEUE_URL"),
                    ..PerKind::default()
                },
                payload_bucket: reader.payload_bucket(),
                sqs_endpoint: reader.endpoint("AWS_ENDPOINT_URL_SQS"),
                s3_endpoint: reader.endpoint("AWS_ENDPOINT_URL_S3"),
            },
            aws: reader.aws(),
        };
        reader.done(config)
    }
}

struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: FnMut(&'static str) -> Option<String>> Reader<L> {
    /// The configuration that was read, if nothing is wrong with it.
    fn done<C>(mut self, config: C) -> Result<C, Vec<Problem>> {
        // Not used here, but without them the Lambda runtime ends with a message that does not say why.
        for variable in ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] {
            self.required(variable, "set by Lambda: this program runs as a Lambda function");
        }
        if self.problems.is_empty() { Ok(config) } else { Err(self.problems) }
    }

    fn function(&mut self) -> LambdaFunction {
        LambdaFunction {
            name: self.required("AWS_LAMBDA_FUNCTION_NAME", "the function's name, as Lambda sets it"),
            version: self.required("AWS_LAMBDA_FUNCTION_VERSION", "the function's version, as Lambda sets it"),
        }
    }

    fn storage(&mut self) -> StorageConfig {
        StorageConfig {
            queue_urls: PerKind {
                kyc: self.queue_url("KYC_QUEUE_URL"),
                accounts_detail: self.queue_url("ACCOUNTS_DETAIL_QUEUE_URL"),
                investments: self.queue_url("INVESTMENTS_QUEUE_URL"),
                pay: self.queue_url("PAY_QUEUE_URL"),
                upload_fraud: self.queue_url("UPLOAD_FRAUD_QUEUE_URL"),
                unclassified: self.queue_url("UNCLASSIFIED_QUEUE_URL"),
            },
            payload_bucket: self.payload_bucket(),
            sqs_endpoint: self.endpoint("AWS_ENDPOINT_URL_SQS"),
            s3_endpoint: self.endpoint("AWS_ENDPOINT_URL_S3"),
        }
    }

    fn payload_bucket(&mut self) -> String {
        self.checked("PAYLOAD_BUCKET", "name of the payload bucket", is_bucket_name)
    }

    #[cfg(feature = "fan-out")]
    fn topic_routes(&mut self) -> TopicRoutes {
        let of_queues = "beginning of the queues' ARNs, such as arn:aws:sqs:ca-central-1:123456789012:flinks-webhooks-";
        let of_topics = "beginning of the topics' ARNs, such as arn:aws:sns:ca-central-1:123456789012:flinks-fan-out-";
        let queues = self.checked("QUEUE_ARN_PREFIX", of_queues, |arn| is_arn_of("sqs", arn));
        let topics = self.checked("TOPIC_ARN_PREFIX", of_topics, |arn| is_arn_of("sns", arn));
        let kinds = self.checked("KINDS", "kinds such as Kyc,AccountsDetail with commas between", |kinds| {
            kinds.split(',').all(|kind| Kind::from_queue(&format!("{kind}Queue")).is_some())
        });
        let routes = kinds.split(',').filter_map(|name| {
            let kind = Kind::from_queue(&format!("{name}Queue"))?;
            let (queue_arn, topic_arn) = (format!("{queues}{name}Queue"), format!("{topics}{name}Topic"));
            Some(TopicRoute { kind, queue_arn, topic_arn })
        });
        TopicRoutes(routes.collect())
    }

    fn optional(&mut self, variable: &'static str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }

    fn required(&mut self, variable: &'static str, expected: &'static str) -> String {
        let value = self.optional(variable);
        if value.is_none() {
            self.problems.push(Problem { variable, expected });
        }
        value.unwrap_or_default()
    }

    fn checked(&mut self, variable: &'static str, expected: &'static str, is_legal: fn(&str) -> bool) -> String {
        let value = self.required(variable, expected);
        if !value.is_empty() && !is_legal(&value) {
            self.problems.push(Problem { variable, expected });
        }
        value
    }

    fn queue_url(&mut self, variable: &'static str) -> String {
        let expected = "URL of the queue, such as https://sqs.ca-central-1.amazonaws.com/123456789012/KycQueue";
        self.checked(variable, expected, is_url)
    }

    /// The service's own endpoint, or else the one for all services.
    fn endpoint(&mut self, of_service: &'static str) -> Option<String> {
        let found = [of_service, "AWS_ENDPOINT_URL"].into_iter().find_map(|variable| {
            let url = self.optional(variable)?;
            Some((variable, url))
        });
        let (variable, url) = found?;
        let problem = Problem { variable, expected: "empty, or a URL such as http://127.0.0.1:4566" };
        if !is_url(&url) && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        Some(url)
    }

    /// A boolean of AWS's own, with the values that its SDKs accept: `true` or `false`. Ours are `on` or `off`:
    /// [`Self::switch`].
    fn flag(&mut self, variable: &'static str) -> bool {
        match self.optional(variable) {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(_) => {
                self.problems.push(Problem { variable, expected: "true or false" });
                false
            }
        }
    }

    /// A boolean of our own: `on` or `off`.
    fn switch(&mut self, variable: &'static str, default: bool) -> bool {
        match self.optional(variable).as_deref() {
            None => default,
            Some("on") => true,
            Some("off") => false,
            Some(_) => {
                self.problems.push(Problem { variable, expected: "on or off" });
                default
            }
        }
    }

    fn days(&mut self, variable: &'static str, default: u16) -> Duration {
        const MAX_DAYS: u16 = 365;
        const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
        let days = match self.optional(variable) {
            None => default,
            Some(value) => value.parse().ok().filter(|days| *days <= MAX_DAYS).unwrap_or_else(|| {
                self.problems.push(Problem { variable, expected: "a whole number of days from 0 to 365" });
                default
            }),
        };
        Duration::from_secs(u64::from(days) * SECONDS_PER_DAY)
    }

    /// `NAME=QUEUE` pairs, separated by commas, such as `GetAccountsSummary=AccountsDetailQueue`. If a name occurs
    /// twice, the last pair counts. A built-in name is ignored.
    fn response_types(&mut self, variable: &'static str) -> (ResponseTypes, Option<IgnoredResponseTypes>) {
        let pairs = self.optional(variable).unwrap_or_default();
        let pairs = pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let mapped: Option<ResponseTypes> = pairs
            .map(|pair| {
                let (name, queue) = pair.split_once('=')?;
                let (name, kind) = (name.trim(), Kind::from_queue(queue.trim())?);
                (!name.is_empty()).then(|| (name.to_owned(), kind))
            })
            .collect();
        let mapped = mapped.unwrap_or_else(|| {
            let expected = "pairs such as GetAccountsSummary=AccountsDetailQueue with commas between, each with a \
                            ResponseType and the name of a queue of this stack";
            self.problems.push(Problem { variable, expected });
            ResponseTypes::new()
        });
        let (ignored, further): (ResponseTypes, ResponseTypes) =
            mapped.into_iter().partition(|(name, _)| Kind::from_response_type(name).is_some());
        let names = ignored.keys().filter_map(|name| Kind::from_response_type(name)?.response_type());
        let ignored = (!ignored.is_empty()).then(|| IgnoredResponseTypes { variable, names: names.collect() });
        (further, ignored)
    }

    fn allowlist(&mut self, variable: &'static str) -> IpAllowlist {
        let Some(list) = self.optional(variable) else { return IpAllowlist::default() };
        IpAllowlist::parse(&list).unwrap_or_else(|| {
            let expected = "networks such as 198.51.100.0/24 or 2001:db8::/32 with commas between, each with a prefix \
                            length and no bits set after it";
            self.problems.push(Problem { variable, expected });
            IpAllowlist::default()
        })
    }

    fn aws(&mut self) -> AwsConfig {
        AwsConfig {
            region: self.required("AWS_REGION", "the region, as Lambda sets it"),
            access_key_id: self.required("AWS_ACCESS_KEY_ID", "the role's access key, as Lambda sets it"),
            secret_access_key: self.required("AWS_SECRET_ACCESS_KEY", "the role's secret key, as Lambda sets it"),
            session_token: self.optional("AWS_SESSION_TOKEN"),
            use_fips: self.flag("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: self.flag("AWS_USE_DUALSTACK_ENDPOINT"),
        }
    }
}

/// An `http` or `https` URL with a host and perhaps a port.
fn is_url(value: &str) -> bool {
    let Ok(url) = value.parse::<Uri>() else { return false };
    let (host, authority) =
        (url.host().unwrap_or_default(), url.authority().map_or("", |authority| authority.as_str()));
    // `None`: something else stands before the host, such as a user name. `Some(None)`: there is no port.
    let port = authority.strip_prefix(host).map(|rest| rest.strip_prefix(':').map(str::parse::<u16>));
    matches!(url.scheme_str(), Some("http" | "https")) && !host.is_empty() && matches!(port, Some(None | Some(Ok(_))))
}

/// The address of Flinks' API: https, or http to this machine. Nothing stands after the host and the port.
#[cfg(feature = "recovery")]
fn is_flinks_url(value: &str) -> bool {
    let Ok(url) = value.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    is_url(value) && url.path() == "/" && url.query().is_none() && (url.scheme_str() == Some("https") || is_loopback)
}

/// A customer id of Flinks: it becomes a part of a path.
#[cfg(feature = "recovery")]
fn is_customer_id(value: &str) -> bool {
    value.len() <= 128 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The beginning of an ARN: `arn:PARTITION:SERVICE:REGION:ACCOUNT:`, and perhaps the beginning of a name.
#[cfg(feature = "fan-out")]
fn is_arn_of(service: &str, value: &str) -> bool {
    let parts: Vec<_> = value.split(':').collect();
    let ["arn", partition, of, region, account, _] = parts[..] else { return false };
    of == service && [partition, region, account].iter().all(|part| !part.is_empty())
}

/// A name that a bucket can have, by S3's naming rules in short.
fn is_bucket_name(value: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    (3..=63).contains(&value.len()) && value.bytes().all(legal)
}

#[cfg(test)]
mod tests;
