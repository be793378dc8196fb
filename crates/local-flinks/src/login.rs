//! Logins: how the API behaves for each, and its data.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::account;

/// How long a synchronous call may take. After that, Flinks responds 202 with `OPERATION_DISPATCHED`.
pub const SYNCHRONOUS_LIMIT: Duration = Duration::from_secs(210);

/// How the API behaves for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// GetAccountsDetail responds 200 at once.
    Ready,
    /// The data are there this long after the first GetAccountsDetail. Until then, a call gets a 202 with
    /// `OPERATION_PENDING`.
    Pending(Duration),
    /// The first GetAccountsDetail responds after `held`, with a 202, `OPERATION_DISPATCHED` and a part of the data. The
    /// data are there `then` later.
    Dispatched { held: Duration, then: Duration },
    /// Authorize responds with this status and FlinksCode, and without a RequestId.
    Refused(u16, &'static str),
    /// The last live attempt failed: Authorize responds with this status and FlinksCode. In cached mode the error has a
    /// RequestId that works.
    Replayed(u16, &'static str),
    /// Authorize responds 203 with security challenges, even in cached mode.
    Challenged,
}

impl Behaviour {
    /// The data are there in 20 seconds.
    pub const QUICKLY_READY: Behaviour = Behaviour::Pending(Duration::from_secs(20));

    /// The call takes the 210 seconds that a call may take, and the data are there a minute later.
    pub const SLOW: Behaviour = Behaviour::Dispatched { held: SYNCHRONOUS_LIMIT, then: Duration::from_secs(60) };
}

/// Says what happens, for a list of logins.
impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("the data are ready"),
            Self::Pending(then) => write!(f, "OPERATION_PENDING, and the data {} s later", then.as_secs()),
            Self::Dispatched { held, then } => {
                let (held, then) = (held.as_secs(), then.as_secs());
                write!(f, "OPERATION_DISPATCHED after {held} s, and the data {then} s later")
            }
            Self::Refused(status, code) => write!(f, "{status} {code}"),
            Self::Replayed(status, code) => write!(f, "{status} {code} with a RequestId that works"),
            Self::Challenged => f.write_str("203: the user must respond"),
        }
    }
}

/// A login: a made-up person's connection to Flinks' test bank.
#[derive(Clone)]
pub struct Login {
    id: String,
    username: String,
    last_refresh: String,
    behaviour: Behaviour,
    /// Whether a live Authorize asks security questions.
    asks_questions: bool,
    data: Data,
}

#[derive(Clone)]
enum Data {
    /// Generated for each response, as long as this or a little longer.
    MadeUp { bytes: usize },
    /// The members of a payload.
    Members(account::Members),
}

impl Login {
    /// A login with made-up data, which are ready.
    pub fn new(id: impl Into<String>) -> Login {
        Login {
            id: id.into(),
            username: "sam_example".to_owned(),
            last_refresh: "2026-10-01T17:57:16.4111654".to_owned(),
            behaviour: Behaviour::Ready,
            asks_questions: false,
            data: Data::MadeUp { bytes: 0 },
        }
    }

    /// The login of a GetAccountsDetail callback, with the callback's data: all its members but `ResponseType`, with
    /// the text of their values unchanged. Only the RequestId is a new one for each Authorize. `None` for any other
    /// payload, and for one without a LoginId.
    pub fn from_callback(payload: &[u8]) -> Option<Login> {
        let text = std::str::from_utf8(payload).ok()?;
        let head: Head = serde_json::from_str(text).ok()?;
        let login = head.login?;
        if head.response_type.as_deref() != Some("GetAccountsDetail") || head.http_status_code != Some(200) {
            return None;
        }
        let mut members = account::members(text)?;
        members.retain(|(name, _)| name != "ResponseType");
        let mut made = Login::new(login.id?);
        made.username = login.username.unwrap_or(made.username);
        made.last_refresh = login.last_refresh.unwrap_or(made.last_refresh);
        made.data = Data::Members(members);
        Some(made)
    }

