//! [`FlinksApi`]: the calls of a recovery.

use std::fmt;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::call::{self, Call};
use crate::failure::{Cause, Failure, Pace};
use crate::final_response::FinalResponse;
use crate::flinks_code::FlinksCode;
use crate::limits::ID_BYTES;
use crate::request::{AccountsDetail, Authorize};
use crate::request_id::RequestId;
use crate::response::Received;
use crate::settings::{Header, Settings, SettingsError};
use crate::transport::{self, Transport};
use crate::verdict::{Verdict, no_response, text, verdict};

/// A client of Flinks' API. Clones share their connections. Each method makes one attempt.
#[derive(Clone)]
pub struct FlinksApi {
    settings: Settings,
    transport: Transport,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub request_id: RequestId,
    /// The error of the login's last live attempt, if Authorize repeated one. The RequestId works all the same. If it
    /// then gives no data for good, this is why.
    pub replayed: Option<FlinksCode>,
}

impl FlinksApi {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// If the endpoint needs TLS and this machine has no root certificates.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let transport = transport::network(&settings.scheme)?;
        Ok(Self { settings, transport })
    }

    /// A client over other connections, for tests in virtual time.
    #[cfg(feature = "test-util")]
    pub fn over<C>(settings: Settings, connector: C) -> Self
    where
        C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
    {
        Self { settings, transport: transport::over(connector) }
    }

    /// Opens a session for the newest data that Flinks has of a login. The bank is not asked. Each call makes a new
    /// token and a new RequestId.
    ///
    /// # Errors
    /// Never [`Failure::NotReady`].
    pub async fn authorize_cached(&self, login_id: &str) -> Result<Session, Failure> {
        self.authorize_cached_with_tag(login_id, None).await
    }

    /// The same, with a tag for this session. Documented: Flinks attaches the tag to the request. Inferred: the data then
    /// have it as `Tag`, as those of a callback have the tag of Connect.
    ///
    /// # Errors
    /// As [`FlinksApi::authorize_cached`].
    pub async fn authorize_cached_with_tag(&self, login_id: &str, tag: Option<&str>) -> Result<Session, Failure> {
        if !(1..=ID_BYTES).contains(&login_id.len()) {
            return Err(Failure::Stop(Cause::InvalidLoginId));
        }
        let credential = match &self.settings.headers.authorize_token {
            None => None,
            Some(header) => Some(credential(header, &self.token().await?)?),
        };
        let body = json(&Authorize { login_id, most_recent_cached: true, tag });
        let received = self.send(Method::POST, "Authorize", credential, body).await?;
        match verdict(&received) {
            Verdict::Success(envelope) => {
                let request_id = envelope.request_id.and_then(text).as_deref().and_then(RequestId::read);
                let request_id = request_id.ok_or(Failure::RetryLater(Pace::FewTimes, Cause::Incomplete))?;
                Ok(Session { request_id, replayed: None })
            }
            Verdict::Failed { failure, row, request_id } => {
                let request_id = request_id.as_deref().and_then(RequestId::read);
                let is_replayed = row.is_some_and(|row| row.is_replayed);
                match (failure.cause(), request_id) {
                    (Cause::Code(code), Some(request_id)) if is_replayed => {
                        Ok(Session { request_id, replayed: Some(code.clone()) })
                    }
                    _ => Err(without_polling(failure)),
                }
            }
        }
    }

    /// Asks for the data of a session. The body of the final response is as Flinks sent it.
    ///
    /// # Errors
    /// With [`Failure::NotReady`], go on with [`FlinksApi::accounts_detail_async`].
    pub async fn accounts_detail(&self, request_id: &RequestId) -> Result<FinalResponse, Failure> {
        let body = json(&AccountsDetail { request_id: request_id.as_str(), options: self.settings.options });
        self.data(Method::POST, "GetAccountsDetail", body).await
    }

    /// Polls for the data of a session, after a [`Failure::NotReady`].
    ///
    /// # Errors
    /// With [`Failure::NotReady`], poll again. After a [`Failure::RetryLater`] with [`Pace::BackOff`], a poll can also be
    /// repeated with the same RequestId: a lost poll ends nothing, and `SESSION_NONEXISTENT` says when the session is
    /// over. (Inferred.)
    pub async fn accounts_detail_async(&self, request_id: &RequestId) -> Result<FinalResponse, Failure> {
        let path = format!("GetAccountsDetailAsync/{}", request_id.as_str());
        self.data(Method::GET, &path, Bytes::new()).await
    }

    async fn data(&self, method: Method, path: &str, body: Bytes) -> Result<FinalResponse, Failure> {
        let credential = credential(&self.settings.headers.api_key, &self.settings.credentials.api_key)?;
        let received = self.send(method, path, Some(credential), body).await?;
        match verdict(&received) {
            Verdict::Success(_) => {}
            Verdict::Failed { failure, .. } => return Err(failure),
        }
        Ok(FinalResponse::new(received.body))
    }

    /// Makes a token for one Authorize.
    async fn token(&self) -> Result<Zeroizing<String>, Failure> {
        let credential = credential(&self.settings.headers.secret_key, &self.settings.credentials.secret_key)?;
        let received = self.send(Method::POST, "GenerateAuthorizeToken", Some(credential), Bytes::new()).await?;
        match verdict(&received) {
            Verdict::Success(envelope) => {
                let token = envelope.token.and_then(text).map(Zeroizing::new);
                token.ok_or(Failure::RetryLater(Pace::FewTimes, Cause::Incomplete))
            }
            Verdict::Failed { failure, .. } => Err(without_polling(failure)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        credential: Option<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Received, Failure> {
        // The parts of a path are checked, so there is always a URI.
        let uri: Uri = self.settings.uri(path).ok_or(Failure::Stop(Cause::Incomplete))?;
        call::send(&self.transport, Call { method, uri, credential, body }).await.map_err(no_response)
    }
}

/// The header with a credential. A token that cannot be in a header counts as missing.
fn credential(header: &Header, credential: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    header.with(credential).ok_or(Failure::RetryLater(Pace::FewTimes, Cause::Incomplete))
}

/// Before GetAccountsDetail there is nothing to poll.
fn without_polling(failure: Failure) -> Failure {
    match failure {
        Failure::NotReady(cause) => Failure::RetryLater(Pace::Soon, cause),
        failure => failure,
    }
}

/// Serialisation fails only for maps whose keys are not strings, and there are none here.
fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}

/// Prints only where it connects to.
impl fmt::Debug for FlinksApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlinksApi").field(&self.settings.authority).finish()
    }
}
