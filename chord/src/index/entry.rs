//! One file as the index knows it.

use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use crate::{Id, Peer, Services};

/// What an entry's key is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The file's whole name.
    Name,
    /// One word of it.
    Word,
}

/// A file that a peer shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// Base name (UTF-8, NFC).
    pub name: Arc<str>,
    /// Relative to the shared directory, with `/`; names the file among its publisher's.
    pub path: Arc<str>,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since 1970-01-01 UTC, only ever displayed.
    pub modified_ms: i64,
    /// BLAKE3, once it is computed.
    pub digest: Option<[u8; 32]>,
}

/// One file under one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// What `key` is the hash of.
    pub kind: Kind,
    /// Where on the ring the entry belongs.
    pub key: Id,
    /// The file.
    pub file: File,
}

impl Entry {
    /// The entry of a file under its whole name.
    pub fn of_name(file: File) -> Entry {
        Entry { kind: Kind::Name, key: Id::of(file.name.as_bytes()), file }
    }

    /// About how many bytes it takes in a message.
    pub(crate) fn weight(&self) -> usize {
        self.file.name.len() + self.file.path.len() + 96
    }

    /// The content's hash, for [`Digest`](super::Digest).
    pub(crate) fn hash(&self) -> u128 {
        let mut sha = Sha1::new();
        sha.update([self.kind as u8]);
        sha.update(self.key.to_bytes());
        for text in [&self.file.name, &self.file.path] {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text.as_bytes());
        }
        sha.update(self.file.size.to_be_bytes());
        sha.update(self.file.modified_ms.to_be_bytes());
        sha.update(self.file.digest.as_ref().map_or(&[][..], |digest| &digest[..]));
        let bytes: [u8; 20] = sha.finalize().into();
        bytes[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

/// An entry with the peer that has the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Who has it.
    pub publisher: Peer,
    /// Where it is fetched.
    pub services: Services,
    /// What.
    pub entry: Entry,
    /// False: the publisher was given up, its lease still runs.
    pub alive: bool,
}

/// What one peer read for a lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reading {
    /// At most as many as were asked for.
    pub sources: Vec<Source>,
    /// All there are, listed or not.
    pub total: u64,
    /// Whether the reader knows all entries of its arc, so that "none" means none.
    pub complete: bool,
    /// Where a range is to be read on.
    pub next: Option<Id>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_file_counts_in_its_hash() {
        let file = File { name: "a".into(), path: "x/a".into(), size: 1, modified_ms: 2, digest: None };
        let hash = |file: &File| Entry::of_name(file.clone()).hash();
        let changed = [
            File { name: "b".into(), ..file.clone() },
            File { path: "y/a".into(), ..file.clone() },
            File { size: 2, ..file.clone() },
            File { modified_ms: 3, ..file.clone() },
            File { digest: Some([0; 32]), ..file.clone() },
        ];
        assert!(changed.iter().all(|other| hash(other) != hash(&file)));
    }
}
