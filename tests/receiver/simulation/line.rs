//! The connection of one process to AWS, with the weather on it.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use local_aws::{Fault, Network, Operation};
use rand::RngExt;

use super::{
    MINUTE,
    weather::{Service, label},
    world::{World, lock},
};

/// Attempts that the SDK makes at a call, and the receiver at a claim check.
const ATTEMPTS: usize = 3;
/// What the SDK's budget for retries, 500 tokens, pays for at least; a call that has to do without has one attempt.
const RETRIES: usize = 500 / 14;
/// Most time that faults may take from an invocation while each step still has what it needs.
const SPARE: Duration = Duration::from_secs(2);
/// So much lost before the queue's turn can leave it none at all.
const TOO_LATE: Duration = Duration::from_secs(6);

pub struct Line {
    world: Weak<World>,
    /// Of whom, in the journal.
    name: String,
    faults: Mutex<Vec<Seen>>,
    /// How many there were, with those that are forgotten.
    all_faults: AtomicUsize,
}

/// A fault as it was met.
struct Seen {
    at: Duration,
    service: Service,
    fault: Fault,
}

impl Line {
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self { world: Arc::downgrade(world), name, faults: Mutex::default(), all_faults: AtomicUsize::new(0) })
    }

    /// The client for the SDK, and a region of its own: the SDK's budget for retries is one for each region in a process,
    /// and here are many.
    pub fn client(self: &Arc<Self>, world: &World) -> (SharedHttpClient, String) {
        static REGION: AtomicU64 = AtomicU64::new(0);
        let region = format!("simulated-{}", REGION.fetch_add(1, Ordering::Relaxed));
        (world.stack.aws.http_client(Arc::clone(self)), region)
    }

    /// Whether what went wrong with this service since `since` can have failed a call. It cannot where the SDK has an
    /// attempt left, and time for it.
    pub fn had_to_fail(&self, service: Service, since: Duration) -> bool {
        let faults = lock(&self.faults);
        let of_service: Vec<_> = faults.iter().filter(|seen| seen.service == service && seen.at >= since).collect();
        let is_final = of_service.iter().any(|seen| matches!(seen.fault, Fault::Refuse(..)));
        let is_overtaxed = of_service.len() >= ATTEMPTS || self.all_faults.load(Ordering::Relaxed) >= RETRIES;
        !of_service.is_empty() && (is_final || is_overtaxed || lost(&faults, since) > SPARE)
    }

    /// Whether faults of any service since `since` can have left no time for the queue.
    pub fn was_too_late(&self, since: Duration) -> bool {
        lost(&lock(&self.faults), since) > TOO_LATE
    }
}

/// The time that faults since `since` took, one after the other.
fn lost(faults: &[Seen], since: Duration) -> Duration {
    let recent = faults.iter().filter(|seen| seen.at >= since);
    recent
        .map(|seen| match seen.fault {
            Fault::Delay(delay) => delay,
            Fault::Hang => Duration::from_secs(3),
            _ => Duration::from_millis(100),
        })
        .sum()
}

impl Network for Line {
    fn latency(&self) -> Duration {
        let Some(world) = self.world.upgrade() else { return Duration::ZERO };
        Duration::from_millis(world.draw(|rng| if rng.random_bool(0.01) { 250 } else { rng.random_range(1..12) }))
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let world = self.world.upgrade()?;
        let (service, now) = (Service::of(operation), world.now());
        let fault = world.draw(|rng| world.weather.fault(service, now, rng))?;
        let mut faults = lock(&self.faults);
        // What is further back explains nothing any more.
        faults.retain(|seen| now - seen.at < 2 * MINUTE);
        faults.push(Seen { at: now, service, fault });
        self.all_faults.fetch_add(1, Ordering::Relaxed);
        world.count(format!("fault {}", label(fault)));
        world.count(format!("fault of {operation:?}"));
        world.note(&format!("{} {operation:?} {fault:?}", self.name));
        Some(fault)
    }
}
