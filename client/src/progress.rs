//! How far a transfer is: a bar on standard error, if that is a terminal. It has no colours.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter transfers show no bar.
const AFTER: Duration = Duration::from_millis(200);

/// What a bar shows: its title, how far it is, how fast, and how long it still takes.
const TEMPLATE: &str = "{msg} {percent:>3} % [{wide_bar}] {binary_bytes} of {binary_total_bytes}, \
                        {binary_bytes_per_sec}, {eta} left";

/// A bar, or nothing where there is no terminal.
pub struct Progress {
    bar: Option<ProgressBar>,
    title: &'static str,
    started: Instant,
}

impl Progress {
    /// Nothing is shown yet; `title` will stand before the bar.
    pub fn new(title: &'static str) -> Self {
        Self { bar: None, title, started: Instant::now() }
    }

    /// So many bytes of so many.
    pub fn at(&mut self, done: u64, all: u64) {
        if self.bar.is_none() && self.started.elapsed() < AFTER {
            return;
        }
        let title = self.title;
        let bar = self.bar.get_or_insert_with(|| start(title, done, all));
        bar.set_position(done);
    }

    /// Wipes it; what comes next begins a new one.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.started = Instant::now();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A bar that does not count `done` into the speed.
fn start(title: &'static str, done: u64, all: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(title);
    bar.set_position(done);
    bar.tick();
    bar.reset_eta();
    // Shows nothing where standard error is no terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
