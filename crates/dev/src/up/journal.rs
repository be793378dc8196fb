//! The last callbacks, for the page. Their number and size are limited, so that a load test does not fill the memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::watch;

use super::callback::Callback;

/// How many callbacks the journal keeps.
const MAX_CALLBACKS: usize = 500;
/// How many bytes they may have together. A single callback always fits, because API Gateway's limit is 10 MB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Counts of all callbacks since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub(super) received: u64,
    pub(super) stored: u64,
    /// Callbacks that got another response than 200.
    pub(super) rejected: u64,
}

/// The last callbacks, and the totals.
#[derive(Default)]
pub(super) struct Journal {
    kept: Mutex<Kept>,
    totals: watch::Sender<Totals>,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    callbacks: VecDeque<Arc<Callback>>,
    bytes: usize,
}

impl Journal {
    /// Numbers a callback and keeps it. Drops the oldest ones if a limit is exceeded.
    pub(super) fn add(&self, mut callback: Callback) -> Arc<Callback> {
        let mut kept = self.kept();
        self.totals.send_modify(|totals| {
            totals.received += 1;
            *(if callback.is_stored() { &mut totals.stored } else { &mut totals.rejected }) += 1;
            callback.number = totals.received;
        });
        let callback = Arc::new(callback);
        kept.bytes += callback.request.weight();
        kept.callbacks.push_back(Arc::clone(&callback));
        while kept.callbacks.len() > MAX_CALLBACKS || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.callbacks.pop_front() else { break };
            kept.bytes -= oldest.request.weight();
        }
        callback
    }

    /// The callback with this number, if the journal still has it.
    pub(super) fn get(&self, number: u64) -> Option<Arc<Callback>> {
        let kept = self.kept();
        let position = kept.callbacks.binary_search_by_key(&number, |callback| callback.number).ok()?;
        kept.callbacks.get(position).cloned()
    }

    /// The kept callbacks with a higher number than `number`, oldest first.
    pub(super) fn after(&self, number: u64) -> Vec<Arc<Callback>> {
        let kept = self.kept();
        let from = kept.callbacks.partition_point(|callback| callback.number <= number);
        kept.callbacks.range(from..).cloned().collect()
    }

    pub(super) fn totals(&self) -> Totals {
        *self.totals.borrow()
    }

    /// A receiver that notices each new callback.
    pub(super) fn watch(&self) -> watch::Receiver<Totals> {
        self.totals.subscribe()
    }

    /// No code panics while it holds this lock, so the data behind a poisoned lock is sound.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::callback::Request, *};

    fn callback(bytes: usize) -> Callback {
        let body = Bytes::from(vec![b' '; bytes]);
        Callback::new(Request { target: String::new(), headers: Vec::new(), body, source_ip: String::new() })
    }

    fn numbers(journal: &Journal, after: u64) -> Vec<u64> {
        journal.after(after).iter().map(|callback| callback.number).collect()
    }

    #[test]
    fn the_journal_keeps_the_last_callbacks_and_counts_all() {
        let journal = Journal::default();
        for _ in 0..MAX_CALLBACKS + 2 {
            journal.add(callback(1));
        }
        assert_eq!(numbers(&journal, 0).len(), MAX_CALLBACKS);
        assert_eq!(numbers(&journal, 500), [501, 502]);
        assert_eq!(journal.get(502).map(|callback| callback.number), Some(502));
        assert!(journal.get(2).is_none());
        assert_eq!(journal.totals(), Totals { received: 502, stored: 0, rejected: 502 });
    }

    #[test]
    fn the_journal_limits_the_total_size_of_the_bodies() {
        let journal = Journal::default();
        journal.add(callback(1));
        journal.add(callback(MAX_BYTES - 1));
        assert_eq!(numbers(&journal, 0), [1, 2]);
        journal.add(callback(2));
        assert_eq!(numbers(&journal, 0), [3]);
    }
}
