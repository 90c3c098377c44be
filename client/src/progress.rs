//! How far transfers are: bars on standard error, if that is a terminal. They have no colours.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{note, safe};

/// Shorter transfers show no bar.
const AFTER: Duration = Duration::from_millis(200);

/// What a bar shows: its title, how far it is, how fast, and how long it still takes.
const TEMPLATE: &str = "{msg} {percent:>3} % [{wide_bar}] {binary_bytes} of {binary_total_bytes}, \
                        {binary_bytes_per_sec}, {eta} left";

/// The same for one of several: titles take the same room.
const ONE_OF_MANY: &str = "{msg:24!} {percent:>3} % [{wide_bar}] {binary_bytes} of {binary_total_bytes}, \
                           {binary_bytes_per_sec}, {eta} left";

/// A bar, or nothing where there is no terminal.
pub struct Progress {
    bar: Option<ProgressBar>,
    title: String,
    started: Instant,
    /// Where it is one of several: all of them, and what it has added to their total.
    among: Option<(Bars, u64)>,
}

impl Progress {
    /// Nothing is shown yet; `title` will stand before the bar.
    pub fn new(title: &str) -> Self {
        Self { bar: None, title: title.to_owned(), started: Instant::now(), among: None }
    }

    /// So many bytes of so many.
    pub fn at(&mut self, done: u64, all: u64) {
        if let Some((bars, counted)) = &mut self.among {
            bars.count(*counted, done);
            *counted = done;
        }
        if self.bar.is_none() && self.started.elapsed() < AFTER {
            return;
        }
        let (title, among) = (&self.title, &self.among);
        let bar =
            self.bar.get_or_insert_with(|| start(title, done, all, among.as_ref().map(|(bars, _)| bars)));
        bar.set_position(done);
    }

    /// Says something about this transfer on standard error, above the bars.
    pub fn say(&self, text: &str) {
        match &self.among {
            None => note(text),
            Some((bars, _)) => bars.suspend(|| note(&format!("{}: {text}", self.title))),
        }
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

/// The bars of several transfers, with their total below.
#[derive(Clone)]
pub struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    started: Instant,
    files: u64,
    /// Files that have ended, and bytes that are here.
    done: Rc<Cell<(u64, u64)>>,
}

impl Bars {
    /// For so many files with so many bytes together. Nothing is shown yet.
    pub fn new(files: u64, bytes: u64) -> Self {
        // Shows nothing where standard error is no terminal.
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(bytes));
        style(&total, ONE_OF_MANY);
        Self { all, total, started: Instant::now(), files, done: Rc::default() }
    }

    /// A bar for one of them.
    pub fn progress(&self, name: &str) -> Progress {
        let mut progress = Progress::new(&safe(name));
        progress.among = Some((self.clone(), 0));
        progress
    }

    /// One of them has ended, well or not; so many bytes of it were here before.
    pub fn one_done(&self, before: u64) {
        let (files, bytes) = self.done.get();
        self.done.set((files + 1, bytes + before));
        self.show();
    }

    /// Runs `print` while no bar is shown.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    /// Wipes them.
    pub fn clear(&self) {
        self.total.finish_and_clear();
    }

    /// One of them was at `before` bytes, and is now at `now`.
    fn count(&self, before: u64, now: u64) {
        let (files, bytes) = self.done.get();
        self.done.set((files, bytes.saturating_sub(before) + now));
        self.show();
    }

    fn show(&self) {
        if self.started.elapsed() >= AFTER {
            let (files, bytes) = self.done.get();
            self.total.set_message(format!("total, {files} of {} files", self.files));
            self.total.set_position(bytes);
        }
    }
}

/// A bar that does not count `done` into the speed.
fn start(title: &str, done: u64, all: u64, among: Option<&Bars>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::hidden());
    style(&bar, if among.is_some() { ONE_OF_MANY } else { TEMPLATE });
    bar.set_message(title.to_owned());
    bar.set_position(done);
    bar.tick();
    bar.reset_eta();
    match among {
        Some(bars) => bars.all.insert_before(&bars.total, bar),
        // Shows nothing where standard error is no terminal.
        None => {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_some() {
        for template in [TEMPLATE, ONE_OF_MANY] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn the_total_counts_what_begins_anew_once() {
        let bars = Bars::new(2, 100);
        let mut first = bars.progress("a");
        first.at(30, 50);
        first.at(10, 50);
        drop(first);
        bars.one_done(0);
        bars.one_done(50);
        assert_eq!(bars.done.get(), (2, 60));
    }
}
