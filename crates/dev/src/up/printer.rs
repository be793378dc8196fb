//! Prints callbacks from a thread of its own: a terminal that stands still holds up callbacks, but never Ctrl-C.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{callback::Callback, report};
use crate::output::Output;

/// Callbacks that may wait to be printed.
const MAX_WAITING: usize = 1024;
/// How long the end waits for the last lines, in a terminal that may stand still.
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
                report::answered(output, &callback);
            }
            // Dropping it says the same, where nobody waits.
            let _ = finish.send(());
        });
        Self { lines, finished }
    }

    /// Where to send what is to be printed.
    pub(super) fn lines(&self) -> mpsc::Sender<Arc<Callback>> {
        self.lines.clone()
    }

    /// Waits for the last line, once all senders are gone.
    pub(super) async fn finish(self) {
        drop(self.lines);
        let _ = timeout(LAST_LINES, self.finished).await;
    }
}
