//! The keys of both schemes, and their rotation in the middle: the customer stores a new value, Flinks signs with it
//! some time later, and for some callbacks hours later.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use flinks_dev::stack::{PAY_SIGNING_SECRET, PAY_SIGNING_SECRET_ID, SIGNING_SECRET, SIGNING_SECRET_ID};
use flinks_webhooks::auth::Scheme;
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::{
    DAY, HOUR, MINUTE,
    weather::Weather,
    world::{World, lock},
};

/// When what happens to a scheme's key.
#[derive(Clone, Copy)]
pub struct Rotation {
    /// The customer stores the new one.
    pub stored: Duration,
    /// Flinks signs with it...
    signed: Duration,
    /// ...for all callbacks.
    signed_for_all: Duration,
    /// The customer takes the label off the old one, if ever: it is revoked.
    revoked: Option<Duration>,
}

impl Rotation {
    fn drawn(weather: &Weather, rng: &mut impl Rng) -> Self {
        // Every other one when it cannot be read, if there is such a time; else in the middle of the second night's bursts.
        let days = 26 * HOUR..40 * HOUR;
        let unreadable = weather.without_secrets().find(|from| days.contains(from)).filter(|_| rng.random_bool(0.5));
        let stored = unreadable.unwrap_or_else(|| rng.random_range(28 * HOUR..32 * HOUR));
        // At once, because for 30 seconds after a read that a forgery caused no other one reads again.
        let signed = stored + rng.random_range(Duration::ZERO..MINUTE / 6);
        let signed_for_all = signed + rng.random_range(2 * HOUR..8 * HOUR);
        // Flinks sends again what failed with the old one, signed with the new one.
        let revoked = rng.random_bool(0.7).then(|| signed_for_all + rng.random_range(Duration::ZERO..HOUR));
        Self { stored, signed, signed_for_all, revoked }
    }

    /// When a callback comes that meets the new key early.
    pub fn met(self, rng: &mut impl Rng) -> Duration {
        self.signed + rng.random_range(Duration::ZERO..MINUTE / 2)
    }

    /// From when the old key is worth nothing: a day is what this stack allows it, and then some.
    pub fn over(self) -> Duration {
        self.stored + DAY + MINUTE
    }

    /// Whether the old key is revoked. Instances that have not read the keys since may accept it.
    pub fn is_revoked(self, at: Duration) -> bool {
        self.revoked.is_some_and(|revoked| at >= revoked && at < self.over())
    }

    /// When the customer revokes the old key, if ever.
    pub fn revoked(self) -> Option<Duration> {
        self.revoked
    }

    /// Whether Flinks signs with the new key; `late` for the callbacks that it is late with.
    pub fn is_signed(self, at: Duration, late: bool) -> bool {
        at >= if late { self.signed_for_all } else { self.signed }
    }
}

pub struct Rotations {
    aggregation: Rotation,
    pay: Rotation,
}

impl Rotations {
    /// One of the two can in any case not be read when Flinks begins to sign with it.
    pub fn drawn(weather: &Weather, rng: &mut impl Rng) -> Self {
        let [aggregation, pay] = [Rotation::drawn(weather, rng), Rotation::drawn(weather, rng)];
        weather.announce_without_secrets([aggregation, pay].choose(rng).unwrap().signed, rng);
        Self { aggregation, pay }
    }

    pub fn of(&self, scheme: Scheme) -> Rotation {
        match scheme {
            Scheme::Aggregation => self.aggregation,
            Scheme::Pay => self.pay,
        }
    }
}

pub fn old(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => SIGNING_SECRET,
        Scheme::Pay => PAY_SIGNING_SECRET,
    }
}

pub fn new(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Aggregation => "the-signing-secret-that-follows",
        Scheme::Pay => "the-pay-signing-secret-that-follows",
    }
}

/// Rotates both keys, revokes the old ones, and ends their days.
pub async fn rotate(world: Arc<World>) {
    let both = [(Scheme::Aggregation, SIGNING_SECRET_ID), (Scheme::Pay, PAY_SIGNING_SECRET_ID)];
    let mut steps: Vec<_> = both
        .into_iter()
        .flat_map(|(scheme, id)| {
            let rotation = world.rotations.of(scheme);
            let revoked = rotation.revoked.map(|at| (at, scheme, id, Step::Revoke));
            [(rotation.stored, scheme, id, Step::Store), (rotation.over(), scheme, id, Step::End)]
                .into_iter()
                .chain(revoked)
        })
        .collect();
    steps.sort_by_key(|(at, ..)| *at);
    for (at, scheme, id, step) in steps {
        world.sleep_until(at).await;
        match step {
            Step::Store => world.stack.aws.put_secret_value(id, new(scheme)),
            // A secret with one version, which has no previous one.
            Step::Revoke => world.stack.aws.create_secret(id, new(scheme)),
            Step::End => {
                // The receiver takes the time of day from the machine, on which no days have passed. What it has in memory
                // does not age either, so that the function is deployed anew as well.
                world.stack.aws.set_secret_created(id, "AWSCURRENT", SystemTime::now() - 2 * DAY);
                lock(&world.fleet).deploy();
            }
        }
    }
}

/// What the customer does to a secret.
enum Step {
    Store,
    Revoke,
    End,
}
