//! Queries, and places in the order of hits.

use std::sync::Arc;

use chord::index::{List, Place, Query, Search, Term, What};

use super::{
    MAX_NAME, MAX_PATTERN, MAX_PHRASE, MAX_READ, MAX_TERMS, Malformed, at_most, list, malformed, required,
    text,
};
use crate::chord_v1 as wire;

impl From<Query> for wire::Query {
    fn from(query: Query) -> wire::Query {
        wire::Query { terms: query.terms.into_iter().map(Into::into).collect(), typos: query.typos }
    }
}

impl TryFrom<wire::Query> for Query {
    type Error = Malformed;

    fn try_from(query: wire::Query) -> Result<Query, Malformed> {
        Ok(Query { terms: list(query.terms, MAX_TERMS, "Query.terms")?, typos: query.typos })
    }
}

impl From<Term> for wire::Term {
    fn from(term: Term) -> wire::Term {
        use wire::term::What as Wire;
        let what = match term.what {
            What::Word(word) => Wire::Word(word.to_string()),
            What::Prefix(prefix) => Wire::Prefix(prefix.to_string()),
            What::Phrase(words) => {
                Wire::Phrase(wire::Phrase { words: words.iter().map(ToString::to_string).collect() })
            }
            What::Pattern(pattern) => Wire::Pattern(pattern.to_string()),
            What::Extension(extension) => Wire::Extension(extension.to_string()),
            What::AtLeast(size) => Wire::AtLeast(size),
            What::AtMost(size) => Wire::AtMost(size),
            What::Since(instant) => Wire::Since(instant),
            What::Before(instant) => Wire::Before(instant),
            What::Peer(peer) => Wire::Peer(peer.to_string()),
        };
        wire::Term { exclude: term.exclude, what: Some(what) }
    }
}

impl TryFrom<wire::Term> for Term {
    type Error = Malformed;

    fn try_from(term: wire::Term) -> Result<Term, Malformed> {
        use wire::term::What as Wire;
        let what = match required(term.what, "Term.what")? {
            Wire::Word(word) => What::Word(filled(word, MAX_NAME, "Term.word")?),
            Wire::Prefix(prefix) => What::Prefix(filled(prefix, MAX_NAME, "Term.prefix")?),
            Wire::Phrase(phrase) => {
                at_most(phrase.words.len(), MAX_PHRASE, "Phrase.words")?;
                let words = phrase.words.into_iter().map(|word| filled(word, MAX_NAME, "Phrase.words"));
                What::Phrase(words.collect::<Result<_, _>>()?)
            }
            Wire::Pattern(pattern) => What::Pattern(filled(pattern, MAX_PATTERN, "Term.pattern")?),
            Wire::Extension(extension) => What::Extension(filled(extension, MAX_NAME, "Term.extension")?),
            Wire::AtLeast(size) => What::AtLeast(size),
            Wire::AtMost(size) => What::AtMost(size),
            Wire::Since(instant) => What::Since(instant),
            Wire::Before(instant) => What::Before(instant),
            Wire::Peer(peer) => What::Peer(filled(peer, MAX_NAME, "Term.peer")?),
        };
        Ok(Term { exclude: term.exclude, what })
    }
}

/// A bounded text that is not empty.
fn filled(value: String, most: usize, field: &'static str) -> Result<Arc<str>, Malformed> {
    if value.is_empty() {
        return Err(malformed(field, "it is empty"));
    }
    text(value, most, field)
}

impl From<Place> for wire::Place {
    fn from(place: Place) -> wire::Place {
        wire::Place { rank: place.rank, name: place.name.to_string() }
    }
}

impl TryFrom<wire::Place> for Place {
    type Error = Malformed;

    fn try_from(place: wire::Place) -> Result<Place, Malformed> {
        Ok(Place { rank: place.rank, name: text(place.name, MAX_NAME, "Place.name")? })
    }
}

