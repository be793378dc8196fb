//! What holds for every input, as plain functions: each takes any bytes and panics when an invariant is broken.
//!
//! The targets of `fuzz/` call them with what a fuzzer thinks up, the tests with what it found worth keeping
//! (`fuzz/corpus/`). What is right is said by the [`model`]s, which share nothing with the receiver: they are written
//! from the documentation, on other libraries, and for clarity where the receiver is written for speed.

#![expect(clippy::expect_used, clippy::panic, reason = "panicking is how an invariant says that it is broken")]

pub mod ascii_reading;
pub mod attributes;
pub mod event;
pub mod model;
mod proof;
pub mod routing;
pub mod signature_headers;
mod stored;
mod world;

/// Panics when an invariant does not hold for an input.
pub type Check = fn(&[u8]);

/// Each target's name and invariants.
pub const TARGETS: [(&str, Check); 5] = [
    ("event", event::check),
    ("routing", routing::check),
    ("signature_headers", signature_headers::check),
    ("ascii_reading", ascii_reading::check),
    ("attributes", attributes::check),
];
