//! Writing below the shared directory: a file appears under its name whole and on disk, or not at all.
//!
//! Bytes go to a hidden temporary file in the folder where the file is to be. It is locked while it is being
//! written, so that what a killed process left behind can be told from what somebody still writes.
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{SharedDir, SharedPath};

/// Names of temporary files: this, 16 hexadecimal digits, [`SUFFIX`].
const PREFIX: &str = ".chordial-upload-";
const SUFFIX: &str = ".part";
/// Written bytes that are not on disk yet, at most: so that the last sync is a short one.
const UNSYNCED: u64 = 64 << 20;
/// How often a file is begun anew where its folder, or it, was removed in that very moment.
const ATTEMPTS: usize = 3;

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is a file at the path, which was not to be replaced.
    #[error("there is a file at this path")]
    Exists,
    /// Something that is no file, or no folder, is in the way.
    #[error("{0}")]
    Taken(String),
    /// The disk, or what this user may have of it, is full.
    #[error("the disk is full")]
    Full,
    /// This process may not write there.
    #[error("the folder can't be written to: {0}")]
    NotWritable(#[source] io::Error),
    /// The shared directory itself can't be reached.
    #[error("the shared directory can't be reached: {0}")]
    Directory(#[source] io::Error),
    /// The file at the path is not, or not any more, the one that was to be replaced.
    #[error("another file is at this path")]
    Other,
    /// Anything else that the file system says.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full,
            PermissionDenied | ReadOnlyFilesystem => Self::NotWritable(error),
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for StoreError {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl SharedDir {
    /// Whether a file of `size` bytes could be stored at `path` as things are now. Nothing is written. Blocks
    /// on the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn may_store(&self, path: &SharedPath, replace: bool, size: u64) -> Result<(), StoreError> {
        let (_, root) = self.current().map_err(StoreError::Directory)?;
        let space = rustix::fs::fstatvfs(&*root)?;
        if size > space.f_bavail.saturating_mul(space.f_frsize) {
            return Err(StoreError::Full);
        }
        match folder_of(&root, path, None)? {
            Some(folder) if is_there(&folder, path)? && !replace => Err(StoreError::Exists),
            _ => Ok(()),
        }
    }

    /// Begins a file at `path`; folders that are missing are made. Links are not followed, so that no path leads
    /// out of the directory or into a hidden folder. Blocks on the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&self, path: &SharedPath) -> Result<Incoming, StoreError> {
        let (_, root) = self.current().map_err(StoreError::Directory)?;
        let mut attempt = 1;
        loop {
            match Incoming::begin(&root, path, &self.replacing) {
                Err(StoreError::Io(e)) if e.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Which file at its path an [`Incoming`] may replace.
#[derive(Clone, Copy)]
pub enum Replace<'a> {
    /// None.
    Nothing,
    /// Any.
    Any,
    /// One of which this holds; there must be one.
    Only(&'a dyn Fn(&std::fs::File) -> io::Result<bool>),
}

/// A file on its way. Dropped before it is stored, it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    path: SharedPath,
    folder: Dir,
    temporary: String,
    file: std::fs::File,
    unsynced: u64,
    stored: bool,
    made: Made,
    replacing: Arc<Mutex<()>>,
}

impl Incoming {
    fn begin(root: &Arc<Dir>, path: &SharedPath, replacing: &Arc<Mutex<()>>) -> Result<Self, StoreError> {
        let mut made = Made { root: Arc::clone(root), folders: Vec::new() };
        let folder = folder_of(root, path, Some(&mut made))?
            .ok_or_else(|| StoreError::Io(io::ErrorKind::NotFound.into()))?;
        let temporary = format!("{PREFIX}{:016x}{SUFFIX}", rand::random::<u64>());
        let file = folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?.into_std();
        // Where there are no locks, a leftover is removed all the same.
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        // Before it was locked it looked like a leftover, and may have been taken for one.
        if locked == Err(Errno::WOULDBLOCK) || file.metadata()?.nlink() == 0 {
            return Err(StoreError::Io(io::ErrorKind::NotFound.into()));
        }
        let (path, replacing) = (path.clone(), Arc::clone(replacing));
        Ok(Self { path, folder, temporary, file, unsynced: 0, stored: false, made, replacing })
    }

    /// Appends `bytes`. Blocks on the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= UNSYNCED {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Puts the file under its name, on disk; says whether there was one, which happens only where it was to
    /// be replaced. Of several that want one new name, or to replace one certain file, exactly one succeeds.
    /// Blocks on the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(&mut self, replace: Replace<'_>) -> Result<bool, StoreError> {
        self.file.sync_all()?;
        let replaced = self.rename(replace)?;
        self.stored = true;
        self.made.folders.clear();
        sync(&self.folder)?;
        Ok(replaced)
    }

    fn rename(&self, replace: Replace<'_>) -> Result<bool, StoreError> {
        let name = self.path.file_name();
        // Between a look at what is there and its replacement there is no other one.
        let _alone = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Replace::Only(is_the_one) = replace {
            let there = is_there(&self.folder, &self.path)?;
            if !there || !is_the_one(&open_file(&self.folder, name)?)? {
                return Err(StoreError::Other);
            }
        } else {
            match rename_new(&self.folder, &self.temporary, name) {
                Ok(()) => return Ok(false),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            is_there(&self.folder, &self.path)?;
            if matches!(replace, Replace::Nothing) {
                return Err(StoreError::Exists);
            }
        }
        rustix::fs::renameat(&self.folder, &self.temporary, &self.folder, name)?;
        Ok(true)
    }

    /// The file itself, open for writing.
    pub fn file(&self) -> &std::fs::File {
        &self.file
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.stored {
            // Whoever starts next tries again.
            let _ = rustix::fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty());
        }
    }
}

/// Folders that were made for a file, removed again unless it comes to be.
#[derive(Debug)]
struct Made {
    root: Arc<Dir>,
    folders: Vec<String>,
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.folders.iter().rev() {
            // Another file may be in it by now.
            let _ = self.root.remove_dir(folder);
        }
    }
}

/// The folder of `path`. Missing ones are noted in `make` once they are made; without it there is `None` then.
fn folder_of(root: &Dir, path: &SharedPath, mut make: Option<&mut Made>) -> Result<Option<Dir>, StoreError> {
    let mut folder = open_folder(root, ".")?;
    let mut at = String::new();
    for segment in path.parent().into_iter().flat_map(|parent| parent.split('/')) {
        at = if at.is_empty() { segment.to_owned() } else { format!("{at}/{segment}") };
        let next = match (open_folder(&folder, segment), &mut make) {
            (Err(Errno::NOENT), Some(made)) => {
                match folder.create_dir(segment) {
                    Ok(()) => made.folders.push(at.clone()),
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(e) => return Err(e.into()),
                }
                sync(&folder)?;
                open_folder(&folder, segment)
            }
            (Err(Errno::NOENT), None) => return Ok(None),
            (outcome, _) => outcome,
        };
        folder = match next {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(StoreError::Taken(format!("{at:?} is not a folder of its own")));
            }
            outcome => outcome?,
        };
    }
    Ok(Some(folder))
}

/// The folder of this name in `at`; not through a link.
fn open_folder(at: &Dir, name: &str) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(at, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(folder.into()))
}

