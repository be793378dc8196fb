//! The connection of one process to AWS, with the weather on it.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
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

pub struct Line {
    world: Weak<World>,
    /// Of whom, in the journal.
    name: String,
    faults: Mutex<Vec<(Duration, Service)>>,
}

impl Line {
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self { world: Arc::downgrade(world), name, faults: Mutex::default() })
    }

    /// The client for the SDK, and a region of its own: the SDK's budget for retries is one for each region in a process,
    /// and here are many.
    pub fn client(self: &Arc<Self>, world: &World) -> (SharedHttpClient, String) {
        static REGION: AtomicU64 = AtomicU64::new(0);
        let region = format!("simulated-{}", REGION.fetch_add(1, Ordering::Relaxed));
        (world.stack.aws.http_client(Arc::clone(self)), region)
    }

    /// Whether a call to this service went wrong since `since`.
    pub fn had_fault_of(&self, service: Service, since: Duration) -> bool {
        lock(&self.faults).iter().any(|(at, of)| *of == service && *at >= since)
    }
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
        faults.retain(|(at, _)| now - *at < 2 * MINUTE);
        faults.push((now, service));
        world.count(format!("fault {}", label(fault)));
        world.count(format!("fault of {operation:?}"));
        world.note(&format!("{} {operation:?} {fault:?}", self.name));
        Some(fault)
    }
}
