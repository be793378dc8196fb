//! The time limits and the size limit. The caller keeps those of polling and of a session.

use std::time::Duration;

/// How long a connection may take. Inferred: nothing is published.
pub const CONNECT: Duration = Duration::from_secs(10);

/// How long one call may take, from connecting to the last byte of the body. Documented: Flinks responds to a
/// synchronous call within 210 seconds, with a 202 if the data are not there. The other 90 seconds are for connecting
/// and for the body: 64 MiB at 6 Mbit/s.
pub const CALL: Duration = Duration::from_secs(300);

/// The time between two polls. Documented.
pub const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How long to poll after the first 202. Documented.
pub const POLLING: Duration = Duration::from_secs(30 * 60);

/// How long a RequestId lives without a call. Flinks' pages say 8 minutes and 30 minutes. This is the shorter.
pub const SESSION_IDLE: Duration = Duration::from_secs(8 * 60);

/// How many bytes of a body are read. Inferred: Flinks publishes no limit. The longest payloads known have 5 to 6 MB,
/// and a recovery is for those that are too long for a callback. This is ten times as much, and a copy or two of it fit
/// into the memory of a function.
pub const BODY_BYTES: usize = 64 * 1024 * 1024;

/// How many bytes of a LoginId or RequestId are accepted. Inferred: all known ones are UUIDs, with 36.
pub const ID_BYTES: usize = 128;
