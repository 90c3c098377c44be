//! Searches: a page of hits, and the hits of a standing search.

use chordial_proto::chord_v1;
use serde::{Deserialize, Serialize};

use super::{NamedFile, names, present};

/// `GET /api/v1/search`: a page of the names that match a query, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchPage {
    /// The query, as it was put.
    pub query: String,
    /// The names of this page.
    pub hits: Vec<NamedFile>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// False: there may be more, as some peer that should have been asked did not answer, or a list was too long.
    pub complete: bool,
    /// Peers that were asked.
    pub asked: u32,
    /// Those of them that answered.
    pub answered: u32,
    /// Names of those that did not, 64 of them at most.
    pub silent: Vec<String>,
    /// Names that match, as far as is known, on all pages together.
    pub total: u64,
    /// Nothing matched exactly: up to two typing errors in each word were forgiven.
    pub corrected: bool,
    /// How long the peer searched, in microseconds.
    pub elapsed_us: u64,
}

impl SearchPage {
    /// The answer to `query`.
    pub fn new(query: &str, found: chord_v1::SearchResponse) -> Self {
        Self {
            query: query.to_owned(),
            hits: found.hits.into_iter().map(NamedFile::from).collect(),
            next: present(found.next),
            complete: found.complete,
            asked: found.asked,
            answered: found.answered,
            silent: names(found.silent),
            total: found.total,
            corrected: found.corrected,
            elapsed_us: found.elapsed_us,
        }
    }
}

/// What a standing search has found since the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// Names that match and did not before.
    pub hits: Vec<NamedFile>,
    /// False: more match than are watched, or some peer that should have been asked did not answer this time.
    pub complete: bool,
}

impl From<chord_v1::WatchSearchResponse> for WatchView {
    fn from(found: chord_v1::WatchSearchResponse) -> Self {
        Self { hits: found.hits.into_iter().map(NamedFile::from).collect(), complete: found.complete }
    }
}
