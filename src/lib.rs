//! The receiver for Flinks' webhooks: proves each callback authentic, puts it on the queue of its type, and answers 200
//! only once it is stored.
//!
//! ```text
//! API Gateway event
//!   -> Callback            headers and the exact body bytes                  callback
//!   -> Admitted            from an address that may send                     source
//!   -> AuthenticCallback   only the signature check makes one                signature, keys
//!   -> Event               kind and routing fields, read without failing     event, kind
//!   -> Message             body and attributes, within SQS's rules           message
//!   -> Receipt             only the storage makes one                        storage
//!   -> Answer              200, 400, 401, 403 or 503                         answer
//! ```
//!
//! Each arrow is a function that takes the type on its left and gives the one on its right. From the gate to the
//! receipt nothing else makes that type, so no step can be left out. The middle is pure; AWS stands behind the three traits
//! [`SecretSource`](keys::SecretSource), [`Queues`](storage::Queues) and [`PayloadStore`](storage::PayloadStore).

pub mod answer;
pub mod aws;
pub mod aws_error;
pub mod callback;
pub mod config;
pub mod event;
pub mod function;
pub mod keys;
pub mod kind;
pub mod log;
pub mod message;
pub mod metric;
pub mod record;
pub mod redelivery;
pub mod retry;
pub mod runtime_log;
pub mod secret;
pub mod send_message;
pub mod signature;
pub mod source;
pub mod spilled;
pub mod storage;
pub mod time_budget;

use std::time::{Instant, SystemTime};

use crate::{
    answer::{Answer, Rejection},
    aws::Aws,
    callback::{BadEvent, Callback},
    config::Config,
    event::{Event, ResponseTypes},
    keys::{Authentication, Prefetch, SecretSource, SigningKeys},
    message::Message,
    metric::Metric,
    record::Record,
    source::AllowedSources,
    storage::{PayloadStore, Queues, Receipt, Storage},
    time_budget::TimeBudget,
};

/// The pipeline with what it needs.
pub struct Receiver<S, Q, P> {
    allowed_sources: AllowedSources,
    keys: SigningKeys<S>,
    response_types: ResponseTypes,
    storage: Storage<Q, P>,
}

/// The receiver that runs on AWS.
pub type AwsReceiver = Receiver<aws::SecretsManager, aws::Sqs, aws::S3>;

impl AwsReceiver {
    pub fn on_aws(config: &Config) -> Self {
        Self::on(Aws::new(config), config)
    }

    /// The receiver on clients that are there already.
    pub fn on(Aws { secrets, storage }: Aws, config: &Config) -> Self {
        Self::new(
            SigningKeys::new(secrets, config.previous_key_for, config.ascii_reading),
            config.response_types.clone(),
            storage,
        )
        .only_from(config.allowed_sources.clone())
    }
}

impl<S: SecretSource, Q: Queues, P: PayloadStore> Receiver<S, Q, P> {
    /// The receiver on whatever stands behind the three traits, open to every address.
    pub fn new(keys: SigningKeys<S>, response_types: ResponseTypes, storage: Storage<Q, P>) -> Self {
        Self { allowed_sources: AllowedSources::default(), keys, response_types, storage }
    }

    /// The same, closed to every address that is not on a list.
    pub fn only_from(self, allowed_sources: AllowedSources) -> Self {
        Self { allowed_sources, ..self }
    }

    /// Reads the keys ahead of the first callback, for two seconds at most, and makes the queues ready once the requests
    /// for the keys are on the way, without waiting for what that begins. Failures are only logged: the next callback reads
    /// what is missing.
    pub async fn prepare(&self) -> Prefetch {
        let (keys, ()) = tokio::join!(biased; self.keys.prefetch(), async { self.storage.queues.make_ready() });
        keys
    }

    /// Takes one callback from the gateway's event to the answer, and notes in `record` what happened to it.
    pub async fn receive(&self, callback: Result<Callback, BadEvent>, record: &mut Record) -> Answer {
        let started = Instant::now();
        let stored = self.store(callback, record).await;
        record.step(Metric::TotalTime, started);
        match stored {
            Ok(receipt) => {
                record.stored_as = Some(receipt.how());
                Answer::Stored
            }
            Err(rejection) => {
                record.rejection = Some(rejection);
                rejection.into()
            }
        }
    }

    async fn store(&self, callback: Result<Callback, BadEvent>, record: &mut Record) -> Result<Receipt, Rejection> {
        let (budget, received_at) = (TimeBudget::start(), SystemTime::now());
        let callback = callback.map_err(Rejection::BadEvent)?;
        record.gateway_request_id.clone_from(&callback.gateway_request_id);
        record.deployment_check = callback.deployment_check;
        record.body_bytes = Some(callback.body.len());
        record.signature_headers = callback.headers.present();
        let admitted = self.allowed_sources.admit(callback)?;

        let step = Instant::now();
        let Authentication { outcome, keys } = self.keys.authenticate(admitted, budget).await;
        record.step(Metric::AuthenticateTime, step);
        record.keys = keys;
        let authentic = outcome?;
        record.form = Some(authentic.form());

        let step = Instant::now();
        let event = Event::read(authentic, &self.response_types);
        let message = Message::of(&event, received_at);
        record.step(Metric::RouteTime, step);
        record.kind = Some(message.kind());
        record.delivery_id = Some(message.delivery_id().to_owned());

        let step = Instant::now();
        let receipt = self.storage.store(&message, budget.end(), &mut record.failures).await;
        record.step(Metric::StoreTime, step);
        receipt
    }
}
