//! Serves one request: finds its operation, applies its fault if there is one, and calls the endpoint.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::ORIGIN;
use hyper::{HeaderMap, Request, StatusCode};

use crate::credentials::unauthorized;
use crate::fault::{Fault, FaultPlan};
use crate::operation::{Operation, Route, route};
use crate::response::{ApiError, NoResponse, Reply, Response, with_body};
use crate::state::State;
use crate::sync::lock;
use crate::{authorize, detail};

/// The last request of an operation and its response, before a fault changed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The body of the request.
    pub request: Bytes,
    pub status: u16,
    /// The body of the response.
    pub response: Bytes,
}

/// The API, without a way to reach it.
#[derive(Default)]
pub(crate) struct Flinks {
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Mutex<FaultPlan>,
    pub(crate) exchanges: Mutex<BTreeMap<Operation, Exchange>>,
}

impl Flinks {
    /// Reads and serves a request. If its body ends early, the client is gone and needs no response.
    pub(crate) async fn respond<B: Body>(&self, request: Request<B>) -> Result<Response, NoResponse> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| NoResponse::Reset)?.to_bytes();
        // A page in a browser could make its own name point here. Browsers add this header to each POST, and without a
        // POST there is no session.
        if head.headers.contains_key(ORIGIN) {
            return Ok(ApiError::chosen(403, "ACCESS_DENIED").response());
        }
        let (operation, argument) = match route(&head.method, &head.uri) {
            Route::To(operation, argument) => (operation, argument),
            Route::OtherCustomer => return Ok(unauthorized("Please provide a valid customer id.").response()),
            Route::Unknown => {
                let page = Bytes::from_static(b"<!DOCTYPE html><title>404 Not Found</title>");
                return Ok(with_body(StatusCode::NOT_FOUND, "text/html; charset=utf-8", page));
            }
        };
        let fault = lock(&self.faults).arrive(operation);
        match fault {
            None => Ok(self.serve(operation, &argument, &head.headers, body).await),
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(self.serve(operation, &argument, &head.headers, body).await)
            }
            Some(Fault::Hang) => Err(NoResponse::Hang),
            Some(Fault::Reset) => Err(NoResponse::Reset),
            Some(Fault::ResetAfter) => {
                self.serve(operation, &argument, &head.headers, body).await;
                Err(NoResponse::Reset)
            }
            Some(Fault::CutBody) => {
                Ok(self.serve(operation, &argument, &head.headers, body).await.map(|body| body.cut()))
            }
            Some(Fault::HalfBody) => {
                Ok(self.serve(operation, &argument, &head.headers, body).await.map(|body| body.half()))
            }
            Some(Fault::Code(status, code)) => Ok(ApiError::chosen(status, code).response()),
            Some(Fault::Respond(status, content_type, body)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Ok(with_body(status, content_type, body))
            }
        }
    }

    async fn serve(&self, operation: Operation, argument: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let served = {
            let mut state = lock(&self.state);
            match operation {
                Operation::GenerateAuthorizeToken => authorize::generate_token(&mut state, headers),
                Operation::Authorize => authorize::authorize(&mut state, headers, &body),
                Operation::GetAccountsDetail => detail::get(&mut state, headers, &body),
                Operation::GetAccountsDetailAsync => detail::poll(&mut state, headers, argument),
            }
        };
        let Reply { after, response } = served.unwrap_or_else(|error| Reply::at_once(error.response()));
        // Without this check, even an empty sleep would yield to the clock of a test.
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let exchange =
            Exchange { request: body, status: response.status().as_u16(), response: response.body().bytes() };
        lock(&self.exchanges).insert(operation, exchange);
        response
    }
}

/// Prints no content: the response may be megabytes long.
impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("status", &self.status).finish_non_exhaustive()
    }
}
