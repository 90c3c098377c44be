//! Digests of files that have just been uploaded, until the catalog has computed them, too.
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::version::Version;
use crate::shared_dir::SharedPath;

/// Files remembered, the latest ones.
const MOST: usize = 256;

/// The latest uploads.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<VecDeque<(SharedPath, Version, [u8; 32])>>);

impl Fresh {
    /// Remembers the digest of the file at `path` in this state.
    pub fn note(&self, path: SharedPath, version: Version, digest: [u8; 32]) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(other, ..)| *other != path);
        files.truncate(MOST - 1);
        files.push_front((path, version, digest));
    }

    /// The digest of the file at `path`, if it is still in the state in which it was uploaded.
    pub fn digest(&self, path: &SharedPath, version: &Version) -> Option<[u8; 32]> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().find(|(other, at, _)| (other, at) == (path, version)).map(|(_, _, digest)| *digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_state_that_was_uploaded_has_the_digest() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join("a");
        std::fs::write(&at, "one").unwrap();
        let file = std::fs::File::open(&at).unwrap();
        let path = |name: &str| SharedPath::parse(name).unwrap();
        let version = Version::at_rest(&file).unwrap().unwrap();
        let fresh = Fresh::default();
        fresh.note(path("a"), version, [1; 32]);
        assert_eq!(fresh.digest(&path("a"), &version), Some([1; 32]));
        assert_eq!(fresh.digest(&path("b"), &version), None);
        std::fs::write(&at, "two").unwrap();
        assert_eq!(fresh.digest(&path("a"), &Version::of(&file).unwrap()), None);
        fresh.note(path("a"), version, [2; 32]);
        assert_eq!(fresh.digest(&path("a"), &version), Some([2; 32]));
        for n in 0..MOST {
            fresh.note(path(&n.to_string()), version, [3; 32]);
        }
        assert_eq!(fresh.digest(&path("a"), &version), None);
        assert_eq!(fresh.0.lock().unwrap().len(), MOST);
    }
}
