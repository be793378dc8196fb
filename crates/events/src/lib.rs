#![cfg_attr(feature = "payloads", doc = include_str!("../README.md"))]

#[cfg(feature = "payloads")]
pub mod attributes;
#[cfg(feature = "payloads")]
pub mod date;
#[cfg(feature = "payloads")]
mod event;
pub mod fields;
pub mod kind;
#[cfg(feature = "payloads")]
pub mod number;
#[cfg(feature = "payloads")]
pub mod payload;
#[cfg(feature = "payloads")]
mod read;
#[cfg(feature = "schemas")]
pub mod schemas;
pub mod signature_form;
#[cfg(feature = "payloads")]
pub mod words;

#[cfg(feature = "payloads")]
pub use attributes::Attributes;
#[cfg(feature = "payloads")]
pub use event::{Event, Payload, Unknown, UnknownReason};
pub use fields::{Fields, MAX_VALUE_BYTES, Scalar};
pub use kind::Kind;
#[cfg(feature = "payloads")]
pub use read::LostFields;
