//! Makes a [`Callback`] from API Gateway's event: the signature headers and the exact bytes that Flinks sent.
//!
//! Nothing here looks inside the body. `isBase64Encoded` alone decides whether it is base64: API Gateway sets it by the
//! content type.

use std::{fmt, net::IpAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use serde::{
    Serialize,
    de::{Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use strum::VariantArray;

use super::trace_header::TraceHeader;
use crate::rejection::Rejection;

/// A header that carries a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum SignatureHeader {
    AuthenticityKey,
    /// One of Flinks' sample pages uses this name.
    AuthenticityKeyAlias,
    WebhookSignature,
}

impl SignatureHeader {
    /// The header's name in lower case. It is also the name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthenticityKey => "flinks-authenticity-key",
            Self::AuthenticityKeyAlias => "x-flinks-signature",
            Self::WebhookSignature => "x-webhook-signature",
        }
    }

    /// The signature header of this name, in any case (RFC 9110, section 5.1). `None` for any other header.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|header| name.eq_ignore_ascii_case(header.name().as_bytes()))
    }
}

/// The values of the headers that carry signatures, as received.
#[derive(Default, PartialEq)]
pub struct SignatureHeaders(Vec<(SignatureHeader, Vec<u8>)>);

impl From<&HeaderMap> for SignatureHeaders {
    fn from(headers: &HeaderMap) -> Self {
        let values = SignatureHeader::VARIANTS
            .iter()
            .flat_map(|header| headers.get_all(header.name()).iter().map(|value| (*header, value.as_bytes().to_vec())));
        Self(values.collect())
    }
}

impl SignatureHeaders {
    pub fn push(&mut self, header: SignatureHeader, value: Vec<u8>) {
        self.0.push((header, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The signature headers that the request has, without duplicates.
    pub fn present(&self) -> Vec<SignatureHeader> {
        let mut present: Vec<SignatureHeader> = Vec::new();
        for (header, _) in &self.0 {
            if !present.contains(header) {
                present.push(*header);
            }
        }
        present
    }

    /// All values of these headers.
    pub fn values(&self, headers: &[SignatureHeader]) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(|(header, _)| headers.contains(header)).map(|(_, value)| value.as_slice())
    }
}

/// The id of an invocation or of a request. It goes to the log, so only text that looks like an id is accepted. Parse
/// only what Lambda or API Gateway set: other short text may look like an id, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// The id in this text. `None` for text that does not look like one.
    pub fn parse(text: &str) -> Option<Self> {
        /// Lambda's and API Gateway's ids have 16 to 36 bytes.
        const MAX_BYTES: usize = 64;
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
        ((1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(is_legal)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One request as it reached the API. Nothing has verified it yet.
#[derive(Default, PartialEq)]
pub struct Callback {
    pub headers: SignatureHeaders,
    /// The body, byte for byte as Flinks sent it. Empty when the request had none.
    pub body: Bytes,
    /// The IP address of the sender. API Gateway reports the address of the connection, never one from a header. `None`
    /// if absent or not an IP address.
    pub source: Option<IpAddr>,
    /// API Gateway's own id of the request, as in its access log.
    pub gateway_request_id: Option<RequestId>,
    /// The stack itself sent it, to try a new version before it gets traffic. The mark stands where a Lambda
    /// authorizer's result would be. The route has no authorizer, so no HTTP request can set it.
    pub deployment_check: bool,
    /// The X-Ray trace of the invocation, if it is sampled. The event does not have it: Lambda passes it beside the event.
    pub trace_header: Option<TraceHeader>,
}

/// The event of an HTTP API or a function URL (payload format 2.0), of a REST API (1.0) or of `sam local`, read from
/// what Lambda delivers.
///
/// Any other event becomes the inner `Err`, not a deserialization error: the Lambda runtime would send such an error,
/// which quotes the event, to the caller.
pub struct Event(pub Result<Callback, Rejection>);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let callback = deserializer.deserialize_map(EventVisitor);
        Ok(Self(callback.unwrap_or(Err(Rejection::NotHttp))))
    }
}

/// Reads API Gateway's format 2.0 in one pass, because its first member is `version`. Any other event is first read
/// into memory as a whole. A callback of 1 MB then takes 1.27 times the processor time (`benches/README.md`).
struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Result<Callback, Rejection>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the event of an HTTP request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = serde_json::Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.is_empty() && is_version_2(&name, &value) {
                return Deserialize::deserialize(MapAccessDeserializer::new(map)).map(callback_of_format_2);
            }
            members.insert(name, value);
        }
        let is_format_2 = members.iter().any(|(name, value)| is_version_2(name, value));
        let event = Value::Object(members);
        let callback = if is_format_2 {
            serde_json::from_value(event).map(callback_of_format_2)
        } else {
            serde_json::from_value(event).map(callback_of_format_1)
        };
        Ok(callback.unwrap_or(Err(Rejection::NotHttp)))
    }
}

fn is_version_2(name: &str, value: &Value) -> bool {
    name == "version" && value == "2.0"
}

/// Reads an event from its bytes.
///
/// # Errors
/// [`Rejection::NotHttp`] and [`Rejection::NotBase64`].
pub fn read_event(event: &[u8]) -> Result<Callback, Rejection> {
    serde_json::from_slice(event).map_or(Err(Rejection::NotHttp), |Event(callback)| callback)
}

fn callback_of_format_2(event: ApiGatewayV2httpRequest) -> Result<Callback, Rejection> {
    let context = event.request_context;
    let authorizer = context.authorizer.unwrap_or_default();
    Ok(Callback {
        headers: (&event.headers).into(),
        body: decode(event.body, event.is_base64_encoded)?,
        source: ip_address(context.http.source_ip),
        gateway_request_id: context.request_id.as_deref().and_then(RequestId::parse),
        deployment_check: authorizer.fields.get("deploymentCheck").and_then(Value::as_bool) == Some(true),
        trace_header: None,
    })
}

fn callback_of_format_1(event: ApiGatewayProxyRequest) -> Result<Callback, Rejection> {
    let context = event.request_context;
    // `headers` has only the last value of a header that is repeated.
    let all: SignatureHeaders = (&event.multi_value_headers).into();
    Ok(Callback {
        headers: if all.is_empty() { (&event.headers).into() } else { all },
        body: decode(event.body, event.is_base64_encoded)?,
        source: ip_address(context.identity.source_ip),
        gateway_request_id: context.request_id.as_deref().and_then(RequestId::parse),
        deployment_check: false,
        trace_header: None,
    })
}

fn decode(body: Option<String>, is_base64: bool) -> Result<Bytes, Rejection> {
    let body = body.unwrap_or_default();
    if is_base64 {
        BASE64_STANDARD.decode(body).map(Bytes::from).map_err(|_| Rejection::NotBase64)
    } else {
        Ok(body.into())
    }
}

fn ip_address(text: Option<String>) -> Option<IpAddr> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
