//! Why there was no answer, in words that say what to do: above all TLS spoken to plain HTTP, or the reverse.

use std::{error::Error, io, iter::successors};

use rustls::CertificateError;

/// The innermost cause, in words where it is one of TLS or HTTP: "failed to lookup address", not "dispatch failure".
pub fn cause(error: &(dyn Error + 'static)) -> String {
    misunderstanding(error).unwrap_or_else(|| chain(error).last().map(ToString::to_string).unwrap_or_default())
}

/// What is wrong where something answered, and the two sides did not understand each other. None for everything else:
/// nobody listens, no such host, no network.
pub fn misunderstanding(error: &(dyn Error + 'static)) -> Option<String> {
    chain(error).find_map(|error| {
        let tls = error.downcast_ref().map(of_tls);
        tls.or_else(|| error.downcast_ref().and_then(of_http)).or_else(|| error.downcast_ref().and_then(of_io))
    })
}

/// Whether what answered a TLS handshake speaks TLS. None where the error is no answer to one.
pub fn speaks_tls(error: &(dyn Error + 'static)) -> Option<bool> {
    let tls = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    Some(!matches!(tls, rustls::Error::InvalidMessage(_)))
}

/// Whether something was there to connect to: what failed came after it.
pub fn was_answered(error: &(dyn Error + 'static)) -> bool {
    misunderstanding(error).is_some() || broke_off(error) || chain(error).any(|error| error.is::<hyper::Error>())
}

/// Whether the other side ended the connection with a reset.
pub fn broke_off(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let is_reset = |error: &io::Error| matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset);
    chain(error).any(|error| error.downcast_ref().is_some_and(is_reset))
}

/// What to say where a URL with `http://` leads to TLS.
pub const TLS_FOR_PLAIN_HTTP: &str = "what listens there speaks TLS, not plain HTTP; its URL starts with https://";

/// What to say where a URL with `https://` leads to somebody who hangs up in the handshake.
pub const HANDSHAKE_BROKEN_OFF: &str =
    "what listens there broke off the TLS handshake; if it speaks plain HTTP, its URL starts with http://";

/// What to say where a URL with `http://` leads to somebody who hangs up.
pub const HTTP_BROKEN_OFF: &str =
    "what listens there broke the connection off; if it speaks TLS, its URL starts with https://";

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "what listens there speaks plain HTTP, not TLS; its URL starts with http://".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by nobody whom this machine trusts".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("its certificate is not accepted: {}", other.0)
        }
        // "invalid peer certificate: certificate expired: ..."
        rustls::Error::InvalidCertificate(_) => format!("its certificate is not accepted: {error}"),
        rustls::Error::AlertReceived(alert) => format!("it ended the TLS handshake: {alert:?}"),
        _ => format!("the TLS handshake failed: {error}"),
    }
}

fn of_http(error: &hyper::Error) -> Option<String> {
    error.is_parse().then(|| format!("what listens there does not speak HTTP/1.1: {error}"))
}

fn of_io(error: &io::Error) -> Option<String> {
    // The TLS library's own words for it; it has no kind of its own.
    let is_of_handshake = error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof";
    is_of_handshake.then(|| HANDSHAKE_BROKEN_OFF.to_owned())
}

/// The error and its causes, from the outermost on. `source` alone leaves out what is inside an I/O error.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |error| {
        let error: &'e (dyn Error + 'static) = *error;
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inside.map(|inside| inside as _).or_else(|| error.source())
    })
}
