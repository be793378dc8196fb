//! What a mistake is.

use serde::Serialize;

/// Something that goes wrong between Flinks' signing and the check.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Its name for scripts. Does not change.
    pub id: &'static str,
    #[serde(rename = "where")]
    pub place: Place,
    /// What went wrong, and what to do about it.
    pub explanation: &'static str,
}

/// Where a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Secret,
    Body,
    Signature,
    Algorithm,
    Scheme,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Body => "body",
            Self::Signature => "signature",
            Self::Algorithm => "algorithm",
            Self::Scheme => "scheme",
        }
    }
}

/// Mistakes made together; none when all is well.
pub type Mistakes = Vec<&'static Mistake>;

impl Mistake {
    pub const fn secret(id: &'static str, explanation: &'static str) -> Self {
        Self { id, place: Place::Secret, explanation }
    }

    pub const fn body(id: &'static str, explanation: &'static str) -> Self {
        Self { id, place: Place::Body, explanation }
    }

    pub const fn signature(id: &'static str, explanation: &'static str) -> Self {
        Self { id, place: Place::Signature, explanation }
    }

    pub const fn algorithm(id: &'static str, explanation: &'static str) -> Self {
        Self { id, place: Place::Algorithm, explanation }
    }

    pub const fn scheme(id: &'static str, explanation: &'static str) -> Self {
        Self { id, place: Place::Scheme, explanation }
    }
}
