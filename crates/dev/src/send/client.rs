//! One request and its answer.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Uri,
    header::{CONTENT_TYPE, HeaderValue, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::failure::Failure;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an attempt may take as a whole. API Gateway itself gives up after 30 seconds; the rest is for sending 6 MB.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Below the 75 seconds and more after which servers close idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// An answer is read this far, in bytes, so that its connection can be used again.
const LONGEST_ANSWER: usize = 65_536;

/// Sends over HTTP/1.1 with connections kept alive. Follows no redirect.
#[derive(Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came of an attempt, and how long it took.
pub struct Attempt {
    pub outcome: Result<Answer, Unanswered>,
    pub latency: Duration,
}

pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Not so much as a connection: nobody listens, no such host, a certificate that is not trusted.
    NotConnected(String),
    Broken(String),
    TimedOut,
}

impl Client {
    /// # Errors
    /// When there are no root certificates to check `to` with.
    pub fn new(to: &Uri) -> Result<Self, Failure> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let provider = rustls::crypto::ring::default_provider();
        let tls = if to.scheme() == Some(&hyper::http::uri::Scheme::HTTPS) {
            HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)
                .map_err(|error| Failure::usage(format!("no root certificates on this machine: {error}")))?
        } else {
            // Loading the roots takes longer than a callback.
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| Failure::usage(format!("no TLS: {error}")))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(http);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self(client))
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
        let outcome = tokio::time::timeout(ANSWER_TIMEOUT, self.answer(request)).await;
        Attempt { outcome: outcome.unwrap_or(Err(Unanswered::TimedOut)), latency: started.elapsed() }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, Unanswered> {
        let response = self.0.request(request).await.map_err(|error| {
            let cause = innermost(&error);
            if error.is_connect() { Unanswered::NotConnected(cause) } else { Unanswered::Broken(cause) }
        })?;
        let status = response.status().as_u16();
        // The status is the answer, however its body ends.
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        Ok(Answer { status, body: body.map(|body| body.to_bytes()).unwrap_or_default() })
    }
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotConnected(cause) => write!(formatter, "not connected: {cause}"),
            Self::Broken(cause) => write!(formatter, "broken off: {cause}"),
            Self::TimedOut => write!(formatter, "not answered in {} seconds", ANSWER_TIMEOUT.as_secs()),
        }
    }
}

/// The cause that the others wrap.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
