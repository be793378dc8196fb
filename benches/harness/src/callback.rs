//! The measured callbacks: signed account details of each size, as API Gateway's events.

use bytes::Bytes;
use clap::ValueEnum;
use flinks_dev::{
    payload::{self, Options, PayloadKind},
    sign,
    stack::SIGNING_SECRET,
};
use local_lambda::gateway::{HttpRequest, event};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// Every run has the same payloads, so that the counts of two runs can be compared.
const SEED: u64 = 1;

/// The size of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Size {
    #[value(name = "2kB")]
    #[serde(rename = "2kB")]
    Kb2,
    #[value(name = "200kB")]
    #[serde(rename = "200kB")]
    Kb200,
    #[value(name = "1MB")]
    #[serde(rename = "1MB")]
    Mb1,
    /// The smallest body that needs a claim check
    #[value(name = "1MiB+1")]
    #[serde(rename = "1MiB+1")]
    Mib1AndOne,
    #[value(name = "5MB")]
    #[serde(rename = "5MB")]
    Mb5,
}

impl Size {
    pub fn bytes(self) -> usize {
        match self {
            Self::Kb2 => 2_000,
            Self::Kb200 => 200_000,
            Self::Mb1 => 1_000_000,
            Self::Mib1AndOne => 1_048_577,
            Self::Mb5 => 5_000_000,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Kb2 => "2 kB",
            Self::Kb200 => "200 kB",
            Self::Mb1 => "1 MB",
            Self::Mib1AndOne => "1 MiB + 1",
            Self::Mb5 => "5 MB",
        }
    }

    /// Whether SQS can carry it in a message.
    pub fn is_inline(self) -> bool {
        self < Self::Mib1AndOne
    }
}

/// One callback.
pub struct Callback {
    pub size: Size,
    pub body: Bytes,
    pub event: Bytes,
}

impl Callback {
    /// # Errors If the generator cannot make a body of this size.
    pub fn with_size(size: Size) -> Result<Self, Failure> {
        let body = body(size)?;
        let signature = sign::aggregation(&body, SIGNING_SECRET);
        let event = gateway_event(&body, &signature, Some("application/json; charset=utf-8"))?;
        Ok(Self { size, body, event })
    }
}

/// A body of exactly this size. White space after the JSON fills it up.
///
/// # Errors If the generator cannot make a body this small.
pub fn body(size: Size) -> Result<Bytes, Failure> {
    let options = Options { size: Some(size.bytes()), ..Options::default() };
    let mut json = payload::generate(PayloadKind::AccountsDetail, &options, &mut payload::generator(SEED, 0));
    let missing = size.bytes().checked_sub(json.len()).ok_or("the smallest payload is larger than this size")?;
    json.extend(std::iter::repeat_n(' ', missing));
    Ok(json.into())
}

/// The event for a body. Without a content type the body is in base64, as API Gateway sends it.
///
/// # Errors If the event cannot be serialised.
pub fn gateway_event(body: &[u8], signature: &str, content_type: Option<&str>) -> Result<Bytes, Failure> {
    // The names and lengths of the headers that API Gateway adds to Flinks' own.
    let mut headers = vec![
        ("flinks-authenticity-key", signature),
        ("accept-encoding", "gzip"),
        ("content-length", "1000000"),
        ("host", "abcdefghij.execute-api.ca-central-1.amazonaws.com"),
        ("x-amzn-trace-id", "Root=1-5e115eac-12094f19641c08d6d484e2fe"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ];
    headers.extend(content_type.map(|content_type| ("content-type", content_type)));
    let request = HttpRequest {
        method: "POST",
        path: "/webhooks/flinks",
        headers: &headers,
        body,
        source_ip: Some("192.0.2.1"),
        request_id: Some("JKJaXmPLvHcESHA="),
        time_epoch: Some(1_790_000_000_000),
    };
    Ok(serde_json::to_vec(&event(&request))?.into())
}
