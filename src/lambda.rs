//! What the programs share: the start and the end of a Lambda function.

use std::{panic::AssertUnwindSafe, process::ExitCode};

use futures_util::FutureExt;
use lambda_runtime::Error;

#[cfg(any(feature = "fan-out", feature = "recovery"))]
use crate::sqs_event::{QueueMessage, SqsEvent};
use crate::{
    config::Problem,
    telemetry::{Level, Line, log_configuration_problems, runtime, silence_panics},
};

/// Runs a function with its configuration until Lambda ends the process. If it cannot start, or if the Lambda Runtime
/// API is lost, it logs the reason and returns a failure.
pub fn run<C>(config: Result<C, Vec<Problem>>, serve: impl AsyncFnOnce(C) -> Result<(), Error>) -> ExitCode {
    silence_panics();
    let fail = |message| {
        Line::notice(Level::Error, message).end().write();
        ExitCode::FAILURE
    };
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            log_configuration_problems(&problems);
            return ExitCode::FAILURE;
        }
    };
    if runtime::install().is_err() {
        return fail("startup failed: another tracing subscriber is installed");
    }
    let Ok(tokio) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return fail("startup failed: could not create the async runtime");
    };
    match tokio.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => fail("stopped: lost the connection to the Lambda Runtime API"),
    }
}

/// The messages of an event. If the event is not from an SQS queue, it logs that and returns an error.
#[cfg(any(feature = "fan-out", feature = "recovery"))]
pub fn messages_of(SqsEvent(messages): SqsEvent) -> Result<Vec<QueueMessage>, Error> {
    const NOT_SQS: &str = "the event is not from an SQS queue";
    messages.ok_or_else(|| {
        Line::notice(Level::Error, NOT_SQS).end().write();
        NOT_SQS.into()
    })
}

/// Catches a panic, so that it ends one invocation and not the process. The Lambda runtime would catch it too, but it
/// would return the panic's message, which may quote a payload, to the caller.
pub async fn catch_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests;
