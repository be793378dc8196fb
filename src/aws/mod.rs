//! AWS behind the traits that `auth` and `delivery` own: the SDK's clients, on one HTTP client. No stage imports this
//! folder, and in `src/` only this folder uses the SDK's clients. Each call is one attempt; `crate::retry` makes the
//! others.

mod clients;
mod error;
mod preconnect;
mod s3;
mod sdk_config;
mod secrets_manager;
mod send_message;
#[cfg(feature = "fan-out")]
mod sns;
mod sqs;

pub use clients::{Clients, storage, storage_with_http_client};
pub use s3::S3;
pub use secrets_manager::SecretsManager;
#[cfg(feature = "fan-out")]
pub use sns::Sns;
pub use sqs::Sqs;

#[cfg(test)]
mod tests;
