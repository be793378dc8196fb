//! The backend of a subject: a local AWS with the stack, over plain HTTP, behind TLS or slow. It also checks what the
//! subject stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use flinks_dev::stack::{PAYLOAD_BUCKET, Stack};
use local_aws::{Calls, Fault, Operation};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{
    Failure,
    callback::Callback,
    subject::{FLOOR, Subject},
};

/// The latency of each call to a slow AWS, about that of a service in the same region. A new connection also waits this
/// long once, as for its handshakes.
pub const LATENCY: Duration = Duration::from_millis(5);
/// The SDKs' variables for the endpoints of the services that a subject uses.
const SERVICES: [&str; 3] = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", SQS, "AWS_ENDPOINT_URL_S3"];
const SQS: &str = "AWS_ENDPOINT_URL_SQS";
/// The queue for account details.
const QUEUE: &str = "AccountsDetailQueue";

/// How a subject reaches AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Plain HTTP
    Http,
    /// TLS, with all certificate authorities that the system trusts to be loaded, as on Lambda
    Tls,
    /// Plain HTTP, with 5 ms more for each call and each new connection
    Slow,
}

impl Transport {
    pub fn label(self) -> &'static str {
        match self {
            Self::Http => "plain HTTP",
            Self::Tls => "TLS",
            Self::Slow => "plain HTTP, 5 ms per call",
        }
    }
}

/// A certificate authority for this run with a certificate for 127.0.0.1, and the files that make subjects trust it.
pub struct Authority {
    acceptor: TlsAcceptor,
    /// A bundle with only this authority.
    alone: PathBuf,
    /// A bundle with this authority and all that the system trusts. Loading it is part of a start.
    among_all: PathBuf,
}

impl Authority {
    /// Creates an authority, with its files under `target/benches/`.
    ///
    /// # Errors If a file cannot be written.
    pub fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL treats a certificate as self-signed if issuer and subject have the same name.
        params.distinguished_name.push(DnType::CommonName, "flinks-benches");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()])?.signed_by(&key, &authority)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;

        let system = rustls_native_certs::load_native_certs().certs;
        let mut bundle: String =
            system.iter().map(|root| pem::encode(&pem::Pem::new("CERTIFICATE", root.as_ref()))).collect();
        bundle.push_str(&authority.pem());
        let folder = std::env::current_dir()?.join("target/benches");
        std::fs::create_dir_all(&folder)?;
        // Other runs may be active, so the names contain the process id.
        let file = |name: &str| folder.join(format!("{name}-{}.pem", std::process::id()));
        let (alone, among_all) = (file("authority"), file("authorities"));
        std::fs::write(&alone, authority.pem())?;
        std::fs::write(&among_all, bundle)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), alone, among_all })
    }

    fn environment(&self, subject: &Subject) -> [(&'static str, String); 3] {
        let bundle = if subject.has_one_root { &self.alone } else { &self.among_all };
        [("SSL_CERT_FILE", bundle), ("AWS_CA_BUNDLE", bundle), ("NODE_EXTRA_CA_CERTS", &self.alone)]
            .map(|(name, path)| (name, path.to_string_lossy().into_owned()))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // A leftover file does no harm.
        let _ = [&self.alone, &self.among_all].map(std::fs::remove_file);
    }
}

