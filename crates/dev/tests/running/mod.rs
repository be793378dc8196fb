//! `cargo dev up` as a child process, and clients for it.

#![allow(dead_code, reason = "each test file uses only a part of it")]

use std::{process::Stdio, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_sqs::{
    config::{BehaviorVersion, Region},
    types::{Message, QueueAttributeName},
};
use bytes::Bytes;
use flinks_dev::{sign, stack::SIGNING_SECRET};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

pub const AGGREGATION: &str = "flinks-authenticity-key";
pub const PAY: &str = "X-Webhook-Signature";
pub const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

/// A time limit that no step comes near. A process that hangs fails its test instead of blocking it.
const TIME_LIMIT: Duration = Duration::from_secs(60);

pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The running program. Dropping it kills the process.
pub struct Up {
    /// The first object that it prints. If it prints text, this is an object with the text's webhook URL.
    pub started: Value,
    process: Child,
    /// The lines that it prints after that.
    printed: mpsc::UnboundedReceiver<String>,
    text: String,
    client: HttpClient,
}

impl Up {
    pub async fn start() -> Self {
        Self::start_with(&["--json"]).await
    }

    /// Starts it with these arguments, on free ports.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["--port", "0"]);
        if !arguments.contains(&"--aws-listen") {
            command.args(["--aws-listen", "127.0.0.1:0"]);
        }
        let mut process = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (print, mut printed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = print.send(line);
            }
        });
        let mut text = String::new();
        let first = timeout(TIME_LIMIT, printed.recv()).await.unwrap().unwrap();
        text.push_str(&first);
        let started = serde_json::from_str(&first).unwrap_or_else(|_| {
            let (_, webhook) = first.split_once("http").unwrap();
            serde_json::json!({ "webhook": format!("http{webhook}") })
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { started, process, printed, text, client }
    }

    pub fn webhook(&self) -> String {
        self.started["webhook"].as_str().unwrap().to_owned()
    }

    pub fn port(&self) -> u16 {
        self.webhook().split([':', '/']).nth(4).unwrap().parse().unwrap()
    }

    pub fn aws_port(&self) -> u16 {
        let endpoint = self.started["environment"]["AWS_ENDPOINT_URL"].as_str().unwrap();
        endpoint.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Sends a request to the local AWS.
    pub async fn aws_request(&self, headers: &[(&str, &str)]) -> (u16, String) {
        let endpoint = self.started["environment"]["AWS_ENDPOINT_URL"].as_str().unwrap();
        post(&self.client, endpoint, headers, "{}".to_owned()).await
    }

    pub fn client(&self) -> HttpClient {
        self.client.clone()
    }

    pub async fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        post(&self.client, &self.webhook(), headers, body.to_owned()).await
    }

    pub async fn post_signed(&self, body: &str) -> (u16, String) {
        let signature = sign::aggregation(body.as_bytes(), SIGNING_SECRET);
        self.post(&[JSON, (AGGREGATION, &signature)], body).await
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.port());
        request(&self.client, method, &url, headers, body.to_owned()).await
    }

    /// The next object that it prints.
    pub async fn line(&mut self) -> Value {
        let line = timeout(TIME_LIMIT, self.printed.recv()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// All objects that it prints from now on.
    pub fn lines(&mut self) -> mpsc::UnboundedReceiver<Value> {
        let (print, objects) = mpsc::unbounded_channel();
        let mut printed = std::mem::replace(&mut self.printed, mpsc::unbounded_channel().1);
        tokio::spawn(async move {
            while let Some(line) = printed.recv().await {
                let _ = print.send(serde_json::from_str(&line).unwrap());
            }
        });
        objects
    }

    /// A consumer's SQS client, configured with the printed variables.
    fn sqs(&self) -> aws_sdk_sqs::Client {
        let text = |name: &str| self.started["environment"][name].as_str().unwrap().to_owned();
        let (id, secret) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(text("AWS_REGION")))
            .credentials_provider(Credentials::new(id, secret, None, None, "printed"))
            .endpoint_url(text("AWS_ENDPOINT_URL"))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub async fn receive(&self, queue: &str) -> Vec<Message> {
        let url = self.started["queues"][queue].as_str().unwrap();
        let request = self.sqs().receive_message().queue_url(url).max_number_of_messages(10);
        request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
    }

    /// The number of messages on a queue.
    pub async fn depth(&self, queue: &str) -> usize {
        let url = self.started["queues"][queue].as_str().unwrap();
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let output = self.sqs().get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
        output.unwrap().attributes.unwrap()[&name].parse().unwrap()
    }

    /// Connects as the page does. Returns the connection and the first event.
    pub async fn watch(&self) -> (TcpStream, String) {
        let address = format!("127.0.0.1:{}", self.port());
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let request = format!("GET /inspector/live HTTP/1.1\r\nHost: {address}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut received = String::new();
        while !received.contains("\n\n") {
            let mut piece = [0; 4096];
            let length = timeout(TIME_LIMIT, connection.read(&mut piece)).await.unwrap().unwrap();
            received.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        (connection, received)
    }

    /// Sends the process a signal, and expects exit code 0. Returns the output that no other method has returned.
    pub async fn end(&mut self, signal: &str) -> String {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let status = timeout(TIME_LIMIT, self.process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
        let mut text = if self.started.get("event").is_some() { String::new() } else { format!("{}\n", self.text) };
        while let Some(line) = timeout(TIME_LIMIT, self.printed.recv()).await.unwrap() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flinks-dev"));
    command.arg("up").kill_on_drop(true);
    command
}

/// The exit code and standard error of a failing start.
pub async fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = timeout(TIME_LIMIT, program().args(arguments).output()).await.unwrap().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

pub async fn post(client: &HttpClient, url: &str, headers: &[(&str, &str)], body: String) -> (u16, String) {
    request(client, "POST", url, headers, body).await
}

pub async fn request(
    client: &HttpClient,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (u16, String) {
    let mut request = hyper::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Waits until the other side closes a connection.
pub async fn until_closed(connection: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset closes the connection too.
    let _ = timeout(TIME_LIMIT, connection.read_to_end(&mut rest)).await.unwrap();
}
