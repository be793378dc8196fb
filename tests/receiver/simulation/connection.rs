//! The connection of one process to AWS. It injects the faults, and checks what the process makes of its calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use flinks_webhooks::{
    auth::{Scheme, Stage},
    aws_error::AwsError,
};
use local_aws::{Fault, Network, Operation};
use rand::RngExt;

use super::{
    BUDGET, MINUTE,
    known::{Held, KeyRead, Known, half},
    state::{Simulation, lock},
    weather::{Service, label},
};

/// From this delay on, an attempt can end before its response arrives. It has three seconds, including the latency.
pub const LATE: Duration = Duration::from_millis(2_400);

/// The longest time for an attempt at a call.
const ATTEMPT: Duration = Duration::from_secs(3);
/// When the receiver tries the bucket as well: this long after the queue's first failure, or right after a failure if
/// less than the second time is left.
const JOINS_AFTER: Duration = Duration::from_secs(1);
const JOINS_BEFORE_THE_END: Duration = Duration::from_secs(2);

/// The receiver does what is due within this time.
pub const AT_ONCE: Duration = Duration::from_millis(10);

pub struct Connection {
    simulation: Weak<Simulation>,
    /// The name of the process in the journal.
    name: String,
    faults: Mutex<Vec<Seen>>,
    /// For each service, the number of calls that AWS carried out and whose response was lost or late.
    doubtful: [AtomicU32; 3],
    keys: Mutex<[SchemeKeys; 2]>,
    storing: Mutex<Storing>,
    objects: Mutex<Objects>,
}

/// A fault as it was met.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub at: Duration,
    pub operation: Operation,
    pub fault: Fault,
}

/// A scheme's keys.
#[derive(Default)]
struct SchemeKeys {
    known: Known,
    /// The results of a read that is not complete.
    half: [Option<Held>; 2],
    /// The complete reads of the invocation.
    reads: Vec<KeyRead>,
}

/// The progress of storing a callback, which decides when the receiver must try the bucket.
#[derive(Default)]
struct Storing {
    /// When the event was received. `None` in the redelivery.
    received: Option<Duration>,
    /// When the first attempt to store it began.
    began: Option<Duration>,
    /// When the latest attempt with the queue began. For a claim check, when the attempt to put its object began.
    attempt: Option<Duration>,
    /// The current attempt has stored its object.
    has_object: bool,
    first_failure: Option<Duration>,
    /// An attempt used its three seconds.
    was_long: bool,
    /// The queue failed for good.
    is_over: bool,
    has_joined: bool,
    /// When the bucket rejected the payload.
    bucket_over: Option<Duration>,
}

/// The objects of claim checks.
#[derive(Default)]
struct Objects {
    /// A message may point to them: the outcome of its call is unknown.
    in_doubt: BTreeSet<String>,
    /// No message points to them, so the next attempt must use them. By the part of the key before the object's own.
    unused: BTreeMap<String, String>,
}

impl Connection {
    pub fn new(simulation: &Arc<Simulation>, name: String) -> Arc<Self> {
        Arc::new(Self {
            simulation: Arc::downgrade(simulation),
            name,
            faults: Mutex::default(),
            doubtful: Default::default(),
            keys: Mutex::default(),
            storing: Mutex::default(),
            objects: Mutex::default(),
        })
    }

    /// The HTTP client for the SDK.
    pub fn client(self: &Arc<Self>, simulation: &Simulation) -> SharedHttpClient {
        simulation.stack.aws.http_client(Arc::clone(self))
    }

    /// Records that an event is received. Returns what the instance knows of both schemes' keys.
    pub fn begin(&self, now: Duration) -> [Known; 2] {
        *lock(&self.storing) = Storing { received: Some(now), ..Storing::default() };
        lock(&self.objects).unused.clear();
        let mut keys = lock(&self.keys);
        keys.iter_mut().for_each(|scheme_keys| scheme_keys.reads.clear());
        keys.each_ref().map(|scheme_keys| scheme_keys.known.clone())
    }

    /// Records that the instance has responded to the event.
    pub fn end(&self, before: &[Known; 2]) {
        {
            let storing = lock(&self.storing);
            if storing.is_over && !storing.has_joined {
                self.violation(&format!("{}: its queue failed for good, and it did not try the bucket", self.name));
            }
        }
        for (scheme_keys, before) in lock(&self.keys).iter_mut().zip(before) {
            if let Some(last) = before.for_a_mismatch(&scheme_keys.reads).last() {
                scheme_keys.known.was_read_for_a_mismatch(*last);
            }
        }
    }

