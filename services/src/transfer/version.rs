//! What tells two states of an open file apart, as sharply as the system can.
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Two changes within this time may carry one time stamp: more than a tick of the system's coarse clock (10 ms).
const TICK: Duration = Duration::from_millis(20);
/// The same, where a file system counts whole (or two) seconds only.
const COARSE_TICK: Duration = Duration::from_millis(2100);
/// How often a file that is just being changed is looked at again.
const LOOKS: usize = 3;

/// One state of an open file. The time of the last change of the inode is part of it, since nobody can set
/// that: what was overwritten with its old size and modification time is another version. So is a file that got
/// another name or mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    /// The state of `file` now. Blocks on the file system.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }

    /// The state of `file` once every later change is sure to show; `None` where it does not come to rest.
    /// Blocks on the file system, for some milliseconds where the file has just been changed.
    ///
    /// # Errors
    /// What the file system says.
    pub fn at_rest(file: &File) -> io::Result<Option<Self>> {
        Self::rest_of(|| Self::of(file))
    }

    fn rest_of(mut look: impl FnMut() -> io::Result<Self>) -> io::Result<Option<Self>> {
        let mut before = None;
        for _ in 0..LOOKS {
            let version = look()?;
            match version.unrest(SystemTime::now()) {
                None => return Ok(Some(version)),
                // It has rested since, by whosever clock.
                Some(_) if before == Some(version) => return Ok(before),
                Some(rest) => std::thread::sleep(rest),
            }
            before = Some(version);
        }
        Ok(None)
    }

    /// How long after `now` another change could still carry this version's time stamp.
    fn unrest(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed;
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        let changed = UNIX_EPOCH
            + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
            + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        // A time stamp ahead of this clock is another machine's: a tick has to do.
        let age = now.duration_since(changed).unwrap_or(Duration::ZERO);
        tick.checked_sub(age).filter(|rest| !rest.is_zero())
    }
}

impl From<&Metadata> for Version {
    fn from(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_modification_time_hides_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let file = File::open(&path).unwrap();
        let before = Version::at_rest(&file).unwrap().expect("nobody writes it");
        let modified = file.metadata().unwrap().modified().unwrap();
        std::fs::write(&path, "two").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let after = Version::of(&file).unwrap();
        assert_eq!((before.size, before.modified), (after.size, after.modified));
        assert_ne!(before, after);
    }

    #[test]
    fn a_clock_that_is_ahead_does_not_keep_a_file_from_rest() {
        let ahead = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 3600;
        let version = |size| Version { inode: (1, 1), size, modified: (0, 0), changed: (ahead, 1) };
        assert_eq!(Version::rest_of(|| Ok(version(1))).unwrap(), Some(version(1)));
        let mut sizes = [1, 2, 2].into_iter();
        let settles = Version::rest_of(|| Ok(version(sizes.next().expect("three looks"))));
        assert_eq!(settles.unwrap(), Some(version(2)));
        let mut size = 0;
        let changes = Version::rest_of(|| {
            size += 1;
            Ok(version(size))
        });
        assert_eq!(changes.unwrap(), None);
    }

    #[test]
    fn what_changed_a_moment_ago_is_not_at_rest() {
        let version = |changed| Version { inode: (1, 1), size: 1, modified: changed, changed };
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(version((99, 995_000_000)).unrest(now), Some(TICK - Duration::from_millis(5)));
        assert_eq!(version((99, 900_000_000)).unrest(now), None);
        // Whole seconds.
        assert_eq!(version((99, 0)).unrest(now), Some(COARSE_TICK - Duration::from_secs(1)));
        assert_eq!(version((97, 0)).unrest(now), None);
        // A server's clock that is ahead, and times before 1970.
        assert_eq!(version((200, 1)).unrest(now), Some(TICK));
        assert_eq!(version((-5, 1)).unrest(now), None);
    }
}
