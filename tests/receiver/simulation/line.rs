//! The connection of one process to AWS, with the weather on it.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use flinks_webhooks::{keys::Stage, signature::Scheme};
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

/// From here on an attempt, which has three seconds with the way there and back, can be over before its answer is there.
const LATE: Duration = Duration::from_millis(2_400);

pub struct Line {
    world: Weak<World>,
    /// Of whom, in the journal.
    name: String,
    faults: Mutex<Vec<Seen>>,
    /// How many there were, with those that are forgotten.
    all_faults: AtomicUsize,
    /// Of each service, the calls that were carried out and whose answer was lost or late.
    doubtful: [AtomicU32; 3],
    readings: Mutex<Vec<Reading>>,
}

/// What became of a reading of a secret.
struct Reading {
    at: Duration,
    scheme: Scheme,
    stage: Stage,
    /// What it brought, which can be that there is nothing; none if it failed.
    held: Option<Option<String>>,
}

/// A fault as it was met.
struct Seen {
    at: Duration,
    service: Service,
    fault: Fault,
}

impl Line {
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::downgrade(world),
            name,
            faults: Mutex::default(),
            all_faults: AtomicUsize::default(),
            doubtful: Default::default(),
            readings: Mutex::default(),
        })
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

    pub fn doubtful_answers(&self, service: Service) -> u32 {
        self.doubtful[service as usize].load(Ordering::Relaxed)
    }

    /// Something has happened that can have made so many more messages of a DeliveryId.
    pub fn allow_copies(&self, delivery_id: &str, copies: u32) {
        if let Some(world) = self.world.upgrade() {
            *lock(&world.allowed_copies).entry(delivery_id.to_owned()).or_default() += copies;
        }
    }

    pub fn note_reading(&self, scheme: Scheme, stage: Stage, held: Option<Option<String>>) {
        if let Some(world) = self.world.upgrade() {
            lock(&self.readings).push(Reading { at: world.now(), scheme, stage, held });
        }
    }

    /// Whether the secret was ever read, at one of these stages: both are read side by side, and a previous key is of
    /// no use before there is a current one.
    pub fn has_read(&self, scheme: Scheme, stages: &[Stage], secret: &str) -> bool {
        let readings = lock(&self.readings);
        let of_scheme: Vec<_> = readings.iter().filter(|reading| reading.scheme == scheme).collect();
        let held = |reading: &Reading| reading.held.clone().flatten();
        let mut with_current = of_scheme
            .chunks(2)
            .skip_while(|both| !both.iter().any(|reading| reading.stage == Stage::Current && held(reading).is_some()));
        with_current.any(|both| {
            both.iter().any(|reading| stages.contains(&reading.stage) && held(reading).as_deref() == Some(secret))
        })
    }

    /// Whether a reading of the scheme's secret failed since `since`.
    pub fn has_failed_to_read(&self, scheme: Scheme, stage: Stage, since: Duration) -> bool {
        let is_it = |reading: &Reading| reading.scheme == scheme && reading.stage == stage && reading.at >= since;
        lock(&self.readings).iter().any(|reading| is_it(reading) && reading.held.is_none())
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
        if matches!(fault, Fault::ResetAfter) || matches!(fault, Fault::Delay(delay) if delay > LATE) {
            self.doubtful[service as usize].fetch_add(1, Ordering::Relaxed);
        }
        world.count(format!("fault {}", label(fault)));
        world.count(format!("fault of {operation:?}"));
        world.note(&format!("{} {operation:?} {fault:?}", self.name));
        Some(fault)
    }
}
