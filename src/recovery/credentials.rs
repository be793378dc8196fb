//! The credentials for Flinks' API, and the client that uses them.
//!
//! They are cached, and read again every 5 minutes. If that read fails, the cached ones serve, and the next read is 30 s
//! later. When Flinks denies access, they are read at once, but not within 30 s of the last such read. What Secrets
//! Manager says is believed: a secret that is gone serves no longer.

use std::time::Duration;

use flinks_api::{Credentials, FlinksApi, Settings};
use serde::{Deserialize, Deserializer};
use tokio::{sync::Mutex, time::Instant};
use zeroize::Zeroizing;

use super::ports::CredentialsSource;
use crate::{
    auth::SecretVersion,
    aws_error::{FailedCalls, Operation},
    config::FlinksConfig,
    retry,
    time_budget::{ATTEMPT, BUDGET},
};

/// How long credentials are used before they are read again.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// The time between two reads for the same reason.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// Why there is no client. The texts go to the log and have nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoClient(pub &'static str);

/// A client, and the credentials that it has.
#[derive(Clone)]
pub struct Client {
    pub api: FlinksApi,
    version: String,
    /// Whether its credentials were read for this call.
    is_fresh: bool,
}

/// Makes clients.
pub struct Clients<C> {
    config: FlinksConfig,
    source: C,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    client: Option<(Client, Instant)>,
    /// The last read that failed while cached credentials served.
    failed_at: Option<Instant>,
    /// The last read because Flinks denied access.
    denied_at: Option<Instant>,
}

impl<C: CredentialsSource> Clients<C> {
    pub fn new(config: FlinksConfig, source: C) -> Self {
        Self { config, source, cache: Mutex::default() }
    }

    /// A client with the current credentials.
    ///
    /// # Errors
    /// If there are none.
    pub async fn client(&self, limit: Instant, failures: &mut FailedCalls) -> Result<Client, NoClient> {
        let mut cache = self.cache.lock().await;
        let is_recent = |at: Option<Instant>, longest| at.is_some_and(|at| at.elapsed() < longest);
        let cached = cache.client.clone();
        let limit = match cached {
            Some((client, read_at)) if read_at.elapsed() < MAX_AGE || is_recent(cache.failed_at, READ_INTERVAL) => {
                return Ok(client);
            }
            Some(_) => limit.min(Instant::now() + ATTEMPT),
            None => limit.min(Instant::now() + BUDGET),
        };
        match self.read(&mut cache, limit, failures).await {
            Err(ReadError::Failed) => {
                cache.failed_at = Some(Instant::now());
                let cached = cache.client.as_ref().map(|(client, _)| client.clone());
                cached.ok_or(NoClient("the secret with the credentials could not be read"))
            }
            Err(ReadError::NoClient(reason)) => Err(reason),
            Ok(client) => Ok(client),
        }
    }

    /// Reads the credentials again after Flinks denied access to those of `used`. `None` if there are no newer ones, or if
    /// that is unknown.
    pub async fn after_denial(&self, used: &Client, limit: Instant, failures: &mut FailedCalls) -> Option<Client> {
        if used.is_fresh {
            return None;
        }
        let mut cache = self.cache.lock().await;
        if cache.denied_at.is_some_and(|at| at.elapsed() < READ_INTERVAL) {
            return None;
        }
        let limit = limit.min(Instant::now() + ATTEMPT);
        let read = self.read(&mut cache, limit, failures).await;
        if !matches!(read, Err(ReadError::Failed)) {
            cache.denied_at = Some(Instant::now());
        }
        read.ok().filter(|client| client.version != used.version)
    }

    async fn read(&self, cache: &mut Cache, limit: Instant, failures: &mut FailedCalls) -> Result<Client, ReadError> {
        let read = retry::until(limit, Operation::GetSecretValue, failures, || self.source.fetch()).await;
        let version = read.map_err(|failed| {
            failures.push(failed);
            ReadError::Failed
        })?;
        // The same version keeps its client, and with it the open connections.
        let known = cache.client.take().map(|(client, _)| client);
        let version = version.ok_or(NoClient("there is no secret with the credentials"))?;
        let client = match known.filter(|known| known.version == version.id) {
            Some(known) => known,
            None => Client { api: self.connect(&version)?, version: version.id, is_fresh: false },
        };
        cache.client = Some((client.clone(), Instant::now()));
        cache.failed_at = None;
        Ok(Client { is_fresh: true, ..client })
    }

    fn connect(&self, version: &SecretVersion) -> Result<FlinksApi, NoClient> {
        let unusable = NoClient("the secret is not JSON with the texts secretKey and apiKey");
        let text = version.text.as_deref().ok_or(unusable)?;
        let text = text.trim_start_matches('\u{FEFF}');
        let Secret { secret_key, api_key } = serde_json::from_str(text).map_err(|_| unusable)?;
        let credentials = Credentials::new(secret_key.0.trim(), api_key.0.trim());
        let credentials = credentials.map_err(|_| NoClient("a key in the secret is empty or cannot be in a header"))?;
        let settings = Settings::new(&self.config.api_url, &self.config.customer_id, credentials);
        let settings = settings.map_err(|_| NoClient("FLINKS_API_URL or FLINKS_CUSTOMER_ID cannot be used"))?;
        FlinksApi::new(settings).map_err(|_| NoClient("there are no root certificates"))
    }
}

enum ReadError {
    Failed,
    NoClient(NoClient),
}

impl From<NoClient> for ReadError {
    fn from(reason: NoClient) -> Self {
        Self::NoClient(reason)
    }
}

/// What the secret has. Other members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    secret_key: Key,
    api_key: Key,
}

/// Wiped on drop, also if the other key is missing.
struct Key(Zeroizing<String>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|key| Self(Zeroizing::new(key)))
    }
}

#[cfg(test)]
mod tests;
