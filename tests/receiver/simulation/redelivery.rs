//! The redelivery on its schedule: under the same faults, with crashes, and now and then two at once.

use std::{sync::Arc, time::Duration};

use flinks_dev::stack::PAYLOAD_BUCKET;
use flinks_webhooks::{
    aws::{S3, Sqs, storage_with_http_client},
    delivery::{Redelivery, RunBudget, UNDELIVERED_PREFIX},
};
use futures_util::future::join;
use rand::RngExt;
use tokio::time::{Instant, sleep, timeout};

use super::{
    AFTERWARDS, MINUTE, SENDING,
    line::Line,
    witness::{self, Witness},
    world::World,
};
use crate::support::crashing;

/// Of all runs.
const CRASHES: f64 = 0.08;
const TWO_AT_ONCE: f64 = 0.3;
/// Polls of a run that sends a few payloads.
const POLLS: u32 = 60;
/// `Timeout` of the function, and what of it a run leaves for its last calls.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(300);
const LAST_CALLS: Duration = Duration::from_secs(36);

type Instance = Redelivery<Witness<Sqs>, Witness<S3>>;

/// Runs every five minutes.
pub async fn run_on_schedule(world: Arc<World>) {
    let mut instances = [None, None];
    let mut at = Duration::ZERO;
    while at < SENDING + AFTERWARDS {
        world.sleep_until(at).await;
        let [first, second] = &mut instances;
        if world.now() < SENDING && world.draw(|rng| rng.random_bool(TWO_AT_ONCE)) {
            world.count("redelivery: two at once");
            let later = world.draw(|rng| rng.random_range(0..400));
            let second = async {
                sleep(Duration::from_millis(later)).await;
                run(&world, second, true).await;
            };
            join(run(&world, first, false), second).await;
        } else {
            run(&world, first, false).await;
        }
        at += 5 * MINUTE;
    }
}

/// Makes one run. The instance is reused if it survives.
async fn run(world: &Arc<World>, instance: &mut Option<Instance>, is_second: bool) {
    let redelivery = instance.take().unwrap_or_else(|| {
        let line = Line::new(world, "redelivery".to_owned());
        let config = world.stack.redelivery_config().unwrap();
        let storage = storage_with_http_client(line.client(world), &config.storage, &config.aws);
        Redelivery::new(witness::storage(storage, &line, is_second))
    });
    let budget = RunBudget {
        stop: Instant::now() + FUNCTION_TIMEOUT - LAST_CALLS,
        // Mostly enough for all.
        bytes_per_queue: world.draw(|rng| rng.random_range(2_000_000..20_000_000)),
    };
    let crashes = world.now() < SENDING && world.draw(|rng| rng.random_bool(CRASHES));
    let crash = crashes.then(|| world.draw(|rng| rng.random_range(0..POLLS)));
    let has_work =
        crashes && world.stack.aws.objects(PAYLOAD_BUCKET).keys().any(|key| key.starts_with(UNDELIVERED_PREFIX));
    let ended = timeout(FUNCTION_TIMEOUT, crashing(crash, redelivery.run(budget))).await;
    let told = match ended {
        Ok(Some(Ok(summary))) => {
            if summary.damaged > 0 {
                world.violation(&format!("the redelivery found damaged objects: {summary:?}"));
            }
            for (what, count) in [("sent", summary.sent), ("gone", summary.gone), ("failed", summary.failed)] {
                for _ in 0..count {
                    world.count(format!("redelivery: {what}"));
                }
            }
            format!("{} sent, {} gone, {} failed", summary.sent, summary.gone, summary.failed)
        }
        Ok(Some(Err(_))) => {
            world.count("redelivery: no listing");
            "no listing".to_owned()
        }
        Ok(None) => {
            world.count(if has_work { "redelivery: crash at work" } else { "redelivery: crash" });
            return world.note("redelivery: crash");
        }
        Err(_) => return world.violation("the redelivery took longer than it may"),
    };
    world.note(&format!("redelivery: {told}"));
    *instance = Some(redelivery);
}
