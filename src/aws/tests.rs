//! What the SDK makes of AWS's responses, and what that means for the next attempt: each row in the service's wire
//! form.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::{DateTime, body::SdkBody, date_time::Format};
use bytes::Bytes;

use super::*;
use crate::{
    auth::{AuthenticCallback, Scheme, SecretSource, SignatureForm, Stage},
    aws_error::{
        AwsError,
        Meaning::{self, ContentRejected, OnceMore, Permanent, Transient},
        Operation,
    },
    config::Config,
    delivery::{
        Depth, Message, OutboundMessage, PayloadStore, Queues, Receipt, Storage, UndeliveredKey, UndeliveredStore,
    },
    routing::{ClassifiedCallback, Kind, ResponseTypes},
    time_budget::TimeBudget,
};

/// A response to every call.
#[derive(Clone, Debug, Default)]
struct Canned {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Canned {
    /// An error of SQS: the header has the older protocol's name, as AWS sends it.
    fn of_sqs(status: u16, query_code: &str) -> Self {
        let headers = vec![
            ("x-amzn-query-error", format!("{query_code};Sender")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
        ];
        Self { status, headers, body: r#"{"__type":"com.amazonaws.sqs#Other","message":"no"}"#.to_owned() }
    }

    /// An error in JSON: Secrets Manager's, and SQS's as emulators send it.
    fn json(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazonaws.service#{code}","message":"no"}}"#);
        Self { status, body, ..Self::default() }
    }

    fn of_s3(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
        Self { status, body, ..Self::default() }
    }

    #[cfg(feature = "fan-out")]
    fn of_sns(status: u16, code: &str) -> Self {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>");
        let body = format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>");
        Self { status, body, ..Self::default() }
    }

    fn plain(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), ..Self::default() }
    }

