//! A run: sends callbacks at the given rate and concurrency. It retries each until it gets a 200 or has no attempts
//! left.

use std::{
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    client::{Client, NoResponse},
    plan::Plan,
    tally::{DELIVERED, Tally},
};
use crate::failure::Failure;

/// Sends all callbacks of a plan. Ctrl-C ends the run early, and the tally then has the results so far.
///
/// # Errors
/// If the first callback cannot connect and there are no retries.
pub async fn all(plan: &Arc<Plan>) -> Result<Tally, Failure> {
    let run = Arc::new(Run {
        plan: Arc::clone(plan),
        client: Client::new(&plan.to)?,
        tally: Mutex::new(Tally::start(plan.count)?),
        slots: Arc::new(Semaphore::new(plan.concurrency)),
        progress: progress(plan.count),
    });
    let interrupted = tokio::select! {
        ended = Arc::clone(&run).deliver_all() => ended.map(|()| false)?,
        _ = tokio::signal::ctrl_c() => true,
    };
    run.progress.finish_and_clear();
    let mut tally = run.tally();
    tally.end(interrupted);
    Ok(tally.clone())
}

struct Run {
    plan: Arc<Plan>,
    client: Client,
    tally: Mutex<Tally>,
    /// A permit for each callback that may wait for a response.
    slots: Arc<Semaphore>,
    progress: ProgressBar,
}

impl Run {
    async fn deliver_all(self: Arc<Self>) -> Result<(), Failure> {
        let mut pace = self.plan.rate.map(|rate| {
            let mut pace = interval(Duration::from_secs_f64(1.0 / rate));
            // After a delay, do not catch up with a burst: it would exceed the rate.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        // Dropping this future drops the set, which aborts the deliveries that still wait.
        let mut deliveries = JoinSet::new();
        for index in 0..self.plan.count {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            // A retry gives its slot back while it waits. Then it queues for a new one with the later callbacks.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { break };
            if index == 0 && self.plan.retries.attempts == 1 {
                // Send the first callback alone, so that a wrong URL gives one clear error and not thousands.
                self.deliver_first().await?;
                continue;
            }
            deliveries.spawn(Arc::clone(&self).deliver(index, slot));
            while deliveries.try_join_next().is_some() {}
        }
        while deliveries.join_next().await.is_some() {}
        Ok(())
    }

    async fn deliver_first(&self) -> Result<(), Failure> {
        let outcome = self.attempt(0).await;
        self.end(&outcome);
        match outcome {
            Err(NoResponse::NotConnected(why)) => Err(Failure::usage(format!(
                "cannot connect to {}: {why}. Give the receiver's URL with --to, or start one with `cargo dev up`",
                self.plan.to
            ))),
            _ => Ok(()),
        }
    }

    async fn deliver(self: Arc<Self>, index: u64, slot: OwnedSemaphorePermit) {
        let mut slot = Some(slot);
        for attempt in 1..=self.plan.retries.attempts {
            // The attempt is on the heap and dropped before the wait. Thousands may wait for hours, so each keeps only
            // its number.
            let outcome = Box::pin(self.attempt(index)).await;
            if matches!(outcome, Ok(DELIVERED)) || attempt == self.plan.retries.attempts {
                self.end(&outcome);
                break;
            }
            self.report_retry(attempt, &outcome);
            drop(slot.take());
            sleep(self.plan.retries.pause).await;
            slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        }
    }

    /// Records the outcome of a callback's last attempt.
    fn end(&self, outcome: &Result<u16, NoResponse>) {
        self.tally().end_callback(outcome.as_ref().ok().copied());
        self.progress.inc(1);
    }

    /// Reports why a callback waits, if it is the only one. Then there is no progress bar.
    fn report_retry(&self, attempt: u32, outcome: &Result<u16, NoResponse>) {
        if self.plan.count == 1 {
            let why = outcome.as_ref().map_or_else(ToString::to_string, |status| format!("got a {status}"));
            let pause = humantime::format_duration(self.plan.retries.pause);
            let _ = writeln!(anstream::stderr().lock(), "attempt {attempt}: {why}; next attempt in {pause}");
        }
    }

    /// Makes the payload and posts it. Returns the status.
    async fn attempt(&self, index: u64) -> Result<u16, NoResponse> {
        let (payload, header, signature) = self.plan.callback(index);
        let bytes = payload.len();
        let attempt = self.client.post(self.plan.to.clone(), payload, header, signature).await;
        self.tally().add(bytes, &attempt);
        attempt.outcome.map(|response| response.status)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A progress bar on standard error, if that is a terminal. A single callback needs none.
fn progress(count: u64) -> ProgressBar {
    if count == 1 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let style = ProgressStyle::with_template(TEMPLATE);
    // A test checks the template. If it is wrong all the same, the default style will do.
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

const TEMPLATE: &str = "{bar:40} {human_pos}/{human_len}  {per_sec}  {eta} left";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_bar_has_a_legal_template() {
        ProgressStyle::with_template(TEMPLATE).unwrap();
    }
}
