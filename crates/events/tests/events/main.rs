//! The package from outside: the samples, every field in every form, and the generated files.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod fields;
mod samples;
#[cfg(feature = "schemas")]
mod schemas;
mod support;
