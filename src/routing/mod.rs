//! What an authentic callback is: its [`Kind`], which decides its queue, and the few [`Fields`] that consumers route
//! and search by. The rules are those of `flinks_events`, which consumers use as well.

mod per_kind;

use std::collections::BTreeMap;

pub use flinks_events::{Fields, Kind, MAX_VALUE_BYTES, Scalar};
pub use per_kind::PerKind;

use crate::auth::AuthenticCallback;

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
        let kind =
            Kind::of(callback.signature_form().as_str(), &fields, |response_type| mapped.get(response_type).copied());
        Self { callback, kind, fields }
    }
}

#[cfg(test)]
mod tests;
