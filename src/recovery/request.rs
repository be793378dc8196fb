//! [`Request`]: a message of `RecoveryQueue`, which says what to recover and how far that is.

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use flinks_api::RequestId;
use serde_json::{Map, Value, json};

use crate::{
    delivery::{DeliveryId, StoredAs},
    timestamp::rfc3339,
};

const LOGIN_ID: &str = "loginId";
const TAG: &str = "tag";
const REQUEST_ID: &str = "requestId";
const STARTED_AT: &str = "startedAt";
const ATTEMPT: &str = "attempt";
const FEW_TIMES: &str = "fewTimes";
const POLLING_SINCE: &str = "pollingSince";
const NOT_BEFORE: &str = "notBefore";
const LAST_STEP: &str = "lastStepAt";
const RESTARTS: &str = "restarts";
const STORED: &str = "stored";

/// What the function itself adds to a request. A request from outside has none of these.
const OWN: [&str; 9] =
    [REQUEST_ID, STARTED_AT, ATTEMPT, FEW_TIMES, POLLING_SINCE, NOT_BEFORE, LAST_STEP, RESTARTS, STORED];

/// A request to recover a login's data.
#[derive(Clone)]
pub struct Request {
    pub login_id: String,
    pub tag: Option<String>,
    pub progress: Progress,
    /// The payload, if only its outcome is missing.
    pub stored: Option<StoredPayload>,
    /// The members from outside, also those that are not known here.
    members: Map<String, Value>,
}

/// A payload that is stored.
#[derive(Clone, Debug)]
pub struct StoredPayload {
    pub delivery_id: DeliveryId,
    pub stored_as: StoredAs,
    pub bytes: usize,
    /// `Login.LastRefresh`. It is for the outcome, and in no log.
    pub last_refresh: Option<String>,
}

/// How far a request is.
#[derive(Clone)]
pub struct Progress {
    /// The session whose data Flinks still processes.
    pub request_id: Option<RequestId>,
    /// When the function first saw the request, or when the request began from the start.
    pub started_at: SystemTime,
    /// How often the request began again.
    pub attempt: u32,
    /// How often it failed in a way that is retried only a few times.
    pub few_times: u32,
    /// When the session's first 202 came.
    pub polling_since: Option<SystemTime>,
    /// Until then, Flinks is not asked.
    pub not_before: Option<SystemTime>,
    /// When the request was last put back. `None` if it never was.
    pub last_step: Option<SystemTime>,
    /// How often the request began from the start because its message waited elsewhere.
    pub restarts: u32,
}

impl Progress {
    /// That of a new request.
    pub fn begin(now: SystemTime) -> Self {
        Self {
            request_id: None,
            started_at: now,
            attempt: 0,
            few_times: 0,
            polling_since: None,
            not_before: None,
            last_step: None,
            restarts: 0,
        }
    }

    /// Since when its session is polled. `None` without a session.
    pub fn polled_since(&self) -> Option<SystemTime> {
        self.request_id.is_some().then(|| self.polling_since.unwrap_or(self.started_at))
    }

    /// The same without its session.
    pub fn without_session(self) -> Self {
        Self { request_id: None, polling_since: None, ..self }
    }
}

impl Request {
    /// Reads a message. `None` if it is not a JSON object with a LoginId. What cannot be read of the progress counts as
    /// absent: the request then begins again.
    pub fn read(body: &str, now: SystemTime) -> Option<Self> {
        let Value::Object(mut members) = serde_json::from_str(body).ok()? else { return None };
        let login_id = text(members.get(LOGIN_ID)?).filter(|id| !id.is_empty())?;
        let tag = members.get(TAG).and_then(text).filter(|tag| !tag.is_empty());
        let [request_id, started_at, attempt, few_times, polling_since, not_before, last_step, restarts, stored] =
            OWN.map(|name| members.remove(name).unwrap_or_default());
        // A time in the future would never pass.
        let past = |value: &Value| time(value).map(|time| time.min(now));
        let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default();
        let progress = Progress {
            request_id: request_id.as_str().and_then(RequestId::read),
            attempt: number(&attempt),
            few_times: number(&few_times),
            polling_since: past(&polling_since),
            not_before: time(&not_before),
            last_step: past(&last_step),
            restarts: number(&restarts),
            ..Progress::begin(past(&started_at).unwrap_or(now))
        };
        Some(Self { login_id, tag, progress, stored: stored_payload(&stored), members })
    }

    /// The same request, this far.
    pub fn with_progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// The same request, of which only the outcome of this payload is missing.
    pub fn with_stored(self, stored: StoredPayload) -> Self {
        Self { stored: Some(stored), ..self }
    }

    /// The message with which the request goes on.
    pub fn message(&self) -> String {
        let Progress { request_id, started_at, attempt, few_times, polling_since, not_before, last_step, restarts } =
            &self.progress;
        let mut members = self.members.clone();
        members.insert(STARTED_AT.to_owned(), rfc3339(*started_at).into());
        members.insert(ATTEMPT.to_owned(), (*attempt).into());
        if let Some(request_id) = request_id {
            members.insert(REQUEST_ID.to_owned(), request_id.as_str().into());
        }
        for (name, number) in [(FEW_TIMES, *few_times), (RESTARTS, *restarts)] {
            if number > 0 {
                members.insert(name.to_owned(), number.into());
            }
        }
        for (name, time) in [(POLLING_SINCE, polling_since), (NOT_BEFORE, not_before), (LAST_STEP, last_step)] {
            if let Some(time) = time {
                members.insert(name.to_owned(), rfc3339(*time).into());
            }
        }
        if let Some(StoredPayload { delivery_id, stored_as, bytes, last_refresh }) = &self.stored {
            let stored = json!({
                "deliveryId": delivery_id, "storedAs": stored_as.label(), "bytes": bytes, "lastRefresh": last_refresh,
            });
            members.insert(STORED.to_owned(), stored);
        }
        body(members)
    }

