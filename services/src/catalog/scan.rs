//! Reads the whole directory once: which files are shared, and in which state.
use std::collections::BTreeMap;
use std::io;

use cap_std::fs::{Dir, DirEntry};
use chordial_proto::catalog_v1::Skipped;
use tokio_util::sync::CancellationToken;

use crate::shared_dir::{OpenError, PathError, SharedPath, Stamp, kind, open_in, shorten, stat_in};

use super::listing::Listing;

/// Files listed at most.
const MAX_FILES: usize = 1_000_000;

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Every shared file and its state.
    pub files: BTreeMap<SharedPath, Stamp>,
    /// What is there and not shared, counted.
    pub skipped: Skipped,
    /// Folders, and single files, of which nothing is known: they are there, and could not be read.
    pub unread: Vec<String>,
    /// One of those that are skipped though they do not hide, for people.
    pub example: Option<String>,
}

/// Reads everything below `root`. Links to files inside are listed; links to folders are not followed (what
/// they lead to is listed where it is), so that no loop of links exists. A file not `known` in its present
/// state is opened once, to see whether it can be read. Blocks on the file system.
///
/// # Errors
/// Where `root` itself can't be read to its end: then nothing is known, which is not the same as nothing being
/// there.
pub(super) fn scan(root: &Dir, known: &Listing, cancel: &CancellationToken) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = if folder.is_empty() { root.entries() } else { root.read_dir(&folder) };
        let read = entries.and_then(|mut entries| {
            entries.try_for_each(|entry| {
                if cancel.is_cancelled() {
                    return Err(io::Error::other("the catalog is shutting down"));
                }
                take(root, &folder, &entry?, known, &mut scan, &mut folders);
                Ok(())
            })
        });
        match read {
            Ok(()) => {}
            Err(e) if folder.is_empty() || cancel.is_cancelled() => return Err(e),
            Err(e) if vanished(&e) => {}
            Err(_) => scan.unreadable(folder),
        }
    }
    Ok(scan)
}

/// Takes in one entry of `folder`.
fn take(
    root: &Dir,
    folder: &str,
    entry: &DirEntry,
    known: &Listing,
    scan: &mut Scan,
    folders: &mut Vec<String>,
) {
    let name = match entry.file_name().into_string() {
        Ok(name) => name,
        Err(name) => {
            scan.skipped.names += 1;
            return scan.show(&name.to_string_lossy());
        }
    };
    if name.starts_with('.') {
        scan.skipped.hidden += 1;
        return;
    }
    let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
    let shared = match SharedPath::parse(&path) {
        Ok(shared) => Some(shared),
        Err(PathError::NeverShared(_)) => None,
        // A name that can't be part of a path is not gone into, either.
        Err(PathError::Invalid { .. }) => {
            scan.skipped.names += 1;
            return scan.show(&path);
        }
    };
    let kind = match kind(entry) {
        Ok(kind) => kind,
        Err(e) if vanished(&e) => return,
        Err(_) => return scan.unreadable(path),
    };
    match shared {
        _ if kind.is_dir() => folders.push(path),
        _ if !kind.is_file() && !kind.is_symlink() => {
            scan.skipped.special += 1;
            scan.show(&path);
        }
        None => scan.skipped.unfinished += 1,
        Some(_) if scan.files.len() >= MAX_FILES => scan.skipped.beyond += 1,
        Some(shared) => add(root, shared, kind.is_symlink(), known, scan),
    }
}

/// Lists a file, where it is one that is shared.
fn add(root: &Dir, path: SharedPath, is_link: bool, known: &Listing, scan: &mut Scan) {
    let state = stat_in(root, &path).and_then(|stamp| {
        if !known.has(&path, &stamp) {
            open_in(root, &path)?;
        }
        Ok(stamp)
    });
    match state {
        Ok(stamp) => drop(scan.files.insert(path, stamp)),
        Err(OpenError::NotFound) if is_link => {
            scan.skipped.links += 1;
            scan.show(path.as_str());
        }
        Err(OpenError::NotFound) => {}
        // Known to be unreadable, and so known not to be shared.
        Err(OpenError::Unreadable(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
            scan.skipped.unreadable += 1;
            scan.show(path.as_str());
        }
        Err(OpenError::Unreadable(_) | OpenError::Directory(_)) => scan.unreadable(path.as_str().to_owned()),
    }
}

impl Scan {
    fn unreadable(&mut self, path: String) {
        self.skipped.unreadable += 1;
        self.show(&path);
        self.unread.push(path);
    }

    fn show(&mut self, path: &str) {
        self.example.get_or_insert_with(|| shorten(path));
    }
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
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let dir = SharedDir::open_or_create(root.path()).unwrap();
        let scan = scan(&dir.current().unwrap().1, &Listing::new(), &CancellationToken::new()).unwrap();
        let paths: Vec<_> = scan.files.keys().map(SharedPath::as_str).collect();
        assert_eq!(paths, ["a/b c/🦀 e\u{301}", "a/link_in", "top", "two\nlines"]);
        assert_eq!(scan.files["top"].size, 3);
        // Links: to a folder, up, to itself, to nowhere, out.
        let skipped =
            Skipped { hidden: 2, unfinished: 1, special: 2, links: 5, names: 2, ..Default::default() };
        assert_eq!(scan.skipped, skipped);
        assert!(scan.unread.is_empty() && scan.example.is_some());
        for path in scan.files.keys() {
            dir.open(path).unwrap();
        }
    }
}
