//! The terms of a query, and what those without a filter look for.

use std::sync::Arc;

use chord::index::{Text, What, is_ideographic, is_word_char};

use super::filter::Filter;
use super::{MAX_LOOSE, QueryError, case_folded};

/// One term as typed.
pub(super) struct Part<'a> {
    /// Behind a `-`.
    pub(super) exclude: bool,
    /// The rest.
    pub(super) typed: Typed<'a>,
    /// Whether more of its last word may be to come: nothing follows it.
    pub(super) open: bool,
}

/// What a term is made of.
pub(super) enum Typed<'a> {
    Text(&'a str),
    Quoted(&'a str),
    Filter { filter: Filter, value: &'a str },
}

/// The quotes that people and their keyboards use.
const QUOTES: [char; 4] = ['"', '“', '”', '„'];

/// The terms of a query.
///
/// # Errors
/// A quote that is not closed.
pub(super) fn split(query: &str) -> Result<Vec<Part<'_>>, QueryError> {
    let mut parts = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let (exclude, term) = match rest.strip_prefix('-') {
            Some(term) => (true, term),
            None => (false, rest),
        };
        let (typed, behind) = if let Some((text, behind)) = quotation(term)? {
            (Typed::Quoted(text), behind)
        } else if let Some((filter, value)) = Filter::strip(term) {
            let (value, behind) = match quotation(value)? {
                Some(quoted) => quoted,
                None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            (Typed::Filter { filter, value }, behind)
        } else {
            let end = |c: char| c.is_whitespace() || QUOTES.contains(&c);
            let (text, behind) = term.split_at(term.find(end).unwrap_or(term.len()));
            (Typed::Text(text), behind)
        };
        let open = behind.is_empty() && rest.ends_with(is_word_char);
        parts.push(Part { exclude, typed, open });
        rest = behind.trim_start();
    }
    Ok(parts)
}

/// The text between quotes, and what follows, where there are quotes.
fn quotation(text: &str) -> Result<Option<(&str, &str)>, QueryError> {
    let Some(quoted) = text.strip_prefix(QUOTES) else { return Ok(None) };
    quoted.split_once(QUOTES).map(Some).ok_or(QueryError::Unbalanced)
}

fn sequence(text: &str) -> Vec<Arc<str>> {
    let text = Text(case_folded(text).into());
    text.sequence().into_iter().map(|word| word.as_ref().into()).collect()
}

/// Words that stand one behind the other; nothing where there are none.
pub(super) fn quoted(text: &str) -> Vec<What> {
    let mut words = sequence(text);
    match words.len() {
        0 | 1 => words.pop().map(What::Word).into_iter().collect(),
        _ => vec![What::Phrase(words)],
    }
}

/// Words wherever they stand; of an open term, more of the last one may be to come.
pub(super) fn words(text: &str, open: bool) -> Vec<What> {
    let words = sequence(text);
    if words.len() > MAX_LOOSE {
        return vec![What::Phrase(words)];
    }
    let last = words.len().saturating_sub(1);
    let one = |(at, word): (usize, Arc<str>)| match () {
        // Names have such characters in pairs.
        () if is_ideographic(&word) && word.chars().nth(1).is_none() => {
            What::Pattern(format!("*{word}*").into())
        }
        () if open && at == last && !is_ideographic(&word) => What::Prefix(word),
        () => What::Word(word),
    };
    words.into_iter().enumerate().map(one).collect()
}

/// A pattern; nothing where it has wildcards only.
pub(super) fn pattern(text: &str) -> Vec<What> {
    if text.chars().all(|c| matches!(c, '*' | '?')) {
        return Vec::new();
    }
    let mut pattern = case_folded(text);
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    vec![What::Pattern(pattern.into())]
}