    /// The request as it came from outside.
    pub fn original(&self) -> String {
        body(self.members.clone())
    }

    /// How long the request waits before Flinks is asked again.
    pub fn waits(&self, now: SystemTime) -> Option<Duration> {
        self.progress.not_before?.duration_since(now).ok().filter(|left| !left.is_zero())
    }
}

/// The members as the body of a message. SQS rejects two characters that JSON need not escape. In JSON they can only be
/// in a text or a name, so their escapes mean the same.
fn body(members: Map<String, Value>) -> String {
    Value::Object(members).to_string().replace('\u{FFFE}', r"\ufffe").replace('\u{FFFF}', r"\uffff")
}

/// A text without the white space around it, which people paste with it. A number counts as its text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn stored_payload(value: &Value) -> Option<StoredPayload> {
    let text = |name| value.get(name).and_then(Value::as_str);
    Some(StoredPayload {
        delivery_id: DeliveryId::parse(text("deliveryId")?)?,
        stored_as: StoredAs::ALL.into_iter().find(|known| Some(known.label()) == text("storedAs"))?,
        bytes: value.get("bytes")?.as_u64()?.try_into().ok()?,
        last_refresh: text("lastRefresh").map(str::to_owned),
    })
}

fn time(value: &Value) -> Option<SystemTime> {
    DateTime::from_str(value.as_str()?, Format::DateTime).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(millis: u64) -> SystemTime {
        NOW + Duration::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_request_from_outside_begins_now() {
        for body in [
            r#"{"loginId":"l-1","tag":"t"}"#,
            r#"{"tag":" t\n","loginId":"  l-1 ","more":{"a":[1]},"startedAt":5,"attempt":-1,"requestId":"../x"}"#,
            r#"{"loginId":"l-1","tag":"t","startedAt":"2099-01-01T00:00:00Z","notBefore":"soon","attempt":"2"}"#,
        ] {
            let request = Request::read(body, at(0)).unwrap();
            assert_eq!((request.login_id.as_str(), request.tag.as_deref()), ("l-1", Some("t")), "{body}");
            let Progress { request_id, started_at, attempt, few_times, polling_since, not_before, last_step, restarts } =
                request.progress;
            assert_eq!((request_id, started_at, attempt, few_times, restarts), (None, at(0), 0, 0, 0), "{body}");
            assert_eq!((polling_since, not_before, last_step), (None, None, None), "{body}");
        }
        assert_eq!(Request::read(r#"{"loginId":7,"tag":1001}"#, NOW).unwrap().tag.as_deref(), Some("1001"));
        for without_tag in [r#"{"loginId":"l"}"#, r#"{"loginId":"l","tag":null}"#, r#"{"loginId":"l","tag":" "}"#] {
            assert_eq!(Request::read(without_tag, NOW).unwrap().tag, None);
        }
    }

    #[test]
    fn what_is_not_a_request_is_unreadable() {
        for body in [
            "",
            "l-1",
            "\"l-1\"",
            "[]",
            "{}",
            "{",
            "null",
            r#"{"loginId":""}"#,
            r#"{"loginId":" "}"#,
            r#"{"loginId":null}"#,
            r#"{"loginId":["l"]}"#,
            r#"{"LoginId":"l"}"#,
            r#"{"loginId":"l"} x"#,
        ] {
            assert!(Request::read(body, NOW).is_none(), "{body}");
        }
    }

    #[test]
    fn what_sqs_rejects_in_a_body_stays_escaped() {
        let escaped = r#"{"loginId":"l","more \uffff":"\u0000\u001f\ufffe","tag":"\uFFFF"}"#;
        let request = Request::read(escaped, at(0)).unwrap();
        assert_eq!(request.tag.as_deref(), Some("\u{FFFF}"));
        for body in [request.message(), request.original()] {
            let is_legal = |c: char| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}');
            assert!(body.chars().all(is_legal), "{body}");
            let same = Request::read(&body, at(0)).unwrap();
            assert_eq!((same.tag, same.members), (request.tag.clone(), request.members.clone()));
        }
        assert_eq!(request.original(), escaped.replace("FFFF", "ffff"));
    }

    #[test]
    fn a_request_comes_back_as_it_went_and_the_original_has_nothing_of_the_functions_own() {
        let mut request = Request::read(r#"{"loginId":"l-1","tag":"t","more":{"a":[1]}}"#, at(0)).unwrap();
        let original = request.original();
        request.progress = Progress {
            request_id: RequestId::read("r-1"),
            started_at: at(123),
            attempt: 3,
            few_times: 2,
            polling_since: Some(at(456)),
            not_before: Some(at(99_000)),
            last_step: Some(at(789)),
            restarts: 1,
        };
        let read = Request::read(&request.message(), at(50_000)).unwrap();
        assert_eq!(read.message(), request.message());
        assert_eq!(read.progress.started_at, at(123));
        assert_eq!((read.progress.last_step, read.progress.restarts), (Some(at(789)), 1));
        assert_eq!(read.waits(at(50_000)), Some(Duration::from_secs(49)));
        assert_eq!(read.waits(at(99_000)), None);
        assert_eq!(read.original(), original);
        let original: Value = serde_json::from_str(&original).unwrap();
        assert_eq!(original, serde_json::json!({ "loginId": "l-1", "tag": "t", "more": { "a": [1] } }));
    }
}
