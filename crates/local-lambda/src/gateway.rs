//! API Gateway's HTTP API in front of a function: payload format 2.0, for events and responses.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

mod body;
mod event;
mod response;

pub use event::{Event, HttpRequest, event};
pub use response::{HttpResponse, ResponseError, response};
