//! Connections without a socket, for an HTTP client in this process.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tower_service::Service;

use crate::dispatch::Flinks;
use crate::server;

/// Connects an HTTP client to the server without a socket, whatever the host of the request.
#[derive(Clone)]
pub struct Connector {
    pub(crate) flinks: Arc<Flinks>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Pipe>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        /// As large as the buffer of a socket on loopback, or so.
        const BUFFER_BYTES: usize = 65_536;
        if *self.stop.borrow() {
            return ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let (client, server) = tokio::io::duplex(BUFFER_BYTES);
        let serving = server::until_stopped(server, Arc::clone(&self.flinks), self.stop.clone());
        tokio::spawn(async { drop(serving.await) });
        ready(Ok(TokioIo::new(Pipe(client))))
    }
}

/// One connection.
pub struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
