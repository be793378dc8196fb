//! What goes wrong with AWS, and when: single faults all the time, short outages around callbacks, minutes with many
//! faults, hours without a service.

use std::{ops::Range, sync::Mutex, time::Duration};

use local_aws::{Fault, Operation};
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::{HOUR, MINUTE, SENDING, world::lock};

/// Of all calls, when nothing is the matter.
const SINGLE_FAULTS: f64 = 0.004;
/// The longest outage. Flinks' ten attempts in four and a half hours outlast it, and some more that goes wrong.
const LONGEST_OUTAGE: Duration = Duration::from_secs(2 * 3600 + 600);
/// Short outages last from this...
const SHORTEST: f64 = 0.1;
/// ...up to this, in seconds. Most are of a few seconds.
const LONGEST_SHORT: f64 = 180.0;
/// So long after its end an outage explains nothing any more.
const REMEMBERED: Duration = Duration::from_secs(60);

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
#[derive(Clone, Copy)]
struct Spell {
    from: Duration,
    until: Duration,
    services: &'static [Service],
    /// Of their calls.
    rate: f64,
    /// The one way in which they fail; otherwise any.
    fault: Option<Fault>,
}

impl Spell {
    fn is_in_force(&self, service: Service, at: Duration) -> bool {
        (self.from..self.until).contains(&at) && self.services.contains(&service)
    }
}

/// A time in which every call to a service meets a fault: this one, or any if there is none.
#[derive(Clone, Copy)]
pub struct Outage {
    pub from: Duration,
    pub until: Duration,
    pub fault: Option<Fault>,
}

pub struct Weather {
    planned: Vec<Spell>,
    /// The short outages, from the one that was announced last.
    short: Mutex<Vec<Spell>>,
}

impl Weather {
    /// One spell after the other, with an hour at least between them, so that a callback meets no more than one and a
    /// bit of the next. The short outages come as callbacks do.
    pub fn drawn(rng: &mut impl Rng) -> Self {
        const AFFECTED: [&[Service]; 5] = [
            &[Service::Sqs],
            &[Service::S3],
            &[Service::Secrets],
            &[Service::Sqs, Service::S3],
            &[Service::Sqs, Service::S3, Service::Secrets],
        ];
        let mut planned = Vec::new();
        let mut from = rng.random_range(Duration::ZERO..2 * HOUR);
        while from < SENDING {
            let services = AFFECTED.choose(rng).unwrap();
            let (length, rate) = if rng.random_bool(0.5) {
                (rng.random_range(2 * MINUTE..25 * MINUTE), rng.random_range(0.2..0.8))
            } else {
                (rng.random_range(20 * MINUTE..LONGEST_OUTAGE), 1.0)
            };
            let fault = rng.random_bool(0.7).then(|| any(rng));
            planned.push(Spell { from, until: from + length, services, rate, fault });
            from += length + rng.random_range(HOUR..4 * HOUR);
        }
        Self { planned, short: Mutex::default() }
    }

    /// Announces a short outage of a service or two that begins at this time; which ones.
    pub fn announce(&self, from: Duration, rng: &mut impl Rng) -> &'static str {
        const AFFECTED: [(&str, &[Service]); 6] = [
            ("SQS", &[Service::Sqs]),
            ("S3", &[Service::S3]),
            ("Secrets Manager", &[Service::Secrets]),
            ("SQS and S3", &[Service::Sqs, Service::S3]),
            ("Secrets Manager and SQS", &[Service::Secrets, Service::Sqs]),
            ("Secrets Manager and S3", &[Service::Secrets, Service::S3]),
        ];
        let (name, services) = *AFFECTED.choose(rng).unwrap();
        // Half of them leave just about the time that a callback needs.
        let seconds = if rng.random() {
            SHORTEST * (LONGEST_SHORT / SHORTEST).powf(rng.random())
        } else {
            rng.random_range(1.0..8.0)
        };
        let fault = rng.random_bool(0.9).then(|| any(rng));
        let until = from + Duration::from_secs_f64(seconds);
        lock(&self.short).push(Spell { from, until, services, rate: 1.0, fault });
        name
    }

    /// Announces an outage of these services with one fault.
    pub fn announce_outage(&self, services: &'static [Service], time: Range<Duration>, fault: Fault) {
        let Range { start: from, end: until } = time;
        lock(&self.short).push(Spell { from, until, services, rate: 1.0, fault: Some(fault) });
    }

    /// Announces some seconds without Secrets Manager around this time.
    pub fn announce_without_secrets(&self, at: Duration, rng: &mut impl Rng) {
        let from = at.saturating_sub(Duration::from_secs(rng.random_range(0..3)));
        let until = at + Duration::from_secs(rng.random_range(4..40));
        let fault = Some(*[Fault::Throttle, Fault::Error, Fault::Hang, Fault::Reset].choose(rng).unwrap());
        lock(&self.short).push(Spell { from, until, services: &[Service::Secrets], rate: 1.0, fault });
    }

    /// The beginnings of the planned spells that keep keys from being read.
    pub fn without_secrets(&self) -> impl Iterator<Item = Duration> {
        self.planned.iter().filter(|spell| spell.services.contains(&Service::Secrets)).map(|spell| spell.from)
    }

    /// What happens to a call at a time since the start of the run.
    pub fn fault(&self, service: Service, at: Duration, rng: &mut dyn Rng) -> Option<Fault> {
        if at >= SENDING {
            return None;
        }
        let in_force = |spell: &&Spell| spell.is_in_force(service, at);
        let spell = {
            let mut short = lock(&self.short);
            short.retain(|spell| at < spell.until + REMEMBERED);
            short.iter().find(in_force).copied()
        };
        let spell = spell.or_else(|| self.planned.iter().find(in_force).copied());
        let rate = spell.map_or(SINGLE_FAULTS, |spell| spell.rate);
        rng.random_bool(rate).then(|| spell.and_then(|spell| spell.fault).unwrap_or_else(|| any(rng)))
    }

    /// The outages of a service that are in force some time in between: whether or not somebody calls.
    pub fn outages(&self, service: Service, from: Duration, until: Duration) -> Vec<Outage> {
        let is_one = |spell: &&Spell| {
            spell.rate >= 1.0 && spell.services.contains(&service) && spell.from < until && from < spell.until
        };
        let short = lock(&self.short);
        let spells = self.planned.iter().chain(short.iter()).filter(is_one);
        spells.map(|spell| Outage { from: spell.from, until: spell.until.min(SENDING), fault: spell.fault }).collect()
    }

    /// Whether a service is in a short outage.
    pub fn is_out_for_short(&self, service: Service, at: Duration) -> bool {
        at < SENDING && lock(&self.short).iter().any(|spell| spell.is_in_force(service, at))
    }
}

fn any(rng: &mut (impl Rng + ?Sized)) -> Fault {
    match rng.random_range(0..7) {
        0 => Fault::Throttle,
        1 => Fault::Error,
        2 => Fault::Hang,
        3 => Fault::Reset,
        4 => Fault::ResetAfter,
        5 => Fault::Reject("AccessDenied", "not now"),
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
        Fault::Reject(..) => "Reject",
    }
}
