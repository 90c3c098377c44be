//! How far publishing has come, in words for the log.

use std::time::Duration;

use chord::index::Progress;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::driver::Handle;

/// Between two questions: the answer costs time in proportion to the keys.
const EVERY: Duration = Duration::from_secs(5);
/// With more keys than this under way, it is said how far they are.
const BULK: u64 = 1000;

/// Tells the log how far `handle`'s own files are published, and whether renewals are late, until `cancel` is
/// cancelled.
pub async fn tell_progress(handle: Handle, cancel: CancellationToken) {
    let mut teller = Teller::new(handle.config().renewal(), handle.config().lease);
    let mut ticks = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(Some(published)) = cancel.run_until_cancelled(handle.published(None)).await else {
            continue;
        };
        for line in teller.look(&published.progress, Instant::now()) {
            match line {
                Line::Info(line) => tracing::info!("{line}"),
                Line::Warning(line) => tracing::warn!("{line}"),
            }
        }
    }
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Info(String),
    Warning(String),
}

/// Remembers what was said.
struct Teller {
    /// Time between two renewals.
    renewal: Duration,
    lease: Duration,
    /// Since when not all is acknowledged; at first, since the start.
    since: Option<Instant>,
    /// Its end is to be said: a bulk is under way, or the first files.
    bulk: bool,
    /// Keys acknowledged, of all, as said last.
    said: (u64, u64),
    late: bool,
}

impl Teller {
    fn new(renewal: Duration, lease: Duration) -> Teller {
        Teller { renewal, lease, since: Some(Instant::now()), bulk: true, said: (0, 0), late: false }
    }

    fn look(&mut self, progress: &Progress, now: Instant) -> Vec<Line> {
        self.published(progress, now).into_iter().chain(self.renewed(progress)).collect()
    }

    fn published(&mut self, progress: &Progress, now: Instant) -> Option<Line> {
        let Progress { files, keys, pending, .. } = *progress;
        if pending > 0 {
            self.since.get_or_insert(now);
            let done = (keys.saturating_sub(pending), keys);
            // A keeper that refuses leaves the rest as it is.
            if pending <= BULK || done == self.said {
                return None;
            }
            (self.bulk, self.said) = (true, done);
            let (done, keys) = (grouped(done.0), grouped(keys));
            let line = format!("publishing: {done} of {keys} keys are acknowledged by all their keepers");
            return Some(Line::Info(line));
        }
        if files == 0 {
            return None;
        }
        let since = self.since.take()?;
        std::mem::take(&mut self.bulk).then(|| {
            let (files, keys, took) = (grouped(files), grouped(keys), now - since);
            let took = took.as_secs_f64().ceil();
            Line::Info(format!(
                "published: {files} files, {keys} keys, acknowledged by all their keepers within {took} s"
            ))
        })
    }

    fn renewed(&mut self, progress: &Progress) -> Option<Line> {
        let late = !progress.late_by(self.renewal).is_zero();
        if late == std::mem::replace(&mut self.late, late) {
            return None;
        }
        if !late {
            return Some(Line::Info("renewals are on time again".to_owned()));
        }
        let seconds = |time: Duration| time.as_secs();
        Some(Line::Warning(format!(
            "renewals fall behind: some keeper was told {} s ago for the last time that this peer lives; after {} s \
             without news (index.lease) its files are not found there. If the network is well, this machine has too \
             much to do: share fewer files, or raise index.lease at all peers",
            seconds(progress.since_renewal),
            seconds(self.lease)
        )))
    }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A teller, and what it says of these files, keys and pending keys after so many seconds.
    fn teller() -> impl FnMut(u64, (u64, u64, u64)) -> Vec<Line> {
        let (mut teller, start) = (Teller::new(20 * SECOND, 60 * SECOND), Instant::now());
        teller.since = Some(start);
        move |after, (files, keys, pending)| {
            teller.look(
                &Progress { files, keys, pending, ..Progress::default() },
                start + after as u32 * SECOND,
            )
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn info(line: &str) -> Vec<Line> {
        vec![Line::Info(line.to_owned())]
    }

    #[test]
    fn a_bulk_is_followed_to_its_end() {
        let mut look = teller();
        assert_eq!(look(5, (0, 0, 0)), [], "nothing is shared yet");
        let of = "of 700,000 keys are acknowledged by all their keepers";
        assert_eq!(look(10, (9, 700_000, 687_655)), info(&format!("publishing: 12,345 {of}")));
        assert_eq!(look(15, (9, 700_000, 687_655)), [], "a keeper refuses");
        assert_eq!(look(20, (9, 700_000, 1001)), info(&format!("publishing: 698,999 {of}")));
        assert_eq!(look(25, (9, 700_000, 1000)), []);
        let all = "published: 9 files, 700,000 keys, acknowledged by all their keepers within 30 s";
        assert_eq!(look(30, (9, 700_000, 0)), info(all));
        assert_eq!(look(35, (9, 700_000, 0)), []);
        assert_eq!(look(40, (8, 700_000, 7)), [], "no bulk");
        assert_eq!(look(45, (8, 700_000, 0)), []);
        assert_eq!(look(50, (8, 999, 1001)).len(), 1);
        let again = "published: 8 files, 999 keys, acknowledged by all their keepers within 10 s";
        assert_eq!(look(60, (8, 999, 0)), info(again));
    }

    #[test]
    fn the_first_files_are_told_of_however_few_there_are() {
        let mut look = teller();
        assert_eq!(look(5, (1, 3, 3)), []);
        let all = "published: 1 files, 3 keys, acknowledged by all their keepers within 10 s";
        assert_eq!(look(10, (1, 3, 0)), info(all));
    }

    #[test]
    fn a_late_renewal_is_said_once_until_it_is_on_time() {
        let mut teller = Teller::new(20 * SECOND, 60 * SECOND);
        let mut look = |seconds| {
            let progress = Progress { since_renewal: seconds * SECOND, ..Progress::default() };
            teller.look(&progress, Instant::now())
        };
        assert_eq!(look(40), []);
        let [Line::Warning(line)] = &look(41)[..] else { panic!("no warning") };
        assert!(line.contains("41 s ago") && line.contains("60 s"), "{line}");
        assert_eq!(look(50), []);
        assert_eq!(look(3), info("renewals are on time again"));
        assert_eq!(look(41).len(), 1);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
