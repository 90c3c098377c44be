//! A file's name as search sees it, and the words in it.

use std::borrow::Cow;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use crate::Id;

/// Stands in a [`Text`] where the case of a name's letters changed: `myFile` is `my␟file`.
pub const SEAM: char = '\u{1f}';

/// A name after NFKC and case folding, with a [`SEAM`] where the case changed. Whoever publishes a file makes it; all
/// others only read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Arc<str>);

impl Text {
    /// The words, each once, in the order in which they first stand in the name.
    pub fn words(&self) -> Vec<Cow<'_, str>> {
        let mut words = Vec::new();
        for word in self.sequence() {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }

    /// The words as they stand one behind the other, those that come twice twice. Of letters with seams in them,
    /// the whole comes first, then its parts.
    pub fn sequence(&self) -> Vec<Cow<'_, str>> {
        self.tokens().iter().map(|token| without_seams(token.of(&self.0))).collect()
    }

    /// The name without seams.
    pub fn folded(&self) -> Cow<'_, str> {
        without_seams(&self.0)
    }

    /// The maximal stretches of word characters, with seams in them.
    pub(super) fn runs(&self) -> impl Iterator<Item = &str> {
        self.0
            .split(|c| c != SEAM && !is_word_char(c))
            .map(|run| run.trim_matches(SEAM))
            .filter(|run| !run.is_empty())
    }

    /// Where the words are.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(16);
        // What is being read: where it began, where its last character ended, and of what class it is.
        let mut stretch: Option<(usize, usize, Class)> = None;
        for (at, c) in self.0.char_indices() {
            if c == SEAM {
                continue;
            }
            let class = class(c);
            if let Some((start, end, old)) = stretch
                && class != Some(old)
            {
                self.split(start, end, old, &mut tokens);
                stretch = None;
            }
            stretch = class.map(|class| (stretch.map_or(at, |(start, ..)| start), at + c.len_utf8(), class));
        }
        if let Some((start, end, class)) = stretch {
            self.split(start, end, class, &mut tokens);
        }
        tokens
    }

    /// The words in one stretch of one class.
    fn split(&self, start: usize, end: usize, class: Class, tokens: &mut Vec<Token>) {
        let stretch = &self.0[start..end];
        let seams = stretch.as_bytes().contains(&(SEAM as u8));
        match class {
            Class::Letter if seams => {
                let whole = tokens.len();
                tokens.push(Token { start, end, parts: 0, seams });
                for part in stretch.split(SEAM).filter(|part| !part.is_empty()) {
                    let start = start + (part.as_ptr() as usize - stretch.as_ptr() as usize);
                    tokens.push(Token { start, end: start + part.len(), parts: 1, seams: false });
                }
                tokens[whole].parts = tokens.len() - whole - 1;
            }
            Class::Letter | Class::Digit => tokens.push(Token { start, end, parts: 1, seams }),
            Class::Ideograph => {
                let mut chars = stretch.char_indices().filter(|(_, c)| *c != SEAM).peekable();
                let alone = tokens.len();
                while let Some((first, _)) = chars.next() {
                    if let Some((second, c)) = chars.peek() {
                        let (start, end) = (start + first, start + second + c.len_utf8());
                        tokens.push(Token { start, end, parts: 1, seams });
                    } else if tokens.len() == alone {
                        tokens.push(Token { start, end, parts: 1, seams });
                    }
                }
            }
        }
    }
}

/// Where a word is in a [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Byte at which it begins.
    pub(super) start: usize,
    /// Byte behind it.
    pub(super) end: usize,
    /// Words that it is put together from and that are listed behind it; of all others, 1.
    pub(super) parts: usize,
    /// Whether seams may be in it.
    seams: bool,
}

impl Token {
    /// As it stands in the text, with seams.
    pub(super) fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }

    /// Whether other words are listed that it is put together from.
    pub(super) fn is_whole(&self) -> bool {
        self.parts > 1
    }

    /// Whether it is this word.
    pub(super) fn is(&self, text: &str, word: &str) -> bool {
        let own = self.of(text);
        if self.seams { seamless(own).eq(word.bytes()) } else { own == word }
    }

    /// Whether it begins like this.
    pub(super) fn begins(&self, text: &str, with: &str) -> bool {
        let own = self.of(text);
        if self.seams {
            let mut bytes = seamless(own);
            with.bytes().all(|byte| bytes.next() == Some(byte))
        } else {
            own.starts_with(with)
        }
    }
}

/// The bytes of a text without those of seams.
pub(super) fn seamless(text: &str) -> impl DoubleEndedIterator<Item = u8> {
    text.bytes().filter(|byte| *byte != SEAM as u8)
}

