//! When a request's body reaches the function as text, and when as base64.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A request's body as its event carries it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EventBody<'a> {
    /// No body: the event has no key `body`.
    Absent,
    Text(&'a str),
    Base64(String),
}

impl<'a> EventBody<'a> {
    /// API Gateway goes by the content type alone: `text/*` and JSON, XML and JavaScript under
    /// `application/` stay text; everything else, no content type too, becomes base64.
    ///
    /// A text type around bytes that are not UTF-8 has no place in a JSON string, and what API
    /// Gateway makes of it is not documented. Here it becomes base64: no byte is lost, and the
    /// flag says so.
    pub(super) fn new(content_type: Option<&str>, bytes: &'a [u8]) -> EventBody<'a> {
        if bytes.is_empty() {
            return EventBody::Absent;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if content_type.is_some_and(is_text) => EventBody::Text(text),
            _ => EventBody::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }

    pub(super) fn is_base64(&self) -> bool {
        matches!(self, EventBody::Base64(_))
    }

    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            EventBody::Absent => None,
            EventBody::Text(text) => Some(Cow::Borrowed(text)),
            EventBody::Base64(text) => Some(Cow::Owned(text)),
        }
    }
}

/// Parameters (`; charset=...`) and case make no difference.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || matches!(media_type.as_str(), "application/json" | "application/xml" | "application/javascript")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_types_stay_text() {
        for content_type in [
            "text/plain",
            "text/anything",
            "application/json",
            "application/xml",
            "application/javascript",
            "application/json; charset=utf-8",
            "Application/JSON",
        ] {
            assert_eq!(EventBody::new(Some(content_type), b"a"), EventBody::Text("a"), "{content_type}");
        }
    }

    #[test]
    fn every_other_type_becomes_base64() {
        for content_type in [
            None,
            Some(""),
            Some("application/octet-stream"),
            Some("application/problem+json"),
            Some("application/jsonp"),
            Some("application/x-www-form-urlencoded"),
            Some("application/json,application/json"),
            Some("textual/plain"),
        ] {
            let body = EventBody::new(content_type, b"a");
            assert_eq!(body, EventBody::Base64("YQ==".into()), "{content_type:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_becomes_base64() {
        let body = EventBody::new(Some("application/json"), b"\xff");
        assert_eq!(body, EventBody::Base64("/w==".into()));
    }

    #[test]
    fn no_bytes_are_no_body() {
        assert_eq!(EventBody::new(None, b""), EventBody::Absent);
        assert_eq!(EventBody::new(Some("application/json"), b""), EventBody::Absent);
    }
}
