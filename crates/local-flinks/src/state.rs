//! What the server knows: logins, tokens and sessions.

use std::collections::BTreeMap;

use tokio::time::Instant;
use uuid::Uuid;

use crate::login::Login;
use crate::session::{Session, Stage, TOKEN_LIFETIME, Token};

#[derive(Default)]
pub(crate) struct State {
    /// By LoginId.
    pub(crate) logins: BTreeMap<String, Known>,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// By RequestId.
    sessions: BTreeMap<String, Session>,
}

/// A login, and when its data are there.
pub(crate) struct Known {
    pub(crate) login: Login,
    /// Set by the first call that has to wait.
    pub(crate) ready_at: Option<Instant>,
}

impl State {
    /// Adds or replaces a login.
    pub(crate) fn add(&mut self, login: Login) {
        self.logins.insert(login.id().to_owned(), Known { login, ready_at: None });
    }

    /// Opens a session with a new RequestId. Forgets what has expired.
    pub(crate) fn open(&mut self, login: &str, tag: Option<String>, stage: Stage) -> String {
        let now = Instant::now();
        self.sessions.retain(|_, session| session.is_alive(now));
        self.tokens.retain(|_, token| now - token.made < TOKEN_LIFETIME);
        let request_id = Uuid::new_v4().to_string();
        self.sessions.insert(request_id.clone(), Session { login: login.to_owned(), tag, used: now, stage });
        request_id
    }

    /// The session of a RequestId that has not expired. This is a use of it.
    pub(crate) fn session(&mut self, request_id: &str) -> Option<&mut Session> {
        let now = Instant::now();
        let session = self.sessions.get_mut(request_id).filter(|session| session.is_alive(now))?;
        session.used = now;
        Some(session)
    }

    pub(crate) fn end_session(&mut self, request_id: &str) {
        self.sessions.remove(request_id);
    }

    pub(crate) fn end_sessions(&mut self) {
        self.sessions.clear();
    }
}
