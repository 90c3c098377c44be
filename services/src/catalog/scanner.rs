//! Decides when the directory is read again: on a hint of the operating system, else now and then.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::catalog_v1::Skipped;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{Identity, SharedDir};

use super::digest_cache::DigestCache;
use super::listing::{Applied, Condition, Listing};
use super::metrics::CatalogMetrics;
use super::scan::{Scan, scan};
use super::unread::Unread;
use super::watcher::Watcher;

/// From the first hint of a change to the scan: copying many files makes many hints.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Between scans while nothing hints at changes: with the debounce away it keeps "within 2 s".
const POLL: Duration = Duration::from_millis(1500);

/// Keeps the listing true.
pub(super) struct Scanner {
    /// What is read.
    pub dir: Arc<SharedDir>,
    /// What is kept.
    pub listing: Arc<Listing>,
    /// Digests from before the start.
    pub cache: Arc<DigestCache>,
    /// Told after each scan.
    pub scanned: Arc<Notify>,
    /// Longest time between two scans.
    pub rescan: Duration,
    /// How long files stay listed that can't be read.
    pub keep: Duration,
    /// Where scans are counted.
    pub metrics: CatalogMetrics,
    /// How a watcher is set: [`Watcher::new`].
    pub set_watcher: SetWatcher,
    /// Ends it.
    pub cancel: CancellationToken,
}

/// Sets a watcher on a directory.
pub(super) type SetWatcher = fn(&Path, Identity, Arc<Notify>) -> notify::Result<Watcher>;

/// What was said in the log, so as not to say it again.
#[derive(Default)]
struct Said {
    problem: String,
    watch_failed: bool,
    skipped: Skipped,
}

/// What a look at the directory came to.
#[derive(Default)]
struct Look {
    /// Of the first look that succeeds: how many files there are, and of how many the digest is known.
    first: Option<(usize, usize)>,
    condition: Condition,
    example: Option<String>,
    /// How many files are listed now, and their size.
    files: usize,
    bytes: u64,
    applied: Applied,
}

impl Scanner {
    /// Runs until cancelled.
    pub async fn run(self) {
        let changed = Arc::new(Notify::new());
        let mut watcher: Option<Watcher> = None;
        let mut watch_again = Instant::now();
        let mut said = Said::default();
        let mut unread = Unread::new(self.keep);
        loop {
            let began = Instant::now();
            // Set before the scan, so that nothing falls in between.
            watcher = self.watch(watcher, &mut watch_again, &changed, &mut said).await;
            let whole = self.scan(&mut unread, &mut said).await;
            let took = began.elapsed();
            if self.cancel.is_cancelled() {
                return;
            }
            self.metrics.watching(watcher.is_some());
            self.metrics.scanned(whole, took);
            // A directory that takes long to read is not read all the time.
            let pause = (4 * took).min(self.rescan);
            let quiet =
                if whole && watcher.is_some() { self.rescan } else { POLL.min(self.rescan).max(pause) };
            // What can't be read any more is withdrawn in time, though nothing else changes.
            let due = unread.due(std::time::Instant::now()).map(|due| due + DEBOUNCE);
            let quiet = quiet.min(due.unwrap_or(quiet));
            let hint = async {
                changed.notified().await;
                tokio::time::sleep(DEBOUNCE.max(pause.min(POLL))).await;
            };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = hint => {}
                () = tokio::time::sleep(quiet) => {}
                () = self.replaced(watcher.as_ref()) => {}
            }
        }
    }

    /// Resolves when the path leads to another directory than the one that is watched, or to none: the system
    /// does not tell of a mount, nor of an open directory that is removed.
    async fn replaced(&self, watcher: Option<&Watcher>) {
        let Some(on) = watcher.map(|watcher| watcher.on) else { return std::future::pending().await };
        loop {
            tokio::time::sleep(POLL).await;
            let dir = Arc::clone(&self.dir);
            match tokio::task::spawn_blocking(move || dir.current()).await {
                Ok(Ok((now, _))) if now == on => {}
                _ => return,
            }
        }
    }

    /// The watcher to go on with: the same while it works and is on the right directory, else a new one.
    async fn watch(
        &self,
        watcher: Option<Watcher>,
        again: &mut Instant,
        changed: &Arc<Notify>,
        said: &mut Said,
    ) -> Option<Watcher> {
        let (dir, changed, set_watcher) = (Arc::clone(&self.dir), Arc::clone(changed), self.set_watcher);
        let try_new = watcher.is_some() || *again <= Instant::now();
        let set = move || {
            // Where the directory is gone, the scan says so.
            let Ok((now, _)) = dir.current() else { return Ok(None) };
            match watcher {
                Some(watcher) if watcher.is_broken() => Err("a folder could not be watched".to_owned()),
                Some(watcher) if watcher.on == now => Ok(Some(watcher)),
                _ if try_new => set_watcher(dir.path(), now, changed).map(Some).map_err(|e| e.to_string()),
                _ => Ok(None),
            }
        };
        let failed = match tokio::task::spawn_blocking(set).await {
            Ok(Ok(watcher)) => return watcher,
            Ok(Err(e)) => e,
            Err(e) => e.to_string(),
        };
        *again = Instant::now() + self.rescan;
        if !std::mem::replace(&mut said.watch_failed, true) {
            let directory = self.dir.path().display();
            tracing::warn!(
                %directory, error = failed,
                "changes can't be watched, so the directory is read every 2 s; on Linux a higher \
                 fs.inotify.max_user_watches usually helps"
            );
        }
        None
    }

    /// Reads the directory into the listing. What can't be read stays in it for a while. Returns whether the
    /// directory itself could be read.
    async fn scan(&self, unread: &mut Unread, said: &mut Said) -> bool {
        let (dir, listing, cache) =
            (Arc::clone(&self.dir), Arc::clone(&self.listing), Arc::clone(&self.cache));
        let (mut memory, cancel) = (std::mem::replace(unread, Unread::new(self.keep)), self.cancel.clone());
        let look = move || (look(&dir, &listing, &cache, &mut memory, &cancel), memory);
        let Ok((Some(look), memory)) = tokio::task::spawn_blocking(look).await else { return false };
        *unread = memory;
        self.scanned.notify_one();
        self.metrics.listed(look.files, look.bytes, &look.condition.skipped);
        said.say(self.dir.path(), self.keep, &look);
        look.condition.problem.is_empty()
    }
}

