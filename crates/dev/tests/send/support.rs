//! Test servers, and the command as a process.

use std::{
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use flinks_dev::stack::{self, PAYLOAD_BUCKET, Stack};
use flinks_webhooks::{http::read_event, routing::Kind, telemetry::Record};
use local_lambda::gateway::{HttpRequest, event};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

/// `cargo dev` with an empty environment.
pub fn cargo_dev(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-dev"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// The result of a command.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The report: the first object on standard output.
    pub fn report(&self) -> Value {
        let line = self.stdout.lines().next().unwrap_or_else(|| panic!("no report: {}", self.stderr));
        serde_json::from_str(line).unwrap()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `cargo dev --json send` with the arguments in one line.
pub async fn send(arguments: &str) -> Ended {
    let arguments: Vec<_> = ["--json", "send"].into_iter().chain(arguments.split_whitespace()).collect();
    cargo_dev(&arguments).output().await.unwrap().into()
}

/// A request's signature headers and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub aggregation: Option<String>,
    pub pay: Option<String>,
    pub body: Bytes,
}

/// A server that responds with the given statuses in turn, and repeats the last one.
#[derive(Clone)]
pub struct Scripted {
    pub url: String,
    pub received: Arc<Mutex<Vec<Received>>>,
}

impl Scripted {
    pub async fn start(statuses: &'static [u16]) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let url = serve(Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let mut seen = seen.lock().unwrap();
            let (aggregation, pay) = (header("flinks-authenticity-key"), header("x-webhook-signature"));
            seen.push(Received { aggregation, pay, body });
            StatusCode::from_u16(statuses[(seen.len() - 1).min(statuses.len() - 1)]).unwrap()
        }))
        .await;
        Self { url, received }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// Serves on a free port. Returns the URL.
pub async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/flinks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Starts a server that reads the first bytes, responds and closes the connection. `respond` gets whether a TLS
/// handshake began. Returns the URL.
pub async fn raw_server(respond: impl Fn(bool) -> &'static [u8] + Send + 'static) -> String {
    /// The record type that begins a TLS handshake.
    const HANDSHAKE: u8 = 0x16;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 64 * 1024];
            let read = stream.read(&mut first).await.unwrap_or_default();
            let _ = stream.write_all(respond(first[..read].first() == Some(&HANDSHAKE))).await;
        }
    });
    url
}

/// Starts a server that resets each connection after the first bytes arrive. Returns the URL.
pub async fn resetting_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.readable().await;
            let _ = stream.set_zero_linger();
        }
    });
    url
}

/// The receiver on a local AWS. It gets the same events as from API Gateway.
pub struct Deployed {
    pub stack: Stack,
    receiver: stack::AwsReceiver,
}

impl Deployed {
    pub async fn start() -> Arc<Self> {
        let stack = Stack::start().await.unwrap();
        let receiver = stack::receiver(&stack.config(&[]).unwrap());
        Arc::new(Self { stack, receiver })
    }

    /// Serves the receiver at a URL.
    pub async fn serve(self: &Arc<Self>) -> String {
        let deployed = Arc::clone(self);
        serve(Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            StatusCode::from_u16(deployed.receive(&headers, &body).await).unwrap()
        }))
        .await
    }

    /// The status of the response to a callback.
    pub async fn receive(&self, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let request = HttpRequest { method: "POST", path: "/webhooks/flinks", headers, body, ..HttpRequest::default() };
        let event = serde_json::to_vec(&event(&request)).unwrap();
        self.receiver.receive(read_event(&event), &mut Record::default()).await.status()
    }

    /// The payloads on a queue in the order of arrival, with claim checks resolved.
    pub fn stored(&self, kind: Kind) -> Vec<Bytes> {
        let objects = self.stack.aws.objects(PAYLOAD_BUCKET);
        let payload = |body: String| match serde_json::from_str::<Value>(&body) {
            Ok(Value::Array(pointer)) => objects[pointer[1]["s3Key"].as_str().unwrap()].body.clone(),
            _ => Bytes::from(body),
        };
        self.stack.aws.messages(kind.queue()).into_iter().map(|message| payload(message.body)).collect()
    }

    /// The number of messages on each queue, in the order of [`Kind::ALL`].
    pub fn depths(&self) -> [usize; 6] {
        Kind::ALL.map(|kind| self.stack.aws.messages(kind.queue()).len())
    }
}
