//! One callback: the request as it came in, and what became of it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flinks_webhooks::{
    auth::SignatureForm,
    aws_error::FailedCalls,
    delivery::{DeliveryId, StoredAs},
    http::RequestId,
    rejection::Rejection,
    routing::Kind,
    telemetry::Record,
    timestamp::rfc3339,
};
use local_lambda::gateway::{Event, HttpRequest, event};
use serde::Serialize;
use serde_json::Value;

use crate::samples::Sample;

/// The one route of the API.
pub(super) const PATH: &str = "/webhooks/flinks";

/// A request to the API, as its sender made it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The path and, after a `?`, the query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    /// Empty where the gateway did not take it.
    pub(super) body: Bytes,
    pub(super) source_ip: String,
}

impl Request {
    /// A sample as a sender would post it.
    pub(super) fn of_sample(sample: &Sample) -> Self {
        let headers = sample.event.get("headers").and_then(Value::as_object);
        let pairs = headers.into_iter().flatten();
        Self {
            target: PATH.to_owned(),
            headers: pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            body: sample.body.clone().into(),
            source_ip: "127.0.0.1".to_owned(),
        }
    }

    /// The event that API Gateway makes of it, in JSON.
    pub(super) fn event(&self) -> Vec<u8> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let event: Event<'_> = event(&HttpRequest {
            method: "POST",
            path: &self.target,
            headers: &headers,
            body: &self.body,
            source_ip: Some(&self.source_ip),
            request_id: None,
            time_epoch: None,
        });
        // Only a map with keys that are no strings cannot be written.
        serde_json::to_vec(&event).unwrap_or_default()
    }

    /// What it takes in memory, in bytes, roughly.
    pub(super) fn weight(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Why there was no 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The receiver's own.
    Rejected(Rejection),
    /// API Gateway's limit for a body.
    BodyTooLarge,
    /// Lambda's limit for an event.
    EventTooLarge,
    /// The function's answer is none for API Gateway.
    BadAnswer,
}

impl Reason {
    /// One word for scripts; the receiver's own is the one in its metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.label(),
            Self::BodyTooLarge => "body-too-large",
            Self::EventTooLarge => "event-too-large",
            Self::BadAnswer => "bad-answer",
        }
    }

    /// What it means, for whoever has to fix it.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Rejected(Rejection::SignatureMissing) => {
                "No signature: the request has none of the headers flinks-authenticity-key, X-Flinks-Signature and \
                 X-Webhook-Signature."
            }
            Self::Rejected(Rejection::SignatureMalformed) => {
                "The signature header is of no use: it has several different values, or it is no \
                 HMAC-SHA256 (44 characters of base64; for Pay sha256= and 64 hex digits)."
            }
            Self::Rejected(Rejection::SignatureWrong) => {
                "The signature was not made with this stack's secret over exactly these bytes. To find out why, try \
                 cargo dev verify."
            }
            Self::Rejected(Rejection::NotHttp) => "The event is none of an HTTP request.",
            Self::Rejected(Rejection::NotBase64) => "The event says that its body is base64, and it is not.",
            Self::Rejected(Rejection::SourceNotAllowed) => {
                "It came from an address that is in none of the networks of ALLOWED_SOURCE_CIDRS."
            }
            Self::Rejected(Rejection::NoKeys) => {
                "No key to check the signature with: Secrets Manager did not give one."
            }
            Self::Rejected(Rejection::NotStored) => {
                "Neither the queue nor the bucket took it in time. Flinks would send it again."
            }
            Self::Rejected(Rejection::Fault) => "A fault of the receiver.",
            Self::BodyTooLarge => {
                "The body is larger than the 10 MB that API Gateway takes. The function never saw it."
            }
            Self::EventTooLarge => {
                "As an event of API Gateway it is larger than the 6,291,456 bytes that Lambda takes, escaping or base64 \
                 included. The function never saw it."
            }
            Self::BadAnswer => "API Gateway could make no HTTP response of the function's answer.",
        }
    }
}

/// A callback that was answered.
#[derive(Debug)]
pub(super) struct Callback {
    /// Its place in the order of answers, from 1.
    pub(super) number: u64,
    pub(super) received_at: SystemTime,
    pub(super) took: Duration,
    pub(super) request: Request,
    /// Length of the body as far as it was read, in bytes.
    pub(super) body_bytes: usize,
    pub(super) status: u16,
    pub(super) reason: Option<Reason>,
    pub(super) kind: Option<Kind>,
    pub(super) form: Option<SignatureForm>,
    pub(super) stored_as: Option<StoredAs>,
    pub(super) delivery_id: Option<DeliveryId>,
    pub(super) gateway_request_id: Option<RequestId>,
    pub(super) failures: FailedCalls,
}

impl Callback {
    /// A request that has come in now.
    pub(super) fn new(request: Request) -> Self {
        Self {
            number: 0,
            received_at: SystemTime::now(),
            took: Duration::ZERO,
            body_bytes: request.body.len(),
            request,
            status: 0,
            reason: None,
            kind: None,
            form: None,
            stored_as: None,
            delivery_id: None,
            gateway_request_id: None,
            failures: FailedCalls::default(),
        }
    }

    /// Takes over what the receiver has noted.
    pub(super) fn note(&mut self, record: Record) {
        self.failures = record.failed_calls();
        self.reason = record.rejection.map(Reason::Rejected);
        self.kind = record.kind;
        self.form = record.signature_form;
        self.stored_as = record.stored_as;
        self.delivery_id = record.delivery_id;
        self.gateway_request_id = record.gateway_request_id;
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored_as.is_some()
    }

    /// What scripts and the page get to see of it: all but its content.
    pub(super) fn summary(&self) -> Summary<'_> {
        Summary {
            number: self.number,
            time: rfc3339(self.received_at),
            milliseconds: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            status: self.status,
            kind: self.kind.map(Kind::label),
            queue: self.kind.filter(|_| self.is_stored()).map(Kind::queue),
            stored_as: self.stored_as.map(StoredAs::label),
            bytes: self.body_bytes,
            signature_form: self.form.map(SignatureForm::as_str),
            delivery_id: self.delivery_id.as_ref().map(DeliveryId::as_str),
            gateway_request_id: self.gateway_request_id.as_ref().map(RequestId::as_str),
            reason: self.reason.map(Reason::label),
            explanation: self.reason.map(Reason::explanation),
            aws_failures: &self.failures,
        }
    }
}

/// A callback without its content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    number: u64,
    /// RFC 3339, UTC.
    time: String,
    milliseconds: u64,
    status: u16,
    kind: Option<&'static str>,
    queue: Option<&'static str>,
    stored_as: Option<&'static str>,
    bytes: usize,
    signature_form: Option<&'static str>,
    delivery_id: Option<&'a str>,
    gateway_request_id: Option<&'a str>,
    reason: Option<&'static str>,
    explanation: Option<&'static str>,
    aws_failures: &'a FailedCalls,
}
