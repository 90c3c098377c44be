//! Queries as people type them.
//!
//! A query is terms between white space; all of them have to hold of a file:
//!
//! | term | holds of files |
//! |---|---|
//! | `annual` | whose name has this word. `annual_report` are two words, as in names. The last word of a query may be the beginning of one, as long as nothing follows it |
//! | `"annual report"` | whose name has these words, one right behind the other |
//! | `*.pdf`, `r?port` | that match a pattern, with `*` for any characters and `?` for one. A pattern of letters and digits is one for a word, any other one for the whole name |
//! | `ext:tar.gz` | whose name ends in a dot and this |
//! | `size:>10MB` | of a size: `>`, `>=`, `<`, `<=` or nothing before it, or two with `..` between them. Units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB; a bare number is bytes |
//! | `newer:7d`, `older:2026-11-22` | changed within a time (s, min, h, d, w, month, y) or since a day (UTC), or before |
//! | `peer:p3` | that this peer shares, named by its name or by the first digits of its identifier |
//! | `-draft` | of which the term behind the `-` does not hold |
//!
//! Characters that stand in no words only separate them. An unknown `foo:bar` are two words, as names have colons.

mod filter;
mod terms;

use std::time::SystemTime;

use chord::index::{Query, Term, What};

use super::normal::{case_folded, composed};
use terms::{Typed, split};

/// Bytes of a query as typed.
pub const MAX_QUERY: usize = 1024;
/// Terms of a query as typed.
const MAX_TYPED: usize = 16;
/// Conditions that they make.
const MAX_TERMS: usize = 32;
/// Words of one typed term that are looked for wherever they stand in a name; more are taken as a phrase.
const MAX_LOOSE: usize = 8;
/// Bytes of a word, an extension or a peer's name.
const MAX_WORD: usize = 255;
/// Bytes of a pattern.
const MAX_PATTERN: usize = 512;

/// What is wrong with a query, for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing was typed.
    #[error("the query is empty: give at least one word")]
    Empty,
    /// So many bytes.
    #[error("the query has {0} bytes; at most {MAX_QUERY} are allowed: leave out some words")]
    TooLong(usize),
    /// So many terms.
    #[error(
        "the query has {0} terms; at most {MAX_TYPED} are allowed: leave out some, or put them in quotes"
    )]
    TooManyTerms(usize),
    /// More words in all than are looked for at once.
    #[error("the query has more than {MAX_TERMS} words: leave out some, or put them in quotes")]
    TooManyWords,
    /// One word, so many bytes in all.
    #[error("a word of the query has {0} bytes, and no file name is that long: shorten it")]
    LongWord(usize),
    /// A quote has no second one.
    #[error("a quote (\") is opened and not closed: close it, or leave it out")]
    Unbalanced,
    /// `*`, `?*`, …
    #[error(
        "the query has only wildcards, which every name matches: add letters or digits, such as \"*.pdf\""
    )]
    OnlyWildcards,
    /// All terms exclude.
    #[error("the query only excludes: add what is looked for, such as \"report -draft\"")]
    OnlyExclusions,
    /// No letter and no digit.
    #[error("the query has no letters or digits, and names are found by those: add a word")]
    OnlySymbols,
    /// The value of a filter means nothing.
    #[error("{filter}:{value} is not understood: {accepted}")]
    BadFilter {
        /// `size`, `ext`, …
        filter: &'static str,
        /// What stands behind the colon.
        value: String,
        /// What could stand there.
        accepted: &'static str,
    },
}

/// The query that was typed at the instant `now`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(typed: &str, now: SystemTime) -> Result<Query, QueryError> {
    if typed.len() > MAX_QUERY {
        return Err(QueryError::TooLong(typed.len()));
    }
    let typed = composed(typed);
    let parts = split(&typed)?;
    if parts.is_empty() {
        return Err(QueryError::Empty);
    }
    if parts.len() > MAX_TYPED {
        return Err(QueryError::TooManyTerms(parts.len()));
    }
    let mut query = Query::default();
    let mut wildcards = false;
    for part in &parts {
        let whats = match part.typed {
            Typed::Quoted(text) => terms::quoted(text),
            Typed::Filter { filter, value } => filter::conditions(filter, value, part.exclude, now)?,
            Typed::Text(text) if text.contains(['*', '?']) => {
                wildcards |= text.chars().all(|c| matches!(c, '*' | '?'));
                terms::pattern(text)
            }
            Typed::Text(text) if part.exclude => terms::quoted(text),
            Typed::Text(text) => terms::words(text, part.open),
        };
        query.terms.extend(whats.into_iter().map(|what| Term { exclude: part.exclude, what }));
    }
    check(&query, wildcards)?;
    Ok(query)
}

fn check(query: &Query, wildcards: bool) -> Result<(), QueryError> {
    let mut sought = query.terms.iter().filter(|term| !term.exclude).peekable();
    if sought.peek().is_none() {
        return Err(match () {
            () if !query.terms.is_empty() => QueryError::OnlyExclusions,
            () if wildcards => QueryError::OnlyWildcards,
            () => QueryError::OnlySymbols,
        });
    }
    let symbols =
        |what: &What| matches!(what, What::Pattern(pattern) if !pattern.contains(chord::index::is_word_char));
    if sought.all(|term| symbols(&term.what)) {
        return Err(QueryError::OnlySymbols);
    }
    if query.terms.len() > MAX_TERMS {
        return Err(QueryError::TooManyWords);
    }
    let long = query.terms.iter().find_map(|term| too_long(&term.what));
    long.map_or(Ok(()), |length| Err(QueryError::LongWord(length)))
}

fn too_long(what: &What) -> Option<usize> {
    let over = |text: &str, most: usize| Some(text.len()).filter(|length| *length > most);
    match what {
        What::Word(text) | What::Prefix(text) | What::Extension(text) | What::Peer(text) => {
            over(text, MAX_WORD)
        }
        What::Phrase(words) => words.iter().find_map(|word| over(word, MAX_WORD)),
        What::Pattern(pattern) => over(pattern, MAX_PATTERN),
        What::AtLeast(_) | What::AtMost(_) | What::Since(_) | What::Before(_) => None,
    }
}

#[cfg(test)]
mod tests;
