//! The run: sends callbacks at the given rate and concurrency, and retries each until it gets a 200 or runs out of
//! attempts.

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

/// Sends all callbacks of a plan. Ctrl-C ends it early; the figures are then those so far.
///
/// # Errors
/// When nothing can be sent: no connection is made for the very first callback, unless it is to be retried.
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
    /// One for each callback that may wait for a response.
    slots: Arc<Semaphore>,
    progress: ProgressBar,
}

impl Run {
    async fn deliver_all(self: Arc<Self>) -> Result<(), Failure> {
        let mut pace = self.plan.rate.map(|rate| {
            let mut pace = interval(Duration::from_secs_f64(1.0 / rate));
            // Late is late: a burst to make up for it would be faster than asked.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        // Dropped with this future, which ends those that still wait.
        let mut deliveries = JoinSet::new();
        for index in 0..self.plan.count {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            // A retry waits without its slot, and in line for another with the callbacks that come after it.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { break };
            if index == 0 && self.plan.retries.attempts == 1 {
                // By itself: a wrong URL is one clear line, and not thousands of failures.
                self.try_out().await?;
                continue;
            }
            deliveries.spawn(Arc::clone(&self).deliver(index, slot));
            while deliveries.try_join_next().is_some() {}
        }
        while deliveries.join_next().await.is_some() {}
        Ok(())
    }

    async fn try_out(&self) -> Result<(), Failure> {
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
            // On the heap, and gone while it waits: of thousands that wait for hours, only their numbers are kept.
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

    /// Notes how a callback ended: with the outcome of its last attempt.
    fn end(&self, outcome: &Result<u16, NoResponse>) {
        self.tally().end_callback(outcome.as_ref().ok().copied());
        self.progress.inc(1);
    }

    /// Reports why a single callback waits: it has no progress bar.
    fn report_retry(&self, attempt: u32, outcome: &Result<u16, NoResponse>) {
        if self.plan.count == 1 {
            let why = outcome.as_ref().map_or_else(ToString::to_string, |status| format!("answered {status}"));
            let pause = humantime::format_duration(self.plan.retries.pause);
            let _ = writeln!(anstream::stderr().lock(), "attempt {attempt}: {why}; the next one is in {pause}");
        }
    }

    /// Makes the payload and posts it. Gives the status.
    async fn attempt(&self, index: u64) -> Result<u16, NoResponse> {
        let (payload, header, signature) = self.plan.callback(index);
        let bytes = payload.len();
        let attempt = self.client.post(self.plan.to.clone(), payload, header, signature).await;
        self.tally().add(bytes, &attempt);
        attempt.outcome.map(|answer| answer.status)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws on standard error, and only where that is a terminal. Of no use for one callback.
fn progress(count: u64) -> ProgressBar {
    if count == 1 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let style = ProgressStyle::with_template(TEMPLATE);
    // The template is checked by a test; a bar in the default style is no reason to fail.
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
