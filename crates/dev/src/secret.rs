//! Where a secret comes from: never an argument, which every process on the machine can read.

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

/// Options of every command that signs or checks.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct SecretArguments {
    /// Read the secret from this file. White space and line breaks around it are not part of it.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_id")]
    secret_file: Option<PathBuf>,
    /// Fetch the secret from AWS Secrets Manager: its name or ARN. Otherwise it is in the environment variable
    /// FLINKS_SIGNING_SECRET, or FLINKS_PAY_SIGNING_SECRET for the Pay scheme.
    #[arg(long, value_name = "NAME")]
    secret_id: Option<String>,
}

impl SecretArguments {
    /// The secret as it is kept, with all that is around it: from a file, from Secrets Manager, or from the
    /// environment. None when none of them is given.
    ///
    /// # Errors
    /// When the one that is given cannot be read.
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

    /// The secret that is given.
    ///
    /// # Errors
    /// When there is none, with what to do.
    pub async fn required(&self, scheme: Scheme) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.given(scheme).await?.ok_or_else(|| {
            let variable = variable(scheme);
            Failure::usage(format!("no secret: give --secret-file FILE or --secret-id NAME, or set {variable}"))
        })
    }
}

/// The secret in the environment, as it is; an empty one counts as none.
pub fn in_environment(scheme: Scheme) -> Option<Zeroizing<Vec<u8>>> {
    let secret = std::env::var_os(variable(scheme)).filter(|value| !value.is_empty())?;
    Some(Zeroizing::new(secret.into_encoded_bytes()))
}

async fn fetch(id: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let client = Client::new(&aws::of_the_user().await);
    let version = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
        Failure::usage(format!("cannot fetch the secret {id} from Secrets Manager: {}", reason(&error)))
    })?;
    let secret =
        version.secret_string.ok_or_else(|| Failure::usage(format!("the secret {id} is binary, it must be text")))?;
    Ok(Zeroizing::new(secret.into_bytes()))
}

/// The environment variable of each scheme's secret.
pub fn variable(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => "FLINKS_SIGNING_SECRET",
        Scheme::Pay => "FLINKS_PAY_SIGNING_SECRET",
    }
}

/// The fake secret of the local stack and of the samples.
pub fn sample(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => SIGNING_SECRET,
        Scheme::Pay => PAY_SIGNING_SECRET,
    }
}
