//! `cargo dev send` as users run it, and the payloads that it makes.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod payloads;
mod process;
mod support;
