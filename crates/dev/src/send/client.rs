//! The HTTP client: sends one callback and reads its response.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HeaderValue, USER_AGENT},
    http::uri::Scheme,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::sync::OnceCell;

use crate::{
    failure::Failure,
    transport::{self, CLOSED_IN_HANDSHAKE, TLS_FOR_PLAIN_HTTP},
};

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for a whole attempt. API Gateway gives up after 30 seconds. The rest is for sending 6 MB.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to keep an idle connection. Servers close theirs after 75 seconds or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// How much of a response body the client reads. A connection can be reused only after its response was read.
const MAX_RESPONSE_BYTES: usize = 65_536;

/// Sends over HTTP/1.1 and keeps connections alive. It follows no redirects.
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Whether a server that did not understand plain HTTP speaks TLS. The client finds out once.
    speaks_tls: OnceCell<bool>,
}

/// The result of an attempt, and how long it took.
pub struct Attempt {
    pub outcome: Result<Response, NoResponse>,
    pub latency: Duration,
}

pub struct Response {
    pub status: u16,
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug)]
pub enum NoResponse {
    /// There was no connection: no program listens there, the host does not exist, the certificate is not trusted, or
    /// one side speaks TLS and the other plain HTTP.
    NotConnected(String),
    Broken(String),
    TimedOut,
}

impl Client {
    /// # Errors
    /// If `to` needs TLS and this machine has no root certificates.
    pub fn new(to: &Uri) -> Result<Self, Failure> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let provider = rustls::crypto::ring::default_provider();
        let tls = if to.scheme() == Some(&Scheme::HTTPS) {
            HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)
                .map_err(|error| Failure::usage(format!("no root certificates on this machine: {error}")))?
        } else {
            // Plain HTTP needs no root certificates, and loading them takes longer than a callback.
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| Failure::usage(format!("no TLS: {error}")))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(http);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { http, speaks_tls: OnceCell::new() })
    }

    /// Posts a payload with its signature.
    pub async fn post(&self, to: Uri, payload: String, header: &'static str, signature: HeaderValue) -> Attempt {
        let mut request = Request::new(Full::from(payload));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = to;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(USER_AGENT, HeaderValue::from_static("cargo-dev-send"));
        headers.insert(header, signature);
        let started = Instant::now();
        let outcome = tokio::time::timeout(RESPONSE_TIMEOUT, self.exchange(request)).await;
        Attempt { outcome: outcome.unwrap_or(Err(NoResponse::TimedOut)), latency: started.elapsed() }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response, NoResponse> {
        let to = request.uri().clone();
        let response = match self.http.request(request).await {
            // Some servers respond to plain HTTP with a 400 when they expect TLS.
            Ok(response) if response.status() != StatusCode::BAD_REQUEST || !self.speaks_tls(&to).await => response,
            Err(error) if error.is_connect() => {
                let in_handshake = to.scheme() == Some(&Scheme::HTTPS) && transport::was_reset(&error);
                let cause = if in_handshake { CLOSED_IN_HANDSHAKE.to_owned() } else { transport::cause(&error) };
                return Err(NoResponse::NotConnected(cause));
            }
            Err(error) if !self.speaks_tls(&to).await => return Err(NoResponse::Broken(transport::cause(&error))),
            _ => return Err(NoResponse::NotConnected(TLS_FOR_PLAIN_HTTP.to_owned())),
        };
        let status = response.status().as_u16();
        // The status counts even if the body is incomplete.
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        Ok(Response { status, body: body.map(|body| body.to_bytes()).unwrap_or_default() })
    }

    /// Whether a server that did not understand plain HTTP speaks TLS.
    async fn speaks_tls(&self, to: &Uri) -> bool {
        let is_plain = to.scheme() == Some(&Scheme::HTTP);
        is_plain && *self.speaks_tls.get_or_init(|| self.find_tls(to)).await
    }

    /// Tries a TLS handshake. Some TLS servers respond to plain HTTP with a TLS alert, others close the connection, so
    /// only a handshake shows whether the server speaks TLS. It never completes, because for `http:` this client trusts
    /// no certificate.
    async fn find_tls(&self, to: &Uri) -> bool {
        const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
        const HTTP: u16 = 80;
        let (host, port) = (to.host().unwrap_or_default(), to.port_u16().unwrap_or(HTTP));
        let Ok(tls) = format!("https://{host}:{port}/").parse() else { return false };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, self.http.get(tls)).await {
            Ok(Err(error)) => transport::speaks_tls(&error).unwrap_or(false),
            Ok(Ok(_)) => true,
            Err(_) => false,
        }
    }
}

impl std::fmt::Display for NoResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotConnected(cause) => write!(formatter, "could not connect: {cause}"),
            Self::Broken(cause) => write!(formatter, "the connection broke: {cause}"),
            Self::TimedOut => write!(formatter, "no response within {} seconds", RESPONSE_TIMEOUT.as_secs()),
        }
    }
}
