//! The HTTP client: connections, TLS, and what its errors mean.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::http::uri::Scheme;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{self, Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::failure::Cause;
use crate::limits;
use crate::settings::SettingsError;

/// Sends a request, and follows no redirect.
pub(crate) type Transport = Arc<dyn Fn(Request<Full<Bytes>>) -> ResponseFuture + Send + Sync>;

/// A client for https, or for http to this machine.
pub(crate) fn network(scheme: &Scheme) -> Result<Transport, SettingsError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(limits::CONNECT));
    http.set_nodelay(true);
    if *scheme == Scheme::HTTP {
        return Ok(over(http));
    }
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|_| SettingsError::RootCertificates)?;
    Ok(over(tls.https_only().enable_http1().wrap_connector(http)))
}

/// A client over these connections.
pub(crate) fn over<C: Connect + Clone + Send + Sync + 'static>(connector: C) -> Transport {
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    Arc::new(move |request| client.request(request))
}

/// What an error before the response means. The texts of other errors than those of connecting are not used: they might
/// quote a response.
pub(crate) fn cause(error: &legacy::Error) -> Cause {
    if !error.is_connect() {
        return Cause::Broken;
    }
    let innermost = successors(Some(error as &(dyn Error + 'static)), |error| (*error).source()).last();
    Cause::NotConnected(innermost.map(ToString::to_string).unwrap_or_default())
}
