//! Serves one request: finds its operation, applies its fault if there is one, and calls the service.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;

use hyper::body::Body;
use hyper::header::HeaderValue;
use hyper::{Request, StatusCode};

use crate::clock::Clock;
use crate::error::ServiceError;
use crate::fault::{Fault, FaultPlan};
use crate::host::{Host, is_forwarded};
use crate::operation::{Operation, Service};
use crate::parameters::Parameters;
use crate::s3::{self, S3};
use crate::secrets::SecretsManager;
use crate::sqs::Sqs;
use crate::sync::lock;
use crate::wire::{Call, REQUEST_ID, Response};
use crate::{cloudwatch, json, query, sqs};

/// The services and the faults set for them. CloudWatch has no state: it measures the queues.
pub(crate) struct Services {
    pub(crate) sqs: Sqs,
    pub(crate) secrets: SecretsManager,
    pub(crate) s3: S3,
    pub(crate) parameters: Parameters,
    pub(crate) faults: Mutex<FaultPlan>,
    /// Additional host names that are served, in lower case.
    pub(crate) hosts: Mutex<BTreeSet<String>>,
}

/// Why a request gets no response.
#[derive(Debug)]
pub(crate) enum NoResponse {
    /// Reset the connection.
    Reset,
    /// Leave the sender waiting.
    Hang,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoResponse::Reset => "the connection is reset",
            NoResponse::Hang => "there is no response",
        })
    }
}

impl std::error::Error for NoResponse {}

impl Services {
    /// Creates the services. Queue URLs have this address.
    pub(crate) fn new(address: SocketAddr, clock: Clock) -> Services {
        Services {
            sqs: Sqs::new(address, clock),
            secrets: SecretsManager::new(clock),
            s3: S3::new(clock),
            parameters: Parameters::new(clock),
            faults: Mutex::default(),
            hosts: Mutex::default(),
        }
    }

    /// Serves a request from a socket, or rejects it. Anything on this machine can send one, even a page in a browser.
    pub(crate) async fn respond_over_network<B: Body>(&self, request: Request<B>) -> Result<Response, NoResponse> {
        let call = read(request).await?;
        match self.rejection(&call) {
            Some(why) => {
                let error = ServiceError::new(StatusCode::FORBIDDEN, "AccessDenied", why);
                Ok(with_request_id(error_response(route(&call).0, &error, &call)))
            }
            None => self.handle(&call, |_| None).await,
        }
    }

    /// Serves a request from this process. `network` gives the fault of a call that has none yet.
    pub(crate) async fn respond<B: Body>(
        &self,
        request: Request<B>,
        network: impl FnOnce(Operation) -> Option<Fault>,
    ) -> Result<Response, NoResponse> {
        self.handle(&read(request).await?, network).await
    }

    async fn handle(
        &self,
        call: &Call,
        network: impl FnOnce(Operation) -> Option<Fault>,
    ) -> Result<Response, NoResponse> {
        let (service, operation) = route(call);
        let Some(operation) = operation else {
            return Ok(with_request_id(unknown_operation(service, call)));
        };
        let fault = lock(&self.faults).arrive(operation).or_else(|| network(operation));
        self.perform(operation, call, fault).await.map(with_request_id)
    }

    /// The reason to reject a request, if there is one.
    fn rejection(&self, call: &Call) -> Option<&'static str> {
        /// The name by which containers reach the machine that runs them. Public DNS has no names with this ending.
        const DOCKER_HOST: &str = "host.docker.internal";
        if call.is_from_browser() {
            return Some("Pages in a browser are not served.");
        }
        if is_forwarded(&call.headers) {
            return Some("Requests that a tunnel or proxy forwarded (Forwarded, X-Forwarded-...) are not served.");
        }
        let is_allowed = match Host::of_request(&call.uri, &call.headers) {
            None => false,
            Some(Host::Address(_)) => true,
            Some(host @ Host::Name(name)) => {
                let name = name.to_ascii_lowercase();
                host.is_loopback() || name == DOCKER_HOST || lock(&self.hosts).contains(&name)
            }
        };
        (!is_allowed).then_some(
            "The Host header must be one of this machine's: localhost, an IP address, host.docker.internal, or a name \
             allowed with cargo dev up --aws-allow-host NAME. A page in a browser could point any other name here.",
        )
    }

    async fn perform(&self, operation: Operation, call: &Call, fault: Option<Fault>) -> Result<Response, NoResponse> {
        let service = operation.service();
        match fault {
            None => Ok(self.serve(operation, call).await),
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(self.serve(operation, call).await)
            }
            Some(Fault::Hang) => Err(NoResponse::Hang),
            Some(Fault::Reset) => Err(NoResponse::Reset),
            Some(Fault::ResetAfter) => {
                self.serve(operation, call).await;
                Err(NoResponse::Reset)
            }
            Some(Fault::Throttle) => Ok(error_response(service, &throttled(service), call)),
            Some(Fault::Error) => Ok(error_response(service, &failed(service), call)),
            Some(Fault::Reject(code, message)) => {
                let error = ServiceError::new(status(service, code), code, message);
                Ok(error_response(service, &error, call))
            }
        }
    }

    async fn serve(&self, operation: Operation, call: &Call) -> Response {
        let service = operation.service();
        let response = match service {
            Service::Sqs => self.sqs.serve(operation, call).await.map(json::response_1_0),
            Service::SecretsManager => self.secrets.serve(operation, call).map(json::response_1_1),
            Service::S3 => self.s3.serve(operation, call),
            Service::SystemsManager => self.parameters.serve(operation, call).map(json::response_1_1),
            Service::CloudWatch => cloudwatch::serve(&self.sqs, operation, call),
        };
        response.unwrap_or_else(|error| error_response(service, &error, call))
    }
}

