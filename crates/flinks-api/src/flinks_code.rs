//! [`FlinksCode`]: the code of an error or a 202.

use std::fmt;

/// A FlinksCode that can be logged: only capital letters, digits and `_`, 64 at most. Anything else in its place could
/// be a part of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlinksCode(String);

impl FlinksCode {
    pub(crate) fn read(text: &str) -> Option<FlinksCode> {
        const MAX_BYTES: usize = 64;
        let is_code = text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        (is_code && (1..=MAX_BYTES).contains(&text.len())).then(|| FlinksCode(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlinksCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
