//! The output of `up`: the addresses at the start, a line for each callback, and the totals at the end.

use std::net::{Ipv4Addr, SocketAddr};

use anstyle::{AnsiColor, Style};
use bytesize::ByteSize;
use flinks_webhooks::{auth::SignatureForm, config::Config, routing::Kind, timestamp::rfc3339};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    callback::{Callback, PATH, Reason, Summary},
    flinks::Flinks,
    journal::Totals,
};
use crate::{
    output::Output,
    stack::{PAY_SIGNING_SECRET, RECOVERY_QUEUE, SIGNING_SECRET},
};

/// The local AWS's port in `events/env.json`.
const SAM_PORT: u16 = 4566;

/// What a client of the local AWS must set besides the endpoint. The local AWS checks none of it.
const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "fake"), ("AWS_SECRET_ACCESS_KEY", "fake")];

/// The addresses of the receiver and of the local AWS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) front: SocketAddr,
    pub(super) aws_listen: SocketAddr,
    /// The address under which this machine reaches the local AWS.
    pub(super) aws: SocketAddr,
}

impl Addresses {
    pub(super) fn aws_endpoint(&self) -> String {
        format!("http://{}", self.aws)
    }

    fn queue_url(&self, kind: Kind, config: &Config) -> Option<String> {
        // The configured queue URLs have the listening address, which may stand for all interfaces.
        let path = config.storage.queue_urls.get(kind).splitn(4, '/').nth(3)?.to_owned();
        Some(format!("{}/{path}", self.aws_endpoint()))
    }

    /// The URL of a queue that the receiver does not use.
    fn url_of(&self, queue: &str, config: &Config) -> Option<String> {
        let url = self.queue_url(Kind::AccountsDetail, config)?;
        let (account, _) = url.rsplit_once('/')?;
        Some(format!("{account}/{queue}"))
    }

    fn is_reachable_from_containers(&self) -> bool {
        !self.aws_listen.ip().is_loopback() && self.aws_listen.port() == SAM_PORT
    }
}

/// Prints everything that a person or a script needs to send callbacks and to read the queues.
pub(super) fn started(output: Output, addresses: &Addresses, config: &Config, flinks: Option<&Flinks>) {
    let front = addresses.front;
    let url = |kind: Kind| Some((kind.queue(), addresses.queue_url(kind, config)?));
    let queues: Vec<_> = Kind::ALL.into_iter().filter_map(url).collect();
    let mut environment = vec![("AWS_ENDPOINT_URL", addresses.aws_endpoint())];
    environment.extend(CREDENTIALS.map(|(name, value)| (name, value.to_owned())));

    let object = |pairs: &[(&'static str, String)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect::<Map<_, _>>()
    };
    output.json(&json!({
        "event": "started",
        "webhook": format!("http://{front}{PATH}"),
        "inspector": format!("http://{front}/"),
        "environment": object(&environment),
        "queues": object(&queues),
        "payloadBucket": config.storage.payload_bucket,
        "signingSecret": SIGNING_SECRET,
        "paySigningSecret": PAY_SIGNING_SECRET,
        "reachableFromContainers": addresses.is_reachable_from_containers(),
        "flinks": flinks.map(Flinks::json),
        "recoveryQueue": flinks.and_then(|_| addresses.url_of(RECOVERY_QUEUE, config)),
    }));

    let title = AnsiColor::Cyan.on_default().bold();
    let heading = |text: &str| format!("{title}{text}{title:#}");
    output.line(format_args!("{}  http://{front}{PATH}", heading("Webhook  ")));
    output.line(format_args!("{}  http://{front}/", heading("Inspector")));
    output.line("");
    output.line(heading("Sign with one of these sample secrets, which are public:"));
    output.line(format_args!("  {SIGNING_SECRET}       flinks-authenticity-key"));
    output.line(format_args!("  {PAY_SIGNING_SECRET}   X-Webhook-Signature (Flinks Pay)"));
    output.line("");
    output.line(heading("Read the queues with any AWS SDK or the AWS CLI, with these variables:"));
    for (name, value) in &environment {
        output.line(format_args!("  export {name}={value}"));
    }
    for (_, url) in &queues {
        output.line(format_args!("  {url}"));
    }
    output.line(format_args!("  s3://{}   large and odd payloads", config.storage.payload_bucket));
    output.line("");
    if let Some(flinks) = flinks {
        output.line(format_args!("{}  {}", heading("Flinks   "), flinks.endpoint()));
        output.line("  Its logins are those of the callbacks that arrive here, and from the start:");
        for login in flinks.logins() {
            output.line(format_args!("    {login}"));
        }
        output.line("  Fetch the data of a login:");
        for command in flinks.commands() {
            output.line(format_args!("    {command}"));
        }
        if let Some(queue) = addresses.url_of(RECOVERY_QUEUE, config) {
            output.line(format_args!("  {queue}   requests for a recovery"));
        }
        output.line("  The function that takes the requests does not run here: docs/recovery.md.");
        output.line("");
    }
    output.line(heading("Run the built function in a container against this local AWS:"));
    output.line("  sam local invoke ReceiverFunction -e events/kyc.json");
    if !addresses.is_reachable_from_containers() {
        let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SAM_PORT));
        output.line(format_args!("  For that, start cargo dev up with --aws-listen {all}: a container cannot reach"));
        output.line(format_args!("  the machine's loopback, and events/env.json names port {SAM_PORT}."));
    }
    if !addresses.aws_listen.ip().is_loopback() {
        output.line("");
        output.line("Everybody on this network can reach the local AWS, because it does not check who calls.");
    }
    output.line("");
    output.line("Ctrl-C ends it and deletes everything in the queues.");
    output.line("");
}

/// Prints a callback's line.
pub(super) fn callback(output: Output, callback: &Callback) {
    if output.is_json() {
        let line = CallbackLine { event: "callback", summary: callback.summary() };
        output.json(&serde_json::to_value(line).unwrap_or_default());
        return;
    }
    let color = match callback.status {
        200 => AnsiColor::Green,
        500.. => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let status = color.on_default().bold();
    let dim = Style::new().dimmed();
    let time = rfc3339(callback.received_at);
    // Keep only the time of 2026-10-01T12:34:56.789Z.
    let time = time.get(11..23).unwrap_or(&time);
    let size = ByteSize(callback.body_bytes as u64).display().si().to_string();
    let start = format!("{dim}{time}{dim:#}  {status}{}{status:#}", callback.status);
    let stored = callback.kind.zip(callback.stored_as);
    let (kind, queue, how, why) = match stored {
        Some((kind, how)) => (kind.label(), kind.queue(), how.label(), callback.form.map_or("", SignatureForm::as_str)),
        None => ("-", "-", "rejected", callback.reason.map_or("", Reason::label)),
    };
    output.line(format_args!("{start}  {kind:<15}  {queue:<19}  {how:<11}  {size:>9}  {why}"));
}

#[derive(Serialize)]
struct CallbackLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    summary: Summary<'a>,
}

/// Prints the last line.
pub(super) fn stopped(output: Output, totals: Totals) {
    output.json(&json!({ "event": "stopped", "totals": totals }));
    let Totals { received, stored, rejected } = totals;
    let callbacks = if received == 1 { "callback" } else { "callbacks" };
    output.line(format_args!("Stopped after {received} {callbacks}: {stored} stored, {rejected} rejected."));
}
