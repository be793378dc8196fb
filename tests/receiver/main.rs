//! Tests of the receiver from the outside.

// The SDK nests its futures more deeply than the compiler follows by default.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod bootstrap;
mod corpus;
mod crashes;
mod documents;
mod events;
mod fan_out;
mod faults;
mod keys;
mod operations;
mod pipeline;
mod properties;
mod recovery;
mod recovery_template;
mod redelivery;
mod signatures;
mod simulation;
mod sources;
mod start;
mod support;
mod template;
mod windows;
