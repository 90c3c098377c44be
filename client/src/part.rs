//! Where downloaded bytes go: standard output, or `FILE.part`, which becomes FILE only when it is whole and
//! verified, and only if there is no FILE by then.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chord_client::ClientError;

const BUFFER: usize = 64 * 1024;

/// The unfinished file.
pub struct Part {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl Part {
    /// Opens `target.part` for this program alone, with what an earlier run left in it.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where `target` exists, or the part cannot be written, or another download
    /// writes it.
    pub fn open(target: &Path) -> Result<Self, ClientError> {
        absent(target)?;
        let mut name = target.file_name().map(OsString::from).ok_or_else(|| not_a_file(target))?;
        name.push(".part");
        let part = target.with_file_name(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(|error| failed("cannot write", &part, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ClientError::Failed(format!("another download is writing {}", part.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &part, &error)),
        }
        // Whoever had the lock until just now may have finished: then this is their file.
        absent(target)?;
        Ok(Self { file, part, target: target.to_owned() })
    }

    /// Feeds what is there already to the hash, and goes on behind it. Returns how many bytes that is.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where it cannot be read.
    pub fn resume(&mut self, hasher: &mut blake3::Hasher) -> Result<u64, ClientError> {
        let mut buffer = vec![0; BUFFER];
        let mut done = 0;
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(done),
                Ok(length) => {
                    hasher.update(&buffer[..length]);
                    done += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("cannot read", &self.part, &error)),
            }
        }
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

    /// Makes it the file that was wanted.
    ///
    /// # Errors
    /// [`ClientError::Failed`] where a file of that name has appeared meanwhile.
    pub fn finish(self) -> Result<PathBuf, ClientError> {
        self.file.sync_all().map_err(|error| failed("cannot write", &self.part, &error))?;
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
        Ok(self.target)
    }

    /// Removes it.
    pub fn discard(self) {
        // It is of no use; if it stays nevertheless, the next run begins with it and finds that out.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn absent(target: &Path) -> Result<(), ClientError> {
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("cannot write", target, &error)),
        Ok(_) => Err(exists(target)),
    }
}

fn exists(target: &Path) -> ClientError {
    ClientError::Failed(format!(
        "{} exists already and is not overwritten; name another file with -o",
        target.display()
    ))
}

fn not_a_file(target: &Path) -> ClientError {
    ClientError::Usage(format!("{} does not name a file", target.display()))
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
        let mut part = Part::open(&target).expect("a part");
        part.write(b"half").expect("room");
        assert!(!target.exists());
        assert!(Part::open(&target).is_err(), "two downloads write one part");
        drop(part);
        let mut part = Part::open(&target).expect("the part again");
        let mut hasher = blake3::Hasher::new();
        assert_eq!(part.resume(&mut hasher).expect("what was left"), 4);
        assert_eq!(hasher.finalize(), blake3::hash(b"half"));
        part.write(b" and half").expect("room");
        part.finish().expect("whole");
        assert_eq!(std::fs::read(&target).expect("the file"), b"half and half");
        assert!(!folder.path().join("report.pdf.part").exists());
    }

    #[test]
    fn a_file_that_is_there_stays_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        let mut part = Part::open(&target).expect("a part");
        part.write(b"new").expect("room");
        std::fs::write(&target, b"old").expect("a file");
        assert!(part.finish().is_err());
        assert!(Part::open(&target).is_err());
        assert_eq!(std::fs::read(&target).expect("the file"), b"old");
    }
}
