//! [`LocalFlinks`]: starts the server, prepares its logins and faults, and reads what happened.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::connector::Connector;
use crate::dispatch::{Exchange, Flinks};
use crate::fault::{Calls, Fault};
use crate::login::Login;
use crate::operation::Operation;
use crate::server;
use crate::sync::lock;

/// A running server with its logins. Clones share one server, which stops when the last of them is dropped.
#[derive(Clone)]
pub struct LocalFlinks {
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    flinks: Arc<Flinks>,
    /// Stops the server when it is dropped or sends.
    stop: watch::Sender<bool>,
}

impl LocalFlinks {
    /// Starts on 127.0.0.1 and a free port, in tasks of the current tokio runtime, with
    /// [Flinks' test users](Login::test_users) and the [examples](Login::examples).
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime with its I/O driver enabled.
    pub async fn start() -> io::Result<LocalFlinks> {
        LocalFlinks::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on a given address. Port 0 means a free port. The credentials are public, so keep it on loopback.
    ///
    /// # Errors
    /// When the address cannot be bound.
    ///
    /// # Panics
    /// As [`LocalFlinks::start`].
    pub async fn bind(address: SocketAddr) -> io::Result<LocalFlinks> {
        LocalFlinks::with_listener(TcpListener::bind(address).await?)
    }

    /// Starts on a socket that already listens.
    ///
    /// # Errors
    /// When the socket has no address.
    ///
    /// # Panics
    /// As [`LocalFlinks::start`].
    pub fn with_listener(listener: TcpListener) -> io::Result<LocalFlinks> {
        let flinks = LocalFlinks::new(listener.local_addr()?);
        flinks.serve(listener);
        Ok(flinks)
    }

    /// Serves the same logins on another socket.
    ///
    /// # Panics
    /// As [`LocalFlinks::start`].
    pub fn serve(&self, listener: TcpListener) {
        tokio::spawn(server::run(listener, Arc::clone(&self.inner.flinks), self.inner.stop.subscribe()));
    }

    /// Creates a server without a socket: requests come through [`LocalFlinks::connector`].
    pub fn detached() -> LocalFlinks {
        LocalFlinks::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    fn new(address: SocketAddr) -> LocalFlinks {
        let (stop, _) = watch::channel(false);
        let flinks = LocalFlinks { inner: Arc::new(Inner { address, flinks: Arc::default(), stop }) };
        for login in Login::test_users().into_iter().chain(Login::examples()) {
            flinks.add_login(login);
        }
        flinks
    }

    /// Connections for an HTTP client in this process, without a socket. Call the client inside a tokio runtime.
    pub fn connector(&self) -> Connector {
        Connector { flinks: Arc::clone(&self.inner.flinks), stop: self.inner.stop.subscribe() }
    }

    /// Stops listening and ends every connection.
    pub fn shutdown(&self) {
        self.inner.stop.send_replace(true);
    }

    /// The address where it listens. Without a socket, the port is 0.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The API's base address, `http://127.0.0.1:PORT`, in place of `https://{instance}-api.private.fin.ag`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Adds a login, or replaces the one with its LoginId.
    pub fn add_login(&self, login: Login) {
        lock(&self.inner.flinks.state).add(login);
    }

    /// Deletes a login, as DeleteCard does: it becomes an `INVALID_LOGIN`. Returns whether there was one.
    pub fn delete_login(&self, login_id: &str) -> bool {
        lock(&self.inner.flinks.state).logins.remove(login_id).is_some()
    }

    /// Every login, in the order of their LoginIds.
    pub fn logins(&self) -> Vec<Login> {
        lock(&self.inner.flinks.state).logins.values().map(|known| known.login.clone()).collect()
    }

    /// Ends every session: their RequestIds become `SESSION_NONEXISTENT`, as after their lifetime.
    pub fn end_sessions(&self) {
        lock(&self.inner.flinks.state).end_sessions();
    }

    /// How many requests for an operation arrived, including those that failed or met a fault.
    pub fn calls(&self, operation: Operation) -> usize {
        lock(&self.inner.flinks.faults).calls(operation)
    }

    /// The last exchange of an operation that was carried out.
    pub fn last(&self, operation: Operation) -> Option<Exchange> {
        lock(&self.inner.flinks.exchanges).get(&operation).cloned()
    }

    /// Makes the given calls of an operation, counted from now, fail with this fault. If two faults apply to a call,
    /// the one set last counts.
    pub fn fault(&self, operation: Operation, calls: impl Into<Calls>, fault: Fault) {
        lock(&self.inner.flinks.faults).set(operation, calls.into(), fault);
    }

    /// Removes every fault. A call that already hangs keeps hanging, and the counts of calls continue.
    pub fn clear_faults(&self) {
        lock(&self.inner.flinks.faults).clear();
    }
}

/// Prints only the endpoint.
impl std::fmt::Debug for LocalFlinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalFlinks").field(&self.endpoint()).finish()
    }
}
