//! One callback: the request as it came in, and its result.

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
    /// Empty if the body was too large for API Gateway.
    pub(super) body: Bytes,
    pub(super) source_ip: String,
}

impl Request {
    /// The request that a sender would post for a sample.
    pub(super) fn from_sample(sample: &Sample) -> Self {
        let headers = sample.event.get("headers").and_then(Value::as_object);
        let pairs = headers.into_iter().flatten();
        Self {
            target: PATH.to_owned(),
            headers: pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            body: sample.body.clone().into(),
            source_ip: "127.0.0.1".to_owned(),
        }
    }

    /// The event that API Gateway makes from the request, in JSON.
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
        // Serialisation fails only for maps whose keys are not strings, and there are none here.
        serde_json::to_vec(&event).unwrap_or_default()
    }

    /// Roughly how many bytes of memory the request takes.
    pub(super) fn weight(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Why the response was not a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The receiver rejected the callback.
    Rejected(Rejection),
    /// The body exceeds API Gateway's limit.
    BodyTooLarge,
    /// The event exceeds Lambda's limit.
    EventTooLarge,
    /// API Gateway cannot turn the function's response into an HTTP response.
    BadResponse,
}

impl Reason {
    /// One word for scripts. For a rejection it is the word in the receiver's metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.label(),
            Self::BodyTooLarge => "body-too-large",
            Self::EventTooLarge => "event-too-large",
            Self::BadResponse => "bad-response",
        }
    }

    /// What the reason means, for the person who has to fix it.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Rejected(Rejection::SignatureMissing) => {
                "The request has no signature header: neither flinks-authenticity-key nor X-Flinks-Signature nor \
                 X-Webhook-Signature."
            }
            Self::Rejected(Rejection::SignatureMalformed) => {
                "The signature header is malformed. It has several different values, or its value is not an \
                 HMAC-SHA256: 44 characters of base64, or for Pay sha256= and 64 hex digits."
            }
            Self::Rejected(Rejection::SignatureWrong) => {
                "The signature was not made with this stack's secret over exactly these bytes. To find out why, run \
                 cargo dev verify."
            }
            Self::Rejected(Rejection::NotHttp) => "The event is not an HTTP request.",
            Self::Rejected(Rejection::NotBase64) => {
                "The event says that its body is base64, but the body is not valid base64."
            }
            Self::Rejected(Rejection::SourceNotAllowed) => {
                "The sender's address is not on the IP allow-list (ALLOWED_SOURCE_CIDRS)."
            }
            Self::Rejected(Rejection::NoKeys) => {
                "The receiver could not verify the signature, because it got no key from Secrets Manager. Flinks would \
                 retry."
            }
            Self::Rejected(Rejection::NotStored) => {
                "Neither the queue nor the bucket accepted the payload in time. Flinks would retry."
            }
            Self::Rejected(Rejection::Fault) => "The receiver panicked. This is a bug.",
            Self::BodyTooLarge => "The body is larger than API Gateway's limit of 10 MB. The function never saw it.",
            Self::EventTooLarge => {
                "API Gateway's event for this request is larger than Lambda's limit of 6,291,456 bytes, including \
                 escapes or base64. The function never saw it."
            }
            Self::BadResponse => "API Gateway could not turn the function's response into an HTTP response.",
        }
    }
}

/// A callback and its response.
#[derive(Debug)]
pub(super) struct Callback {
    /// Its position in the order of responses, from 1.
    pub(super) number: u64,
    pub(super) received_at: SystemTime,
    pub(super) took: Duration,
    pub(super) request: Request,
    /// How many bytes of the body were read.
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
    /// A request that arrives now, still without a result.
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

    /// Copies the result from the receiver's record.
    pub(super) fn set_result(&mut self, record: Record) {
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

    /// The callback without its content, for scripts and the page.
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