fn without_seams(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&(SEAM as u8)) {
        Cow::Owned(text.chars().filter(|c| *c != SEAM).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// What characters must have in common to stand in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Digit,
    /// Han, Hiragana and Katakana, which are written without spaces: every two neighbours are a word.
    Ideograph,
    Letter,
}

/// The class of a word character.
pub(super) fn class(c: char) -> Option<Class> {
    match c {
        'a'..='z' | 'A'..='Z' => Some(Class::Letter),
        '0'..='9' => Some(Class::Digit),
        '\0'..='\x7f' => None,
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}' => Some(Class::Ideograph),
        _ if c.is_numeric() => Some(Class::Digit),
        _ if c.is_alphabetic() => Some(Class::Letter),
        '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' => None,
        _ if c.is_whitespace() || c.is_control() => None,
        // Marks of letters, and symbols: emoji are words.
        _ => Some(Class::Letter),
    }
}

/// Whether a character is part of words, and no mere separator.
pub fn is_word_char(c: char) -> bool {
    class(c).is_some()
}

/// Whether a word is one of those that two neighbours of a script without spaces make, or one such character alone.
pub fn is_ideographic(word: &str) -> bool {
    word.chars().next().and_then(class) == Some(Class::Ideograph)
}

/// Characters of a word by which words are grouped: the words that begin alike lie in one arc of the ring, so that
/// a prefix of so many characters is answered there.
pub const GROUP: usize = 3;

/// Where the entries of a word belong: all words with the same first [`GROUP`] characters lie within a 256th of the
/// ring, spread over it by the rest. A popular beginning burdens several peers of a large ring, and a prefix of
/// them is still found at few.
pub fn word_key(word: &str) -> Id {
    let (first, _) = group_arc(word);
    let spread = digest("word", word);
    let mut offset = [0; 20];
    offset[1..].copy_from_slice(&spread[1..]);
    first.plus(Id::from_bytes(offset))
}

/// Where the words lie that begin as this one does, from the first key to the last, both inclusive.
pub fn group_arc(word: &str) -> (Id, Id) {
    let end = word.char_indices().nth(GROUP).map_or(word.len(), |(at, _)| at);
    let first = Id::from_bytes(digest("group", &word[..end]));
    let mut width = [0xff; 20];
    width[0] = 0;
    (first, first.plus(Id::from_bytes(width)))
}

/// Words and file names are hashed apart: the file named `report` and the word do not meet.
fn digest(domain: &str, text: &str) -> [u8; 20] {
    let mut sha = Sha1::new();
    sha.update(domain.as_bytes());
    sha.update([0]);
    sha.update(text.as_bytes());
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        Text(text.into()).words().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn a_name_falls_into_words() {
        for (text, expected) in [
            ("img0042.jpg", &["img", "0042", "jpg"][..]),
            ("i\u{1f}phone", &["iphone", "i", "phone"]),
            ("my\u{1f}file\u{1f}2.tar\u{1f}gz", &["myfile", "my", "file", "2", "targz", "tar", "gz"]),
            ("the end of the_end", &["the", "end", "of"]),
            ("a", &["a"]),
            ("---", &[]),
            ("", &[]),
            ("\u{1f}\u{1f}", &[]),
            ("\u{1f}a\u{1f}", &["a"]),
            ("東京都 京", &["東京", "京都", "京"]),
            ("2024年report", &["2024", "年", "report"]),
            ("שלום-עולם.txt", &["שלום", "עולם", "txt"]),
            ("🎉 party", &["🎉", "party"]),
            ("a\u{7}b\u{85}c\u{2009}d«e»", &["a", "b", "c", "d", "e"]),
            ("naïve_i\u{307}x", &["naïve", "i\u{307}x"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
        let long = "x".repeat(255);
        assert_eq!(words(&long), [long]);
    }

    #[test]
    fn folded_has_no_seams() {
        assert_eq!(Text("my\u{1f}file".into()).folded(), "myfile");
        assert!(matches!(Text("file".into()).folded(), Cow::Borrowed("file")));
    }

    proptest! {
        #[test]
        fn words_are_made_of_one_class_and_stand_in_the_name(text in "[ab1\u{1f}.東京🎉\\PC\\pC]{0,40}") {
            let text = Text(text.into());
            let folded = text.folded();
            let words = text.words();
            for (at, word) in words.iter().enumerate() {
                let classes: Vec<_> = word.chars().map(class).collect();
                prop_assert!(!word.is_empty() && classes.iter().all(|class| *class == classes[0]));
                prop_assert!(classes[0].is_some());
                prop_assert!(folded.contains(&**word));
                prop_assert!(!words[..at].contains(word));
            }
            // No word character is lost.
            let in_words = |c: char| words.iter().any(|word| word.contains(c));
            prop_assert!(folded.chars().filter(|c| is_word_char(*c)).all(in_words));
        }

        #[test]
        fn words_that_begin_alike_lie_together(word in "\\PC{3,20}", cut in 3_usize..20) {
            let end = word.char_indices().nth(cut).map_or(word.len(), |(at, _)| at);
            let (first, last) = group_arc(&word);
            prop_assert_eq!(group_arc(&word[..end]), (first, last));
            prop_assert!(first.distance_to(word_key(&word)) <= first.distance_to(last));
        }
    }
}
