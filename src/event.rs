//! The third step: what an authentic callback is, and the few fields that consumers route and search by.
//!
//! Reading cannot fail: whatever is odd, absent or not JSON at all is a kind of its own or a field that is left out.
//! The body is scanned once, keeping a few pieces of its top level. Nothing is built from the rest of it and nothing
//! recurses, so that neither five megabytes nor a hundred thousand brackets cost more than the scan. Of a key that is
//! there twice the last one counts, as with the parsers of Python, JavaScript, Java and .NET.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    kind::Kind,
    signature::{AuthenticCallback, Form},
};

/// Longest value that is taken for routing, in bytes. A longer one is left out, never cut: a cut key collides.
pub const LONGEST_VALUE: usize = 256;

/// `ResponseType` values that an operator has mapped to kinds, beyond the documented ones.
pub type ResponseTypes = BTreeMap<String, Kind>;

/// An authentic callback, and what was read of it.
pub struct Event {
    pub callback: AuthenticCallback,
    pub kind: Kind,
    pub fields: Fields,
}

impl Event {
    /// Reads a callback; `mapped` adds to the `ResponseType` values that are known.
    pub fn read(callback: AuthenticCallback, mapped: &ResponseTypes) -> Self {
        let fields = Fields::read(callback.body());
        let kind = if callback.form() == Form::Pay { Kind::Pay } else { fields.kind(mapped) };
        Self { callback, kind, fields }
    }
}

/// The routing fields of a payload. Strings are unescaped, numbers are as written; only values of 1 to
/// [`LONGEST_VALUE`] bytes are here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub response_type: Option<Scalar>,
    pub http_status_code: Option<Scalar>,
    pub request_id: Option<Scalar>,
    pub tag: Option<Scalar>,
    pub session_id: Option<Scalar>,
    pub status: Option<Scalar>,
    pub login_id: Option<Scalar>,
    pub scheduled_refresh: Option<Scalar>,
    /// The payload has the published shape of a fraud analysis.
    has_document_analysis: bool,
    /// The payload has the published shape of a payment session's status.
    has_session_status: bool,
}

impl Fields {
    /// The fields of a body; none are there in one that is not a JSON object.
    pub fn read(body: &[u8]) -> Self {
        str::from_utf8(body).ok().and_then(Self::of).unwrap_or_default()
    }

    /// The fields of a JSON object; none for any other text.
    fn of(body: &str) -> Option<Self> {
        // RFC 8259, section 8.1, lets a parser ignore a byte-order mark.
        let json = body.strip_prefix('\u{FEFF}').unwrap_or(body);
        let [response_type, http_status_code, request_id, tag, login, document_analysis, session_id, status] = members(
            json,
            ["ResponseType", "HttpStatusCode", "RequestId", "Tag", "Login", "DocumentAnalysis", "sessionId", "status"],
        )?;
        // A fraud analysis has LoginId and RequestId in the place of Id.
        let [id, login_id, login_request_id, is_scheduled_refresh] = login
            .and_then(|login| members(login.get(), ["Id", "LoginId", "RequestId", "IsScheduledRefresh"]))
            .unwrap_or_default();
        let scalar = |raw: Option<&RawValue>| raw.and_then(Scalar::of);
        Some(Self {
            response_type: scalar(response_type),
            http_status_code: scalar(http_status_code),
            request_id: scalar(request_id).or_else(|| scalar(login_request_id)),
            tag: scalar(tag),
            session_id: scalar(session_id),
            status: scalar(status),
            login_id: scalar(id).or_else(|| scalar(login_id)),
            scheduled_refresh: is_scheduled_refresh.and_then(Scalar::of_flag),
            has_document_analysis: document_analysis.is_some(),
            has_session_status: session_id.is_some() && status.is_some(),
        })
    }

