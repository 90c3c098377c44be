//! Whether a query holds of a file, and how well.

use std::sync::Arc;

use super::super::text::{SEAM, Token, is_word_char, seamless};
use super::super::{File, Text};
use super::typos::Typed;
use super::{Query, What, glob};
use crate::{Id, Peer};

/// How a name fits, from the best to the worst. Within one, fewer errors come first, then names with fewer words
/// that nobody asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The words asked for, in order, and no others.
    WholeName,
    InOrder,
    AnyOrder,
    Prefix,
    Pattern,
    Typos,
}

/// Hexadecimal digits from which on an identifier's beginning names a peer.
const DIGITS: usize = 4;

impl Query {
    /// How well a file fits: the smaller, the better; none where it does not. `text` is that of the file's name.
    ///
    /// The order is: the name's words are the query's; it has all of them, in order; in any order; some by their
    /// beginnings only; by patterns; with typing errors. Then names with fewer further words come first. Typing errors
    /// are forgiven in words and prefixes that are looked for, not in phrases or in what is excluded.
    pub fn rank(&self, text: &Text, file: &File, publisher: &Peer) -> Option<u32> {
        for term in &self.terms {
            if fact(&term.what, text, file, publisher).is_some_and(|holds| holds == term.exclude) {
                return None;
            }
        }
        let tokens = text.tokens();
        let mut name = Name { text, tokens: &tokens, fit: Fit::InOrder, next: 0, covered: 0, errors: 0 };
        for term in &self.terms {
            let holds = match (&term.what, term.exclude) {
                (What::Word(word), false) => name.find(word, false, self.typos),
                (What::Prefix(word), false) => name.find(word, true, self.typos),
                (What::Phrase(words), false) => name.find_phrase(words),
                (What::Pattern(pattern), false) => name.find_pattern(pattern),
                (What::Word(word), true) => !name.has(|token| token.is(&text.0, word)),
                (What::Prefix(word), true) => !name.has(|token| token.begins(&text.0, word)),
                (What::Phrase(words), true) => name.phrase(words, 0).is_none(),
                (What::Pattern(pattern), true) => !name.fits(pattern),
                _ => true,
            };
            if !holds {
                return None;
            }
        }
        Some(name.rank())
    }
}

/// Whether a condition that is not about words holds.
fn fact(what: &What, text: &Text, file: &File, publisher: &Peer) -> Option<bool> {
    Some(match what {
        What::Extension(extension) => ends_in(&text.0, extension),
        What::AtLeast(size) => file.size >= *size,
        What::AtMost(size) => file.size <= *size,
        What::Since(instant) => file.modified_ms >= *instant,
        What::Before(instant) => file.modified_ms < *instant,
        What::Peer(peer) => is_peer(publisher, peer),
        What::Word(_) | What::Prefix(_) | What::Phrase(_) | What::Pattern(_) => return None,
    })
}

fn ends_in(text: &str, extension: &str) -> bool {
    let mut end = seamless(text).rev();
    extension.bytes().rev().all(|byte| end.next() == Some(byte)) && end.next() == Some(b'.')
}

fn is_peer(peer: &Peer, named: &str) -> bool {
    let lower = |text: &str, other: &str| {
        let [a, b] = [text, other].map(|text| text.chars().flat_map(char::to_lowercase));
        a.eq(b)
    };
    lower(&peer.name, named) || begins_like(peer.id, named)
}

fn begins_like(id: Id, digits: &str) -> bool {
    let own = id.to_bytes();
    let mut own = own.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.len() >= DIGITS
        && digits
            .chars()
            .all(|c| c.to_digit(16).is_some_and(|digit| own.next().map(u32::from) == Some(digit)))
}

/// A name, and what was found in it so far.
struct Name<'a> {
    text: &'a Text,
    tokens: &'a [Token],
    fit: Fit,
    /// Where the next word must begin for all to be in order.
    next: usize,
    /// Words that were found.
    covered: usize,
    errors: usize,
}

