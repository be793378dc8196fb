//! The event of an HTTP request, as API Gateway documents it for payload formats 2.0 and 1.0.

use super::{
    json::{Document, Token, Value, elements, last, members},
    signature::{self, Header},
};

/// A request to the webhook.
#[derive(Debug)]
pub struct Request {
    /// The values of the headers that can carry a signature.
    pub headers: Vec<(Header, Vec<u8>)>,
    pub body: Vec<u8>,
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
    let (mut body, mut is_base64, mut single, mut multi, mut id) = (Vec::new(), false, Vec::new(), Vec::new(), None);
    let mut is_http = false;
    // In their order: one that is not what it should be makes the whole no event, also where a later one replaces it.
    for (key, value) in members {
        is_http |= match key {
            b"body" => text(value).map(|text| body = text.unwrap_or_default()).is_some(),
            b"isBase64Encoded" => flag(value).map(|flag| is_base64 = flag).is_some(),
            b"headers" => headers(value).map(|values| single = values).is_some(),
            b"multiValueHeaders" => headers(value).map(|values| multi = values).is_some(),
            b"requestContext" => request_id(value).map(|found| id = found).is_some(),
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
        id,
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
    if *value == [Token::Null] {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    for (name, value) in members(value)? {
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

fn request_id(value: Value) -> Option<Option<String>> {
    if *value == [Token::Null] {
        return Some(None);
    }
    let members = members(value)?;
    for (_, value) in members.iter().filter(|(key, _)| *key == b"requestId") {
        text(value)?;
    }
    let id = last(&members, "requestId").and_then(text).flatten().and_then(|id| String::from_utf8(id).ok());
    let legal = |character: char| character.is_ascii_alphanumeric() || "-_=".contains(character);
    Some(id.filter(|id| (1..=LONGEST_ID).contains(&id.chars().count()) && id.chars().all(legal)))
}
