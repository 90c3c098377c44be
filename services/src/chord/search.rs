//! Search: which peers are asked, and what their answers come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chord::index::{List, Place, Query, Search, Source, What};
use chord::{Id, Peer, Read};
use chordial_proto::chord_v1::{NamedSources, SearchRequest, SearchResponse};
use chordial_proto::convert::{MAX_SOURCES, file_of, group_by_content};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tonic::Status;

use super::lost;
use super::scan::{Question, Scans};
use crate::driver::Handle;
use crate::search::{parse, text_of};

/// Names of one page, unless the asker says otherwise, and at most.
const NAMES: (u32, u32) = (20, 1000);
/// Entries that a peer looks through: while others with other words are asked, too, and at most.
const MOST: (usize, usize) = (2000, 60_000);
/// Peers in a row that keep the words of one beginning.
const STEPS: usize = 64;
/// Time of a question to all peers, as a multiple of a lookup's.
const SCAN: f64 = 0.8;
/// Peers that are told of as silent.
const SILENT: usize = 64;

/// Answers queries.
pub(super) struct Searches {
    handle: Handle,
    scans: Arc<Scans>,
    lookup_timeout: Duration,
}

/// Where an answer comes from; the pages that follow come from there, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The keepers of a word.
    Words,
    /// All peers.
    Everybody,
    /// All peers, typing errors forgiven.
    Corrected,
}

/// Some hits, best first.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) hits: Vec<(Place, Vec<Source>)>,
    pub(super) more: bool,
    pub(super) complete: bool,
    total: u64,
    answered: BTreeSet<Id>,
    silent: BTreeMap<Id, Peer>,
}

/// What the keepers of one list say.
struct Listed {
    sources: Vec<Source>,
    total: u64,
    held: u64,
    withheld: u64,
    unread: bool,
    complete: bool,
}

impl Searches {
    pub(super) fn new(handle: Handle, scans: Arc<Scans>, lookup_timeout: Duration) -> Arc<Searches> {
        Arc::new(Searches { handle, scans, lookup_timeout })
    }

    /// One page of hits for a query as a person typed it.
    pub(super) async fn answer(&self, request: SearchRequest) -> Result<SearchResponse, Status> {
        let start = Instant::now();
        let query = understand(&request.query)?;
        let limit = match request.limit {
            0 => NAMES.0,
            limit => limit.min(NAMES.1),
        };
        let (from, after) = match request.cursor.as_str() {
            "" => (None, None),
            cursor => read_cursor(cursor)
                .map(|(from, place)| (Some(from), Some(place)))
                .ok_or_else(|| Status::invalid_argument("the cursor is not one that a page before gave"))?,
        };
        let answer = self.page(&query, from, after, limit as usize).await;
        let complete = answer.as_ref().ok().map(|(_, page)| page.complete);
        self.handle.calls().metrics().search(complete, start);
        let (from, page) = answer?;
        let next = page.hits.last().filter(|_| page.more).map(|(place, _)| cursor(from, place));
        Ok(SearchResponse {
            next: next.unwrap_or_default(),
            complete: page.complete,
            asked: (page.answered.len() + page.silent.len()) as u32,
            answered: page.answered.len() as u32,
            silent: page.silent.into_values().take(SILENT).map(Into::into).collect(),
            total: page.total,
            corrected: from == Origin::Corrected && !page.hits.is_empty(),
            elapsed_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            hits: page.hits.into_iter().map(|(place, sources)| named(&place.name, sources)).collect(),
        })
    }

    /// Hits behind a place, and where they come from.
    pub(super) async fn page(
        &self,
        query: &Query,
        from: Option<Origin>,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Origin, Page), Status> {
        let fuzzy = Query { typos: true, ..query.clone() };
        match from {
            Some(Origin::Everybody) => {
                return Ok((Origin::Everybody, self.everybody(query, &after, limit).await?));
            }
            Some(Origin::Corrected) => {
                return Ok((Origin::Corrected, self.everybody(&fuzzy, &after, limit).await?));
            }
            Some(Origin::Words) | None => {}
        }
        let words = self.words(query, &after, limit).await;
        let (from, page) = match words {
            Ok(Some(page)) if page.complete => (Origin::Words, page),
            // What keepers can't tell, the publishers can, unless they are asked too often.
            other => match self.everybody(query, &after, limit).await {
                Ok(page) => (Origin::Everybody, page),
                Err(status) => match other {
                    Ok(Some(page)) => (Origin::Words, page),
                    Ok(None) => return Err(status),
                    Err(error) => return Err(error),
                },
            },
        };
        // Whoever mistyped a word hardly wants to hear that nobody has it.
        if page.hits.is_empty() && page.complete && after.is_none() && may_be_mistyped(query) {
            return match self.everybody(&fuzzy, &after, limit).await {
                Ok(corrected) if !corrected.hits.is_empty() => Ok((Origin::Corrected, corrected)),
                _ => Ok((from, page)),
            };
        }
        Ok((from, page))
    }

