//! The account and region that every name made here belongs to.

/// The account of every queue and secret. Twelve zeros are no real account.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The region in every ARN. A client may be set to any region: requests are not checked for it.
pub(crate) const REGION: &str = "us-east-1";

/// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}