    fn dated(mut self, at: SystemTime) -> Self {
        let date = DateTime::from(at).fmt(Format::HttpDate).unwrap();
        self.headers.push(("date", date));
        self
    }
}

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let status = StatusCode::try_from(self.status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.as_str()));
        for (name, value) in &self.headers {
            response.headers_mut().insert(*name, value.clone());
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn config(changed: &[(&'static str, &str)]) -> Config {
    let known = HashMap::from([
        ("AWS_LAMBDA_RUNTIME_API", "none"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "receiver"),
        ("AWS_REGION", "ca-central-1"),
        ("AWS_ACCESS_KEY_ID", "fake"),
        ("AWS_SECRET_ACCESS_KEY", "fake"),
        ("SIGNING_SECRET_ID", "a"),
        ("PAY_SIGNING_SECRET_ID", "b"),
        ("PAYLOAD_BUCKET", "payloads"),
    ]);
    let read = |name: &'static str| {
        let changed = changed.iter().find(|(variable, _)| *variable == name).map(|(_, value)| *value);
        let value = changed.or_else(|| known.get(name).copied());
        let queue = || name.ends_with("_QUEUE_URL").then_some("https://sqs.ca-central-1.amazonaws.com/1/q");
        value.or_else(queue).map(str::to_owned)
    };
    Config::read(read).unwrap()
}

fn clients(http: SharedHttpClient) -> Clients {
    Clients::with_http_client(http, &config(&[]))
}

fn canned(response: &Canned) -> Clients {
    let response = response.clone();
    clients(http_client_fn(move |_, _| SharedHttpConnector::new(response.clone())))
}

fn message() -> Message {
    let callback = AuthenticCallback::for_test("{}", SignatureForm::Raw);
    Message::from_callback(&ClassifiedCallback::classify(callback, &ResponseTypes::new()), SystemTime::UNIX_EPOCH)
}

/// A queue and a bucket that take everything.
struct Accepting;

impl Queues for Accepting {
    async fn send(&self, _: OutboundMessage<'_>) -> Result<(), AwsError> {
        Ok(())
    }
}

impl PayloadStore for Accepting {
    fn bucket(&self) -> &str {
        "bucket"
    }

    async fn put(&self, _: &str, _: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
        Ok(())
    }
}

async fn receipt() -> Receipt {
    let storage = Storage::new(Accepting, Accepting);
    storage.store(&message(), TimeBudget::start().end()).await.outcome.unwrap()
}

fn empty_message() -> OutboundMessage<'static> {
    OutboundMessage { kind: Kind::Kyc, body: "{}".to_owned(), attributes: &[], group_id: None, trace_header: None }
}

/// Makes a call that gets this response.
async fn call(operation: Operation, response: &Canned) -> Result<(), AwsError> {
    let Clients { secrets, storage } = canned(response);
    let Storage { queues, payloads, .. } = storage;
    match operation {
        Operation::GetSecretValue => secrets.fetch(Scheme::Aggregation, Stage::Current).await.map(drop),
        Operation::SendMessage => queues.send(empty_message()).await,
        Operation::PutObject => payloads.put("key", Bytes::new(), &[]).await,
        Operation::ListObjectsV2 => payloads.list("undelivered/", Depth::All, None).await.map(drop),
        Operation::GetObject => payloads.get(&UndeliveredKey::for_message(&message())).await.map(drop),
        Operation::DeleteObject => payloads.remove(&UndeliveredKey::for_message(&message()), &receipt().await).await,
        #[cfg(feature = "fan-out")]
        Operation::Publish => publish(response).await,
        #[cfg(not(feature = "fan-out"))]
        Operation::Publish => unreachable!("the client is not compiled"),
    }
}

#[cfg(feature = "fan-out")]
async fn publish(response: &Canned) -> Result<(), AwsError> {
    use crate::{
        config::FanOutConfig,
        fan_out::{Notification, Topics},
    };
    let known = |name: &'static str| match name {
        "KINDS" => "Kyc",
        "QUEUE_ARN_PREFIX" => "arn:aws:sqs:ca-central-1:1:q-",
        "TOPIC_ARN_PREFIX" => "arn:aws:sns:ca-central-1:1:t-",
        "AWS_REGION" => "ca-central-1",
        name if name.starts_with("AWS_ENDPOINT") || name.starts_with("AWS_USE") => "",
        _ => "fake",
    };
    let config = FanOutConfig::read(|name| Some(known(name).to_owned())).unwrap();
    let response = response.clone();
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(response.clone()));
    let (attributes, topic_arn) = (Default::default(), "arn:aws:sns:ca-central-1:1:t-KycTopic");
    let notification =
        Notification { topic_arn, body: "{}", attributes: &attributes, group_id: None, trace_header: None };
    Sns::with_http_client(http, &config).publish(notification).await
}

async fn meaning(operation: Operation, response: &Canned) -> (Meaning, Option<String>) {
    let failed = call(operation, response).await.unwrap_err();
    assert_eq!(failed.operation, operation);
    (failed.meaning(), failed.code)
}

#[cfg(not(feature = "fan-out"))]
const EVERY_SERVICE: [Operation; 3] = [Operation::GetSecretValue, Operation::SendMessage, Operation::PutObject];
#[cfg(feature = "fan-out")]
const EVERY_SERVICE: [Operation; 4] =
    [Operation::GetSecretValue, Operation::SendMessage, Operation::PutObject, Operation::Publish];
const S3_CALLS: [Operation; 4] =
    [Operation::PutObject, Operation::ListObjectsV2, Operation::GetObject, Operation::DeleteObject];

