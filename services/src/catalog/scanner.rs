//! Decides when the directory is read again: on a hint of the operating system, else now and then.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{Identity, SharedDir};

use super::listing::Listing;
use super::scan::{Skipped, scan};
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
    /// Told after each scan.
    pub scanned: Arc<Notify>,
    /// Longest time between two scans.
    pub rescan: Duration,
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
    scan_failed: Option<String>,
    watch_failed: bool,
    skipped: Skipped,
}

impl Scanner {
    /// Runs until cancelled.
    pub async fn run(self) {
        let changed = Arc::new(Notify::new());
        let mut watcher: Option<Watcher> = None;
        let mut watch_again = Instant::now();
        let mut said = Said::default();
        loop {
            let began = Instant::now();
            // Set before the scan, so that nothing falls in between.
            watcher = self.watch(watcher, &mut watch_again, &changed, &mut said).await;
            let whole = self.scan(&mut said).await;
            let took = began.elapsed();
            if self.cancel.is_cancelled() {
                return;
            }
            // A directory that takes long to read is not read all the time.
            let pause = (4 * took).min(self.rescan);
            let quiet =
                if whole && watcher.is_some() { self.rescan } else { POLL.min(self.rescan).max(pause) };
            let hint = async {
                changed.notified().await;
                tokio::time::sleep(DEBOUNCE.max(pause.min(POLL))).await;
            };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = hint => {}
                () = tokio::time::sleep(quiet) => {}
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

    /// Reads the directory into the listing; where that fails, the listing stays as it is.
    async fn scan(&self, said: &mut Said) -> bool {
        let (dir, listing, cancel) = (Arc::clone(&self.dir), Arc::clone(&self.listing), self.cancel.clone());
        let read = move || -> io::Result<Skipped> {
            let found = scan(&dir.current()?.1, &listing, &cancel)?;
            listing.apply(found.files);
            Ok(found.skipped)
        };
        let result = tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let directory = self.dir.path().display();
        match result {
            Ok(skipped) => {
                if said.scan_failed.take().is_some() {
                    tracing::info!(%directory, "the shared directory can be read again");
                }
                if said.skipped == Skipped::default() && skipped != Skipped::default() {
                    let Skipped { names, unreadable, beyond } = skipped;
                    tracing::warn!(%directory, names, unreadable, beyond, "some files are not shared: names that \
                        are not UTF-8 or hold a backslash, files that can't be read, or too many files");
                }
                said.skipped = skipped;
                self.scanned.notify_one();
                true
            }
            Err(_) if self.cancel.is_cancelled() => false,
            Err(e) => {
                let what = e.to_string();
                if said.scan_failed.as_ref() != Some(&what) {
                    tracing::warn!(%directory, error = what, "the shared directory can't be read; its last \
                        listing stays until it can");
                    said.scan_failed = Some(what);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(root: &Path, set_watcher: SetWatcher) -> Scanner {
        Scanner {
            dir: Arc::new(SharedDir::open_or_create(root).unwrap()),
            listing: Arc::new(Listing::new()),
            scanned: Arc::default(),
            rescan: Duration::from_secs(60),
            set_watcher,
            cancel: CancellationToken::new(),
        }
    }

    #[tokio::test]
    async fn reading_the_directory_does_not_call_for_reading_it_again() {
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
