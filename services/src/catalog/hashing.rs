//! Computes digests in the background: few at a time, and none of a file that does not hold still.
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{SharedDir, SharedPath, Stamp};

use super::digest_cache::DigestCache;
use super::listing::{BATCH, Digest, Listing};
use super::metrics::CatalogMetrics;

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// Digests wait so long for others, so that many small files make few messages.
const GATHER: Duration = Duration::from_millis(50);
/// A file changed more recently than this may change again without its times showing it: file systems keep
/// them in steps of the kernel's clock.
const STEP: Duration = Duration::from_millis(50);
/// The same for times in whole seconds, which may be all that the file system keeps (FAT: even seconds).
const COARSE_STEP: Duration = Duration::from_millis(2500);
/// First wait before a file that changed just now, or while it was read, is read again; doubled each time.
const RETRY: Duration = Duration::from_millis(500);
/// Longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Files that wait for their digest, each at most once.
#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<String>,
    later: BTreeSet<(Instant, String)>,
    /// Failures so far of every file that waits or is being read.
    tracked: HashMap<String, u32>,
}

impl Queue {
    /// Takes in a file, unless it is here.
    fn admit(&mut self, path: String) {
        if !self.tracked.contains_key(&path) {
            self.tracked.insert(path.clone(), 0);
            self.ready.push_back(path);
        }
    }

    /// The next file to read.
    fn next(&mut self, now: Instant) -> Option<String> {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            self.ready.extend(self.later.pop_first().map(|(_, path)| path));
        }
        self.ready.pop_front()
    }

    /// When a file that was put off is due.
    fn due(&self) -> Option<Instant> {
        self.later.first().map(|(due, _)| *due)
    }

    fn finished(&mut self, path: &str) {
        self.tracked.remove(path);
    }

    /// Puts a file off that changed or could not be read, longer each time.
    fn put_off(&mut self, path: String, now: Instant) {
        let failures = self.tracked.entry(path.clone()).or_default();
        let wait = RETRY.saturating_mul(1 << (*failures).min(10)).min(RETRY_MAX);
        *failures += 1;
        self.later.insert((now + wait, path));
    }
}

/// What became of reading one file.
#[derive(Debug)]
struct Outcome {
    path: String,
    stamp: Stamp,
    /// `None`: it changed just now, or meanwhile.
    digest: io::Result<Option<[u8; 32]>>,
}

/// Computes what the listing lacks, whenever `wake` says that there may be something, until cancelled.
pub(super) async fn run(
    dir: Arc<SharedDir>,
    listing: Arc<Listing>,
    cache: Arc<DigestCache>,
    wake: Arc<Notify>,
    hashers: usize,
    metrics: CatalogMetrics,
    cancel: CancellationToken,
) {
    let mut queue = Queue::default();
    let mut running = JoinSet::new();
    let mut done: Vec<Digest> = Vec::new();
    let mut flush_at = Instant::now();
    loop {
        while running.len() < hashers.max(1) {
            let Some(path) = queue.next(Instant::now()) else { break };
            match listing.get(&path).filter(|entry| entry.file.digest.is_empty()) {
                Some(entry) => {
                    let (dir, cancel, stamp) = (Arc::clone(&dir), cancel.clone(), entry.stamp);
                    running.spawn_blocking(move || {
                        let digest = match settled(&stamp, SystemTime::now()) {
                            true => digest(&dir, &path, &stamp, &cancel),
                            false => Ok(None),
                        };
                        Outcome { path, stamp, digest }
                    });
                }
                None => queue.finished(&path),
            }
        }
        metrics.pending(queue.tracked.len());
        let due = queue.due().unwrap_or_else(Instant::now);
        tokio::select! {
            () = cancel.cancelled() => return,
            () = wake.notified() => listing.without_digest().into_iter().for_each(|path| queue.admit(path)),
            Some(joined) = running.join_next() => {
                // After a panic the path stays tracked, and so is not tried again.
                let Ok(Outcome { path, stamp, digest }) = joined else { continue };
                match digest {
                    Ok(Some(digest)) => {
                        metrics.hashed(stamp.size);
                        if done.is_empty() {
                            flush_at = Instant::now() + GATHER;
                        }
                        done.push(Digest { path, stamp, digest });
                    }
                    Ok(None) => queue.put_off(path, Instant::now()),
                    Err(e) => {
                        metrics.not_hashed();
                        tracing::debug!(path, error = %e, "no digest yet");
                        queue.put_off(path, Instant::now());
                    }
                }
            }
            () = tokio::time::sleep_until(due), if running.len() < hashers.max(1) && queue.due().is_some() => {}
            () = tokio::time::sleep_until(flush_at), if !done.is_empty() => {}
        }
        if !done.is_empty() && (done.len() >= BATCH || Instant::now() >= flush_at) {
            let done = std::mem::take(&mut done);
            let outdated = listing.add_digests(&done);
            for digest in done {
                queue.finished(&digest.path);
                match outdated.contains(&digest.path) {
                    true => queue.put_off(digest.path, Instant::now()),
                    false => cache.put(&digest),
                }
            }
        }
    }
}

