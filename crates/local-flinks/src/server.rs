//! Accepts and serves connections, and resets a connection if a fault says so.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::dispatch::Flinks;
use crate::response::NoResponse;

/// The pause after a failed accept, for example without a free file descriptor. The next accept would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until `stop` changes or its sender is gone. Then it also ends every connection.
pub(crate) async fn run(listener: TcpListener, flinks: Arc<Flinks>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small responses must not wait for an acknowledgement. If this fails, the socket is only slower.
        let _ = stream.set_nodelay(true);
        let flinks = Arc::clone(&flinks);
        let stop = stop.clone();
        tokio::spawn(async move {
            if let Some(stream) = until_stopped(stream, flinks, stop).await {
                // Closes with a RST instead of a FIN: without lingering, the kernel discards unread data and resets.
                let _ = stream.set_zero_linger();
            }
        });
    }
}

/// Serves one connection until either side closes it or the server stops. Returns the stream if it is to be reset.
pub(crate) async fn until_stopped<S>(stream: S, flinks: Arc<Flinks>, mut stop: watch::Receiver<bool>) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => None,
        reset = connection(stream, flinks) => reset,
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, flinks: Arc<Flinks>) -> Option<S> {
    let service = service_fn(move |request| {
        let flinks = Arc::clone(&flinks);
        async move {
            match flinks.respond(request).await {
                // Waits until the connection is closed.
                Err(NoResponse::Hang) => pending().await,
                response => response,
            }
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = (&mut connection).await;
    let is_reset = ended.is_err_and(|error| error.source().is_some_and(|cause| cause.is::<NoResponse>()));
    is_reset.then(|| connection.into_parts().io.into_inner())
}
