//! Whether the function at the other end of a connection is still connected.

use std::io::{ErrorKind, Result};

use tokio::net::TcpStream;

/// A second handle on a connection's socket.
///
/// The HTTP server notices a closed connection only when tokio next polls it. An event that is handed out before that is
/// lost, so this asks the socket itself.
#[derive(Debug)]
pub(crate) struct Poller(std::net::TcpStream);

impl Poller {
    /// The stream and its second handle. Both handles have to be dropped for the connection to close.
    pub(crate) fn attach(stream: TcpStream) -> Result<(TcpStream, Poller)> {
        let stream = stream.into_std()?;
        let poller = Poller(stream.try_clone()?);
        Ok((TcpStream::from_std(stream)?, poller))
    }

    /// Never blocks: the socket is the one tokio reads, in non-blocking mode.
    pub(crate) fn is_gone(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}
