//! Lambda and API Gateway: instances of the receiver that serve one callback at a time. They start cold, are reused,
//! crash and end.

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
    connection::{AT_ONCE, Connection},
    known::Known,
    state::{Simulation, lock},
    weather::Service,
    witness::{self, Witness},
};
use crate::support::crashing;

/// `Timeout` of the function.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an instance fetches keys before its first event.
const PREFETCH: Duration = Duration::from_secs(2);
/// How long API Gateway waits for a response.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long Lambda keeps an idle instance.
const KEPT_IDLE: Duration = Duration::from_secs(20 * 60);
/// The share of instances that end after a callback.
const RECYCLED: f64 = 0.005;

/// The idle instances, with the one used last at the end.
#[derive(Default)]
pub struct Fleet {
    idle: Vec<Instance>,
    /// The number of instances started.
    started: u32,
    /// The number of deployments.
    version: u32,
}

struct Instance {
    receiver: Receiver<Witness<SecretsManager>, Witness<Sqs>, Witness<S3>>,
    connection: Arc<Connection>,
    version: u32,
    used: Duration,
}

/// What the gateway saw of an invocation.
pub enum Outcome {
    Responded(Response, Box<Record>),
    Crashed,
    TimedOut,
}

pub struct Invocation {
    pub outcome: Outcome,
    /// When the instance received the event, and when it ended.
    pub received: Duration,
    pub ended: Duration,
    /// What the instance knew of both schemes' keys when it received the event.
    pub known: [Known; 2],
    /// The instance's connection.
    pub connection: Arc<Connection>,
}

impl Invocation {
    /// Describes the invocation in a violation.
    pub fn describe(&self) -> String {
        let (seconds, faults) = ((self.ended - self.received).as_secs_f64(), self.connection.faults(self.received));
        match &self.outcome {
            Outcome::Responded(response, record) => {
                let times = (&record.keys.tried, &record.failures);
                format!("{response:?} {:?} in {seconds} s, {times:?}; met {faults:?}", record.rejection)
            }
            Outcome::Crashed => "crashed".to_owned(),
            Outcome::TimedOut => format!("timed out after {seconds} s; met {faults:?}"),
        }
    }
}

impl Fleet {
    /// Deploys a new version of the function. From now on no instance of the old one is used.
    pub fn deploy(&mut self) {
        self.version += 1;
        self.scale_in();
    }

    /// Ends the idle instances, so that the next callbacks meet a cold start.
    pub fn scale_in(&mut self) {
        self.idle.clear();
    }
}

/// Sends an event to an instance. With `crash`, the instance crashes after that many polls, if it has not responded by
/// then.
pub async fn invoke(simulation: &Arc<Simulation>, event: &[u8], crash: Option<u32>) -> Invocation {
    let callback = read_event(event);
    let (instance, is_cold) = instance(simulation);
    let mut record = Record::default();
    let connection = Arc::clone(&instance.connection);
    let mut received = simulation.now();
    let mut known = Default::default();
    let work = async {
        if is_cold {
            instance.receiver.prepare().await;
            if simulation.now() - received > PREFETCH + AT_ONCE {
                simulation.violation("fetching the keys before the first event took too long");
            }
            received = simulation.now();
        }
        known = connection.begin(received);
        timeout(FUNCTION_TIMEOUT, instance.receiver.receive(callback, &mut record)).await
    };
    let outcome = match timeout(GATEWAY_TIMEOUT, crashing(crash, work)).await {
        Ok(Some(Ok(response))) => Outcome::Responded(response, Box::new(record)),
        Ok(Some(Err(_))) | Err(_) => Outcome::TimedOut,
        Ok(None) => Outcome::Crashed,
    };
    if matches!(outcome, Outcome::Responded(..)) {
        connection.end(&known);
    }
    let ended = simulation.now();
    if matches!(outcome, Outcome::Responded(..)) {
        put_back(simulation, instance);
    }
    Invocation { outcome, received, ended, known, connection }
}

/// Takes an idle instance or starts one. Returns whether it is new.
fn instance(simulation: &Arc<Simulation>) -> (Instance, bool) {
    let now = simulation.now();
    let mut fleet = lock(&simulation.fleet);
    fleet.idle.retain(|instance| now - instance.used < KEPT_IDLE);
    if let Some(instance) = fleet.idle.pop() {
        return (instance, false);
    }
    simulation.count("instance: cold start");
    if simulation.weather.is_out_for_short(Service::Secrets, now) {
        simulation.count("instance: cold start in a short outage");
    }
    fleet.started += 1;
    let connection = Connection::new(simulation, format!("instance {}", fleet.started));
    let config = &simulation.config;
    let Clients { secrets, storage } = Clients::with_http_client(connection.client(simulation), config);
    let (secrets, storage) = (Witness::new(secrets, &connection), witness::storage(storage, &connection, false));
    let receiver = Receiver::new(config.policy.clone(), secrets, storage);
    (Instance { receiver, connection, version: fleet.version, used: now }, true)
}

fn put_back(simulation: &Simulation, mut instance: Instance) {
    let is_recycled = simulation.draw(|rng| rng.random_bool(RECYCLED));
    let mut fleet = lock(&simulation.fleet);
    if is_recycled || instance.version != fleet.version {
        return simulation.count("instance: recycled");
    }
    instance.used = simulation.now();
    fleet.idle.push(instance);
}
