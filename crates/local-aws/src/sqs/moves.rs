//! StartMessageMoveTask: moves dead letters back to the queues they came from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::error::{invalid, missing};
use super::message::Message;
use super::store::{Queues, Sqs};
use crate::error::ServiceError;
use crate::sync::lock;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMoveTask {
    source_arn: Option<String>,
    destination_arn: Option<String>,
}

impl Sqs {
    /// Moves all visible messages at once: to the destination, or without one each to the queue it came from. A message
    /// that was sent directly to the dead-letter queue then stays. A moved message is a new one: it has another id, and
    /// its retention and receive count start again (SQS developer guide, dead-letter queue redrive).
    pub(super) fn start_move_task(&self, request: StartMoveTask) -> Result<Value, ServiceError> {
        let source = request.source_arn.ok_or_else(|| missing("SourceArn"))?;
        let mut queues = lock(&self.queues);
        let name = existing(&queues, &source)?;
        let is_dead_letter_queue = queues.values().any(|queue| {
            let redrive = queue.settings.redrive.as_ref();
            redrive.is_some_and(|redrive| redrive.dead_letter_queue == name)
        });
        if !is_dead_letter_queue {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let destination = request.destination_arn;
        let destination = destination.map(|arn| existing(&queues, &arn)).transpose()?;
        let target = |queues: &Queues, message: &Message| match &destination {
            Some(destination) => Some(destination.clone()),
            None => existing(queues, message.dead_letter_source.as_deref()?).ok(),
        };
        let Some(mut dead_letters) = queues.remove(&name) else {
            return Err(not_found());
        };
        let moved = dead_letters.take_out(|message| target(&queues, message).is_some());
        queues.insert(name, dead_letters);
        for message in moved {
            let queue = target(&queues, &message).and_then(|name| queues.get_mut(&name));
            if let Some(queue) = queue {
                queue.push(Message::new(message.content, self.clock.now(), Instant::now()));
            }
        }
        drop(queues);
        self.arrivals.notify_waiters();
        let task = json!({ "taskId": Uuid::new_v4().to_string(), "sourceArn": source });
        Ok(json!({ "TaskHandle": STANDARD.encode(task.to_string()) }))
    }
}

/// The name of the queue with this ARN.
fn existing(queues: &Queues, arn: &str) -> Result<String, ServiceError> {
    let name = arn.rsplit(':').next().unwrap_or_default();
    if !queues.contains_key(name) {
        return Err(not_found());
    }
    Ok(name.to_owned())
}

fn not_found() -> ServiceError {
    let message = "The resource that you specified for the SourceArn or DestinationArn parameter \
                   doesn't exist.";
    ServiceError::bad_request("ResourceNotFoundException", message)
}