    /// With this behaviour.
    #[must_use]
    pub fn behaves(self, behaviour: Behaviour) -> Login {
        Login { behaviour, ..self }
    }

    /// With made-up data of at least this many bytes.
    #[must_use]
    pub fn with_bytes(self, bytes: usize) -> Login {
        Login { data: Data::MadeUp { bytes }, ..self }
    }

    /// With this user name.
    #[must_use]
    pub fn with_username(self, username: impl Into<String>) -> Login {
        Login { username: username.into(), ..self }
    }

    /// With this `LastRefresh`. The data of a callback keep their own.
    #[must_use]
    pub fn refreshed(self, last_refresh: impl Into<String>) -> Login {
        Login { last_refresh: last_refresh.into(), ..self }
    }

    /// The LoginId.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn username(&self) -> &str {
        &self.username
    }

    pub fn last_refresh(&self) -> &str {
        &self.last_refresh
    }

    pub fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    pub(crate) fn asks_questions(&self) -> bool {
        self.asks_questions
    }

    /// Flinks' own test users, of the bank FlinksCapital. The LoginIds are made up. Flinks has one more, for
    /// `OPERATION_PENDING`, whose name is not published where we looked.
    pub fn test_users() -> Vec<Login> {
        let user = |number: u32, name: &str| Login::new(made_up_id(1, number)).with_username(name);
        let greatday = Login { asks_questions: true, ..user(1, "greatday") };
        vec![
            greatday,
            user(2, "greatday_nomfa"),
            user(3, "test_disabled_account").behaves(Behaviour::Refused(401, "DISABLED_LOGIN")),
            user(4, "test_service_unavailable").behaves(Behaviour::Refused(401, "RETRY_LATER")),
            user(5, "test_dispatched")
                .behaves(Behaviour::Dispatched { held: Duration::ZERO, then: Duration::from_secs(20) }),
        ]
    }

    /// Examples of behaviour that none of Flinks' test users has.
    pub fn examples() -> Vec<Login> {
        /// More than API Gateway and Lambda accept as a callback.
        const OVERSIZED: usize = 8_000_000;
        let user = |number: u32, name: &str| Login::new(made_up_id(2, number)).with_username(name);
        vec![
            user(1, "example_pending").behaves(Behaviour::QUICKLY_READY),
            user(2, "example_slow").behaves(Behaviour::SLOW),
            user(3, "example_question").behaves(Behaviour::Replayed(401, "QUESTION_NOT_FOUND")),
            user(4, "example_new_password").behaves(Behaviour::Refused(401, "INVALID_PASSWORD")),
            user(5, "example_challenged").behaves(Behaviour::Challenged),
            user(6, "example_oversized").with_bytes(OVERSIZED),
        ]
    }

    /// The body of the final 200.
    pub(crate) fn body(&self, response: &account::For<'_>) -> Bytes {
        let members = match &self.data {
            Data::MadeUp { bytes } => account::made_up(&self.summary(), *bytes),
            Data::Members(members) => members.clone(),
        };
        account::object(members, response)
    }

    /// `Login`, a part of several responses.
    pub(crate) fn summary(&self) -> account::LoginSummary<'_> {
        account::LoginSummary {
            username: &self.username,
            is_scheduled_refresh: false,
            last_refresh: &self.last_refresh,
            login_type: "Personal",
            id: &self.id,
        }
    }
}

/// Prints no data.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("id", &self.id).field("behaviour", &self.behaviour).finish_non_exhaustive()
    }
}

fn made_up_id(group: u32, number: u32) -> String {
    format!("f1a45000-0000-4000-800{group}-{number:012}")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    response_type: Option<String>,
    http_status_code: Option<u16>,
    login: Option<HeadLogin>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HeadLogin {
    id: Option<String>,
    username: Option<String>,
    last_refresh: Option<String>,
}
