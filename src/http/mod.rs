//! HTTP in and out: API Gateway's event becomes a [`Callback`], and the outcome becomes a [`Response`].

mod request;
mod response;

pub use request::{Callback, Event, RequestId, SignatureHeader, SignatureHeaders, read_event};
pub use response::Response;
