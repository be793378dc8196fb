//! Lambda on loopback, in process: for tests, and for running a webhook receiver's function locally.
//!
//! An HTTP request goes through the same steps as on AWS:
//!
//! 1. [`gateway::event`] shapes it as API Gateway's HTTP API does (payload format 2.0);
//! 2. [`RuntimeApi::invoke`] queues the event for the function, which polls
//!    [`RuntimeApi::address`] as it would poll Lambda;
//! 3. what the function posts comes back as an [`Outcome`];
//! 4. [`gateway::response`] reads it as API Gateway would before it responds to the sender.
//!
//! The function is a process of its own, started by the caller with
//! [`RuntimeApi::environment`] added to its variables. Nothing here starts, freezes or kills it.

mod clock;
mod endpoints;
mod function;
pub mod gateway;
mod invocations;
mod outcome;
mod poller;
mod runtime_api;

pub use outcome::Outcome;
pub use runtime_api::RuntimeApi;
