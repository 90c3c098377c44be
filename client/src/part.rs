//! Where downloaded bytes wait until they are whole and verified: a part beside FILE, whose name tells of which
//! content it is, so that it is only ever continued with the same. It becomes FILE only if there is no FILE by
//! then.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chord_client::ClientError;
use chord_client::views::hex;

const BUFFER: usize = 64 * 1024;

/// Digits of the digest in a part's name.
const DIGITS: usize = 16;

/// Bytes that file systems allow in a name.
const LONGEST_NAME: usize = 255;

/// How often a part is opened anew that went away in the very moment of opening it.
const ATTEMPTS: usize = 3;

/// The unfinished file, locked. Only who holds the lock writes, renames or removes it.
pub struct Part {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl Part {
    /// Opens the part of `target` with this content for this program alone, with what an earlier run left in
    /// it: `FILE.1234567890abcdef.part`, after the digest; `FILE.part` without one.
    ///
    /// # Errors
    /// [`ClientError::Exists`] where `target` is there; [`ClientError::Failed`] where the part cannot be
    /// written, or another download writes it.
    pub fn open(target: &Path, digest: Option<&[u8; 32]>) -> Result<Self, ClientError> {
        absent(target)?;
        Self::take(target, part_of(target, digest)?)
    }

    fn take(target: &Path, part: PathBuf) -> Result<Self, ClientError> {
        let file = locked(&part)?;
        // Whoever had the lock until just now may have finished: then this is their file.
        if let Err(error) = absent(target) {
            if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                // An empty part does no harm, should it stay.
                let _ = std::fs::remove_file(&part);
            }
            return Err(error);
        }
        Ok(Self { file, part, target: target.to_owned() })
    }

    /// Feeds what is there already to the hash, and goes on behind it. Returns how many bytes that is.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where it cannot be read.
    pub fn resume(&mut self, hasher: &mut blake3::Hasher) -> Result<u64, ClientError> {
        feed(&mut self.file, hasher).map_err(|error| failed("cannot read", &self.part, &error))
    }

    /// Begins anew, with nothing.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where it cannot be written.
    pub fn restart(&mut self) -> Result<(), ClientError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(|_| ()).map_err(|error| failed("cannot write", &self.part, &error))
    }

    /// Appends.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where it cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.file.write_all(bytes).map_err(|error| failed("cannot write", &self.part, &error))
    }

    /// Makes it the file that was wanted, and removes parts of other contents that were begun for it.
    ///
    /// # Errors
    /// [`ClientError::Exists`] where a file of that name has appeared meanwhile; [`ClientError::Failed`] where the
    /// part has been removed or replaced.
    pub fn finish(self) -> Result<PathBuf, ClientError> {
        self.file.sync_all().map_err(|error| failed("cannot write", &self.part, &error))?;
        if !is_at(&self.file, &self.part) {
            return Err(ClientError::Failed(format!(
                "{} was removed or replaced while it was written; try again",
                self.part.display()
            )));
        }
        // A link, unlike a renaming, never replaces what is there.
        match std::fs::hard_link(&self.part, &self.target) {
            Ok(()) => std::fs::remove_file(&self.part),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&self.target));
            }
            // Not every file system has links.
            Err(_) => absent(&self.target).map(|()| std::fs::rename(&self.part, &self.target))?,
        }
        .map_err(|error| failed("cannot rename", &self.part, &error))?;
        remove_parts(&self.target);
        Ok(self.target)
    }

    /// Removes it.
    pub fn discard(self) {
        // It is of no use; if it stays nevertheless, the next run begins with it and finds that out.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// Whether `target` is a file with just this content.
pub fn holds(target: &Path, size: u64, digest: &[u8; 32]) -> bool {
    let same_size = target.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
    let mut hasher = blake3::Hasher::new();
    same_size
        && File::open(target).and_then(|mut file| feed(&mut file, &mut hasher)).is_ok()
        && hasher.finalize() == *digest
}

/// Removes the parts that earlier downloads to `target` left, now that it is there. Those that another program
/// writes stay.
pub fn remove_parts(target: &Path) {
    let (Some(name), Some(folder)) = (target.file_name(), target.parent()) else { return };
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    // What cannot be read or removed does no harm.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_part_of(&entry.file_name(), name) {
            continue;
        }
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
            && is_at(&file, &path)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens the part for this program alone; makes it where it is missing. A file system that has no locks keeps no
/// two programs apart.
fn locked(part: &Path) -> Result<File, ClientError> {
    for _ in 0..ATTEMPTS {
        let file = open_or_create(part).map_err(|error| failed("cannot write", part, &error))?;
        match lock(&file, part) {
            Lock::Ours => return Ok(file),
            Lock::Gone => {}
            Lock::Others => break,
        }
    }
    Err(ClientError::Failed(format!("another download is writing {}", part.display())))
}

fn open_or_create(part: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part)
}

#[derive(Debug, PartialEq)]
enum Lock {
    Ours,
    Others,
    /// The one who had it until just now has renamed or removed the file.
    Gone,
}

fn lock(file: &File, part: &Path) -> Lock {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Lock::Others,
        _ if is_at(file, part) => Lock::Ours,
        _ => Lock::Gone,
    }
}

