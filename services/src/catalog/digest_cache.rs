//! Digests on the disk, so that a restart reads no file that did not change.
//!
//! A row holds the state that its digest belongs to; a row of another state counts for nothing. So the cache may
//! lose rows at any time, and a write that is cut off by a crash or a full disk costs only reading again.
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{Inode, SharedPath, Stamp};

use super::listing::{Digest, Listing};
use super::renames::Renames;
use super::unread::Unread;

/// Size, modification and change in nanoseconds since 1970, inode and birth, digest.
type Row<'a> = (u64, i128, i128, Option<(u64, i128)>, &'a [u8; 32]);
/// By path. Another form of row needs another name.
const TABLE: TableDefinition<&str, Row<'static>> = TableDefinition::new("digests of blake3, form 1");
/// What the database may hold in memory: pages are mostly read once.
const MEMORY: usize = 4 << 20;
/// From the first change to writing it with all others since.
const GATHER: Duration = Duration::from_secs(1);

/// Digests by path. Changes are gathered and written in one go.
#[derive(Debug)]
pub(super) struct DigestCache {
    /// `None`: nothing is kept.
    database: Option<Database>,
    /// Not written yet; `None` where the row is to go. At most one per row or listed file.
    pending: Mutex<HashMap<String, Option<Digest>>>,
    changed: Notify,
    /// Whether rows of files that are gone have been dropped since the start.
    swept: AtomicBool,
    said: AtomicBool,
}

impl DigestCache {
    /// Opens the file at `path`; where it can't be used it is set aside, and an empty one takes its place.
    /// Without a path, or where not even that works, nothing is kept. Blocks on the disk.
    pub fn open(path: Option<&Path>) -> Self {
        Self {
            database: path.and_then(open_or_replace),
            pending: Mutex::default(),
            changed: Notify::new(),
            swept: AtomicBool::new(false),
            said: AtomicBool::new(false),
        }
    }

    /// Digests of those files found that the listing does not have in their present state. `unread` says of
    /// what else nothing is known; all other files do not exist, and, once, rows of such files are dropped.
    /// `None`: nothing is known of any other file. Blocks on the disk.
    pub fn recall(
        &self,
        found: &BTreeMap<SharedPath, Stamp>,
        unread: Option<&Unread>,
        listing: &Listing,
    ) -> HashMap<String, [u8; 32]> {
        let swept = self.swept.swap(unread.is_some(), Ordering::Relaxed);
        self.attempt("read", |database| {
            let left = match unread {
                Some(unread) if !swept => self.sweep(database, found, unread)?,
                _ => Renames::default(),
            };
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut digests = HashMap::new();
            for (path, stamp) in found.iter().filter(|(path, stamp)| !listing.has(path, stamp)) {
                let row = table.get(path.as_str())?.map(|row| unpack(row.value()));
                let digest = match row {
                    Some((then, digest)) if then == *stamp => digest,
                    _ => {
                        let Some(digest) = left.digest(stamp) else { continue };
                        self.put(&Digest { path: path.as_str().to_owned(), stamp: *stamp, digest });
                        digest
                    }
                };
                digests.insert(path.as_str().to_owned(), digest);
            }
            Ok(digests)
        })
        .unwrap_or_default()
    }

    /// Drops the rows of files that are not `found`; returns them, for they may have been renamed.
    fn sweep(
        &self,
        database: &Database,
        found: &BTreeMap<SharedPath, Stamp>,
        unread: &Unread,
    ) -> Result<Renames, redb::Error> {
        let mut left = Renames::default();
        for row in database.begin_read()?.open_table(TABLE)?.iter()? {
            let (path, row) = row?;
            let (stamp, digest) = unpack(row.value());
            let now = found.get(path.value());
            if now.is_none() && unread.covers(path.value()) {
                continue;
            }
            left.left(&stamp, now, &digest);
            if now.is_none() {
                self.forget(path.value().to_owned());
            }
        }
        Ok(left)
    }

    /// Keeps a digest.
    pub fn put(&self, digest: &Digest) {
        self.change(digest.path.clone(), Some(digest.clone()));
    }

    /// Drops the row of a file that is gone.
    pub fn forget(&self, path: String) {
        self.change(path, None);
    }

    fn change(&self, path: String, digest: Option<Digest>) {
        if self.database.is_some() {
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(path, digest);
            self.changed.notify_one();
        }
    }

