//! The shared directory: which paths below it may be shared at all, and the only way to open one.
//!
//! Catalog and transfer both go through here, so that what is listed and what is served follow one rule.
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, DirEntry, FileType, OpenOptions, OpenOptionsExt as _};

mod below;
mod path;
mod stamp;
mod store;

pub use path::{MAX_NAME, MAX_PATH, PathError, SharedPath, name_problem, nfc, shorten};
pub use stamp::{Inode, Stamp};
pub use store::{Incoming, Replace, StoreError};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// Last modification, as exact as the file system has it.
    pub modified: SystemTime,
}

impl Fingerprint {
    /// Of an open file, as it is now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(file: &std::fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { size: metadata.len(), modified: metadata.modified()? })
    }

    /// Modification in milliseconds since 1970-01-01 UTC; negative before.
    pub fn modified_ms(&self) -> i64 {
        let ms = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        match self.modified.duration_since(UNIX_EPOCH) {
            Ok(after) => ms(after),
            Err(before) => -ms(before.duration()),
        }
    }
}

/// A regular file below the shared directory, opened for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The file, at its start.
    pub file: std::fs::File,
    /// Its state when it was opened.
    pub fingerprint: Fingerprint,
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such regular file inside of the directory.
    #[error("no such file is shared here")]
    NotFound,
    /// It is there and can't be read.
    #[error("the file can't be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The shared directory itself can't be reached.
    #[error("the shared directory can't be reached: {0}")]
    Directory(#[source] io::Error),
}

/// Why a directory can't be shared.
#[derive(Debug, thiserror::Error)]
#[error("directory {} {what}; correct `directory` in the configuration, or the directory", path.display())]
pub struct SharedDirError {
    /// The directory as configured.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Which directory a path leads to: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// Whether both are on one file system.
    pub fn same_device(&self, other: &Identity) -> bool {
        self.0 == other.0
    }
}

/// The shared directory. It is held open, and opened anew only where its path has come to lead to another
/// directory (removed and made again, mounted over).
#[derive(Debug)]
pub struct SharedDir {
    path: PathBuf,
    held: RwLock<(Identity, Arc<Dir>)>,
    /// Held while a file is replaced by an upload.
    replacing: Arc<Mutex<()>>,
}

impl SharedDir {
    /// Opens the directory at `path`, which is created where it is missing, and makes sure that it can be
    /// listed. Blocks on the file system.
    ///
    /// # Errors
    /// [`SharedDirError`]: it can't be created, is no directory, or can't be read.
    pub fn open_or_create(path: &Path) -> Result<Self, SharedDirError> {
        let problem = |what: String| SharedDirError { path: path.to_owned(), what };
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => return Err(problem("is not a directory".to_owned())),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path).map_err(|e| problem(format!("can't be created: {e}")))?;
            }
            Err(e) => return Err(problem(format!("can't be reached: {e}"))),
        }
        let held = open_dir(path).map_err(|e| problem(format!("can't be read: {e}")))?;
        held.1.entries().map_err(|e| problem(format!("can't be listed: {e}")))?;
        Ok(Self { path: path.to_owned(), held: RwLock::new(held), replacing: Arc::default() })
    }

    /// Where it is, as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that the path leads to now. Blocks on the file system.
    ///
    /// # Errors
    /// Where it is gone or can't be opened any more.
    pub fn current(&self) -> io::Result<(Identity, Arc<Dir>)> {
        let now = identity(&std::fs::metadata(&self.path)?);
        {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            if held.0 == now {
                return Ok((held.0, Arc::clone(&held.1)));
            }
        }
        let new = open_dir(&self.path)?;
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = (new.0, Arc::clone(&new.1));
        Ok(new)
    }

    /// Opens a shared file. Never follows a link that leads out, never opens what is not a regular file.
    /// Folders are taken as they are, not through links, since a link could uncover a hidden folder. Blocks
    /// on the file system.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, path: &SharedPath) -> Result<OpenFile, OpenError> {
        let (_, dir) = self.current().map_err(OpenError::Directory)?;
        if let Some(parent) = path.parent()
            && dir.canonicalize(parent).map_err(open_error)? != Path::new(parent)
        {
            return Err(OpenError::NotFound);
        }
        open_in(&dir, path)
    }
}

/// What an entry is, links not followed. Not every file system says so in its listing.
///
/// # Errors
/// What the file system says.
pub(crate) fn kind(entry: &DirEntry) -> io::Result<FileType> {
    let kind = entry.file_type()?;
    if kind.is_dir() || kind.is_file() || kind.is_symlink() {
        return Ok(kind);
    }
    Ok(entry.metadata()?.file_type())
}

