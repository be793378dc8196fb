//! GetAccountsDetail and GetAccountsDetailAsync.

use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account::For;
use crate::credentials::check_api_key;
use crate::login::{Behaviour, Login};
use crate::response::{ApiError, Reply, Response, json as json_response, json_text};
use crate::session::{Session, Stage};
use crate::state::{Known, State};

/// The options that have an effect. `DaysOfTransactions` is only checked, and others are ignored.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Options {
    #[serde(default)]
    request_id: String,
    with_transactions: Option<bool>,
    accounts_filter: Option<Vec<String>>,
    #[serde(rename = "DaysOfTransactions")]
    _days: Option<Days>,
}

/// How far back the transactions go. The made-up ones do not depend on it.
#[derive(Deserialize)]
enum Days {
    Days90,
    Days365,
}

/// What happens next for a session and its login.
enum Next {
    Ready,
    Pending,
    Dispatched { held: Duration },
}

/// The synchronous call.
pub(crate) fn get(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Result<Reply, ApiError> {
    check_api_key(headers)?;
    let options: Options =
        serde_json::from_slice(body).map_err(|_| ApiError::invalid_request("The body is not a valid request."))?;
    if options.request_id.is_empty() {
        return Err(ApiError::invalid_request("There is no RequestId."));
    }
    respond(state, &options.request_id, &options, false)
}

/// The call that polls.
pub(crate) fn poll(state: &mut State, headers: &HeaderMap, request_id: &str) -> Result<Reply, ApiError> {
    check_api_key(headers)?;
    respond(state, request_id, &Options::default(), true)
}

fn respond(state: &mut State, request_id: &str, options: &Options, is_poll: bool) -> Result<Reply, ApiError> {
    let gone = || {
        let error = ApiError::new(StatusCode::BAD_REQUEST, "SESSION_NONEXISTENT", "There is no such session.");
        error.with_request_id(request_id)
    };
    let (login_id, tag) = {
        let session = state.session(request_id).ok_or_else(gone)?;
        check_stage(session, request_id, is_poll)?;
        (session.login.clone(), session.tag.clone())
    };
    let known = state.logins.get_mut(&login_id).ok_or_else(gone)?;
    let next = advance(known);
    let login = known.login.clone();
    let response = For { request_id, tag: tag.as_deref() };
    match next {
        Next::Ready => {
            // One page says that GetAccountsDetail ends the RequestId.
            state.end_session(request_id);
            Ok(Reply::at_once(json_text(StatusCode::OK, narrowed(login.body(&response), options))))
        }
        Next::Pending => {
            begin_processing(state, request_id);
            Ok(Reply::at_once(accepted("OPERATION_PENDING", request_id, None)))
        }
        Next::Dispatched { held } => {
            begin_processing(state, request_id);
            let part = part_of(&login, &response);
            Ok(Reply { after: held, response: accepted("OPERATION_DISPATCHED", request_id, part) })
        }
    }
}

fn check_stage(session: &Session, request_id: &str, is_poll: bool) -> Result<(), ApiError> {
    match session.stage {
        Stage::Challenged => {
            let error = ApiError::new(StatusCode::UNAUTHORIZED, "ACCESS_DENIED", "The user has not responded yet.");
            Err(error.with_request_id(request_id))
        }
        Stage::Authorized if is_poll => {
            let error = ApiError::invalid_request("Call GetAccountsDetail first.");
            Err(error.with_request_id(request_id))
        }
        Stage::Authorized | Stage::Processing(_) => Ok(()),
    }
}

/// Starts or continues the processing of a login's data. All sessions of a login share it.
fn advance(known: &mut Known) -> Next {
    let now = Instant::now();
    match (known.ready_at, known.login.behaviour()) {
        (Some(ready_at), _) if now >= ready_at => Next::Ready,
        (Some(_), _) => Next::Pending,
        (None, Behaviour::Pending(then)) => {
            known.ready_at = Some(later(now, then));
            Next::Pending
        }
        (None, Behaviour::Dispatched { held, then }) => {
            known.ready_at = Some(later(now, held.saturating_add(then)));
            Next::Dispatched { held }
        }
        (None, _) => Next::Ready,
    }
}

/// A moment that tokio's clock can hold: `Duration::MAX` means never.
fn later(now: Instant, then: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
    now + then.min(YEARS)
}

fn begin_processing(state: &mut State, request_id: &str) {
    if let Some(session) = state.session(request_id)
        && !matches!(session.stage, Stage::Processing(_))
    {
        session.stage = Stage::Processing(Instant::now());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Accepted<'a> {
    flinks_code: &'a str,
    links: Value,
    http_status_code: u16,
    message: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Value>,
}

fn accepted(code: &str, request_id: &str, accounts: Option<Value>) -> Response {
    let body = Accepted {
        flinks_code: code,
        links: json!([{ "rel": "GetAccountsDetailAsync", "href": "/GetAccountsDetailAsync", "example": null }]),
        http_status_code: 202,
        message: "Your operation is still processing",
        request_id,
        accounts,
    };
    json_response(StatusCode::ACCEPTED, &body)
}

/// The first account with its latest transaction.
fn part_of(login: &Login, response: &For<'_>) -> Option<Value> {
    let body: Value = serde_json::from_slice(&login.body(response)).ok()?;
    let mut account = body.get("Accounts")?.get(0)?.clone();
    account.get_mut("Transactions")?.as_array_mut()?.truncate(1);
    Some(json!([account]))
}

/// Leaves out what the options leave out. Without such options, the text of the body is unchanged.
fn narrowed(body: Bytes, options: &Options) -> Bytes {
    let filter = options.accounts_filter.as_ref().filter(|filter| !filter.is_empty());
    let without_transactions = options.with_transactions == Some(false);
    if filter.is_none() && !without_transactions {
        return body;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
    if let Some(accounts) = value.get_mut("Accounts").and_then(Value::as_array_mut) {
        let is_picked = |account: &Value| {
            let id = account.get("Id").and_then(Value::as_str).unwrap_or_default();
            filter.is_none_or(|filter| filter.iter().any(|picked| picked == id))
        };
        accounts.retain(is_picked);
        for account in accounts.iter_mut().filter_map(Value::as_object_mut).filter(|_| without_transactions) {
            account.remove("Transactions");
        }
    }
    serde_json::to_vec(&value).map_or(body, Bytes::from)
}
