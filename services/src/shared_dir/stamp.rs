//! Which file this is and in which state, told without reading it.
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Metadata, MetadataExt as _};

/// What a digest belongs to: a state of a file, and the file itself, whatever it is called. A path that still has
/// an equal stamp still has the same content; the file counts, since one of equal size and times may have come
/// there with the folder that it is in. All times are nanoseconds since 1970-01-01 UTC, as exact as the file system has them; negative before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last modification.
    pub modified: i128,
    /// Last change of content, name or permissions (ctime). The system sets it, so it tells of a change even
    /// where the modification time was put back.
    pub changed: i128,
    /// `None` where the file system does not say when a file was made; see [`Inode`].
    pub inode: Option<Inode>,
}

/// One file, under whatever name. The number alone would not do: file systems give it out again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inode {
    /// The inode's number.
    pub number: u64,
    /// When it was made, nanoseconds since 1970.
    pub born: i128,
}

impl Stamp {
    pub(super) fn new(metadata: &Metadata) -> io::Result<Self> {
        let born = metadata.created().ok().map(|born| nanoseconds(born.into_std()));
        Ok(Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.modified()?.into_std()),
            changed: i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
            inode: born.map(|born| Inode { number: metadata.ino(), born }),
        })
    }

    /// Of an open file, as it is now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(file: &std::fs::File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?)
    }

    /// Modification in milliseconds since 1970-01-01 UTC; negative before.
    pub fn modified_ms(&self) -> i64 {
        i64::try_from(self.modified / 1_000_000).unwrap_or(i64::MAX)
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    let whole = |d: std::time::Duration| i128::try_from(d.as_nanos()).unwrap_or(i128::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_even_where_the_modification_time_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        std::fs::write(&path, "old").unwrap();
        let stamp = || Stamp::of(&std::fs::File::open(&path).unwrap()).unwrap();
        let before = stamp();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(stamp(), before);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // Until the kernel's clock has moved on by a step.
        while stamp().changed == before.changed {
            assert!(std::time::Instant::now() < deadline, "the change time does not move");
            std::fs::write(&path, "new").unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(modified).unwrap();
        }
        let after = stamp();
        assert_eq!((after.size, after.modified, after.inode), (before.size, before.modified, before.inode));
        assert_ne!(after, before);
    }
}
