//! Reads the whole directory once: which files are shared, and in which state.
use std::collections::BTreeMap;
use std::io;

use cap_std::fs::{Dir, DirEntry, FileType};
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{Fingerprint, OpenError, PathError, SharedPath, open_in, stat_in};

use super::listing::Listing;

/// Files listed at most.
const MAX_FILES: usize = 1_000_000;

/// What is not listed although it does not hide, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Names that are not UTF-8, hold a backslash, or make too long a path.
    pub names: usize,
    /// Files and folders that this process may not read.
    pub unreadable: usize,
    /// Files beyond the greatest number that is listed.
    pub beyond: usize,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Every shared file and its state.
    pub files: BTreeMap<SharedPath, Fingerprint>,
    /// What was left out.
    pub skipped: Skipped,
}

/// Reads everything below `root`. Links to files inside are listed; links to folders are not followed (what
/// they lead to is listed where it is), so that no loop of links exists. A file not `known` in its present
/// state is opened once, to see whether it can be read. Blocks on the file system.
///
/// # Errors
/// Anything but single entries that vanished meanwhile or may not be read: then nothing is known, which is
/// not the same as nothing being there.
pub(super) fn scan(root: &Dir, known: &Listing, cancel: &CancellationToken) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = if folder.is_empty() { root.entries() } else { root.read_dir(&folder) };
        let entries = match entries {
            Ok(entries) => entries,
            Err(e) if !folder.is_empty() && vanished(&e) => continue,
            Err(e) if !folder.is_empty() && e.kind() == io::ErrorKind::PermissionDenied => {
                scan.skipped.unreadable += 1;
                continue;
            }
            Err(e) => return Err(e),
        };
        for entry in entries {
            if cancel.is_cancelled() {
                return Err(io::Error::other("the catalog is shutting down"));
            }
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                scan.skipped.names += 1;
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // A name that can't be part of a path is not gone into, either.
            if let Err(PathError::Invalid { .. }) = SharedPath::parse(&path) {
                scan.skipped.names += 1;
                continue;
            }
            match kind(&entry) {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() || kind.is_symlink() => add(root, &path, known, &mut scan)?,
                Ok(_) => {}
                Err(e) if vanished(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(scan)
}

/// What an entry is, links not followed. Not every file system says so in its listing.
fn kind(entry: &DirEntry) -> io::Result<FileType> {
    let kind = entry.file_type()?;
    if kind.is_dir() || kind.is_file() || kind.is_symlink() {
        return Ok(kind);
    }
    Ok(entry.metadata()?.file_type())
}

/// Lists the file at `path` where it is one that is shared.
fn add(root: &Dir, path: &str, known: &Listing, scan: &mut Scan) -> io::Result<()> {
    let Ok(path) = SharedPath::parse(path) else { return Ok(()) };
    if scan.files.len() >= MAX_FILES {
        scan.skipped.beyond += 1;
        return Ok(());
    }
    match state(root, &path, known) {
        Ok(fingerprint) => {
            scan.files.insert(path, fingerprint);
        }
        Err(OpenError::NotFound) => {}
        Err(OpenError::Unreadable(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
            scan.skipped.unreadable += 1;
        }
        Err(OpenError::Unreadable(e) | OpenError::Directory(e)) => return Err(e),
    }
    Ok(())
}

fn state(root: &Dir, path: &SharedPath, known: &Listing) -> Result<Fingerprint, OpenError> {
    let fingerprint = stat_in(root, path)?;
    if !known.has(path, &fingerprint) {
        open_in(root, path)?;
    }
    Ok(fingerprint)
}

fn vanished(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_dir::SharedDir;
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::symlink;

    #[test]
    fn lists_what_is_shared_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("a/b c")).unwrap();
        std::fs::create_dir_all(at(".git")).unwrap();
        for name in
            ["top", "a/b c/🦀 e\u{301}", "two\nlines", "a/x.part", ".git/config", "a/.env", "back\\slash"]
        {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::write(root.path().join(std::ffi::OsString::from_vec(b"\xff\xfe".to_vec())), "").unwrap();
        symlink("a", at("link_to_folder")).unwrap();
        symlink("..", at("a/loop")).unwrap();
        symlink("self", at("self")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("../top", at("a/link_in")).unwrap();
        symlink(outside.path().join("secret"), at("link_out")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let scan = scan(&dir.current().unwrap().1, &Listing::new(), &CancellationToken::new()).unwrap();
        let paths: Vec<_> = scan.files.keys().map(SharedPath::as_str).collect();
        assert_eq!(paths, ["a/b c/🦀 e\u{301}", "a/link_in", "top", "two\nlines"]);
        assert_eq!(scan.files["top"].size, 3);
        assert_eq!(scan.skipped, Skipped { names: 2, unreadable: 0, beyond: 0 });
        for path in scan.files.keys() {
            dir.open(path).unwrap();
        }
    }
}
