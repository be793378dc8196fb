//! The first step: from the event that API Gateway hands to the function to a [`Callback`]: the signature headers
//! and the exact bytes that Flinks sent.
//!
//! Nothing inside the body is looked at here. What the event says about the body's encoding (`isBase64Encoded`) is
//! followed to the letter, because API Gateway decides it by the content type that it saw, not by what is inside.

use std::{borrow::Cow, fmt, net::IpAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{
    Serialize,
    de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use strum::VariantArray;

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
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthenticityKey => "flinks-authenticity-key",
            Self::AuthenticityKeyAlias => "x-flinks-signature",
            Self::WebhookSignature => "x-webhook-signature",
        }
    }

    /// The header of this name, in any case (RFC 9110, section 5.1). `None` for a header without a signature.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|header| name.eq_ignore_ascii_case(header.name().as_bytes()))
    }
}

/// The values of the headers that carry signatures, as received.
#[derive(Default, PartialEq)]
pub struct SignatureHeaders(Vec<(SignatureHeader, Vec<u8>)>);

impl SignatureHeaders {
    pub fn push(&mut self, header: SignatureHeader, value: Vec<u8>) {
        self.0.push((header, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers of the request, each once.
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

/// The id of an invocation or of a request. It goes to the log, so only text that cannot be anything else is one.
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
    /// Every value of every header that can carry a signature, as received.
    pub headers: SignatureHeaders,
    /// The body, byte for byte as Flinks sent it. Empty when the request had none.
    pub body: Bytes,
    /// The address that sent it, as API Gateway reports it: of the connection, and never from a header. None where the
    /// event has none that is one.
    pub source: Option<IpAddr>,
    /// API Gateway's own id of the request, for finding it in the access log. Only where it looks like one.
    pub gateway_request_id: Option<RequestId>,
    /// Whether the stack itself sent it, to try a new version before it gets traffic. The event says so where API Gateway
    /// writes what a Lambda authorizer found; the route has no authorizer, so nothing that comes over HTTP can say it.
    pub deployment_check: bool,
}

/// Reads the event that Lambda delivered.
///
/// # Errors
/// [`Rejection::NotHttp`] and [`Rejection::NotBase64`].
pub fn read_event(event: &[u8]) -> Result<Callback, Rejection> {
    GatewayEvent::read(event).0
}

/// What the Lambda runtime delivered, read without ever failing.
///
/// Takes the events of an HTTP API or a function URL (payload format 2.0), of a REST API (1.0) and of
/// `sam local invoke`. An event that is none of these becomes an `Err` inside and not an error of deserialising, which
/// would quote the event.
struct GatewayEvent(Result<Callback, Rejection>);

impl GatewayEvent {
    /// Reads an event from the bytes that Lambda delivered: exactly what deserialising them gives, but without the second
    /// and third copy of a body that has escapes.
    fn read(event: &[u8]) -> Self {
        let whole = || Self::deserialize(&mut serde_json::Deserializer::from_slice(event));
        Self::with_body_apart(event).unwrap_or_else(|| whole().unwrap_or(Self(Err(Rejection::NotHttp))))
    }

    /// Unescapes the body straight from the event, and deserialises the rest. None where that could differ from
    /// deserialising the whole: a body that is no string or is there twice, half a surrogate pair, a broken event.
    fn with_body_apart(event: &[u8]) -> Option<Self> {
        let (before, literal) = event.split_at_checked(body_literal(event)?)?;
        let (body, after) = unescaped(literal)?;
        let rest = [before, b"\"", after].concat();
        let mut fields: EventFields<'_> =
            serde_json::Deserializer::from_slice(&rest).deserialize_map(EventVisitor).ok()?;
        if fields.bodies != 1 {
            return None;
        }
        fields.body = Octets(body);
        Some(Self(fields.into_callback()))
    }
}

/// Where in an event the string of its top-level `body` begins, behind the quotation mark.
fn body_literal(event: &[u8]) -> Option<usize> {
    let (mut depth, mut rest) = (0_usize, event);
    loop {
        let mark = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?;
        let (mark, after) = rest.get(mark..)?.split_first()?;
        rest = after;
        match mark {
            b'{' | b'[' => depth += 1,
            // What follows the event's own end is none of it.
            b'}' | b']' => depth = depth.checked_sub(1).filter(|depth| *depth > 0)?,
            _ => {
                let behind = behind_string(after)?;
                let is_body = depth == 1 && after.starts_with(b"body\"");
                let value = behind.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
                if let Some(literal) = value.filter(|_| is_body).and_then(|value| value.strip_prefix(b"\"")) {
                    return Some(event.len() - literal.len());
                }
                rest = behind;
            }
        }
    }
}

/// The UTF-16 unit that `text` begins with, written as `\u` and four hex digits, and what follows it.
fn unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = text.strip_prefix(b"\\u")?.split_first_chunk::<4>()?;
    let mut unit = [0; 2];
    hex::decode_to_slice(digits, &mut unit).ok()?;
    Some((u16::from_be_bytes(unit), after))
}

/// What follows a JSON string that begins before `text`.
fn behind_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let mark = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        match text.get(mark..)? {
            [b'"', behind @ ..] => return Some(behind),
            [_, _, after @ ..] => text = after,
            _ => return None,
        }
    }
}

