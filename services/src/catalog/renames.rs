//! Files that left their path, so that the path they came to does not have them read again.
use std::collections::HashMap;

use crate::shared_dir::{Inode, Stamp};

/// Digests of files that are no longer where they were, by which file in which state. A rename changes the
/// change time and neither of size and modification time.
#[derive(Debug, Default)]
pub(super) struct Renames(HashMap<(Inode, u64, i128), [u8; 32]>);

impl Renames {
    /// Takes note of a path whose file was in the state `before` with this digest (none where it is not 32
    /// bytes). It counts if `now` no file is there, or another one: the same one in another state has other content.
    pub fn left(&mut self, before: &Stamp, now: Option<&Stamp>, digest: &[u8]) {
        let stayed = now.is_some_and(|now| now.inode == before.inode);
        if let (false, Some(key), Ok(digest)) = (stayed, key(before), digest.try_into()) {
            self.0.insert(key, digest);
        }
    }

    /// The digest of the file in this state, if it has left another path.
    pub fn digest(&self, stamp: &Stamp) -> Option<[u8; 32]> {
        self.0.get(&key(stamp)?).copied()
    }
}

fn key(stamp: &Stamp) -> Option<(Inode, u64, i128)> {
    Some((stamp.inode?, stamp.size, stamp.modified))
}
