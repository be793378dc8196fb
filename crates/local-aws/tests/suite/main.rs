//! The rules of the services. Each test is named after its rule and uses the SDK.
//!
//! Every rule runs against the local server and, without sockets, in process. If moto's server is installed, `moto`
//! also runs them against it, to show that they are not our own invention. It names the rules that moto lacks.

#[cfg(test)]
#[macro_use]
mod support;

#[cfg(test)]
mod batches;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod in_process;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod moto;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod receiving;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod server;
