//! Measures one process from its start to its last callback.

use std::time::{Duration, Instant};

use local_lambda::{Outcome, RuntimeApi, gateway};

use crate::{
    Failure,
    backend::{Authority, Backend, Transport},
    callback::{Callback, Size},
    process::Process,
    subject::Subject,
};

/// Far more than anything takes. A process that hangs fails instead of blocking the run.
const PATIENCE: Duration = Duration::from_secs(300);
/// The wait for a process to become idle before its processor time is read.
const REST: Duration = Duration::from_millis(5);
const KIB_IN_MIB: f64 = 1024.0;

/// The measurements of one process.
#[derive(Clone, Debug)]
pub struct Sample {
    /// From starting the process to its first poll.
    pub start_ms: f64,
    /// Processor time until the first poll.
    pub start_cpu_ms: f64,
    /// Peak memory until the first poll.
    pub start_mib: f64,
    /// The time of the first callback, which finds nothing warm.
    pub first_ms: f64,
    /// The time of each callback after the warm-up.
    pub latencies_ms: Vec<f64>,
    /// The average processor time of a callback after the warm-up.
    pub cpu_ms: f64,
    /// Peak memory until the end.
    pub peak_mib: f64,
    pub threads: f64,
}

/// How many callbacks a process gets.
#[derive(Clone, Copy)]
pub struct Count {
    pub warm_up: usize,
    pub measured: usize,
}

impl Count {
    /// Enough that small callbacks take about as long in total as large ones, and that a just-in-time compiler is done.
    pub fn for_size(size: Size, is_quick: bool) -> Self {
        let (warm_up, measured): (usize, usize) = match size {
            Size::Kb2 => (100, 300),
            Size::Kb200 => (15, 60),
            Size::Mb1 | Size::Mib1AndOne => (5, 20),
            Size::Mb5 => (3, 8),
        };
        if is_quick {
            Self { warm_up: warm_up.div_ceil(2), measured: measured.div_ceil(4) }
        } else {
            Self { warm_up, measured }
        }
    }

    /// All callbacks, including the first one.
    fn all(self) -> usize {
        1 + self.warm_up + self.measured
    }
}

/// Runs a subject once.
///
/// # Errors If it does not start, does not return 200, or does not store each callback. Its figures do not count then.
pub async fn take_sample(
    subject: &Subject,
    transport: Transport,
    callback: &Callback,
    count: Count,
    authority: &Authority,
) -> Result<Sample, Failure> {
    let backend = Backend::start(transport, authority).await?;
    let mut running = Running::start(subject, &[], &backend).await?;
    let taken = measure(&mut running, callback, count).await;
    let killed = running.process.kill().await;
    // A process that has already ended cannot be killed, and its own error says more.
    let sample = taken?;
    killed?;
    backend.check(subject, callback, count.all())?;
    Ok(sample)
}

async fn measure(running: &mut Running, callback: &Callback, count: Count) -> Result<Sample, Failure> {
    tokio::time::sleep(REST).await;
    let start_cpu_ms = running.process.cpu_ms()?;
    let start_mib = running.process.status("VmHWM")? as f64 / KIB_IN_MIB;

    let first_ms = running.invoke(callback).await?;
    for _ in 0..count.warm_up {
        running.invoke(callback).await?;
    }
    tokio::time::sleep(REST).await;
    let before = running.process.cpu_ms()?;
    let mut latencies_ms = Vec::with_capacity(count.measured);
    for _ in 0..count.measured {
        latencies_ms.push(running.invoke(callback).await?);
    }
    tokio::time::sleep(REST).await;
    let cpu_ms = (running.process.cpu_ms()? - before) / count.measured as f64;
    Ok(Sample {
        start_ms: running.start_ms,
        start_cpu_ms,
        start_mib,
        first_ms,
        latencies_ms,
        cpu_ms,
        peak_mib: running.process.status("VmHWM")? as f64 / KIB_IN_MIB,
        threads: running.process.status("Threads")? as f64,
    })
}

/// Runs a subject under a counting tool, for `count` callbacks.
///
/// # Errors
/// As [`take_sample`].
pub async fn run_under(
    tool: &[String],
    subject: &Subject,
    callback: &Callback,
    count: usize,
    authority: &Authority,
) -> Result<(), Failure> {
    let backend = Backend::start(Transport::Http, authority).await?;
    let mut running = Running::start(subject, tool, &backend).await?;
    for _ in 0..count {
        running.invoke(callback).await?;
    }
    backend.check(subject, callback, count)?;
    running.process.terminate().await
}

/// A subject that polls for events.
struct Running {
    process: Process,
    runtime: RuntimeApi,
    start_ms: f64,
}

impl Running {
    async fn start(subject: &Subject, tool: &[String], backend: &Backend<'_>) -> Result<Self, Failure> {
        let runtime = RuntimeApi::start().await?;
        let mut environment = backend.environment(subject);
        environment.extend(runtime.environment());
        let started = Instant::now();
        let mut process = Process::start(subject, tool, &environment)?;
        tokio::select! {
            () = runtime.first_poll() => {}
            failure = process.ended() => return Err(failure),
            () = tokio::time::sleep(PATIENCE) => return Err("the subject does not poll".into()),
        }
        Ok(Self { process, runtime, start_ms: milliseconds(started) })
    }

    /// Invokes the subject with one callback. Returns the time in milliseconds.
    async fn invoke(&mut self, callback: &Callback) -> Result<f64, Failure> {
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = self.runtime.invoke(callback.event.clone()) => outcome,
            failure = self.process.ended() => return Err(failure),
            () = tokio::time::sleep(PATIENCE) => return Err("the subject does not respond".into()),
        };
        let took = milliseconds(started);
        match outcome {
            Outcome::Response(response) => match gateway::response(&response)?.status {
                200 => Ok(took),
                status => Err(format!("the subject returned {status}").into()),
            },
            failed => Err(format!("the subject failed: {failed:?}").into()),
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
