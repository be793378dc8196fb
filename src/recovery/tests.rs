//! Each state, code and fault of Flinks' API, with a local Flinks and with services that record what they get.

use std::sync::Mutex;

use bytes::Bytes;
use flinks_api::codes::{Action, TABLE};
use local_flinks::{API_KEY, Behaviour, CUSTOMER_ID, Calls, Fault, LocalFlinks, Login, Operation as Call, SECRET_KEY};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::{
    auth::SecretVersion,
    aws_error::{AwsError, Reason as AwsReason},
    config::LambdaFunction,
    delivery::{OutboundMessage, StoredAs},
    routing::Kind,
    telemetry::recovery_line,
};

const LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";
/// The place of the login's outcomes.
const LOGIN_SHA256: &str = "636f40cb9a3b650dd8821049045338aae71fe1d261584393cbc4a733b2228782";
const TAG: &str = "secret-tag";

/// What reached a service, in order.
#[derive(Clone, Debug)]
enum Event {
    PutBack(Value, u64),
    GaveUp(String, Vec<(&'static str, String)>),
    Message(String, Vec<(&'static str, String)>),
    Object(String),
    Outcome(String, Value),
}

/// The services of AWS. Those that are told to do so fail for good.
#[derive(Default)]
struct Fake {
    events: Mutex<Vec<Event>>,
    failing: Mutex<Vec<&'static str>>,
    keys: Mutex<Option<(String, String)>>,
}

impl Fake {
    fn take(&self, what: &'static str, operation: Operation, event: Event) -> Result<(), AwsError> {
        if self.failing.lock().unwrap().contains(&what) {
            let code = Some("AccessDenied".to_owned());
            return Err(AwsError { status: Some(403), code, ..AwsError::new(operation, AwsReason::Service) });
        }
        self.events.lock().unwrap().push(event);
        Ok(())
    }

    fn fail(&self, what: &[&'static str]) {
        *self.failing.lock().unwrap() = what.to_vec();
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

impl CredentialsSource for &Fake {
    async fn fetch(&self) -> Result<Option<SecretVersion>, AwsError> {
        let nothing = Event::Outcome(String::new(), Value::Null);
        self.take("secret", Operation::GetSecretValue, nothing)?;
        self.events.lock().unwrap().pop();
        let (id, keys) = self
            .keys
            .lock()
            .unwrap()
            .clone()
            .unwrap_or_else(|| ("1".to_owned(), json!({ "secretKey": SECRET_KEY, "apiKey": API_KEY }).to_string()));
        Ok(Some(SecretVersion { id, created: None, text: Some(Zeroizing::new(keys)) }))
    }
}

impl RequestQueues for &Fake {
    async fn put_back(&self, body: &str, delay: Duration) -> Result<(), AwsError> {
        let event = Event::PutBack(serde_json::from_str(body).unwrap(), delay.as_secs());
        self.take("put back", Operation::SendMessage, event)
    }

    async fn give_up(&self, body: &str, attributes: &[(&'static str, &str)]) -> Result<(), AwsError> {
        let attributes = attributes.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.take("give up", Operation::SendMessage, Event::GaveUp(body.to_owned(), attributes))
    }
}

impl OutcomeStore for &Fake {
    async fn put_outcome(&self, key: &str, outcome: Bytes) -> Result<(), AwsError> {
        let outcome = serde_json::from_slice(&outcome).unwrap();
        self.take("outcome", Operation::PutObject, Event::Outcome(key.to_owned(), outcome))
    }
}

impl Queues for &Fake {
    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        assert_eq!(message.kind, Kind::AccountsDetail);
        let attributes = message.attributes.iter().map(|attribute| (attribute.name, attribute.value.clone())).collect();
        self.take("queue", Operation::SendMessage, Event::Message(message.body, attributes))
    }
}

impl PayloadStore for &Fake {
    fn bucket(&self) -> &str {
        "bucket"
    }

    async fn put(&self, key: &str, _: Bytes, _: &[(&'static str, &str)]) -> Result<(), AwsError> {
        self.take("bucket", Operation::PutObject, Event::Object(key.to_owned()))
    }
}

type FakeRecovery<'f> = Recovery<&'f Fake, &'f Fake, &'f Fake, &'f Fake>;

fn recovery<'f>(flinks: &LocalFlinks, fake: &'f Fake) -> FakeRecovery<'f> {
    let config = FlinksConfig {
        api_url: flinks.endpoint(),
        customer_id: CUSTOMER_ID.to_owned(),
        secret_id: "secret".to_owned(),
        secrets_endpoint: None,
    };
    Recovery::new(config, fake, fake, Storage::new(fake, fake))
}

async fn flinks(behaviour: Behaviour) -> LocalFlinks {
    let flinks = LocalFlinks::start().await.unwrap();
    flinks.add_login(Login::new(LOGIN).behaves(behaviour));
    flinks
}

fn request() -> Value {
    json!({ "loginId": LOGIN, "tag": TAG })
}

fn budget(time: Duration) -> StepBudget {
    StepBudget::until(SystemTime::now() + time)
}

/// Makes a step, and checks that its log line has nothing that must not be there.
async fn step(recovery: &FakeRecovery<'_>, request: &Value) -> Step {
    let step = recovery.step(&request.to_string(), None, budget(Duration::from_secs(330))).await;
    line(&step);
    step
}

fn line(step: &Step) -> Value {
    let function = LambdaFunction { name: "recovery".to_owned(), version: "1".to_owned() };
    let line = recovery_line(step, None, &function, SystemTime::now());
    let text = str::from_utf8(line.as_bytes()).unwrap();
    for secret in [LOGIN, TAG, SECRET_KEY, API_KEY, "sam_example"] {
        assert!(!text.contains(secret), "{text}");
    }
    serde_json::from_str(text).unwrap()
}

/// The request that was put back, and its delay.
fn put_back(events: &[Event]) -> (Value, u64) {
    let [Event::PutBack(request, delay)] = events else { panic!("{events:?}") };
    assert_eq!((&request["loginId"], &request["tag"]), (&json!(LOGIN), &json!(TAG)));
    (request.clone(), *delay)
}

/// The outcome of a request that ended without data, and the attributes of the dead letter.
fn ended(events: &[Event]) -> (Value, Vec<(&'static str, String)>) {
    let [Event::Outcome(key, outcome), Event::GaveUp(body, attributes)] = events else { panic!("{events:?}") };
    assert!(key.starts_with(&format!("recovery/{LOGIN_SHA256}/")) && key.ends_with("Z.json"), "{key}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), request());
    (outcome.clone(), attributes.clone())
}

/// Recovers until the request ends or `steps` steps are made. Returns the last events.
async fn run(recovery: &FakeRecovery<'_>, fake: &Fake, mut request: Value, steps: usize) -> Vec<Event> {
    for _ in 0..steps {
        assert!(!step(recovery, &request).await.result.is_failed());
        let events = fake.events();
        let [Event::PutBack(again, _)] = &events[..] else { return events };
        request = again.clone();
    }
    panic!("the request does not end")
}

#[tokio::test]
async fn a_login_with_data_is_recovered_in_one_step() {
    let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    let step = step(&recovery, &request()).await;
    let StepResult::Recovered(StoredPayload { delivery_id, stored_as: StoredAs::Inline, bytes, .. }) = &step.result
    else {
        panic!()
    };
    let sent = flinks.last(Call::GetAccountsDetail).unwrap().response;
    let events = fake.events();
    let [Event::Message(body, attributes), Event::Outcome(key, outcome)] = &events[..] else { panic!("{events:?}") };
    let rest = str::from_utf8(&sent).unwrap().strip_prefix('{').unwrap();
    assert_eq!(*body, format!("{{\"ResponseType\":\"GetAccountsDetail\",{rest}"));
    assert_eq!(body.len(), *bytes);
    let attribute = |name| attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    assert_eq!(attribute("SignatureForm"), Some("api"));
    assert_eq!(attribute("ResponseType"), Some("GetAccountsDetail"));
    assert_eq!(attribute("LoginId"), Some(LOGIN));
    assert_eq!(attribute("Tag"), Some(TAG));
    assert_eq!(attribute("DeliveryId"), Some(delivery_id.as_str()));
    assert_eq!(attribute("HttpStatusCode"), Some("200"));
    let started_at = outcome["startedAt"].as_str().unwrap();
    assert_eq!(*key, format!("recovery/{LOGIN_SHA256}/{}.json", started_at.replace(['-', ':'], "")));
    assert_eq!(started_at.len(), "2026-11-25T14:15:00.123Z".len());
    assert!(outcome["endedAt"].as_str().unwrap() >= started_at);
    let expected = json!({
        "loginId": LOGIN, "tag": TAG, "startedAt": outcome["startedAt"], "endedAt": outcome["endedAt"],
        "outcome": "recovered", "code": null, "problem": null, "deliveryId": delivery_id.as_str(),
        "queue": "AccountsDetailQueue", "storedAs": "inline", "bytes": bytes,
        "lastRefresh": "2026-10-01T17:57:16.4111654",
    });
    assert_eq!(*outcome, expected);
    let line = line(&step);
    assert_eq!(
        (&line["level"], &line["outcome"], &line["deliveryId"]),
        (&json!("INFO"), &json!("recovered"), &outcome["deliveryId"])
    );
    assert_eq!(
        (&line["Recovered"], &line["RecoveredBytes"], &line["StoredInline"]),
        (&json!(1), &json!(bytes), &json!(1))
    );
}

#[tokio::test]
async fn a_202_is_polled_with_its_request_id_and_its_part_of_the_data_is_never_stored() {
    let dispatched = Behaviour::Dispatched { held: Duration::ZERO, then: Duration::from_secs(3_600) };
    for (behaviour, code) in
        [(dispatched, "OPERATION_DISPATCHED"), (Behaviour::Pending(Duration::from_secs(3_600)), "OPERATION_PENDING")]
    {
        let (flinks, fake) = (flinks(behaviour).await, Fake::default());
        let recovery = recovery(&flinks, &fake);
        let first = step(&recovery, &request()).await;
        assert_eq!(line(&first)["flinksCode"], code);
        assert_eq!((&line(&first)["outcome"], &line(&first)["delaySeconds"]), (&json!("pending"), &json!(10)));
        let (again, delay) = put_back(&fake.events());
        assert_eq!(delay, 10);
        let request_id = again["requestId"].clone();
        assert!(request_id.is_string() && again["startedAt"].is_string(), "{again}");
        for _ in 0..3 {
            step(&recovery, &again).await;
            let (mut polled, delay) = put_back(&fake.events());
            assert!(polled["lastStepAt"].as_str() >= again["lastStepAt"].as_str(), "{polled}");
            polled["lastStepAt"] = again["lastStepAt"].clone();
            assert_eq!((&polled, delay), (&again, 10));
        }
        assert_eq!((flinks.calls(Call::Authorize), flinks.calls(Call::GetAccountsDetailAsync)), (1, 3));
        // Thirty minutes are over: one last poll.
        let mut late = again.clone();
        for member in ["startedAt", "pollingSince"] {
            late[member] = json!(crate::timestamp::rfc3339(SystemTime::now() - Duration::from_secs(1_801)));
        }
        step(&recovery, &late).await;
        let (outcome, attributes) = ended(&fake.events());
        assert_eq!((&outcome["outcome"], &outcome["deliveryId"]), (&json!("timed-out"), &Value::Null));
        // Polls respond that the operation is pending, also after OPERATION_DISPATCHED.
        let expected = [("FlinksCode", "OPERATION_PENDING".to_owned()), ("Outcome", "timed-out".to_owned())];
        assert_eq!(attributes, expected);
        // Then the data are there.
        flinks.add_login(Login::new(LOGIN));
        let polled = step(&recovery, &again).await;
        assert!(matches!(polled.result, StepResult::Recovered(_)));
        assert_eq!(flinks.calls(Call::Authorize), 1, "still the same session");
    }
}

/// What the table's action means for a request.
fn check_action(action: Action, code: &str, call: Call, events: &[Event]) {
    let is_poll = call == Call::GetAccountsDetailAsync;
    let is_session = matches!(call, Call::GetAccountsDetail | Call::GetAccountsDetailAsync);
    let again = |delay: u64, has_session: bool| {
        let (request, found) = put_back(events);
        assert_eq!((found, request.get("requestId").is_some()), (delay, has_session), "{code} {call:?}");
        request
    };
    let ends = |ending: &str| {
        let (outcome, attributes) = ended(events);
        assert_eq!((&outcome["outcome"], &outcome["code"]), (&json!(ending), &json!(code)), "{call:?}");
        assert_eq!(attributes, [("FlinksCode", code.to_owned()), ("Outcome", ending.to_owned())]);
    };
    match action {
        Action::Poll if is_session => drop(again(10, true)),
        Action::Poll | Action::NewSession | Action::RetrySoon => assert_eq!(again(10, false)["attempt"], 1),
        Action::BackOff => assert_eq!(again(15, is_poll)["attempt"], 1),
        Action::RetryFewTimes => assert_eq!(again(15, false)["fewTimes"], 1),
        Action::RetryMuchLater => assert!(again(900, false)["notBefore"].is_string()),
        Action::NeedsUser => ends("needs-user"),
        Action::Gone => ends("gone"),
        Action::Stop => ends("stopped"),
    }
}

#[tokio::test]
async fn every_code_of_the_table_has_its_pace_or_its_end_at_every_call() {
    let flinks = flinks(Behaviour::Pending(Duration::from_secs(3_600))).await;
    for call in [Call::GenerateAuthorizeToken, Call::Authorize, Call::GetAccountsDetail, Call::GetAccountsDetailAsync] {
        for row in TABLE {
            let fake = Fake::default();
            let recovery = recovery(&flinks, &fake);
            let mut request = request();
            if call == Call::GetAccountsDetailAsync {
                step(&recovery, &request).await;
                request = put_back(&fake.events()).0;
            }
            // Of a code without a known status, the status does not matter.
            for status in [400, 401, 405, 500] {
                flinks.fault(call, Calls::Next(1), Fault::Code(status, row.code));
                let is_denial = ["ACCESS_DENIED", "UNAUTHORIZED"].contains(&row.code);
                let recovery = if is_denial { &self::recovery(&flinks, &fake) } else { &recovery };
                step(recovery, &request).await;
                // The credentials can be wrong for a while.
                let action = if is_denial { Action::RetryFewTimes } else { row.action };
                check_action(action, row.code, call, &fake.events());
            }
        }
    }
}

#[tokio::test]
async fn every_error_that_authorize_repeats_has_a_session_that_works() {
    for row in TABLE.into_iter().filter(|row| row.is_replayed) {
        let (flinks, fake) = (flinks(Behaviour::Replayed(401, row.code)).await, Fake::default());
        let recovery = recovery(&flinks, &fake);
        assert!(matches!(step(&recovery, &request()).await.result, StepResult::Recovered(_)), "{}", row.code);
        // If it gives no data for good, and only the person can go on, that is why.
        fake.events();
        flinks.fault(Call::GetAccountsDetail, Calls::Next(1), Fault::Code(400, "NO_TRANSACTION"));
        step(&recovery, &request()).await;
        let expected =
            if row.action == Action::NeedsUser { ("needs-user", row.code) } else { ("stopped", "NO_TRANSACTION") };
        let (outcome, _) = ended(&fake.events());
        assert_eq!((outcome["outcome"].as_str().unwrap(), outcome["code"].as_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_response_without_a_code_is_judged_by_its_status_and_content() {
    const JSON: &str = "application/json";
    let response = |status, body: &'static [u8]| Fault::Respond(status, JSON, Bytes::from_static(body));
    let flinks = flinks(Behaviour::Ready).await;
    let fake = Fake::default();
    let recovery = recovery(&flinks, &fake);
    for (fault, problem, delay) in [
        (Fault::HTML, "not JSON", 15),
        (Fault::BARE_STRING, "not JSON", 15),
        (Fault::HalfBody, "not JSON", 15),
        (response(200, b"{\"Accounts\":["), "not JSON", 15),
        (Fault::Reset, "connection broke", 15),
        (Fault::ResetAfter, "connection broke", 15),
        (Fault::CutBody, "connection broke", 15),
        (response(500, b"{}"), "status 500", 15),
        (response(503, b"<html>"), "status 503", 15),
        (response(429, b""), "status 429", 15),
        (response(202, b"{}"), "status 202", 10),
        (response(200, b"{\"HttpStatusCode\":202,\"Accounts\":[]}"), "status 202", 10),
    ] {
        flinks.fault(Call::GetAccountsDetail, Calls::Next(1), fault.clone());
        let step = step(&recovery, &request()).await;
        let line = line(&step);
        assert_eq!((&line["problem"], line.get("flinksCode")), (&json!(problem), None), "{fault:?}");
        assert_eq!(put_back(&fake.events()).1, delay, "{fault:?}");
    }
    for (fault, problem, ending) in [
        (response(203, b"{}"), "status 203", "needs-user"),
        (response(404, b"{}"), "status 404", "stopped"),
        (response(418, b"{\"FlinksCode\":\"no code\"}"), "unreadable code", "stopped"),
        (response(200, b"{\"FlinksCode\":7}"), "unreadable code", "stopped"),
    ] {
        flinks.fault(Call::GetAccountsDetail, Calls::Next(1), fault.clone());
        step(&recovery, &request()).await;
        let (outcome, attributes) = ended(&fake.events());
        assert_eq!((&outcome["problem"], &outcome["code"]), (&json!(problem), &Value::Null), "{fault:?}");
        assert_eq!(attributes, [("RecoveryProblem", problem.to_owned()), ("Outcome", ending.to_owned())]);
    }
}

#[tokio::test]
async fn a_page_in_place_of_the_data_is_retried_a_few_times_and_never_stored() {
    let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
    flinks.fault(Call::GetAccountsDetail, Calls::All, Fault::HTML);
    let recovery = recovery(&flinks, &fake);
    let (outcome, attributes) = ended(&run(&recovery, &fake, request(), 5).await);
    assert_eq!((&outcome["outcome"], &outcome["problem"]), (&json!("stopped"), &json!("not JSON")));
    assert_eq!(attributes[0], ("RecoveryProblem", "not JSON".to_owned()));
    assert_eq!(flinks.calls(Call::GetAccountsDetail), 5);
}

#[tokio::test]
async fn a_login_that_needs_its_user_or_is_unknown_ends_at_once() {
    for (behaviour, outcome, why) in [
        (Behaviour::Challenged, "needs-user", "status 203"),
        (Behaviour::Refused(401, "INVALID_PASSWORD"), "needs-user", "INVALID_PASSWORD"),
        (Behaviour::Refused(401, "INVALID_PASSWORD_NO_RETRY"), "needs-user", "INVALID_PASSWORD_NO_RETRY"),
        (Behaviour::Refused(401, "INVALID_LOGIN"), "gone", "INVALID_LOGIN"),
        (Behaviour::Refused(400, "A_NEW_CODE"), "stopped", "A_NEW_CODE"),
    ] {
        let (flinks, fake) = (flinks(behaviour).await, Fake::default());
        let step = step(&recovery(&flinks, &fake), &request()).await;
        let (_, attributes) = ended(&fake.events());
        assert_eq!((attributes[0].1.as_str(), attributes[1].1.as_str()), (why, outcome));
        assert_eq!((&line(&step)["outcome"], &line(&step)["RecoveryFailed"]), (&json!(outcome), &json!(1)));
    }
    let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
    let long = json!({ "loginId": "l/".repeat(65) });
    step(&recovery(&flinks, &fake), &long).await;
    let events = fake.events();
    let [Event::Outcome(key, outcome), Event::GaveUp(..)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&outcome["outcome"], &outcome["problem"]), (&json!("stopped"), &json!("invalid LoginId")));
    let digest = key.strip_prefix("recovery/").unwrap().split_once('/').unwrap().0;
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
}

#[tokio::test]
async fn an_expired_session_begins_again_and_recovers() {
    let (flinks, fake) = (flinks(Behaviour::Pending(Duration::from_secs(3_600))).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    step(&recovery, &request()).await;
    let (polled, _) = put_back(&fake.events());
    flinks.end_sessions();
    flinks.add_login(Login::new(LOGIN));
    let events = run(&recovery, &fake, polled, 2).await;
    let [Event::Message(..), Event::Outcome(_, outcome)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(outcome["outcome"], "recovered");
    assert_eq!(flinks.calls(Call::Authorize), 2);
}

#[tokio::test]
async fn a_session_that_waited_too_long_is_not_polled() {
    let (flinks, fake) = (flinks(Behaviour::Pending(Duration::from_secs(3_600))).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    step(&recovery, &request()).await;
    let (first, _) = put_back(&fake.events());
    let mut late = first.clone();
    let ago = |seconds| json!(crate::timestamp::rfc3339(SystemTime::now() - Duration::from_secs(seconds)));
    for member in ["startedAt", "pollingSince", "lastStepAt"] {
        late[member] = ago(1_801);
    }
    step(&recovery, &late).await;
    let (again, _) = put_back(&fake.events());
    assert_ne!(again["requestId"], first["requestId"]);
    assert_eq!(again["startedAt"], late["startedAt"]);
    // After more than an hour the request begins from the start.
    for member in ["startedAt", "pollingSince", "lastStepAt"] {
        late[member] = ago(25_200);
    }
    step(&recovery, &late).await;
    let (again, _) = put_back(&fake.events());
    assert!(again["startedAt"].as_str() > late["startedAt"].as_str());
    assert_eq!(again["restarts"], 1);
    assert_eq!((flinks.calls(Call::Authorize), flinks.calls(Call::GetAccountsDetailAsync)), (3, 0));
}

#[tokio::test]
async fn a_call_that_hangs_ends_in_time_and_comes_again() {
    for call in [Call::GenerateAuthorizeToken, Call::Authorize, Call::GetAccountsDetail] {
        let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
        flinks.fault(call, Calls::All, Fault::Hang);
        let recovery = recovery(&flinks, &fake);
        let step = recovery.step(&request().to_string(), None, budget(Duration::from_millis(500))).await;
        assert_eq!(line(&step)["problem"], "timed out");
        assert_eq!(put_back(&fake.events()).1, 15);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_leaves_time_to_store_and_to_respond() {
    let seconds = |time| {
        let (budget, now) = (budget(Duration::from_secs(time)), Instant::now());
        ((budget.flinks_end - now).as_secs_f64().round(), (budget.end - now).as_secs_f64().round())
    };
    assert_eq!(seconds(330), (300.0, 329.0));
    assert_eq!(seconds(10), (5.0, 9.0));
    assert_eq!(seconds(0), (0.0, 0.0));
}

#[tokio::test]
async fn much_later_waits_without_asking_flinks() {
    let (flinks, fake) = (flinks(Behaviour::Refused(405, "DISABLED_INSTITUTION")).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    step(&recovery, &request()).await;
    let (later, _) = put_back(&fake.events());
    step(&recovery, &later).await;
    let (mut waits, delay) = put_back(&fake.events());
    assert!(waits["lastStepAt"].as_str() >= later["lastStepAt"].as_str(), "{waits}");
    waits["lastStepAt"] = later["lastStepAt"].clone();
    assert_eq!((&waits, delay), (&later, 900));
    assert_eq!(flinks.calls(Call::Authorize), 1);
    let mut soon = later.clone();
    soon["notBefore"] = json!(crate::timestamp::rfc3339(SystemTime::now() + Duration::from_secs(60)));
    step(&recovery, &soon).await;
    let (_, delay) = put_back(&fake.events());
    assert!((58..=60).contains(&delay), "{delay}");
    let mut over = later;
    over["notBefore"] = json!(crate::timestamp::rfc3339(SystemTime::now()));
    step(&recovery, &over).await;
    assert_eq!(flinks.calls(Call::Authorize), 2);
}

#[tokio::test]
async fn what_is_not_a_request_goes_to_the_dead_letter_queue_as_it_is() {
    let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    for body in ["not JSON", "{}", r#"{"LoginId":"l"}"#, r#"["l"]"#] {
        let step = recovery.step(body, None, budget(Duration::from_secs(330))).await;
        let events = fake.events();
        let [Event::GaveUp(given_up, attributes)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(given_up, body);
        let unreadable = "unreadable".to_owned();
        assert_eq!(*attributes, [("RecoveryProblem", unreadable.clone()), ("Outcome", unreadable)]);
        assert_eq!((&line(&step)["outcome"], &line(&step)["level"]), (&json!("unreadable"), &json!("ERROR")));
    }
    assert_eq!(flinks.calls(Call::GenerateAuthorizeToken), 0);
}

#[tokio::test]
async fn whatever_fails_the_message_stays_or_what_follows_it_is_accepted() {
    let flinks = flinks(Behaviour::Ready).await;
    // A message cannot have this character, so the payload goes to the bucket.
    let odd = "{\"ResponseType\":\"GetAccountsDetail\",\"HttpStatusCode\":200,\"Login\":{\"Id\":\"odd\"},\"Title\":\"\u{FFFF}\"}";
    flinks.add_login(Login::from_callback(odd.as_bytes()).unwrap());
    flinks.add_login(Login::new("pending").behaves(Behaviour::Pending(Duration::from_secs(3_600))));
    flinks.add_login(Login::new("gone").behaves(Behaviour::Refused(401, "INVALID_LOGIN")));
    let services = ["secret", "put back", "give up", "outcome", "queue", "bucket"];
    for failing in (0..1_u32 << services.len())
        .map(|set| (0..services.len()).filter(|at| set >> at & 1 == 1).map(|at| services[at]).collect::<Vec<_>>())
    {
        for login in [LOGIN, "odd", "pending", "gone", ""] {
            let fake = Fake::default();
            fake.fail(&failing);
            let step = step(&recovery(&flinks, &fake), &json!({ "loginId": login })).await;
            let events = fake.events();
            let is_stored = events.iter().any(|event| match event {
                Event::Message(..) => true,
                Event::Object(key) => key.starts_with("undelivered/AccountsDetailQueue/"),
                _ => false,
            });
            let has_outcome = events.iter().any(|event| matches!(event, Event::Outcome(..)));
            let is_put_back = events.iter().any(|event| matches!(event, Event::PutBack(..)));
            let is_given_up = events.iter().any(|event| matches!(event, Event::GaveUp(..)));
            let follows = match login {
                "pending" => is_put_back,
                "gone" => is_given_up && has_outcome,
                "" => is_given_up,
                _ => is_stored && (has_outcome || is_put_back),
            };
            assert_eq!(step.result.is_failed(), !follows, "{login} {failing:?} {events:?}");
            let last_is_outcome = matches!(events.last(), Some(Event::Outcome(..)));
            assert!(!is_stored || !has_outcome || last_is_outcome, "the outcome comes last: {events:?}");
            if step.result.is_failed() {
                assert_eq!((&line(&step)["outcome"], &line(&step)["level"]), (&json!("failed"), &json!("ERROR")));
                assert_eq!(line(&step)["RecoveryStepFailures"], 1);
                // Once all is well, the same message does what it should.
                fake.fail(&[]);
                let again = self::step(&recovery(&flinks, &fake), &json!({ "loginId": login })).await;
                assert!(!again.result.is_failed());
            }
        }
    }
}

#[tokio::test]
async fn data_of_another_login_are_not_stored() {
    let (flinks, fake) = (flinks(Behaviour::Pending(Duration::from_secs(3_600))).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    step(&recovery, &request()).await;
    let (polled, _) = put_back(&fake.events());
    flinks.add_login(Login::new(LOGIN));
    // A session of LOGIN, in a request for somebody else.
    let other = json!({ "loginId": "other", "tag": TAG, "requestId": polled["requestId"] });
    let line = line(&step(&recovery, &other).await);
    assert_eq!((&line["outcome"], &line["problem"]), (&json!("stopped"), &json!("another login")));
    let events = fake.events();
    let [Event::Outcome(_, outcome), Event::GaveUp(body, attributes)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&outcome["loginId"], &outcome["outcome"]), (&json!("other"), &json!("stopped")));
    assert_eq!((&outcome["problem"], &outcome["deliveryId"]), (&json!("another login"), &Value::Null));
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "loginId": "other", "tag": TAG }));
    assert_eq!(attributes[0], ("RecoveryProblem", "another login".to_owned()));
    // The same login in capital letters is the same, and a payload need not say whose it is.
    for login in [json!({ "Id": LOGIN.to_uppercase() }), json!({})] {
        let body = json!({ "HttpStatusCode": 200, "Login": login }).to_string();
        flinks.fault(Call::GetAccountsDetail, Calls::Next(1), Fault::Respond(200, "application/json", body.into()));
        assert!(matches!(step(&recovery, &request()).await.result, StepResult::Recovered(_)));
    }
}

#[tokio::test]
async fn a_payload_whose_outcome_fails_is_not_stored_again() {
    let flinks = flinks(Behaviour::Ready).await;
    for (failing, stored_as, metric) in
        [(&["outcome"][..], "inline", "StoredInline"), (&["outcome", "queue"], "undelivered", "StoredUndelivered")]
    {
        let fake = Fake::default();
        let recovery = recovery(&flinks, &fake);
        fake.fail(failing);
        let first = step(&recovery, &request()).await;
        let events = fake.events();
        let [Event::Message(..) | Event::Object(_), Event::PutBack(again, 15)] = &events[..] else {
            panic!("{events:?}")
        };
        let stored = again["stored"].clone();
        assert_eq!(
            (&stored["storedAs"], &stored["lastRefresh"]),
            (&json!(stored_as), &json!("2026-10-01T17:57:16.4111654"))
        );
        let first = line(&first);
        assert_eq!(
            (&first["outcome"], &first["storedAs"], &first[metric]),
            (&json!("pending"), &json!(stored_as), &json!(1))
        );
        assert_eq!((&first["deliveryId"], first.get("Recovered")), (&stored["deliveryId"], None));
        let level = if stored_as == "undelivered" { "ERROR" } else { "WARN" };
        assert_eq!(first["level"], level);
        // While the outcome fails, the message stays.
        let calls = flinks.calls(Call::GetAccountsDetail);
        let failed = step(&recovery, again).await;
        assert!(failed.result.is_failed() && fake.events().is_empty());
        // Then only the outcome is stored, and the payload is not counted again.
        fake.fail(&[]);
        let last = line(&step(&recovery, again).await);
        let events = fake.events();
        let [Event::Outcome(_, outcome)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(outcome["outcome"], "recovered");
        for member in ["deliveryId", "storedAs", "bytes", "lastRefresh"] {
            assert_eq!(outcome[member], stored[member]);
        }
        assert_eq!(
            (&last["deliveryId"], &last["Recovered"], last.get(metric)),
            (&stored["deliveryId"], &json!(1), None)
        );
        assert_eq!(flinks.calls(Call::GetAccountsDetail), calls);
        // If the request cannot be put back either, the log still says what was stored.
        fake.fail(&["outcome", "put back"]);
        let failed = line(&step(&recovery, &request()).await);
        assert_eq!((&failed["outcome"], &failed["StoredInline"]), (&json!("failed"), &json!(1)));
        assert!(failed["deliveryId"].is_string());
    }
}

#[tokio::test]
async fn newer_credentials_are_tried_at_once_when_flinks_denies_the_cached_ones() {
    let flinks = flinks(Behaviour::Ready).await;
    let keys = |secret: &str, api: &str| json!({ "secretKey": secret, "apiKey": api }).to_string();
    for (call, code) in [(Call::GenerateAuthorizeToken, "ACCESS_DENIED"), (Call::GetAccountsDetail, "UNAUTHORIZED")] {
        let fake = Fake::default();
        *fake.keys.lock().unwrap() = Some(("1".to_owned(), keys(SECRET_KEY, API_KEY)));
        let recovery = recovery(&flinks, &fake);
        assert!(matches!(step(&recovery, &request()).await.result, StepResult::Recovered(_)));
        // Flinks denies the cached ones.
        *fake.keys.lock().unwrap() = Some(("2".to_owned(), keys(SECRET_KEY, API_KEY)));
        flinks.fault(call, Calls::Next(1), Fault::Code(401, code));
        fake.events();
        assert!(matches!(step(&recovery, &request()).await.result, StepResult::Recovered(_)), "{call:?}");
        // Denied again within 30 seconds: the credentials may be old, so the request is not given up.
        flinks.fault(call, Calls::Next(1), Fault::Code(401, code));
        fake.events();
        step(&recovery, &request()).await;
        assert_eq!(put_back(&fake.events()).1, 15);
    }
}

#[tokio::test]
async fn wrong_credentials_stop_a_request_only_after_some_minutes() {
    let flinks = flinks(Behaviour::Ready).await;
    let keys = |secret: &str, api: &str| json!({ "secretKey": secret, "apiKey": api }).to_string();
    let fake = Fake::default();
    *fake.keys.lock().unwrap() = Some(("1".to_owned(), keys("wrong-secret-key", "wrong-api-key")));
    // Each step is that of a new instance.
    let mut again = request();
    for expected in [15, 30, 60, 120] {
        step(&recovery(&flinks, &fake), &again).await;
        let (next, delay) = put_back(&fake.events());
        assert_eq!(delay, expected);
        again = next;
    }
    step(&recovery(&flinks, &fake), &again).await;
    let (outcome, attributes) = ended(&fake.events());
    assert_eq!(outcome["outcome"], "stopped");
    assert_eq!(attributes[0], ("FlinksCode", "UNAUTHORIZED".to_owned()));
    // With the right ones in between, the request is not lost.
    *fake.keys.lock().unwrap() = None;
    assert!(matches!(step(&recovery(&flinks, &fake), &again).await.result, StepResult::Recovered(_)));
    // Newer credentials that Flinks denies as well do not end the request either.
    let fake = Fake::default();
    let recovery = recovery(&flinks, &fake);
    step(&recovery, &request()).await;
    fake.events();
    *fake.keys.lock().unwrap() = Some(("2".to_owned(), keys("wrong-secret-key", "wrong-api-key")));
    flinks.fault(Call::GetAccountsDetail, Calls::Next(1), Fault::Code(401, "ACCESS_DENIED"));
    step(&recovery, &request()).await;
    assert_eq!(put_back(&fake.events()).1, 15);
}

#[tokio::test]
async fn two_recoveries_of_one_login_are_two_deliveries() {
    let (flinks, fake) = (flinks(Behaviour::Ready).await, Fake::default());
    let recovery = recovery(&flinks, &fake);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let StepResult::Recovered(payload) = step(&recovery, &request()).await.result else { panic!() };
        ids.push(payload.delivery_id);
    }
    assert_ne!(ids[0], ids[1]);
}
