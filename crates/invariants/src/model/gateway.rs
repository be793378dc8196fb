//! The event of an HTTP request, as API Gateway documents payload formats 2.0 and 1.0.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::signature::{self, Header};

/// A request to the webhook.
#[derive(Debug)]
pub struct Request {
    /// The values of the headers that can carry a signature.
    pub headers: Vec<(Header, Vec<u8>)>,
    pub body: Vec<u8>,
    /// The address of the connection. `None` if absent or not an IP address.
    pub source: Option<IpAddr>,
    /// API Gateway's request id. `None` if absent or malformed.
    pub id: Option<String>,
}

/// Why an event is not a request to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARequest {
    NotHttp,
    NotBase64,
}

/// Maximum length of a request id, in characters.
const MAX_ID: usize = 64;

/// Reads an event as API Gateway would send it.
pub fn read(event: &Value) -> Result<Request, NotARequest> {
    let is_format_2 = event.get("version").and_then(Value::as_str) == Some("2.0");
    let context = event.get("requestContext").and_then(Value::as_object).ok_or(NotARequest::NotHttp)?;
    let (method, source) = if is_format_2 {
        (context.get("http").and_then(|http| http.get("method")), context.get("http"))
    } else {
        (event.get("httpMethod"), context.get("identity"))
    };
    let is_method = |method: &str| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    method.and_then(Value::as_str).filter(|method| is_method(method)).ok_or(NotARequest::NotHttp)?;
    let single = headers(event.get("headers"));
    let multi = if is_format_2 { Vec::new() } else { headers(event.get("multiValueHeaders")) };
    let body = event.get("body").and_then(Value::as_str).unwrap_or_default().as_bytes();
    let is_base64 = event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let is_id = |id: &String| {
        let is_legal = |character: char| character.is_ascii_alphanumeric() || "-_=".contains(character);
        (1..=MAX_ID).contains(&id.chars().count()) && id.chars().all(is_legal)
    };
    Ok(Request {
        headers: if multi.is_empty() { single } else { multi },
        body: if is_base64 { signature::base64(body).ok_or(NotARequest::NotBase64)? } else { body.to_owned() },
        source: source.and_then(|source| text(source.get("sourceIp"))?.parse().ok()),
        id: text(context.get("requestId")).filter(is_id),
    })
}

/// The values of the signature headers, each a string or a list of strings.
fn headers(value: Option<&Value>) -> Vec<(Header, Vec<u8>)> {
    let no_headers = Map::new();
    let mut found = Vec::new();
    for (name, value) in value.and_then(Value::as_object).unwrap_or(&no_headers) {
        let Some(header) = Header::from_name(name.as_bytes()) else { continue };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        found.extend(values.iter().filter_map(Value::as_str).map(|value| (header, value.as_bytes().to_vec())));
    }
    found
}

/// Whether API Gateway could have sent an event: its members have the documented types, and its header names are legal
/// and differ in more than case. The receiver may reject any other event, whatever its signature.
pub fn is_legal(event: &Value) -> bool {
    let Some(event) = event.as_object() else { return false };
    let is_format_2 = event.get("version").and_then(Value::as_str) == Some("2.0");
    event.iter().all(|(name, value)| match (name.as_str(), value) {
        (
            "version" | "routeKey" | "rawPath" | "rawQueryString" | "httpMethod" | "path" | "resource",
            Value::String(_),
        ) => true,
        ("body", Value::String(_) | Value::Null) | ("isBase64Encoded", Value::Bool(_)) => true,
        ("headers", Value::Null) | ("multiValueHeaders", Value::Null) => true,
        ("headers", Value::Object(headers)) => are_legal(headers, Value::is_string),
        ("multiValueHeaders", Value::Object(headers)) => !is_format_2 && are_legal(headers, is_list_of_strings),
        ("requestContext", Value::Object(context)) => is_legal_context(context, is_format_2),
        _ => false,
    })
}

fn is_list_of_strings(value: &Value) -> bool {
    value.as_array().is_some_and(|values| values.iter().all(Value::is_string))
}

fn are_legal(headers: &Map<String, Value>, is_value: impl Fn(&Value) -> bool) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let has_text = |value: &Value| {
        let mut texts =
            value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter().filter_map(Value::as_str);
        texts.all(|text| !text.contains(|character: char| character < ' ' || character == '\u{7f}'))
    };
    let mut names: Vec<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    names.is_sorted_by(|name, next| name < next)
        && headers.iter().all(|(name, value)| is_name(name) && is_value(value) && has_text(value))
}

fn is_legal_context(context: &Map<String, Value>, is_format_2: bool) -> bool {
    let texts = |value: &Value, names: &[&str]| {
        value.as_object().is_some_and(|object| {
            object.iter().all(|(name, value)| names.contains(&name.as_str()) && value.is_string())
        })
    };
    let has_method = is_format_2 || context.get("httpMethod").is_some_and(Value::is_string);
    has_method
        && context.iter().all(|(name, value)| match name.as_str() {
            "requestId" | "stage" | "accountId" | "apiId" | "routeKey" | "domainName" | "time" => value.is_string(),
            "httpMethod" => value.as_str().is_some_and(|method| method.bytes().all(|byte| byte.is_ascii_alphabetic())),
            "http" => texts(value, &["method", "path", "protocol", "sourceIp", "userAgent"]),
            "identity" => texts(value, &["sourceIp", "userAgent"]),
            _ => false,
        })
}
