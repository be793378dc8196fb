//! [`FinalResponse`]: the data of a login, as Flinks sent them.

use std::fmt;

use bytes::Bytes;

/// The body of a final 200 of GetAccountsDetail or GetAccountsDetailAsync: a JSON object, with the exact bytes.
///
/// Only [`FlinksApi`](crate::FlinksApi) makes one, from a response over TLS to a request with our credentials. (Over
/// loopback there is no TLS.) A 202 may have a part of the data and never becomes one.
pub struct FinalResponse {
    body: Bytes,
}

impl FinalResponse {
    pub(crate) fn new(body: Bytes) -> FinalResponse {
        FinalResponse { body }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    pub fn into_bytes(self) -> Bytes {
        self.body
    }
}

/// Prints only the length.
impl fmt::Debug for FinalResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalResponse").field("length", &self.body.len()).finish()
    }
}
