//! The client against the local Flinks: every state, code and fault of the API.

#![cfg(test)]

use std::time::Duration;

use bytes::Bytes;
use flinks_api::codes::{self, Action};
use flinks_api::{
    Cause, Credentials, Days, Failure, FinalResponse, FlinksApi, Header, Pace, RequestId, Session, Settings,
    SettingsError, limits,
};
use local_flinks::{
    API_KEY, Behaviour, CUSTOMER_ID, Calls, Fault, LocalFlinks, Login, Operation, SECRET_KEY, SYNCHRONOUS_LIMIT,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, advance, sleep};

const LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";

const JSON: &str = "application/json; charset=utf-8";

fn settings(endpoint: &str) -> Settings {
    Settings::new(endpoint, CUSTOMER_ID, Credentials::new(SECRET_KEY, API_KEY).unwrap()).unwrap()
}

/// A client of a local Flinks without a socket, so that time can be paused.
fn detached(behaviour: Behaviour) -> (LocalFlinks, FlinksApi) {
    let flinks = LocalFlinks::detached();
    flinks.add_login(Login::new(LOGIN).behaves(behaviour));
    let api = FlinksApi::over(settings("https://example-api.private.fin.ag"), flinks.connector());
    (flinks, api)
}

async fn detail(api: &FlinksApi) -> Result<FinalResponse, Failure> {
    let session = api.authorize_cached(LOGIN).await.unwrap();
    api.accounts_detail(&session.request_id).await
}

/// Recovers as a caller would, until there is a final response or another failure than `NotReady`.
async fn recover(api: &FlinksApi) -> Result<FinalResponse, Failure> {
    let session = api.authorize_cached(LOGIN).await?;
    let mut result = api.accounts_detail(&session.request_id).await;
    while let Err(Failure::NotReady(_)) = result {
        sleep(limits::POLL_INTERVAL).await;
        result = api.accounts_detail_async(&session.request_id).await;
    }
    result
}

/// What a failure tells the caller to do, with the text of its cause.
fn told(failure: Failure) -> (&'static str, String) {
    let what = match failure {
        Failure::NotReady(_) => "poll",
        Failure::RetryLater(Pace::NewSession, _) => "new session",
        Failure::RetryLater(Pace::Soon, _) => "soon",
        Failure::RetryLater(Pace::BackOff, _) => "back off",
        Failure::RetryLater(Pace::FewTimes, _) => "few times",
        Failure::RetryLater(Pace::MuchLater, _) => "much later",
        Failure::NeedsUser(_) => "user",
        Failure::Gone(_) => "gone",
        Failure::Stop(_) => "stop",
    };
    (what, failure.cause().to_string())
}

/// Every FlinksCode of the documentation, with its status where that is documented, what the data endpoints tell the
/// caller to do, and whether a cached Authorize goes on with the RequestId of such an error.
const CODES: [(u16, &str, &str, bool); 32] = [
    (202, "OPERATION_PENDING", "poll", false),
    (202, "OPERATION_DISPATCHED", "poll", false),
    (400, "SESSION_NONEXISTENT", "new session", false),
    (400, "SESSION_EXPIRED", "new session", false),
    (400, "CARD_IN_USE", "soon", false),
    (400, "INVALID_LOGIN", "gone", false),
    (401, "INVALID_LOGIN", "gone", false),
    (400, "INVALID_REQUEST", "stop", false),
    (401, "INVALID_REQUEST", "stop", false),
    (401, "ACCESS_DENIED", "stop", false),
    (401, "UNAUTHORIZED", "stop", false),
    (401, "TOO_MANY_REQUESTS", "back off", false),
    (429, "TOO_MANY_REQUESTS", "back off", false),
    (401, "RETRY_LATER", "back off", true),
    (400, "RETRY_LATER", "back off", true),
    (401, "QUESTION_NOT_FOUND", "user", true),
    (401, "INVALID_USERNAME", "user", true),
    (401, "INVALID_PASSWORD", "user", true),
    (401, "INVALID_SECURITY_RESPONSE", "user", true),
    (401, "INVALID_SECURITY_RESPONSE_NO_RETRY", "user", true),
    (401, "INVALID_USERNAME_NO_RETRY", "user", true),
    (401, "INVALID_PASSWORD_NO_RETRY", "user", true),
    (401, "UNKNOWN_CHALLENGE_KEY", "user", true),
    (401, "NEW_ACCOUNT", "user", true),
    (401, "DISABLED_LOGIN", "user", true),
    (405, "DISABLED_INSTITUTION", "much later", true),
    (500, "AGGREGATION_ERROR", "few times", true),
    (400, "CONCURRENT_SESSION", "soon", false),
    (400, "ALREADY_AUTHORIZED", "new session", false),
    (400, "SECURITYRESPONSES_INCOMPLETE", "user", true),
    (400, "NO_TRANSACTION", "stop", false),
    (400, "METHOD_NOT_AVAILABLE", "stop", false),
];