    /// Asks the keepers of all words at once. The first whose list is whole and short enough answers for all, since its
    /// entries tell all of a file's words. None: the query has no word.
    async fn words(
        &self,
        query: &Query,
        after: &Option<Place>,
        limit: usize,
    ) -> Result<Option<Page>, Status> {
        let lists = query.lists();
        if lists.is_empty() {
            return Ok(None);
        }
        let mut page = Page::default();
        let first = if lists.len() == 1 { MOST.1 } else { MOST.0 };
        let mut longer: Vec<(u64, List)> = Vec::new();
        let mut best: Option<Listed> = None;
        let mut failure = None;
        {
            let mut asked: FuturesUnordered<_> =
                lists.into_iter().map(|list| self.list(query, list, after, limit, first)).collect();
            while let Some((list, told, peers)) = asked.next().await {
                page.note(peers);
                match told {
                    Ok(listed) if listed.unread => longer.push((listed.held, list)),
                    Ok(listed) => {
                        let whole = listed.complete && listed.withheld == 0;
                        if best.as_ref().is_none_or(|best| !best.complete) || whole {
                            best = Some(listed);
                        }
                        if whole {
                            break;
                        }
                    }
                    Err(status) => failure = Some(status),
                }
            }
        }
        longer.sort_by_key(|(held, _)| *held);
        if best.is_none()
            && first < MOST.1
            && let Some((_, list)) = longer.into_iter().next()
        {
            let (_, told, peers) = self.list(query, list, after, limit, MOST.1).await;
            page.note(peers);
            match told {
                Ok(listed) => best = Some(listed),
                Err(status) => failure = Some(status),
            }
        }
        let Some(listed) = best else {
            return failure.map_or(Ok(Some(page)), Err);
        };
        page.complete = listed.complete && listed.withheld == 0 && !listed.unread;
        if page.complete {
            page.silent.clear();
        }
        page.total = listed.total;
        page.fill(query, listed.sources, after, limit, listed.total);
        Ok(Some(page))
    }

    /// What the keepers of one list have of a query: one peer, or as many as the arc of a beginning has.
    async fn list(
        &self,
        query: &Query,
        list: List,
        after: &Option<Place>,
        limit: usize,
        most: usize,
    ) -> (List, Result<Listed, Status>, (Vec<Peer>, Vec<Peer>)) {
        let (from, to) = list.arc();
        let search = Search { query: query.clone(), list: list.clone(), after: after.clone(), limit, most };
        let search = Arc::new(search);
        let mut all =
            Listed { sources: Vec::new(), total: 0, held: 0, withheld: 0, unread: false, complete: true };
        let (mut answered, mut silent) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + self.lookup_timeout;
        let mut key = from;
        for _ in 0..STEPS {
            let left = deadline.saturating_duration_since(Instant::now());
            let found = match self.handle.look_up(key, Read::Search(search.clone()), left).await {
                Ok(found) => found,
                Err(error) => return (list, Err(lost(&self.handle, error).await), (answered, silent)),
            };
            silent.extend(found.route.failed.into_iter().map(|miss| miss.peer));
            let (owner, reading) = (found.owner, found.reading);
            all.sources.extend(reading.sources);
            all.total += reading.total;
            all.held += reading.held;
            all.withheld += reading.withheld;
            all.unread |= reading.unread;
            all.complete &= reading.complete;
            let end = owner.id;
            answered.push(owner);
            // Its own arc holds all that is left; (a, a] is the whole ring.
            if found.arc_from == end || key.distance_to(end) >= key.distance_to(to) {
                return (list, Ok(all), (answered, silent));
            }
            key = end.next();
        }
        all.complete = false;
        (list, Ok(all), (answered, silent))
    }

    /// Asks all peers what they share themselves.
    async fn everybody(&self, query: &Query, after: &Option<Place>, limit: usize) -> Result<Page, Status> {
        let question = Question { query: query.clone(), limit, after: after.clone() };
        let within = self.lookup_timeout.mul_f64(SCAN);
        let deadline = tokio::time::Instant::now() + within + Duration::from_millis(100);
        let mut answers = self.scans.start(question, within)?;
        let (mut page, mut sources, mut total) = (Page { complete: true, ..Page::default() }, Vec::new(), 0);
        loop {
            let answer = match tokio::time::timeout_at(deadline, answers.recv()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(_) => {
                    page.complete = false;
                    break;
                }
            };
            let Some(Ok(peer)) = answer.peer.map(Peer::try_from) else { continue };
            if answer.silent {
                page.silent.insert(peer.id, peer);
                continue;
            }
            // Told again, where the way to it broke in between.
            if !page.answered.insert(peer.id) {
                continue;
            }
            total += answer.total;
            let Ok(services) = answer.services.unwrap_or_default().try_into() else { continue };
            let files = answer.entries.into_iter().filter_map(|entry| file_of(entry).ok());
            let services: chord::Services = services;
            sources.extend(files.map(|file| Source {
                publisher: peer.clone(),
                services: services.clone(),
                file,
                alive: true,
            }));
        }
        let answered = std::mem::take(&mut page.answered);
        page.silent.retain(|id, _| !answered.contains(id));
        page.answered = answered;
        page.complete &= page.silent.is_empty();
        page.fill(query, sources, after, limit, 0);
        page.total = if page.more { total } else { page.hits.len() as u64 };
        Ok(page)
    }
}