/// Codes that each of the services uses, with a status that they have been seen or documented with.
const COMMON: [(u16, &str, Meaning); 42] = [
    (400, "BandwidthLimitExceeded", Transient),
    (400, "EC2ThrottledException", Transient),
    (400, "LimitExceededException", Transient),
    (400, "PriorRequestNotComplete", Transient),
    (400, "ProvisionedThroughputExceededException", Transient),
    (400, "RequestLimitExceeded", Transient),
    (403, "RequestThrottled", Transient),
    (400, "RequestThrottledException", Transient),
    (400, "ThrottledException", Transient),
    (400, "Throttling", Transient),
    (400, "ThrottlingException", Transient),
    (429, "TooManyRequests", Transient),
    (429, "TooManyRequestsException", Transient),
    (400, "TransactionInProgressException", Transient),
    (503, "SlowDown", Transient),
    (400, "KMS.ThrottlingException", Transient),
    (400, "KmsThrottled", Transient),
    (400, "KMS.KeyUnavailableException", Transient),
    (400, "KMS.DependencyTimeoutException", Transient),
    (400, "KMS.KMSInternalException", Transient),
    (500, "InternalError", Transient),
    (400, "InternalFailure", Transient),
    (500, "InternalServerError", Transient),
    (400, "InternalServiceError", Transient),
    (400, "InternalServiceFailure", Transient),
    (503, "ServiceUnavailable", Transient),
    (400, "ServiceUnavailableException", Transient),
    (400, "RequestAbortedException", Transient),
    (400, "RequestTimeout", Transient),
    (408, "RequestTimeoutException", Transient),
    (400, "RequestExpired", Transient),
    (403, "RequestTimeTooSkewed", Transient),
    (403, "InvalidSignatureException", OnceMore),
    (403, "SignatureDoesNotMatch", OnceMore),
    (403, "InvalidAccessKeyId", OnceMore),
    (403, "InvalidClientTokenId", OnceMore),
    (400, "UnrecognizedClientException", OnceMore),
    (403, "AccessDenied", Permanent),
    (400, "AccessDeniedException", Permanent),
    (400, "ExpiredToken", Permanent),
    (403, "ExpiredTokenException", Permanent),
    (501, "NotImplemented", Permanent),
];

const OF_SQS: [(u16, &str, Meaning); 20] = [
    (403, "OverLimit", Transient),
    (500, "AWS.SimpleQueueService.InternalError", Transient),
    (400, "AuthFailure", OnceMore),
    (400, "InvalidMessageContents", ContentRejected),
    (400, "InvalidParameterValue", ContentRejected),
    (400, "AWS.SimpleQueueService.UnsupportedOperation", ContentRejected),
    (400, "UnsupportedOperation", ContentRejected),
    (413, "RequestEntityTooLarge", ContentRejected),
    (400, "AWS.SimpleQueueService.NonExistentQueue", Permanent),
    (400, "QueueDoesNotExist", Permanent),
    (404, "InvalidAddress", Permanent),
    (403, "InvalidSecurity", Permanent),
    (400, "KMS.DisabledException", Permanent),
    (400, "KMS.InvalidStateException", Permanent),
    (400, "KMS.NotFoundException", Permanent),
    (400, "KMS.AccessDeniedException", Permanent),
    (400, "KMS.InvalidKeyUsageException", Permanent),
    (403, "KMS.OptInRequired", Permanent),
    (400, "MissingParameter", Permanent),
    (400, "KmsDisabled", Permanent),
];

const OF_S3: [(u16, &str, Meaning); 16] = [
    (503, "Busy", Transient),
    (200, "InternalError", Transient),
    (409, "OperationAborted", Transient),
    (409, "ConditionalRequestConflict", Transient),
    (400, "BadDigest", Transient),
    (400, "IncompleteBody", Transient),
    (400, "XAmzContentSHA256Mismatch", Transient),
    (404, "NoSuchBucket", Permanent),
    (400, "InvalidBucketName", Permanent),
    (403, "InvalidObjectState", Permanent),
    (405, "MethodNotAllowed", Permanent),
    (400, "EntityTooLarge", Permanent),
    (400, "InvalidArgument", Permanent),
    (301, "PermanentRedirect", Permanent),
    (400, "KMS.DisabledException", Permanent),
    (400, "KMS.KMSInvalidStateException", Permanent),
];