/// The state of a regular file below `dir`, without a look at its folders.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn stat_in(dir: &Dir, path: &SharedPath) -> Result<Stamp, OpenError> {
    let metadata = dir.metadata(path.as_str()).map_err(open_error)?;
    if !metadata.is_file() {
        return Err(OpenError::NotFound);
    }
    Stamp::new(&metadata).map_err(OpenError::Unreadable)
}

/// Opens a regular file below `dir`, without a look at its folders.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn open_in(dir: &Dir, path: &SharedPath) -> Result<OpenFile, OpenError> {
    // Opening some devices has effects, hence the look before.
    stat_in(dir, path)?;
    // A FIFO put there since would wait for a writer; non-blocking, it opens and is refused below.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = dir
        .open_with(path.as_str(), OpenOptions::new().read(true).custom_flags(nonblocking))
        .map_err(open_error)?
        .into_std();
    let metadata = file.metadata().map_err(OpenError::Unreadable)?;
    if !metadata.is_file() {
        return Err(OpenError::NotFound);
    }
    let modified = metadata.modified().map_err(OpenError::Unreadable)?;
    Ok(OpenFile { file, fingerprint: Fingerprint { size: metadata.len(), modified } })
}

/// Sorts what the file system says into "not there" and "there, unreadable".
fn open_error(error: io::Error) -> OpenError {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename => OpenError::NotFound,
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => OpenError::NotFound,
        // cap-std refuses a way out with an error of its own, which carries no number of the system's.
        PermissionDenied if error.raw_os_error().is_none() => OpenError::NotFound,
        _ => OpenError::Unreadable(error),
    }
}

fn open_dir(path: &Path) -> io::Result<(Identity, Arc<Dir>)> {
    let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority())?.into_std_file();
    let identity = identity(&dir.metadata()?);
    Ok((identity, Arc::new(Dir::from_std_file(dir))))
}

fn identity(metadata: &std::fs::Metadata) -> Identity {
    Identity(metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    fn shared(path: &str) -> SharedPath {
        SharedPath::parse(path).unwrap()
    }

    fn read(dir: &SharedDir, path: &str) -> Result<String, OpenError> {
        let mut text = String::new();
        dir.open(&shared(path))?.file.read_to_string(&mut text).map_err(OpenError::Unreadable)?;
        Ok(text)
    }

    #[test]
    fn nothing_outside_is_opened() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("sub/.hidden")).unwrap();
        std::fs::write(at("sub/in"), "in").unwrap();
        std::fs::write(at("sub/.hidden/file"), "hidden").unwrap();
        symlink(outside.path().join("secret"), at("out_file")).unwrap();
        symlink(outside.path(), at("out_dir")).unwrap();
        symlink("../../../../../../../../etc/passwd", at("sub/relative_out")).unwrap();
        symlink("sub/in", at("link_in")).unwrap();
        symlink("../sub/in", at("sub/link_up_and_in")).unwrap();
        symlink("sub/.hidden", at("uncovered")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        for path in
            ["out_file", "out_dir/secret", "sub/relative_out", "uncovered/file", "loop", "sub", "none/x"]
        {
            assert!(matches!(read(&dir, path), Err(OpenError::NotFound)), "{path}: {:?}", read(&dir, path));
        }
        for path in ["sub/in", "link_in", "sub/link_up_and_in"] {
            assert_eq!(read(&dir, path).unwrap(), "in", "{path}");
        }
    }

    #[test]
    fn a_fifo_is_not_opened_and_does_not_hang() {
        let root = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap();
        assert!(made.success());
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        assert!(matches!(read(&dir, "pipe"), Err(OpenError::NotFound)));
    }

    #[test]
    fn a_directory_is_created_and_errors_name_it() {
        let root = tempfile::tempdir().unwrap();
        SharedDir::open_or_create(&root.path().join("new/deep")).unwrap();
        assert!(root.path().join("new/deep").is_dir());
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let said = SharedDir::open_or_create(&file).unwrap_err().to_string();
        assert!(said.contains("file is not a directory"), "{said}");
        let said = SharedDir::open_or_create(&file.join("below")).unwrap_err().to_string();
        assert!(said.contains("below can't be"), "{said}");
    }

    #[test]
    fn a_directory_made_again_is_found_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("share");
        let dir = SharedDir::open_or_create(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
        assert!(matches!(read(&dir, "a"), Err(OpenError::Directory(_))));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("a"), "new").unwrap();
        assert_eq!(read(&dir, "a").unwrap(), "new");
    }
}
