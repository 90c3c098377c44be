//! What a publisher shares, by path and by key.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::arc::within;
use super::entry::stated_hash;
use super::{Digest, File, Statement, word_key};
use crate::Id;

/// Files that one publisher states under one key at most: the first by path. Nearly every file of a folder may have
/// one word (`img`, `jpg`), and all that is stated under a key travels in one message.
pub(crate) const STATED: usize = 800;

/// A publisher's files, each under its path, its name and its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Listing {
    files: BTreeMap<Arc<str>, (Arc<File>, u128)>,
    keys: BTreeMap<Id, Listed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Listed {
    word: Option<Arc<str>>,
    /// In the order of their paths.
    files: Vec<Arc<File>>,
    /// Of the hashes of those that are stated.
    sum: u128,
}

impl Listed {
    fn stated(&self) -> &[Arc<File>] {
        &self.files[..self.files.len().min(STATED)]
    }

    fn digest(&self) -> Digest {
        Digest::stated(self.stated().len(), self.files.len() as u64, self.sum)
    }

    fn statement(&self, key: Id) -> Statement {
        let (word, total) = (self.word.clone(), self.files.len() as u64);
        Statement { key, word, total, files: self.stated().to_vec() }
    }
}

/// The keys of a file, each with the word that it is the key of; first that of its name.
fn keys_of(file: &File) -> Vec<(Id, Option<Arc<str>>)> {
    let words = file.text.words();
    let words = words.iter().map(|word| (word_key(word), Some(Arc::from(&**word))));
    std::iter::once((file.key(), None)).chain(words).collect()
}

impl Listing {
    /// A file is new or has changed. The keys under which that shows are added to `touched`.
    pub(super) fn put(&mut self, file: File, touched: &mut Vec<Id>) {
        let known = self.files.get(&file.path);
        if known.is_some_and(|(known, _)| **known == file) {
            return;
        }
        let path = file.path.clone();
        self.remove(&path, touched);
        let (hash, file) = (file.hash(), Arc::new(file));
        for (key, word) in keys_of(&file) {
            let listed = self.keys.entry(key).or_insert_with(|| Listed { word, ..Listed::default() });
            // Folders are mostly told in order.
            let last = listed.files.last().is_none_or(|last| last.path < file.path);
            let at = match last {
                true => listed.files.len(),
                false => listed.files.partition_point(|other| other.path < file.path),
            };
            listed.files.insert(at, file.clone());
            if at < STATED {
                listed.sum = listed.sum.wrapping_add(stated_hash(key, hash));
                if let Some((_, pushed_out)) = listed.files.get(STATED).and_then(|f| self.files.get(&f.path))
                {
                    listed.sum = listed.sum.wrapping_sub(stated_hash(key, *pushed_out));
                }
            }
            touched.push(key);
        }
        self.files.insert(path, (file, hash));
    }

    /// A file is gone.
    pub(super) fn remove(&mut self, path: &Arc<str>, touched: &mut Vec<Id>) {
        let Some((file, hash)) = self.files.remove(path) else { return };
        for (key, _) in keys_of(&file) {
            let Some(listed) = self.keys.get_mut(&key) else { continue };
            let at = listed.files.partition_point(|other| other.path < file.path);
            listed.files.remove(at);
            if at < STATED {
                listed.sum = listed.sum.wrapping_sub(stated_hash(key, hash));
                if let Some((_, moved_up)) =
                    listed.files.get(STATED - 1).and_then(|f| self.files.get(&f.path))
                {
                    listed.sum = listed.sum.wrapping_add(stated_hash(key, *moved_up));
                }
            }
            if listed.files.is_empty() {
                self.keys.remove(&key);
            }
            touched.push(key);
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files behind a path, or all, in order.
    pub fn files_after(&self, path: Option<&Arc<str>>) -> impl Iterator<Item = &Arc<File>> {
        let after = path.map_or(Bound::Unbounded, |path| Bound::Excluded(path.clone()));
        self.files.range((after, Bound::Unbounded)).map(|(_, (file, _))| file)
    }

    /// The files of one key, stated or not.
    pub fn under(&self, key: Id) -> &[Arc<File>] {
        self.keys.get(&key).map_or(&[], |listed| &listed.files)
    }

    /// What is stated of one key.
    pub(super) fn statement(&self, key: Id) -> Statement {
        self.keys.get(&key).map_or_else(|| Statement::nothing(key), |listed| listed.statement(key))
    }

    /// What is stated in the arc (from, to].
    pub(super) fn statements(&self, from: Id, to: Id) -> impl Iterator<Item = Statement> {
        within(&self.keys, from, to).map(|(key, listed)| listed.statement(*key))
    }

    /// The same, comparable without sending it.
    pub(super) fn digest(&self, from: Id, to: Id) -> Digest {
        within(&self.keys, from, to).map(|(_, listed)| listed.digest()).sum()
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The keys in the arc (from, to].
    pub(super) fn keys_within(&self, from: Id, to: Id) -> impl Iterator<Item = Id> {
        within(&self.keys, from, to).map(|(key, _)| *key)
    }

    /// How many keys lie in the arc (from, to].
    pub(super) fn count(&self, from: Id, to: Id) -> usize {
        within(&self.keys, from, to).count()
    }

    /// Whether any key lies there.
    pub(super) fn has_any(&self, from: Id, to: Id) -> bool {
        within(&self.keys, from, to).next().is_some()
    }

    /// Whether there are files under this key.
    pub(super) fn has(&self, key: Id) -> bool {
        self.keys.contains_key(&key)
    }

    /// The first key behind a bound.
    pub(super) fn first_key(&self, after: Bound<Id>) -> Option<Id> {
        self.keys.range((after, Bound::Unbounded)).next().map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::Text;

    proptest! {
        #[test]
        fn the_digest_is_that_of_what_is_stated(changes: Vec<(bool, u16, u8)>) {
            let mut listing = Listing::default();
            let mut touched = Vec::new();
            for number in 0..STATED as u32 + 5 {
                listing.put(file(10 * number, 1), &mut touched);
            }
            for (there, number, size) in changes {
                let file = file(u32::from(number) % (10 * STATED as u32), u64::from(size));
                match there {
                    true => listing.put(file, &mut touched),
                    false => listing.remove(&file.path, &mut touched),
                }
            }
            let statements: Vec<Statement> = listing.statements(Id::default(), Id::default()).collect();
            prop_assert_eq!(statements.iter().collect::<Digest>(), listing.digest(Id::default(), Id::default()));
        }
    }

    fn file(number: u32, size: u64) -> File {
        let path = format!("{number:06}").into();
        File { name: "n".into(), path, size, modified_ms: 0, digest: None, text: Text("a word".into()) }
    }
}