/// Looks at the directory once; `None` where `cancel` ended it. Blocks on the file system.
fn look(
    dir: &SharedDir,
    listing: &Listing,
    cache: &DigestCache,
    unread: &mut Unread,
    cancel: &CancellationToken,
) -> Option<Look> {
    let read = || {
        let (identity, root) = dir.current()?;
        let scan = scan(&root, listing, cancel)?;
        // A directory that was removed meanwhile reads as an empty one.
        match dir.current()?.0 == identity {
            true => Ok((identity, scan)),
            false => Err(io::Error::other("it was replaced while it was read")),
        }
    };
    let read = read();
    if cancel.is_cancelled() {
        return None;
    }
    let (mut scan, problem) = match read {
        Ok((identity, scan)) if unread.is_unmounted(identity, &scan) => {
            let problem = "its directory is empty and of another file system than before, as if unmounted";
            (scan, problem.to_owned())
        }
        Ok((_, scan)) => (scan, String::new()),
        Err(e) => (Scan::default(), format!("its directory can't be read: {e}")),
    };
    let mut condition = Condition { problem, skipped: scan.skipped };
    if !condition.problem.is_empty() {
        condition.skipped = listing.condition().skipped;
        scan.unread = vec![String::new()];
    }
    // An empty directory may be one that is not mounted yet: digests are kept for when it is.
    let is_empty = scan.files.is_empty();
    unread.keep(scan.unread, &mut scan.files, listing, Instant::now().into_std());
    listing.set_condition(condition.clone());
    // Before the first look that succeeds, "nothing" would be a guess.
    if !condition.problem.is_empty() && !listing.is_ready() {
        return Some(Look { condition, ..Look::default() });
    }
    let unread = Some(&*unread).filter(|_| !is_empty);
    let remembered = cache.recall(&scan.files, unread, listing);
    let first = (!listing.is_ready()).then_some((scan.files.len(), remembered.len()));
    let (files, bytes) = (scan.files.len(), scan.files.values().map(|stamp| stamp.size).sum());
    let applied = listing.apply(scan.files, &remembered);
    applied.renamed.iter().for_each(|digest| cache.put(digest));
    if let Some(unread) = unread {
        let gone = applied.gone.iter().filter(|path| !unread.covers(path));
        gone.for_each(|path| cache.forget(path.clone()));
    }
    Some(Look { first, condition, example: scan.example, files, bytes, applied })
}

