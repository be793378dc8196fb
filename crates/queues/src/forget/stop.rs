//! Ctrl-C: the program gives the held messages back before it ends.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether the user has pressed Ctrl-C.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Starts to listen for Ctrl-C. The second one ends the program at once.
    pub fn listen() -> Self {
        let stop = Self::default();
        let requested = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            requested.0.store(true, Ordering::Relaxed);
            let _ = writeln!(
                anstream::stderr().lock(),
                "stopping: giving the messages back (press Ctrl-C again to end at once)"
            );
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(1);
            }
        });
        stop
    }

    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
