//! The account and region of every name that is made here.

/// The account of every queue and secret. No real account has twelve zeros.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The region in every ARN. A client may use any region: requests are not checked for it.
pub(crate) const REGION: &str = "us-east-1";

/// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}
