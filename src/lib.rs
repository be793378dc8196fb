//! The receiver for Flinks' webhooks: verifies each callback, puts it on the queue for its type, and responds 200 only
//! once it is stored.
//!
//! ```text
//! API Gateway's event
//!   -> Callback             headers and the exact body bytes                     http
//!   -> AuthenticCallback    only the signature check makes one                   auth
//!   -> ClassifiedCallback   kind and routing fields; reading cannot fail         routing
//!   -> Message              body and attributes, within SQS's rules              delivery
//!   -> Receipt              only the storage makes one                           delivery
//!   -> Response             200, 400, 401, 403 or 503                            http
//! ```
//!
//! Each folder is a stage. [`Receiver::receive`] calls them in this order, and each takes what the stage before it
//! made. Only the signature check can make an `AuthenticCallback`, and nothing is classified without one. Only the
//! storage can make a `Receipt`. A stage returns what it found; [`telemetry`] writes it to the log at the end. AWS
//! stands behind the traits [`SecretSource`], [`Queues`] and [`PayloadStore`], which [`aws`] implements.
//!
//! A module imports only from stages before its own: `http`, `auth`, `routing`, `delivery`. What all share stands
//! beside them. The optional `fan_out` and `recovery` are not stages of the pipeline. `fan_out` publishes what is on the
//! queues. `recovery` fetches from Flinks' API what never arrived, and `delivery` stores it. What is public is used by
//! the programs, by the tests, by `cargo dev` or by the fuzz targets.

pub mod auth;
pub mod aws;
pub mod aws_error;
pub mod config;
pub mod delivery;
#[cfg(feature = "fan-out")]
pub mod fan_out;
pub mod http;
pub mod lambda;
#[cfg(feature = "recovery")]
mod recovered_payload;
#[cfg(feature = "recovery")]
pub mod recovery;
pub mod rejection;
mod retry;
pub mod routing;
#[cfg(any(feature = "fan-out", feature = "recovery"))]
pub mod sqs_event;
pub mod telemetry;
pub mod time_budget;
pub mod timestamp;

use std::time::{Instant, SystemTime};

use crate::{
    auth::{Authentication, Authenticator, Prefetch, SecretSource},
    config::Policy,
    delivery::{Message, PayloadStore, Queues, Receipt, Storage, StoreResult},
    http::{Callback, Response},
    rejection::Rejection,
    routing::{ClassifiedCallback, ResponseTypes},
    telemetry::{Metric, Record},
    time_budget::TimeBudget,
};

/// The pipeline.
pub struct Receiver<S, Q, P> {
    authenticator: Authenticator<S>,
    response_types: ResponseTypes,
    storage: Storage<Q, P>,
}

impl<S: SecretSource, Q: Queues, P: PayloadStore> Receiver<S, Q, P> {
    pub fn new(policy: Policy, secrets: S, storage: Storage<Q, P>) -> Self {
        let Policy { allowlist, key_rules, response_types } = policy;
        Self { authenticator: Authenticator::new(allowlist, secrets, key_rules), response_types, storage }
    }

    /// Prepares for the first callback, for two seconds at most: reads the keys and, once those requests are on their
    /// way, opens a connection to the queues. The first callback retries what fails here.
    pub async fn prepare(&self) -> Prefetch {
        let (keys, ()) = tokio::join!(biased; self.authenticator.prefetch(), async { self.storage.preconnect() });
        keys
    }

    /// Takes one callback from the event to the response. The caller owns `record`, so that what is known about the
    /// callback survives a panic.
    pub async fn receive(&self, callback: Result<Callback, Rejection>, record: &mut Record) -> Response {
        let started = Instant::now();
        let stored = self.run_stages(callback, record).await;
        record.set_duration(Metric::TotalTime, started);
        match stored {
            Ok(receipt) => {
                record.stored_as = Some(receipt.stored_as());
                Response::Stored
            }
            Err(rejection) => {
                record.rejection = Some(rejection);
                rejection.into()
            }
        }
    }

    /// Runs all stages, in order, and records what each found.
    async fn run_stages(
        &self,
        callback: Result<Callback, Rejection>,
        record: &mut Record,
    ) -> Result<Receipt, Rejection> {
        let (budget, received_at) = (TimeBudget::start(), SystemTime::now());
        let callback = callback?;
        record.gateway_request_id.clone_from(&callback.gateway_request_id);
        record.deployment_check = callback.deployment_check;
        record.body_bytes = Some(callback.body.len());
        record.signature_headers = callback.headers.present();

        let started = Instant::now();
        let Authentication { outcome, keys } = self.authenticator.authenticate(&callback, budget).await;
        record.set_duration(Metric::AuthenticateTime, started);
        record.keys = keys;
        let authentic = outcome?;
        record.signature_form = Some(authentic.signature_form());

        let started = Instant::now();
        let classified = ClassifiedCallback::classify(authentic, &self.response_types);
        let message = Message::from_callback(&classified, received_at).with_trace(callback.trace_header);
        record.set_duration(Metric::RouteTime, started);
        record.kind = Some(message.kind());
        record.delivery_id = Some(message.delivery_id().clone());

        let started = Instant::now();
        let StoreResult { outcome, failures } = self.storage.store(&message, budget.end()).await;
        record.set_duration(Metric::StoreTime, started);
        record.failures = failures;
        outcome
    }
}
