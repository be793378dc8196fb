//! Failed calls to AWS: what may be logged about them, and what each means for the next attempt.

use serde::Serialize;

/// The calls that the functions make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Operation {
    GetSecretValue,
    SendMessage,
    PutObject,
    ListObjectsV2,
    GetObject,
    DeleteObject,
    Publish,
}

/// A failed call, with AWS's code, status and id. Never the error's message: services quote what they were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsError {
    pub operation: Operation,
    pub reason: Reason,
    /// The service's error code, such as `AccessDeniedException`. It goes to the log, so `aws/error.rs`, which sets it,
    /// keeps only text that looks like a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// HTTP status of the service's response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// AWS's id of the call, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// The service's clock and this one differ by more than four minutes, so the SDK signs the next attempt with the
    /// service's time.
    #[serde(skip)]
    pub clocks_differ: bool,
}

/// Where the call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The request could not be built.
    Construction,
    /// No connection, or one that broke.
    Connection,
    /// No response in time. The call may have been carried out.
    Timeout,
    /// A response that cannot be understood. The call may have been carried out.
    Response,
    /// An error response.
    Service,
    /// A success that lacks what the service always returns, so something else may have sent it. The text says what is
    /// missing. The call may have been carried out.
    Unusable(&'static str),
}

/// What a failure means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The same call may succeed a moment later.
    Transient,
    /// Worth one more attempt. It is signed anew, and the SDK may have corrected its clock from the response.
    OnceMore,
    /// The queue will never accept the message like this. It may accept it without its group, or as a claim check.
    ContentRejected,
    /// The same call fails again until somebody changes something.
    Permanent,
}

use Meaning::{ContentRejected, OnceMore, Permanent, Transient};
use Operation::{DeleteObject, GetObject, GetSecretValue, ListObjectsV2, Publish, PutObject, SendMessage};

const EVERY: &[Operation] = &[GetSecretValue, SendMessage, PutObject, ListObjectsV2, GetObject, DeleteObject, Publish];
const S3: &[Operation] = &[PutObject, ListObjectsV2, GetObject, DeleteObject];

