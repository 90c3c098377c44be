//! The one place that holds what is shared now, and tells who listens of each change.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use chordial_proto::catalog_v1::{File, Skipped, WatchResponse};
use tokio::sync::{broadcast, watch};

use crate::shared_dir::{SharedPath, Stamp};

use super::renames::Renames;

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
    pub stamp: Stamp,
}

/// A digest that was computed.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    /// Of which file.
    pub path: String,
    /// In which state.
    pub stamp: Stamp,
    /// BLAKE3.
    pub digest: [u8; 32],
}

/// What [`Listing::apply`] changed of what concerns digests.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Paths that were listed and are no longer.
    pub gone: Vec<String>,
    /// Digests that files brought along from the names they had before.
    pub renamed: Vec<Digest>,
}

/// How well the listing tells what is in the directory.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Condition {
    /// Why the directory can't be read now, for callers: it says nothing of where that is. Empty where it can.
    pub problem: String,
    /// What is in it and not shared, as the last scan that could read it counted.
    pub skipped: Skipped,
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
    condition: RwLock<Condition>,
    changes: broadcast::Sender<Arc<WatchResponse>>,
    scanned: watch::Sender<bool>,
}

impl Listing {
    /// An empty one that no scan has filled yet.
    pub fn new() -> Self {
        Self {
            files: RwLock::default(),
            condition: RwLock::default(),
            changes: broadcast::Sender::new(BUFFERED),
            scanned: watch::Sender::new(false),
        }
    }

    /// Waits until the directory has been read once; before that "nothing" would be a guess.
    pub async fn ready(&self) {
        // The sender lives in self, so this can't fail.
        let _ = self.scanned.subscribe().wait_for(|scanned| *scanned).await;
    }

    /// Whether the directory has been read once.
    pub fn is_ready(&self) -> bool {
        *self.scanned.borrow()
    }

    /// Replaces the listing by what a scan found. A file that did not change keeps its digest, also under
    /// another name; `remembered` are digests of others, by path.
    pub fn apply(
        &self,
        found: BTreeMap<SharedPath, Stamp>,
        remembered: &HashMap<String, [u8; 32]>,
    ) -> Applied {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let mut renames = Renames::default();
        let mut gone = Vec::new();
        for (path, entry) in &files.by_path {
            let now = found.get(path.as_str());
            renames.left(&entry.stamp, now, &entry.file.digest);
            if now.is_none() {
                gone.push(path.clone());
            }
        }
        for path in &gone {
            if let Some(entry) = files.by_path.remove(path) {
                files.by_name.remove(&(entry.file.name.clone(), path.clone()));
            }
        }
        let mut renamed = Vec::new();
        let mut present = Vec::new();
        for (path, stamp) in found {
            if files.by_path.get(path.as_str()).is_some_and(|entry| entry.stamp == stamp) {
                continue;
            }
            let path_text = path.as_str().to_owned();
            let digest = remembered.get(path.as_str()).copied().or_else(|| {
                let digest = renames.digest(&stamp)?;
                renamed.push(Digest { path: path_text.clone(), stamp, digest });
                Some(digest)
            });
            let file = Arc::new(File {
                name: path.name(),
                path: path_text,
                size: stamp.size,
                modified_ms: stamp.modified_ms(),
                digest: digest.map_or_else(Vec::new, Vec::from),
            });
            files.by_name.insert((file.name.clone(), file.path.clone()));
            files.by_path.insert(file.path.clone(), Entry { file: Arc::clone(&file), stamp });
            present.push(file);
        }
        // Told while the lock is held: a subscriber sees each change in its snapshot or as a message.
        for paths in gone.chunks(BATCH) {
            self.tell(WatchResponse { gone: paths.to_vec(), ..Default::default() });
        }
        self.tell_present(&present);
        drop(files);
        self.scanned.send_replace(true);
        Applied { gone, renamed }
    }

