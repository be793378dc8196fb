//! The routing of an authentic body.
//!
//! The input is the body.

use flinks_webhooks::routing::{ClassifiedCallback, Fields, Scalar};
use serde::de::IgnoredAny;

use crate::{
    model::{
        json::{Document, Token, last, members},
        payload,
        signature::{Scheme, mac},
    },
    scenario::mapped_response_types,
    signature_check::{key, verify},
};

const SECRET: &str = "secret";

/// Kind and fields are those of the model, whichever scheme verified the body, and the body is unchanged.
pub fn check(body: &[u8]) {
    check_model(body);
    for scheme in [Scheme::Aggregation, Scheme::Pay] {
        let authentic =
            verify(scheme, &mac(SECRET, body), body, &[key(SECRET)], false).expect("a valid signature verifies");
        let event = ClassifiedCallback::classify(authentic, &mapped_response_types());
        let (kind, fields) = payload::read(body, scheme == Scheme::Pay);
        assert_eq!((event.kind.label(), modelled(&event.fields)), (kind, fields));
        assert_eq!(event.callback.body(), body);
    }
}

fn modelled(fields: &Fields) -> payload::Fields {
    let scalar = |field: &Option<Scalar>| {
        field.as_ref().map(|scalar| match scalar {
            Scalar::Text(text) => payload::Scalar::Text(text.clone()),
            Scalar::Number(number) => payload::Scalar::Number(number.clone()),
        })
    };
    payload::Fields {
        response_type: scalar(&fields.response_type),
        http_status_code: scalar(&fields.http_status_code),
        request_id: scalar(&fields.request_id),
        tag: scalar(&fields.tag),
        session_id: scalar(&fields.session_id),
        status: scalar(&fields.status),
        login_id: scalar(&fields.login_id),
        scheduled_refresh: scalar(&fields.scheduled_refresh),
    }
}

/// Checks the model itself: its reader accepts as JSON what `serde_json` accepts, and reads the same members.
fn check_model(body: &[u8]) {
    let Ok(text) = str::from_utf8(body) else { return };
    let document = Document::strict(body);
    assert_eq!(document.is_some(), serde_json::from_str::<IgnoredAny>(text).is_ok());
    // `serde_json` cannot build every JSON text: half surrogates, deep nesting and huge numbers fail.
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else { return };
    let document = document.expect("a JSON text");
    let members = members(&document.tokens).expect("an object");
    for (name, value) in &object {
        match (last(&members, name), value) {
            (None, value) => assert!(value.is_null()),
            (Some([Token::Text(text)]), value) => assert_eq!(value.as_str().map(str::as_bytes), Some(text.as_slice())),
            (Some([Token::Number(number)]), value) => {
                let read: Option<serde_json::Value> = serde_json::from_str(number).ok();
                assert_eq!(read.as_ref(), Some(value));
            }
            (Some([Token::Bool(flag)]), value) => assert_eq!(value.as_bool(), Some(*flag)),
            (Some(_), value) => assert!(value.is_array() || value.is_object()),
        }
    }
}
