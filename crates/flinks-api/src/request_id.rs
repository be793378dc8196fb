//! [`RequestId`]: the handle of a session.

use std::fmt;

use crate::limits::ID_BYTES;

/// The RequestId of a session. Each Authorize makes a new one. Do not keep it for longer than the session.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Reads a RequestId. It becomes a part of a path, so only ASCII letters, digits and `-` are accepted. `None` for
    /// anything else.
    pub fn read(text: &str) -> Option<RequestId> {
        let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (is_id && (1..=ID_BYTES).contains(&text.len())).then(|| RequestId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does not print the id: together with the API key it gives access to bank data.
impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestId(..)")
    }
}
