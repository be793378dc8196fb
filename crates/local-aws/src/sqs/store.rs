//! The content of SQS: every queue, by name.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;

use super::error::{missing, no_queue};
use super::message::StoredMessage;
use super::queue::Queue;
use super::settings::QueueSettings;
use crate::clock::Clock;
use crate::error::ServiceError;
use crate::names::ACCOUNT;
use crate::sync::lock;

/// All queues.
pub(crate) struct Sqs {
    address: SocketAddr,
    pub(super) clock: Clock,
    pub(super) queues: Mutex<Queues>,
    /// Wakes the waiting receives when a message may have become visible.
    pub(super) arrivals: Notify,
}

/// The queues, by name.
pub(super) type Queues = BTreeMap<String, Queue>;

impl Sqs {
    pub(crate) fn new(address: SocketAddr, clock: Clock) -> Sqs {
        Sqs { address, clock, queues: Mutex::default(), arrivals: Notify::new() }
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

    /// `None` if the queue is empty or does not exist.
    pub(crate) fn age_of_oldest(&self, queue: &str) -> Option<Duration> {
        lock(&self.queues).get_mut(queue)?.age_of_oldest()
    }

    /// Runs `act` with the queue that a request's QueueUrl names. Only the last segment counts, so the URL's host does
    /// not matter.
    pub(super) fn with_queue<T>(
        &self,
        url: Option<&str>,
        act: impl FnOnce(&str, &mut Queue) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let name = queue_name(url)?;
        let mut queues = lock(&self.queues);
        let queue = queues.get_mut(name).ok_or_else(no_queue)?;
        act(name, queue)
    }
}

/// The last segment of a QueueUrl.
pub(super) fn queue_name(url: Option<&str>) -> Result<&str, ServiceError> {
    let url = url.ok_or_else(|| missing("QueueUrl"))?;
    url.rsplit('/').next().ok_or_else(no_queue)
}