/// The file of this name, to be looked at; not through a link.
fn open_file(folder: &Dir, name: &str) -> Result<std::fs::File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?.into())
}

/// Whether there is a file of this name; what is there and is no file is in the way.
fn is_there(folder: &Dir, path: &SharedPath) -> Result<bool, StoreError> {
    let what = match rustix::fs::statat(folder, path.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return Ok(true),
            FileType::Directory => "a folder",
            FileType::Symlink => "a link",
            _ => "no ordinary file",
        },
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    Err(StoreError::Taken(format!("{:?} is {what}", path.as_str())))
}

/// Renames within a folder, unless there is anything of the new name.
fn rename_new(folder: &Dir, from: &str, to: &str) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(folder, from, folder, to, rustix::fs::RenameFlags::NOREPLACE) {
        // Not every file system has it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        outcome => return outcome,
    }
    link_new(folder, from, to)
}

/// [`rename_new`] in two steps, each atomic.
fn link_new(folder: &Dir, from: &str, to: &str) -> Result<(), Errno> {
    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
    rustix::fs::unlinkat(folder, from, AtFlags::empty())
}

/// Has the entries of a folder written to disk, where the file system can do that.
fn sync(folder: &Dir) -> Result<(), Errno> {
    match rustix::fs::fsync(folder) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        outcome => outcome,
    }
}