/// Whether the file's times lie far enough back that any later change shows in them. A time in the future
/// was set by hand, and the next change sets it to another one.
fn settled(stamp: &Stamp, now: SystemTime) -> bool {
    const SECOND: i128 = 1_000_000_000;
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as i128);
    [stamp.modified, stamp.changed].into_iter().all(|time| {
        let step = if time % SECOND == 0 { COARSE_STEP } else { STEP };
        !(0..step.as_nanos() as i128).contains(&(now - time))
    })
}

/// Reads a file to its end. `None` where it is not, or does not stay, in the state `expected`.
fn digest(
    dir: &SharedDir,
    path: &str,
    expected: &Stamp,
    cancel: &CancellationToken,
) -> io::Result<Option<[u8; 32]>> {
    let path = SharedPath::parse(path).map_err(io::Error::other)?;
    let mut open = dir.open(&path).map_err(io::Error::other)?;
    if Stamp::of(&open.file)? != *expected {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; BLOCK];
    // A file that grows without end is not followed: one byte behind the expected end tells.
    let mut left = expected.size.saturating_add(1);
    while left > 0 {
        if cancel.is_cancelled() {
            return Err(io::Error::other("the catalog is shutting down"));
        }
        let most = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        match open.file.read(&mut block[..most]) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&block[..read]);
                left -= read as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let unchanged = left == 1 && Stamp::of(&open.file)? == *expected;
    Ok(unchanged.then(|| *hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_put_off_longer_each_time_and_queued_once() {
        let mut queue = Queue::default();
        let start = Instant::now();
        queue.admit("a".to_owned());
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(queue.next(now).as_deref(), Some("a"));
            queue.put_off("a".to_owned(), now);
            queue.admit("a".to_owned());
            assert_eq!(queue.next(now), None);
            let due = queue.due().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits[..3], [RETRY, RETRY * 2, RETRY * 4]);
        assert_eq!(waits[11], RETRY_MAX);
    }

    #[test]
    fn a_digest_is_of_the_expected_state_or_none() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a");
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let digest = |expected: &Stamp| digest(&dir, "a", expected, &CancellationToken::new()).unwrap();
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let bytes = vec![7; size];
            std::fs::write(&file, &bytes).unwrap();
            let now = Stamp::of(&std::fs::File::open(&file).unwrap()).unwrap();
            assert_eq!(digest(&now), Some(*blake3::hash(&bytes).as_bytes()), "{size}");
            assert_eq!(digest(&Stamp { changed: now.changed - 1, ..now }), None);
            assert_eq!(digest(&Stamp { size: now.size + 1, ..now }), None);
        }
    }

    #[test]
    fn a_file_is_not_read_before_its_times_would_show_the_next_change() {
        let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
        let stamp = |modified_ms: i128, changed_ms: i128| Stamp {
            size: 1,
            modified: modified_ms * 1_000_000,
            changed: changed_ms * 1_000_000,
            inode: None,
        };
        // Copied with its old modification time, just now.
        assert!(!settled(&stamp(5_000, 100_001), at(100_010)));
        assert!(settled(&stamp(5_000, 100_001), at(100_060)));
        assert!(!settled(&stamp(100_001, 5_000), at(100_010)));
        // Times in whole seconds.
        assert!(!settled(&stamp(100_000, 100_000), at(102_000)));
        assert!(settled(&stamp(100_000, 100_000), at(102_500)));
        assert!(settled(&stamp(200_000, 50_000), at(100_000)));
    }
}
