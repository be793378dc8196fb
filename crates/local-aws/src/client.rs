//! An HTTP client for the SDK that reaches the services without a socket, over a simulated network.

use std::fmt;
use std::future::pending;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use tokio::time::sleep;

use crate::dispatch::{NoResponse, Services};
use crate::fault::Fault;
use crate::operation::Operation;
use crate::wire::Response;

/// The network between a client in this process and the services. A [`Duration`] is a network without faults on which
/// each way takes that long.
pub trait Network: Send + Sync + 'static {
    /// How long the next request or response takes, on tokio's clock.
    fn latency(&self) -> Duration;

    /// The fault of the call that arrives now. Called once for each call without a fault from
    /// [`LocalAws::fault`](crate::LocalAws::fault).
    fn fault(&self, operation: Operation) -> Option<Fault>;
}

impl Network for Duration {
    fn latency(&self) -> Duration {
        *self
    }

    fn fault(&self, _: Operation) -> Option<Fault> {
        None
    }
}

impl<N: Network> Network for Arc<N> {
    fn latency(&self) -> Duration {
        N::latency(self)
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        N::fault(self, operation)
    }
}

pub(crate) struct Client<N> {
    pub(crate) services: Arc<Services>,
    pub(crate) network: Arc<N>,
}

impl<N: Network> HttpClient for Client<N> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<N: Network> HttpConnector for Client<N> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let Client { services, network } = self.clone();
        let work = async move {
            sleep(network.latency()).await;
            let response = services.respond(request, |operation| network.fault(operation)).await;
            sleep(network.latency()).await;
            response
        };
        HttpConnectorFuture::new(async {
            // A separate task, so that the request is carried out even if the sender is gone.
            match tokio::spawn(work).await {
                Ok(Ok(response)) => sdk_response(response),
                Ok(Err(NoResponse::Hang)) => pending().await,
                Ok(Err(reset @ NoResponse::Reset)) => {
                    Err(ConnectorError::io(Error::new(ErrorKind::ConnectionReset, reset).into()))
                }
                Err(panicked) => Err(ConnectorError::other(panicked.into(), None)),
            }
        })
    }
}

fn sdk_response(response: Response) -> Result<HttpResponse, ConnectorError> {
    let response = response.map(SdkBody::from_body_1_x);
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

impl<N> Clone for Client<N> {
    fn clone(&self) -> Self {
        Client { services: Arc::clone(&self.services), network: Arc::clone(&self.network) }
    }
}

/// Prints no content: it may be secret.
impl<N> fmt::Debug for Client<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
