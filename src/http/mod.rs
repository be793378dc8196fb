//! HTTP in and out: API Gateway's event becomes a [`Callback`], and the outcome becomes a [`Response`].

mod request;
mod response;
mod trace_header;

pub use request::{Callback, Event, RequestId, SignatureHeader, SignatureHeaders, read_event};
pub use response::Response;
pub use trace_header::TraceHeader;
