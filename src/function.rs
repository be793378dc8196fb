//! What both programs have in common: the start and the end of a Lambda function.

use std::{cell::Cell, hint::black_box, mem, panic::AssertUnwindSafe, process::ExitCode, rc::Rc};

use bytes::Bytes;
use futures_util::FutureExt;
use lambda_runtime::{Error, LambdaEvent, LambdaInvocation, Runtime, service_fn, tower::util::MapRequestLayer};
use serde::{Serialize, de::IgnoredAny};

use crate::{
    config::Problem,
    log::{self, Level},
    runtime_log,
};

/// Runs a function with the configuration that was read, until Lambda ends the process. Without one, or when the runtime
/// interface is lost, the log says so and the process fails.
pub fn run<C>(config: Result<C, Vec<Problem>>, serve: impl AsyncFnOnce(C) -> Result<(), Error>) -> ExitCode {
    log::silence_panics();
    keep_freed_memory();
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
    let failed = |message| {
        log::write(&log::notice(Level::Error, message, &[]));
        ExitCode::FAILURE
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (Ok(()), Ok(runtime)) = (runtime_log::install(), runtime) else {
        return failed("the process has not what it needs");
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => failed("the runtime interface is out of reach"),
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

/// Contains a fault of the program: it costs one invocation its answer, not the process its life. The runtime would catch
/// it too, but hand its message to the caller.
pub async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests {
    use std::{env, panic::catch_unwind, process::Command};

    use super::*;

    const PAYLOAD: &str = "Zoé Lefrançois";

    #[tokio::test]
    async fn a_fault_costs_one_answer_and_not_the_process() {
        assert_eq!(contained(async { panic!("as it should") }).await, None::<()>);
        assert_eq!(contained(async { 5 }).await, Some(5));
    }

    #[test]
    #[ignore = "the next test runs it in a process of its own, because hook and subscriber are the whole process's"]
    fn a_process_that_panics_and_traces() {
        log::silence_panics();
        runtime_log::install().unwrap();
        tracing::error!(target: "lambda_runtime", status = 500, event = PAYLOAD, "quoting {PAYLOAD}");
        tracing::error!(target: "a_library", event = PAYLOAD, "quoting {PAYLOAD}");
        assert!(catch_unwind(|| panic!("quoting {PAYLOAD}")).is_err());
    }

    #[test]
    #[ignore = "the next test runs it in a process of its own, because the allocator is the whole process's"]
    fn a_process_that_works_with_megabytes() {
        let page_faults = || {
            let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
            // The tenth field; the second one, a name in brackets, may have spaces.
            stat.rsplit_once(')').unwrap().1.split(' ').nth(8).unwrap().parse::<usize>().unwrap()
        };
        let work = || drop(black_box(vec![1_u8; 5_000_000]));
        keep_freed_memory();
        work();
        let before = page_faults();
        work();
        // It has 1,220 pages.
        assert!(page_faults() - before < 100, "{} page faults", page_faults() - before);
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn memory_that_is_freed_stays_in_the_process() {
        let arguments = ["--exact", "function::tests::a_process_that_works_with_megabytes", "--ignored"];
        let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn neither_a_panic_nor_a_trace_brings_a_payload_into_the_log() {
        let arguments = ["--exact", "function::tests::a_process_that_panics_and_traces", "--ignored", "--nocapture"];
        let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        for line in ["a fault of the program", "the Lambda runtime reports a fault"] {
            assert_eq!(told.matches(line).count(), 1, "{told}");
        }
        assert!(!told.contains(PAYLOAD), "{told}");
    }
}