#[cfg(feature = "fan-out")]
const OF_SNS: [(u16, &str, Meaning); 12] = [
    (429, "Throttled", Transient),
    (400, "Throttled", Transient),
    (400, "KMSThrottling", Transient),
    (500, "InternalError", Transient),
    (403, "AuthorizationError", Permanent),
    (404, "NotFound", Permanent),
    (400, "InvalidParameter", Permanent),
    (400, "ParameterValueInvalid", Permanent),
    (400, "KMSAccessDenied", Permanent),
    (400, "KMSDisabled", Permanent),
    (400, "KMSInvalidState", Permanent),
    (400, "KMSNotFound", Permanent),
];

const OF_SECRETS_MANAGER: [(u16, &str, Meaning); 4] = [
    (500, "InternalServiceError", Transient),
    (400, "DecryptionFailure", OnceMore),
    (400, "InvalidParameterException", Permanent),
    (400, "ValidationException", Permanent),
];

#[tokio::test]
async fn every_error_code_means_what_the_documentation_says() {
    let mut rows: Vec<(Operation, Canned, &str, Meaning)> = Vec::new();
    let error = |operation, status, code| match operation {
        Operation::SendMessage => Canned::of_sqs(status, code),
        Operation::GetSecretValue => Canned::json(status, code),
        #[cfg(feature = "fan-out")]
        Operation::Publish => Canned::of_sns(status, code),
        _ => Canned::of_s3(status, code),
    };
    for (status, code, meaning) in COMMON {
        rows.extend(EVERY_SERVICE.map(|operation| (operation, error(operation, status, code), code, meaning)));
    }
    for (status, code, meaning) in OF_SQS {
        let operation = Operation::SendMessage;
        rows.push((operation, error(operation, status, code), code, meaning));
        // Without the header, the code is the one in the body. Names of the older protocol do not occur there.
        if !code.contains('.') {
            rows.push((operation, Canned::json(status, code), code, meaning));
        }
    }
    for (status, code, meaning) in OF_S3 {
        for operation in S3_CALLS {
            // A success of GetObject is the object, whatever is in it.
            if (operation, status) != (Operation::GetObject, 200) {
                rows.push((operation, error(operation, status, code), code, meaning));
            }
        }
    }
    #[cfg(feature = "fan-out")]
    for (status, code, meaning) in OF_SNS {
        rows.push((Operation::Publish, error(Operation::Publish, status, code), code, meaning));
    }
    for (status, code, meaning) in OF_SECRETS_MANAGER {
        rows.push((Operation::GetSecretValue, error(Operation::GetSecretValue, status, code), code, meaning));
    }
    for (operation, response, code, expected) in rows {
        let (meaning, found) = meaning(operation, &response).await;
        assert_eq!((meaning, found.as_deref()), (expected, Some(code)), "{operation:?} {}", response.status);
    }
}

#[tokio::test]
async fn without_a_code_the_status_decides() {
    let html = "<html><body>no</body></html>";
    for operation in EVERY_SERVICE.into_iter().chain([Operation::ListObjectsV2, Operation::GetObject]) {
        for body in ["", html] {
            for (status, expected) in [
                (403, Permanent),
                (429, Transient),
                (408, Transient),
                (500, Transient),
                (502, Transient),
                (503, Transient),
                (504, Transient),
            ] {
                let (meaning, code) = meaning(operation, &Canned::plain(status, body)).await;
                assert_eq!((meaning, code), (expected, None), "{operation:?} {status} {body}");
            }
        }
    }
    assert_eq!(meaning(Operation::SendMessage, &Canned::plain(413, html)).await.0, ContentRejected);
}

