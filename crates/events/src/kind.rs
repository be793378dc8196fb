//! The kinds of callback. Each has a queue of its own.
//!
//! To add a kind, see "Where do I change X" in `docs/architecture.md`. The compiler finds most of it, but not how the
//! kind is recognised (`Kind::of`).

use strum::VariantArray;

use crate::{
    fields::{Fields, Scalar},
    signature_form,
};

/// What a callback is. It decides the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
pub enum Kind {
    /// `"ResponseType":"KYC"`.
    Kyc,
    /// `"ResponseType":"GetAccountsDetail"`.
    AccountsDetail,
    /// `"ResponseType":"Investments"`.
    Investments,
    /// Flinks Pay: verified by a Pay signature, or shaped like the status of a session.
    Pay,
    /// A Flinks Upload fraud alert.
    UploadFraud,
    /// Authentic and unknown. It is stored like every other kind.
    Unclassified,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().unwrap();

    /// The kind of a payload. `signature_form` decides first: a Pay signature means [`Pay`](Self::Pay), and a payload
    /// that was fetched from the API is [`AccountsDetail`](Self::AccountsDetail). Otherwise its `ResponseType` decides,
    /// and then its published shape.
    ///
    /// `mapped` has the kinds of further `ResponseType` values. It is asked only for a value that is not documented.
    pub fn of(signature_form: &str, fields: &Fields, mapped: impl FnOnce(&str) -> Option<Self>) -> Self {
        match signature_form {
            signature_form::PAY => return Self::Pay,
            signature_form::API => return Self::AccountsDetail,
            _ => {}
        }
        let named = match &fields.response_type {
            Some(Scalar::Text(name)) => Self::from_response_type(name).or_else(|| mapped(name)),
            _ => None,
        };
        match named {
            Some(kind) => kind,
            None if fields.has_document_analysis => Self::UploadFraud,
            None if fields.has_session_status => Self::Pay,
            None => Self::Unclassified,
        }
    }

    /// The name in logs, metrics and object keys.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kyc => "kyc",
            Self::AccountsDetail => "accounts-detail",
            Self::Investments => "investments",
            Self::Pay => "pay",
            Self::UploadFraud => "upload-fraud",
            Self::Unclassified => "unclassified",
        }
    }

    /// The queue's logical name in the template, the one that other teams know.
    pub fn queue(self) -> &'static str {
        match self {
            Self::Kyc => "KycQueue",
            Self::AccountsDetail => "AccountsDetailQueue",
            Self::Investments => "InvestmentsQueue",
            Self::Pay => "PayQueue",
            Self::UploadFraud => "UploadFraudQueue",
            Self::Unclassified => "UnclassifiedQueue",
        }
    }

    /// The `ResponseType` that Flinks documents for this kind, if there is one.
    pub fn response_type(self) -> Option<&'static str> {
        match self {
            Self::Kyc => Some("KYC"),
            Self::AccountsDetail => Some("GetAccountsDetail"),
            Self::Investments => Some("Investments"),
            Self::Pay | Self::UploadFraud | Self::Unclassified => None,
        }
    }

    /// The kind whose queue has this name.
    pub fn from_queue(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.queue() == name)
    }

    /// The kind that Flinks documents for this `ResponseType`.
    pub fn from_response_type(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.response_type() == Some(value))
    }
}

#[cfg(test)]
mod tests;
