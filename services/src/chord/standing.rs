//! Standing searches: the same query again and again, and what is new in the answer.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chord::Id;
use chord::index::{Place, Query, Source};
use chordial_proto::chord_v1::WatchSearchResponse;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

use super::search::{Origin, Searches, named};

/// Pause between two times the query is put: where keepers of a word answer it, and where all peers do.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// Names asked for at a time, and pages.
const PAGE: (usize, usize) = (1000, 20);

/// Which file of which peer.
type Seen = HashSet<(Id, Arc<str>)>;

/// Puts the query until nobody listens any more. What matches at the start is not told.
pub(super) async fn watch(
    searches: Arc<Searches>,
    query: Query,
    answers: mpsc::Sender<Result<WatchSearchResponse, Status>>,
    _place: OwnedSemaphorePermit,
) {
    let mut seen: Option<Seen> = None;
    let mut told_complete = None;
    loop {
        let (found, from) = tokio::select! {
            () = answers.closed() => return,
            found = all(&searches, &query) => found,
        };
        let pause = if from == Origin::Words { PAUSE.0 } else { PAUSE.1 };
        let complete = found.complete;
        let fresh = match &mut seen {
            None => {
                seen = Some(found.sources.iter().map(|(_, source)| name_of(source)).collect());
                BTreeMap::new()
            }
            Some(seen) => {
                let mut fresh: BTreeMap<Place, Vec<Source>> = BTreeMap::new();
                let mut now = Seen::new();
                for (place, source) in found.sources {
                    let name = name_of(&source);
                    if !seen.contains(&name) {
                        fresh.entry(place).or_default().push(source);
                    }
                    now.insert(name);
                }
                // A file that a silent peer could not tell of has not gone.
                if complete {
                    *seen = now;
                } else {
                    seen.extend(now);
                }
                fresh
            }
        };
        if !fresh.is_empty() || told_complete != Some(complete) {
            told_complete = Some(complete);
            let hits = fresh.into_iter().map(|(place, sources)| named(&place.name, sources)).collect();
            if answers.send(Ok(WatchSearchResponse { hits, complete })).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = answers.closed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Default)]
struct Everything {
    sources: Vec<(Place, Source)>,
    complete: bool,
}

fn name_of(source: &Source) -> (Id, Arc<str>) {
    (source.publisher.id, source.file.path.clone())
}

/// All hits, as far as the bound goes; and where they came from. A failure is an answer without hits.
async fn all(searches: &Searches, query: &Query) -> (Everything, Origin) {
    let mut found = Everything { complete: true, ..Everything::default() };
    let (mut from, mut after) = (None, None);
    for page in 0..PAGE.1 {
        let Ok((source, hits)) = searches.page(query, from, after.clone(), PAGE.0).await else {
            found.complete = false;
            break;
        };
        // Names that are only nearly right are nobody's match.
        if source == Origin::Corrected {
            break;
        }
        from = Some(source);
        found.complete &= hits.complete;
        after = hits.hits.last().map(|(place, _)| place.clone());
        let more = hits.more && page + 1 < PAGE.1;
        found.complete &= !hits.more || more;
        for (place, sources) in hits.hits {
            found.sources.extend(sources.into_iter().map(|source| (place.clone(), source)));
        }
        if !more || after.is_none() {
            break;
        }
    }
    (found, from.unwrap_or(Origin::Words))
}