/// Whether `name` is one that [`Incoming`] gives.
pub(super) fn is_temporary(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn shared(path: &str) -> SharedPath {
        SharedPath::parse(path).unwrap()
    }

    fn put(dir: &SharedDir, path: &str, bytes: &[u8], replace: bool) -> Result<bool, StoreError> {
        let mut incoming = dir.begin(&shared(path))?;
        incoming.write(bytes)?;
        incoming.store(if replace { Replace::Any } else { Replace::Nothing })
    }

    /// Everything below `root`, sorted.
    fn all(root: &std::path::Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                found.push(entry.path().strip_prefix(root).unwrap().display().to_string());
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_file_is_there_once_it_is_stored_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let mut incoming = dir.begin(&shared("a/b/c.txt")).unwrap();
        incoming.write(b"hello").unwrap();
        assert!(!root.path().join("a/b/c.txt").exists());
        assert!(!incoming.store(Replace::Nothing).unwrap());
        drop(incoming);
        assert_eq!(all(root.path()), ["a", "a/b", "a/b/c.txt"]);
        assert_eq!(std::fs::read(root.path().join("a/b/c.txt")).unwrap(), b"hello");
        let mode = std::fs::metadata(root.path().join("a/b/c.txt")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0, "{mode:o}");
    }

    #[test]
    fn what_is_not_stored_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let mut incoming = dir.begin(&shared("a/b/c/d.txt")).unwrap();
        incoming.write(b"hello").unwrap();
        assert_eq!(all(root.path()).len(), 4);
        drop(incoming);
        assert_eq!(all(root.path()), ["a"]);
    }

    #[test]
    fn only_a_file_is_replaced_and_only_when_asked() {
        let root = tempfile::tempdir().unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        assert!(!put(&dir, "f", b"1", true).unwrap());
        assert!(matches!(put(&dir, "f", b"2", false), Err(StoreError::Exists)));
        assert!(matches!(dir.may_store(&shared("f"), false, 1), Err(StoreError::Exists)));
        assert!(put(&dir, "f", b"3", true).unwrap());
        assert_eq!(std::fs::read(root.path().join("f")).unwrap(), b"3");
        std::fs::create_dir(root.path().join("folder")).unwrap();
        symlink("f", root.path().join("link")).unwrap();
        symlink("nowhere", root.path().join("dangling")).unwrap();
        for name in ["folder", "link", "dangling", "f/x", "link/x", "dangling/x"] {
            for replace in [false, true] {
                assert!(matches!(put(&dir, name, b"4", replace), Err(StoreError::Taken(_))), "{name}");
                let said = dir.may_store(&shared(name), replace, 1);
                assert!(matches!(said, Err(StoreError::Taken(_))), "{name}");
            }
        }
        assert_eq!(all(root.path()), ["dangling", "f", "folder", "link"]);
        assert_eq!(std::fs::read(root.path().join("f")).unwrap(), b"3");
    }

    #[test]
    fn no_link_leads_out_or_into_hiding() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".hidden")).unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        symlink(".hidden", root.path().join("uncovered")).unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        for path in ["out/x", "out/y/x", "uncovered/x"] {
            assert!(matches!(put(&dir, path, b"x", true), Err(StoreError::Taken(_))), "{path}");
        }
        assert!(all(outside.path()).is_empty());
        assert_eq!(all(root.path()), [".hidden", "out", "uncovered"]);
    }

    #[test]
    fn of_two_that_want_one_name_one_wins() {
        let root = tempfile::tempdir().unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let (mut one, mut two) = (dir.begin(&shared("n/x")).unwrap(), dir.begin(&shared("n/x")).unwrap());
        one.write(b"one").unwrap();
        two.write(b"two").unwrap();
        assert!(!two.store(Replace::Nothing).unwrap());
        assert!(matches!(one.store(Replace::Nothing), Err(StoreError::Exists)));
        drop((one, two));
        assert_eq!(std::fs::read(root.path().join("n/x")).unwrap(), b"two");
        assert_eq!(all(root.path()), ["n", "n/x"]);
        let (_, held) = dir.current().unwrap();
        std::fs::write(root.path().join("from"), "").unwrap();
        assert_eq!(link_new(&held, "from", "n"), Err(Errno::EXIST));
        link_new(&held, "from", "to").unwrap();
        assert_eq!(all(root.path()), ["n", "n/x", "to"]);
    }

    #[test]
    fn of_two_that_want_to_replace_one_file_one_does() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join("x");
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        std::fs::write(&at, "old").unwrap();
        let inode = std::fs::metadata(&at).unwrap().ino();
        let is_old = |file: &std::fs::File| Ok(file.metadata()?.ino() == inode);
        let mut some = [1, 2].map(|_| dir.begin(&shared("x")).unwrap());
        let stored = some.each_mut().map(|incoming| incoming.store(Replace::Only(&is_old)));
        assert!(matches!(stored, [Ok(true), Err(StoreError::Other)]), "{stored:?}");
        std::fs::remove_file(&at).unwrap();
        assert!(matches!(some[1].store(Replace::Only(&|_| Ok(true))), Err(StoreError::Other)));
        assert!(!at.exists());
    }

    #[test]
    fn what_the_disk_cannot_hold_is_refused_at_once() {
        let root = tempfile::tempdir().unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        assert!(matches!(dir.may_store(&shared("a/x"), false, u64::MAX), Err(StoreError::Full)));
        dir.may_store(&shared("a/x"), false, 1).unwrap();
        assert!(all(root.path()).is_empty(), "asking makes nothing");
    }
}
