//! The receiver's rules, implemented a second time.

pub mod gateway;
pub mod json;
pub mod payload;
pub mod signature;
pub mod sqs;
