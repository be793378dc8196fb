//! What the sender is told: a status and one word, and nothing about what is behind them.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{callback::BadEvent, signature::Refusal};

/// Why a callback was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The event holds no callback.
    BadEvent(BadEvent),
    /// It came from an address that may not send.
    SourceNotAllowed,
    /// Nothing proves that it is authentic.
    Refused(Refusal),
    /// No key to check it with.
    NoKeys,
    /// Neither its queue nor the store took it in time.
    NotStored,
    /// A fault of this program, found and contained.
    Fault,
}

impl Rejection {
    /// The name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::BadEvent(BadEvent::NotHttp) => "not-http",
            Self::BadEvent(BadEvent::NotBase64) => "not-base64",
            Self::SourceNotAllowed => "source-not-allowed",
            Self::Refused(Refusal::Missing) => "signature-missing",
            Self::Refused(Refusal::Malformed) => "signature-malformed",
            Self::Refused(Refusal::Wrong) => "signature-wrong",
            Self::NoKeys => "no-keys",
            Self::NotStored => "not-stored",
            Self::Fault => "fault",
        }
    }
}

/// The answer to the sender, as API Gateway's payload format 2.0 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: SQS or S3 has the payload.
    Stored,
    /// 400: the event is no HTTP request, or its body is flagged base64 and is not.
    BadRequest,
    /// 401: signature missing, malformed or wrong.
    Unauthorized,
    /// 403: the sender's address may not send.
    Forbidden,
    /// 503: come again.
    Unavailable,
}

impl Answer {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Stored => 200,
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    /// The body, JSON.
    pub fn body(self) -> &'static str {
        match self {
            Self::Stored => r#"{"status":"stored"}"#,
            Self::BadRequest => r#"{"error":"bad request"}"#,
            Self::Unauthorized => r#"{"error":"unauthorized"}"#,
            Self::Forbidden => r#"{"error":"forbidden"}"#,
            Self::Unavailable => r#"{"error":"unavailable"}"#,
        }
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::BadEvent(_) => Self::BadRequest,
            Rejection::SourceNotAllowed => Self::Forbidden,
            Rejection::Refused(_) => Self::Unauthorized,
            Rejection::NoKeys | Rejection::NotStored | Rejection::Fault => Self::Unavailable,
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Headers {
            #[serde(rename = "content-type")]
            content_type: &'static str,
        }

        let mut response = serializer.serialize_struct("Response", 4)?;
        response.serialize_field("statusCode", &self.status())?;
        response.serialize_field("headers", &Headers { content_type: "application/json" })?;
        response.serialize_field("body", self.body())?;
        response.serialize_field("isBase64Encoded", &false)?;
        response.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_say_what_is_wrong_with_the_signature() {
        for refusal in [Refusal::Missing, Refusal::Malformed, Refusal::Wrong] {
            assert_eq!(Answer::from(Rejection::Refused(refusal)), Answer::Unauthorized);
        }
    }
}