/// What AWS's error codes mean. For a code that is not listed, the status decides ([`AwsError::meaning`]). So no
/// permanent code is listed: its status says the same.
///
/// From the services' models, the API references' pages "Common errors" and "Error responses", and the codes that the
/// SDK retries. SQS has two names for most errors: the older query protocol's, which AWS sends, and the model's.
const MEANINGS: &[(Meaning, &[Operation], &[&str])] = &[
    // Throttling, in all its spellings. Most have the status 400 or 403.
    (
        Transient,
        EVERY,
        &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
            "TransactionInProgressException",
        ],
    ),
    (Transient, &[SendMessage], &["OverLimit"]),
    // SNS has names of its own for two errors.
    (Transient, &[Publish], &["KMSThrottling", "Throttled"]),
    // Errors of KMS that SQS, S3 and SNS pass on: KMS throttled the call, or KMS itself failed. Its other errors are
    // permanent.
    (
        Transient,
        EVERY,
        &[
            "KMS.DependencyTimeoutException",
            "KMS.KMSInternalException",
            "KMS.KeyUnavailableException",
            "KMS.ThrottlingException",
            "KmsThrottled",
        ],
    ),
    // The service failed. The status is 5xx in most editions of the documentation, and 400 in others.
    (
        Transient,
        EVERY,
        &[
            "AWS.SimpleQueueService.InternalError",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceError",
            "InternalServiceFailure",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
    // The request arrived too late or damaged, or it conflicted with another one.
    (Transient, EVERY, &["RequestAbortedException", "RequestTimeout", "RequestTimeoutException"]),
    (
        Transient,
        S3,
        &[
            "BadDigest",
            "Busy",
            "ConditionalRequestConflict",
            "IncompleteBody",
            "OperationAborted",
            "XAmzContentSHA256Mismatch",
        ],
    ),
    // The clocks differ. The SDK signs the next attempt with the time of the response.
    (Transient, EVERY, &["RequestExpired", "RequestTimeTooSkewed"]),
    // AWS computed another signature: the time stamp is too old, the request was damaged, or the key is wrong.
    (OnceMore, EVERY, &["AuthFailure", "InvalidSignature", "InvalidSignatureException", "SignatureDoesNotMatch"]),
    // Credentials that AWS does not know. New ones are unknown in some places for a few seconds.
    (OnceMore, EVERY, &["InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"]),
    // Secrets Manager has one code for everything that goes wrong with KMS.
    (OnceMore, &[GetSecretValue], &["DecryptionFailure"]),
    // SQS rejects the message itself. `InvalidParameterValue` stands for a message group that the queue does not take,
    // and also for a body over its limit.
    (
        ContentRejected,
        &[SendMessage],
        &[
            "AWS.SimpleQueueService.UnsupportedOperation",
            "InvalidMessageContents",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "RequestEntityTooLarge",
            "RequestEntityTooLargeException",
            "UnsupportedOperation",
        ],
    ),
];

impl AwsError {
    /// The call took longer than there was time for.
    pub fn timeout(operation: Operation) -> Self {
        Self::new(operation, Reason::Timeout)
    }

    /// The call succeeded without what the service always returns; `missing` holds no data.
    pub fn unusable(operation: Operation, missing: &'static str) -> Self {
        Self::new(operation, Reason::Unusable(missing))
    }

    pub fn new(operation: Operation, reason: Reason) -> Self {
        Self { operation, reason, code: None, status: None, aws_request_id: None, clocks_differ: false }
    }

    /// What the failure means for the next attempt: by its code, else by its status.
    pub fn meaning(&self) -> Meaning {
        match self.reason {
            Reason::Construction => Permanent,
            Reason::Connection | Reason::Timeout | Reason::Response | Reason::Unusable(_) => Transient,
            Reason::Service => match self.by_code().unwrap_or_else(|| self.by_status()) {
                // Signed with another time, the same call may be allowed.
                Permanent if self.clocks_differ => OnceMore,
                meaning => meaning,
            },
        }
    }

    fn by_code(&self) -> Option<Meaning> {
        let code = self.code.as_deref()?;
        let row = MEANINGS
            .iter()
            .find(|(_, operations, codes)| operations.contains(&self.operation) && codes.contains(&code))?;
        Some(row.0)
    }

    fn by_status(&self) -> Meaning {
        match self.status {
            // Not implemented; HTTP version not supported.
            Some(501 | 505) => Permanent,
            // Request timeout, too early, too many requests, or a server error. A success whose body cannot be
            // understood.
            Some(408 | 425 | 429 | 500.. | 200..=299) => Transient,
            // Content too large.
            Some(413) if self.operation == SendMessage => ContentRejected,
            _ => Permanent,
        }
    }

    /// AWS sent an error response with an error code. Within one delivery the call then counts as not carried out, so a
    /// claim check's object is used again. After any other failure the outcome counts as unknown.
    pub fn is_definite(&self) -> bool {
        self.reason == Reason::Service && self.code.is_some()
    }

    /// AWS rejected the call with an error code and a status below 500, so it certainly had no effect. This is stricter
    /// than [`Self::is_definite`]: a server error may, rarely, come after the work was done.
    pub fn was_rejected(&self) -> bool {
        self.is_definite() && self.status.is_some_and(|status| status < 500)
    }

    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

/// Failed calls in the order in which each kind was first seen, including ones that a retry recovered. Calls that
/// failed alike are counted, so that an outage does not fill the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FailedCalls(Vec<FailedCall>);

/// A failed call, and how often it failed like that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedCall {
    /// The first of them.
    #[serde(flatten)]
    pub error: AwsError,
    pub times: u32,
}

impl From<AwsError> for FailedCalls {
    fn from(error: AwsError) -> Self {
        Self(vec![FailedCall { error, times: 1 }])
    }
}

impl FailedCalls {
    /// Maximum number of different failures.
    const MAX: usize = 10;

    pub fn push(&mut self, error: AwsError) {
        self.add(FailedCall { error, times: 1 });
    }

    pub fn extend(&mut self, others: Self) {
        for call in others.0 {
            self.add(call);
        }
    }

    fn add(&mut self, call: FailedCall) {
        let kind = |error: &AwsError| (error.operation, error.reason, error.status);
        let alike =
            |known: &&mut FailedCall| kind(&known.error) == kind(&call.error) && known.error.code == call.error.code;
        if let Some(known) = self.0.iter_mut().find(alike) {
            known.times = known.times.saturating_add(call.times);
        } else if self.0.len() < Self::MAX {
            self.0.push(call);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, FailedCall> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(operation: Operation, status: u16, code: Option<&str>) -> AwsError {
        let code = code.map(str::to_owned);
        AwsError { status: Some(status), code, ..AwsError::new(operation, Reason::Service) }
    }

    #[test]
    fn a_call_without_an_error_response_may_succeed_later_and_one_that_cannot_be_built_may_not() {
        for reason in [Reason::Connection, Reason::Timeout, Reason::Response, Reason::Unusable("no message id")] {
            assert_eq!(AwsError::new(SendMessage, reason).meaning(), Transient, "{reason:?}");
            assert!(!AwsError::new(SendMessage, reason).is_definite());
        }
        assert_eq!(AwsError::new(SendMessage, Reason::Construction).meaning(), Permanent);
    }

    #[test]
    fn without_a_known_code_the_status_decides() {
        for (status, meaning) in [
            (400, Permanent),
            (403, Permanent),
            (404, Permanent),
            (413, Permanent),
            (408, Transient),
            (200, Transient),
            (501, Permanent),
            (429, Transient),
            (500, Transient),
            (503, Transient),
            (599, Transient),
        ] {
            for code in [None, Some("NeverHeardOf")] {
                let error = service(PutObject, status, code);
                assert_eq!((error.meaning(), error.is_definite()), (meaning, code.is_some()), "{status} {code:?}");
            }
        }
    }

    #[test]
    fn calls_that_failed_alike_are_counted() {
        let mut failures = FailedCalls::default();
        for _ in 0..3 {
            failures
                .push(AwsError { aws_request_id: Some("1".to_owned()), ..service(PutObject, 503, Some("SlowDown")) });
            failures.push(service(PutObject, 503, None));
        }
        let mut all = failures.clone();
        all.extend(failures);
        assert_eq!(all.iter().map(|call| call.times).collect::<Vec<_>>(), [6, 6]);
        for status in 500..600 {
            all.push(service(PutObject, status, None));
        }
        assert_eq!(all.iter().count(), FailedCalls::MAX);
    }

    #[test]
    fn what_is_denied_while_the_clocks_differ_is_retried_once() {
        let denied = service(GetSecretValue, 400, Some("AccessDeniedException"));
        assert_eq!(denied.meaning(), Permanent);
        assert_eq!(AwsError { clocks_differ: true, ..denied }.meaning(), OnceMore);
    }
}
