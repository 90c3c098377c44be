//! All that lies below the shared directory, hidden or not: how much it is, and what killed uploads left.
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::fs::{Dir, DirEntry, File};
use rustix::fs::FlockOperation;

use super::store::is_temporary;
use super::{SharedDir, kind};

/// So long an empty file counts as just begun.
const YOUNG: Duration = Duration::from_secs(60);

impl SharedDir {
    /// Bytes of all files below, hidden ones too, links and uploads under way left out. What can't be read
    /// does not count. Blocks on the file system.
    ///
    /// # Errors
    /// Where the directory itself can't be read.
    pub fn used(&self) -> io::Result<u64> {
        let mut used: u64 = 0;
        self.each_file(|_, _, entry| {
            if !entry.file_name().to_str().is_some_and(is_temporary) {
                used = used.saturating_add(entry.metadata().map_or(0, |metadata| metadata.len()));
            }
        })?;
        Ok(used)
    }

    /// Removes the temporary files of uploads whose process has ended; returns how many. Blocks on the file
    /// system.
    ///
    /// # Errors
    /// Where the directory itself can't be read.
    pub fn remove_leftovers(&self) -> io::Result<usize> {
        let mut removed = 0;
        self.each_file(|root, path, entry| {
            let ours = entry.file_name().to_str().is_some_and(is_temporary);
            if ours
                && !just_begun(entry)
                && let Some(_held) = held(entry)
                && root.remove_file(path).is_ok()
            {
                removed += 1;
            }
        })?;
        Ok(removed)
    }

    /// Visits every regular file; links are not followed.
    fn each_file(&self, mut visit: impl FnMut(&Dir, &Path, &DirEntry)) -> io::Result<()> {
        let (_, root) = self.current()?;
        let mut folders = Vec::new();
        let mut next = Some((root.entries()?, PathBuf::new()));
        while let Some((entries, folder)) = next {
            // What vanishes or hides from us is passed over, here and below.
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                match kind(&entry) {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => visit(&root, &path, &entry),
                    _ => {}
                }
            }
            next = loop {
                let Some(folder) = folders.pop() else { break None };
                if let Ok(entries) = root.read_dir(&folder) {
                    break Some((entries, folder));
                }
            };
        }
        Ok(())
    }
}

/// Who begins a file locks it before it writes: for that moment it looks like a leftover. So a young empty one is left
/// to the next sweep.
fn just_begun(entry: &DirEntry) -> bool {
    let Ok(metadata) = entry.metadata() else { return true };
    let since = metadata.modified().map(|at| at.into_std().elapsed().unwrap_or_default());
    metadata.len() == 0 && since.is_ok_and(|since| since < YOUNG)
}

/// The file, open and locked where there are locks; `None` where somebody still writes it. Who is just beginning
/// it finds the lock taken, or the file gone, and begins another one.
fn held(entry: &DirEntry) -> Option<File> {
    let file = entry.open().ok()?;
    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    (locked != Err(rustix::io::Errno::WOULDBLOCK)).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::shared_dir::{Replace, SharedPath, StoreError};

    #[test]
    fn files_are_counted_wherever_they_are() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at(".hidden/deep")).unwrap();
        std::fs::write(at("a"), "12345").unwrap();
        std::fs::write(at(".hidden/deep/b.part"), "123").unwrap();
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        std::os::unix::fs::symlink(root.path(), at("loop")).unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let mut incoming = dir.begin(&SharedPath::parse("new").unwrap()).unwrap();
        incoming.write(b"1234567").unwrap();
        assert_eq!(dir.used().unwrap(), 8);
        incoming.store(Replace::Nothing).unwrap();
        assert_eq!(dir.used().unwrap(), 15);
    }

    #[test]
    fn only_leftovers_of_ours_that_nobody_writes_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in [
            ".chordial-upload-0123456789abcdef.part",
            "sub/.chordial-upload-fedcba9876543210.part",
            ".chordial-upload-mine.part",
            "chordial-upload-0123456789abcdef.part",
            "song.mp3.part",
        ] {
            std::fs::write(at(name), "x").unwrap();
        }
        let old = std::fs::File::create(at(".chordial-upload-00112233445566aa.part")).unwrap();
        old.set_modified(std::time::SystemTime::now() - YOUNG).unwrap();
        std::fs::write(at(".chordial-upload-00112233445566bb.part"), "").unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let mut written = dir.begin(&SharedPath::parse("sub/new").unwrap()).unwrap();
        assert_eq!(dir.remove_leftovers().unwrap(), 3);
        written.store(Replace::Nothing).unwrap();
        assert!(at("sub/new").exists());
        for kept in [
            ".chordial-upload-00112233445566bb.part",
            ".chordial-upload-mine.part",
            "chordial-upload-0123456789abcdef.part",
            "song.mp3.part",
        ] {
            assert!(at(kept).exists(), "{kept}");
        }
    }

    #[test]
    fn an_upload_that_just_begins_is_no_leftover() {
        let root = tempfile::tempdir().unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let sweeping = AtomicBool::new(true);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while sweeping.load(Ordering::Relaxed) {
                        dir.remove_leftovers().unwrap();
                    }
                });
            }
            let path = SharedPath::parse("a").unwrap();
            let links = || Ok::<_, StoreError>(dir.begin(&path)?.file().metadata()?.nlink());
            // Nothing may panic before the sweep was told to end.
            let other = (0..500).map(|_| links()).find(|links| !matches!(links, Ok(1)));
            sweeping.store(false, Ordering::Relaxed);
            assert!(other.is_none(), "{other:?}");
        });
    }
}
