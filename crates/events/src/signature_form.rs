//! The values of the message attribute `SignatureForm`: what verified the payload.
//!
//! The list may grow, so treat the attribute as an open string.

/// Aggregation scheme, over the raw bytes.
pub const RAW: &str = "raw";
/// Aggregation scheme, over the ASCII encoding of the body.
pub const ASCII: &str = "ascii";
/// Flinks Pay scheme, over the raw bytes.
pub const PAY: &str = "pay";
/// No signature: the payload was fetched from Flinks' API, over TLS, to recover a lost callback.
pub const API: &str = "api";
