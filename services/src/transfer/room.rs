//! How much room uploads have: all files below the shared directory together stay within a quota. What uploads
//! under way have announced counts, so that together they can't exceed it either.
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::shared_dir::SharedDir;

/// The directory is measured anew after this time, since its owner changes it, too.
const FRESH: Duration = Duration::from_secs(10);
/// Before an upload is refused, after this time already.
const VERY_FRESH: Duration = Duration::from_secs(1);

/// The room below one directory.
#[derive(Debug)]
pub(super) struct Room {
    dir: Arc<SharedDir>,
    /// Bytes; 0: no limit.
    quota: u64,
    book: Mutex<Book>,
    /// Held while the directory is measured.
    measuring: Mutex<()>,
}

#[derive(Debug, Default)]
struct Book {
    measured: u64,
    at: Option<Instant>,
    /// Uploaded since then.
    stored: u64,
    reserved: u64,
}

/// There is no room for so much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// Bytes that all files have, with those that are under way.
    pub used: u64,
    /// Bytes that they may have.
    pub quota: u64,
}

impl Room {
    pub fn new(dir: Arc<SharedDir>, quota: u64) -> Self {
        Self { dir, quota, book: Mutex::default(), measuring: Mutex::new(()) }
    }

    /// Room for `bytes`, until the share is dropped. Blocks on the file system.
    ///
    /// # Errors
    /// The directory can't be read; inside, that there is no room.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> io::Result<Result<Share, NoRoom>> {
        let mut share = Share { room: Arc::clone(self), bytes: 0 };
        if self.quota == 0 {
            return Ok(Ok(share));
        }
        self.measure(FRESH)?;
        if share.grow(bytes).is_err() {
            self.measure(VERY_FRESH)?;
            if let Err(no_room) = share.grow(bytes) {
                return Ok(Err(no_room));
            }
        }
        Ok(Ok(share))
    }

    /// Measures the directory, unless that was done a short while ago.
    fn measure(&self, max_age: Duration) -> io::Result<()> {
        let _one = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
        let stored_before = {
            let book = self.book();
            if book.at.is_some_and(|at| at.elapsed() < max_age) {
                return Ok(());
            }
            book.stored
        };
        let measured = self.dir.used()?;
        let mut book = self.book();
        book.measured = measured;
        // What was stored meanwhile may have been measured or not: it counts.
        book.stored -= stored_before;
        book.at = Some(Instant::now());
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One upload's part of the room.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Share {
    /// Makes it `bytes` large, if it is smaller.
    ///
    /// # Errors
    /// There is no room for so much.
    pub fn grow(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let quota = self.room.quota;
        let more = bytes.saturating_sub(self.bytes);
        if quota == 0 || more == 0 {
            return Ok(());
        }
        let mut book = self.room.book();
        let used = book.measured.saturating_add(book.stored).saturating_add(book.reserved);
        if used.saturating_add(more) > quota {
            return Err(NoRoom { used, quota });
        }
        book.reserved += more;
        self.bytes = bytes;
        Ok(())
    }

    /// The upload is stored: its bytes are the directory's now.
    pub fn stored(&mut self) {
        let mut book = self.room.book();
        book.reserved -= self.bytes;
        book.stored += self.bytes;
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.book().reserved -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(root: &tempfile::TempDir, quota: u64) -> Arc<Room> {
        Arc::new(Room::new(Arc::new(SharedDir::open_or_create(root.path()).unwrap()), quota))
    }

    #[test]
    fn shares_together_never_exceed_the_quota() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("own"), "1234").unwrap();
        let room = room(&root, 10);
        let mut one = room.reserve(3).unwrap().unwrap();
        assert_eq!(room.reserve(4).unwrap().unwrap_err(), NoRoom { used: 7, quota: 10 });
        let mut two = room.reserve(0).unwrap().unwrap();
        two.grow(2).unwrap();
        assert_eq!(two.grow(4), Err(NoRoom { used: 9, quota: 10 }));
        one.stored();
        drop(one);
        two.grow(3).unwrap();
        assert!(room.reserve(1).unwrap().is_err());
        drop(two);
        room.reserve(3).unwrap().unwrap();
        assert!(room.reserve(4).unwrap().is_err(), "what was stored counts before it is measured");
    }

    #[test]
    fn what_its_owner_does_to_the_directory_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("own"), "1234567890").unwrap();
        let room = room(&root, 10);
        assert!(room.reserve(1).unwrap().is_err());
        std::fs::remove_file(root.path().join("own")).unwrap();
        let since = Instant::now();
        while room.reserve(10).unwrap().is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "it was never measured again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn without_a_quota_nothing_is_measured() {
        let root = tempfile::tempdir().unwrap();
        let room = room(&root, 0);
        let mut share = room.reserve(u64::MAX).unwrap().unwrap();
        share.grow(u64::MAX).unwrap();
        share.stored();
        assert!(room.book().at.is_none());
    }
}
