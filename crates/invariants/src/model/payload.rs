//! A payload's kind and its fields for routing and search, from the shapes that Flinks publishes.

use super::json::{Document, Token, Value, last, members};

/// The longest value that becomes a field, in bytes.
pub const MAX_VALUE_BYTES: usize = 256;

/// A `ResponseType` that the operator maps, and the kind it maps to.
pub const MAPPED: (&str, &str) = ("GetAccountsSummary", "accounts-detail");

/// A string, unescaped, or a number, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    Text(String),
    Number(String),
}

impl Scalar {
    fn from_value(value: Value) -> Option<Self> {
        let scalar = match value {
            [Token::Text(text)] => Self::Text(String::from_utf8(text.clone()).ok()?),
            [Token::Number(number)] => Self::Number(number.clone()),
            _ => return None,
        };
        (1..=MAX_VALUE_BYTES).contains(&scalar.as_str().len()).then_some(scalar)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

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
}

/// The label of the kind, and the fields, of an authentic payload. `is_pay` says whether Pay's signature verified it.
pub fn read(body: &[u8], is_pay: bool) -> (&'static str, Fields) {
    let json = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body);
    let document = str::from_utf8(body).ok().and_then(|_| Document::strict(json));
    let Some(top) = document.as_ref().and_then(|document| members(&document.tokens)) else {
        return (if is_pay { "pay" } else { "unclassified" }, Fields::default());
    };
    let login = last(&top, "Login").and_then(members).unwrap_or_default();
    let scalar = |members: &[(&[u8], Value)], name| last(members, name).and_then(Scalar::from_value);
    let fields = Fields {
        response_type: scalar(&top, "ResponseType"),
        http_status_code: scalar(&top, "HttpStatusCode"),
        request_id: scalar(&top, "RequestId").or_else(|| scalar(&login, "RequestId")),
        tag: scalar(&top, "Tag"),
        session_id: scalar(&top, "sessionId"),
        status: scalar(&top, "status"),
        login_id: scalar(&login, "Id").or_else(|| scalar(&login, "LoginId")),
        scheduled_refresh: match last(&login, "IsScheduledRefresh") {
            Some([Token::Bool(flag)]) => Some(Scalar::Text(flag.to_string())),
            other => other.and_then(Scalar::from_value),
        },
    };
    let has = |name| last(&top, name).is_some();
    let named = match &fields.response_type {
        Some(Scalar::Text(name)) => match name.as_str() {
            "KYC" => Some("kyc"),
            "GetAccountsDetail" => Some("accounts-detail"),
            "Investments" => Some("investments"),
            name if name == MAPPED.0 => Some(MAPPED.1),
            _ => None,
        },
        _ => None,
    };
    let kind = match named {
        _ if is_pay => "pay",
        Some(kind) => kind,
        None if has("DocumentAnalysis") => "upload-fraud",
        None if has("sessionId") && has("status") => "pay",
        None => "unclassified",
    };
    (kind, fields)
}
