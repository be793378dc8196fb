//! The redelivery on its schedule, under the same faults, with crashes and sometimes two runs at once.

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
    connection::Connection,
    state::Simulation,
    witness::{self, Witness},
};
use crate::support::crashing;

/// The share of runs that crash, and of scheduled times with two runs.
const CRASHES: f64 = 0.08;
const TWO_AT_ONCE: f64 = 0.3;
/// A run that sends a few payloads needs about this many polls.
const POLLS: u32 = 60;
/// `Timeout` of the function, and the part of it that a run keeps for its last calls.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(300);
const LAST_CALLS: Duration = Duration::from_secs(36);

type Instance = Redelivery<Witness<Sqs>, Witness<S3>>;

/// Runs every five minutes.
pub async fn run_on_schedule(simulation: Arc<Simulation>) {
    let mut instances = [None, None];
    let mut at = Duration::ZERO;
    while at < SENDING + AFTERWARDS {
        simulation.sleep_until(at).await;
        let [first, second] = &mut instances;
        if simulation.now() < SENDING && simulation.draw(|rng| rng.random_bool(TWO_AT_ONCE)) {
            simulation.count("redelivery: two at once");
            let later = simulation.draw(|rng| rng.random_range(0..400));
            let second = async {
                sleep(Duration::from_millis(later)).await;
                run(&simulation, second, true).await;
            };
            join(run(&simulation, first, false), second).await;
        } else {
            run(&simulation, first, false).await;
        }
        at += 5 * MINUTE;
    }
}

/// Makes one run. The instance is reused if it survives.
async fn run(simulation: &Arc<Simulation>, instance: &mut Option<Instance>, is_second: bool) {
    let redelivery = instance.take().unwrap_or_else(|| {
        let connection = Connection::new(simulation, "redelivery".to_owned());
        let config = simulation.stack.redelivery_config().unwrap();
        let storage = storage_with_http_client(connection.client(simulation), &config.storage, &config.aws);
        Redelivery::new(witness::storage(storage, &connection, is_second))
    });
    let budget = RunBudget {
        stop: Instant::now() + FUNCTION_TIMEOUT - LAST_CALLS,
        // Enough for all payloads in most runs.
        bytes_per_queue: simulation.draw(|rng| rng.random_range(2_000_000..20_000_000)),
    };
    let crashes = simulation.now() < SENDING && simulation.draw(|rng| rng.random_bool(CRASHES));
    let crash = crashes.then(|| simulation.draw(|rng| rng.random_range(0..POLLS)));
    let has_work =
        crashes && simulation.stack.aws.objects(PAYLOAD_BUCKET).keys().any(|key| key.starts_with(UNDELIVERED_PREFIX));
    let ended = timeout(FUNCTION_TIMEOUT, crashing(crash, redelivery.run(budget))).await;
    let outcome = match ended {
        Ok(Some(Ok(summary))) => {
            if summary.damaged > 0 {
                simulation.violation(&format!("the redelivery found damaged objects: {summary:?}"));
            }
            for (what, count) in [("sent", summary.sent), ("gone", summary.gone), ("failed", summary.failed)] {
                for _ in 0..count {
                    simulation.count(format!("redelivery: {what}"));
                }
            }
            format!("{} sent, {} gone, {} failed", summary.sent, summary.gone, summary.failed)
        }
        Ok(Some(Err(_))) => {
            simulation.count("redelivery: no listing");
            "no listing".to_owned()
        }
        Ok(None) => {
            simulation.count(if has_work { "redelivery: crash at work" } else { "redelivery: crash" });
            return simulation.note("redelivery: crash");
        }
        Err(_) => return simulation.violation("the redelivery exceeded its time limit"),
    };
    simulation.note(&format!("redelivery: {outcome}"));
    *instance = Some(redelivery);
}
