//! Detects whether the function at the other end of a connection is still connected.

use std::io::{ErrorKind, Result};

use tokio::net::TcpStream;

/// A second handle on a connection's socket.
///
/// The HTTP server notices a closed connection only when tokio next polls it. An event that is sent before that is
/// lost. So this asks the socket itself.
#[derive(Debug)]
pub(crate) struct Poller(std::net::TcpStream);

impl Poller {
    /// Returns the stream and its second handle. The connection closes only when both are dropped.
    pub(crate) fn attach(stream: TcpStream) -> Result<(TcpStream, Poller)> {
        let stream = stream.into_std()?;
        let poller = Poller(stream.try_clone()?);
        Ok((TcpStream::from_std(stream)?, poller))
    }

    /// Whether the function has disconnected. It never blocks, because tokio's sockets are in non-blocking mode.
    pub(crate) fn is_gone(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}