impl Said {
    /// Logs what is new about the directory.
    fn say(&mut self, directory: &Path, keep: Duration, look: &Look) {
        let Look { first, condition: Condition { problem, skipped }, example, applied, .. } = look;
        let at = directory.display();
        if let Some((files, known)) = first {
            tracing::info!(directory = %at, files, known, "the directory is listed; `known` digests are from the cache");
        }
        if !problem.is_empty() && !applied.gone.is_empty() {
            tracing::warn!(
                directory = %at, "this peer shares nothing: {problem}; its files are listed again when it is back"
            );
            self.problem.clone_from(problem);
        } else if *problem != self.problem {
            match problem.is_empty() {
                true => tracing::info!(directory = %at, "the shared directory can be read again"),
                false => tracing::warn!(
                    directory = %at,
                    "this peer shares nothing new, for {problem}; what was known stays listed for {}: mount \
                     it or make it readable again, or start this peer with another `directory`",
                    humantime::format_duration(keep)
                ),
            }
            self.problem.clone_from(problem);
        }
        // Those that hide do so on purpose.
        let skipped = Skipped { hidden: 0, unfinished: 0, ..*skipped };
        if skipped != self.skipped && skipped != Skipped::default() {
            let Skipped { special, links, names, unreadable, beyond, .. } = skipped;
            tracing::warn!(
                directory = %at, names, unreadable, links, special, beyond,
                example = example.as_deref().unwrap_or_default(),
                "some of the directory is not shared: names that are not UTF-8 or hold a backslash, what can't be \
                 read, links that lead to no file in it, sockets, pipes and devices, or too many files"
            );
        }
        self.skipped = skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(root: &Path, set_watcher: SetWatcher) -> Scanner {
        Scanner {
            dir: Arc::new(SharedDir::open_or_create(root).unwrap()),
            listing: Arc::new(Listing::new()),
            cache: Arc::new(DigestCache::open(None)),
            scanned: Arc::default(),
            rescan: Duration::from_secs(60),
            keep: Duration::from_secs(600),
            metrics: CatalogMetrics::new(&crate::metrics::Metrics::new()),
            set_watcher,
            cancel: CancellationToken::new(),
        }
    }

    #[tokio::test]
    async fn neither_reading_nor_what_hides_calls_for_reading_it_again() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/a"), "a").unwrap();
        let scanner = scanner(root.path(), Watcher::new);
        let (dir, scanned, stop) =
            (Arc::clone(&scanner.dir), Arc::clone(&scanner.scanned), scanner.cancel.clone().drop_guard());
        let running = tokio::spawn(scanner.run());
        scanned.notified().await;
        // As hashing does.
        let path = crate::shared_dir::SharedPath::parse("d/a").unwrap();
        std::io::read_to_string(dir.open(&path).unwrap().file).unwrap();
        // As an upload does.
        std::fs::write(root.path().join("d/.chordial-upload-0123456789abcdef.part"), "b").unwrap();
        let again = tokio::time::timeout(DEBOUNCE * 3, scanned.notified()).await;
        assert!(again.is_err(), "it was read again though nothing changed");
        std::fs::write(root.path().join("d/a"), "b").unwrap();
        tokio::time::timeout(Duration::from_secs(2), scanned.notified()).await.expect("not noticed in time");
        drop(stop);
        tokio::time::timeout(Duration::from_secs(20), running).await.expect("it does not end").unwrap();
    }

    #[tokio::test]
    async fn where_nothing_can_be_watched_changes_are_still_noticed_in_time() {
        let root = tempfile::tempdir().unwrap();
        let scanner =
            scanner(root.path(), |_, _, _| Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)));
        let (listing, cancel) = (Arc::clone(&scanner.listing), scanner.cancel.clone());
        let running = tokio::spawn(scanner.run());
        listing.ready().await;
        let (_, mut changes) = listing.subscribe();
        std::fs::write(root.path().join("a"), "a").unwrap();
        let change = tokio::time::timeout(Duration::from_secs(2), changes.recv()).await;
        assert_eq!(change.expect("not noticed in time").unwrap().present[0].path, "a");
        cancel.cancel();
        tokio::time::timeout(Duration::from_secs(20), running).await.expect("it does not end").unwrap();
    }
}