#[tokio::test]
async fn a_success_that_is_not_the_services_own_is_a_transient_failure() {
    let html = "<html><body>welcome</body></html>";
    for operation in EVERY_SERVICE.into_iter().chain([Operation::ListObjectsV2, Operation::GetObject]) {
        for body in ["", html, "{}"] {
            let failed = call(operation, &Canned::plain(200, body)).await.unwrap_err();
            assert_eq!((failed.meaning(), failed.is_definite()), (Transient, false), "{operation:?} {body}");
        }
    }
    let without_id = Canned::plain(200, r#"{"MessageId":"","MD5OfMessageBody":"99914b932bd37a50b983c5e7c90ae93b"}"#);
    assert_eq!(meaning(Operation::SendMessage, &without_id).await.0, Transient);
    let without_tag = Canned { headers: vec![("etag", String::new())], ..Canned::plain(200, "") };
    assert_eq!(meaning(Operation::PutObject, &without_tag).await.0, Transient);
    for body in [r#"{"VersionId":"","SecretString":"s"}"#, r#"{"VersionId":"v"}"#, r#"{"SecretString":"s"}"#] {
        assert_eq!(meaning(Operation::GetSecretValue, &Canned::plain(200, body)).await.0, Transient, "{body}");
    }
}

#[tokio::test]
async fn a_binary_secret_is_a_version_without_a_text() {
    let body = r#"{"VersionId":"v","SecretBinary":"AAAA","CreatedDate":1760000000}"#;
    let Clients { secrets, .. } = canned(&Canned::plain(200, body));
    let version = secrets.fetch(Scheme::Pay, Stage::Current).await.unwrap().unwrap();
    assert_eq!((version.id.as_str(), version.text.is_none(), version.created.is_some()), ("v", true, true));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_no_failure() {
    for code in ["ResourceNotFoundException", "InvalidRequestException"] {
        assert_eq!(call(Operation::GetSecretValue, &Canned::json(400, code)).await, Ok(()));
    }
}

#[tokio::test]
async fn what_is_denied_while_the_clocks_differ_is_worth_one_more_attempt() {
    let now = SystemTime::now();
    for (operation, denied) in [
        (Operation::GetSecretValue, Canned::json(400, "AccessDeniedException")),
        (Operation::SendMessage, Canned::of_sqs(403, "AccessDenied")),
        (Operation::PutObject, Canned::of_s3(403, "AccessDenied")),
    ] {
        let hour = Duration::from_secs(3600);
        assert_eq!(meaning(operation, &denied.clone().dated(now)).await.0, Permanent);
        assert_eq!(meaning(operation, &denied.clone().dated(now + hour)).await.0, OnceMore);
        assert_eq!(meaning(operation, &denied.dated(now - hour)).await.0, OnceMore);
    }
}

/// Keeps what it is asked, and fails with a time that is an hour ahead.
#[derive(Clone, Debug, Default)]
struct Capture(std::sync::Arc<std::sync::Mutex<Vec<(String, String)>>>);

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let date = request.headers().get("x-amz-date").unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((request.uri().to_owned(), date));
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        Canned::of_sqs(403, "RequestTimeTooSkewed").dated(ahead).call(request)
    }
}

#[tokio::test]
async fn the_next_attempt_is_signed_with_the_time_of_the_response() {
    let capture = Capture::default();
    let connector = capture.clone();
    let Clients { storage, .. } = clients(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())));
    for _ in 0..2 {
        assert!(storage.queues.send(empty_message()).await.is_err());
    }
    let calls = capture.0.lock().unwrap();
    let [first, second] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert!(first.1[..11] < second.1[..11] && first.1 != second.1, "{first:?} {second:?}");
}

