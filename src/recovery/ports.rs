//! What the recovery needs from AWS: narrow traits. Each call makes one attempt.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use crate::{auth::SecretVersion, aws_error::AwsError};

/// Where the credentials for Flinks' API come from.
pub trait CredentialsSource {
    /// Fetches the current version of the secret. `None` if there is none.
    fn fetch(&self) -> impl Future<Output = Result<Option<SecretVersion>, AwsError>> + Send;
}

/// The queue of the requests, and its dead-letter queue.
pub trait RequestQueues {
    /// Sends a request to the queue that it came from. It becomes visible after `delay`.
    fn put_back(&self, body: &str, delay: Duration) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Sends a request to the dead-letter queue, with these attributes.
    fn give_up(
        &self,
        body: &str,
        attributes: &[(&'static str, &str)],
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// The bucket for what became of each request.
pub trait OutcomeStore {
    fn put_outcome(&self, key: &str, outcome: Bytes) -> impl Future<Output = Result<(), AwsError>> + Send;
}
