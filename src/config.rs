//! The configuration: environment variables, all declared in `template.yaml`, read and checked once at start.
//!
//! An empty value counts as unset, because the template declares every variable and `sam local` can only override what
//! is declared.

use std::{fmt, time::Duration};

use http::Uri;

use crate::{
    event::ResponseTypes,
    kind::{Kind, PerKind},
    source::AllowedSources,
};

/// The function that runs this program, as Lambda names it: dimensions of the metrics.
#[derive(Clone, Debug)]
pub struct LambdaFunction {
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// `AWS_LAMBDA_FUNCTION_VERSION`: a number, or `$LATEST`.
    pub version: String,
}

/// Everything that can be set of the receiver.
#[derive(Clone, Debug)]
pub struct Config {
    pub function: LambdaFunction,
    /// `SIGNING_SECRET_ID`, `PAY_SIGNING_SECRET_ID`: name or ARN of each scheme's secret.
    pub signing_secret_id: String,
    pub pay_signing_secret_id: String,
    /// `RESPONSE_TYPE_QUEUES`: further `ResponseType` values and their queues.
    pub response_types: ResponseTypes,
    /// Those that the receiver knows by itself. They keep their own queue: a newer version may know one that an operator
    /// had to map before, and must start all the same.
    pub ignored_response_types: Option<Ignored>,
    /// `ALLOWED_SOURCE_CIDRS`: the networks that may send.
    pub allowed_sources: AllowedSources,
    /// `ASCII_READING`: whether a signature over the ASCII reading is accepted.
    pub ascii_reading: bool,
    /// `PREVIOUS_KEY_DAYS`: how long the previous key is accepted after a rotation.
    pub previous_key_for: Duration,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, or else `AWS_ENDPOINT_URL`: in the place of AWS's own.
    pub secrets_manager_endpoint: Option<String>,
    pub storage: StorageConfig,
    pub aws: AwsConfig,
}

/// Everything that can be set of the redelivery.
#[derive(Clone, Debug)]
pub struct RedeliveryConfig {
    pub function: LambdaFunction,
    pub storage: StorageConfig,
    pub aws: AwsConfig,
}

/// The queues and the store behind them.
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

