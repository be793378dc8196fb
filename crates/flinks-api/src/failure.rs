//! [`Failure`]: why there are no data, and what to do next.

use std::fmt;

use crate::flinks_code::FlinksCode;

/// Why a call gave no data or no session, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The data are processed. Call [`accounts_detail_async`](crate::FlinksApi::accounts_detail_async) with the same
    /// RequestId, every [`POLL_INTERVAL`](crate::limits::POLL_INTERVAL), for
    /// [`POLLING`](crate::limits::POLLING).
    NotReady(Cause),
    /// Begin again, with a new Authorize.
    RetryLater(Pace, Cause),
    /// Only the person can go on, in Flinks Connect: the bank asks a question, or the password is wrong.
    NeedsUser(Cause),
    /// There is no such login: it was deleted, or is one of another instance.
    Gone(Cause),
    /// An operator must look. A retry does not help.
    Stop(Cause),
}

/// When to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once: the session is gone, and the login is fine. If it happens again, wait.
    NewSession,
    /// Soon, for example in the interval of polling.
    Soon,
    /// After a time that doubles with each attempt.
    BackOff,
    /// As [`Pace::BackOff`], but only a few times.
    FewTimes,
    /// In hours.
    MuchLater,
}

/// What happened. It never has a part of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Code(FlinksCode),
    /// A response without a FlinksCode, by its HTTP status. If that is 200, by the body's `HttpStatusCode`.
    Status(u16),
    /// The place of the FlinksCode has something else.
    UnreadableCode,
    /// A 200 that is not a JSON object, for example a page of HTML, or one that ends early.
    NotJson,
    /// The body is longer than [`BODY_BYTES`](crate::limits::BODY_BYTES).
    TooLong,
    /// A 200 of GenerateAuthorizeToken or Authorize has no token or no RequestId.
    Incomplete,
    /// There was no connection. The text is the innermost error of the network or of TLS.
    NotConnected(String),
    /// The connection broke. Whether Flinks carried out the request is unknown.
    Broken,
    /// There was no whole response within [`CALL`](crate::limits::CALL).
    TimedOut,
    /// The LoginId is empty or too long, so there was no request.
    InvalidLoginId,
}

impl Failure {
    pub fn cause(&self) -> &Cause {
        match self {
            Self::NotReady(cause)
            | Self::RetryLater(_, cause)
            | Self::NeedsUser(cause)
            | Self::Gone(cause)
            | Self::Stop(cause) => cause,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => code.fmt(f),
            Self::Status(status) => write!(f, "status {status} without a FlinksCode"),
            Self::UnreadableCode => f.write_str("the FlinksCode is unreadable"),
            Self::NotJson => f.write_str("the response is not a JSON object"),
            Self::TooLong => f.write_str("the response is too long"),
            Self::Incomplete => f.write_str("the response has no token or no RequestId"),
            Self::NotConnected(error) => write!(f, "could not connect: {error}"),
            Self::Broken => f.write_str("the connection broke"),
            Self::TimedOut => f.write_str("no response in time"),
            Self::InvalidLoginId => f.write_str("the LoginId is empty or too long"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.cause();
        match self {
            Self::NotReady(_) => write!(f, "the data are not ready: {cause}"),
            Self::RetryLater(..) => write!(f, "retry later: {cause}"),
            Self::NeedsUser(_) => write!(f, "the user must reconnect: {cause}"),
            Self::Gone(_) => write!(f, "the login is gone: {cause}"),
            Self::Stop(_) => write!(f, "failed for good: {cause}"),
        }
    }
}

impl std::error::Error for Failure {}
