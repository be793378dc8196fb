//! The event of an HTTP request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::body::EventBody;
use crate::clock;

/// A fictitious API, named as API Gateway would name it.
const API_ID: &str = "local";
const DOMAIN_NAME: &str = "local.execute-api.us-east-1.amazonaws.com";

/// A request to an HTTP API. With `request_id` and `time_epoch` set, the same request always makes the same event.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequest<'a> {
    /// In upper case, as in a request line.
    pub method: &'a str,
    /// The path and, after a `?`, the query, as in a request line.
    pub path: &'a str,
    /// Names may have any case and may be repeated. No header is added: not `Host`, not `Content-Length`, and none of
    /// the `X-Forwarded-*` that API Gateway sets.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty for a request without a body.
    pub body: &'a [u8],
    /// `None` means 127.0.0.1.
    pub source_ip: Option<&'a str>,
    /// API Gateway's id of the request, not Lambda's id of the invocation. `None` means a new UUID.
    pub request_id: Option<&'a str>,
    /// When API Gateway received the request, in milliseconds since the Unix epoch. `None` means now.
    pub time_epoch: Option<u64>,
}

/// Makes the event that API Gateway would send for a request, in payload format 2.0.
///
/// The route is the request's method and path, on the stage `$default`. Cookies stay among the headers, and
/// `queryStringParameters`, which repeats `rawQueryString`, is left out. A webhook has neither.
#[must_use]
pub fn event<'a>(request: &HttpRequest<'a>) -> Event<'a> {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let headers = headers(request.headers);
    let body = EventBody::new(headers.get("content-type").map(String::as_str), request.body);
    let route_key = format!("{} {path}", request.method);
    let time_epoch = request.time_epoch.unwrap_or_else(clock::now_ms);
    let request_context = RequestContext {
        account_id: "123456789012",
        api_id: API_ID,
        domain_name: DOMAIN_NAME,
        domain_prefix: API_ID,
        http: Http {
            method: request.method,
            path,
            protocol: "HTTP/1.1",
            source_ip: request.source_ip.unwrap_or("127.0.0.1"),
            user_agent: headers.get("user-agent").cloned().unwrap_or_default(),
        },
        request_id: match request.request_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(Uuid::new_v4().to_string()),
        },
        route_key: route_key.clone(),
        stage: "$default",
        time: common_log_time(time_epoch),
        time_epoch,
    };
    Event {
        version: "2.0",
        route_key,
        raw_path: path,
        raw_query_string: query,
        headers,
        request_context,
        is_base64_encoded: body.is_base64(),
        body: body.into_text(),
    }
}

/// The event that API Gateway passes to the function. Serialise it with `serde_json`. Its keys are in the order of
/// AWS's own example, its headers are sorted by name.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    version: &'static str,
    route_key: String,
    raw_path: &'a str,
    raw_query_string: &'a str,
    headers: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'static str,
    api_id: &'static str,
    domain_name: &'static str,
    domain_prefix: &'static str,
    http: Http<'a>,
    request_id: Cow<'a, str>,
    route_key: String,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: String,
}

/// The headers by lower-case name. Repeated values are joined with commas, in their order.
fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in pairs {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(value);
            })
            .or_insert_with(|| (*value).to_owned());
    }
    headers
}

/// `12/Mar/2020:19:03:58 +0000`, as in Apache's logs. A time after the year 9999 is written as 1970.
fn common_log_time(time_epoch_ms: u64) -> String {
    let seconds = i64::try_from(time_epoch_ms / 1000).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:02}/{:.3}/{:04}:{:02}:{:02}:{:02} +0000",
        time.day(),
        time.month().to_string(),
        time.year(),
        time.hour(),
        time.minute(),
        time.second(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: HttpRequest = HttpRequest {
        method: "POST",
        path: "/webhooks/flinks",
        headers: &[],
        body: b"",
        source_ip: Some("203.0.113.7"),
        request_id: Some("request-1"),
        time_epoch: Some(1_583_348_638_390),
    };

    fn value(request: &HttpRequest) -> serde_json::Value {
        serde_json::to_value(event(request)).unwrap()
    }

    #[test]
    fn the_whole_event() {
        let request = HttpRequest {
            path: "/webhooks/flinks?a=1&a=2",
            headers: &[("User-Agent", "curl/8"), ("Content-Type", "application/json")],
            body: b"{\"a\":\"\xc3\xa9\"}",
            ..REQUEST
        };
        let expected = concat!(
            r#"{"version":"2.0","routeKey":"POST /webhooks/flinks","#,
            r#""rawPath":"/webhooks/flinks","rawQueryString":"a=1&a=2","#,
            r#""headers":{"content-type":"application/json","user-agent":"curl/8"},"#,
            r#""requestContext":{"accountId":"123456789012","apiId":"local","#,
            r#""domainName":"local.execute-api.us-east-1.amazonaws.com","domainPrefix":"local","#,
            r#""http":{"method":"POST","path":"/webhooks/flinks","protocol":"HTTP/1.1","#,
            r#""sourceIp":"203.0.113.7","userAgent":"curl/8"},"#,
            r#""requestId":"request-1","routeKey":"POST /webhooks/flinks","stage":"$default","#,
            r#""time":"04/Mar/2020:19:03:58 +0000","timeEpoch":1583348638390},"#,
            r#""body":"{\"a\":\"é\"}","isBase64Encoded":false}"#,
        );
        assert_eq!(serde_json::to_string(&event(&request)).unwrap(), expected);
    }

    #[test]
    fn headers_are_lower_cased_and_joined_by_a_comma_in_their_order() {
        let request = HttpRequest { headers: &[("X-A", "2"), ("B", "b"), ("x-a", "1")], ..REQUEST };
        assert_eq!(value(&request)["headers"], serde_json::json!({ "x-a": "2,1", "b": "b" }));
    }

    #[test]
    fn a_body_without_a_content_type_is_base64() {
        let event = value(&HttpRequest { body: b"a", ..REQUEST });
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"YQ==".into(), &true.into()));
    }

    #[test]
    fn the_content_type_is_found_in_any_case() {
        let event = value(&HttpRequest { headers: &[("CONTENT-TYPE", "text/plain")], body: b"a", ..REQUEST });
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"a".into(), &false.into()));
    }

    #[test]
    fn an_absent_body_has_no_key() {
        let event = value(&REQUEST);
        assert_eq!((event.get("body"), &event["isBase64Encoded"]), (None, &false.into()));
    }

    #[test]
    fn missing_values_get_defaults() {
        let request = HttpRequest { source_ip: None, request_id: None, time_epoch: None, ..REQUEST };
        let (first, second) = (value(&request), value(&request));
        let (first, second) = (&first["requestContext"], &second["requestContext"]);
        assert_eq!(first["http"]["sourceIp"], "127.0.0.1");
        assert_ne!(first["requestId"], second["requestId"]);
        assert!(first["timeEpoch"].as_u64() > REQUEST.time_epoch);
    }

    #[test]
    fn a_time_beyond_the_calendar_does_not_panic() {
        assert_eq!(common_log_time(u64::MAX), "01/Jan/1970:00:00:00 +0000");
    }
}
