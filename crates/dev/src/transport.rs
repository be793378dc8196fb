//! Explains why there was no response, and says what to do. The most common cause is TLS to a plain HTTP server, or the
//! reverse.

use std::{error::Error, io, iter::successors};

use rustls::CertificateError;

/// The innermost cause of an error: "failed to lookup address" instead of "dispatch failure". TLS and HTTP problems get
/// an explanation.
pub fn cause(error: &(dyn Error + 'static)) -> String {
    protocol_problem(error).unwrap_or_else(|| chain(error).last().map(ToString::to_string).unwrap_or_default())
}

/// Explains a TLS or HTTP problem with a server. `None` for other errors: nobody listens, the host does not exist, or
/// there is no network.
pub fn protocol_problem(error: &(dyn Error + 'static)) -> Option<String> {
    chain(error).find_map(|error| {
        let tls = error.downcast_ref().map(tls_problem);
        tls.or_else(|| error.downcast_ref().and_then(http_problem))
            .or_else(|| error.downcast_ref().and_then(io_problem))
    })
}

/// Whether a server that responded to a TLS handshake speaks TLS. `None` if the error is not from a handshake.
pub fn speaks_tls(error: &(dyn Error + 'static)) -> Option<bool> {
    let tls = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    Some(!matches!(tls, rustls::Error::InvalidMessage(_)))
}

/// Whether there was a connection to a server before the error.
pub fn reached_a_server(error: &(dyn Error + 'static)) -> bool {
    protocol_problem(error).is_some() || was_reset(error) || chain(error).any(|error| error.is::<hyper::Error>())
}

/// Whether the other side reset the connection.
pub fn was_reset(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let is_reset = |error: &io::Error| matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset);
    chain(error).any(|error| error.downcast_ref().is_some_and(is_reset))
}

/// The message if a URL with `http://` leads to a TLS server.
pub const TLS_FOR_PLAIN_HTTP: &str = "the server speaks TLS, not plain HTTP; use a URL that starts with https://";

/// The message if the server closes the connection during the TLS handshake.
pub const CLOSED_IN_HANDSHAKE: &str = "the server closed the connection in the TLS handshake; if it speaks plain HTTP, use a URL that starts with http://";

/// The message if the server closes a plain HTTP connection.
pub const CLOSED_CONNECTION: &str =
    "the server closed the connection; if it speaks TLS, use a URL that starts with https://";

fn tls_problem(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "the server speaks plain HTTP, not TLS; use a URL that starts with http://".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "this machine does not trust the issuer of the server's certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("the server's certificate is not valid: {}", other.0)
        }
        // The text is "invalid peer certificate: certificate expired: ...".
        rustls::Error::InvalidCertificate(_) => format!("the server's certificate is not valid: {error}"),
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        _ => format!("the TLS handshake failed: {error}"),
    }
}

fn http_problem(error: &hyper::Error) -> Option<String> {
    error.is_parse().then(|| format!("the server does not speak HTTP/1.1: {error}"))
}

fn io_problem(error: &io::Error) -> Option<String> {
    // The TLS library has no error kind for this, only this text.
    let is_in_handshake = error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof";
    is_in_handshake.then(|| CLOSED_IN_HANDSHAKE.to_owned())
}

/// The error and its causes, the outermost first. `source` skips the error inside an I/O error, so this looks there
/// too.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |error| {
        let error: &'e (dyn Error + 'static) = *error;
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inside.map(|inside| inside as _).or_else(|| error.source())
    })
}
