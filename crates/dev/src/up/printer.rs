//! Prints callbacks on a thread of its own, so that a paused terminal can delay callbacks but never Ctrl-C.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{callback::Callback, report};
use crate::output::Output;

/// How many callbacks may wait for the printer.
const MAX_WAITING: usize = 1024;
/// How long the shutdown waits for the last lines. A paused terminal would never print them.
const LAST_LINES: Duration = Duration::from_secs(1);

pub(super) struct Printer {
    lines: mpsc::Sender<Arc<Callback>>,
    finished: oneshot::Receiver<()>,
}

impl Printer {
    pub(super) fn start(output: Output) -> Self {
        let (lines, mut waiting) = mpsc::channel::<Arc<Callback>>(MAX_WAITING);
        let (finish, finished) = oneshot::channel();
        thread::spawn(move || {
            while let Some(callback) = waiting.blocking_recv() {
                report::callback(output, &callback);
            }
            // This fails only if nobody waits for it.
            let _ = finish.send(());
        });
        Self { lines, finished }
    }

    /// The channel for callbacks to print.
    pub(super) fn lines(&self) -> mpsc::Sender<Arc<Callback>> {
        self.lines.clone()
    }

    /// Waits for the last line. All other senders must be dropped before.
    pub(super) async fn finish(self) {
        drop(self.lines);
        let _ = timeout(LAST_LINES, self.finished).await;
    }
}