    /// Whether the instance currently knows a secret.
    pub fn knows(&self, scheme: Scheme, secret: &str) -> bool {
        lock(&self.keys)[scheme as usize].known.has(secret)
    }

    /// The reads of a scheme's keys since the event was received.
    pub fn reads(&self, scheme: Scheme) -> Vec<KeyRead> {
        lock(&self.keys)[scheme as usize].reads.clone()
    }

    /// The faults that calls have met since then.
    pub fn faults(&self, since: Duration) -> Vec<Seen> {
        lock(&self.faults).iter().filter(|seen| seen.at >= since).copied().collect()
    }

    /// When the first attempt to store the callback began, if one has since the event was received.
    pub fn storing_began(&self) -> Option<Duration> {
        lock(&self.storing).began
    }

    /// When the bucket rejected the payload, if it has since the event was received.
    pub fn bucket_over(&self) -> Option<Duration> {
        lock(&self.storing).bucket_over
    }

    pub fn doubtful_responses(&self, service: Service) -> u32 {
        self.doubtful[service as usize].load(Ordering::Relaxed)
    }

    /// Allows this many more messages with a DeliveryId.
    pub fn allow_copies(&self, delivery_id: &str, copies: u32) {
        if let Some(simulation) = self.simulation.upgrade() {
            *lock(&simulation.allowed_copies).entry(delivery_id.to_owned()).or_default() += copies;
        }
    }

    pub fn now(&self) -> Duration {
        self.simulation.upgrade().map_or(Duration::ZERO, |simulation| simulation.now())
    }

    /// Records that a call failed that began at `began`. It must have met a fault.
    pub fn has_failed(&self, service: Service, began: Duration, error: &AwsError) {
        let is_it = |seen: &Seen| Service::from_operation(seen.operation) == service && seen.at >= began;
        if !lock(&self.faults).iter().any(is_it) {
            self.violation(&format!("{} met no fault and failed: {error:?}", self.name));
        }
    }

    /// Records the result of reading a stage of a secret. `held` is `None` if the read failed.
    pub fn note_read(&self, scheme: Scheme, stage: Stage, began: Duration, held: Held) {
        let now = self.now();
        let scheme_keys = &mut lock(&self.keys)[scheme as usize];
        scheme_keys.half[half(stage)] = Some(held);
        if scheme_keys.half.iter().all(Option::is_some) {
            let [current, previous] = std::mem::take(&mut scheme_keys.half).map(Option::flatten);
            scheme_keys.reads.extend(scheme_keys.known.learn(current, previous, began, now));
        }
    }

    /// Records that an attempt with the queue begins: with its message, or for a claim check with its object.
    pub fn attempt_begins(&self, with_object: bool) {
        let now = self.now();
        let mut storing = lock(&self.storing);
        storing.began.get_or_insert(now);
        if with_object || !storing.has_object {
            storing.attempt = Some(now);
        }
        storing.has_object = false;
    }

    /// Records that the attempt's object is stored. Its message follows.
    pub fn attempt_goes_on(&self) {
        lock(&self.storing).has_object = true;
    }

    pub fn attempt_failed(&self, error: Option<&AwsError>) {
        let now = self.now();
        let mut storing = lock(&self.storing);
        let waits_for = |since: Option<Duration>, time| since.is_some_and(|since| now - since > time + AT_ONCE);
        let has_to_join = waits_for(storing.first_failure, JOINS_AFTER) || waits_for(storing.attempt, ATTEMPT);
        if storing.received.is_some() && has_to_join && !storing.has_joined {
            self.violation(&format!("{}: it should have tried the bucket, and did not", self.name));
        }
        storing.first_failure.get_or_insert(now);
        storing.was_long |= storing.attempt.is_some_and(|began| now - began >= ATTEMPT);
        storing.is_over |= error.is_some_and(is_rejected);
    }

