//! One request, from its head to its answer: which operation, which fault, then the service.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use crate::clock::Clock;
use crate::error::ServiceError;
use crate::fault::{Fault, FaultPlan};
use crate::operation::{Operation, Service};
use crate::parameters::Parameters;
use crate::s3::{self, S3};
use crate::secrets::SecretsManager;
use crate::sqs::Sqs;
use crate::sync::lock;
use crate::{cloudwatch, json, sqs};

pub(crate) type Answer = Response<Full<Bytes>>;

/// The services and the faults set for them. CloudWatch has nothing of its own: it measures the queues.
pub(crate) struct Services {
    pub(crate) sqs: Sqs,
    pub(crate) secrets: SecretsManager,
    pub(crate) s3: S3,
    pub(crate) parameters: Parameters,
    pub(crate) faults: Mutex<FaultPlan>,
}

/// The request gets no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The connection is to be reset.
    Reset,
    /// The sender is to wait as long as it will.
    Hang,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unanswered::Reset => "the connection is reset",
            Unanswered::Hang => "there is no answer",
        })
    }
}

impl std::error::Error for Unanswered {}

/// A request, whole.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Services {
    /// With all queues' URLs on `address`.
    pub(crate) fn new(address: SocketAddr, clock: Clock) -> Services {
        Services {
            sqs: Sqs::new(address, clock),
            secrets: SecretsManager::new(clock),
            s3: S3::new(clock),
            parameters: Parameters::new(clock),
            faults: Mutex::default(),
        }
    }

    /// Answers a request. `network` tells what happens to a call for which no fault is set.
    pub(crate) async fn answer<B: Body>(
        &self,
        request: Request<B>,
        network: impl FnOnce(Operation) -> Option<Fault>,
    ) -> Result<Answer, Unanswered> {
        let (head, body) = request.into_parts();
        // A body that ends early is a client gone: there is nobody to answer.
        let body = body.collect().await.map_err(|_| Unanswered::Reset)?.to_bytes();
        let call = Call { method: head.method, uri: head.uri, headers: head.headers, body };
        if call.is_of_a_browser() {
            return Ok(identified(of_a_browser(&call)));
        }
        let (service, operation) = call.route();
        let Some(operation) = operation else {
            return Ok(identified(unknown_operation(service, &call)));
        };
        let fault = lock(&self.faults).arrive(operation).or_else(|| network(operation));
        self.perform(operation, &call, fault).await.map(identified)
    }

    async fn perform(&self, operation: Operation, call: &Call, fault: Option<Fault>) -> Result<Answer, Unanswered> {
        let service = operation.service();
        match fault {
            None => Ok(self.serve(operation, call).await),
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(self.serve(operation, call).await)
            }
            Some(Fault::Hang) => Err(Unanswered::Hang),
            Some(Fault::Reset) => Err(Unanswered::Reset),
            Some(Fault::ResetAfter) => {
                self.serve(operation, call).await;
                Err(Unanswered::Reset)
            }
            Some(Fault::Throttle) => Ok(refuse(service, &throttled(service), call)),
            Some(Fault::Error) => Ok(refuse(service, &failed(service), call)),
            Some(Fault::Refuse(code, message)) => {
                let error = ServiceError::new(status(service, code), code, message);
                Ok(refuse(service, &error, call))
            }
        }
    }

    async fn serve(&self, operation: Operation, call: &Call) -> Answer {
        let service = operation.service();
        let answered = match service {
            Service::Sqs => self.sqs.serve(operation, call).await.map(json::answer_1_0),
            Service::SecretsManager => self.secrets.serve(operation, call).map(json::answer_1_1),
            Service::S3 => self.s3.serve(operation, call),
            Service::SystemsManager => self.parameters.serve(operation, call).map(json::answer_1_1),
            Service::CloudWatch => cloudwatch::serve(&self.sqs, operation, call),
        };
        answered.unwrap_or_else(|error| refuse(service, &error, call))
    }
}

impl Call {
    /// Browsers send these with what a page asks for, SDKs do not.
    fn is_of_a_browser(&self) -> bool {
        ["origin", "sec-fetch-site"].iter().any(|name| self.headers.contains_key(*name))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `X-Amz-Target` names the service and operation of those that speak JSON, the path those of the one that speaks
    /// CBOR; what has neither is for S3.
    fn route(&self) -> (Service, Option<Operation>) {
        if let Some(name) = cloudwatch::operation_name(self) {
            return (Service::CloudWatch, Operation::named(Service::CloudWatch, name));
        }
        let Some(target) = self.header("x-amz-target") else {
            return (Service::S3, s3::operation(self));
        };
        let (prefix, name) = target.split_once('.').unwrap_or_default();
        let service = match prefix {
            "secretsmanager" => Service::SecretsManager,
            "AmazonSSM" => Service::SystemsManager,
            _ => Service::Sqs,
        };
        (service, Operation::named(service, name))
    }
}

/// Every answer of every service carries the request's id, under a name of its own.
fn identified(mut answer: Answer) -> Answer {
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        answer.headers_mut().insert("x-amzn-requestid", id.clone());
        answer.headers_mut().insert("x-amz-request-id", id);
    }
    answer
}

fn refuse(service: Service, error: &ServiceError, call: &Call) -> Answer {
    match service {
        Service::Sqs => sqs::refusal(error),
        Service::SecretsManager | Service::SystemsManager => json::refusal_1_1(error),
        Service::CloudWatch => cloudwatch::refusal(error),
        Service::S3 => s3::refusal(error, call),
    }
}

fn unknown_operation(service: Service, call: &Call) -> Answer {
    let error = match service {
        Service::S3 => {
            ServiceError::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "This operation is not served here.")
        }
        _ => ServiceError::bad_request("UnknownOperationException", "This operation is not served here."),
    };
    refuse(service, &error, call)
}

/// A page in a browser has no business here: by a name that it makes resolve to loopback it could read the queues.
fn of_a_browser(call: &Call) -> Answer {
    let error = ServiceError::new(StatusCode::FORBIDDEN, "AccessDenied", "Pages in a browser are not served.");
    refuse(call.route().0, &error, call)
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

/// The status that goes with a code, where it is not 400.
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
