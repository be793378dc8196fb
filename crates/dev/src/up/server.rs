//! The HTTP server on loopback: the API's one route, the inspector, and a clean end.

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
    front::{Front, MAX_BODY_BYTES, of_the_gateway},
    inspector,
};
use crate::failure::Failure;

/// How long the end waits for callbacks that are under way.
const LAST_CALLBACKS: Duration = Duration::from_secs(5);
/// How much of a body that is too large is read all the same, so that its sender can read the response.
const MAX_DISCARDED_BYTES: usize = 10 * MAX_BODY_BYTES;

/// Serves on both sockets until the process is asked to end, then responds to what has come in and closes every
/// connection.
///
/// # Errors
/// When the signals that end it cannot be heard.
pub(super) async fn serve(
    (first, second): (TcpListener, Option<TcpListener>),
    front: Arc<Front>,
) -> Result<(), Failure> {
    let mut end = End::new()?;
    let (stop, stopped) = watch::channel(false);
    let router = Router::new()
        .route(PATH, post(webhook))
        .with_state(Arc::clone(&front))
        .merge(inspector::routes(front, stopped.clone()))
        .fallback(async || sent(of_the_gateway(404, "Not Found")))
        .method_not_allowed_fallback(async || sent(of_the_gateway(404, "Not Found")));
    let mut servers = JoinSet::new();
    for listener in [first].into_iter().chain(second) {
        // Small responses must not wait for an acknowledgement. Without the option a socket is only slower.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let mut stopped = stopped.clone();
        let server = axum::serve(listener, router.clone().into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                // A sender that is gone means the same.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            });
        servers.spawn(server.into_future());
    }
    end.asked().await;
    stop.send_replace(true);
    // Dropping them aborts what is left.
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        // Asked twice: at once.
        () = end.asked() => {}
        () = sleep(LAST_CALLBACKS) => {}
    }
    Ok(())
}

/// API Gateway's side of a request: its limit for the body, then the function.
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
    sent(match read(body).await {
        Ok(Read::Whole(body)) => front.take(request(body)).await.0,
        Ok(Read::TooLarge(bytes)) => front.reject_body(request(Bytes::new()), bytes).await,
        // The sender has gone in the middle of it.
        Err(_) => of_the_gateway(400, "Bad Request"),
    })
}

/// In the order of arrival for each name. What is not text is replaced: an event has no place for it.
fn headers(head: &Parts) -> Vec<(String, String)> {
    let pairs = head.headers.iter();
    pairs.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

enum Read {
    Whole(Bytes),
    /// More than API Gateway takes: this many bytes were read and forgotten.
    TooLarge(usize),
}

async fn read(body: Body) -> Result<Read, axum::Error> {
    let mut stream = body.into_data_stream();
    let (mut whole, mut bytes) = (BytesMut::new(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        bytes += piece.len();
        if bytes <= MAX_BODY_BYTES {
            whole.extend_from_slice(&piece);
        } else {
            whole.clear();
        }
        if bytes > MAX_DISCARDED_BYTES {
            break;
        }
    }
    Ok(if bytes > MAX_BODY_BYTES { Read::TooLarge(bytes) } else { Read::Whole(whole.freeze()) })
}

fn sent(response: HttpResponse) -> Response {
    let mut sent = Response::new(Body::from(response.body));
    *sent.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            sent.headers_mut().append(name, value);
        }
    }
    sent
}

/// The signals that end the process: Ctrl-C, and what a supervisor sends.
struct End {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl End {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::usage(format!("cannot listen for Ctrl-C: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn asked(&mut self) {
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
    async fn asked(&mut self) {
        // Without Ctrl-C to listen for, there is nothing but the task manager.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