impl Page {
    fn note(&mut self, (answered, silent): (Vec<Peer>, Vec<Peer>)) {
        self.answered.extend(answered.into_iter().map(|peer| peer.id));
        self.silent.extend(silent.into_iter().map(|peer| (peer.id, peer)));
    }

    /// Puts what several peers told in one order. `told`: how many names there are at one of them.
    fn fill(&mut self, query: &Query, sources: Vec<Source>, after: &Option<Place>, limit: usize, told: u64) {
        let mut names: BTreeMap<Arc<str>, Vec<Source>> = BTreeMap::new();
        for source in sources {
            names.entry(source.file.name.clone()).or_default().push(source);
        }
        let mut hits: BTreeMap<Place, Vec<Source>> = BTreeMap::new();
        for (name, sources) in names {
            let text = text_of(&name);
            let fits = |source: &Source| query.rank(&text, &source.file, &source.publisher);
            let Some(rank) = sources.iter().filter_map(fits).min() else { continue };
            let place = Place { rank, name };
            if after.as_ref().is_none_or(|after| place > *after) {
                hits.insert(place, once_each(sources));
            }
        }
        self.more = hits.len() > limit
            || (after.is_none() && told > hits.len() as u64)
            || (after.is_some() && hits.len() == limit);
        self.hits = hits.into_iter().take(limit).collect();
    }
}

/// One file of one publisher counts once, in its latest life.
fn once_each(mut sources: Vec<Source>) -> Vec<Source> {
    sources.sort_by(|a, b| {
        let file = |source: &Source| (source.publisher.id, source.file.path.clone());
        file(a).cmp(&file(b)).then(b.publisher.incarnation.cmp(&a.publisher.incarnation))
    });
    sources.dedup_by(|a, b| a.publisher.id == b.publisher.id && a.file.path == b.file.path);
    sources
}

/// A hit as it is told.
pub(super) fn named(name: &str, mut sources: Vec<Source>) -> NamedSources {
    let total = sources.len() as u64;
    group_by_content(&mut sources);
    NamedSources {
        name: name.to_string(),
        key: Id::of(name.as_bytes()).to_bytes().to_vec(),
        sources: sources.into_iter().take(MAX_SOURCES).map(Into::into).collect(),
        total,
    }
}

/// The query that was typed.
pub(super) fn understand(typed: &str) -> Result<Query, Status> {
    parse(typed, SystemTime::now()).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn may_be_mistyped(query: &Query) -> bool {
    query.terms.iter().any(|term| !term.exclude && matches!(term.what, What::Word(_) | What::Prefix(_)))
}

/// As text: where the page came from, the rank of its last hit, and its name.
fn cursor(from: Origin, place: &Place) -> String {
    let from = match from {
        Origin::Words => 'w',
        Origin::Everybody => 'e',
        Origin::Corrected => 'c',
    };
    let name: String = place.name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{from}{:08x}{name}", place.rank)
}

fn read_cursor(text: &str) -> Option<(Origin, Place)> {
    let from = match text.chars().next()? {
        'w' => Origin::Words,
        'e' => Origin::Everybody,
        'c' => Origin::Corrected,
        _ => return None,
    };
    let rank = u32::from_str_radix(text.get(1..9)?, 16).ok()?;
    let name = text.get(9..)?;
    let bytes = (0..name.len()).step_by(2).map(|at| u8::from_str_radix(name.get(at..at + 2)?, 16).ok());
    let name = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    Some((from, Place { rank, name: name.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_nothing_else_is_one() {
        for name in ["", "a", "Träume.flac", "年度报告"] {
            let place = Place { rank: 0x0200_0003, name: name.into() };
            assert_eq!(read_cursor(&cursor(Origin::Everybody, &place)), Some((Origin::Everybody, place)));
        }
        for text in
            ["x", "w", "w0000000", "wzzzzzzzz", "w000000016", "w00000001zz", "w00000001ff", "é", "wééééé"]
        {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
