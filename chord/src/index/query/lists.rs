//! Which words every match of a query must have.

use std::cmp::Reverse;

use super::super::text::{Class, class};
use super::super::{GROUP, Text};
use super::{List, Query, What};

/// Lists that are asked at most.
const MOST: usize = 8;

impl Query {
    /// The lists any one of which holds every match, those of the longest words first. None: only a scan of all
    /// files helps.
    pub fn lists(&self) -> Vec<List> {
        let mut lists = Vec::new();
        if self.typos {
            return lists;
        }
        for term in self.terms.iter().filter(|term| !term.exclude) {
            match &term.what {
                What::Word(text) => word(text, &mut lists),
                What::Prefix(text) => prefix(text, &mut lists),
                What::Phrase(words) => words.iter().for_each(|text| word(text, &mut lists)),
                What::Pattern(pattern) => implied(pattern, &mut lists),
                // A dot is before it and the name's end behind it.
                What::Extension(text) => {
                    Text(text.clone()).words().iter().for_each(|text| word(text, &mut lists));
                }
                What::AtLeast(_) | What::AtMost(_) | What::Since(_) | What::Before(_) | What::Peer(_) => {}
            }
        }
        lists.sort_by_cached_key(|list| (Reverse(list.word.chars().count()), list.clone()));
        lists.dedup();
        lists.truncate(MOST);
        lists
    }
}

fn word(text: &str, lists: &mut Vec<List>) {
    lists.push(List { word: text.into(), prefix: false });
}

fn prefix(text: &str, lists: &mut Vec<List>) {
    if text.chars().nth(GROUP - 1).is_some() {
        lists.push(List { word: text.into(), prefix: true });
    }
}

/// What a pattern says of the words of whatever it matches.
///
/// A stretch of one class in it is a whole word where it is bounded on both sides: by a character of another class, by
/// a separator, or by the pattern's end; bounded on the left only, it is how a word begins. Next to a wildcard it is not
/// bounded. A pattern for words may match a part of a longer run, `phone` of `iPhone`; then that part is a word
/// itself, of one class, and what is said of its beginning and end holds of it.
fn implied(pattern: &str, lists: &mut Vec<List>) {
    let wildcard = |c: char| matches!(c, '*' | '?');
    let mut rest = pattern;
    // The character before `rest`, if any.
    let mut before: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        let stretch_class = if wildcard(c) { None } else { class(c) };
        let Some(own) = stretch_class else {
            before = Some(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        let end = rest.find(|c| wildcard(c) || class(c) != Some(own)).unwrap_or(rest.len());
        let (stretch, behind) = rest.split_at(end);
        let left = !before.is_some_and(wildcard);
        let right = !behind.starts_with(wildcard);
        match own {
            // Any two neighbours are a word.
            Class::Ideograph if stretch.chars().nth(1).is_some() => {
                Text(stretch.into()).words().iter().for_each(|pair| word(pair, lists));
            }
            _ if left && right => word(stretch, lists),
            Class::Letter | Class::Digit if left => prefix(stretch, lists),
            _ => {}
        }
        before = stretch.chars().next_back();
        rest = behind;
    }
}