#[tokio::test]
async fn fips_and_dual_stack_endpoints_are_used_where_no_other_endpoint_is_set() {
    for (fips, dual_stack, own, expected) in [
        ("", "", "", ["secretsmanager.ca-central-1.amazonaws.com", "sqs.ca-central-1.amazonaws.com"]),
        (
            "true",
            "false",
            "",
            ["secretsmanager-fips.ca-central-1.amazonaws.com", "sqs-fips.ca-central-1.amazonaws.com"],
        ),
        ("false", "TRUE", "", ["secretsmanager.ca-central-1.amazonaws.com", "sqs.ca-central-1.api.aws"]),
        ("true", "true", "http://127.0.0.1:4566", ["127.0.0.1:4566", "127.0.0.1:4566"]),
    ] {
        let capture = Capture::default();
        let connector = capture.clone();
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
        let config = config(&[
            ("AWS_USE_FIPS_ENDPOINT", fips),
            ("AWS_USE_DUALSTACK_ENDPOINT", dual_stack),
            ("AWS_ENDPOINT_URL", own),
        ]);
        let Clients { secrets, storage } = Clients::with_http_client(http, &config);
        assert!(secrets.fetch(Scheme::Pay, Stage::Current).await.is_err());
        assert!(storage.queues.send(empty_message()).await.is_err());
        assert!(storage.payloads.put("key", Bytes::new(), &[]).await.is_err());
        let calls = capture.0.lock().unwrap();
        let hosts: Vec<_> = calls.iter().map(|(uri, _)| uri.split('/').nth(2).unwrap_or_default()).collect();
        assert_eq!(hosts[..2], expected);
        let s3 = match (fips, own) {
            (_, "http://127.0.0.1:4566") => "127.0.0.1:4566",
            ("true", _) => "payloads.s3-fips.ca-central-1.amazonaws.com",
            _ if dual_stack == "TRUE" => "payloads.s3.dualstack.ca-central-1.amazonaws.com",
            _ => "payloads.s3.ca-central-1.amazonaws.com",
        };
        assert_eq!(hosts[2], s3);
    }
}

#[tokio::test]
async fn a_deletion_that_something_else_than_s3_confirms_is_a_transient_failure() {
    let failed =
        call(Operation::DeleteObject, &Canned::plain(200, "<html><body>welcome</body></html>")).await.unwrap_err();
    assert_eq!((failed.meaning(), failed.is_definite()), (Transient, false));
}

/// What each of the recovery's calls makes of a response.
#[cfg(feature = "recovery")]
async fn recovery_calls(response: &Canned) -> [Result<(), AwsError>; 4] {
    use crate::{
        config::RecoveryConfig,
        recovery::{CredentialsSource, OutcomeStore, RequestQueues},
    };
    let known = |name: &'static str| match name {
        "AWS_REGION" => "ca-central-1",
        "FLINKS_API_URL" => "https://example-api.private.fin.ag",
        name if name.ends_with("_QUEUE_URL") => "https://sqs.ca-central-1.amazonaws.com/1/q",
        name if name.starts_with("AWS_ENDPOINT") || name.starts_with("AWS_USE") => "",
        _ => "fake",
    };
    let config = RecoveryConfig::read(|name| Some(known(name).to_owned())).unwrap();
    let response = response.clone();
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(response.clone()));
    let RecoveryClients { secret, queues, storage } = RecoveryClients::with_http_client(http, &config);
    [
        secret.fetch().await.map(drop),
        queues.put_back("{}", Duration::from_secs(10)).await,
        queues.give_up("{}", &[("FlinksCode", "INVALID_LOGIN")]).await,
        storage.payloads.put_outcome("recovery/l/t.json", Bytes::new()).await,
    ]
}

#[cfg(feature = "recovery")]
#[tokio::test]
async fn a_success_that_lacks_what_the_service_returns_is_none_for_the_recovery_either() {
    for response in [Canned::plain(200, "{}"), Canned::plain(200, "")] {
        for called in recovery_calls(&response).await {
            assert_eq!(called.unwrap_err().meaning(), Transient);
        }
    }
    for called in recovery_calls(&Canned::plain(403, "")).await {
        assert_eq!(called.unwrap_err().meaning(), Permanent);
    }
}
