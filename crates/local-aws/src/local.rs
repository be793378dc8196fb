//! [`LocalAws`]: starts the server, prepares its content and reads it back.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::client::{Client, Network};
use crate::clock::Clock;
use crate::dispatch::Services;
use crate::fault::{Calls, Fault};
use crate::host;
use crate::operation::Operation;
use crate::s3::StoredObject;
use crate::server;
use crate::sqs::{QueueSettings, StoredMessage};
use crate::sync::lock;

/// A running server with its queues, secrets and buckets. Clones share one server, which stops
/// when the last of them is dropped.
#[derive(Clone)]
pub struct LocalAws {
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    services: Arc<Services>,
    /// Stops the server when it is dropped or sends.
    stop: watch::Sender<bool>,
}

impl LocalAws {
    /// Starts on 127.0.0.1 and a free port, in tasks of the current tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Panics Outside a tokio runtime with its I/O driver enabled.
    pub async fn start() -> io::Result<LocalAws> {
        LocalAws::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on a given address. Port 0 means a free port. The server does not check who calls, so keep it on
    /// loopback.
    ///
    /// # Errors
    /// When the address cannot be bound.
    ///
    /// # Panics
    /// As [`LocalAws::start`].
    pub async fn bind(address: SocketAddr) -> io::Result<LocalAws> {
        LocalAws::with_listener(TcpListener::bind(address).await?)
    }

    /// Starts on a socket that already listens. Queue URLs have its address.
    ///
    /// # Errors
    /// When the socket has no address.
    ///
    /// # Panics
    /// As [`LocalAws::start`].
    pub fn with_listener(listener: TcpListener) -> io::Result<LocalAws> {
        let aws = LocalAws::new(listener.local_addr()?, SystemTime::now());
        aws.serve(listener);
        Ok(aws)
    }

    /// Listens on another free port of 127.0.0.1, for the same services. With one port per service, a program cannot
    /// share a connection between two services. The same is true on AWS, where each service has its own host.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn listen(&self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        self.serve(listener);
        Ok(address)
    }

    /// Serves the same services on another socket.
    ///
    /// # Panics
    /// As [`LocalAws::start`].
    pub fn serve(&self, listener: TcpListener) {
        tokio::spawn(server::run(listener, Arc::clone(&self.inner.services), self.inner.stop.subscribe()));
    }

    /// Creates services without a socket: requests come through [`LocalAws::http_client`]. The time of day starts at
    /// `now` and follows tokio's clock, as after [`LocalAws::start`]. URLs have port 0.
    pub fn detached(now: SystemTime) -> LocalAws {
        LocalAws::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), now)
    }

    fn new(address: SocketAddr, now: SystemTime) -> LocalAws {
        let services = Arc::new(Services::new(address, Clock::set(now)));
        let (stop, _) = watch::channel(false);
        LocalAws { inner: Arc::new(Inner { address, services, stop }) }
    }

    /// An HTTP client for an SDK in this process. Its requests reach the services without a socket, whatever their
    /// host, with the same faults and counts. A request that was sent is carried out even if the sender is dropped.
    pub fn http_client(&self, network: impl Network) -> SharedHttpClient {
        SharedHttpClient::new(Client { services: Arc::clone(&self.inner.services), network: Arc::new(network) })
    }

    /// Also serves requests for this host name. By default only loopback names, IP addresses and `host.docker.internal`
    /// are served, because a page in a browser could make any other name point here and read the content. Returns
    /// false, and changes nothing, if `name` is not a bare host name.
    pub fn allow_host(&self, name: &str) -> bool {
        let name = host::comparable(name);
        name.map(|name| lock(&self.services().hosts).insert(name)).is_some()
    }

    /// Stops listening and ends every connection. The content can still be read.
    pub fn shutdown(&self) {
        self.inner.stop.send_replace(true);
    }

    /// The address where it listens.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The value for `AWS_ENDPOINT_URL`: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Creates a standard queue and returns its URL. An existing queue keeps its messages and gets the new settings.
    /// The settings are not checked: only a `CreateQueue` request checks SQS's ranges.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> String {
        self.services().sqs.create(name, settings);
        self.queue_url(name)
    }

    /// `http://HOST:PORT/000000000000/NAME`, whether or not there is such a queue.
    pub fn queue_url(&self, name: &str) -> String {
        self.services().sqs.url(name)
    }

    /// Every message in a queue, oldest first, including messages in flight and delayed ones. This is no receive: no
    /// count or timeout changes. Empty for a queue that does not exist.
    pub fn messages(&self, queue: &str) -> Vec<StoredMessage> {
        self.services().sqs.messages(queue)
    }

    /// Creates an empty bucket. An existing bucket keeps its objects.
    pub fn create_bucket(&self, name: &str) {
        self.services().s3.create(name);
    }

    /// Every object in a bucket, by key. Empty for a bucket that does not exist.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, StoredObject> {
        self.services().s3.objects(bucket)
    }

    /// Creates a secret with one version, its AWSCURRENT. Replaces a secret of the same name with all its versions,
    /// even a deleted one. If the name is a secret's ARN, the secret gets that ARN and the name in it.
    pub fn create_secret(&self, name: &str, value: &str) {
        self.services().secrets.create(name, value);
    }

    /// Gives a secret a new AWSCURRENT version, as `PutSecretValue` does: the version before it becomes AWSPREVIOUS,
    /// and the one before that loses its stage. Creates a missing secret.
    pub fn put_secret_value(&self, name: &str, value: &str) {
        self.services().secrets.put(name, value);
    }

    /// Marks a secret as scheduled for deletion: its values can no longer be read.
    pub fn delete_secret(&self, name: &str) {
        self.services().secrets.delete(name);
    }

    /// Sets the CreatedDate of the version with this stage, to make it look older. Does nothing if there is none.
    pub fn set_secret_created(&self, name: &str, stage: &str, created: SystemTime) {
        self.services().secrets.set_created(name, stage, created);
    }

    /// Creates or replaces a parameter of Systems Manager.
    pub fn put_parameter(&self, name: &str, value: &str) {
        self.services().parameters.put(name, value);
    }

    /// How many requests for an operation arrived, including those that failed or met a fault.
    pub fn calls(&self, operation: Operation) -> usize {
        lock(&self.services().faults).calls(operation)
    }

    /// Makes the given calls of an operation, counted from now, fail with this fault. If two faults apply to a call,
    /// the one set last counts.
    pub fn fault(&self, operation: Operation, calls: impl Into<Calls>, fault: Fault) {
        lock(&self.services().faults).set(operation, calls.into(), fault);
    }

    /// Removes every fault. A call that already hangs keeps hanging, and the counts of calls continue.
    pub fn clear_faults(&self) {
        lock(&self.services().faults).clear();
    }

    fn services(&self) -> &Services {
        &self.inner.services
    }
}

/// Prints only the endpoint: the content may be secret.
impl std::fmt::Debug for LocalAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalAws").field(&self.endpoint()).finish()
    }
}
