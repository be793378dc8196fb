//! The HTTP server on loopback: the API's only route, the inspector, and a clean shutdown.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderValue, StatusCode, header::HeaderName, request::Parts},
    response::Response,
    routing::post,
    serve::ListenerExt,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use local_lambda::gateway::HttpResponse;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};

use super::{
    callback::{PATH, Request},
    front::{Front, MAX_BODY_BYTES, gateway_response},
    inspector,
};
use crate::failure::Failure;

/// How long the shutdown waits for running callbacks.
const LAST_CALLBACKS: Duration = Duration::from_secs(5);
/// The largest body that a recovery takes from Flinks. It is kept only for the local Flinks.
const MAX_RECOVERED_BYTES: usize = 64 * 1024 * 1024;
/// How much of a too large body the server reads. A sender reads the response only after it has sent its body.
const MAX_DISCARDED_BYTES: usize = 10 * MAX_BODY_BYTES;

/// Serves on both sockets until a signal ends the process. Then responds to the requests that have arrived, and closes
/// every connection.
///
/// # Errors
/// If it cannot listen for the signals.
pub(super) async fn serve(
    (first, second): (TcpListener, Option<TcpListener>),
    front: Arc<Front>,
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let (stop, stopped) = watch::channel(false);
    let router = Router::new()
        .route(PATH, post(webhook))
        .with_state(Arc::clone(&front))
        .merge(inspector::routes(front, stopped.clone()))
        .fallback(async || to_response(gateway_response(404, "Not Found")))
        .method_not_allowed_fallback(async || to_response(gateway_response(404, "Not Found")));
    let mut servers = JoinSet::new();
    for listener in [first].into_iter().chain(second) {
        // Small responses must not wait for an acknowledgement. If setting the option fails, the socket is only slower.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let mut stopped = stopped.clone();
        let server = axum::serve(listener, router.clone().into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                // An error means that the sender was dropped, which also means that it is time to stop.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            });
        servers.spawn(server.into_future());
    }
    signals.received().await;
    stop.send_replace(true);
    // Dropping the servers aborts the requests that are left.
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        // A second signal ends the process at once.
        () = signals.received() => {}
        () = sleep(LAST_CALLBACKS) => {}
    }
    Ok(())
}

/// Handles a request as API Gateway does: checks the body's size, then calls the function.
async fn webhook(
    State(front): State<Arc<Front>>,
    ConnectInfo(sender): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    let request = |body| Request {
        target: head.uri.path_and_query().map_or(PATH, |target| target.as_str()).to_owned(),
        headers: headers(&head),
        body,
        source_ip: sender.ip().to_string(),
    };
    let kept = if front.has_flinks() { MAX_RECOVERED_BYTES } else { MAX_BODY_BYTES };
    to_response(match read(body, kept).await {
        Ok(Read::Whole(body)) => front.handle(request(body)).await.0,
        Ok(Read::TooLarge(bytes, body)) => {
            front.add_login(&body);
            front.reject_body(request(Bytes::new()), bytes).await
        }
        // The sender disconnected before the body was complete.
        Err(_) => gateway_response(400, "Bad Request"),
    })
}

/// The headers. Values of the same name keep their order. Bytes that are not UTF-8 are replaced, because an event can
/// hold only text.
fn headers(head: &Parts) -> Vec<(String, String)> {
    let pairs = head.headers.iter();
    pairs.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

enum Read {
    Whole(Bytes),
    /// The body exceeds API Gateway's limit. The server read this many bytes. The bytes follow, or none if there are too
    /// many to keep.
    TooLarge(usize, Bytes),
}

/// Reads a body, and keeps it up to a number of bytes.
async fn read(body: Body, kept: usize) -> Result<Read, axum::Error> {
    let mut stream = body.into_data_stream();
    let (mut whole, mut bytes) = (BytesMut::new(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        bytes += piece.len();
        if bytes <= kept {
            whole.extend_from_slice(&piece);
        } else {
            whole = BytesMut::new();
        }
        if bytes > MAX_DISCARDED_BYTES {
            break;
        }
    }
    let whole = whole.freeze();
    Ok(if bytes > MAX_BODY_BYTES { Read::TooLarge(bytes, whole) } else { Read::Whole(whole) })
}

fn to_response(response: HttpResponse) -> Response {
    let mut sent = Response::new(Body::from(response.body));
    *sent.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            sent.headers_mut().append(name, value);
        }
    }
    sent
}

/// The signals that end the process: Ctrl-C, and the termination signal of a supervisor.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::usage(format!("cannot listen for Ctrl-C: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn received(&mut self) {
        // If it cannot listen for Ctrl-C, wait until somebody kills the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
