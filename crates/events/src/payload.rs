//! What Flinks sends, as types.
//!
//! Every field may be absent or `null`, so every field is an `Option`. Fields that are not here are ignored. What has the
//! word "Inferred" in its description is not documented by Flinks for this payload.

mod aggregation;
mod fraud;
mod pay;

pub use aggregation::{
    Account, AccountHolder, AccountsDetail, Address, Balance, Holder, Investments, Kyc, Login, Transaction,
};
pub use fraud::{
    DocumentAnalysis, FraudAlert, FraudLogin, FraudSignal, FullAnalysis, UnderlyingData, UnderlyingDetail,
};
pub use pay::EftSessionStatus;

/// Defines a payload's object: a type whose fields are all optional, with the key of each. It is written by hand,
/// because serde's derived code rejects a duplicate key, and loses the whole object for one wrong value.
macro_rules! object {
    (
        $(#[$of_type:meta])*
        pub struct $name:ident {
            $($(#[$of_field:meta])* $key:literal => $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$of_type])*
        #[derive(Clone, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$of_field])*
                #[cfg_attr(feature = "schemas", schemars(rename = $key))]
                pub $field: Option<$type>,
            )*
        }

        impl $name {
            /// Reads a JSON object; `None` for any other text.
            pub(crate) fn from_object(json: &str, reader: &mut crate::read::Reader) -> Option<Self> {
                let [$($field),*] = crate::fields::members(json, [$($key),*])?;
                Some(Self { $($field: reader.member($key, $field)),* })
            }
        }

        impl crate::read::FromJson for $name {
            fn from_json(json: &serde_json::value::RawValue, reader: &mut crate::read::Reader) -> Option<Self> {
                Self::from_object(json.get(), reader)
            }
        }

        impl std::fmt::Debug for $name {
            /// Without the values: they are bank data.
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
use object;
