//! How far a download is, on standard error if that is a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::output::size;

/// Between two updates of the line.
const PACE: Duration = Duration::from_millis(200);

/// A line that is rewritten.
pub struct Progress {
    terminal: bool,
    shown: Option<Instant>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: None }
    }

    /// So many bytes of so many.
    pub fn at(&mut self, done: u64, all: u64) {
        if !self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < PACE) {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
        // A line about progress is not worth an error.
        let _ = write!(io::stderr(), "\r\x1b[K{percent:3} %  {} of {}", size(done), size(all));
    }

    /// Wipes the line.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
