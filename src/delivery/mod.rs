//! Delivery: the message for the queue, and how it is stored before the receiver responds 200.
//!
//! [`Storage`] stores a callback's message on its queue or, failing that, in the bucket. [`Redelivery`] later sends
//! what waits in the bucket to its queue.

mod message;
mod ports;
mod redelivery;
mod storage;
mod undelivered;

pub use message::{Attribute, DataType, DeliveryId, MAX_MESSAGE_BYTES, Message};
pub use ports::{
    Depth, Listed, Object, OutboundMessage, Page, PayloadStore, Queues, Receipt, StoredAs, UndeliveredStore,
};
pub use redelivery::{MAX_RECOVERED_BYTES, Redelivery, ReportedKey, RunBudget, Summary};
pub use storage::{Storage, StoreResult};
pub use undelivered::{UNDELIVERED_PREFIX, UndeliveredKey};
