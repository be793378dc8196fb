//! What the queues of the Flinks webhook receiver hold, and the rules by which the receiver chooses a queue.
//!
//! The receiver and its consumers share this crate, so that both give a payload the same [`Kind`].

pub mod fields;
pub mod kind;
pub mod signature_form;

pub use fields::{Fields, MAX_VALUE_BYTES, Scalar};
pub use kind::Kind;