/// What every call to AWS needs. Lambda sets it.
#[derive(Clone)]
pub struct AwsConfig {
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`: not where another endpoint is set.
    pub use_fips: bool,
    pub use_dual_stack: bool,
}

impl fmt::Debug for AwsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsConfig").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A variable that is missing or wrong, with what it should be. Never shows the value: it could be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub variable: &'static str,
    pub expected: &'static str,
}

/// A part of a variable that has no effect, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub variable: &'static str,
    /// Each once. Only names that stand in this program.
    pub response_types: Vec<String>,
}

impl Config {
    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// All that is wrong, not only the first of it.
    pub fn read(lookup: impl FnMut(&'static str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let (response_types, ignored_response_types) = reader.response_types("RESPONSE_TYPE_QUEUES");
        let config = Self {
            function: reader.function(),
            signing_secret_id: reader.required("SIGNING_SECRET_ID", "name or ARN of the aggregation secret"),
            pay_signing_secret_id: reader.required("PAY_SIGNING_SECRET_ID", "name or ARN of the Flinks Pay secret"),
            response_types,
            ignored_response_types,
            allowed_sources: reader.allowed_sources("ALLOWED_SOURCE_CIDRS"),
            ascii_reading: reader.switch("ASCII_READING", true),
            previous_key_for: reader.days("PREVIOUS_KEY_DAYS", 7),
            secrets_manager_endpoint: reader.endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
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

struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: FnMut(&'static str) -> Option<String>> Reader<L> {
    /// The configuration that was read, if nothing is wrong with it.
    fn done<C>(mut self, config: C) -> Result<C, Vec<Problem>> {
        // Not used here, but without them the runtime ends with a message that helps nobody.
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
            payload_bucket: self.checked("PAYLOAD_BUCKET", "name of the payload bucket", is_bucket_name),
            sqs_endpoint: self.endpoint("AWS_ENDPOINT_URL_SQS"),
            s3_endpoint: self.endpoint("AWS_ENDPOINT_URL_S3"),
        }
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

    fn checked(&mut self, variable: &'static str, expected: &'static str, legal: fn(&str) -> bool) -> String {
        let value = self.required(variable, expected);
        if !value.is_empty() && !legal(&value) {
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

    /// A switch of AWS's own, with the values that its SDKs take.
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

    /// `NAME=QUEUE` pairs with commas between, such as `GetAccountsSummary=AccountsDetailQueue`. Of a name that is there
    /// twice the last one counts; one that is built in does not.
    fn response_types(&mut self, variable: &'static str) -> (ResponseTypes, Option<Ignored>) {
        let pairs = self.optional(variable).unwrap_or_default();
        let pairs = pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let mapped: Option<ResponseTypes> = pairs
            .map(|pair| {
                let (name, queue) = pair.split_once('=')?;
                let (name, kind) = (name.trim(), Kind::of_queue(queue.trim())?);
                (!name.is_empty()).then(|| (name.to_owned(), kind))
            })
            .collect();
        let mapped = mapped.unwrap_or_else(|| {
            let expected = "pairs such as GetAccountsSummary=AccountsDetailQueue with commas between, each with a \
                            ResponseType and one of the six queues' names";
            self.problems.push(Problem { variable, expected });
            ResponseTypes::new()
        });
        let (ignored, further): (ResponseTypes, _) =
            mapped.into_iter().partition(|(name, _)| Kind::of_response_type(name).is_some());
        let ignored =
            (!ignored.is_empty()).then(|| Ignored { variable, response_types: ignored.into_keys().collect() });
        (further, ignored)
    }

    fn allowed_sources(&mut self, variable: &'static str) -> AllowedSources {
        let Some(list) = self.optional(variable) else { return AllowedSources::default() };
        AllowedSources::parse(&list).unwrap_or_else(|| {
            let expected = "networks such as 198.51.100.0/24 or 2001:db8::/32 with commas between, each with a prefix \
                            length and no bits set behind it";
            self.problems.push(Problem { variable, expected });
            AllowedSources::default()
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
    let port = authority.strip_prefix(host).map(|rest| rest.strip_prefix(':').map(str::parse::<u16>));
    matches!(url.scheme_str(), Some("http" | "https")) && !host.is_empty() && matches!(port, Some(None | Some(Ok(_))))
}

/// A name that a bucket can have, by S3's naming rules in short.
fn is_bucket_name(value: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    (3..=63).contains(&value.len()) && value.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 16] = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "receiver"),
        ("AWS_REGION", "ca-central-1"),
        ("AWS_ACCESS_KEY_ID", "fake"),
        ("AWS_SECRET_ACCESS_KEY", "fake"),
        ("SIGNING_SECRET_ID", "a"),
        ("PAY_SIGNING_SECRET_ID", "b"),
        ("KYC_QUEUE_URL", "http://127.0.0.1/kyc"),
        ("ACCOUNTS_DETAIL_QUEUE_URL", "http://127.0.0.1/accounts"),
        ("INVESTMENTS_QUEUE_URL", "http://127.0.0.1/investments"),
        ("PAY_QUEUE_URL", "http://127.0.0.1/pay"),
        ("UPLOAD_FRAUD_QUEUE_URL", "http://127.0.0.1/fraud"),
        ("UNCLASSIFIED_QUEUE_URL", "http://127.0.0.1/unclassified"),
        ("PAYLOAD_BUCKET", "payloads"),
    ];

    /// The configuration of the complete set with some variables changed.
    fn read(changed: &[(&str, &str)]) -> Result<Config, Vec<&'static str>> {
        let changed_or_complete = |name: &'static str| {
            changed.iter().chain(&COMPLETE).find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Config::read(changed_or_complete).map_err(|problems| problems.iter().map(|problem| problem.variable).collect())
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = read(&[]).unwrap();
        assert!(config.ascii_reading);
        assert_eq!(config.previous_key_for, Duration::from_secs(7 * 24 * 60 * 60));
        assert!(config.response_types.is_empty());
        assert_eq!(config.allowed_sources, AllowedSources::default());
        assert_eq!(config.storage.sqs_endpoint, None);
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        let empty =
            ["AWS_ENDPOINT_URL", "ASCII_READING", "PREVIOUS_KEY_DAYS", "ALLOWED_SOURCE_CIDRS"].map(|name| (name, ""));
        let config = read(&empty).unwrap();
        assert!(config.ascii_reading && config.storage.s3_endpoint.is_none());
        assert_eq!(read(&[("PAYLOAD_BUCKET", "")]).unwrap_err(), ["PAYLOAD_BUCKET"]);
    }

    #[test]
    fn each_missing_variable_is_named() {
        for (variable, _) in COMPLETE {
            assert_eq!(read(&[(variable, "")]).unwrap_err(), [variable]);
        }
    }

    #[test]
    fn a_value_of_the_wrong_form_is_named_and_not_shown() {
        for (variable, value) in [
            ("KYC_QUEUE_URL", "KycQueue"),
            ("KYC_QUEUE_URL", "http://[bad"),
            ("KYC_QUEUE_URL", "ftp://127.0.0.1/kyc"),
            ("PAYLOAD_BUCKET", " "),
            ("AWS_ENDPOINT_URL", "http://host:port"),
            ("PREVIOUS_KEY_DAYS", "366"),
            ("PREVIOUS_KEY_DAYS", "-1"),
            ("ASCII_READING", "yes"),
            ("AWS_ENDPOINT_URL_S3", "127.0.0.1:4566"),
            ("RESPONSE_TYPE_QUEUES", "New"),
            ("RESPONSE_TYPE_QUEUES", "New=Nowhere"),
            ("RESPONSE_TYPE_QUEUES", "KYC=Nowhere"),
            ("RESPONSE_TYPE_QUEUES", "=PayQueue"),
            ("ALLOWED_SOURCE_CIDRS", "198.51.100.7"),
            ("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24,10.1.2.3/8"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err(), [variable], "{value}");
        }
    }

    #[test]
    fn further_response_types_are_mapped_to_queues_by_their_names() {
        let config =
            read(&[("RESPONSE_TYPE_QUEUES", "GetAccountsSummary=AccountsDetailQueue, Dropout = UnclassifiedQueue,")]);
        let mapped = config.unwrap().response_types;
        assert_eq!(mapped.get("GetAccountsSummary"), Some(&Kind::AccountsDetail));
        assert_eq!(mapped.get("Dropout"), Some(&Kind::Unclassified));
    }

    #[test]
    fn a_response_type_that_is_built_in_keeps_its_queue_and_is_noted() {
        let pairs = "KYC=PayQueue,New=PayQueue, Investments = InvestmentsQueue ,KYC=UnclassifiedQueue";
        let config = read(&[("RESPONSE_TYPE_QUEUES", pairs)]).unwrap();
        assert_eq!(config.response_types, ResponseTypes::from([("New".to_owned(), Kind::Pay)]));
        let ignored = config.ignored_response_types.unwrap();
        assert_eq!(
            (ignored.variable, ignored.response_types.join(" ")),
            ("RESPONSE_TYPE_QUEUES", "Investments KYC".into())
        );
        assert_eq!(read(&[("RESPONSE_TYPE_QUEUES", "New=PayQueue")]).unwrap().ignored_response_types, None);
    }

    #[test]
    fn an_endpoint_of_one_service_goes_before_the_common_one() {
        let config = read(&[("AWS_ENDPOINT_URL", "http://a:1"), ("AWS_ENDPOINT_URL_SQS", "http://b:2")]).unwrap();
        assert_eq!(config.storage.sqs_endpoint.as_deref(), Some("http://b:2"));
        assert_eq!(config.storage.s3_endpoint.as_deref(), Some("http://a:1"));
    }
}
