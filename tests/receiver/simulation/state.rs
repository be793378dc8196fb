//! The shared state of a run: the stack, the clock, the random numbers and the journal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use flinks_dev::{
    payload::generator,
    stack::{Stack, dead_letter_queue},
};
use flinks_webhooks::{config::Config, routing::Kind};
use local_aws::{LocalAws, QueueSettings};
use rand::{Rng, rngs::ChaCha8Rng};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use super::{DAY, fleet::Fleet, keys::Rotations, weather::Weather};

/// The streams of the seed's generator that no callback uses.
const PLAN: u64 = u64::MAX;
const CHANCE: u64 = u64::MAX - 1;

pub struct Simulation {
    pub seed: u64,
    /// How many callbacks Flinks sends.
    pub callbacks: u64,
    pub stack: Stack,
    pub config: Config,
    pub weather: Weather,
    pub rotations: Rotations,
    pub fleet: Mutex<Fleet>,
    /// The callbacks that Flinks no longer sends.
    pub deliveries: Mutex<Vec<super::flinks::Delivery>>,
    /// How many more messages than callbacks there may be, by DeliveryId.
    pub allowed_copies: Mutex<BTreeMap<String, u32>>,
    started: Instant,
    /// For decisions that are drawn during the run.
    chance: Mutex<ChaCha8Rng>,
    journal: Mutex<Journal>,
}

/// A digest of all lines, how often each thing happened, and the violations.
#[derive(Default)]
struct Journal {
    digest: Sha256,
    counts: BTreeMap<String, usize>,
    violations: Vec<String>,
}

/// The result of a run.
pub struct Finished {
    pub digest: String,
    pub counts: BTreeMap<String, usize>,
    pub violations: Vec<String>,
}

impl Simulation {
    pub fn new(seed: u64, callbacks: u64) -> Arc<Self> {
        let mut plan = generator(seed, PLAN);
        // The receiver's own clock, which stands still here, must not be ahead. Midnight, so that runs are the same to
        // the millisecond.
        let today = SystemTime::UNIX_EPOCH + DAY * u32::try_from(days_since_epoch()).unwrap();
        let stack = Stack::with_aws(LocalAws::detached(today));
        for kind in Kind::ALL {
            for queue in [kind.queue().to_owned(), dead_letter_queue(kind)] {
                let retention = QueueSettings { message_retention_period: 1_209_600, ..QueueSettings::default() };
                stack.aws.create_queue(&queue, retention);
            }
        }
        let config = stack.config(&[("PREVIOUS_KEY_DAYS", "1")]).unwrap();
        let weather = Weather::random(&mut plan);
        Arc::new(Self {
            seed,
            callbacks,
            config,
            rotations: Rotations::random(&weather, &mut plan),
            weather,
            fleet: Mutex::default(),
            deliveries: Mutex::default(),
            allowed_copies: Mutex::default(),
            started: Instant::now(),
            chance: Mutex::new(generator(seed, CHANCE)),
            journal: Mutex::default(),
            stack,
        })
    }

    /// The time since the start of the run, which is at midnight.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub async fn sleep_until(&self, at: Duration) {
        sleep_until(self.started + at).await;
    }

    /// Draws from the shared random numbers.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        draw(&mut *lock(&self.chance))
    }

    /// Writes a line into the journal, whose digest tells one run from another.
    pub fn note(&self, line: &str) {
        let now = self.now().as_millis();
        lock(&self.journal).digest.update(format!("{now} {line}\n"));
    }

    pub fn count(&self, what: impl Into<String>) {
        *lock(&self.journal).counts.entry(what.into()).or_default() += 1;
    }

    /// Records something that must not happen.
    pub fn violation(&self, what: &str) {
        let now = self.now();
        let (hours, minutes) = (now.as_secs() / 3600, now.as_secs() / 60 % 60);
        lock(&self.journal).violations.push(format!("at {hours}:{minutes:02}: {what}"));
    }

    pub fn finish(&self) -> Finished {
        let journal = std::mem::take(&mut *lock(&self.journal));
        Finished {
            digest: hex::encode(journal.digest.finalize()),
            counts: journal.counts,
            violations: journal.violations,
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn days_since_epoch() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / DAY.as_secs()
}
