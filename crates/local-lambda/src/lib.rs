//! A local Lambda on loopback, in this process, for tests and for running a function locally.
//!
//! An HTTP request passes the same steps as on AWS:
//!
//! 1. [`gateway::event`] makes the event that API Gateway's HTTP API would send (payload format 2.0).
//! 2. [`RuntimeApi::invoke`] queues the event for the function, which polls [`RuntimeApi::address`] as it polls Lambda.
//! 3. The function's post becomes an [`Outcome`].
//! 4. [`gateway::response`] reads it as API Gateway does before it responds to the sender.
//!
//! The function is a separate process. The caller starts it with the variables of [`RuntimeApi::environment`]. Nothing
//! here starts, freezes or kills it.

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