impl From<Search> for wire::Search {
    fn from(search: Search) -> wire::Search {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        wire::Search {
            query: Some(search.query.into()),
            word: search.list.word.to_string(),
            prefix: search.list.prefix,
            after: search.after.map(Into::into),
            limit: count(search.limit),
            most: count(search.most),
        }
    }
}

/// Who asks for more than one answer may hold gets as much as it may hold.
impl TryFrom<wire::Search> for Search {
    type Error = Malformed;

    fn try_from(search: wire::Search) -> Result<Search, Malformed> {
        let word = filled(search.word, MAX_NAME, "Search.word")?;
        Ok(Search {
            query: required(search.query, "Search.query")?.try_into()?,
            list: List { word, prefix: search.prefix },
            after: search.after.map(TryInto::try_into).transpose()?,
            limit: (search.limit as usize).min(MAX_READ),
            most: search.most as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        let whats = [
            What::Word("annual".into()),
            What::Prefix("rep".into()),
            What::Phrase(vec!["two".into(), "words".into()]),
            What::Pattern("*.p?f".into()),
            What::Extension("tar.gz".into()),
            What::AtLeast(1),
            What::AtMost(u64::MAX),
            What::Since(-1),
            What::Before(i64::MAX),
            What::Peer("p3".into()),
        ];
        let term = |(at, what)| Term { exclude: at % 2 == 1, what };
        Query { terms: whats.into_iter().enumerate().map(term).collect(), typos: true }
    }

    fn search() -> Search {
        Search {
            query: query(),
            list: List { word: "rep".into(), prefix: true },
            after: Some(Place { rank: 7, name: "report.pdf".into() }),
            limit: 10,
            most: 30_000,
        }
    }

    #[test]
    fn a_search_comes_back_as_it_was() {
        for search in [search(), Search { after: None, ..search() }] {
            assert_eq!(Search::try_from(wire::Search::from(search.clone())), Ok(search));
        }
    }

    #[test]
    fn what_is_too_much_is_refused_by_name() {
        use wire::term::What as Wire;
        let term = |what| Term::try_from(wire::Term { exclude: false, what }).unwrap_err().field;
        let word = |length| "w".repeat(length);
        assert_eq!(term(None), "Term.what");
        assert_eq!(term(Some(Wire::Word(String::new()))), "Term.word");
        assert_eq!(term(Some(Wire::Word(word(MAX_NAME + 1)))), "Term.word");
        assert_eq!(term(Some(Wire::Prefix(word(MAX_NAME + 1)))), "Term.prefix");
        assert_eq!(term(Some(Wire::Pattern(word(MAX_PATTERN + 1)))), "Term.pattern");
        assert_eq!(term(Some(Wire::Extension(word(MAX_NAME + 1)))), "Term.extension");
        assert_eq!(term(Some(Wire::Peer(word(MAX_NAME + 1)))), "Term.peer");
        for words in [vec![word(MAX_NAME + 1)], vec![word(1); MAX_PHRASE + 1]] {
            assert_eq!(term(Some(Wire::Phrase(wire::Phrase { words }))), "Phrase.words");
        }
        let terms = vec![wire::Term::from(query().terms[0].clone()); MAX_TERMS + 1];
        assert_eq!(Query::try_from(wire::Query { terms, typos: false }).unwrap_err().field, "Query.terms");

        let refused = |search: wire::Search| Search::try_from(search).unwrap_err().field;
        let fine = wire::Search::from(search());
        assert_eq!(refused(wire::Search { query: None, ..fine.clone() }), "Search.query");
        assert_eq!(refused(wire::Search { word: String::new(), ..fine.clone() }), "Search.word");
        let after = Some(wire::Place { rank: 0, name: word(MAX_NAME + 1) });
        assert_eq!(refused(wire::Search { after, ..fine.clone() }), "Place.name");
        let greedy = wire::Search { limit: u32::MAX, ..fine };
        assert_eq!(Search::try_from(greedy).map(|search| search.limit), Ok(MAX_READ));
    }
}