    /// Writes what changes until cancelled, and then what is left.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let mut ending = false;
        while !ending {
            ending = tokio::select! {
                () = cancel.cancelled() => true,
                () = self.changed.notified() => {
                    tokio::time::timeout(GATHER, cancel.cancelled()).await.is_ok()
                }
            };
            let cache = Arc::clone(&self);
            // A panic is said by the panic itself; what was to be written is computed again some day.
            let _ = tokio::task::spawn_blocking(move || cache.flush()).await;
        }
    }

    /// Writes what changed. Blocks on the disk.
    pub fn flush(&self) {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.is_empty() {
            return;
        }
        self.attempt("written", |database| {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for (path, digest) in &pending {
                    match digest {
                        Some(Digest { stamp, digest, .. }) => {
                            table.insert(path.as_str(), pack(stamp, digest))?
                        }
                        None => table.remove(path.as_str())?,
                    };
                }
            }
            transaction.commit()?;
            Ok(())
        });
    }

    /// What `work` returns; a failure is said once, and is no reason to stop.
    fn attempt<T>(&self, what: &str, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Option<T> {
        match work(self.database.as_ref()?) {
            Ok(done) => Some(done),
            Err(error) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        %error, "the digest cache in the state folder can't be {what}; files are read again after \
                        a restart. Check the disk that holds `state`"
                    );
                }
                None
            }
        }
    }
}

fn pack<'a>(stamp: &Stamp, digest: &'a [u8; 32]) -> Row<'a> {
    let inode = stamp.inode.map(|inode| (inode.number, inode.born));
    (stamp.size, stamp.modified, stamp.changed, inode, digest)
}

fn unpack(row: Row<'_>) -> (Stamp, [u8; 32]) {
    let (size, modified, changed, inode, digest) = row;
    let inode = inode.map(|(number, born)| Inode { number, born });
    (Stamp { size, modified, changed, inode }, *digest)
}

/// The database at `path`, or a new one in place of what lies there.
fn open_or_replace(path: &Path) -> Option<Database> {
    let file = path.display();
    let why = match open(path) {
        Ok(database) => return Some(database),
        Err(why) => why,
    };
    let content = match &why {
        redb::Error::Io(error) => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        redb::Error::DatabaseAlreadyOpen => false,
        _ => true,
    };
    if !content {
        tracing::warn!(%file, error = %why, "the digest cache can't be opened; every file is read at each start");
        return None;
    }
    let aside = path.with_extension("broken");
    match std::fs::rename(path, &aside).map_err(redb::Error::from).and_then(|()| open(path)) {
        Ok(database) => {
            tracing::warn!(
                %file, error = %why, aside = %aside.display(),
                "the digest cache is damaged or not one, and is set aside: every file is read once"
            );
            Some(database)
        }
        Err(error) => {
            tracing::warn!(
                %file, %error, "the digest cache is damaged and can't be replaced; every file is read at each start"
            );
            None
        }
    }
}

/// Opens a database, or makes one, with its table. All pages are checked: a damaged one is an error here, not a
/// wrong digest later.
fn open(path: &Path) -> Result<Database, redb::Error> {
    let database = Builder::new().set_cache_size(MEMORY).set_check_integrity_on_open(true).create(path)?;
    let transaction = database.begin_write()?;
    drop(transaction.open_table(TABLE)?);
    transaction.commit()?;
    Ok(database)
}

#[cfg(test)]
impl DigestCache {
    /// Whether it keeps anything at all.
    pub fn is_kept(&self) -> bool {
        self.database.is_some()
    }