    /// Records that the receiver puts an undelivered payload into the bucket. It must have a reason to.
    pub fn bucket_begins(&self) {
        let now = self.now();
        let mut storing = lock(&self.storing);
        let Some(received) = storing.received else { return };
        if std::mem::replace(&mut storing.has_joined, true) {
            return;
        }
        let is_long = storing.was_long || storing.attempt.is_some_and(|began| now - began >= ATTEMPT);
        let is_late = (received + BUDGET).saturating_sub(now) <= JOINS_BEFORE_THE_END;
        let cause = match storing.first_failure {
            _ if storing.is_over => "its queue failed for good",
            _ if is_long => "an attempt of three seconds",
            Some(failed) if now - failed >= JOINS_AFTER => "a second after the first failure",
            Some(_) if is_late => "less than two seconds left",
            _ => return self.violation(&format!("{}: tried the bucket without a reason", self.name)),
        };
        self.count(&format!("bucket joined: {cause}"));
    }

    pub fn bucket_failed(&self, error: &AwsError) {
        let now = self.now();
        if is_rejected(error) {
            lock(&self.storing).bucket_over.get_or_insert(now);
        }
    }

    /// Records that an object for a claim check is put.
    pub fn object_is_put(&self, key: &str) {
        let unused = lock(&self.objects).unused.get(common(key)).cloned();
        match unused {
            Some(unused) if unused == key => self.count("claim check: the same object again"),
            Some(unused) => self.violation(&format!("{} left the object {unused} behind for {key}", self.name)),
            None => {}
        }
    }

    /// Records that the redelivery begins with a payload. It no longer knows the objects of an earlier run.
    pub fn delivery_begins(&self, delivery_id: &str) {
        lock(&self.objects).unused.retain(|common, _| !common.ends_with(delivery_id));
    }

    pub fn object_is_discarded(&self, key: &str) {
        self.count("redelivery: object discarded");
        if lock(&self.objects).unused.remove(common(key)).is_none_or(|unused| unused != key) {
            self.violation(&format!("{} deleted the object {key}, to which a message may point", self.name));
        }
    }

    /// Records that a message that points to an object is sent. Its outcome is unknown until the response.
    pub fn object_is_sent(&self, key: &str) {
        let (in_doubt, unused) = {
            let mut objects = lock(&self.objects);
            (!objects.in_doubt.insert(key.to_owned()), objects.unused.remove(common(key)))
        };
        if in_doubt {
            self.violation(&format!("{} used the object {key} again, to which a message may point", self.name));
        }
        if unused.is_some_and(|unused| unused == key) {
            self.count("claim check: the same object again");
        }
    }

    /// Records a definite error response: no message points to the object.
    pub fn object_is_unused(&self, key: &str) {
        let mut objects = lock(&self.objects);
        objects.in_doubt.remove(key);
        objects.unused.insert(common(key).to_owned(), key.to_owned());
    }

    fn violation(&self, what: &str) {
        if let Some(simulation) = self.simulation.upgrade() {
            simulation.violation(what);
        }
    }

    fn count(&self, what: &str) {
        if let Some(simulation) = self.simulation.upgrade() {
            simulation.count(what);
        }
    }
}

/// The part of a key before the object's own.
fn common(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(common, _)| common)
}

/// Whether AWS rejected the call itself, so that another attempt is useless.
fn is_rejected(error: &AwsError) -> bool {
    error.has_code(&["AccessDenied"])
}

impl Network for Connection {
    fn latency(&self) -> Duration {
        let Some(simulation) = self.simulation.upgrade() else { return Duration::ZERO };
        Duration::from_millis(simulation.draw(|rng| if rng.random_bool(0.01) { 250 } else { rng.random_range(1..12) }))
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let simulation = self.simulation.upgrade()?;
        let (service, now) = (Service::from_operation(operation), simulation.now());
        let fault = simulation.draw(|rng| simulation.weather.fault(service, now, rng))?;
        let mut faults = lock(&self.faults);
        // Older faults explain nothing any more.
        faults.retain(|seen| now - seen.at < MINUTE);
        faults.push(Seen { at: now, operation, fault });
        if matches!(fault, Fault::ResetAfter) || matches!(fault, Fault::Delay(delay) if delay > LATE) {
            self.doubtful[service as usize].fetch_add(1, Ordering::Relaxed);
        }
        simulation.count(format!("fault {}", label(fault)));
        simulation.count(format!("fault of {operation:?}"));
        simulation.note(&format!("{} {operation:?} {fault:?}", self.name));
        Some(fault)
    }
}
