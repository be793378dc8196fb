//! The rules of the services, each a test named after it, over the wire and through the SDK.
//!
//! Every rule runs against the local server and, without sockets, in process. `moto` runs them against moto's server too, where
//! there is one, to show that they are not our own invention; it names those that moto lacks.

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
