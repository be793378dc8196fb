//! GenerateAuthorizeToken and Authorize.

use hyper::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;

use crate::account::LoginSummary;
use crate::credentials::{auth_key, check_secret_key, unauthorized};
use crate::login::{Behaviour, Login};
use crate::response::{ApiError, Reply, Response, json};
use crate::session::{Stage, TOKEN_LIFETIME, Token};
use crate::state::State;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TokenBody<'a> {
    http_status_code: u16,
    token: &'a str,
}

/// Makes a token.
pub(crate) fn generate_token(state: &mut State, headers: &HeaderMap) -> Result<Reply, ApiError> {
    check_secret_key(headers)?;
    let token = Uuid::new_v4().to_string();
    let response = json(StatusCode::OK, &TokenBody { http_status_code: 200, token: &token });
    state.tokens.insert(token, Token { made: Instant::now(), used_for: None });
    Ok(Reply::at_once(response))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    login_id: Option<String>,
    #[serde(default)]
    most_recent_cached: bool,
    tag: Option<String>,
    username: Option<String>,
    password: Option<String>,
    request_id: Option<String>,
    security_responses: Option<Map<String, Value>>,
}

/// Opens a session, or takes the responses to the challenges of one.
pub(crate) fn authorize(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Result<Reply, ApiError> {
    let request = serde_json::from_slice::<Request>(body);
    let dialogue = request.as_ref().ok().and_then(|request| request.request_id.as_deref());
    let token = check_token(state, headers, dialogue)?;
    let request = request.map_err(|_| ApiError::invalid_request("The body is not a valid request."))?;
    let (request_id, result) = match (&request.request_id, &request.login_id, &request.username) {
        (Some(request_id), _, _) => (Some(request_id.clone()), respond_to_challenges(state, request_id, &request)),
        (_, Some(login_id), _) => {
            let known = state.logins.get(login_id).map(|known| known.login.clone());
            let unknown = || ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_LOGIN", "There is no such login.");
            open(state, &known.ok_or_else(unknown)?, !request.most_recent_cached, &request)
        }
        (_, _, Some(username)) => {
            let found = state.logins.values().find(|known| known.login.username().eq_ignore_ascii_case(username));
            let found = found.map(|known| known.login.clone());
            let unknown = || ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_USERNAME", "There is no such user.");
            if request.password.as_deref().unwrap_or_default().is_empty() {
                return Err(ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_PASSWORD", "There is no password."));
            }
            open(state, &found.ok_or_else(unknown)?, true, &request)
        }
        _ => return Err(ApiError::invalid_request("There is no LoginId, no Username and no RequestId.")),
    };
    if let (Some(used), Some(request_id)) = (state.tokens.get_mut(&token), request_id) {
        used.used_for = Some(request_id);
    }
    result.map(Reply::at_once)
}

/// Uses up the token of a request. The steps of one MFA dialogue share a token.
fn check_token(state: &mut State, headers: &HeaderMap, dialogue: Option<&str>) -> Result<String, ApiError> {
    let invalid = || unauthorized("Please provide a valid authorize token.");
    let name = auth_key(headers).ok_or_else(invalid)?;
    let token = state.tokens.get_mut(name).ok_or_else(invalid)?;
    let is_valid = match &token.used_for {
        None => token.made.elapsed() < TOKEN_LIFETIME,
        Some(request_id) => dialogue == Some(request_id.as_str()),
    };
    if !is_valid {
        return Err(invalid());
    }
    // Used up, even if the request turns out to be invalid. No RequestId is empty.
    token.used_for.get_or_insert_default();
    Ok(name.to_owned())
}

/// The RequestId, if there is one, and the response.
fn open(
    state: &mut State,
    login: &Login,
    is_live: bool,
    request: &Request,
) -> (Option<String>, Result<Response, ApiError>) {
    let mut session = |stage| state.open(login.id(), request.tag.clone(), stage);
    match login.behaviour() {
        Behaviour::Refused(status, code) => (None, Err(ApiError::chosen(status, code))),
        Behaviour::Replayed(status, code) if is_live => (None, Err(ApiError::chosen(status, code))),
        Behaviour::Replayed(status, code) => {
            let request_id = session(Stage::Authorized);
            let error = ApiError::chosen(status, code).with_request_id(&request_id);
            (Some(request_id), Err(error))
        }
        Behaviour::Challenged => challenged(session(Stage::Challenged)),
        _ if is_live && login.asks_questions() => challenged(session(Stage::Challenged)),
        _ => {
            let request_id = session(Stage::Authorized);
            let response = authorized(login, &request_id);
            (Some(request_id), Ok(response))
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Authorized<'a> {
    http_status_code: u16,
    links: Vec<Link>,
    login: LoginSummary<'a>,
    institution: &'a str,
    institution_name: &'a str,
    institution_id: u32,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Link {
    rel: &'static str,
    href: &'static str,
    example: Option<&'static str>,
}

fn authorized(login: &Login, request_id: &str) -> Response {
    let body = Authorized {
        http_status_code: 200,
        links: vec![Link { rel: "AccountsDetail", href: "/GetAccountsDetail", example: None }],
        login: login.summary(),
        institution: "FlinksCapital",
        institution_name: "FlinksCapital",
        institution_id: 14,
        request_id,
    };
    json(StatusCode::OK, &body)
}

/// The made-up security questions. The answer to each is in its text.
const QUESTIONS: [(&str, &str); 3] = [
    ("What is the colour of the sky? (blue)", "blue"),
    ("What is the city of the example? (Montréal)", "Montréal"),
    ("Qui est l'exemple ? (Zoé)", "Zoé"),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Challenged<'a> {
    http_status_code: u16,
    links: Vec<Link>,
    security_challenges: Vec<Challenge>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Challenge {
    #[serde(rename = "Type")]
    challenge_type: &'static str,
    prompt: &'static str,
}

fn challenged(request_id: String) -> (Option<String>, Result<Response, ApiError>) {
    let challenge = |(prompt, _)| Challenge { challenge_type: "QuestionAndAnswer", prompt };
    let body = Challenged {
        http_status_code: 203,
        links: vec![Link { rel: "Authorize", href: "/Authorize", example: None }],
        security_challenges: QUESTIONS.into_iter().map(challenge).collect(),
        request_id: &request_id,
    };
    let response = json(StatusCode::NON_AUTHORITATIVE_INFORMATION, &body);
    (Some(request_id), Ok(response))
}

fn respond_to_challenges(state: &mut State, request_id: &str, request: &Request) -> Result<Response, ApiError> {
    let gone = || ApiError::new(StatusCode::BAD_REQUEST, "SESSION_NONEXISTENT", "There is no such session.");
    let error =
        |code| ApiError::new(StatusCode::UNAUTHORIZED, code, "A response is wrong.").with_request_id(request_id);
    let session = state.session(request_id).ok_or_else(gone)?;
    let login_id = session.login.clone();
    if !matches!(session.stage, Stage::Challenged) {
        return Err(error("ALREADY_AUTHORIZED"));
    }
    let responses = request.security_responses.as_ref();
    let given = responses.ok_or_else(|| error("SECURITYRESPONSES_INCOMPLETE"))?;
    // Prompts are data: a client that changes the case of a key gets this error.
    if given.keys().any(|prompt| QUESTIONS.iter().all(|(question, _)| question != prompt)) {
        return Err(error("UNKNOWN_CHALLENGE_KEY"));
    }
    for (prompt, answer) in QUESTIONS {
        let given = given.get(prompt).ok_or_else(|| error("SECURITYRESPONSES_INCOMPLETE"))?;
        if given.get(0).and_then(Value::as_str) != Some(answer) {
            return Err(error("INVALID_SECURITY_RESPONSE"));
        }
    }
    session.stage = Stage::Authorized;
    let login = state.logins.get(&login_id).map(|known| &known.login).ok_or_else(gone)?;
    Ok(authorized(login, request_id))
}