/// What a JSON string says that begins before `literal`, and what follows it. Without escapes it says what stands there.
fn unescaped(literal: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let run = |text: &[u8]| text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    let (plain, mut marked) = literal.split_at_checked(run(literal)?)?;
    if let [b'"', behind @ ..] = marked {
        return Some((plain.into(), behind));
    }
    let mut said = Vec::with_capacity(literal.len());
    said.extend_from_slice(plain);
    loop {
        let rest = match marked {
            [b'"', behind @ ..] => return Some((said.into(), behind)),
            [_, b'u', ..] => {
                let (first, after) = unit(marked)?;
                // Half of a pair by itself is no character.
                let (character, after) = match char::from_u32(first.into()) {
                    Some(character) => (character, after),
                    None => {
                        let (second, after) = unit(after)?;
                        (char::decode_utf16([first, second]).next()?.ok()?, after)
                    }
                };
                said.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
            [_, escape, after @ ..] => {
                said.push(match escape {
                    b'"' | b'\\' | b'/' => *escape,
                    b'b' => 0x08,
                    b'f' => 0x0C,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    _ => return None,
                });
                after
            }
            _ => return None,
        };
        let plain;
        (plain, marked) = rest.split_at_checked(run(rest)?)?;
        said.extend_from_slice(plain);
    }
}

impl<'de> Deserialize<'de> for GatewayEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = deserializer.deserialize_map(EventVisitor);
        Ok(Self(fields.map_err(|_| Rejection::NotHttp).and_then(EventFields::into_callback)))
    }
}

/// The parts of an event that this receiver uses.
#[derive(Default)]
struct EventFields<'e> {
    /// A key of an HTTP event was there at all.
    is_http: bool,
    /// How often `body` was there; the last one counts.
    bodies: usize,
    body: Octets<'e>,
    is_base64: bool,
    single: SignatureHeaders,
    multi: SignatureHeaders,
    context: RequestContext,
}

impl EventFields<'_> {
    fn into_callback(self) -> Result<Callback, Rejection> {
        if !self.is_http {
            return Err(Rejection::NotHttp);
        }
        let body = if self.is_base64 {
            BASE64_STANDARD.decode(self.body.0).map_err(|_| Rejection::NotBase64)?
        } else {
            self.body.0.into_owned()
        };
        Ok(Callback {
            // A REST API repeats in `headers` the last value of what `multiValueHeaders` has in full.
            headers: if self.multi.is_empty() { self.single } else { self.multi },
            body: body.into(),
            source: self.context.source,
            gateway_request_id: self.context.id,
            deployment_check: self.context.deployment_check,
        })
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = EventFields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an API Gateway event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventFields<'de>, A::Error> {
        let mut fields = EventFields::default();
        while let Some(Octets(key)) = map.next_key()? {
            match key.as_ref() {
                b"body" => {
                    fields.bodies += 1;
                    fields.body = map.next_value::<Option<_>>()?.unwrap_or_default();
                }
                b"isBase64Encoded" => fields.is_base64 = map.next_value::<Option<bool>>()?.unwrap_or_default(),
                b"headers" => fields.single = map.next_value::<Option<Headers>>()?.unwrap_or_default().0,
                b"multiValueHeaders" => fields.multi = map.next_value::<Option<Headers>>()?.unwrap_or_default().0,
                b"requestContext" => fields.context = map.next_value::<Option<_>>()?.unwrap_or_default(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            }
            fields.is_http = true;
        }
        Ok(fields)
    }
}

