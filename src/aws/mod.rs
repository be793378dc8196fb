//! AWS behind the traits that `auth`, `delivery`, `fan_out` and `recovery` own: the SDK's clients, on one HTTP client. No
//! stage imports this folder, and in `src/` only this folder uses the SDK's clients. Each call is one attempt;
//! `crate::retry` makes the others.

mod clients;
mod error;
mod preconnect;
#[cfg(feature = "recovery")]
mod recovery;
mod s3;
mod sdk_config;
mod secrets_manager;
mod send_message;
#[cfg(feature = "fan-out")]
mod sns;
mod sqs;

pub use clients::{Clients, storage, storage_with_http_client};
#[cfg(feature = "recovery")]
pub use recovery::{RecoveryClients, RecoveryQueues, RecoverySecret};
pub use s3::S3;
pub use secrets_manager::SecretsManager;
#[cfg(feature = "fan-out")]
pub use sns::Sns;
pub use sqs::Sqs;

#[cfg(test)]
mod tests;
