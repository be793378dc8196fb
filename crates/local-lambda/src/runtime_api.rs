//! The Lambda Runtime API, as the caller that invokes the function sees it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::invocations::Invocations;
use crate::{Outcome, endpoints, function};

/// The Lambda Runtime API that a function polls (`AWS_LAMBDA_RUNTIME_API`). This process replaces the Lambda service.
///
/// Clones share one port and one queue. When the last clone is dropped, the port closes, and the connection of a
/// function that still polls ends.
#[derive(Clone, Debug)]
pub struct RuntimeApi {
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    invocations: Arc<Invocations>,
    task: AbortHandle,
}

impl RuntimeApi {
    /// Listens on 127.0.0.1, on a free port, and serves from the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub async fn start() -> io::Result<RuntimeApi> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let invocations = Arc::new(Invocations::default());
        let task = tokio::spawn(endpoints::serve(listener, Arc::clone(&invocations))).abort_handle();
        let server = Arc::new(Server { address, invocations, task });
        Ok(RuntimeApi { server })
    }

    /// `127.0.0.1:PORT`, the value of `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// The variables with the API's address and the function's name, version and logs. Lambda also sets the region and
    /// credentials, which are up to the caller here.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", self.address()),
            ("AWS_LAMBDA_FUNCTION_NAME", function::NAME.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function::MEMORY_MB.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", function::VERSION.to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", function::LOG_GROUP.to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", function::LOG_STREAM.to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ]
    }

    /// Sets the time from every later invocation to its deadline: the function's timeout. It is announced but not enforced.
    /// Without this call, it is 15 seconds.
    pub fn set_timeout(&self, timeout: Duration) {
        self.server.invocations.set_timeout(timeout);
    }

    /// Marks the trace of every later invocation as sampled, as X-Ray does for a part of them. Without this call, none is.
    pub fn sample_traces(&self) {
        self.server.invocations.sample_traces();
    }

    /// Waits until a function has polled for its first event, which ends Lambda's init phase.
    ///
    /// Never returns if the function fails before that. [`RuntimeApi::invoke`] then returns the reported error.
    pub async fn first_poll(&self) {
        self.server.invocations.first_poll().await;
    }

    /// Queues an event for the function with a new request id, and waits for the outcome.
    ///
    /// The function gets the bytes unchanged. They need not be JSON or UTF-8, and Lambda's limit for an event
    /// (6,291,456 bytes) does not apply. The function gets the events in the order of the calls.
    ///
    /// There is no time limit: if a function dies while it works on an event, the caller waits for ever. Dropping the
    /// future withdraws an event that the function has not received yet.
    pub async fn invoke(&self, event: impl Into<Bytes>) -> Outcome {
        self.invoke_with_request_id(Uuid::new_v4(), event).await
    }

    /// [`RuntimeApi::invoke`] with a given request id, which identifies the function's log lines. Do not reuse an id
    /// while its invocation runs: the later invocation gets the response, and the earlier one ends as an
    /// [`Outcome::Error`].
    pub async fn invoke_with_request_id(&self, request_id: Uuid, event: impl Into<Bytes>) -> Outcome {
        self.server.invocations.invoke(request_id, event.into()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
