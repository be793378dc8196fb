//! Progress lines for a search that takes long.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::mistake::Id;

/// The time before the first line. After that, each line comes when the elapsed time has doubled.
const FIRST: Duration = Duration::from_secs(2);

/// Prints progress lines on standard error.
///
/// It prints lines instead of a spinner, so that a log or a pipe shows them too. Standard output has only the
/// diagnosis.
pub struct Progress {
    started: Instant,
    next: Duration,
}

impl Progress {
    pub fn new(started: Instant) -> Self {
        Self { started, next: FIRST }
    }

    /// Prints what the search is trying, if the next line is due.
    pub fn show(&mut self, combinations: usize, mistakes: &[Id]) {
        if let Some(line) = self.line(self.started.elapsed(), combinations, mistakes) {
            // A progress line is optional, so a closed standard error must not fail the command.
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
        Some(format!("still searching after {seconds} s: {combinations} combinations tried, now trying {mistakes}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_of_more_than_two_seconds_shows_what_it_tries_at_doubling_intervals() {
        let mut progress = Progress::new(Instant::now());
        let mut at = |millis| progress.line(Duration::from_millis(millis), 12, &["body-gzip", "swapped"]);
        assert_eq!(at(0), None);
        assert_eq!(at(1_999), None);
        let line = "still searching after 2 s: 12 combinations tried, now trying body-gzip with swapped";
        assert_eq!(at(2_100).as_deref(), Some(line));
        assert_eq!(at(4_100), None);
        assert!(at(4_200).is_some_and(|line| line.starts_with("still searching after 4 s")));
        assert_eq!(at(8_300), None);
    }
}
