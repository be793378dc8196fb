//! The keys of both schemes and their rotation. The customer stores a new key. Flinks signs with it a little later, and
//! for some callbacks hours later.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use flinks_dev::stack::{PAY_SIGNING_SECRET, PAY_SIGNING_SECRET_ID, SIGNING_SECRET, SIGNING_SECRET_ID};
use flinks_webhooks::auth::Scheme;
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::{
    DAY, HOUR, MINUTE,
    state::{Simulation, lock},
    weather::Weather,
};

/// The times of a scheme's key rotation.
#[derive(Clone, Copy)]
pub struct Rotation {
    /// The customer stores the new key.
    pub stored: Duration,
    /// Flinks signs with it...
    signed: Duration,
    /// ...for all callbacks.
    signed_for_all: Duration,
    /// The customer revokes the old key, by removing its label, if ever.
    revoked: Option<Duration>,
}

impl Rotation {
    fn random(weather: &Weather, rng: &mut impl Rng) -> Self {
        // Half of them during an outage of Secrets Manager, if there is one. The rest during the second night's bursts.
        let days = 26 * HOUR..40 * HOUR;
        let unreadable = weather.without_secrets().find(|from| days.contains(from)).filter(|_| rng.random_bool(0.5));
        let stored = unreadable.unwrap_or_else(|| rng.random_range(28 * HOUR..32 * HOUR));
        // Soon, because for 30 seconds after a read for a forgery no other mismatch causes a read.
        let signed = stored + rng.random_range(Duration::ZERO..MINUTE / 6);
        let signed_for_all = signed + rng.random_range(2 * HOUR..8 * HOUR);
        // Flinks signs its retries with the new key.
        let revoked = rng.random_bool(0.7).then(|| signed_for_all + rng.random_range(Duration::ZERO..HOUR));
        Self { stored, signed, signed_for_all, revoked }
    }

    /// Draws the time of a callback that comes soon after Flinks changes to the new key.
    pub fn random_early_callback(self, rng: &mut impl Rng) -> Duration {
        self.signed + rng.random_range(Duration::ZERO..MINUTE / 2)
    }

    /// When the old key has surely expired. This stack accepts it for one day, and a minute is added.
    pub fn old_key_expires(self) -> Duration {
        self.stored + DAY + MINUTE
    }

    /// Whether the old key is revoked. An instance that has not read the keys since then may still accept it.
    pub fn is_revoked(self, at: Duration) -> bool {
        self.revoked.is_some_and(|revoked| at >= revoked && at < self.old_key_expires())
    }

    /// When the customer revokes the old key, if ever.
    pub fn revoked(self) -> Option<Duration> {
        self.revoked
    }

    /// Whether Flinks signs with the new key. For `late` callbacks it changes later.
    pub fn uses_new_key(self, at: Duration, late: bool) -> bool {
        at >= if late { self.signed_for_all } else { self.signed }
    }
}

pub struct Rotations {
    aggregation: Rotation,
    pay: Rotation,
}

impl Rotations {
    /// Draws both rotations. For one of them, Secrets Manager is down when Flinks begins to sign with the new key.
    pub fn random(weather: &Weather, rng: &mut impl Rng) -> Self {
        let [aggregation, pay] = [Rotation::random(weather, rng), Rotation::random(weather, rng)];
        weather.announce_without_secrets([aggregation, pay].choose(rng).unwrap().signed, rng);
        Self { aggregation, pay }
    }

    pub fn for_scheme(&self, scheme: Scheme) -> Rotation {
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

/// Rotates both keys, revokes the old ones, and lets them expire.
pub async fn rotate(simulation: Arc<Simulation>) {
    let both = [(Scheme::Aggregation, SIGNING_SECRET_ID), (Scheme::Pay, PAY_SIGNING_SECRET_ID)];
    let mut steps: Vec<_> = both
        .into_iter()
        .flat_map(|(scheme, id)| {
            let rotation = simulation.rotations.for_scheme(scheme);
            let revoked = rotation.revoked.map(|at| (at, scheme, id, Step::Revoke));
            [(rotation.stored, scheme, id, Step::Store), (rotation.old_key_expires(), scheme, id, Step::End)]
                .into_iter()
                .chain(revoked)
        })
        .collect();
    steps.sort_by_key(|(at, ..)| *at);
    for (at, scheme, id, step) in steps {
        simulation.sleep_until(at).await;
        match step {
            Step::Store => simulation.stack.aws.put_secret_value(id, new(scheme)),
            // A new secret has one version and no previous one.
            Step::Revoke => simulation.stack.aws.create_secret(id, new(scheme)),
            Step::End => {
                // The receiver reads the real clock, which virtual time does not advance, and the keys in its memory do
                // not age either. So the secret is made older and the function is deployed again.
                simulation.stack.aws.set_secret_created(id, "AWSCURRENT", SystemTime::now() - 2 * DAY);
                lock(&simulation.fleet).deploy();
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
