//! The JSON Schemas of the small types, which schemars cannot derive: their JSON is read by hand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{date::DateText, fields::Scalar, number::Number};

/// Describes a type in place: nothing refers to it by a name.
macro_rules! inline_schema {
    ($($type:ty => $json:tt)*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($json)
            }
        }
    )*};
}

inline_schema! {
    Number => { "type": "number" }
    DateText => { "type": "string" }
    Scalar => { "type": ["string", "number"] }
}
