//! What may be said of a call to AWS that failed.

use serde::Serialize;

/// A failed call, told in AWS's own words for it and never in the message's: services quote what they were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsError {
    pub operation: &'static str,
    pub reason: Reason,
    /// The service's error code, such as `AccessDeniedException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// HTTP status of the service's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// AWS's id of the call, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// It could not be put together.
    Construction,
    /// No connection, or one that broke.
    Connection,
    /// No answer in time. It may have been carried out.
    Timeout,
    /// An answer that cannot be understood.
    Response,
    /// The service refused it or failed.
    Service,
    /// It succeeded and what it returned is of no use; the text says why.
    Unusable(&'static str),
}

impl AwsError {
    /// The call took longer than there was time for.
    pub fn timeout(operation: &'static str) -> Self {
        Self::new(operation, Reason::Timeout)
    }

    /// The call brought nothing that can be used, for a reason that holds no data.
    pub fn unusable(operation: &'static str, why: &'static str) -> Self {
        Self::new(operation, Reason::Unusable(why))
    }

    pub fn new(operation: &'static str, reason: Reason) -> Self {
        Self { operation, reason, code: None, status: None, aws_request_id: None }
    }

    /// Whether the same call may succeed a moment later: a service out of reach, failing or throttling.
    pub fn may_pass(&self) -> bool {
        const THROTTLED: [&str; 2] = ["RequestThrottled", "ThrottlingException"];
        let out_of_reach = matches!(self.reason, Reason::Connection | Reason::Timeout | Reason::Response);
        out_of_reach || self.status.is_some_and(|status| status >= 500) || self.has_code(&THROTTLED)
    }

    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}
