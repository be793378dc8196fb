//! What an authentic callback is: its [`Kind`], which decides its queue, and the few [`Fields`] that consumers route and
//! search by.

mod fields;
mod kind;

use std::collections::BTreeMap;

pub use fields::{Fields, MAX_VALUE_BYTES, Scalar};
pub use kind::{Kind, PerKind};

use crate::auth::{AuthenticCallback, SignatureForm};

/// `ResponseType` values that an operator maps to kinds, beyond the documented ones.
pub type ResponseTypes = BTreeMap<String, Kind>;

/// An authentic callback with its kind and routing fields.
pub struct ClassifiedCallback {
    pub callback: AuthenticCallback,
    pub kind: Kind,
    pub fields: Fields,
}

impl ClassifiedCallback {
    /// Classifies a callback. This cannot fail: an unknown payload has a kind of its own. `mapped` adds to the
    /// `ResponseType` values that are built in.
    pub fn classify(callback: AuthenticCallback, mapped: &ResponseTypes) -> Self {
        let fields = Fields::read(callback.body());
        let kind = match callback.signature_form() {
            SignatureForm::Pay => Kind::Pay,
            SignatureForm::Raw | SignatureForm::Ascii => kind_of(&fields, mapped),
        };
        Self { callback, kind, fields }
    }
}

/// The kind of an aggregation callback: by its `ResponseType`, else by the published shape of its payload.
fn kind_of(fields: &Fields, mapped: &ResponseTypes) -> Kind {
    let named = match &fields.response_type {
        Some(Scalar::Text(name)) => Kind::from_response_type(name).or_else(|| mapped.get(name).copied()),
        _ => None,
    };
    match named {
        Some(kind) => kind,
        None if fields.has_document_analysis => Kind::UploadFraud,
        None if fields.has_session_status => Kind::Pay,
        None => Kind::Unclassified,
    }
}

#[cfg(test)]
mod tests;
