//! The fictitious function that the variables and headers describe.

use std::time::Duration;

pub(crate) const NAME: &str = "local";
pub(crate) const VERSION: &str = "$LATEST";
pub(crate) const MEMORY_MB: &str = "128";
pub(crate) const LOG_GROUP: &str = "/aws/lambda/local";
pub(crate) const LOG_STREAM: &str = "local/[$LATEST]";
/// The account number that AWS's own documentation uses.
pub(crate) const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:local";

/// The time from an invocation to its deadline, unless the caller sets another. It is announced but not enforced. It is
/// half of API Gateway's 30 s.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
