//! Lambda and API Gateway: instances of the receiver that serve one callback at a time, start cold, are reused, crash
//! and go.

use std::{sync::Arc, time::Duration};

use flinks_webhooks::{
    Receiver,
    aws::{Clients, S3, SecretsManager, Sqs},
    http::{Response, read_event},
    telemetry::Record,
};
use rand::RngExt;
use tokio::time::timeout;

use super::{
    known::Known,
    line::{AT_ONCE, Line},
    weather::Service,
    witness::{self, Witness},
    world::{World, lock},
};
use crate::support::crashing;

/// `Timeout` of the function.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long keys are fetched before the first event.
const PREFETCH: Duration = Duration::from_secs(2);
/// How long API Gateway waits.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an instance without work is kept.
const KEPT_IDLE: Duration = Duration::from_secs(20 * 60);
/// Of all instances after a callback.
const RECYCLED: f64 = 0.005;

/// The instances without work, the one that was used last at the end.
#[derive(Default)]
pub struct Fleet {
    idle: Vec<Instance>,
    /// Counts instances.
    started: u32,
    /// Counts deployments.
    version: u32,
}

struct Instance {
    receiver: Receiver<Witness<SecretsManager>, Witness<Sqs>, Witness<S3>>,
    line: Arc<Line>,
    version: u32,
    used: Duration,
}

/// What the gateway saw of an invocation.
pub enum Outcome {
    Answered(Response, Box<Record>),
    Crashed,
    TimedOut,
}

pub struct Invocation {
    pub outcome: Outcome,
    /// When the instance had the event, and was done with it.
    pub received: Duration,
    pub ended: Duration,
    /// What the instance knew of both schemes' keys when it received the event.
    pub known: [Known; 2],
    /// The instance's.
    pub line: Arc<Line>,
}

impl Invocation {
    /// What a violation says of it.
    pub fn told(&self) -> String {
        let (seconds, faults) = ((self.ended - self.received).as_secs_f64(), self.line.faults(self.received));
        match &self.outcome {
            Outcome::Answered(answer, record) => {
                let times = (&record.keys.tried, &record.failures);
                format!("{answer:?} {:?} in {seconds} s, {times:?}; met {faults:?}", record.rejection)
            }
            Outcome::Crashed => "crashed".to_owned(),
            Outcome::TimedOut => format!("timed out after {seconds} s; met {faults:?}"),
        }
    }
}

impl Fleet {
    /// A new version of the function: no instance of the old one serves from now on.
    pub fn deploy(&mut self) {
        self.version += 1;
        self.scale_in();
    }

    /// The instances without work are gone: the next callbacks meet a cold start.
    pub fn scale_in(&mut self) {
        self.idle.clear();
    }
}

/// Hands an event to an instance. With `crash`, the instance is gone after so many polls, if it is not done by then.
pub async fn invoke(world: &Arc<World>, event: &[u8], crash: Option<u32>) -> Invocation {
    let callback = read_event(event);
    let (instance, is_cold) = instance(world);
    let mut record = Record::default();
    let line = Arc::clone(&instance.line);
    let mut received = world.now();
    let mut known = Default::default();
    let work = async {
        if is_cold {
            instance.receiver.prepare().await;
            if world.now() - received > PREFETCH + AT_ONCE {
                world.violation("fetching the keys before the first event took too long");
            }
            received = world.now();
        }
        known = line.begin(received);
        timeout(FUNCTION_TIMEOUT, instance.receiver.receive(callback, &mut record)).await
    };
    let outcome = match timeout(GATEWAY_TIMEOUT, crashing(crash, work)).await {
        Ok(Some(Ok(answer))) => Outcome::Answered(answer, Box::new(record)),
        Ok(Some(Err(_))) | Err(_) => Outcome::TimedOut,
        Ok(None) => Outcome::Crashed,
    };
    if matches!(outcome, Outcome::Answered(..)) {
        line.end(&known);
    }
    let ended = world.now();
    if matches!(outcome, Outcome::Answered(..)) {
        put_back(world, instance);
    }
    Invocation { outcome, received, ended, known, line }
}

/// An instance for one callback, and whether it is a new one.
fn instance(world: &Arc<World>) -> (Instance, bool) {
    let now = world.now();
    let mut fleet = lock(&world.fleet);
    fleet.idle.retain(|instance| now - instance.used < KEPT_IDLE);
    if let Some(instance) = fleet.idle.pop() {
        return (instance, false);
    }
    world.count("instance: cold start");
    if world.weather.is_out_for_short(Service::Secrets, now) {
        world.count("instance: cold start in a short outage");
    }
    fleet.started += 1;
    let line = Line::new(world, format!("instance {}", fleet.started));
    let config = &world.config;
    let Clients { secrets, storage } = Clients::with_http_client(line.client(world), config);
    let (secrets, storage) = (Witness::new(secrets, &line), witness::storage(storage, &line, false));
    let receiver = Receiver::new(config.policy.clone(), secrets, storage);
    (Instance { receiver, line, version: fleet.version, used: now }, true)
}

fn put_back(world: &World, mut instance: Instance) {
    let is_recycled = world.draw(|rng| rng.random_bool(RECYCLED));
    let mut fleet = lock(&world.fleet);
    if is_recycled || instance.version != fleet.version {
        return world.count("instance: recycled");
    }
    instance.used = world.now();
    fleet.idle.push(instance);
}
