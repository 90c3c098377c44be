//! The one place that holds what is shared now, and tells who listens of each change.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use chordial_proto::catalog_v1::{File, WatchResponse};
use tokio::sync::{broadcast, watch};

use crate::shared_dir::{Fingerprint, SharedPath};

/// Files a message of a watch carries at most; with the longest paths this stays below 4 MiB.
pub(super) const BATCH: usize = 500;
/// Messages kept for a subscriber that lags.
const BUFFERED: usize = 1024;
/// Bytes of names and paths after which a page ends early, so that it fits into one gRPC message.
const PAGE_BYTES: usize = 2 << 20;

/// One shared file: its message, ready to send, and the exact state that it describes.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As sent; the digest is empty until it is computed.
    pub file: Arc<File>,
    /// The state on disk that `file` describes.
    pub fingerprint: Fingerprint,
}

/// A digest that was computed.
#[derive(Debug)]
pub(super) struct Digest {
    /// Of which file.
    pub path: String,
    /// In which state.
    pub fingerprint: Fingerprint,
    /// BLAKE3.
    pub digest: [u8; 32],
}

#[derive(Debug, Default)]
struct Files {
    by_path: BTreeMap<String, Entry>,
    /// (NFC name, path).
    by_name: BTreeSet<(String, String)>,
}

/// What is shared now.
#[derive(Debug)]
pub(super) struct Listing {
    files: RwLock<Files>,
    changes: broadcast::Sender<Arc<WatchResponse>>,
    scanned: watch::Sender<bool>,
}

impl Listing {
    /// An empty one that no scan has filled yet.
    pub fn new() -> Self {
        Self {
            files: RwLock::default(),
            changes: broadcast::Sender::new(BUFFERED),
            scanned: watch::Sender::new(false),
        }
    }

    /// Waits until the directory has been read once; before that "nothing" would be a guess.
    pub async fn ready(&self) {
        // The sender lives in self, so this can't fail.
        let _ = self.scanned.subscribe().wait_for(|scanned| *scanned).await;
    }

