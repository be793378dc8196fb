//! Decides whether an event carries a request's body as text or as base64.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A request's body in its event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EventBody<'a> {
    /// No body: the event has no key `body`.
    Absent,
    Text(&'a str),
    Base64(String),
}

impl<'a> EventBody<'a> {
    /// API Gateway decides by the content type alone. `text/*`, and JSON, XML and JavaScript under `application/`, stay
    /// text. Everything else becomes base64, also a body without a content type.
    ///
    /// Bytes that are not UTF-8 do not fit into a JSON string, and what API Gateway does with them under a text type is
    /// not documented. Here they become base64, so that no byte is lost.
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

/// Whether a content type stays text. Its parameters (`; charset=...`) and its case do not matter.
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
    fn an_empty_body_is_absent() {
        assert_eq!(EventBody::new(None, b""), EventBody::Absent);
        assert_eq!(EventBody::new(Some("application/json"), b""), EventBody::Absent);
    }
}
