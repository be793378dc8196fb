//! The receiver from outside.

// The SDK nests its futures more deeply than the compiler follows by default.
#![recursion_limit = "256"]

mod bootstrap;
mod events;
mod faults;
mod keys;
mod pipeline;
mod properties;
mod signatures;
mod support;
mod template;
