//! The attributes of a message.

use std::fmt;

/// Defines [`Attributes`]: its fields, with the name of each attribute.
macro_rules! attributes {
    ($(#[$of_type:meta])* pub struct $type:ident { $($(#[$of_field:meta])* $name:literal => $field:ident,)* }) => {
        $(#[$of_type])*
        #[derive(Clone, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub struct $type {
            $(
                $(#[$of_field])*
                #[cfg_attr(feature = "schemas", schemars(rename = $name))]
                pub $field: Option<String>,
            )*
        }

        impl $type {
            /// The names of all attributes that the receiver sends.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            fn set(&mut self, name: &str, value: String) {
                match name {
                    $($name => self.$field = Some(value),)*
                    _ => {}
                }
            }
        }
    };
}

attributes! {
    /// The attributes of a message. They repeat what routing needs of the payload, and say how it was verified.
    ///
    /// Each is text, also those whose SQS data type is `Number`. One that SQS cannot carry is absent, and never cut.
    pub struct Attributes {
        /// The payload's `ResponseType`, if it has one.
        "ResponseType" => response_type,
        /// Lower-case hex SHA-256 of the payload: the same for every retry. Deduplicate on it.
        "DeliveryId" => delivery_id,
        /// `Login.Id`, or `Login.LoginId` of a fraud alert. Not on a Pay callback.
        "LoginId" => login_id,
        /// `RequestId`, or `Login.RequestId` of a fraud alert. Not on a Pay callback.
        "RequestId" => request_id,
        /// `sessionId`. Only on a Pay callback.
        "SessionId" => session_id,
        /// `status`. Only on a Pay callback.
        "Status" => status,
        /// What the front end gave Flinks Connect. It does not authenticate anybody, and may be personal data.
        "Tag" => tag,
        /// Flinks' own status: other than `200` if Flinks could not get the data.
        "HttpStatusCode" => http_status_code,
        /// `true` for a nightly refresh, else `false`.
        "ScheduledRefresh" => scheduled_refresh,
        /// What verified the payload: `raw`, `ascii` or `pay`; `api` if it was fetched from Flinks'
        /// API. Further values may follow.
        "SignatureForm" => signature_form,
        /// When the callback arrived: RFC 3339, UTC.
        "ReceivedAt" => received_at,
        /// Only on a claim check: length of the payload in bytes. The message's body then says where the payload is.
        "ExtendedPayloadSize" => extended_payload_size,
    }
}

impl Attributes {
    /// Whether the message's body says where the payload is, and is not the payload.
    pub fn is_claim_check(&self) -> bool {
        self.extended_payload_size.is_some()
    }
}

/// Makes the attributes from pairs of name and value. The pairs may come from a Lambda event
/// (`messageAttributes.X.stringValue`) or from `ReceiveMessage` (`MessageAttributes.X.StringValue`). Other names are
/// ignored.
impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut attributes = Self::default();
        for (name, value) in pairs {
            attributes.set(name.as_ref(), value.into());
        }
        attributes
    }
}

impl fmt::Debug for Attributes {
    /// Only what may be logged: the others are bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attributes")
            .field("delivery_id", &self.delivery_id)
            .field("signature_form", &self.signature_form)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_has_its_field_and_others_are_ignored() {
        let pairs = Attributes::NAMES.iter().map(|name| (*name, format!("{name}!")));
        let attributes: Attributes = pairs.chain([("traceparent", "00".to_owned())]).collect();
        assert_eq!(attributes.delivery_id.as_deref(), Some("DeliveryId!"));
        assert_eq!(attributes.status.as_deref(), Some("Status!"));
        assert_eq!(attributes.extended_payload_size.as_deref(), Some("ExtendedPayloadSize!"));
        assert!(attributes.is_claim_check());
        assert!(!Attributes::from_iter([("tag", "t")]).is_claim_check());
        assert_eq!(Attributes::from_iter([("tag", "t")]), Attributes::default());
    }

    #[test]
    fn nothing_but_id_and_form_is_printed() {
        let pairs = Attributes::NAMES.iter().map(|name| (*name, "Canary"));
        assert_eq!(format!("{:?}", pairs.collect::<Attributes>()).matches("Canary").count(), 2);
    }
}
