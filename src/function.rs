//! What both programs have in common: the start and the end of a Lambda function.

use std::{panic::AssertUnwindSafe, process::ExitCode};

use futures_util::FutureExt;
use lambda_runtime::Error;

use crate::{
    config::Problem,
    log::{self, Level},
    runtime_log,
};

/// Runs a function with the configuration that was read, until Lambda ends the process. Without one, or when the runtime
/// interface is lost, the log says so and the process fails.
pub fn run<C>(config: Result<C, Vec<Problem>>, serve: impl AsyncFnOnce(C) -> Result<(), Error>) -> ExitCode {
    log::silence_panics();
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                let fields = [("variable", problem.variable.into()), ("expected", problem.expected.into())];
                log::write(&log::notice(Level::Error, "the configuration is wrong", &fields));
            }
            return ExitCode::FAILURE;
        }
    };
    let served = || {
        runtime_log::install()?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(config))
    };
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            log::write(&log::notice(Level::Error, "the runtime interface is out of reach", &[]));
            ExitCode::FAILURE
        }
    }
}

/// Contains a fault of the program: it costs one invocation its answer, not the process its life. The runtime would catch
/// it too, but hand its message to the caller.
pub async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}
