//! Ctrl-C: messages that are held are given back before the program ends.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether the user wants it to end.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on. The second Ctrl-C ends the program at once.
    pub fn listen() -> Self {
        let stop = Self::default();
        let heard = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            heard.0.store(true, Ordering::Relaxed);
            let _ =
                writeln!(anstream::stderr().lock(), "stopping: giving the messages back; Ctrl-C again ends at once");
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(1);
            }
        });
        stop
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
