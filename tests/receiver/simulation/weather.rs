//! The faults of AWS over time: single faults all the time, short outages around callbacks, minutes with many faults,
//! and hours without a service.

use std::{ops::Range, sync::Mutex, time::Duration};

use local_aws::{Fault, Operation};
use rand::{Rng, RngExt, seq::IndexedRandom};

use super::{HOUR, MINUTE, SENDING, state::lock};

/// The share of calls that fail outside any fault period.
const SINGLE_FAULTS: f64 = 0.004;
/// The longest outage. Flinks' ten attempts take four and a half hours, so some are left after it.
const MAX_OUTAGE: Duration = Duration::from_secs(2 * 3600 + 600);
/// Short outages last from this...
const MIN_SHORT_OUTAGE_SECONDS: f64 = 0.1;
/// ...up to this. Most last a few seconds.
const MAX_SHORT_OUTAGE_SECONDS: f64 = 180.0;
/// This long after its end, an outage no longer explains a failure.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Sqs,
    S3,
    Secrets,
}

impl Service {
    pub fn from_operation(operation: Operation) -> Self {
        match operation {
            Operation::SendMessage => Self::Sqs,
            Operation::GetSecretValue => Self::Secrets,
            _ => Self::S3,
        }
    }
}

/// A period in which calls to some services fail.
#[derive(Clone, Copy)]
struct FaultPeriod {
    from: Duration,
    until: Duration,
    services: &'static [Service],
    /// The share of their calls that fail.
    rate: f64,
    /// The fault of every call. `None` for a random fault per call.
    fault: Option<Fault>,
}

impl FaultPeriod {
    fn is_in_force(&self, service: Service, at: Duration) -> bool {
        (self.from..self.until).contains(&at) && self.services.contains(&service)
    }
}

/// A period in which every call to a service fails: with this fault, or with a random one.
#[derive(Clone, Copy)]
pub struct Outage {
    pub from: Duration,
    pub until: Duration,
    pub fault: Option<Fault>,
}

pub struct Weather {
    planned: Vec<FaultPeriod>,
    /// The short outages, in the order in which they were announced.
    short: Mutex<Vec<FaultPeriod>>,
}

impl Weather {
    /// Draws the planned periods, at least an hour apart, so that a callback meets one of them and at most the
    /// beginning of the next. The short outages are announced later, with the callbacks.
    pub fn random(rng: &mut impl Rng) -> Self {
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
                (rng.random_range(20 * MINUTE..MAX_OUTAGE), 1.0)
            };
            let fault = rng.random_bool(0.7).then(|| any(rng));
            planned.push(FaultPeriod { from, until: from + length, services, rate, fault });
            from += length + rng.random_range(HOUR..4 * HOUR);
        }
        Self { planned, short: Mutex::default() }
    }

    /// Announces a short outage of one or two services that begins at this time. Returns their names.
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
        // Half of them leave a callback about as much time as it needs.
        let seconds = if rng.random() {
            MIN_SHORT_OUTAGE_SECONDS * (MAX_SHORT_OUTAGE_SECONDS / MIN_SHORT_OUTAGE_SECONDS).powf(rng.random())
        } else {
            rng.random_range(1.0..8.0)
        };
        let fault = rng.random_bool(0.9).then(|| any(rng));
        let until = from + Duration::from_secs_f64(seconds);
        lock(&self.short).push(FaultPeriod { from, until, services, rate: 1.0, fault });
        name
    }

    /// Announces an outage of these services with this fault.
    pub fn announce_outage(&self, services: &'static [Service], time: Range<Duration>, fault: Fault) {
        let Range { start: from, end: until } = time;
        lock(&self.short).push(FaultPeriod { from, until, services, rate: 1.0, fault: Some(fault) });
    }

    /// Announces an outage of Secrets Manager for some seconds around this time.
    pub fn announce_without_secrets(&self, at: Duration, rng: &mut impl Rng) {
        let from = at.saturating_sub(Duration::from_secs(rng.random_range(0..3)));
        let until = at + Duration::from_secs(rng.random_range(4..40));
        let fault = Some(*[Fault::Throttle, Fault::Error, Fault::Hang, Fault::Reset].choose(rng).unwrap());
        lock(&self.short).push(FaultPeriod { from, until, services: &[Service::Secrets], rate: 1.0, fault });
    }

    /// When the planned periods without Secrets Manager begin.
    pub fn without_secrets(&self) -> impl Iterator<Item = Duration> {
        self.planned.iter().filter(|period| period.services.contains(&Service::Secrets)).map(|period| period.from)
    }

    /// The fault that a call at this time meets, if any. Times count from the start of the run.
    pub fn fault(&self, service: Service, at: Duration, rng: &mut dyn Rng) -> Option<Fault> {
        if at >= SENDING {
            return None;
        }
        let in_force = |period: &&FaultPeriod| period.is_in_force(service, at);
        let period = {
            let mut short = lock(&self.short);
            short.retain(|period| at < period.until + REMEMBERED);
            short.iter().find(in_force).copied()
        };
        let period = period.or_else(|| self.planned.iter().find(in_force).copied());
        let rate = period.map_or(SINGLE_FAULTS, |period| period.rate);
        rng.random_bool(rate).then(|| period.and_then(|period| period.fault).unwrap_or_else(|| any(rng)))
    }

    /// The outages of a service between two times, whether or not anything calls it.
    pub fn outages(&self, service: Service, from: Duration, until: Duration) -> Vec<Outage> {
        let is_one = |period: &&FaultPeriod| {
            period.rate >= 1.0 && period.services.contains(&service) && period.from < until && from < period.until
        };
        let short = lock(&self.short);
        let periods = self.planned.iter().chain(short.iter()).filter(is_one);
        periods
            .map(|period| Outage { from: period.from, until: period.until.min(SENDING), fault: period.fault })
            .collect()
    }

    /// Whether a service is in a short outage.
    pub fn is_out_for_short(&self, service: Service, at: Duration) -> bool {
        at < SENDING && lock(&self.short).iter().any(|period| period.is_in_force(service, at))
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

/// The fault's name in the journal.
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
