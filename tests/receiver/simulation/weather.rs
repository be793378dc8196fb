//! What goes wrong with AWS, and when: single faults all the time, minutes with many, hours without a service.

use std::time::Duration;

use local_aws::{Fault, Operation};
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::{HOUR, MINUTE, SENDING};

/// Of all calls, when nothing is the matter.
const SINGLE_FAULTS: f64 = 0.004;
/// The longest outage that Flinks' ten attempts in four and a half hours outlast with two to spare: one may meet a crash.
const LONGEST_OUTAGE: Duration = Duration::from_secs(3 * 3600 + 1800);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Sqs,
    S3,
    Secrets,
}

impl Service {
    pub fn of(operation: Operation) -> Self {
        match operation {
            Operation::SendMessage => Self::Sqs,
            Operation::GetSecretValue => Self::Secrets,
            _ => Self::S3,
        }
    }
}

/// A time in which calls to some services fail.
struct Spell {
    from: Duration,
    until: Duration,
    services: &'static [Service],
    /// Of their calls.
    rate: f64,
    /// The one way in which they fail; otherwise any.
    fault: Option<Fault>,
}

pub struct Weather(Vec<Spell>);

impl Weather {
    /// One spell after the other, with an hour at least between them, so that a callback meets no more than one and a
    /// bit of the next.
    pub fn drawn(rng: &mut impl Rng) -> Self {
        const AFFECTED: [&[Service]; 5] = [
            &[Service::Sqs],
            &[Service::S3],
            &[Service::Secrets],
            &[Service::Sqs, Service::S3],
            &[Service::Sqs, Service::S3, Service::Secrets],
        ];
        let mut spells = Vec::new();
        let mut from = rng.random_range(Duration::ZERO..2 * HOUR);
        while from < SENDING {
            let services = AFFECTED.choose(rng).unwrap();
            let (length, rate) = if rng.random_bool(0.5) {
                (rng.random_range(2 * MINUTE..25 * MINUTE), rng.random_range(0.2..0.8))
            } else {
                (rng.random_range(20 * MINUTE..LONGEST_OUTAGE), 1.0)
            };
            let fault = rng.random_bool(0.7).then(|| any(rng));
            spells.push(Spell { from, until: from + length, services, rate, fault });
            from += length + rng.random_range(HOUR..4 * HOUR);
        }
        Self(spells)
    }

    /// The beginnings of the spells that keep keys from being read.
    pub fn without_secrets(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().filter(|spell| spell.services.contains(&Service::Secrets)).map(|spell| spell.from)
    }

    /// What happens to a call at a time since the start of the run.
    pub fn fault(&self, service: Service, at: Duration, rng: &mut dyn Rng) -> Option<Fault> {
        if at >= SENDING {
            return None;
        }
        let in_force = |spell: &&Spell| (spell.from..spell.until).contains(&at) && spell.services.contains(&service);
        let spell = self.0.iter().find(in_force);
        let rate = spell.map_or(SINGLE_FAULTS, |spell| spell.rate);
        rng.random_bool(rate).then(|| spell.and_then(|spell| spell.fault).unwrap_or_else(|| any(rng)))
    }
}

fn any(rng: &mut (impl Rng + ?Sized)) -> Fault {
    match rng.random_range(0..7) {
        0 => Fault::Throttle,
        1 => Fault::Error,
        2 => Fault::Hang,
        3 => Fault::Reset,
        4 => Fault::ResetAfter,
        5 => Fault::Refuse("AccessDenied", "not now"),
        _ => Fault::Delay(rng.random_range(MINUTE / 600..MINUTE / 10)),
    }
}

/// Its name in the journal.
pub fn label(fault: Fault) -> &'static str {
    match fault {
        Fault::Throttle => "Throttle",
        Fault::Error => "Error",
        Fault::Delay(_) => "Delay",
        Fault::Hang => "Hang",
        Fault::Reset => "Reset",
        Fault::ResetAfter => "ResetAfter",
        Fault::Refuse(..) => "Refuse",
    }
}
