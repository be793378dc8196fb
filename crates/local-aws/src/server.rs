//! Accepts and serves connections, and resets a connection if a fault says so.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::dispatch::{NoResponse, Services};

/// The pause after a failed accept, for example without a free file descriptor. The next accept would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until `stop` changes or its sender is gone. Then it also ends every connection.
pub(crate) async fn run(listener: TcpListener, services: Arc<Services>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = connection(stream, Arc::clone(&services));
        let mut stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = connection => {}
            }
        });
    }
}

/// Serves one connection with all its requests, until either side closes it.
async fn connection(stream: TcpStream, services: Arc<Services>) {
    // Small responses must not wait for an acknowledgement. If this fails, the socket is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let services = Arc::clone(&services);
        async move {
            match services.respond_over_network(request).await {
                // Waits until the connection is closed.
                Err(NoResponse::Hang) => pending().await,
                response => response,
            }
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = (&mut connection).await;
    if ended.is_err_and(|error| error.source().is_some_and(|cause| cause.is::<NoResponse>())) {
        reset(connection.into_parts().io.into_inner());
    }
}

/// Closes with a RST instead of a FIN: without lingering, the kernel discards unread data and resets.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}