    /// Replaces the listing by what a scan found, keeping digests of files that did not change.
    pub fn apply(&self, found: BTreeMap<SharedPath, Fingerprint>) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> = files
            .by_path
            .iter()
            .filter(|(path, _)| !found.contains_key(path.as_str()))
            .map(|(path, _)| path.clone())
            .collect();
        for path in &gone {
            if let Some(entry) = files.by_path.remove(path) {
                files.by_name.remove(&(entry.file.name.clone(), path.clone()));
            }
        }
        let mut present = Vec::new();
        for (path, fingerprint) in found {
            if files.by_path.get(path.as_str()).is_some_and(|entry| entry.fingerprint == fingerprint) {
                continue;
            }
            let file = Arc::new(File {
                name: path.name(),
                path: path.as_str().to_owned(),
                size: fingerprint.size,
                modified_ms: fingerprint.modified_ms(),
                digest: Vec::new(),
            });
            files.by_name.insert((file.name.clone(), file.path.clone()));
            files.by_path.insert(file.path.clone(), Entry { file: Arc::clone(&file), fingerprint });
            present.push(file);
        }
        // Told while the lock is held: a subscriber sees each change in its snapshot or as a message.
        for paths in gone.chunks(BATCH) {
            self.tell(WatchResponse { gone: paths.to_vec(), ..Default::default() });
        }
        self.tell_present(&present);
        drop(files);
        self.scanned.send_replace(true);
    }

    /// Adds digests. Those whose file has changed since are left out; their paths are returned.
    pub fn add_digests(&self, digests: Vec<Digest>) -> Vec<String> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let mut present = Vec::new();
        let mut outdated = Vec::new();
        for Digest { path, fingerprint, digest } in digests {
            match files.by_path.get_mut(&path) {
                Some(entry) if entry.fingerprint == fingerprint => {
                    entry.file = Arc::new(File { digest: digest.to_vec(), ..File::clone(&entry.file) });
                    present.push(Arc::clone(&entry.file));
                }
                _ => outdated.push(path),
            }
        }
        self.tell_present(&present);
        outdated
    }

    fn tell_present(&self, present: &[Arc<File>]) {
        for files in present.chunks(BATCH) {
            let present = files.iter().map(|file| File::clone(file)).collect();
            self.tell(WatchResponse { present, ..Default::default() });
        }
    }

    fn tell(&self, change: WatchResponse) {
        // An error only means that nobody listens.
        let _ = self.changes.send(Arc::new(change));
    }

    /// All files now, and every change from now on.
    pub fn subscribe(&self) -> (Vec<Arc<File>>, broadcast::Receiver<Arc<WatchResponse>>) {
        let files = self.read();
        let snapshot = files.by_path.values().map(|entry| Arc::clone(&entry.file)).collect();
        (snapshot, self.changes.subscribe())
    }

    /// The file at exactly this path.
    pub fn get(&self, path: &str) -> Option<Entry> {
        self.read().by_path.get(path).cloned()
    }

    /// Whether the file at `path` is listed in just this state.
    pub fn has(&self, path: &SharedPath, fingerprint: &Fingerprint) -> bool {
        self.read().by_path.get(path.as_str()).is_some_and(|entry| entry.fingerprint == *fingerprint)
    }

    /// Paths whose digest is still to be computed.
    pub fn without_digest(&self) -> Vec<String> {
        let files = self.read();
        let missing = files.by_path.iter().filter(|(_, entry)| entry.file.digest.is_empty());
        missing.map(|(path, _)| path.clone()).collect()
    }

    /// Up to `limit` files behind path `after`, ordered by path; the number of all files; whether more follow.
    pub fn page(&self, after: Option<&str>, limit: usize) -> (Vec<File>, usize, bool) {
        let files = self.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = files.by_path.range::<str, _>((start, Bound::Unbounded)).peekable();
        let mut page = Vec::new();
        let mut bytes = 0;
        while page.len() < limit && bytes < PAGE_BYTES {
            let Some((_, entry)) = rest.next() else { break };
            bytes += entry.file.name.len() + entry.file.path.len() + 64;
            page.push(File::clone(&entry.file));
        }
        (page, files.by_path.len(), rest.peek().is_some())
    }

    /// Up to `limit` files of exactly this NFC base name, ordered by path.
    pub fn named(&self, name: &str, limit: usize) -> Vec<File> {
        let files = self.read();
        let same = files.by_name.range((name.to_owned(), String::new())..).take_while(|(n, _)| n == name);
        same.filter_map(|(_, path)| files.by_path.get(path))
            .map(|e| File::clone(&e.file))
            .take(limit)
            .collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Files> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn found(files: &[(&str, u64)]) -> BTreeMap<SharedPath, Fingerprint> {
        let fingerprint = |size| Fingerprint { size, modified: UNIX_EPOCH + Duration::from_secs(size) };
        files.iter().map(|(path, size)| (SharedPath::parse(path).unwrap(), fingerprint(*size))).collect()
    }

    #[test]
    fn a_scan_is_told_as_differences() {
        let listing = Listing::new();
        listing.apply(found(&[("a", 1), ("b", 1)]));
        let (all, mut changes) = listing.subscribe();
        assert_eq!(all.len(), 2);
        listing.apply(found(&[("a", 1), ("c", 1), ("b", 2)]));
        let change = changes.try_recv().unwrap();
        let told: Vec<_> = change.present.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!(told, [("b", 2), ("c", 1)]);
        listing.apply(found(&[("a", 1), ("c", 1)]));
        assert_eq!(changes.try_recv().unwrap().gone, ["b"]);
        listing.apply(found(&[("a", 1), ("c", 1)]));
        assert!(changes.try_recv().is_err());
        assert!(listing.named("b", 10).is_empty());
    }

    #[test]
    fn a_digest_of_another_state_is_not_taken() {
        let listing = Listing::new();
        listing.apply(found(&[("a", 1)]));
        let old = listing.get("a").unwrap().fingerprint;
        listing.apply(found(&[("a", 2)]));
        let digest = |fingerprint| Digest { path: "a".to_owned(), fingerprint, digest: [7; 32] };
        assert_eq!(listing.add_digests(vec![digest(old)]), ["a"]);
        assert_eq!(listing.without_digest(), ["a"]);
        let new = listing.get("a").unwrap().fingerprint;
        assert!(listing.add_digests(vec![digest(new)]).is_empty());
        assert!(listing.without_digest().is_empty());
        listing.apply(found(&[("a", 2)]));
        assert_eq!(listing.get("a").unwrap().file.digest, [7; 32]);
    }

    #[test]
    fn names_are_found_in_composed_form_and_alone() {
        let listing = Listing::new();
        listing.apply(found(&[("x/e\u{301}", 1), ("y/\u{e9}", 1), ("\u{e9}b", 1), ("z/e", 1)]));
        let paths: Vec<_> = listing.named("\u{e9}", 10).into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["x/e\u{301}", "y/\u{e9}"]);
        assert_eq!(listing.named("\u{e9}", 1).len(), 1);
    }
}
