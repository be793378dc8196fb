//! [`Settings`]: where Flinks' API is, and our credentials for it.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use zeroize::Zeroizing;

use crate::limits::ID_BYTES;
use crate::request::DetailOptions;

/// The two credentials. Both are wiped from memory on drop, and never printed.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) secret_key: Zeroizing<String>,
    pub(crate) api_key: Zeroizing<String>,
}

impl Credentials {
    /// `secret_key` makes authorize tokens. `api_key` is for the data (`x-api-key`).
    ///
    /// # Errors
    /// If one is empty or cannot be in a header.
    pub fn new(secret_key: &str, api_key: &str) -> Result<Self, SettingsError> {
        for key in [secret_key, api_key] {
            if key.is_empty() || key.bytes().any(|byte| !byte.is_ascii_graphic()) {
                return Err(SettingsError::Credentials);
            }
        }
        Ok(Self { secret_key: Zeroizing::new(secret_key.into()), api_key: Zeroizing::new(api_key.into()) })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The headers with the credentials. The default is what Flinks documents.
///
/// Inferred: instances from before October 2024 may need no authorize token, and older pages show a bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// For the secret key, at GenerateAuthorizeToken.
    pub secret_key: Header,
    /// For the token, at Authorize. `None`: the client makes no token and sends none.
    pub authorize_token: Option<Header>,
    /// For the API key, at the data endpoints.
    pub api_key: Header,
}

/// One header with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    Named(HeaderName),
    /// `Authorization: Bearer ...`
    Bearer,
}

impl Default for Headers {
    fn default() -> Self {
        let auth_key = Header::Named(HeaderName::from_static("flinks-auth-key"));
        let api_key = Header::Named(HeaderName::from_static("x-api-key"));
        Self { secret_key: auth_key.clone(), authorize_token: Some(auth_key), api_key }
    }
}

impl Header {
    /// The header with a credential. `None` if the credential cannot be in a header.
    pub(crate) fn with(&self, credential: &str) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Named(name) => (name.clone(), HeaderValue::from_str(credential)),
            Self::Bearer => {
                let text = Zeroizing::new(format!("Bearer {credential}"));
                (AUTHORIZATION, HeaderValue::from_str(&text))
            }
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Everything that the client needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    customer_id: String,
    pub(crate) credentials: Credentials,
    pub headers: Headers,
    pub options: DetailOptions,
}

impl Settings {
    /// `endpoint` is the base address, such as `https://{instance}-api.private.fin.ag`. It is https, or http to this
    /// machine.
    ///
    /// # Errors
    /// If the endpoint or the customer's id cannot be one.
    pub fn new(endpoint: &str, customer_id: &str, credentials: Credentials) -> Result<Self, SettingsError> {
        let parts = endpoint.parse::<Uri>().map_err(|_| SettingsError::Endpoint)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(SettingsError::Endpoint);
        };
        let has_path = parts.path_and_query.is_some_and(|path| path != "/");
        if has_path || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(SettingsError::Endpoint);
        }
        let is_safe = scheme == Scheme::HTTPS || (scheme == Scheme::HTTP && is_loopback(authority.host()));
        if !is_safe {
            return Err(SettingsError::NotHttps);
        }
        let is_id = customer_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_id || !(1..=ID_BYTES).contains(&customer_id.len()) {
            return Err(SettingsError::CustomerId);
        }
        Ok(Self {
            scheme,
            authority,
            customer_id: customer_id.to_owned(),
            credentials,
            headers: Headers::default(),
            options: DetailOptions::default(),
        })
    }

    /// The address of an endpoint. `None` only if `path` has characters that no path can have.
    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        let path = format!("/v3/{}/BankingServices/{path}", self.customer_id);
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path).build().ok()
    }
}

/// Whether a host can only be this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Why settings are rejected. It quotes none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// Not `https://HOST` without a user, a path or a query.
    Endpoint,
    /// Neither https nor http to this machine.
    NotHttps,
    CustomerId,
    Credentials,
    /// This machine has no root certificates.
    RootCertificates,
    /// The TLS library has none of the protocol versions.
    Tls,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "the endpoint must be https://HOST, without a user, a path or a query",
            Self::NotHttps => "the endpoint must be https, or http to localhost",
            Self::CustomerId => "the customer id must have only letters, digits and hyphens",
            Self::Credentials => "a credential is empty, or has characters that a header cannot have",
            Self::RootCertificates => "this machine has no root certificates",
            Self::Tls => "TLS cannot be used",
        })
    }
}

impl std::error::Error for SettingsError {}
