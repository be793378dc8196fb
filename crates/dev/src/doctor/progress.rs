//! A sign of life while a search takes long.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::mistake::Id;

/// When the first line is printed. The pause before the next one is twice as long each time.
const FIRST: Duration = Duration::from_secs(2);

/// Prints a line on standard error now and then.
///
/// A line and not a spinner, whether or not it is a terminal: in a log or a pipe it shows just as well why the command
/// takes long. Standard output has the diagnosis alone.
pub struct Progress {
    started: Instant,
    next: Duration,
}

impl Progress {
    pub fn since(started: Instant) -> Self {
        Self { started, next: FIRST }
    }

    /// Prints what is tried now, if it is time for it.
    pub fn show(&mut self, combinations: usize, mistakes: &[Id]) {
        if let Some(line) = self.line(self.started.elapsed(), combinations, mistakes) {
            // It is only a courtesy, so a standard error that is closed is no reason to fail.
            let _ = writeln!(anstream::stderr().lock(), "{line}");
        }
    }

    fn line(&mut self, elapsed: Duration, combinations: usize, mistakes: &[Id]) -> Option<String> {
        if elapsed < self.next {
            return None;
        }
        self.next = elapsed * 2;
        let seconds = elapsed.as_secs();
        let mistakes = mistakes.join(" with ");
        Some(format!("still looking after {seconds} s: {combinations} combinations tried, now {mistakes}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_takes_longer_than_two_seconds_shows_what_it_tries_at_longer_and_longer_intervals() {
        let mut progress = Progress::since(Instant::now());
        let mut at = |millis| progress.line(Duration::from_millis(millis), 12, &["body-gzip", "swapped"]);
        assert_eq!(at(0), None);
        assert_eq!(at(1_999), None);
        let line = "still looking after 2 s: 12 combinations tried, now body-gzip with swapped";
        assert_eq!(at(2_100).as_deref(), Some(line));
        assert_eq!(at(4_100), None);
        assert!(at(4_200).is_some_and(|line| line.starts_with("still looking after 4 s")));
        assert_eq!(at(8_300), None);
    }
}
