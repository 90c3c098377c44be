//! One file as the index knows it, and what a publisher has under one key.

use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use super::{Digest, Text, word_key};
use crate::{Id, Peer, Services};

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
    /// The name as search sees it; empty: it is found by its whole name only.
    pub text: Text,
}

impl File {
    /// The key of its name.
    pub fn key(&self) -> Id {
        Id::of(self.name.as_bytes())
    }

    /// The content's hash, for digests.
    pub(crate) fn hash(&self) -> u128 {
        let mut sha = Sha1::new();
        for text in [&self.name, &self.path, &self.text.0] {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text.as_bytes());
        }
        sha.update(self.size.to_be_bytes());
        sha.update(self.modified_ms.to_be_bytes());
        sha.update(self.digest.as_ref().map_or(&[][..], |digest| &digest[..]));
        let bytes: [u8; 20] = sha.finalize().into();
        bytes[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// About how many bytes it takes in a message.
    pub(crate) fn weight(&self) -> usize {
        self.name.len() + self.path.len() + self.text.0.len() + 64
    }
}

/// The share of one file, of this hash, in the digest of a key.
pub(crate) fn stated_hash(key: Id, hash: u128) -> u128 {
    let bytes = key.to_bytes();
    let key = bytes[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
    // Multiplied by an odd number, so that equal files under different keys do not add up to the same.
    hash.wrapping_add(key).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// What a publisher has under one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The key.
    pub key: Id,
    /// The word that it is the key of; none: it is that of a whole name.
    pub word: Option<Arc<str>>,
    /// How many files there are, stated or not.
    pub total: u64,
    /// In the order of their paths: all of them, or the first. None: nothing any more.
    pub files: Vec<Arc<File>>,
}

impl Statement {
    /// One file under its name.
    pub fn of_name(file: File) -> Statement {
        Statement { key: file.key(), word: None, total: 1, files: vec![Arc::new(file)] }
    }

    /// One file under one of its words.
    pub fn of_word(word: Arc<str>, file: File) -> Statement {
        Statement { key: word_key(&word), word: Some(word), total: 1, files: vec![Arc::new(file)] }
    }

    /// Nothing any more.
    pub fn nothing(key: Id) -> Statement {
        Statement { key, word: None, total: 0, files: Vec::new() }
    }

    /// What it adds to a digest.
    pub fn digest(&self) -> Digest {
        let sum = self.files.iter().map(|file| stated_hash(self.key, file.hash()));
        Digest::stated(self.files.len(), self.total, sum.fold(0, u128::wrapping_add))
    }

    /// About how many bytes it takes in a message.
    pub(crate) fn weight(&self) -> usize {
        32 + self.files.iter().map(|file| file.weight()).sum::<usize>()
    }
}

/// A file with the peer that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Who has it.
    pub publisher: Peer,
    /// Where it is fetched.
    pub services: Services,
    /// What.
    pub file: Arc<File>,
    /// False: the publisher was given up, its lease still runs.
    pub alive: bool,
}

/// What one peer read for a lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reading {
    /// At most as many as were asked for.
    pub sources: Vec<Source>,
    /// All there are, listed or not; of a search: names.
    pub total: u64,
    /// Whether the reader knows all entries of its arc, so that "none" means none.
    pub complete: bool,
    /// Where a range is to be read on.
    pub next: Option<Id>,
    /// Of a search: entries on the list, looked through or not.
    pub held: u64,
    /// Of a search: entries that belong on the list and were not stated, since too many files have the word.
    pub withheld: u64,
    /// Of a search: the list is too long to be looked through.
    pub unread: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_file_counts_in_a_digest() {
        let file = File {
            name: "a".into(),
            path: "x/a".into(),
            size: 1,
            modified_ms: 2,
            digest: None,
            text: Text::default(),
        };
        let hash = |file: &File| Statement::of_name(file.clone()).digest();
        let changed = [
            File { name: "b".into(), ..file.clone() },
            File { path: "y/a".into(), ..file.clone() },
            File { size: 2, ..file.clone() },
            File { modified_ms: 3, ..file.clone() },
            File { digest: Some([0; 32]), ..file.clone() },
            File { text: Text("a".into()), ..file.clone() },
        ];
        assert!(changed.iter().all(|other| hash(other) != hash(&file)));
        let more = Statement { total: 2, ..Statement::of_name(file.clone()) };
        assert_ne!(more.digest(), hash(&file));
    }
}