    /// The paths of all its rows.
    pub fn paths(&self) -> Vec<String> {
        let table = self.database.as_ref().unwrap().begin_read().unwrap().open_table(TABLE).unwrap();
        table.iter().unwrap().map(|row| row.unwrap().0.value().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp =
        Stamp { size: 1, modified: 2, changed: 3, inode: Some(Inode { number: 4, born: 5 }) };

    fn digest(path: &str, stamp: Stamp) -> Digest {
        Digest { path: path.to_owned(), stamp, digest: [9; 32] }
    }

    fn found(files: &[(&str, Stamp)]) -> BTreeMap<SharedPath, Stamp> {
        files.iter().map(|(path, stamp)| (SharedPath::parse(path).unwrap(), *stamp)).collect()
    }

    fn recall(cache: &DigestCache, files: &[(&str, Stamp)], unread: Option<&Unread>) -> Vec<String> {
        let mut paths: Vec<_> = cache.recall(&found(files), unread, &Listing::new()).into_keys().collect();
        paths.sort();
        paths
    }

    #[test]
    fn rows_count_for_the_state_they_were_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("digests.redb");
        let cache = DigestCache::open(Some(&file));
        let unborn = Stamp { inode: None, ..STAMP };
        cache.put(&digest("a", STAMP));
        cache.put(&digest("b", unborn));
        cache.flush();
        drop(cache);
        let cache = DigestCache::open(Some(&file));
        assert_eq!(recall(&cache, &[("a", STAMP), ("b", unborn), ("c", unborn)], None), ["a", "b"]);
        let another = Some(Inode { number: 5, born: 5 });
        for other in [
            Stamp { size: 0, ..STAMP },
            Stamp { modified: 0, ..STAMP },
            Stamp { changed: 0, ..STAMP },
            Stamp { inode: another, ..STAMP },
            unborn,
        ] {
            assert!(recall(&cache, &[("a", other)], None).is_empty(), "{other:?}");
        }
        // Listed already.
        let listing = Listing::new();
        listing.apply(found(&[("a", STAMP)]), &HashMap::new());
        assert!(cache.recall(&found(&[("a", STAMP)]), None, &listing).is_empty());
    }

    #[test]
    fn rows_of_files_that_are_gone_are_dropped_and_renames_found() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DigestCache::open(Some(&folder.path().join("digests.redb")));
        ["a", "b", "d/e"].iter().zip(1..).for_each(|(path, number)| {
            cache.put(&digest(path, Stamp { inode: Some(Inode { number, born: 5 }), ..STAMP }));
        });
        cache.flush();
        let moved = Stamp { inode: Some(Inode { number: 1, born: 5 }), changed: 8, ..STAMP };
        let reused = Stamp { inode: Some(Inode { number: 2, born: 6 }), changed: 8, ..STAMP };
        // Nothing is known to be gone.
        assert!(recall(&cache, &[("c", moved)], None).is_empty());
        cache.flush();
        assert_eq!(cache.paths(), ["a", "b", "d/e"]);
        let mut unread = Unread::default();
        unread.keep(vec!["d".to_owned()], &mut BTreeMap::new(), &Listing::new(), std::time::Instant::now());
        assert_eq!(recall(&cache, &[("c", moved), ("f", reused)], Some(&unread)), ["c"]);
        cache.flush();
        assert_eq!(cache.paths(), ["c", "d/e"]);
        cache.forget("c".to_owned());
        cache.flush();
        assert_eq!(cache.paths(), ["d/e"]);
    }

    #[tokio::test]
    async fn what_changes_is_written_without_being_asked_and_survives_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("digests.redb");
        let cache = Arc::new(DigestCache::open(Some(&file)));
        let cancel = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&cache).run(cancel.clone()));
        cache.put(&digest("a", STAMP));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while cache.paths() != ["a"] {
            assert!(tokio::time::Instant::now() < deadline, "it is not written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What a process that is killed leaves behind: the file as it is, never closed.
        let left = folder.path().join("left.redb");
        std::fs::copy(&file, &left).unwrap();
        assert_eq!(DigestCache::open(Some(&left)).paths(), ["a"]);
        // In use, it is left alone.
        assert!(!DigestCache::open(Some(&file)).is_kept());
        assert!(!file.with_extension("broken").exists());
        cache.put(&digest("b", STAMP));
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(cache.paths(), ["a", "b"]);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("digests.redb");
        let aside = file.with_extension("broken");
        let cache = DigestCache::open(Some(&file));
        for number in 0..200 {
            cache.put(&digest(&format!("file {number}"), STAMP));
        }
        cache.flush();
        drop(cache);
        let good = std::fs::read(&file).unwrap();
        let mut damaged =
            vec![b"not a database at all".to_vec(), good[..good.len() / 2].to_vec(), vec![0; 5000]];
        let row = good.windows(32).rposition(|bytes| bytes == [9; 32]).unwrap();
        damaged.extend([0, row].map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        }));
        for (number, bytes) in damaged.into_iter().enumerate() {
            std::fs::write(&file, &bytes).unwrap();
            let cache = DigestCache::open(Some(&file));
            assert!(cache.paths().is_empty(), "{number}");
            assert_eq!(std::fs::read(&aside).unwrap(), bytes, "{number}");
            cache.put(&digest("a", STAMP));
            cache.flush();
            assert_eq!(cache.paths(), ["a"], "{number}");
        }
    }

    #[test]
    fn without_a_place_nothing_is_kept_and_nothing_fails() {
        let folder = tempfile::tempdir().unwrap();
        // A folder where the file should be.
        for cache in [DigestCache::open(None), DigestCache::open(Some(folder.path()))] {
            cache.put(&digest("a", STAMP));
            cache.flush();
            assert!(!cache.is_kept() && recall(&cache, &[("a", STAMP)], None).is_empty());
        }
    }
}