    fn kind(&self, mapped: &ResponseTypes) -> Kind {
        let named = match &self.response_type {
            Some(Scalar::Text(name)) => Kind::of_response_type(name).or_else(|| mapped.get(name).copied()),
            _ => None,
        };
        match named {
            Some(kind) => kind,
            None if self.has_document_analysis => Kind::UploadFraud,
            None if self.has_session_status => Kind::Pay,
            None => Kind::Unclassified,
        }
    }
}

/// A JSON value that can be carried as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    Text(String),
    /// As the sender wrote it.
    Number(String),
}

impl Scalar {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }

    /// A string or number of 1 to [`LONGEST_VALUE`] bytes. A string with half of a surrogate pair is no text.
    fn of(raw: &RawValue) -> Option<Self> {
        /// The longest way to write a byte of a JSON string: `\u0041`.
        const LONGEST_ESCAPE: usize = 6;
        let json = raw.get();
        if json.len() > LONGEST_VALUE * LONGEST_ESCAPE + "\"\"".len() {
            return None;
        }
        let scalar = match json.bytes().next()? {
            b'"' => Self::Text(serde_json::from_str(json).ok()?),
            b'-' | b'0'..=b'9' => Self::Number(json.to_owned()),
            _ => return None,
        };
        (1..=LONGEST_VALUE).contains(&scalar.as_str().len()).then_some(scalar)
    }

    /// The same for a field that is documented as `true` or `false`.
    fn of_flag(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            flag @ ("true" | "false") => Some(Self::Text(flag.to_owned())),
            _ => Self::of(raw),
        }
    }
}

