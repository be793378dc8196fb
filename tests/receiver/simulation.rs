//! Nothing lost, nobody in: days of Flinks' callbacks, faults, outages, crashes, a rotation and forgeries, drawn from a
//! seed.
//!
//! Everything is in this process and in virtual time: the receiver with the SDK's real clients and its own retries, the
//! local AWS without sockets, Lambda's instances, the redelivery, Flinks with its own rules for retries, and who forges. A
//! seed makes one run, always the same. At the end the queues and the bucket have to hold what was answered with 200,
//! nothing else, and no more copies than there were calls whose outcome nobody could know ([`verdict`], [`witness`]).
//!
//! On the way each attempt that failed has to have a cause, by the faults that were injected and not by what the receiver
//! says of them ([`causes`]); so a callback that Flinks sends once is lost only for a cause. The bucket has to join only
//! when it is its turn, and no call may fail without a fault ([`line`]).
//!
//! `SIMULATION_SEEDS=0..100 SIMULATION_CALLBACKS=10000 cargo test --release --test receiver simulation` runs more than
//! the default.

mod causes;
mod fleet;
mod flinks;
mod forger;
mod keys;
mod known;
mod line;
mod redelivery;
mod verdict;
mod weather;
mod witness;
mod world;

use std::{
    collections::BTreeMap,
    num::NonZero,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::Builder;

use world::{Finished, World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long Flinks has callbacks to send. From then on nothing goes wrong any more...
const SENDING: Duration = Duration::from_secs(72 * 60 * 60);
/// ...and so long later, when the last retries are over, everything has to be in its place.
const AFTERWARDS: Duration = Duration::from_secs(6 * 60 * 60);

/// Time in which the receiver tries to store a callback, and in which the response is there.
const BUDGET: Duration = Duration::from_millis(11_500);
const RESPONSE: Duration = Duration::from_secs(12);

/// The SDK's futures are large where they are not optimised.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What happens by itself in 10,000 callbacks: if one of them does not, the simulation has lost its teeth.
const CERTAIN: [&str; 53] = [
    "attempt 200",
    "attempt 401: within 30 seconds of a read",
    "attempt 503: no keys",
    "attempt 503: no keys, refused",
    "attempt 503: not stored",
    "attempt 503: not stored, refused",
    "attempt lost: crash",
    "bucket joined: a second after the first failure",
    "bucket joined: an attempt of three seconds",
    "bucket joined: its queue failed for good",
    "callback lost: sent once",
    "callback stored: at a later attempt",
    "callback stored: at the first attempt",
    "claim check: the same object again",
    "fault Delay",
    "fault Error",
    "fault Hang",
    "fault Reject",
    "fault Reset",
    "fault ResetAfter",
    "fault Throttle",
    "forgery: another scheme's key",
    "forgery: key beyond its days",
    "forgery: malformed signature",
    "forgery: no signature",
    "forgery: tampered body",
    "forgery: two signatures",
    "forgery: wrong key",
    "instance: cold start",
    "instance: cold start in a short outage",
    "instance: recycled",
    "redelivery: crash",
    "redelivery: crash at work",
    "redelivery: failed",
    "redelivery: gone",
    "redelivery: no listing",
    "redelivery: sent",
    "redelivery: two at once",
    "short outage of S3",
    "short outage of SQS",
    "short outage of SQS and S3",
    "short outage of Secrets Manager",
    "short outage of Secrets Manager and S3",
    "short outage of Secrets Manager and SQS",
    "signed with the old key after the rotation: stored",
    "stored as claim-check",
    "stored as inline",
    "stored as undelivered",
    "stored in a short outage of S3",
    "stored in a short outage of Secrets",
    "stored in a short outage of Sqs",
    "stored with a foreign signature beside its own",
    "twice or more on its queue",
];

#[test]
fn whatever_was_answered_with_200_is_on_its_queue_and_nothing_else_is() {
    let seeds = seeds();
    let callbacks = setting("SIMULATION_CALLBACKS").map_or(5_000, |callbacks| callbacks.parse().unwrap());
    assert!(!seeds.is_empty() && callbacks > 0, "nothing to simulate");
    let next = AtomicU64::new(seeds.start);
    let (counts, failures) = (Mutex::<BTreeMap<String, usize>>::default(), Mutex::<Vec<String>>::default());
    thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if !seeds.contains(&seed) {
                    return;
                }
                // A run that panics is told by what it printed.
                println!("{}", reproduce(seed, callbacks));
                let run = run(seed, callbacks);
                for (what, count) in run.counts {
                    *counts.lock().unwrap().entry(what).or_default() += count;
                }
                if !run.violations.is_empty() {
                    let told = format!("{}\n{}", reproduce(seed, callbacks), run.violations.join("\n"));
                    failures.lock().unwrap().push(told);
                }
            }
        };
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).unwrap();
        }
    });
    let (counts, failures) = (counts.into_inner().unwrap(), failures.into_inner().unwrap());
    for (what, count) in &counts {
        println!("{count:>9}  {what}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if callbacks * (seeds.end - seeds.start) >= 10_000 {
        for what in CERTAIN {
            assert!(counts.contains_key(what), "never happened: {what}");
        }
    }
}

#[test]
fn a_seed_makes_the_same_run_again() {
    let digests = [1, 1, 2].map(|seed| run(seed, 300).digest);
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}

/// Sends so many callbacks, as the seed has it, and looks at what became of them.
fn run(seed: u64, callbacks: u64) -> Finished {
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(seed, callbacks);
        let mut tasks = Vec::new();
        for index in 0..callbacks {
            tasks.push(tokio::spawn(flinks::send(Arc::clone(&world), index)));
        }
        for index in 0..callbacks / 8 {
            tasks.push(tokio::spawn(forger::send(Arc::clone(&world), index)));
        }
        tasks.push(tokio::spawn(keys::rotate(Arc::clone(&world))));
        tasks.push(tokio::spawn(redelivery::run_on_schedule(Arc::clone(&world))));
        world.sleep_until(SENDING + AFTERWARDS).await;
        for task in tasks {
            task.await.unwrap();
        }
        verdict::look(&world);
        world.finish()
    })
}

fn seeds() -> Range<u64> {
    let Some(seeds) = setting("SIMULATION_SEEDS") else { return 0..2 };
    let (start, end) = seeds.split_once("..").unwrap();
    start.parse().unwrap()..end.parse().unwrap()
}

fn setting(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn reproduce(seed: u64, callbacks: u64) -> String {
    let end = seed + 1;
    format!(
        "SIMULATION_SEEDS={seed}..{end} SIMULATION_CALLBACKS={callbacks} cargo test --test receiver simulation::whatever"
    )
}
