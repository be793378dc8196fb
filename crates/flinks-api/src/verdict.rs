//! What a response means. Decisions follow the FlinksCode first and the status second.
//!
//! That order and these rules are inferred, and each is the safe choice:
//!
//! - A 200 with a FlinksCode is never final. An unknown code then stops.
//! - A 200 whose body has another `HttpStatusCode` counts as that status.
//! - A 202 without a code that is known means that the data are processed.
//! - A 203 is a question of the bank, with any code.
//! - Without a known code, 408, 429 and 5xx can be retried. Anything else stops: 401 and 403 may be our credentials.
//! - A 200 that is not a JSON object can be retried a few times: it is a page in place of the API, or it ended early.
//! - After a lost response, or none in time, begin again with a new Authorize. GetAccountsDetail may have ended the
//!   RequestId, and polling without a 202 is not documented.

use serde_json::value::RawValue;

use crate::codes::{self, Action, Row};
use crate::failure::{Cause, Failure, Pace};
use crate::flinks_code::FlinksCode;
use crate::response::{Envelope, Received};

/// What a response is.
pub(crate) enum Verdict<'a> {
    /// A 200, without a FlinksCode.
    Success(Envelope<'a>),
    /// Anything else, with the row of the table that decided, and with the RequestId if the response has one.
    Failed { failure: Failure, row: Option<Row>, request_id: Option<String> },
}

/// Decides what a response is.
pub(crate) fn verdict(received: &Received) -> Verdict<'_> {
    let Some(envelope) = received.envelope() else {
        let failure = match received.status {
            200 => Failure::RetryLater(Pace::FewTimes, Cause::NotJson),
            status => by_status(status, Cause::Status(status)),
        };
        return Verdict::Failed { failure, row: None, request_id: None };
    };
    let status = status(received.status, envelope.http_status_code);
    let request_id = envelope.request_id.and_then(text);
    let code = match envelope.flinks_code.map(text) {
        None => None,
        Some(Some(text)) if text.is_empty() => None,
        Some(code) => Some(code.as_deref().and_then(FlinksCode::read)),
    };
    if code.is_none() && status == Some(200) {
        return Verdict::Success(envelope);
    }
    let status = status.unwrap_or(received.status);
    let (failure, row) = match code {
        None => (by_status(status, Cause::Status(status)), None),
        Some(None) => (by_status(status, Cause::UnreadableCode), None),
        Some(Some(code)) => {
            let row = codes::find(code.as_str()).filter(|_| status != 203);
            let failure = match row {
                Some(row) => by_action(row.action, Cause::Code(code)),
                None => by_status(status, Cause::Code(code)),
            };
            (failure, row)
        }
    };
    Verdict::Failed { failure, row, request_id }
}

/// The status that counts. `None` if the body has one that is not a status.
fn status(http: u16, in_body: Option<&RawValue>) -> Option<u16> {
    match in_body {
        Some(value) if http == 200 => value.get().parse().ok(),
        _ => Some(http),
    }
}

/// What an action of the table means for the caller.
fn by_action(action: Action, cause: Cause) -> Failure {
    match action {
        Action::Poll => Failure::NotReady(cause),
        Action::NewSession => Failure::RetryLater(Pace::NewSession, cause),
        Action::RetrySoon => Failure::RetryLater(Pace::Soon, cause),
        Action::BackOff => Failure::RetryLater(Pace::BackOff, cause),
        Action::RetryFewTimes => Failure::RetryLater(Pace::FewTimes, cause),
        Action::RetryMuchLater => Failure::RetryLater(Pace::MuchLater, cause),
        Action::NeedsUser => Failure::NeedsUser(cause),
        Action::Gone => Failure::Gone(cause),
        Action::Stop => Failure::Stop(cause),
    }
}

/// What a status means without a known code.
fn by_status(status: u16, cause: Cause) -> Failure {
    match status {
        202 => Failure::NotReady(cause),
        203 => Failure::NeedsUser(cause),
        408 | 429 => Failure::RetryLater(Pace::BackOff, cause),
        500 => Failure::RetryLater(Pace::FewTimes, cause),
        501..=599 => Failure::RetryLater(Pace::BackOff, cause),
        _ => Failure::Stop(cause),
    }
}

/// What a call without a whole response means.
pub(crate) fn no_response(cause: Cause) -> Failure {
    match cause {
        Cause::TooLong => Failure::Stop(cause),
        cause => Failure::RetryLater(Pace::BackOff, cause),
    }
}

/// The text of a JSON string. `None` for anything else.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}
