//! What both programs share: the start and the end of a Lambda function.

use std::{cell::Cell, hint::black_box, mem, panic::AssertUnwindSafe, process::ExitCode, rc::Rc};

use bytes::Bytes;
use futures_util::FutureExt;
use lambda_runtime::{Error, LambdaEvent, LambdaInvocation, Runtime, service_fn, tower::util::MapRequestLayer};
use serde::{Serialize, de::IgnoredAny};

use crate::{
    config::Problem,
    telemetry::{Level, Line, log_configuration_problems, runtime, silence_panics},
};

/// Runs a function with its configuration until Lambda ends the process. Logs why when it cannot start, or when the Lambda
/// Runtime API is lost, and the process fails.
pub fn run<C>(config: Result<C, Vec<Problem>>, serve: impl AsyncFnOnce(C) -> Result<(), Error>) -> ExitCode {
    silence_panics();
    keep_freed_memory();
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
        Err(_) => fail("lost the Lambda Runtime API"),
    }
}

/// What Lambda asks for.
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// The event as it came.
    pub event: Option<Bytes>,
}

/// Answers events until Lambda ends the process, each from its bytes: the runtime by itself would deserialise it first.
///
/// The bytes go past the runtime, which is given `null` to deserialise. It calls the handler for one event before it takes
/// the next one; should that ever change, an event would be missing here and not be another's.
///
/// # Errors
/// When the runtime interface is lost.
pub async fn answer_events<A: Serialize, F: Future<Output = A>>(answer: impl Fn(Invocation) -> F) -> Result<(), Error> {
    let passed = Rc::new(Cell::new(None));
    let event = Rc::clone(&passed);
    let past = MapRequestLayer::new(move |mut invocation: LambdaInvocation| {
        let event = mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        // Two that wait are one too many to tell whose is whose.
        let event = passed.take().is_none().then_some(event);
        passed.set(event);
        invocation
    });
    let handler = service_fn(move |invocation: LambdaEvent<IgnoredAny>| {
        let answer = answer(Invocation { request_id: invocation.context.request_id, event: event.take() });
        async { Ok::<_, Error>(answer.await) }
    });
    Runtime::new(handler).layer(past).run().await
}

/// Has the allocator keep what is freed, for the next callback: it would give back each large piece to the kernel, and get
/// it again page by page, which is a fifth of the work for a callback of megabytes.
///
/// When glibc frees a piece that it has mapped, it maps only larger ones from then on, and keeps twice as much of its heap
/// (mallopt(3), `M_MMAP_THRESHOLD`). This one is as large as counts, and never touched: it costs two system calls and no
/// memory. Another allocator takes no notice.
fn keep_freed_memory() {
    /// 32 MiB is glibc's `DEFAULT_MMAP_THRESHOLD_MAX`, its own header and flags counted: less two pages is below it.
    const LARGEST: usize = 32 * 1024 * 1024 - 2 * 4096;
    drop(black_box(Vec::<u8>::with_capacity(LARGEST)));
}

/// Catches a panic: it costs one invocation its response, not the process its life. The Lambda runtime would catch it too,
/// but return its message to the caller.
pub async fn catch_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests;
