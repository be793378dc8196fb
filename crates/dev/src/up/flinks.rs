//! The local Flinks beside the receiver: it gives back the data of the callbacks that were posted to the receiver.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Mutex, PoisonError},
};

use local_flinks::{API_KEY, CUSTOMER_ID, LocalFlinks, Login, SECRET_KEY};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::samples;

/// How many bytes the callbacks' data may have together, so that a load test does not fill the memory. The oldest
/// logins are deleted first. A single callback always fits.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The login that the printed commands use. It is the one of the sample accounts-detail.
const EXAMPLE_LOGIN: &str = "6b818cd8-359f-41c8-2246-08de0113edf4";

/// A running local Flinks.
pub(super) struct Flinks {
    server: LocalFlinks,
    kept: Mutex<Kept>,
    max_bytes: usize,
}

/// The logins that came from callbacks.
#[derive(Default)]
struct Kept {
    /// How many bytes the data of each login have, by LoginId.
    logins: HashMap<String, usize>,
    /// Oldest data first.
    order: VecDeque<String>,
    bytes: usize,
}

/// The credentials for Flinks' API, in the form of the secret that a recovery reads.
pub(super) fn credentials() -> Value {
    json!({ "secretKey": SECRET_KEY, "apiKey": API_KEY })
}

impl Flinks {
    /// Starts on these sockets, with the logins of the samples and with those of the local Flinks itself.
    ///
    /// # Errors
    /// If the first socket has no address.
    pub(super) fn start((first, second): (TcpListener, Option<TcpListener>)) -> io::Result<Self> {
        let server = LocalFlinks::with_listener(first)?;
        if let Some(second) = second {
            server.serve(second);
        }
        let flinks = Self { server, kept: Mutex::default(), max_bytes: MAX_BYTES };
        // Several samples have the same login. The first sample comes last, so its data stay.
        for sample in samples::all().iter().rev().filter(|sample| sample.expected.status() == 200) {
            flinks.add(&sample.body);
        }
        Ok(flinks)
    }

