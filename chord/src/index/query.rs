//! A query for files, and what it says of one.

mod glob;
mod lists;
mod rank;
mod typos;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::text;
use crate::Id;

/// What is looked for: all of its terms have to hold of a file. All texts in it are normalised as
/// [`Text`](super::Text) is, without seams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// All of them count.
    pub terms: Vec<Term>,
    /// Up to two typing errors in each word are forgiven.
    pub typos: bool,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// Files of which it holds are left out.
    pub exclude: bool,
    /// The condition.
    pub what: What,
}

/// What has to be true of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Its name has this word.
    Word(Arc<str>),
    /// Its name has a word that begins like this.
    Prefix(Arc<str>),
    /// Its name has these words, one right behind the other.
    Phrase(Vec<Arc<str>>),
    /// With `*` for any characters and `?` for one. A pattern of letters and digits is one for a single word, or run of
    /// letters and digits; any other is one for the whole name.
    Pattern(Arc<str>),
    /// Its name ends in a dot and this.
    Extension(Arc<str>),
    /// It has at least so many bytes.
    AtLeast(u64),
    /// It has at most so many bytes.
    AtMost(u64),
    /// It was changed at or after this instant, in milliseconds since 1970-01-01 UTC.
    Since(i64),
    /// It was changed before this instant.
    Before(i64),
    /// The peer that shares it has this name, in letters of any case, or an identifier that begins like this, with
    /// at least four hexadecimal digits.
    Peer(Arc<str>),
}

/// The entries of one word, or of all words with one beginning of at least [`GROUP`](super::GROUP) characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List {
    /// The word.
    pub word: Arc<str>,
    /// All words that begin like it.
    pub prefix: bool,
}

impl List {
    /// Where on the ring it lies, from the first key to the last, both inclusive.
    pub fn arc(&self) -> (Id, Id) {
        if self.prefix {
            text::group_arc(&self.word)
        } else {
            let key = text::word_key(&self.word);
            (key, key)
        }
    }
}

/// A place in the order of all hits: the best first, names of one rank by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The smaller, the better.
    pub rank: u32,
    /// The file's name.
    pub name: Arc<str>,
}

/// A query put to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Search {
    /// What is looked for.
    pub query: Query,
    /// Which of the peer's entries are looked through.
    pub list: List,
    /// Hits up to this place have been told before.
    pub after: Option<Place>,
    /// Names that are told at most.
    pub limit: usize,
    /// Entries that are looked through at most; of a longer list, only the length is told.
    pub most: usize,
}