/// The members of a JSON object that have these keys, unread; those that are absent or `null` are none. None at all for
/// any other text.
fn members<'j, const N: usize>(json: &'j str, keys: [&'static str; N]) -> Option<[Option<&'j RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = deserializer.deserialize_map(MembersVisitor(keys)).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// By hand, because what serde derives refuses a key that is there twice, which is legal JSON.
struct MembersVisitor<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for MembersVisitor<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        // Raw first: as bytes alone a key could have control characters, with which the whole is no JSON.
        while let Some(key) = map.next_key::<&RawValue>()? {
            // As bytes then: a key need not be text (half of a surrogate pair).
            let mut key = serde_json::Deserializer::from_str(key.get());
            let place = key.deserialize_bytes(PlaceOf(&self.0)).map_err(A::Error::custom)?;
            match place.and_then(|place| found.get_mut(place)) {
                Some(member) => *member = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a key as its place among those that are looked for.
struct PlaceOf<'k>(&'k [&'static str]);

impl Visitor<'_> for PlaceOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| known.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &str) -> Kind {
        let mapped = ResponseTypes::from([("GetAccountsSummary".to_owned(), Kind::AccountsDetail)]);
        Fields::of(body).unwrap_or_default().kind(&mapped)
    }

    fn text(value: &str) -> Option<Scalar> {
        Some(Scalar::Text(value.to_owned()))
    }

    #[test]
    fn the_documented_response_types_have_their_kinds() {
        assert_eq!(kind(r#"{"ResponseType":"KYC"}"#), Kind::Kyc);
        assert_eq!(kind(r#"{"ResponseType":"GetAccountsDetail"}"#), Kind::AccountsDetail);
        assert_eq!(kind(r#"{"ResponseType":"Investments"}"#), Kind::Investments);
    }

    #[test]
    fn a_mapped_response_type_has_the_kind_it_is_mapped_to() {
        assert_eq!(kind(r#"{"ResponseType":"GetAccountsSummary"}"#), Kind::AccountsDetail);
    }

    #[test]
    fn without_a_known_response_type_the_published_shape_decides() {
        assert_eq!(kind(r#"{"DocumentAnalysis":[]}"#), Kind::UploadFraud);
        assert_eq!(kind(r#"{"ResponseType":"New","DocumentAnalysis":[{}]}"#), Kind::UploadFraud);
        assert_eq!(kind(r#"{"sessionId":"a","status":"Completed"}"#), Kind::Pay);
    }

    #[test]
    fn everything_else_is_unclassified() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "\"KYC\"",
            r#"{"ResponseType":"KYC""#,
            r#"{"ResponseType":"KYC"}}"#,
            r#"[{"ResponseType":"KYC"}]"#,
            r#"{"Login":{"ResponseType":"KYC"}}"#,
            r#"{"Tag":"\",\"ResponseType\":\"KYC\",\"\":\""}"#,
            r#"{"ResponseType":["KYC"]}"#,
            r#"{"ResponseType":"kyc"}"#,
            r#"{"responsetype":"KYC"}"#,
            r#"{"DocumentAnalysis":null}"#,
            r#"{"sessionId":"a"}"#,
            r#"{"ResponseType":"KYC",}"#,
            r#"{"ResponseType":"KYC","a":01}"#,
            "{\"ResponseType\":\"KYC\",\"a\n\":1}",
            "{\"ResponseType\":\"KYC\",\"a\":\"\n\"}",
        ] {
            assert_eq!(kind(body), Kind::Unclassified, "{body}");
        }
    }

    #[test]
    fn odd_but_legal_json_is_read() {
        let deep = format!(r#"{{"a":{}{},"ResponseType":"KYC"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            &deep,
            "\u{FEFF}{\"ResponseType\":\"KYC\"}",
            r#"{"ResponseType":"\u004b\u0059C"}"#,
            r#"{"\ud800":1,"ResponseType":"KYC","a":"\udfff"}"#,
            r#"{"ResponseType":"Investments","ResponseType":"KYC"}"#,
            r#"{"ResponseType":"KYC","Tag":"\ud800"}"#,
            r#" {"ResponseType" : "KYC", "a": 1e999 } "#,
            r#"{"Login":5,"ResponseType":"KYC"}"#,
        ] {
            assert_eq!(kind(body), Kind::Kyc, "{body:.80}");
        }
    }

    #[test]
    fn the_routing_fields_are_read_from_their_places() {
        let fields = Fields::of(
            r#"{"ResponseType":"KYC","HttpStatusCode":200,"RequestId":"r","Tag":"t\"",
                "Login":{"Id":"l","IsScheduledRefresh":true,"Username":"jane"}}"#,
        );
        let fields = fields.unwrap();
        assert_eq!(fields.http_status_code, Some(Scalar::Number("200".to_owned())));
        assert_eq!(fields.tag, text("t\""));
        assert_eq!(
            (fields.request_id, fields.login_id, fields.scheduled_refresh),
            (text("r"), text("l"), text("true"))
        );
    }

    #[test]
    fn a_fraud_analysis_names_login_and_request_inside_login() {
        let fields = Fields::of(r#"{"DocumentAnalysis":[],"Login":{"LoginId":"l","RequestId":"r"}}"#).unwrap();
        assert_eq!((fields.login_id, fields.request_id), (text("l"), text("r")));
    }

    #[test]
    fn a_value_that_cannot_be_an_attribute_is_left_out_and_never_cut() {
        let tag = |json: &str| Fields::of(&format!(r#"{{"Tag":{json}}}"#)).unwrap().tag;
        let longest = "é".repeat(LONGEST_VALUE / 2);
        assert_eq!(tag(&format!("\"{longest}\"")), text(&longest));
        assert_eq!(tag(&format!("\"{longest}a\"")), None);
        assert_eq!(tag(&format!("\"{}\"", "\\u0061".repeat(LONGEST_VALUE))), text(&"a".repeat(LONGEST_VALUE)));
        for json in ["\"\"", "null", "true", "[]", "{}", "\"\\ud800\""] {
            assert_eq!(tag(json), None, "{json}");
        }
        assert_eq!(tag("-1.50"), Some(Scalar::Number("-1.50".to_owned())));
    }
}