/// The service and the operation of a request. `X-Amz-Target` names them for the JSON protocols, the path for CBOR. A
/// request with neither is for S3 or uses an unsupported protocol.
fn route(call: &Call) -> (Service, Option<Operation>) {
    if let Some(name) = cloudwatch::operation_name(call) {
        return (Service::CloudWatch, Operation::from_name(Service::CloudWatch, name));
    }
    let Some(target) = call.header("x-amz-target") else {
        return (Service::S3, s3::operation(call));
    };
    let (prefix, name) = target.split_once('.').unwrap_or_default();
    let service = match prefix {
        "secretsmanager" => Service::SecretsManager,
        "AmazonSSM" => Service::SystemsManager,
        _ => Service::Sqs,
    };
    (service, Operation::from_name(service, name))
}

/// Reads a request. If the body ends early, the client is gone and needs no response.
async fn read<B: Body>(request: Request<B>) -> Result<Call, NoResponse> {
    Call::read(request).await.map_err(|_| NoResponse::Reset)
}

/// Adds the request id, in the headers of all services. A response with the id in its body has already set the header.
fn with_request_id(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let id = headers.get(REQUEST_ID).cloned();
    let id = id.or_else(|| HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).ok());
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.clone());
        headers.insert("x-amz-request-id", id);
    }
    response
}

fn error_response(service: Service, error: &ServiceError, call: &Call) -> Response {
    match service {
        Service::S3 if query::is_used_by(call) => query::error_response(error),
        Service::Sqs => sqs::error_response(error),
        Service::SecretsManager | Service::SystemsManager => json::error_response_1_1(error),
        Service::CloudWatch => cloudwatch::error_response(error),
        Service::S3 => s3::error_response(error, call),
    }
}

fn unknown_operation(service: Service, call: &Call) -> Response {
    let error = match service {
        Service::S3 if query::is_used_by(call) => query::unsupported(call),
        Service::S3 => {
            ServiceError::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "This operation is not served here.")
        }
        _ => ServiceError::bad_request("UnknownOperationException", "This operation is not served here."),
    };
    error_response(service, &error, call)
}

fn throttled(service: Service) -> ServiceError {
    match service {
        Service::Sqs => ServiceError::bad_request("RequestThrottled", "Rate exceeded"),
        Service::SecretsManager | Service::SystemsManager | Service::CloudWatch => {
            ServiceError::bad_request("ThrottlingException", "Rate exceeded")
        }
        Service::S3 => {
            ServiceError::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
        }
    }
}

fn failed(service: Service) -> ServiceError {
    let code = match service {
        Service::Sqs => "InternalFailure",
        Service::SecretsManager => "InternalServiceError",
        Service::SystemsManager => "InternalServerError",
        Service::CloudWatch => "InternalServiceFault",
        Service::S3 => "InternalError",
    };
    let message = "We encountered an internal error. Please try again.";
    ServiceError::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
}

/// The status of an error code.
fn status(service: Service, code: &str) -> StatusCode {
    match (service, code) {
        (Service::Sqs, "AccessDenied") => StatusCode::FORBIDDEN,
        (Service::S3, "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch") => StatusCode::FORBIDDEN,
        (Service::S3, "NoSuchBucket" | "NoSuchKey") => StatusCode::NOT_FOUND,
        (Service::S3, "ConditionalRequestConflict" | "OperationAborted") => StatusCode::CONFLICT,
        (Service::S3, "PreconditionFailed") => StatusCode::PRECONDITION_FAILED,
        _ => StatusCode::BAD_REQUEST,
    }
}
