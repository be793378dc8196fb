//! SQS, standard queues only: AWS JSON 1.0, target prefix `AmazonSQS`.

mod attribute;
mod content;
mod delete;
mod digest;
mod error;
mod manage;
mod message;
mod moves;
mod number;
mod queue;
mod receipt;
mod receive;
mod send;
mod settings;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::dispatch::Call;
use crate::error::ServiceError;
use crate::json;
use crate::names::ACCOUNT;
use crate::operation::Operation;
use crate::sync::lock;

pub(crate) use self::error::refusal;
pub use self::message::{Attribute, StoredMessage};
use self::queue::Queue;
pub use self::settings::{QueueSettings, Redrive};

/// Every queue there is.
pub(crate) struct Sqs {
    address: SocketAddr,
    clock: Clock,
    queues: Mutex<Queues>,
    /// Told when a message may have become visible, for those who wait for one.
    arrivals: Notify,
}

/// By name.
type Queues = BTreeMap<String, Queue>;

impl Sqs {
    pub(crate) fn new(address: SocketAddr, clock: Clock) -> Sqs {
        Sqs { address, clock, queues: Mutex::default(), arrivals: Notify::new() }
    }

    pub(crate) async fn serve(&self, operation: Operation, call: &Call) -> Result<Value, ServiceError> {
        match operation {
            Operation::SendMessage => self.send_message(json::parameters(call)?),
            Operation::SendMessageBatch => self.send_message_batch(json::parameters(call)?),
            Operation::ReceiveMessage => self.receive_message(json::parameters(call)?).await,
            Operation::DeleteMessage => self.delete_message(json::parameters(call)?),
            Operation::DeleteMessageBatch => self.delete_message_batch(json::parameters(call)?),
            Operation::ChangeMessageVisibility => self.change_visibility(json::parameters(call)?),
            Operation::StartMessageMoveTask => self.start_move_task(json::parameters(call)?),
            Operation::CreateQueue => self.create_queue(json::parameters(call)?),
            Operation::GetQueueUrl => self.get_queue_url(json::parameters(call)?),
            Operation::ListQueues => self.list_queues(json::parameters(call)?),
            Operation::GetQueueAttributes => self.get_queue_attributes(json::parameters(call)?),
            _ => Err(error::unsupported("The operation belongs to another service.")),
        }
    }

    pub(crate) fn create(&self, name: &str, settings: QueueSettings) {
        lock(&self.queues)
            .entry(name.to_owned())
            .and_modify(|queue| queue.settings = settings.clone())
            .or_insert_with(|| Queue::new(settings.clone(), self.clock));
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{ACCOUNT}/{name}", self.address)
    }

    pub(crate) fn messages(&self, queue: &str) -> Vec<StoredMessage> {
        lock(&self.queues).get_mut(queue).map(Queue::stored).unwrap_or_default()
    }

    /// None for a queue that is empty or does not exist.
    pub(crate) fn age_of_oldest(&self, queue: &str) -> Option<Duration> {
        lock(&self.queues).get_mut(queue)?.age_of_oldest()
    }

    /// Does something with the queue that a request's QueueUrl names: by its last segment, so the
    /// host that the client knows the server by does not matter.
    fn with_queue<T>(
        &self,
        url: Option<&str>,
        act: impl FnOnce(&str, &mut Queue) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let name = queue_name(url)?;
        let mut queues = lock(&self.queues);
        let queue = queues.get_mut(name).ok_or_else(error::no_queue)?;
        act(name, queue)
    }
}

fn queue_name(url: Option<&str>) -> Result<&str, ServiceError> {
    let url = url.ok_or_else(|| error::missing("QueueUrl"))?;
    url.rsplit('/').next().ok_or_else(error::no_queue)
}
