//! Invariants that hold for every input, as plain functions. Each takes any bytes and panics if an invariant is broken.
//!
//! The targets of `fuzz/` call them with a fuzzer's inputs. The tests call them with the inputs in `fuzz/corpus/` and
//! `fuzz/found/`. The [`model`]s say what is right. They share nothing with the receiver: they are written from the
//! documentation, with other libraries, and for clarity instead of speed.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken invariant panics")]

pub mod ascii_encoding;
pub mod attributes;
pub mod event;
pub mod model;
pub mod routing;
mod scenario;
mod signature_check;
pub mod signature_headers;
mod stored;

/// Panics if an invariant does not hold for an input.
pub type Check = fn(&[u8]);

/// The name and the invariants of each target.
pub const TARGETS: [(&str, Check); 5] = [
    ("event", event::check),
    ("routing", routing::check),
    ("signature_headers", signature_headers::check),
    ("ascii_encoding", ascii_encoding::check),
    ("attributes", attributes::check),
];
