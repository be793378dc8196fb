//! Tokens and RequestIds, and how long they live.

use std::time::Duration;

use tokio::time::Instant;

/// How long an unused token lives. Flinks' pages say 30 minutes and 15 minutes. This is the shorter.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How long a RequestId lives after its last use. Flinks' pages say 8 minutes and 30 minutes. This is the shorter.
const IDLE_LIFETIME: Duration = Duration::from_secs(8 * 60);

/// How long a RequestId lives while its data are processed, from the first 202.
const PROCESSING_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A token, for one Authorize.
pub(crate) struct Token {
    pub(crate) made: Instant,
    /// The RequestId that it was used for.
    pub(crate) used_for: Option<String>,
}

/// What a RequestId stands for.
pub(crate) struct Session {
    pub(crate) login: String,
    pub(crate) tag: Option<String>,
    /// The last use.
    pub(crate) used: Instant,
    pub(crate) stage: Stage,
}

/// How far a session is.
pub(crate) enum Stage {
    /// The user must respond to security challenges.
    Challenged,
    Authorized,
    /// The data are processed since then. The first 202 told the client.
    Processing(Instant),
}

impl Session {
    pub(crate) fn is_alive(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Processing(since) => now - since < PROCESSING_LIFETIME,
            Stage::Challenged | Stage::Authorized => now - self.used < IDLE_LIFETIME,
        }
    }
}