    /// Adds the login of a callback. A GetAccountsDetail callback brings its data, which replace older ones. Any other
    /// callback with a LoginId adds a login with made-up data, unless there is one with a callback's data.
    pub(super) fn add(&self, payload: &[u8]) {
        let (login, bytes) = match Login::from_callback(payload) {
            Some(login) => (login, payload.len()),
            None => match serde_json::from_slice::<Payload>(payload) {
                Ok(payload) => (payload.login.made_up(), 0),
                Err(_) => return,
            },
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.logins.get(login.id()).copied() {
            Some(old) if bytes == 0 && old > 0 => return,
            Some(old) => {
                kept.bytes = kept.bytes.saturating_sub(old);
                kept.order.retain(|id| id != login.id());
            }
            None => {}
        }
        kept.order.push_back(login.id().to_owned());
        kept.logins.insert(login.id().to_owned(), bytes);
        kept.bytes = kept.bytes.saturating_add(bytes);
        while kept.bytes > self.max_bytes
            && let Some(oldest) = kept.order.pop_front_if(|oldest| oldest != login.id())
        {
            let freed = kept.logins.remove(&oldest).unwrap_or_default();
            kept.bytes = kept.bytes.saturating_sub(freed);
            self.server.delete_login(&oldest);
        }
        self.server.add_login(login);
    }

    /// Everything that a script needs to call it.
    pub(super) fn json(&self) -> Value {
        let logins = self.server.logins();
        let logins = logins.iter().map(|login| {
            json!({
                "loginId": login.id(), "username": login.username(), "behaviour": login.behaviour().to_string(),
            })
        });
        json!({
            "endpoint": self.server.endpoint(),
            "customerId": CUSTOMER_ID,
            "secretKey": SECRET_KEY,
            "apiKey": API_KEY,
            "logins": logins.collect::<Vec<_>>(),
            "commands": self.commands(),
        })
    }

    pub(super) fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// One line for each login.
    pub(super) fn logins(&self) -> Vec<String> {
        let logins = self.server.logins();
        let line = |login: &Login| format!("{}  {:<24}  {}", login.id(), login.username(), login.behaviour());
        logins.iter().map(line).collect()
    }

    /// The commands of a shell that fetch the data of a login.
    pub(super) fn commands(&self) -> Vec<String> {
        const JSON: &str = "-H 'Content-Type: application/json'";
        let member = |name: &str| format!(r#"sed 's/.*"{name}":"\([^"]*\)".*/\1/'"#);
        let (token, request_id) = (member("Token"), member("RequestId"));
        vec![
            format!("FLINKS={}/v3/{CUSTOMER_ID}/BankingServices", self.server.endpoint()),
            format!(
                "TOKEN=$(curl -s -X POST $FLINKS/GenerateAuthorizeToken -H 'flinks-auth-key: {SECRET_KEY}' | {token})"
            ),
            format!(
                "REQUEST=$(curl -s $FLINKS/Authorize -H \"flinks-auth-key: $TOKEN\" {JSON} -d \
                 '{{\"LoginId\":\"{EXAMPLE_LOGIN}\",\"MostRecentCached\":true}}' | {request_id})"
            ),
            format!(
                "curl -s $FLINKS/GetAccountsDetail -H 'x-api-key: {API_KEY}' {JSON} -d \"{{\\\"RequestId\\\":\
                 \\\"$REQUEST\\\"}}\""
            ),
            format!("curl -s $FLINKS/GetAccountsDetailAsync/$REQUEST -H 'x-api-key: {API_KEY}'   # only after a 202"),
        ]
    }
}

/// What any callback of the aggregation products says of its login.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "Login")]
    login: PayloadLogin,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PayloadLogin {
    /// A fraud alert has another name for it.
    #[serde(alias = "LoginId")]
    id: String,
    username: Option<String>,
    last_refresh: Option<String>,
}

impl PayloadLogin {
    fn made_up(self) -> Login {
        let mut login = Login::new(self.id);
        if let Some(username) = self.username {
            login = login.with_username(username);
        }
        if let Some(last_refresh) = self.last_refresh {
            login = login.refreshed(last_refresh);
        }
        login
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn flinks() -> Flinks {
        Flinks::start((TcpListener::bind("127.0.0.1:0").await.unwrap(), None)).unwrap()
    }

    fn login(flinks: &Flinks, id: &str) -> Option<Login> {
        flinks.server.logins().into_iter().find(|login| login.id() == id)
    }

    #[tokio::test]
    async fn the_samples_have_logins() {
        let flinks = flinks().await;
        let example = login(&flinks, EXAMPLE_LOGIN).unwrap();
        assert_eq!(example.last_refresh(), "2026-10-01T17:57:16.4111654", "of accounts-detail, not of a later sample");
        for kyc_or_fraud in ["5e115eac-1209-4f19-641c-08d6d484e2fe", "2c4b6a88-1357-4246-9bdf-02468ace1357"] {
            assert!(login(&flinks, kyc_or_fraud).is_some(), "{kyc_or_fraud}");
        }
        assert_eq!(login(&flinks, "5e115eac-1209-4f19-641c-08d6d484e2fe").unwrap().username(), "zoe_example");
    }

    #[tokio::test]
    async fn a_newer_callback_replaces_the_data_and_another_kind_does_not() {
        let flinks = flinks().await;
        let callback = |kind: &str, refreshed: &str| {
            let login = json!({ "Id": "l-1", "Username": "ada", "LastRefresh": refreshed });
            json!({ "ResponseType": kind, "HttpStatusCode": 200, "Login": login }).to_string()
        };
        for (kind, refreshed, expected) in [
            ("KYC", "0", "0"),
            ("KYC", "1", "1"),
            ("GetAccountsDetail", "2", "2"),
            ("KYC", "3", "2"),
            ("GetAccountsDetail", "4", "4"),
        ] {
            flinks.add(callback(kind, refreshed).as_bytes());
            let login = login(&flinks, "l-1").unwrap();
            assert_eq!((login.last_refresh(), login.username()), (expected, "ada"), "{kind} {refreshed}");
        }
        flinks.add(b"[1]");
        flinks.add(b"\xff");
    }

    #[tokio::test]
    async fn the_oldest_logins_make_room() {
        let flinks = Flinks { max_bytes: 10_000, ..flinks().await };
        let padding = "x".repeat(6_000);
        for id in ["first", "second", "third"] {
            let login = json!({ "Id": id });
            let payload = json!({
                "ResponseType": "GetAccountsDetail", "HttpStatusCode": 200, "Login": login, "Padding": padding,
            });
            flinks.add(payload.to_string().as_bytes());
        }
        let there = ["first", "second", "third"].map(|id| login(&flinks, id).is_some());
        assert_eq!(there, [false, false, true]);
        assert!(login(&flinks, "f1a45000-0000-4000-8001-000000000001").is_some(), "the test users stay");
    }
}