    /// Adds digests. Those whose file has changed since are left out; their paths are returned.
    pub fn add_digests(&self, digests: &[Digest]) -> Vec<String> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let mut present = Vec::new();
        let mut outdated = Vec::new();
        for Digest { path, stamp, digest } in digests {
            match files.by_path.get_mut(path) {
                Some(entry) if entry.stamp == *stamp => {
                    entry.file = Arc::new(File { digest: digest.to_vec(), ..File::clone(&entry.file) });
                    present.push(Arc::clone(&entry.file));
                }
                _ => outdated.push(path.clone()),
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
    pub fn has(&self, path: &SharedPath, stamp: &Stamp) -> bool {
        self.read().by_path.get(path.as_str()).is_some_and(|entry| entry.stamp == *stamp)
    }

    /// The files at `path` or below it; all where `path` is empty.
    pub fn below(&self, path: &str) -> Vec<(String, Stamp)> {
        let files = self.read();
        let here = files.by_path.get_key_value(path).filter(|_| !path.is_empty());
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        let inside = files.by_path.range::<str, _>((Bound::Included(folder.as_str()), Bound::Unbounded));
        let inside = inside.take_while(|(path, _)| path.starts_with(&folder));
        here.into_iter().chain(inside).map(|(path, entry)| (path.clone(), entry.stamp)).collect()
    }

    /// How well it tells what is there.
    pub fn condition(&self) -> Condition {
        self.condition.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets that.
    pub fn set_condition(&self, condition: Condition) {
        *self.condition.write().unwrap_or_else(PoisonError::into_inner) = condition;
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
    use crate::shared_dir::Inode;

    fn stamp(inode: u64, size: u64) -> Stamp {
        Stamp {
            size,
            modified: i128::from(size),
            changed: i128::from(size),
            inode: Some(Inode { number: inode, born: 1 }),
        }
    }

    /// Files of these sizes, each with an inode of its own.
    fn found(files: &[(&str, u64)]) -> BTreeMap<SharedPath, Stamp> {
        let numbered = files.iter().zip(1..);
        numbered
            .map(|((path, size), inode)| (SharedPath::parse(path).unwrap(), stamp(inode, *size)))
            .collect()
    }

    fn apply(listing: &Listing, found: BTreeMap<SharedPath, Stamp>) -> Applied {
        listing.apply(found, &HashMap::new())
    }

    #[test]
    fn a_scan_is_told_as_differences() {
        let listing = Listing::new();
        assert!(!listing.is_ready());
        apply(&listing, found(&[("a", 1), ("b", 1)]));
        assert!(listing.is_ready());
        let (all, mut changes) = listing.subscribe();
        assert_eq!(all.len(), 2);
        apply(&listing, found(&[("a", 1), ("c", 1), ("b", 2)]));
        let change = changes.try_recv().unwrap();
        let told: Vec<_> = change.present.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!(told, [("b", 2), ("c", 1)]);
        assert_eq!(apply(&listing, found(&[("a", 1), ("c", 1)])).gone, ["b"]);
        assert_eq!(changes.try_recv().unwrap().gone, ["b"]);
        apply(&listing, found(&[("a", 1), ("c", 1)]));
        assert!(changes.try_recv().is_err());
        assert!(listing.named("b", 10).is_empty());
    }

    #[test]
    fn a_digest_of_another_state_is_not_taken() {
        let listing = Listing::new();
        apply(&listing, found(&[("a", 1)]));
        let old = listing.get("a").unwrap().stamp;
        apply(&listing, found(&[("a", 2)]));
        let digest = |stamp| Digest { path: "a".to_owned(), stamp, digest: [7; 32] };
        assert_eq!(listing.add_digests(&[digest(old)]), ["a"]);
        assert_eq!(listing.without_digest(), ["a"]);
        let new = listing.get("a").unwrap().stamp;
        assert!(listing.add_digests(&[digest(new)]).is_empty());
        assert!(listing.without_digest().is_empty());
        apply(&listing, found(&[("a", 2)]));
        assert_eq!(listing.get("a").unwrap().file.digest, [7; 32]);
    }

    #[test]
    fn a_remembered_digest_is_told_with_its_file() {
        let listing = Listing::new();
        let remembered = HashMap::from([("a".to_owned(), [7; 32])]);
        let applied = listing.apply(found(&[("a", 1), ("b", 1)]), &remembered);
        assert!(applied.renamed.is_empty());
        assert_eq!(listing.get("a").unwrap().file.digest, [7; 32]);
        assert_eq!(listing.without_digest(), ["b"]);
    }

    #[test]
    fn a_renamed_file_brings_its_digest_along() {
        let listing = Listing::new();
        let at = |path: &str, stamp| (SharedPath::parse(path).unwrap(), stamp);
        apply(&listing, BTreeMap::from([at("a", stamp(1, 5)), at("b", stamp(2, 5))]));
        let digests = [("a", 1), ("b", 2)].map(|(path, inode)| Digest {
            path: path.to_owned(),
            stamp: stamp(inode, 5),
            digest: [inode as u8; 32],
        });
        assert!(listing.add_digests(&digests).is_empty());
        // Renaming counts as a change of the file's metadata.
        let renamed = Stamp { changed: 9, ..stamp(1, 5) };
        let applied = apply(&listing, BTreeMap::from([at("d/c", renamed), at("b", stamp(2, 5))]));
        assert_eq!(applied.gone, ["a"]);
        assert_eq!((applied.renamed[0].path.as_str(), applied.renamed[0].digest), ("d/c", [1; 32]));
        assert_eq!(listing.get("d/c").unwrap().file.digest, [1; 32]);
        // Over another one.
        apply(&listing, BTreeMap::from([at("b", Stamp { changed: 10, ..renamed })]));
        assert_eq!(listing.get("b").unwrap().file.digest, [1; 32]);
        // Changed in place with the modification time put back: no rename.
        apply(&listing, BTreeMap::from([at("b", Stamp { changed: 11, ..renamed })]));
        assert!(listing.get("b").unwrap().file.digest.is_empty());
    }

    #[test]
    fn folders_that_swap_names_take_their_digests_along() {
        let listing = Listing::new();
        let apply = |d1, d2| {
            let at = |path, inode| (SharedPath::parse(path).unwrap(), stamp(inode, 5));
            apply(&listing, BTreeMap::from([at("d1/f", d1), at("d2/f", d2)]));
        };
        let digests = || ["d1/f", "d2/f"].map(|path| listing.get(path).unwrap().file.digest.clone());
        apply(1, 2);
        let digest = |path: &str, inode: u8| Digest {
            path: path.to_owned(),
            stamp: stamp(inode.into(), 5),
            digest: [inode; 32],
        };
        assert!(listing.add_digests(&[digest("d1/f", 1), digest("d2/f", 2)]).is_empty());
        apply(2, 1);
        assert_eq!(digests(), [[2; 32], [1; 32]]);
        // One that was not known before.
        apply(3, 1);
        assert_eq!(digests(), [vec![], vec![1; 32]]);
    }

    #[test]
    fn what_lies_below_a_folder() {
        let listing = Listing::new();
        apply(&listing, found(&[("a", 1), ("a b", 1), ("a.txt", 1), ("ab/c", 1), ("d/e", 1), ("d/e/f", 1)]));
        let below = |path| listing.below(path).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(below("d"), ["d/e", "d/e/f"]);
        assert_eq!(below("d/e"), ["d/e", "d/e/f"]);
        assert_eq!(below("a"), ["a"]);
        assert_eq!(below("").len(), 6);
        assert!(below("x").is_empty());
    }

    #[test]
    fn names_are_found_in_composed_form_and_alone() {
        let listing = Listing::new();
        apply(&listing, found(&[("x/e\u{301}", 1), ("y/\u{e9}", 1), ("\u{e9}b", 1), ("z/e", 1)]));
        let paths: Vec<_> = listing.named("\u{e9}", 10).into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["x/e\u{301}", "y/\u{e9}"]);
        assert_eq!(listing.named("\u{e9}", 1).len(), 1);
    }
}
