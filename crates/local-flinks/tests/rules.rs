//! The rules of the API. Each test is named after its rule and speaks HTTP without a socket, unless it is about sockets.

#![cfg(test)]

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_flinks::{
    API_KEY, Behaviour, CUSTOMER_ID, Calls, Connector, Fault, LocalFlinks, Login, Operation, SECRET_KEY,
    SYNCHRONOUS_LIMIT,
};
use serde_json::{Value, json};
use tokio::time::{Instant, advance};

const LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";

struct Caller {
    flinks: LocalFlinks,
    http: Client<Connector, Full<Bytes>>,
}

struct Got {
    status: u16,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or("none").to_owned()
    }

    fn outcome(&self) -> (u16, String) {
        (self.status, self.text("FlinksCode"))
    }
}

impl Caller {
    fn with(behaviour: Behaviour) -> Caller {
        let flinks = LocalFlinks::detached();
        flinks.add_login(Login::new(LOGIN).behaves(behaviour));
        let http = Client::builder(TokioExecutor::new()).build(flinks.connector());
        Caller { flinks, http }
    }

    async fn send(&self, method: Method, path: &str, header: (&str, &str), body: Value) -> Got {
        self.try_send(method, path, header, body).await.unwrap()
    }

    async fn try_send(&self, method: Method, path: &str, header: (&str, &str), body: Value) -> Result<Got, String> {
        let uri = format!("http://flinks.example/v3/{CUSTOMER_ID}/BankingServices/{path}");
        let request = Request::builder().method(method).uri(uri).header(header.0, header.1);
        let request = request.body(Full::from(body.to_string())).unwrap();
        let response = self.http.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Got { status, body })
    }

    async fn token(&self) -> String {
        self.send(Method::POST, "GenerateAuthorizeToken", ("flinks-auth-key", SECRET_KEY), json!({}))
            .await
            .text("Token")
    }

    async fn authorize_with(&self, token: &str, body: Value) -> Got {
        self.send(Method::POST, "Authorize", ("flinks-auth-key", token), body).await
    }

    async fn authorize(&self, login: &str) -> Got {
        let token = self.token().await;
        self.authorize_with(&token, json!({ "LoginId": login, "MostRecentCached": true })).await
    }

    async fn live(&self, username: &str) -> Got {
        let token = self.token().await;
        let body = json!({ "Institution": "FlinksCapital", "Username": username, "Password": "example" });
        self.authorize_with(&token, body).await
    }

    async fn session(&self) -> String {
        self.authorize(LOGIN).await.text("RequestId")
    }

    async fn detail(&self, request_id: &str) -> Got {
        self.detail_with(json!({ "RequestId": request_id })).await
    }

    async fn detail_with(&self, body: Value) -> Got {
        self.send(Method::POST, "GetAccountsDetail", ("x-api-key", API_KEY), body).await
    }

    async fn poll(&self, request_id: &str) -> Got {
        let path = format!("GetAccountsDetailAsync/{request_id}");
        self.send(Method::GET, &path, ("x-api-key", API_KEY), json!(null)).await
    }
}

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_cached_login_gives_its_data() {
    let caller = Caller::with(Behaviour::Ready);
    let authorized = caller.authorize(LOGIN).await;
    assert_eq!(authorized.status, 200);
    assert_eq!(authorized.json()["Login"]["Id"], LOGIN);
    let request_id = authorized.text("RequestId");
    let detail = caller.detail(&request_id).await;
    assert_eq!(detail.status, 200);
    let body = detail.json();
    assert_eq!(body["RequestId"], request_id);
    assert_eq!(body["Login"]["Id"], LOGIN);
    assert!(body.get("ResponseType").is_none());
    assert!(body["Accounts"][0]["Transactions"].as_array().unwrap().len() >= 2);
    assert_eq!(caller.flinks.last(Operation::GetAccountsDetail).unwrap().response, detail.body);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_for_one_authorize() {
    let caller = Caller::with(Behaviour::Ready);
    let token = caller.token().await;
    let body = json!({ "LoginId": LOGIN, "MostRecentCached": true });
    assert_eq!(caller.authorize_with(&token, body.clone()).await.status, 200);
    assert_eq!(caller.authorize_with(&token, body.clone()).await.outcome(), error(401, "UNAUTHORIZED"));
    assert_eq!(caller.authorize_with(SECRET_KEY, body).await.outcome(), error(401, "UNAUTHORIZED"));
}

#[tokio::test(start_paused = true)]
async fn an_unused_token_expires() {
    let caller = Caller::with(Behaviour::Ready);
    let token = caller.token().await;
    advance(Duration::from_secs(15 * 60)).await;
    let got = caller.authorize_with(&token, json!({ "LoginId": LOGIN, "MostRecentCached": true })).await;
    assert_eq!(got.outcome(), error(401, "UNAUTHORIZED"));
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_wants_its_own_credential() {
    let caller = Caller::with(Behaviour::Ready);
    let request_id = caller.session().await;
    let detail = json!({ "RequestId": request_id });
    for (path, header) in [
        ("GenerateAuthorizeToken", ("flinks-auth-key", API_KEY)),
        ("GenerateAuthorizeToken", ("x-api-key", SECRET_KEY)),
        ("GetAccountsDetail", ("x-api-key", SECRET_KEY)),
        ("GetAccountsDetail", ("flinks-auth-key", API_KEY)),
    ] {
        let got = caller.send(Method::POST, path, header, detail.clone()).await;
        assert_eq!(got.outcome(), error(401, "UNAUTHORIZED"), "{path} {header:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_authorize_makes_a_new_request_id() {
    let caller = Caller::with(Behaviour::Ready);
    assert_ne!(caller.session().await, caller.session().await);
}

#[tokio::test(start_paused = true)]
async fn a_request_id_expires_after_eight_idle_minutes_and_ends_with_the_data() {
    let caller = Caller::with(Behaviour::Ready);
    let request_id = caller.session().await;
    advance(Duration::from_secs(8 * 60)).await;
    assert_eq!(caller.detail(&request_id).await.outcome(), error(400, "SESSION_NONEXISTENT"));
    let request_id = caller.session().await;
    assert_eq!(caller.detail(&request_id).await.status, 200);
    assert_eq!(caller.detail(&request_id).await.outcome(), error(400, "SESSION_NONEXISTENT"));
    assert_eq!(caller.detail("made-up").await.outcome(), error(400, "SESSION_NONEXISTENT"));
}

#[tokio::test(start_paused = true)]
async fn pending_data_are_polled_with_the_same_request_id() {
    let caller = Caller::with(Behaviour::Pending(Duration::from_secs(20)));
    let request_id = caller.session().await;
    assert_eq!(caller.poll(&request_id).await.outcome(), error(400, "INVALID_REQUEST"));
    assert_eq!(caller.detail(&request_id).await.outcome(), error(202, "OPERATION_PENDING"));
    let parallel = caller.session().await;
    assert_eq!(caller.detail(&parallel).await.outcome(), error(202, "OPERATION_PENDING"));
    advance(Duration::from_secs(19)).await;
    assert_eq!(caller.poll(&request_id).await.outcome(), error(202, "OPERATION_PENDING"));
    advance(Duration::from_secs(1)).await;
    assert_eq!(caller.poll(&request_id).await.status, 200);
    assert_eq!(caller.detail(&parallel).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn processing_keeps_a_request_id_for_thirty_minutes() {
    let caller = Caller::with(Behaviour::Pending(Duration::MAX));
    let request_id = caller.session().await;
    caller.detail(&request_id).await;
    advance(Duration::from_secs(29 * 60)).await;
    assert_eq!(caller.poll(&request_id).await.outcome(), error(202, "OPERATION_PENDING"));
    advance(Duration::from_secs(60)).await;
    assert_eq!(caller.poll(&request_id).await.outcome(), error(400, "SESSION_NONEXISTENT"));
}

#[tokio::test(start_paused = true)]
async fn a_call_over_the_limit_is_dispatched_with_a_part_of_the_data() {
    let caller = Caller::with(Behaviour::SLOW);
    let request_id = caller.session().await;
    let started = Instant::now();
    let got = caller.detail(&request_id).await;
    assert_eq!(started.elapsed().as_secs(), SYNCHRONOUS_LIMIT.as_secs());
    assert_eq!(got.outcome(), error(202, "OPERATION_DISPATCHED"));
    assert_eq!(got.json()["Accounts"][0]["Transactions"].as_array().unwrap().len(), 1);
    assert_eq!(caller.poll(&request_id).await.outcome(), error(202, "OPERATION_PENDING"));
    advance(Duration::from_secs(60)).await;
    assert_eq!(caller.poll(&request_id).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn flinks_test_users_behave_as_documented() {
    let caller = Caller::with(Behaviour::Ready);
    for (username, expected) in [
        ("greatday", error(203, "none")),
        ("greatday_nomfa", error(200, "none")),
        ("test_disabled_account", error(401, "DISABLED_LOGIN")),
        ("test_service_unavailable", error(401, "RETRY_LATER")),
        ("nobody", error(401, "INVALID_USERNAME")),
    ] {
        assert_eq!(caller.live(username).await.outcome(), expected, "{username}");
    }
    let request_id = caller.live("test_dispatched").await.text("RequestId");
    assert_eq!(caller.detail(&request_id).await.outcome(), error(202, "OPERATION_DISPATCHED"));
}

#[tokio::test(start_paused = true)]
async fn a_live_login_asks_its_questions_and_a_cached_one_does_not() {
    let caller = Caller::with(Behaviour::Ready);
    let token = caller.token().await;
    let credentials = json!({ "Institution": "FlinksCapital", "Username": "greatday", "Password": "example" });
    let challenged = caller.authorize_with(&token, credentials).await;
    let prompts: Vec<_> = challenged.json()["SecurityChallenges"].as_array().unwrap().clone();
    assert_eq!(prompts.len(), 3);
    let request_id = challenged.text("RequestId");
    assert_eq!(caller.detail(&request_id).await.outcome(), error(401, "ACCESS_DENIED"));

    let respond = |responses: Value| json!({ "RequestId": request_id, "SecurityResponses": responses });
    let mut responses = serde_json::Map::new();
    let wrong = caller.authorize_with(&token, respond(json!({ "another prompt": ["x"] }))).await;
    assert_eq!(wrong.outcome(), error(401, "UNKNOWN_CHALLENGE_KEY"));
    for (prompt, answer) in prompts.iter().zip(["blue", "Montréal", "Zoé"]) {
        let incomplete = caller.authorize_with(&token, respond(responses.clone().into())).await;
        assert_eq!(incomplete.outcome(), error(401, "SECURITYRESPONSES_INCOMPLETE"));
        responses.insert(prompt["Prompt"].as_str().unwrap().to_owned(), json!([answer]));
    }
    // The steps of one dialogue share a token, and no other request does.
    let authorized = caller.authorize_with(&token, respond(responses.into())).await;
    assert_eq!(authorized.status, 200);
    assert_eq!(caller.detail(&request_id).await.status, 200);
    let login = authorized.json()["Login"]["Id"].as_str().unwrap().to_owned();
    assert_eq!(caller.authorize(&login).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_error_has_a_request_id_that_works() {
    let caller = Caller::with(Behaviour::Replayed(401, "QUESTION_NOT_FOUND"));
    let replayed = caller.authorize(LOGIN).await;
    assert_eq!(replayed.outcome(), error(401, "QUESTION_NOT_FOUND"));
    assert_eq!(caller.detail(&replayed.text("RequestId")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_or_deleted_login_is_invalid() {
    let caller = Caller::with(Behaviour::Ready);
    assert_eq!(caller.authorize("made-up").await.outcome(), error(401, "INVALID_LOGIN"));
    assert!(caller.flinks.delete_login(LOGIN));
    assert!(!caller.flinks.delete_login(LOGIN));
    assert_eq!(caller.authorize(LOGIN).await.outcome(), error(401, "INVALID_LOGIN"));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_request_is_invalid() {
    let caller = Caller::with(Behaviour::Ready);
    let token = caller.token().await;
    assert_eq!(caller.authorize_with(&token, json!({})).await.outcome(), error(400, "INVALID_REQUEST"));
    assert_eq!(caller.detail_with(json!({})).await.outcome(), error(400, "INVALID_REQUEST"));
    let got = caller.detail_with(json!({ "RequestId": "x", "DaysOfTransactions": 365 })).await;
    assert_eq!(got.outcome(), error(400, "INVALID_REQUEST"));
}

#[tokio::test(start_paused = true)]
async fn options_narrow_the_data() {
    let caller = Caller::with(Behaviour::Ready);
    let request_id = caller.session().await;
    let all = caller.detail_with(json!({ "RequestId": request_id, "WithTransactions": false })).await.json();
    assert!(all["Accounts"][0].get("Transactions").is_none());
    let account = all["Accounts"][0]["Id"].clone();
    for (filter, expected) in [(json!([account]), 1), (json!(["other"]), 0), (json!([]), 1)] {
        let request_id = caller.session().await;
        let got = caller.detail_with(json!({ "RequestId": request_id, "AccountsFilter": filter })).await.json();
        assert_eq!(got["Accounts"].as_array().unwrap().len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_tag_of_authorize_comes_back() {
    let caller = Caller::with(Behaviour::Ready);
    let token = caller.token().await;
    let body = json!({ "LoginId": LOGIN, "MostRecentCached": true, "Tag": "user-1002" });
    let request_id = caller.authorize_with(&token, body).await.text("RequestId");
    assert_eq!(caller.detail(&request_id).await.text("Tag"), "user-1002");
}

#[tokio::test(start_paused = true)]
async fn a_body_can_be_larger_than_a_callback() {
    let caller = Caller::with(Behaviour::Ready);
    caller.flinks.add_login(Login::new(LOGIN).with_bytes(8_000_000));
    let body = caller.detail(&caller.session().await).await.body;
    assert!((8_000_000..12_000_000).contains(&body.len()), "{}", body.len());
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_login_of_a_callback_has_its_data_and_a_new_request_id() {
    let callback = format!(
        r#"{{"ResponseType":"GetAccountsDetail","HttpStatusCode":200,"Accounts":[{{"Balance":{{"Limit":1e400}}}}],"Tag":"old","Login":{{"Username":"zoe_example","LastRefresh":"2026-10-02T05:12:44.0012345Z","Id":"{LOGIN}"}},"RequestId":"old"}}"#
    );
    let login = Login::from_callback(callback.as_bytes()).unwrap();
    assert_eq!((login.id(), login.username()), (LOGIN, "zoe_example"));
    assert_eq!(login.last_refresh(), "2026-10-02T05:12:44.0012345Z");
    let caller = Caller::with(Behaviour::Ready);
    caller.flinks.add_login(login);
    let request_id = caller.session().await;
    let expected = callback.replace(r#""ResponseType":"GetAccountsDetail","#, "");
    let expected = expected.replace(r#""RequestId":"old""#, &format!(r#""RequestId":"{request_id}""#));
    assert_eq!(caller.detail(&request_id).await.body, expected);

    for other in ["", "[]", "{}", &callback.replace("GetAccountsDetail", "KYC"), &callback.replace("200", "401")] {
        assert!(Login::from_callback(other.as_bytes()).is_none(), "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_apply_to_the_chosen_calls() {
    let caller = Caller::with(Behaviour::Ready);
    let flinks = &caller.flinks;
    flinks.fault(Operation::Authorize, Calls::Nth(2), Fault::THROTTLE);
    assert_eq!(caller.authorize(LOGIN).await.status, 200);
    assert_eq!(caller.authorize(LOGIN).await.outcome(), error(401, "TOO_MANY_REQUESTS"));
    assert_eq!(caller.authorize(LOGIN).await.status, 200);
    assert_eq!(flinks.calls(Operation::Authorize), 3);

    flinks.fault(Operation::GetAccountsDetail, Calls::All, Fault::HTML);
    let request_id = caller.session().await;
    let page = caller.detail(&request_id).await;
    assert_eq!((page.status, page.body.first()), (200, Some(&b'<')));
    flinks.fault(Operation::GetAccountsDetail, 1, Fault::BARE_STRING);
    assert_eq!(caller.detail(&request_id).await.json(), "Success");
    flinks.clear_faults();
    assert_eq!(caller.detail(&request_id).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn broken_connections_lose_a_response_or_a_part_of_it() {
    let caller = Caller::with(Behaviour::Ready);
    let detail = |request_id: String| {
        let body = json!({ "RequestId": request_id });
        caller.try_send(Method::POST, "GetAccountsDetail", ("x-api-key", API_KEY), body)
    };
    let request_id = caller.session().await;
    caller.flinks.fault(Operation::GetAccountsDetail, 1, Fault::Reset);
    assert!(detail(request_id.clone()).await.is_err());
    assert_eq!(detail(request_id).await.unwrap().status, 200, "a reset before the request has no effect");
    for fault in [Fault::ResetAfter, Fault::CutBody] {
        let request_id = caller.session().await;
        caller.flinks.fault(Operation::GetAccountsDetail, 1, fault);
        assert!(detail(request_id.clone()).await.is_err());
        assert_eq!(detail(request_id).await.unwrap().outcome(), error(400, "SESSION_NONEXISTENT"));
    }
    caller.flinks.fault(Operation::GetAccountsDetail, 1, Fault::HalfBody);
    let half = detail(caller.session().await).await.unwrap();
    assert_eq!(half.status, 200);
    assert!(serde_json::from_slice::<Value>(&half.body).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_delay_delays_and_a_hang_never_ends() {
    let caller = Caller::with(Behaviour::Ready);
    caller.flinks.fault(Operation::Authorize, 1, Fault::Delay(Duration::from_secs(5)));
    let started = Instant::now();
    assert_eq!(caller.authorize(LOGIN).await.status, 200);
    assert_eq!(started.elapsed().as_secs(), 5);
    caller.flinks.fault(Operation::Authorize, 1, Fault::Hang);
    assert!(tokio::time::timeout(Duration::from_secs(86_400), caller.authorize(LOGIN)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_a_page_and_other_customers_are_unauthorized() {
    let caller = Caller::with(Behaviour::Ready);
    let page = caller.send(Method::POST, "GetStatements", ("x-api-key", API_KEY), json!({})).await;
    assert_eq!((page.status, page.body.first()), (404, Some(&b'<')));
    let uri = "http://flinks.example/v3/another/BankingServices/Authorize";
    let request = Request::builder().method(Method::POST).uri(uri).body(Full::default()).unwrap();
    assert_eq!(caller.http.request(request).await.unwrap().status(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_page_in_a_browser_is_rejected() {
    let caller = Caller::with(Behaviour::Ready);
    let uri = format!("http://flinks.example/v3/{CUSTOMER_ID}/BankingServices/GenerateAuthorizeToken");
    let request = Request::builder().method(Method::POST).uri(uri).header("flinks-auth-key", SECRET_KEY);
    let request = request.header("origin", "http://flinks.example").body(Full::default()).unwrap();
    assert_eq!(caller.http.request(request).await.unwrap().status(), 403);
    assert_eq!(caller.flinks.calls(Operation::GenerateAuthorizeToken), 0);
}

#[tokio::test]
async fn it_listens_on_loopback_until_it_is_stopped() {
    let flinks = LocalFlinks::start().await.unwrap();
    assert!(flinks.address().ip().is_loopback());
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let uri = format!("{}/v3/{CUSTOMER_ID}/BankingServices/GenerateAuthorizeToken", flinks.endpoint());
    let request = || {
        let request = Request::builder().method(Method::POST).uri(&uri).header("flinks-auth-key", SECRET_KEY);
        http.request(request.body(Full::default()).unwrap())
    };
    assert_eq!(request().await.unwrap().status(), 200);
    flinks.fault(Operation::GenerateAuthorizeToken, 1, Fault::Reset);
    assert!(request().await.is_err());
    flinks.shutdown();
    assert!(request().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn every_login_is_listed() {
    let caller = Caller::with(Behaviour::Ready);
    let listed: Vec<_> = caller.flinks.logins().iter().map(|login| login.id().to_owned()).collect();
    let expected = Login::test_users().len() + Login::examples().len() + 1;
    assert_eq!(listed.len(), expected);
    assert!(listed.contains(&LOGIN.to_owned()));
    let texts: Vec<_> = Login::examples().iter().map(|login| login.behaviour().to_string()).collect();
    assert_eq!(
        texts[..2],
        ["OPERATION_PENDING, and the data 20 s later", "OPERATION_DISPATCHED after 210 s, and the data 60 s later",]
    );
    assert!(!format!("{:?}", caller.flinks.logins()).contains("sam_example"));
}