/// The signature headers of a map of headers, names in any case; the others are skipped unread, whatever they hold.
#[derive(Default)]
struct Headers(SignatureHeaders);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::default();
                while let Some(Octets(name)) = map.next_key()? {
                    let Some(header) = SignatureHeader::from_name(&name) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    for value in map.next_value::<Option<Values>>()?.unwrap_or_default().0 {
                        headers.0.push(header, value);
                    }
                }
                Ok(headers)
            }
        }

        deserializer.deserialize_map(HeadersVisitor)
    }
}

/// A header's value, or the list of them that `multiValueHeaders` has.
#[derive(Default)]
struct Values(Vec<Vec<u8>>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;

        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = Values;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Values, E> {
                Ok(Values(vec![bytes.to_vec()]))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Values, E> {
                self.visit_bytes(text.as_bytes())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut values = Values::default();
                while let Some(Octets(value)) = list.next_element()? {
                    values.0.push(value.into_owned());
                }
                Ok(values)
            }
        }

        deserializer.deserialize_bytes(ValuesVisitor)
    }
}

/// The fields of `requestContext` that are of use here.
#[derive(Default)]
struct RequestContext {
    id: Option<RequestId>,
    source: Option<IpAddr>,
    deployment_check: bool,
}

impl<'de> Deserialize<'de> for RequestContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContextVisitor;

        impl<'de> Visitor<'de> for ContextVisitor {
            type Value = RequestContext;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a request context")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequestContext, A::Error> {
                let mut context = RequestContext::default();
                while let Some(Octets(key)) = map.next_key()? {
                    match key.as_ref() {
                        b"requestId" => {
                            let id = map.next_value::<Option<Octets>>()?;
                            context.id = id.and_then(|id| RequestId::parse(str::from_utf8(&id.0).ok()?));
                        }
                        b"authorizer" => {
                            let found = map.next_value::<Value>()?;
                            context.deployment_check =
                                found.pointer("/lambda/deploymentCheck") == Some(&Value::Bool(true));
                        }
                        // Payload format 2.0 has the address in the one, 1.0 in the other.
                        b"http" | b"identity" => {
                            let Sender(source) = map.next_value::<Option<_>>()?.unwrap_or_default();
                            context.source = source.or(context.source);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(context)
            }
        }

        deserializer.deserialize_map(ContextVisitor)
    }
}

/// The address in the part of `requestContext` that tells of the sender.
#[derive(Default)]
struct Sender(Option<IpAddr>);

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SenderVisitor;

        impl<'de> Visitor<'de> for SenderVisitor {
            type Value = Sender;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a part of a request context")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sender, A::Error> {
                let mut source = None;
                while let Some(Octets(key)) = map.next_key()? {
                    if *key == *b"sourceIp" {
                        let address = map.next_value::<Option<Octets>>()?;
                        source = address.and_then(|address| str::from_utf8(&address.0).ok()?.parse().ok());
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Sender(source))
            }
        }

        deserializer.deserialize_map(SenderVisitor)
    }
}

/// A JSON string as bytes, so that one that is not text (a stray byte, half of a surrogate pair) is read all the same.
/// One without escapes is a piece of the event: keys cost no allocation, and a body in base64 no copy.
#[derive(Default)]
struct Octets<'e>(Cow<'e, [u8]>);

