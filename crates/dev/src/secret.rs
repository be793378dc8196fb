//! Reads secrets from a file, Secrets Manager or the environment. Never from an argument: every process on the machine
//! can read those.

use std::path::PathBuf;

use aws_sdk_secretsmanager::Client;
use flinks_webhooks::auth::Scheme;
use zeroize::Zeroizing;

use crate::{
    aws,
    failed_call::reason,
    failure::Failure,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET},
};

/// The options of every command that signs or verifies.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct SecretArguments {
    /// Read the secret from this file. White space and line breaks around the secret are ignored.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_id")]
    secret_file: Option<PathBuf>,
    /// Fetch the secret with this name or ARN from AWS Secrets Manager. Without this option and --secret-file, the
    /// secret comes from the environment variable FLINKS_SIGNING_SECRET, or FLINKS_PAY_SIGNING_SECRET for the Pay
    /// scheme.
    #[arg(long, value_name = "NAME")]
    secret_id: Option<String>,
}

impl SecretArguments {
    /// Reads the secret from a file, Secrets Manager or the environment, without removing anything around it. `None` if
    /// the user gave none.
    ///
    /// # Errors
    /// If the given secret cannot be read.
    pub async fn given(&self, scheme: Scheme) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        if let Some(file) = &self.secret_file {
            let read = std::fs::read(file).map(Zeroizing::new);
            return read
                .map(Some)
                .map_err(|error| Failure::usage(format!("cannot read the secret from {}: {error}", file.display())));
        }
        if let Some(id) = &self.secret_id {
            return fetch(id).await.map(Some);
        }
        Ok(in_environment(scheme))
    }

    /// Like [`SecretArguments::given`], but the user must give a secret.
    ///
    /// # Errors
    /// If there is none. The error says what to do.
    pub async fn required(&self, scheme: Scheme) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.given(scheme).await?.ok_or_else(|| {
            let variable = variable(scheme);
            Failure::usage(format!("no secret: give --secret-file FILE or --secret-id NAME, or set {variable}"))
        })
    }
}

/// The unchanged secret in the environment. An empty one counts as none.
pub fn in_environment(scheme: Scheme) -> Option<Zeroizing<Vec<u8>>> {
    let secret = std::env::var_os(variable(scheme)).filter(|value| !value.is_empty())?;
    Some(Zeroizing::new(secret.into_encoded_bytes()))
}

async fn fetch(id: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let client = Client::new(&aws::of_the_user().await);
    let version = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
        Failure::usage(format!("cannot fetch the secret {id} from Secrets Manager: {}", reason(&error)))
    })?;
    let secret = version
        .secret_string
        .ok_or_else(|| Failure::usage(format!("the secret {id} is binary, but it must be text")))?;
    Ok(Zeroizing::new(secret.into_bytes()))
}

/// The environment variable with the scheme's secret.
pub fn variable(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => "FLINKS_SIGNING_SECRET",
        Scheme::Pay => "FLINKS_PAY_SIGNING_SECRET",
    }
}

/// The fake secret of the local stack and the samples.
pub fn sample(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => SIGNING_SECRET,
        Scheme::Pay => PAY_SIGNING_SECRET,
    }
}