impl Name<'_> {
    fn has(&self, is: impl Fn(&Token) -> bool) -> bool {
        self.tokens.iter().any(is)
    }

    fn worsen(&mut self, fit: Fit) {
        self.fit = self.fit.max(fit);
    }

    /// Looks for a word, or for one that begins like this.
    fn find(&mut self, word: &str, prefix: bool, typos: bool) -> bool {
        let text = &*self.text.0;
        let mut best: Option<(Fit, &Token)> = None;
        for token in self.tokens {
            if prefix && !token.begins(text, word) || !prefix && !token.is(text, word) {
                continue;
            }
            let fit = match () {
                () if prefix && !token.is(text, word) => Fit::Prefix,
                () if token.start < self.next => Fit::AnyOrder,
                () => Fit::InOrder,
            };
            if best.is_none_or(|(old, _)| fit < old) {
                best = Some((fit, token));
            }
            if fit == Fit::InOrder {
                break;
            }
        }
        if let Some((fit, token)) = best {
            self.take(fit, token.start, token.parts);
            return true;
        }
        typos && self.find_mistyped(word, prefix)
    }

    fn find_mistyped(&mut self, word: &str, prefix: bool) -> bool {
        let Some(typed) = Typed::new(word) else { return false };
        let compared = self.tokens.iter().filter_map(|token| {
            let chars = token.of(&self.text.0).chars().filter(|c| *c != SEAM);
            Some((typed.errors(chars, prefix)?, token))
        });
        let Some((errors, token)) = compared.min_by_key(|(errors, _)| *errors) else { return false };
        self.errors += errors;
        self.take(Fit::Typos, token.start, token.parts);
        true
    }

    fn take(&mut self, fit: Fit, start: usize, parts: usize) {
        self.worsen(fit);
        self.covered += parts;
        self.next = start + 1;
    }

    fn find_phrase(&mut self, words: &[Arc<str>]) -> bool {
        let in_order = self.phrase(words, self.next).map(|found| (Fit::InOrder, found));
        match in_order.or_else(|| Some((Fit::AnyOrder, self.phrase(words, 0)?))) {
            Some((fit, (start, parts))) => {
                self.take(fit, start, parts);
                true
            }
            None => false,
        }
    }

    /// Looks for words that stand one right behind the other, from a byte on: where the last one begins, and how many
    /// of the name's words they are.
    fn phrase(&self, words: &[Arc<str>], from: usize) -> Option<(usize, usize)> {
        let text = &*self.text.0;
        let (first, rest) = words.split_first()?;
        self.tokens.iter().filter(|token| token.start >= from && token.is(text, first)).find_map(|token| {
            let (mut last, mut parts) = (token, token.parts);
            for word in rest {
                last = self.tokens.iter().find(|token| self.follows(last, token) && token.is(text, word))?;
                parts += last.parts;
            }
            Some((last.start, parts))
        })
    }

    /// Whether no word character lies between two words, and they overlap as pairs do or not at all.
    fn follows(&self, one: &Token, other: &Token) -> bool {
        let text = &*self.text.0;
        if other.start >= one.end {
            return !text[one.end..other.start].contains(is_word_char);
        }
        // Only pairs begin within one another and end behind it; their second begins with the first's second.
        other.start > one.start && other.end > one.end
    }

    fn find_pattern(&mut self, pattern: &str) -> bool {
        self.worsen(Fit::Pattern);
        self.fits(pattern)
    }

    fn fits(&self, pattern: &str) -> bool {
        if is_for_words(pattern) {
            self.has(|token| glob::matches(pattern, token.of(&self.text.0)))
                || self.text.runs().any(|run| glob::matches(pattern, run))
        } else {
            glob::matches(pattern, &self.text.0)
        }
    }

    fn rank(&self) -> u32 {
        let words = self.tokens.iter().filter(|token| !token.is_whole()).count();
        let further = words.saturating_sub(self.covered);
        let whole = self.fit == Fit::InOrder && further == 0 && self.covered > 0;
        let fit = if whole { Fit::WholeName } else { self.fit };
        let capped = |count: usize, most: u16| u32::try_from(count).unwrap_or(u32::MAX).min(most.into());
        (fit as u32) << 24 | capped(self.errors, 0xff) << 16 | capped(further, 0xffff)
    }
}

/// Whether a pattern is one for words and runs of them, and not for whole names.
fn is_for_words(pattern: &str) -> bool {
    pattern.chars().all(|c| matches!(c, '*' | '?') || is_word_char(c))
}