impl<'de> Deserialize<'de> for Octets<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OctetsVisitor;

        impl<'de> Visitor<'de> for OctetsVisitor {
            type Value = Octets<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Octets<'de>, E> {
                Ok(Octets(bytes.into()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Octets<'de>, E> {
                Ok(Octets(bytes.to_vec().into()))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Octets<'de>, E> {
                self.visit_bytes(text.as_bytes())
            }
        }

        deserializer.deserialize_bytes(OctetsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: impl AsRef<[u8]>) -> Result<Callback, Rejection> {
        let read = GatewayEvent::read(event.as_ref()).0;
        // One value from the slice, whatever follows it.
        let deserialized = GatewayEvent::deserialize(&mut serde_json::Deserializer::from_slice(event.as_ref()));
        assert!(read == deserialized.map_err(|_| ()).unwrap().0, "both ways to read an event give the same");
        read
    }

    #[test]
    fn a_body_that_is_read_apart_needs_no_second_look() {
        for event in [
            r#"{"headers":{"body":"x","a":["}"]},"body":"{\"Name\":\"Zo\u00e9\"}","isBase64Encoded":false}"#,
            r#"{ "body" : "\"\\\/\b\f\n\r\t" }"#,
            r#"{"body":"\ud83d\ude00\u00E9"}"#,
            r#"{"isBase64Encoded":true,"body":"e30="}"#,
        ] {
            assert!(GatewayEvent::with_body_apart(event.as_bytes()).is_some(), "{event}");
            let _ = read(event);
        }
    }

    #[test]
    fn a_body_that_cannot_be_told_apart_is_read_with_the_whole() {
        for event in [
            r#"{"body":"a","body":"b"}"#,
            r#"{"body":"a","b\u006fdy":"b"}"#,
            r#"{"body":"a","body":null}"#,
            r#"{"body":"\ud83d"}"#,
            r#"{"body":"\ud83d\u0041"}"#,
            r#"{"body":"\ude00\ud83d"}"#,
            r#"{"body":"\u+0e9"}"#,
            r#"{"body":"\x"}"#,
            r#"{"body":"a"#,
            r#"["body":"a"]"#,
            r#"{"x":{"body":"a"}}"#,
            r#"{"x":"body","y":"a"}"#,
            r#"{"body":["a"]}"#,
            r#"{"headers":{},"body":null}{"body":"x"}"#,
            r#"{"b\u006fdy":"a"}{"body":"x"}"#,
            r#"{"body":null}["body":"x"]"#,
            "",
        ] {
            assert!(GatewayEvent::with_body_apart(event.as_bytes()).is_none(), "{event}");
            let _ = read(event);
        }
    }

    fn body(event: &str) -> Bytes {
        read(event).map_err(|bad| format!("{bad:?}")).unwrap().body
    }

    #[test]
    fn the_body_is_the_string_unescaped() {
        assert_eq!(body(r#"{"body":"{\"Name\":\"Zo\u00e9\"}"}"#), "{\"Name\":\"Zoé\"}");
    }

    #[test]
    fn the_flag_and_nothing_else_decides_about_base64() {
        assert_eq!(
            body(r#"{"body":"e30=","isBase64Encoded":true,"headers":{"content-type":"application/json"}}"#),
            "{}"
        );
        assert_eq!(body(r#"{"body":"e30=","isBase64Encoded":false,"headers":{}}"#), "e30=");
        assert_eq!(body(r#"{"isBase64Encoded":true,"body":"//4="}"#), &b"\xff\xfe"[..]);
    }

    #[test]
    fn a_string_is_the_same_with_escapes_and_without() {
        for (event, expected) in [
            (r#"{"body":"caf\u00e9"}"#, &b"caf\xc3\xa9"[..]),
            ("{\"body\":\"café\"}", b"caf\xc3\xa9"),
            (r#"{"\u0062ody":"a"}"#, b"a"),
            (r#"{"isBase64Encoded":true,"body":"\/\/4="}"#, b"\xff\xfe"),
            (r#"{"body":"\/\/4=","isBase6\u0034Encoded":true}"#, b"\xff\xfe"),
            (r#"{"body":"\u0061","body":"b"}"#, b"b"),
            (r#"{"body":"a","body":"\u0062"}"#, b"b"),
        ] {
            assert_eq!(body(event), expected, "{event}");
        }
    }

    #[test]
    fn no_body_is_an_empty_body() {
        for event in [r#"{"headers":{}}"#, r#"{"body":null}"#, r#"{"body":"","isBase64Encoded":true}"#] {
            assert!(body(event).is_empty(), "{event}");
        }
    }

    #[test]
    fn a_body_that_is_not_base64_is_a_bad_event() {
        for text in ["e30", "e3!=", "e30=\\n", "é", "e31="] {
            let event = format!(r#"{{"isBase64Encoded":true,"body":"{text}"}}"#);
            assert_eq!(read(&event).err(), Some(Rejection::NotBase64), "{event}");
        }
    }

    #[test]
    fn what_is_not_an_http_event_is_a_bad_event() {
        for event in [
            "",
            "null",
            "5",
            "[]",
            "{}",
            "\"text\"",
            r#"{"Records":[{"body":"{}"}]}"#,
            "{\"body\":5}",
            r#"{"body":"cut sho"#,
            r#"{"headers":[]}"#,
            r#"{"headers":{"X-Webhook-Signature":5}}"#,
            "\u{0}",
            r#"{"isBase64Encoded":"yes"}"#,
        ] {
            assert_eq!(read(event).err(), Some(Rejection::NotHttp), "{event}");
        }
    }

    #[test]
    fn other_headers_are_skipped_whatever_they_hold() {
        let event =
            [&b"{\"headers\":{\"user-agent\":\"caf\xe9\",\"x\":5,\"\\ud800\":[{}]},\"body\":\"a\"}"[..]].concat();
        assert_eq!(read(event).map_err(|_| ()).unwrap().body, "a");
    }

    #[test]
    fn a_body_with_half_a_surrogate_pair_is_kept() {
        assert_eq!(body(r#"{"body":"\ud83d"}"#), &b"\xed\xa0\xbd"[..]);
    }

    fn values(event: &str) -> usize {
        read(event).map_err(|_| ()).unwrap().headers.values(SignatureHeader::VARIANTS).count()
    }

    #[test]
    fn a_rest_apis_headers_are_read_in_full() {
        let mac = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let event = |single: &str, multi: &str| {
            values(&format!(
                r#"{{"headers":{{"Flinks-Authenticity-Key":{single}}},"multiValueHeaders":{{"Flinks-Authenticity-Key":{multi}}}}}"#
            ))
        };
        let one = format!("\"{mac}\"");
        assert_eq!(event(&one, &format!("[{one}]")), 1);
        assert_eq!(event(&one, "null"), 1);
        assert_eq!(event("null", "[]"), 0);
        assert_eq!(event(&one, &format!("[{one},{one}]")), 2);
        assert_eq!(event(&one, &format!("[{one},\"other\"]")), 2);
        assert_eq!(event(&one, "[\"other\"]"), 1);
    }

    #[test]
    fn the_senders_address_is_the_gateways_word_for_it_and_never_a_headers() {
        let source = |context: &str| {
            let headers = r#"{"x-forwarded-for":"203.0.113.7","forwarded":"for=203.0.113.7"}"#;
            let event = format!(r#"{{"headers":{headers},"requestContext":{context}}}"#);
            read(event).ok().unwrap().source.map(|address| address.to_string())
        };
        for context in [
            r#"{"http":{"method":"POST","sourceIp":"198.51.100.7"},"requestId":"a"}"#,
            r#"{"identity":{"accountId":null,"sourceIp":"198.51.100.7"}}"#,
        ] {
            assert_eq!(source(context).as_deref(), Some("198.51.100.7"), "{context}");
        }
        assert_eq!(source(r#"{"http":{"sourceIp":"2001:db8::7"}}"#).as_deref(), Some("2001:db8::7"));
        for context in [
            "{}",
            "null",
            r#"{"http":null}"#,
            r#"{"sourceIp":"198.51.100.7"}"#,
            r#"{"http":{"sourceIp":null}}"#,
            r#"{"http":{"sourceIp":""}}"#,
            r#"{"http":{"sourceIp":"198.51.100.7, 203.0.113.7"}}"#,
            r#"{"identity":{"sourceIp":"\ud800"}}"#,
        ] {
            assert_eq!(source(context), None, "{context}");
        }
    }

    #[test]
    fn the_gateways_request_id_is_kept_only_where_it_looks_like_one() {
        let id = |id: &str| {
            read(format!(r#"{{"requestContext":{{"http":{{}},"requestId":"{id}"}}}}"#)).ok().unwrap().gateway_request_id
        };
        assert_eq!(id("JKJaXmPLvHcESHA="), RequestId::parse("JKJaXmPLvHcESHA="));
        assert_eq!(id("Jane Smith"), None);
        assert_eq!(id(&"a".repeat(65)), None);
    }
}