/// A local AWS for one measured process, with a port for each service. On AWS, too, no connection serves two services.
pub struct Backend<'a> {
    stack: Stack,
    /// The authority that a subject must trust. `None` for plain HTTP.
    authority: Option<&'a Authority>,
    endpoints: [(&'static str, String); SERVICES.len()],
    /// The proxies end when this is dropped.
    _proxies: JoinSet<()>,
}

impl<'a> Backend<'a> {
    /// # Errors If no port can be bound.
    pub async fn start(transport: Transport, authority: &'a Authority) -> Result<Self, Failure> {
        let stack = Stack::start().await?;
        let mut proxies = JoinSet::new();
        let mut endpoints = SERVICES.map(|service| (service, String::new()));
        for (_, endpoint) in &mut endpoints {
            let behind = stack.aws.listen().await?;
            *endpoint = match transport {
                Transport::Http => format!("http://{behind}"),
                Transport::Tls => {
                    let acceptor = authority.acceptor.clone();
                    format!("https://{}", start_proxy(&mut proxies, behind, Proxy::Tls(acceptor)).await?)
                }
                Transport::Slow => format!("http://{}", start_proxy(&mut proxies, behind, Proxy::Slow).await?),
            };
        }
        if transport == Transport::Slow {
            for operation in [Operation::GetSecretValue, Operation::SendMessage, Operation::PutObject] {
                stack.aws.fault(operation, Calls::All, Fault::Delay(LATENCY));
            }
        }
        let authority = (transport == Transport::Tls).then_some(authority);
        Ok(Self { stack, authority, endpoints, _proxies: proxies })
    }

    /// The variables that a subject needs to reach this backend.
    pub fn environment(&self, subject: &Subject) -> BTreeMap<&'static str, String> {
        let plain = self.stack.aws.endpoint();
        let mut variables: BTreeMap<_, _> = self.stack.environment().into_iter().collect();
        variables.remove("AWS_ENDPOINT_URL");
        variables.extend(self.endpoints.iter().cloned());
        if let Some(sqs) = variables.get(SQS).cloned() {
            // An SDK may use the host in the queues' URLs.
            for value in variables.values_mut() {
                *value = value.replace(&plain, &sqs);
            }
        }
        variables.extend(self.authority.into_iter().flat_map(|authority| authority.environment(subject)));
        // Lambda sets both, and boto3 reads this one.
        variables.extend(variables.get("AWS_REGION").cloned().map(|region| ("AWS_DEFAULT_REGION", region)));
        variables
    }

    /// Checks that each of `count` callbacks is stored once and byte for byte.
    ///
    /// # Errors If a callback is missing or wrong.
    pub fn check(&self, subject: &Subject, callback: &Callback, count: usize) -> Result<(), Failure> {
        let messages = self.stack.aws.messages(QUEUE);
        let objects = self.stack.aws.objects(PAYLOAD_BUCKET);
        let is_inline = callback.size.is_inline();
        // The floor's objects have no messages.
        let expected = (if is_inline || subject.name != FLOOR { count } else { 0 }, if is_inline { 0 } else { count });
        if (messages.len(), objects.len()) != expected {
            let (messages, objects) = (messages.len(), objects.len());
            return Err(format!("{count} callbacks became {messages} messages and {objects} objects").into());
        }
        let stored: Vec<&[u8]> = if is_inline {
            messages.iter().map(|message| message.body.as_bytes()).collect()
        } else if subject.name == FLOOR {
            objects.values().map(|object| object.body.as_ref()).collect()
        } else {
            // Each object counts through the one message that points to it.
            let keys: BTreeSet<_> = messages.iter().filter_map(|message| key(&message.body)).collect();
            keys.iter().filter_map(|key| Some(objects.get(key)?.body.as_ref())).collect()
        };
        if stored.len() != count {
            return Err(format!("{} of {count} callbacks were found", stored.len()).into());
        }
        if stored.iter().any(|body| *body != callback.body) {
            return Err("a stored payload differs from what was sent".into());
        }
        Ok(())
    }
}

/// The object's key in a claim check.
fn key(pointer: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Pointer {
        #[serde(rename = "s3Key")]
        key: String,
    }
    let (_, pointer): (String, Pointer) = serde_json::from_str(pointer).ok()?;
    Some(pointer.key)
}

/// A proxy in front of a service.
#[derive(Clone)]
enum Proxy {
    /// Terminates TLS.
    Tls(TlsAcceptor),
    /// Delays each new connection.
    Slow,
}

/// Starts a proxy on a new port. It forwards each connection.
async fn start_proxy(proxies: &mut JoinSet<()>, behind: SocketAddr, kind: Proxy) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    proxies.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let kind = kind.clone();
            // An error means that the client is gone, so nobody needs it.
            connections.spawn(async move {
                stream.set_nodelay(true)?;
                match kind {
                    Proxy::Tls(acceptor) => pass_on(acceptor.accept(stream).await?, behind).await,
                    Proxy::Slow => {
                        tokio::time::sleep(LATENCY).await;
                        pass_on(stream, behind).await
                    }
                }
            });
        }
    });
    Ok(address)
}

async fn pass_on(mut outside: impl AsyncRead + AsyncWrite + Unpin, behind: SocketAddr) -> io::Result<()> {
    const BUFFER: usize = 64 * 1024;
    let mut inside = TcpStream::connect(behind).await?;
    inside.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut outside, &mut inside, BUFFER, BUFFER).await?;
    Ok(())
}
