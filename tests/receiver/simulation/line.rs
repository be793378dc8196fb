//! The connection of one process to AWS, with the weather on it, and what its calls came to.

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
    known::{Both, Held, Known, half},
    weather::{Service, label},
    world::{World, lock},
};

/// From here on an attempt, which has three seconds with the way there and back, can be over before its answer is there.
pub const LATE: Duration = Duration::from_millis(2_400);

/// Longest time for an attempt at a call.
const ATTEMPT: Duration = Duration::from_secs(3);
/// When the bucket joins: so long after the queue's first failure, or as soon as it has failed if less than this is left.
const JOINS_AFTER: Duration = Duration::from_secs(1);
const JOINS_BEFORE_THE_END: Duration = Duration::from_secs(2);

/// What is due is done within this.
pub const AT_ONCE: Duration = Duration::from_millis(10);

pub struct Line {
    world: Weak<World>,
    /// Of whom, in the journal.
    name: String,
    faults: Mutex<Vec<Seen>>,
    /// Of each service, the calls that were carried out and whose answer was lost or late.
    doubtful: [AtomicU32; 3],
    rings: Mutex<[Ring; 2]>,
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
struct Ring {
    known: Known,
    /// A read whose other stage is not over.
    half: [Option<Held>; 2],
    /// The reads of the invocation.
    reads: Vec<Both>,
}

/// How storing a callback goes on: what the bucket's joining depends on.
#[derive(Default)]
struct Storing {
    /// When the event was received; none where nothing is: in the redelivery.
    received: Option<Duration>,
    /// When the first attempt to store it began.
    began: Option<Duration>,
    /// When the latest attempt on the queue began, for a claim check its object's.
    attempt: Option<Duration>,
    /// The object of the attempt under way is stored.
    has_object: bool,
    first_failure: Option<Duration>,
    /// An attempt took its three seconds.
    was_long: bool,
    /// The queue failed for good.
    is_over: bool,
    has_joined: bool,
    /// When the bucket failed for good.
    bucket_over: Option<Duration>,
}

/// The objects of claim checks.
#[derive(Default)]
struct Objects {
    /// Nobody knows whether a message points at them.
    in_doubt: BTreeSet<String>,
    /// No message points at them, by what comes before the part of their own: a next attempt has to use them.
    unused: BTreeMap<String, String>,
}

impl Line {
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::downgrade(world),
            name,
            faults: Mutex::default(),
            doubtful: Default::default(),
            rings: Mutex::default(),
            storing: Mutex::default(),
            objects: Mutex::default(),
        })
    }

    /// The client for the SDK.
    pub fn client(self: &Arc<Self>, world: &World) -> SharedHttpClient {
        world.stack.aws.http_client(Arc::clone(self))
    }

    /// An event is received: what is known of both schemes' keys.
    pub fn begin(&self, now: Duration) -> [Known; 2] {
        *lock(&self.storing) = Storing { received: Some(now), ..Storing::default() };
        lock(&self.objects).unused.clear();
        let mut rings = lock(&self.rings);
        rings.iter_mut().for_each(|ring| ring.reads.clear());
        rings.each_ref().map(|ring| ring.known.clone())
    }

    /// The event is responded to.
    pub fn end(&self, before: &[Known; 2]) {
        {
            let storing = lock(&self.storing);
            if storing.is_over && !storing.has_joined {
                self.violation(&format!("{}: its queue failed for good, and the bucket did not join", self.name));
            }
        }
        for (ring, before) in lock(&self.rings).iter_mut().zip(before) {
            if let Some(last) = before.for_a_mismatch(&ring.reads).last() {
                ring.known.was_read_for_a_mismatch(*last);
            }
        }
    }

    /// Whether the instance knows a secret now.
    pub fn knows(&self, scheme: Scheme, secret: &str) -> bool {
        lock(&self.rings)[scheme as usize].known.has(secret)
    }

    /// The reads of a scheme's keys since the event was received.
    pub fn reads(&self, scheme: Scheme) -> Vec<Both> {
        lock(&self.rings)[scheme as usize].reads.clone()
    }

    /// The faults that calls met since then.
    pub fn faults(&self, since: Duration) -> Vec<Seen> {
        lock(&self.faults).iter().filter(|seen| seen.at >= since).copied().collect()
    }

    /// When the first attempt to store the callback began, if one has since the event was received.
    pub fn storing_began(&self) -> Option<Duration> {
        lock(&self.storing).began
    }

    /// When the bucket failed for good, if it has since the event was received.
    pub fn bucket_over(&self) -> Option<Duration> {
        lock(&self.storing).bucket_over
    }

    pub fn doubtful_answers(&self, service: Service) -> u32 {
        self.doubtful[service as usize].load(Ordering::Relaxed)
    }

    /// Something has happened that can have made so many more messages of a DeliveryId.
    pub fn allow_copies(&self, delivery_id: &str, copies: u32) {
        if let Some(world) = self.world.upgrade() {
            *lock(&world.allowed_copies).entry(delivery_id.to_owned()).or_default() += copies;
        }
    }

    pub fn now(&self) -> Duration {
        self.world.upgrade().map_or(Duration::ZERO, |world| world.now())
    }

    /// A call failed that began then: there has to be a fault.
    pub fn has_failed(&self, service: Service, began: Duration, error: &AwsError) {
        let is_it = |seen: &Seen| Service::of(seen.operation) == service && seen.at >= began;
        if !lock(&self.faults).iter().any(is_it) {
            self.violation(&format!("{} met no fault and failed: {error:?}", self.name));
        }
    }

    /// A stage of a secret was read; nothing is held if it failed.
    pub fn note_read(&self, scheme: Scheme, stage: Stage, began: Duration, held: Held) {
        let now = self.now();
        let ring = &mut lock(&self.rings)[scheme as usize];
        ring.half[half(stage)] = Some(held);
        if ring.half.iter().all(Option::is_some) {
            let [current, previous] = std::mem::take(&mut ring.half).map(Option::flatten);
            ring.reads.extend(ring.known.learn(current, previous, began, now));
        }
    }

    /// An attempt on the queue begins with its message, or for a claim check with its object.
    pub fn attempt_begins(&self, with_object: bool) {
        let now = self.now();
        let mut storing = lock(&self.storing);
        storing.began.get_or_insert(now);
        if with_object || !storing.has_object {
            storing.attempt = Some(now);
        }
        storing.has_object = false;
    }

    /// The object is stored, and the message follows.
    pub fn attempt_goes_on(&self) {
        lock(&self.storing).has_object = true;
    }

    pub fn attempt_failed(&self, error: Option<&AwsError>) {
        let now = self.now();
        let mut storing = lock(&self.storing);
        let waits_for = |since: Option<Duration>, time| since.is_some_and(|since| now - since > time + AT_ONCE);
        let has_to_join = waits_for(storing.first_failure, JOINS_AFTER) || waits_for(storing.attempt, ATTEMPT);
        if storing.received.is_some() && has_to_join && !storing.has_joined {
            self.violation(&format!("{}: it was the bucket's turn, and it did not join", self.name));
        }
        storing.first_failure.get_or_insert(now);
        storing.was_long |= storing.attempt.is_some_and(|began| now - began >= ATTEMPT);
        storing.is_over |= error.is_some_and(is_refused);
    }

    /// A payload is put into the bucket for redelivery: it has to be the bucket's turn.
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
            _ => return self.violation(&format!("{}: the bucket joined without a cause", self.name)),
        };
        self.count(&format!("bucket joined: {cause}"));
    }

    pub fn bucket_failed(&self, error: &AwsError) {
        let now = self.now();
        if is_refused(error) {
            lock(&self.storing).bucket_over.get_or_insert(now);
        }
    }

    /// An object for a claim check is put.
    pub fn object_is_put(&self, key: &str) {
        let unused = lock(&self.objects).unused.get(common(key)).cloned();
        match unused {
            Some(unused) if unused == key => self.count("claim check: the same object again"),
            Some(unused) => self.violation(&format!("{} left the object {unused} behind for {key}", self.name)),
            None => {}
        }
    }

    /// The redelivery takes up a payload. Objects of an earlier run are no longer its own.
    pub fn delivery_begins(&self, delivery_id: &str) {
        lock(&self.objects).unused.retain(|common, _| !common.ends_with(delivery_id));
    }

    pub fn object_is_discarded(&self, key: &str) {
        self.count("redelivery: object discarded");
        if lock(&self.objects).unused.remove(common(key)).is_none_or(|unused| unused != key) {
            self.violation(&format!("{} deleted the object {key}, to which a message may point", self.name));
        }
    }

    /// A message that points at an object is sent. Until it is known what came of it, nobody knows.
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

    /// The service said that no message points at it.
    pub fn object_is_unused(&self, key: &str) {
        let mut objects = lock(&self.objects);
        objects.in_doubt.remove(key);
        objects.unused.insert(common(key).to_owned(), key.to_owned());
    }

    fn violation(&self, what: &str) {
        if let Some(world) = self.world.upgrade() {
            world.violation(what);
        }
    }

    fn count(&self, what: &str) {
        if let Some(world) = self.world.upgrade() {
            world.count(what);
        }
    }
}

/// What a key says before the part that is the object's own.
fn common(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(common, _)| common)
}

/// AWS refused the call itself, so that another attempt is of no use.
fn is_refused(error: &AwsError) -> bool {
    error.has_code(&["AccessDenied"])
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
        faults.retain(|seen| now - seen.at < MINUTE);
        faults.push(Seen { at: now, operation, fault });
        if matches!(fault, Fault::ResetAfter) || matches!(fault, Fault::Delay(delay) if delay > LATE) {
            self.doubtful[service as usize].fetch_add(1, Ordering::Relaxed);
        }
        world.count(format!("fault {}", label(fault)));
        world.count(format!("fault of {operation:?}"));
        world.note(&format!("{} {operation:?} {fault:?}", self.name));
        Some(fault)
    }
}
