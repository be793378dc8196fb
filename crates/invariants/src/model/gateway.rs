//! The event of an HTTP request, as API Gateway documents it for payload formats 2.0 and 1.0.

use std::net::IpAddr;

use super::{
    json::{Document, Token, Value, elements, members},
    signature::{self, Header},
};

/// A request to the webhook.
#[derive(Debug)]
pub struct Request {
    /// The values of the headers that can carry a signature.
    pub headers: Vec<(Header, Vec<u8>)>,
    pub body: Vec<u8>,
    /// The address of the connection, where it is one.
    pub source: Option<IpAddr>,
    /// API Gateway's id of the request, where it looks like one.
    pub id: Option<String>,
}

/// Why an event is no request to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRequest {
    NotHttp,
    NotBase64,
}

/// Longest id that is believed, in characters.
const LONGEST_ID: usize = 64;

/// Reads an event; whatever follows it is ignored.
pub fn read(event: &Document) -> Result<Request, NoRequest> {
    let members = members(&event.tokens).ok_or(NoRequest::NotHttp)?;
    let (mut body, mut is_base64, mut single, mut multi) = (Vec::new(), false, Vec::new(), Vec::new());
    let mut context = Context::default();
    let mut is_http = false;
    // In their order: one that is not what it should be makes the whole no event, also where a later one replaces it.
    for (key, value) in members {
        is_http |= match key {
            b"body" => text(value).map(|text| body = text.unwrap_or_default()).is_some(),
            b"isBase64Encoded" => flag(value).map(|flag| is_base64 = flag).is_some(),
            b"headers" => headers(value).map(|values| single = values).is_some(),
            b"multiValueHeaders" => headers(value).map(|values| multi = values).is_some(),
            b"requestContext" => Context::of(value).map(|found| context = found).is_some(),
            _ => continue,
        }
        .then_some(true)
        .ok_or(NoRequest::NotHttp)?;
    }
    if !is_http {
        return Err(NoRequest::NotHttp);
    }
    Ok(Request {
        headers: if multi.is_empty() { single } else { multi },
        body: if is_base64 { signature::base64(&body).ok_or(NoRequest::NotBase64)? } else { body },
        source: context.source,
        id: context.id,
    })
}

/// A string, or `null`; none at all for anything else.
fn text(value: Value) -> Option<Option<Vec<u8>>> {
    match value {
        [Token::Text(text)] => Some(Some(text.clone())),
        [Token::Null] => Some(None),
        _ => None,
    }
}

fn flag(value: Value) -> Option<bool> {
    match value {
        [Token::Bool(flag)] => Some(*flag),
        [Token::Null] => Some(false),
        _ => None,
    }
}

/// The values of the signature headers, each a string, a list of strings, or `null`; none at all for anything else.
fn headers(value: Value) -> Option<Vec<(Header, Vec<u8>)>> {
    let mut found = Vec::new();
    for (name, value) in object(value)? {
        let Some(header) = Header::named(name) else { continue };
        match elements(value) {
            Some(list) => {
                for element in list {
                    found.push((header, text(element)??));
                }
            }
            None => found.extend(text(value)?.map(|value| (header, value))),
        }
    }
    Some(found)
}

/// What is used of `requestContext`.
#[derive(Default)]
struct Context {
    id: Option<String>,
    source: Option<IpAddr>,
}

impl Context {
    /// Of an object, or of `null`; none at all for anything else.
    fn of(value: Value) -> Option<Self> {
        let mut context = Self::default();
        for (key, value) in object(value)? {
            match key {
                b"requestId" => {
                    let id = text(value)?.and_then(|id| String::from_utf8(id).ok());
                    let legal = |character: char| character.is_ascii_alphanumeric() || "-_=".contains(character);
                    context.id =
                        id.filter(|id| (1..=LONGEST_ID).contains(&id.chars().count()) && id.chars().all(legal));
                }
                // Of payload format 2.0, and of 1.0.
                b"http" | b"identity" => {
                    let mut source = None;
                    for (_, value) in object(value)?.into_iter().filter(|(key, _)| *key == b"sourceIp") {
                        source = text(value)?.and_then(|address| String::from_utf8(address).ok()?.parse().ok());
                    }
                    context.source = source.or(context.source);
                }
                _ => {}
            }
        }
        Some(context)
    }
}

/// An object's members; nothing for `null`; none at all for anything else.
fn object(value: Value<'_>) -> Option<Vec<(&[u8], Value<'_>)>> {
    if *value == [Token::Null] { Some(Vec::new()) } else { members(value) }
}