/// Whether it is this very file that the path leads to.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Feeds all of the rest of the file; returns how many bytes that is.
fn feed(file: &mut File, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                done += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn part_of(target: &Path, digest: Option<&[u8; 32]>) -> Result<PathBuf, ClientError> {
    let name = target
        .file_name()
        .ok_or_else(|| ClientError::Usage(format!("{} does not name a file", target.display())))?;
    let ending = digest.map_or_else(|| ".part".to_owned(), |digest| format!(".{}.part", digits(digest)));
    // A long name leaves no room for the ending.
    let room = LONGEST_NAME - ending.len();
    let mut part = match name.to_str().filter(|name| name.len() > room) {
        Some(name) => {
            let cut = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
            OsString::from(&name[..cut])
        }
        None => name.to_owned(),
    };
    part.push(ending);
    Ok(target.with_file_name(part))
}

fn digits(digest: &[u8; 32]) -> String {
    hex(digest).chars().take(DIGITS).collect()
}

/// Whether this is how a part with a digest of the file `name` is called.
fn is_part_of(part: &OsStr, name: &OsStr) -> bool {
    let (Some(part), Some(name)) = (part.to_str(), name.to_str()) else { return false };
    let digits = part.strip_suffix(".part").and_then(|part| part.strip_prefix(name)?.strip_prefix('.'));
    digits.is_some_and(|d| d.len() == DIGITS && d.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn absent(target: &Path) -> Result<(), ClientError> {
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("cannot write", target, &error)),
        Ok(_) => Err(exists(target)),
    }
}

fn exists(target: &Path) -> ClientError {
    ClientError::Exists(format!(
        "{} exists already and is not overwritten; name another file with -o",
        target.display()
    ))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> ClientError {
    ClientError::Failed(format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_becomes_the_file_only_when_it_is_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("report.pdf");
        let (digest, other) = ([0xab; 32], [0xcd; 32]);
        Part::open(&target, Some(&other)).expect("a part of another content").write(b"other").expect("room");
        let mut part = Part::open(&target, Some(&digest)).expect("a part");
        part.write(b"half").expect("room");
        assert!(!target.exists() && folder.path().join("report.pdf.abababababababab.part").exists());
        assert!(Part::open(&target, Some(&digest)).is_err(), "two downloads write one part");
        drop(part);
        let mut part = Part::open(&target, Some(&digest)).expect("the part again");
        let mut hasher = blake3::Hasher::new();
        assert_eq!(part.resume(&mut hasher).expect("what was left"), 4);
        assert_eq!(hasher.finalize(), blake3::hash(b"half"));
        part.write(b" and half").expect("room");
        part.finish().expect("whole");
        assert_eq!(std::fs::read(&target).expect("the file"), b"half and half");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "no part is left");
    }

    #[test]
    fn a_file_that_is_there_stays_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        let mut part = Part::open(&target, None).expect("a part");
        part.write(b"new").expect("room");
        std::fs::write(&target, b"old").expect("a file");
        assert!(part.finish().is_err());
        assert!(Part::open(&target, None).is_err());
        assert_eq!(std::fs::read(&target).expect("the file"), b"old");
        assert!(holds(&target, 3, blake3::hash(b"old").as_bytes()));
        assert!(!holds(&target, 3, blake3::hash(b"new").as_bytes()) && !holds(folder.path(), 0, &[0; 32]));
    }

    #[test]
    fn a_part_that_was_replaced_meanwhile_is_not_taken_for_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        let mut first = Part::open(&target, Some(&[1; 32])).expect("a part");
        first.write(b"whole").expect("room");
        std::fs::remove_file(&first.part).expect("removed");
        let mut second = Part::open(&target, Some(&[1; 32])).expect("a part of the same name");
        second.write(b"ha").expect("room");
        assert!(matches!(first.finish(), Err(ClientError::Failed(_))));
        assert!(!target.exists());
        second.write(b"lf").expect("room");
        second.finish().expect("whole");
        assert_eq!(std::fs::read(&target).expect("the file"), b"half");
    }

    #[test]
    fn a_part_that_its_writer_discards_or_finishes_is_not_gone_on_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        let ends: [fn(Part); 2] = [Part::discard, |part| drop(part.finish().expect("whole"))];
        for end in ends {
            let first = Part::open(&target, None).expect("a part");
            let part = first.part.clone();
            let opened_before = open_or_create(&part).expect("the same part");
            assert_eq!(lock(&opened_before, &part), Lock::Others);
            end(first);
            assert_eq!(lock(&opened_before, &part), Lock::Gone);
            let another = locked(&part).expect("a new one");
            assert!(is_at(&another, &part) && !is_at(&opened_before, &part));
            drop(another);
            std::fs::remove_file(part).expect("removed");
        }
    }

    #[test]
    fn who_comes_too_late_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, part) = (folder.path().join("a"), folder.path().join("a.part"));
        std::fs::write(&target, b"whole").expect("a file");
        assert!(matches!(Part::take(&target, part.clone()), Err(ClientError::Exists(_))));
        assert!(!part.exists());
        std::fs::write(&part, b"half").expect("a part");
        assert!(Part::take(&target, part.clone()).is_err() && part.exists(), "bytes are kept");
    }

    #[test]
    fn only_parts_of_the_very_file_are_taken_for_such() {
        let is = |part: &str, name: &str| is_part_of(OsStr::new(part), OsStr::new(name));
        assert!(is("a.0123456789abcdef.part", "a"));
        for other in
            ["a.part", "a.b.part", "b.0123456789abcdef.part", "a.0123456789abcdef", "a0123456789abcdef.part"]
        {
            assert!(!is(other, "a"), "{other}");
        }
    }

    #[test]
    fn the_longest_names_have_parts_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = "é".repeat(127);
        let part = Part::open(&folder.path().join(&name), Some(&[7; 32])).expect("a part");
        part.finish().expect("a file");
        assert!(folder.path().join(name).exists());
    }
}
