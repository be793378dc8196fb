//! One process from its start to its last callback.

use std::time::{Duration, Instant};

use local_lambda::{Outcome, RuntimeApi, gateway};

use crate::{
    Failure,
    callback::{Callback, Size},
    process::Process,
    subject::Subject,
    world::{Authority, Transport, World},
};

/// Far more than anything takes: a process that hangs fails instead of holding the run up.
const PATIENCE: Duration = Duration::from_secs(300);
/// For a process to come to rest before its processor time is read.
const REST: Duration = Duration::from_millis(5);
const KIB_IN_MIB: f64 = 1024.0;

/// What one process took.
#[derive(Clone, Debug)]
pub struct Sample {
    /// From starting the process to its first poll.
    pub start_ms: f64,
    /// Processor time until then.
    pub start_cpu_ms: f64,
    /// Most memory until then.
    pub start_mib: f64,
    /// The first callback, which finds nothing warm.
    pub first_ms: f64,
    /// Each callback after the warm-up.
    pub latencies_ms: Vec<f64>,
    /// Processor time of one of those, on average.
    pub cpu_ms: f64,
    /// Most memory, to the end.
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
    /// So many that the smaller ones take about as long as the larger, and a just-in-time compiler has done its work.
    pub fn of(size: Size, is_quick: bool) -> Self {
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

    /// With the first one.
    fn all(self) -> usize {
        1 + self.warm_up + self.measured
    }
}

/// Runs a subject once.
///
/// # Errors
/// When it does not start, does not answer 200, or has not stored each callback. Its figures do not count then.
pub async fn take(
    subject: &Subject,
    transport: Transport,
    callback: &Callback,
    count: Count,
    authority: &Authority,
) -> Result<Sample, Failure> {
    let world = World::start(transport, authority).await?;
    let mut running = Running::start(subject, &[], &world).await?;
    let taken = measure(&mut running, callback, count).await;
    let killed = running.process.kill().await;
    // One that has ended by itself cannot be killed: how it ended says more.
    let sample = taken?;
    killed?;
    world.check(subject, callback, count.all())?;
    Ok(sample)
}

async fn measure(running: &mut Running, callback: &Callback, count: Count) -> Result<Sample, Failure> {
    tokio::time::sleep(REST).await;
    let start_cpu_ms = running.process.cpu_ms()?;
    let start_mib = running.process.status("VmHWM")? as f64 / KIB_IN_MIB;

    let first_ms = running.answer(callback).await?;
    for _ in 0..count.warm_up {
        running.answer(callback).await?;
    }
    tokio::time::sleep(REST).await;
    let before = running.process.cpu_ms()?;
    let mut latencies_ms = Vec::with_capacity(count.measured);
    for _ in 0..count.measured {
        latencies_ms.push(running.answer(callback).await?);
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

/// Runs a subject under a tool that counts, for so many callbacks.
///
/// # Errors
/// As [`take`].
pub async fn under(
    tool: &[String],
    subject: &Subject,
    callback: &Callback,
    count: usize,
    authority: &Authority,
) -> Result<(), Failure> {
    let world = World::start(Transport::Http, authority).await?;
    let mut running = Running::start(subject, tool, &world).await?;
    for _ in 0..count {
        running.answer(callback).await?;
    }
    world.check(subject, callback, count)?;
    running.process.terminate().await
}

/// A subject that polls for events.
struct Running {
    process: Process,
    runtime: RuntimeApi,
    start_ms: f64,
}

impl Running {
    async fn start(subject: &Subject, tool: &[String], world: &World<'_>) -> Result<Self, Failure> {
        let runtime = RuntimeApi::start().await?;
        let mut environment = world.environment(subject);
        environment.extend(runtime.environment());
        let started = Instant::now();
        let mut process = Process::start(subject, tool, &environment)?;
        tokio::select! {
            () = runtime.first_poll() => {}
            failure = process.ended() => return Err(failure),
            () = tokio::time::sleep(PATIENCE) => return Err("it does not poll".into()),
        }
        Ok(Self { process, runtime, start_ms: milliseconds(started) })
    }

    /// Has one callback answered; the time it took, in milliseconds.
    async fn answer(&mut self, callback: &Callback) -> Result<f64, Failure> {
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = self.runtime.invoke(callback.event.clone()) => outcome,
            failure = self.process.ended() => return Err(failure),
            () = tokio::time::sleep(PATIENCE) => return Err("it does not answer".into()),
        };
        let took = milliseconds(started);
        match outcome {
            Outcome::Response(answer) => match gateway::response(&answer)?.status {
                200 => Ok(took),
                status => Err(format!("it answered {status}").into()),
            },
            failed => Err(format!("it failed: {failed:?}").into()),
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
