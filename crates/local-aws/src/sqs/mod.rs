//! SQS, standard queues only: AWS JSON 1.0, target prefix `AmazonSQS`.

mod attribute;
mod batch;
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
mod store;
mod text;

use serde_json::Value;

use crate::error::ServiceError;
use crate::json::parameters;
use crate::operation::Operation;
use crate::wire::Call;

pub use self::digest::{md5_of_attributes, md5_of_body};
pub(crate) use self::error::error_response;
pub use self::message::{Attribute, StoredMessage};
pub use self::settings::{QueueSettings, Redrive};
pub(crate) use self::store::Sqs;

impl Sqs {
    pub(crate) async fn serve(&self, operation: Operation, call: &Call) -> Result<Value, ServiceError> {
        match operation {
            Operation::SendMessage => self.send_message(parameters(call)?),
            Operation::SendMessageBatch => self.send_message_batch(parameters(call)?),
            Operation::ReceiveMessage => self.receive_message(parameters(call)?).await,
            Operation::DeleteMessage => self.delete_message(parameters(call)?),
            Operation::DeleteMessageBatch => self.delete_message_batch(parameters(call)?),
            Operation::ChangeMessageVisibility => self.change_visibility(parameters(call)?),
            Operation::StartMessageMoveTask => self.start_move_task(parameters(call)?),
            Operation::CreateQueue => self.create_queue(parameters(call)?),
            Operation::GetQueueUrl => self.get_queue_url(parameters(call)?),
            Operation::ListQueues => self.list_queues(parameters(call)?),
            Operation::GetQueueAttributes => self.get_queue_attributes(parameters(call)?),
            _ => Err(error::unsupported("The operation belongs to another service.")),
        }
    }
}
