//! A message as a typed event.

use std::fmt;

use crate::{
    attributes::Attributes,
    fields::{self, Fields, members},
    kind::Kind,
    payload::{AccountsDetail, EftSessionStatus, FraudAlert, Investments, Kyc},
    read::{LostFields, Reader},
};

/// A message of one of the queues.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The kind by the receiver's built-in rules. They do not know which `ResponseType` values an operator mapped to a
    /// queue: those are [`Kind::Unclassified`] here, unless the payload has a published shape.
    pub kind: Kind,
    pub attributes: Attributes,
    pub payload: Payload,
    /// The fields that had another JSON type than expected. They are `None` in the payload.
    pub lost: LostFields,
}

/// What Flinks sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Payload {
    Kyc(Box<Kyc>),
    AccountsDetail(Box<AccountsDetail>),
    Investments(Box<Investments>),
    EftSessionStatus(Box<EftSessionStatus>),
    FraudAlert(Box<FraudAlert>),
    /// Everything that has no type here. It is authentic like the others.
    Unknown(Box<Unknown>),
}

/// A payload without a type.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unknown {
    pub reason: UnknownReason,
    /// All that Flinks sent, byte for byte.
    pub body: Vec<u8>,
    /// What the receiver reads of it; nothing for a body that is not a JSON object.
    pub fields: Fields,
}

/// Why a payload has no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownReason {
    /// The body is not a JSON object: malformed, empty, not UTF-8, or other JSON.
    NotAnObject,
    /// The body is a claim check: it says where the payload is. Fetch the payload, and read that.
    ClaimCheck,
    /// Neither its `ResponseType` nor its shape has a type here.
    NoType,
    /// The fields that identify its kind have another JSON type than expected: [`Event::lost`] names them.
    WrongType,
}

impl Event {
    /// Reads a payload with the attributes of its message. This cannot fail: what has no type is [`Unknown`].
    ///
    /// For a claim check, `body` is the object that the message points to.
    pub fn read(body: &[u8], attributes: Attributes) -> Self {
        let fields = Fields::read(body);
        let signature_form = attributes.signature_form.as_deref().unwrap_or_default();
        let kind = Kind::of(signature_form, &fields, |_| None);
        let mut reader = Reader::default();
        let typed = fields::text(body).ok_or(UnknownReason::NotAnObject);
        let typed = typed.and_then(|json| read(kind, json, fields.has_session_status, &mut reader));
        let payload = typed.unwrap_or_else(|reason| {
            let is_pointer = reason == UnknownReason::NotAnObject && is_pointer(body, &attributes);
            let reason = if is_pointer { UnknownReason::ClaimCheck } else { reason };
            Payload::Unknown(Box::new(Unknown { reason, body: body.to_vec(), fields }))
        });
        Self { kind, attributes, payload, lost: reader.into_lost() }
    }
}

fn read(kind: Kind, json: &str, is_session: bool, reader: &mut Reader) -> Result<Payload, UnknownReason> {
    let read = match kind {
        Kind::Kyc => Kyc::from_object(json, reader).map(Box::new).map(Payload::Kyc),
        Kind::AccountsDetail => AccountsDetail::from_object(json, reader).map(Box::new).map(Payload::AccountsDetail),
        Kind::Investments => Investments::from_object(json, reader).map(Box::new).map(Payload::Investments),
        Kind::Pay if is_session => {
            let session = EftSessionStatus::from_object(json, reader);
            if session.as_ref().is_some_and(|session| session.session_id.is_none() && session.status.is_none()) {
                return Err(UnknownReason::WrongType);
            }
            session.map(Box::new).map(Payload::EftSessionStatus)
        }
        Kind::UploadFraud => {
            let alert = FraudAlert::from_object(json, reader);
            // Without its documents, an alert would look like one that found nothing.
            if alert.as_ref().is_some_and(|alert| alert.document_analysis.is_none()) {
                return Err(UnknownReason::WrongType);
            }
            alert.map(Box::new).map(Payload::FraudAlert)
        }
        // Other events of Flinks Pay are not published.
        Kind::Pay | Kind::Unclassified => {
            return Err(members::<0>(json, []).map_or(UnknownReason::NotAnObject, |[]| UnknownReason::NoType));
        }
    };
    read.ok_or(UnknownReason::NotAnObject)
}

/// Whether a body is the claim check itself and not its payload. The attribute has the payload's length, so a body of
/// that length is the payload.
fn is_pointer(body: &[u8], attributes: &Attributes) -> bool {
    let size = attributes.extended_payload_size.as_ref();
    size.is_some_and(|size| body.starts_with(b"[\"") && *size != body.len().to_string())
}

impl Payload {
    /// Its name, which may be logged.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kyc(_) => "Kyc",
            Self::AccountsDetail(_) => "AccountsDetail",
            Self::Investments(_) => "Investments",
            Self::EftSessionStatus(_) => "EftSessionStatus",
            Self::FraudAlert(_) => "FraudAlert",
            Self::Unknown(_) => "Unknown",
        }
    }
}

impl fmt::Debug for Unknown {
    /// Without the body: it is bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, body, fields: _ } = self;
        formatter.debug_struct("Unknown").field("reason", reason).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
