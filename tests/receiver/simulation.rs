//! Simulates days of Flinks' callbacks with faults, outages, crashes, key rotations and forgeries. No callback may be
//! lost, and no forgery may be stored.
//!
//! Everything runs in this process and in virtual time: the receiver with the real SDK clients and its own retries, the
//! local AWS without sockets, Lambda's instances, the redelivery, Flinks with its own retry rules, and a forger. The
//! same seed always makes the same run. At the end the queues and the bucket must hold every callback that got 200 and
//! nothing else. They may hold one more copy for each call with an unknown outcome ([`verdict`], [`witness`]).
//!
//! During the run each failed attempt must have a cause among the injected faults, whatever the receiver reports
//! ([`causes`]). So a callback that Flinks sends only once is lost only for a cause. The receiver must try the bucket
//! when the design says so and not before, and no call may fail without a fault ([`connection`]).
//!
//! `SIMULATION_SEEDS=0..100 SIMULATION_CALLBACKS=10000 cargo test --release --test receiver simulation` runs more than
//! the default.

mod causes;
mod connection;
mod fleet;
mod flinks;
mod forger;
mod keys;
mod known;
mod redelivery;
mod state;
mod verdict;
mod weather;
mod witness;

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

use state::{Finished, Simulation};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long Flinks has callbacks to send. After that no more faults are injected...
const SENDING: Duration = Duration::from_secs(72 * 60 * 60);
/// ...and this much later, after the last retries, every payload must be in its place.
const AFTERWARDS: Duration = Duration::from_secs(6 * 60 * 60);

/// The longest time in which the receiver tries to store a callback, and the longest time until its response.
const BUDGET: Duration = Duration::from_millis(11_500);
const RESPONSE: Duration = Duration::from_secs(12);

/// The SDK's futures are large in builds without optimisation.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What 10,000 callbacks always cause. If one of these never happens, the simulation no longer tests it.
const CERTAIN: [&str; 53] = [
    "attempt 200",
    "attempt 401: within 30 seconds of a read",
    "attempt 503: no keys",
    "attempt 503: no keys, rejected",
    "attempt 503: not stored",
    "attempt 503: not stored, rejected",
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
    "forgery: expired key",
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
fn every_callback_that_got_200_is_on_its_queue_and_nothing_else_is() {
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
                // If a run panics, this line says how to reproduce it.
                println!("{}", reproduce(seed, callbacks));
                let run = run(seed, callbacks);
                for (what, count) in run.counts {
                    *counts.lock().unwrap().entry(what).or_default() += count;
                }
                if !run.violations.is_empty() {
                    let report = format!("{}\n{}", reproduce(seed, callbacks), run.violations.join("\n"));
                    failures.lock().unwrap().push(report);
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
fn the_same_seed_makes_the_same_run() {
    let digests = [1, 1, 2].map(|seed| run(seed, 300).digest);
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}

/// Sends this many callbacks, drawn from the seed, and checks the result.
fn run(seed: u64, callbacks: u64) -> Finished {
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulation = Simulation::new(seed, callbacks);
        let mut tasks = Vec::new();
        for index in 0..callbacks {
            tasks.push(tokio::spawn(flinks::send(Arc::clone(&simulation), index)));
        }
        for index in 0..callbacks / 8 {
            tasks.push(tokio::spawn(forger::send(Arc::clone(&simulation), index)));
        }
        tasks.push(tokio::spawn(keys::rotate(Arc::clone(&simulation))));
        tasks.push(tokio::spawn(redelivery::run_on_schedule(Arc::clone(&simulation))));
        simulation.sleep_until(SENDING + AFTERWARDS).await;
        for task in tasks {
            task.await.unwrap();
        }
        verdict::check(&simulation);
        simulation.finish()
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
        "SIMULATION_SEEDS={seed}..{end} SIMULATION_CALLBACKS={callbacks} cargo test --test receiver simulation::every_callback"
    )
}