#[tokio::test(start_paused = true)]
async fn every_code_says_what_to_do() {
    for (status, code, expected, _) in CODES {
        let (flinks, api) = detached(Behaviour::Ready);
        flinks.fault(Operation::GetAccountsDetail, Calls::All, Fault::Code(status, code));
        assert_eq!(told(detail(&api).await.unwrap_err()), (expected, code.to_owned()), "{status} {code}");
        flinks.fault(Operation::GetAccountsDetailAsync, Calls::All, Fault::Code(status, code));
        let polled = api.accounts_detail_async(&RequestId::read("x").unwrap()).await;
        assert_eq!(told(polled.unwrap_err()).0, expected, "{status} {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_code_says_what_to_do_before_there_is_a_session() {
    for (status, code, expected, _) in CODES {
        // There is nothing to poll yet.
        let expected = if expected == "poll" { "soon" } else { expected };
        for operation in [Operation::GenerateAuthorizeToken, Operation::Authorize] {
            let (flinks, api) = detached(Behaviour::Ready);
            flinks.fault(operation, Calls::All, Fault::Code(status, code));
            let failure = api.authorize_cached(LOGIN).await.unwrap_err();
            assert_eq!(told(failure), (expected, code.to_owned()), "{status} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_authorize_goes_on_after_a_replayed_error() {
    for (status, code, _, is_replayed) in CODES {
        let (_flinks, api) = detached(Behaviour::Replayed(status, code));
        let authorized = api.authorize_cached(LOGIN).await;
        assert_eq!(authorized.is_ok(), is_replayed, "{status} {code}");
        if let Ok(Session { request_id, replayed }) = authorized {
            assert_eq!(replayed.unwrap().as_str(), code);
            assert!(api.accounts_detail(&request_id).await.is_ok(), "{status} {code}");
        }
    }
}

#[test]
fn every_code_of_the_table_is_tested_and_stands_there_once() {
    for row in codes::TABLE {
        assert!(CODES.iter().any(|(_, code, ..)| *code == row.code), "{}", row.code);
        assert_eq!(codes::TABLE.iter().filter(|other| other.code == row.code).count(), 1, "{}", row.code);
    }
    assert!(CODES.iter().all(|(_, code, ..)| codes::find(code).is_some()));
    assert_eq!(codes::find("OPERATION_PENDING").unwrap().action, Action::Poll);
    assert_eq!(codes::find("SOMETHING_NEW"), None);
}

#[tokio::test(start_paused = true)]
async fn without_a_known_code_the_status_decides() {
    for (status, expected) in [
        (201, "stop"),
        (202, "poll"),
        (203, "user"),
        (204, "stop"),
        (302, "stop"),
        (400, "stop"),
        (401, "stop"),
        (403, "stop"),
        (404, "stop"),
        (405, "stop"),
        (408, "back off"),
        (429, "back off"),
        (500, "few times"),
        (502, "back off"),
        (503, "back off"),
        (504, "back off"),
    ] {
        let (flinks, api) = detached(Behaviour::Ready);
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(status, JSON, "{}".into()));
        let failure = detail(&api).await.unwrap_err();
        assert_eq!(failure.cause(), &Cause::Status(status));
        assert_eq!(told(failure).0, expected, "{status}");
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Code(status, "SOMETHING_NEW"));
        if status != 204 {
            assert_eq!(told(detail(&api).await.unwrap_err()), (expected, "SOMETHING_NEW".into()), "{status}");
        }
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(status, "text/html", "<html>".into()));
        assert_eq!(told(detail(&api).await.unwrap_err()).0, expected, "{status} with a page");
    }
}

#[tokio::test(start_paused = true)]
async fn the_final_body_is_byte_for_byte_what_flinks_sent() {
    let (flinks, api) = detached(Behaviour::Ready);
    let body = detail(&api).await.unwrap().into_bytes();
    assert_eq!(body, flinks.last(Operation::GetAccountsDetail).unwrap().response);
    let deep = format!(r#"{{"Accounts":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    for odd in [
        "{}",
        "\u{FEFF} {}",
        " \r\n\t{\"HttpStatusCode\":200}\n",
        r#"{"FlinksCode":null,"HttpStatusCode":null,"Accounts":[1e400,19.10]}"#,
        r#"{"FlinksCode":"","HttpStatusCode":200}"#,
        r#"{"Tag":"\ud83d","\udc00":null,"Accounts":[]}"#,
        r#"{"Tag":1,"Tag":2,"HttpStatusCode":200,"HttpStatusCode":200}"#,
        &deep,
    ] {
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(200, JSON, odd.to_owned().into()));
        assert_eq!(detail(&api).await.unwrap().bytes(), odd, "{odd:.80}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_200_that_is_not_a_json_object_is_never_final() {
    let (flinks, api) = detached(Behaviour::Ready);
    let page =
        |content_type, body: &'static str| Fault::Respond(200, content_type, Bytes::from_static(body.as_bytes()));
    for fault in [
        Fault::HTML,
        Fault::BARE_STRING,
        Fault::HalfBody,
        page("text/html", "{}"),
        page("text/plain", "{}"),
        page(JSON, ""),
        page(JSON, "null"),
        page(JSON, "[{}]"),
        page(JSON, "{"),
        page(JSON, "{}{}"),
        page(JSON, "{} x"),
        page(JSON, "\u{FEFF}\u{FEFF}{}"),
        page(JSON, r#"{"Accounts":[}"#),
        page(JSON, "<!DOCTYPE html>"),
    ] {
        flinks.fault(Operation::GetAccountsDetail, 1, fault.clone());
        let failure = detail(&api).await.unwrap_err();
        assert_eq!(failure, Failure::RetryLater(Pace::FewTimes, Cause::NotJson), "{fault:?}");
        for operation in [Operation::GenerateAuthorizeToken, Operation::Authorize] {
            flinks.fault(operation, 1, fault.clone());
            let failure = api.authorize_cached(LOGIN).await.unwrap_err();
            assert_eq!(failure, Failure::RetryLater(Pace::FewTimes, Cause::NotJson), "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_json_content_type_is_json() {
    let (flinks, api) = detached(Behaviour::Ready);
    for content_type in ["application/json", "Application/JSON;charset=UTF-8", "text/json", "application/problem+json"]
    {
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(200, content_type, "{}".into()));
        assert!(detail(&api).await.is_ok(), "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_200_with_a_code_or_another_status_in_its_body_is_never_final() {
    let (flinks, api) = detached(Behaviour::Ready);
    for (body, expected) in [
        (r#"{"FlinksCode":"OPERATION_PENDING","Accounts":[]}"#, ("poll", "OPERATION_PENDING")),
        (r#"{"FlinksCode":"OPERATION_PENDING","FlinksCode":null}"#, ("poll", "OPERATION_PENDING")),
        (r#"{"HttpStatusCode":200,"FlinksCode":"SOMETHING_NEW"}"#, ("stop", "SOMETHING_NEW")),
        (r#"{"HttpStatusCode":202}"#, ("poll", "status 202 without a FlinksCode")),
        (r#"{"HttpStatusCode":503}"#, ("back off", "status 503 without a FlinksCode")),
        (r#"{"HttpStatusCode":"?"}"#, ("stop", "status 200 without a FlinksCode")),
        (r#"{"FlinksCode":7}"#, ("stop", "the FlinksCode is unreadable")),
        (r#"{"FlinksCode":{"a":1}}"#, ("stop", "the FlinksCode is unreadable")),
        (r#"{"FlinksCode":"Zoé Lefrançois"}"#, ("stop", "the FlinksCode is unreadable")),
        (r#"{"FlinksCode":"\ud83d"}"#, ("stop", "the FlinksCode is unreadable")),
    ] {
        flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(200, JSON, body.into()));
        let (what, cause) = told(detail(&api).await.unwrap_err());
        assert_eq!((what, cause.as_str()), expected, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_202_with_a_part_of_the_data_is_polled_until_the_data_are_whole() {
    let (flinks, api) = detached(Behaviour::SLOW);
    let started = Instant::now();
    let body = recover(&api).await.unwrap().into_bytes();
    assert!(started.elapsed() >= SYNCHRONOUS_LIMIT + Duration::from_secs(60));
    assert_eq!(flinks.calls(Operation::Authorize), 1);
    let first: Value = serde_json::from_slice(&flinks.last(Operation::GetAccountsDetail).unwrap().response).unwrap();
    assert_eq!(first["FlinksCode"], "OPERATION_DISPATCHED");
    assert!(first["Accounts"].is_array());
    let last = flinks.last(Operation::GetAccountsDetailAsync).unwrap();
    assert_eq!((last.status, &last.response), (200, &body));
    let request_id = serde_json::from_slice::<Value>(&body).unwrap()["RequestId"].clone();
    assert_eq!(request_id, first["RequestId"]);
}

#[tokio::test(start_paused = true)]
async fn a_pending_login_is_polled_with_the_same_request_id() {
    let (flinks, api) = detached(Behaviour::Pending(Duration::from_secs(25)));
    assert!(recover(&api).await.is_ok());
    assert_eq!(flinks.calls(Operation::GetAccountsDetail), 1);
    assert_eq!(flinks.calls(Operation::GetAccountsDetailAsync), 3);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_never_gets_ready_ends_with_its_session() {
    let (_flinks, api) = detached(Behaviour::Pending(Duration::MAX));
    let started = Instant::now();
    let failure = recover(&api).await.unwrap_err();
    assert_eq!(told(failure), ("new session", "SESSION_NONEXISTENT".into()));
    assert_eq!(started.elapsed().as_secs() / 60, limits::POLLING.as_secs() / 60);
}

#[tokio::test(start_paused = true)]
async fn each_authorize_has_a_token_and_a_request_id_of_its_own() {
    let (flinks, api) = detached(Behaviour::Ready);
    let first = api.authorize_cached(LOGIN).await.unwrap();
    let second = api.authorize_cached(LOGIN).await.unwrap();
    assert_ne!(first.request_id, second.request_id);
    assert_eq!(flinks.calls(Operation::GenerateAuthorizeToken), 2);
    let request: Value = serde_json::from_slice(&flinks.last(Operation::Authorize).unwrap().request).unwrap();
    assert_eq!(request, json!({ "LoginId": LOGIN, "MostRecentCached": true }));
}

#[tokio::test(start_paused = true)]
async fn an_expired_request_id_wants_a_new_session() {
    let (_flinks, api) = detached(Behaviour::Ready);
    let session = api.authorize_cached(LOGIN).await.unwrap();
    advance(limits::SESSION_IDLE).await;
    let failure = api.accounts_detail(&session.request_id).await.unwrap_err();
    assert_eq!(told(failure), ("new session", "SESSION_NONEXISTENT".into()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_login_is_gone_and_a_challenge_needs_the_user() {
    let (flinks, api) = detached(Behaviour::Challenged);
    let failure = api.authorize_cached(LOGIN).await.unwrap_err();
    assert_eq!(failure, Failure::NeedsUser(Cause::Status(203)));
    // With a code, too: a session that waits for responses has no data.
    flinks.add_login(Login::new(LOGIN).behaves(Behaviour::Replayed(203, "QUESTION_NOT_FOUND")));
    assert_eq!(told(api.authorize_cached(LOGIN).await.unwrap_err()), ("user", "QUESTION_NOT_FOUND".into()));
    flinks.delete_login(LOGIN);
    assert_eq!(told(api.authorize_cached(LOGIN).await.unwrap_err()), ("gone", "INVALID_LOGIN".into()));
}

#[tokio::test(start_paused = true)]
async fn flinks_test_users_give_data_or_a_reason() {
    let (flinks, api) = detached(Behaviour::Ready);
    for (username, expected) in [
        ("greatday", "data"),
        ("greatday_nomfa", "data"),
        ("test_disabled_account", "user"),
        ("test_service_unavailable", "back off"),
        ("test_dispatched", "poll"),
        ("example_pending", "poll"),
        ("example_question", "data"),
        ("example_new_password", "user"),
        ("example_challenged", "user"),
        ("example_oversized", "data"),
    ] {
        let login = flinks.logins().into_iter().find(|login| login.username() == username).unwrap();
        let result = match api.authorize_cached(login.id()).await {
            Ok(session) => api.accounts_detail(&session.request_id).await,
            Err(failure) => Err(failure),
        };
        let got = result.map_or_else(|failure| told(failure).0, |_| "data");
        assert_eq!(got, expected, "{username}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_response_within_210_seconds_counts_and_a_hang_ends() {
    let (flinks, api) = detached(Behaviour::Ready);
    flinks.fault(Operation::GetAccountsDetail, 1, Fault::Delay(SYNCHRONOUS_LIMIT));
    assert!(detail(&api).await.is_ok());
    for operation in [Operation::GenerateAuthorizeToken, Operation::Authorize, Operation::GetAccountsDetail] {
        flinks.fault(operation, 1, Fault::Hang);
        let started = Instant::now();
        let failure = recover(&api).await.unwrap_err();
        assert_eq!(failure, Failure::RetryLater(Pace::BackOff, Cause::TimedOut));
        assert_eq!(started.elapsed().as_secs(), limits::CALL.as_secs());
    }
    assert!(recover(&api).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_connection_a_new_session_gives_the_data() {
    let (flinks, api) = detached(Behaviour::Ready);
    for operation in [Operation::GenerateAuthorizeToken, Operation::Authorize, Operation::GetAccountsDetail] {
        for fault in [Fault::Reset, Fault::ResetAfter, Fault::CutBody] {
            flinks.fault(operation, 1, fault.clone());
            let failure = recover(&api).await.unwrap_err();
            assert_eq!(failure, Failure::RetryLater(Pace::BackOff, Cause::Broken), "{operation:?} {fault:?}");
            assert!(recover(&api).await.is_ok(), "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_longer_than_a_callback_arrive_and_endless_ones_do_not() {
    let (flinks, api) = detached(Behaviour::Ready);
    flinks.add_login(Login::new(LOGIN).with_bytes(8_000_000));
    assert!(detail(&api).await.unwrap().bytes().len() > 8_000_000);
    let mut longest = vec![b' '; limits::BODY_BYTES];
    longest[..2].copy_from_slice(b"{}");
    flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(200, JSON, longest.clone().into()));
    assert_eq!(detail(&api).await.unwrap().bytes().len(), limits::BODY_BYTES);
    longest.push(b' ');
    flinks.fault(Operation::GetAccountsDetail, 1, Fault::Respond(200, JSON, longest.into()));
    assert_eq!(detail(&api).await.unwrap_err(), Failure::Stop(Cause::TooLong));
}

#[tokio::test]
async fn an_endless_body_of_unknown_length_is_not_read_to_its_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{").await;
        while stream.write_all(&[b' '; 1 << 20]).await.is_ok() {}
    });
    let api = FlinksApi::new(settings(&endpoint)).unwrap();
    let failure = api.accounts_detail(&RequestId::read("x").unwrap()).await.unwrap_err();
    assert_eq!(failure, Failure::Stop(Cause::TooLong));
}

#[tokio::test(start_paused = true)]
async fn a_success_without_a_token_or_a_request_id_is_incomplete() {
    let (flinks, api) = detached(Behaviour::Ready);
    for (operation, body) in [
        (Operation::GenerateAuthorizeToken, r#"{"HttpStatusCode":200}"#),
        (Operation::GenerateAuthorizeToken, r#"{"Token":7}"#),
        (Operation::GenerateAuthorizeToken, r#"{"Token":"a\r\nb"}"#),
        (Operation::Authorize, r#"{"HttpStatusCode":200}"#),
        (Operation::Authorize, r#"{"RequestId":"../x"}"#),
        (Operation::Authorize, r#"{"RequestId":""}"#),
    ] {
        flinks.fault(operation, 1, Fault::Respond(200, JSON, body.into()));
        let failure = api.authorize_cached(LOGIN).await.unwrap_err();
        assert_eq!(failure, Failure::RetryLater(Pace::FewTimes, Cause::Incomplete), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_asks_for_everything_and_options_for_less() {
    let flinks = LocalFlinks::detached();
    flinks.add_login(Login::new(LOGIN));
    let mut settings = settings("https://example-api.private.fin.ag");
    let sent = async |settings: &Settings| {
        let api = FlinksApi::over(settings.clone(), flinks.connector());
        let mut body: Value = serde_json::from_slice(detail(&api).await.unwrap().bytes()).unwrap();
        let mut request: Value =
            serde_json::from_slice(&flinks.last(Operation::GetAccountsDetail).unwrap().request).unwrap();
        assert!(request.as_object_mut().unwrap().remove("RequestId").is_some());
        (request, body["Accounts"][0]["Transactions"].take())
    };
    let (request, transactions) = sent(&settings).await;
    let everything = json!({
        "WithAccountIdentity": true, "WithKYC": true, "WithTransactions": true, "DaysOfTransactions": "Days365",
    });
    assert_eq!(request, everything);
    assert!(transactions.is_array());
    settings.options.with_transactions = false;
    settings.options.days_of_transactions = Days::Days90;
    let (request, transactions) = sent(&settings).await;
    assert_eq!((&request["WithTransactions"], &request["DaysOfTransactions"]), (&json!(false), &json!("Days90")));
    assert!(transactions.is_null());
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_stop_at_their_endpoint() {
    let flinks = LocalFlinks::detached();
    flinks.add_login(Login::new(LOGIN));
    let api = |secret_key, api_key| {
        let credentials = Credentials::new(secret_key, api_key).unwrap();
        let settings = Settings::new("https://example-api.private.fin.ag", CUSTOMER_ID, credentials).unwrap();
        FlinksApi::over(settings, flinks.connector())
    };
    let failure = api("wrong", API_KEY).authorize_cached(LOGIN).await.unwrap_err();
    assert_eq!(told(failure), ("stop", "UNAUTHORIZED".into()));
    assert_eq!(flinks.calls(Operation::Authorize), 0);
    let failure = detail(&api(SECRET_KEY, "wrong")).await.unwrap_err();
    assert_eq!(told(failure), ("stop", "UNAUTHORIZED".into()));
}

/// Reads one request, responds with these bytes, and returns the request's head and the client's failure.
async fn exchange(settings: impl FnOnce(&str) -> Settings, response: &'static [u8]) -> (String, Failure) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(&format!("http://{}", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(response).await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let failure = FlinksApi::new(settings).unwrap().authorize_cached(LOGIN).await.unwrap_err();
    (server.await.unwrap().to_ascii_lowercase(), failure)
}

#[tokio::test]
async fn the_content_headers_decide_whether_a_body_is_json() {
    let incomplete = Failure::RetryLater(Pace::FewTimes, Cause::Incomplete);
    let not_json = Failure::RetryLater(Pace::FewTimes, Cause::NotJson);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(exchange(settings, head).await.1, incomplete, "no content type");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: identity\r\n\r\n{}";
    assert_eq!(exchange(settings, head).await.1, incomplete);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}";
    assert_eq!(exchange(settings, head).await.1, not_json);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: \xff\r\n\r\n{}";
    assert_eq!(exchange(settings, head).await.1, not_json);
    let broken = Failure::RetryLater(Pace::BackOff, Cause::Broken);
    assert_eq!(exchange(settings, b"not HTTP, but Zo\xc3\xa9\r\n\r\n").await.1, broken);
}

async fn head_of(settings: impl FnOnce(&str) -> Settings) -> String {
    exchange(settings, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.0
}

#[tokio::test]
async fn the_headers_of_older_instances_can_be_set() {
    let head = head_of(settings).await;
    assert!(head.starts_with(&format!("post /v3/{CUSTOMER_ID}/bankingservices/generateauthorizetoken ")), "{head}");
    assert!(head.contains(&format!("flinks-auth-key: {SECRET_KEY}\r\n")), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let bearer = |endpoint: &str| {
        let mut settings = settings(endpoint);
        settings.headers.secret_key = Header::Bearer;
        settings
    };
    assert!(head_of(bearer).await.contains(&format!("authorization: bearer {SECRET_KEY}\r\n")));
    let without_token = |endpoint: &str| {
        let mut settings = settings(endpoint);
        settings.headers.authorize_token = None;
        settings
    };
    let head = head_of(without_token).await;
    assert!(head.contains("/bankingservices/authorize ") && !head.contains("flinks-auth-key"), "{head}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let flinks = LocalFlinks::start().await.unwrap();
    flinks.add_login(Login::new(LOGIN));
    let api = FlinksApi::new(settings(&flinks.endpoint())).unwrap();
    assert!(recover(&api).await.is_ok());
    flinks.fault(Operation::GenerateAuthorizeToken, 1, Fault::Respond(307, JSON, "{}".into()));
    assert_eq!(api.authorize_cached(LOGIN).await.unwrap_err(), Failure::Stop(Cause::Status(307)));
    assert_eq!(flinks.calls(Operation::GenerateAuthorizeToken), 2);
}

#[tokio::test]
async fn without_a_connection_the_caller_retries() {
    let flinks = LocalFlinks::start().await.unwrap();
    let tls = flinks.endpoint().replace("http://", "https://");
    // A server without TLS is not a server for https: there is no way back to plain HTTP.
    let failure = FlinksApi::new(settings(&tls)).unwrap().authorize_cached(LOGIN).await.unwrap_err();
    assert!(matches!(failure, Failure::RetryLater(Pace::BackOff, Cause::NotConnected(_))), "{failure:?}");
    assert_eq!(flinks.calls(Operation::GenerateAuthorizeToken), 0);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = FlinksApi::new(settings(&closed)).unwrap().authorize_cached(LOGIN).await.unwrap_err();
    assert!(matches!(failure, Failure::RetryLater(Pace::BackOff, Cause::NotConnected(_))), "{failure:?}");
}

#[test]
fn only_https_and_http_to_this_machine_are_accepted() {
    let made = |endpoint: &str, customer_id: &str| {
        Settings::new(endpoint, customer_id, Credentials::new(SECRET_KEY, API_KEY).unwrap()).map(drop)
    };
    for endpoint in [
        "https://example-api.private.fin.ag",
        "https://example-api.private.fin.ag/",
        "http://127.0.0.1:4567",
        "http://127.9.9.9",
        "http://[::1]:4567",
        "http://LOCALHOST:4567",
    ] {
        assert_eq!(made(endpoint, CUSTOMER_ID), Ok(()), "{endpoint}");
    }
    for endpoint in [
        "http://example-api.private.fin.ag",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://192.0.2.1",
        "http://0.0.0.0:4567",
        "ftp://localhost",
    ] {
        assert_eq!(made(endpoint, CUSTOMER_ID), Err(SettingsError::NotHttps), "{endpoint}");
    }
    for endpoint in [
        "",
        "example-api.private.fin.ag",
        "/v3",
        "https://",
        "https://user:password@example-api.private.fin.ag",
        "http://localhost@example.com",
        "https://example-api.private.fin.ag/v3",
        "https://example-api.private.fin.ag/?a=b",
    ] {
        assert_eq!(made(endpoint, CUSTOMER_ID), Err(SettingsError::Endpoint), "{endpoint}");
    }
    for customer_id in ["", "..", "a/b", "a b", &"a".repeat(limits::ID_BYTES + 1)] {
        assert_eq!(made("https://example.com", customer_id), Err(SettingsError::CustomerId), "{customer_id}");
    }
    for (secret_key, api_key) in [("", API_KEY), (SECRET_KEY, ""), ("a\nb", API_KEY), (SECRET_KEY, "é")] {
        assert_eq!(Credentials::new(secret_key, api_key).map(drop), Err(SettingsError::Credentials));
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_cannot_change_the_path_or_be_missing() {
    for text in ["", "../x", "a/b", "a?b", "a%2fb", "é", "a\0", &"a".repeat(limits::ID_BYTES + 1)] {
        assert!(RequestId::read(text).is_none(), "{text}");
    }
    let (flinks, api) = detached(Behaviour::Ready);
    for login_id in ["", &"a".repeat(limits::ID_BYTES + 1)] {
        assert_eq!(api.authorize_cached(login_id).await, Err(Failure::Stop(Cause::InvalidLoginId)));
    }
    assert_eq!(flinks.calls(Operation::GenerateAuthorizeToken), 0);
    // Any other text is data of the request.
    assert_eq!(told(api.authorize_cached("\"é\n").await.unwrap_err()).0, "gone");
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_printed() {
    let (flinks, api) = detached(Behaviour::Ready);
    let session = api.authorize_cached(LOGIN).await.unwrap();
    let response = api.accounts_detail(&session.request_id).await.unwrap();
    let failure = api.accounts_detail(&session.request_id).await.unwrap_err();
    flinks.fault(Operation::Authorize, 1, Fault::Respond(401, JSON, r#"{"FlinksCode":"Zoé","Message":"Zoé"}"#.into()));
    let odd = api.authorize_cached(LOGIN).await.unwrap_err();
    let settings = settings("https://example-api.private.fin.ag");
    let printed = format!("{api:?} {session:?} {response:?} {failure:?} {failure} {odd:?} {odd} {settings:?}");
    for secret in [SECRET_KEY, API_KEY, LOGIN, session.request_id.as_str(), "Zoé", "Transactions"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_goes_with_authorize_and_comes_back_with_the_data() {
    for (tag, expected) in [(Some("user-1001"), json!("user-1001")), (None, Value::Null)] {
        let (flinks, api) = detached(Behaviour::Ready);
        let session = api.authorize_cached_with_tag(LOGIN, tag).await.unwrap();
        let request: Value = serde_json::from_slice(&flinks.last(Operation::Authorize).unwrap().request).unwrap();
        assert_eq!(request["Tag"], expected);
        assert_eq!(request.get("Tag").is_some(), tag.is_some());
        let detail = api.accounts_detail(&session.request_id).await.unwrap();
        let detail: Value = serde_json::from_slice(detail.bytes()).unwrap();
        assert_eq!(detail["Tag"], expected);
    }
}
