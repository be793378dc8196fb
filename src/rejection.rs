//! Why a callback is not stored: one enum for the log, the metrics and the response.

use strum::VariantArray;

/// Why a callback is not stored. The sender sees only the response's status; the log has the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Rejection {
    /// The event is not an HTTP request: another service's event, or not JSON.
    NotHttp,
    /// `isBase64Encoded` is true and the body is not base64 (RFC 4648, section 4, padded).
    NotBase64,
    /// The sender's IP address is not on the allow-list.
    SourceNotAllowed,
    /// No header carries a signature.
    SignatureMissing,
    /// Several different signatures, or a value that is not an HMAC-SHA256 in its encoding.
    SignatureMalformed,
    /// A well-formed signature that none of the accepted keys verifies.
    SignatureWrong,
    /// There is no key, or a key that may verify the signature could not be read.
    NoKeys,
    /// Neither the queue nor the bucket confirmed in time that it has the payload.
    NotStored,
    /// The program panicked.
    Fault,
}

impl Rejection {
    /// The name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotHttp => "not-http",
            Self::NotBase64 => "not-base64",
            Self::SourceNotAllowed => "source-not-allowed",
            Self::SignatureMissing => "signature-missing",
            Self::SignatureMalformed => "signature-malformed",
            Self::SignatureWrong => "signature-wrong",
            Self::NoKeys => "no-keys",
            Self::NotStored => "not-stored",
            Self::Fault => "fault",
        }
    }

    /// The receiver, or AWS behind it, failed: the sender did nothing wrong.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::NoKeys | Self::NotStored | Self::Fault)
    }
}
