//! The invocations between the caller and the function: queued, running and finished.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use crate::{Outcome, function};

/// All invocations without an outcome.
#[derive(Debug, Default)]
pub(crate) struct Invocations {
    state: Mutex<State>,
    /// Wakes every poller when an event is queued. Waking one is not enough, because it may be gone.
    queued: Notify,
    polled: watch::Sender<bool>,
    traces_are_sampled: AtomicBool,
    timeout: Mutex<Option<Duration>>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    handed_out: HashMap<Uuid, oneshot::Sender<Outcome>>,
    /// An error that was reported while nobody waited. It is the outcome of the next invocation.
    init_error: Option<Outcome>,
}

#[derive(Debug)]
struct Queued {
    request_id: Uuid,
    event: Bytes,
    reply: oneshot::Sender<Outcome>,
}

impl Invocations {
    /// Queues an event and waits for its outcome.
    pub(crate) async fn invoke(&self, request_id: Uuid, event: Bytes) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        {
            let mut state = self.state();
            if let Some(init_error) = state.init_error.take() {
                return init_error;
            }
            state.queue.push_back(Queued { request_id, event, reply });
        }
        self.queued.notify_waiters();
        outcome.await.unwrap_or_else(|_| Outcome::Error {
            error_type: "Runtime.RequestIdReused".to_owned(),
            error_message: format!("another invocation was handed out as {request_id}"),
        })
    }

    /// Waits for the next event and returns it with its request id. Returns `None` if the poller is gone by then. The
    /// event stays for the next poller.
    ///
    /// If it is dropped while it waits, no event is lost.
    pub(crate) async fn next(&self, is_gone: impl Fn() -> bool) -> Option<(Uuid, Bytes)> {
        self.state().init_error = None;
        self.polled.send_replace(true);
        loop {
            // This comes before the look at the queue, so that no event is missed in between.
            let queued = self.queued.notified();
            if self.state().queue.is_empty() {
                queued.await;
            } else if is_gone() {
                return None;
            } else if let Some(next) = self.state().hand_out() {
                return Some(next);
            }
        }
    }

    /// Ends the invocation with this id. Returns false if none with this id is running.
    pub(crate) fn finish(&self, request_id: Uuid, outcome: Outcome) -> bool {
        let Some(reply) = self.state().handed_out.remove(&request_id) else {
            return false;
        };
        // An error means that the caller no longer waits. Lambda accepts the post anyway.
        let _ = reply.send(outcome);
        true
    }

    /// Ends all queued invocations with the error of a function that could not start. If none is queued, the next
    /// invocation gets the error, unless a function polls first.
    pub(crate) fn fail_init(&self, init_error: &Outcome) {
        let mut state = self.state();
        let mut has_caller = false;
        for queued in state.queue.drain(..) {
            has_caller |= queued.reply.send(init_error.clone()).is_ok();
        }
        if !has_caller {
            state.init_error = Some(init_error.clone());
        }
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = Some(timeout);
    }

    /// The time from an invocation to its deadline.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(function::TIMEOUT)
    }

    pub(crate) fn sample_traces(&self) {
        self.traces_are_sampled.store(true, Relaxed);
    }

    pub(crate) fn traces_are_sampled(&self) -> bool {
        self.traces_are_sampled.load(Relaxed)
    }

    pub(crate) async fn first_poll(&self) {
        // An error would mean that the sender is dropped, but `self` owns it.
        let _ = self.polled.subscribe().wait_for(|polled| *polled).await;
    }

    /// A poisoned lock still guards sound data, because no change under it panics half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the oldest event whose caller still waits. Drops the events before it.
    fn hand_out(&mut self) -> Option<(Uuid, Bytes)> {
        while let Some(Queued { request_id, event, reply }) = self.queue.pop_front() {
            if !reply.is_closed() {
                self.handed_out.insert(request_id, reply);
                return Some((request_id, event));
            }
        }
        None
    }
}
