//! The network's listing: arc by arc around the ring, in order of keys.

use std::time::Duration;

use chord::index::{Reading, Source};
use chord::{Id, Read};
use chordial_proto::chord_v1::{ListNamesRequest, ListNamesResponse, NamedSources};
use chordial_proto::convert::{MAX_SOURCES, group_by_content};
use tokio::time::Instant;
use tonic::Status;

use super::ring;
use crate::driver::Handle;

/// Names of one page, unless the asker says otherwise, and at most.
const NAMES: (usize, usize) = (100, 1000);
/// Entries that are read from one peer at a time, so that no message grows large.
const PORTION: usize = 256;
/// A page may need many arcs: so many times the deadline of one lookup.
const LOOKUPS: u32 = 3;

/// One page. What could be read before the deadline is a page, too, as long as it got any further.
pub(super) async fn page(
    handle: &Handle,
    request: &ListNamesRequest,
    lookup_timeout: Duration,
) -> Result<ListNamesResponse, Status> {
    let limit = match request.limit as usize {
        0 => NAMES.0,
        limit => limit.min(NAMES.1),
    };
    let start = match request.cursor.as_str() {
        "" => Id::default(),
        cursor => cursor
            .parse()
            .map_err(|_| Status::invalid_argument("the cursor is not one that a page before gave"))?,
    };
    let deadline = Instant::now() + lookup_timeout * LOOKUPS;
    let mut page = Page { limit, files: Vec::new(), complete: true };
    let mut key = Some(start);
    while let Some(at) = key {
        let left = deadline.saturating_duration_since(Instant::now());
        if page.files.len() == limit || (left.is_zero() && at != start) {
            break;
        }
        match ring::find(handle, at, Read::Range(PORTION), left.min(lookup_timeout)).await {
            Ok((found, _)) => key = page.add(at, found.owner.id, found.reading),
            // The next page says what is wrong, if it still is.
            Err(_) if at != start => break,
            Err(status) => return Err(status),
        }
    }
    let next = key.map(|key| key.to_string()).unwrap_or_default();
    Ok(ListNamesResponse { files: page.files, next, complete: page.complete })
}

struct Page {
    limit: usize,
    files: Vec<NamedSources>,
    complete: bool,
}

impl Page {
    /// Takes in what `owner` read from the key `at` on. Returns where to go on; none: that was the end.
    fn add(&mut self, at: Id, owner: Id, reading: Reading) -> Option<Id> {
        self.complete &= reading.complete;
        // An arc may lead past zero; what lies behind is where the listing started.
        let ahead = |source: &Source| source.file.key() >= at;
        let mut sources = reading.sources.into_iter().filter(ahead).peekable();
        while let Some(first) = sources.next() {
            let (key, name) = (first.file.key(), first.file.name.clone());
            let mut same = vec![first];
            while let Some(next) = sources.next_if(|next| next.file.name == name) {
                same.push(next);
            }
            if self.files.len() == self.limit {
                return Some(key);
            }
            let total = same.len() as u64;
            group_by_content(&mut same);
            self.files.push(NamedSources {
                name: name.to_string(),
                key: key.to_bytes().to_vec(),
                sources: same.into_iter().take(MAX_SOURCES).map(Into::into).collect(),
                total,
            });
        }
        let next = reading.next.or_else(|| (owner >= at).then(|| owner.next()));
        next.filter(|next| *next > at)
    }
}

#[cfg(test)]
mod tests {
    use chord::index::{File, Text};
    use chord::{Peer, Services};

    use super::*;

    fn source(name: &str) -> Source {
        let path = format!("d/{name}").into();
        let file =
            File { name: name.into(), path, size: 1, modified_ms: 0, digest: None, text: Text::default() };
        let (publisher, services) = (Peer::stranger("127.0.0.1:1"), Services::default());
        Source { publisher, services, file: file.into(), alive: true }
    }

    /// In order of their keys.
    fn sources() -> Vec<Source> {
        let mut sources: Vec<Source> = ["a", "b", "c", "d", "d"].iter().map(|name| source(name)).collect();
        sources.sort_by_key(|source| source.file.key());
        sources
    }

    fn reading(sources: &[Source], next: Option<Id>) -> Reading {
        Reading {
            sources: sources.to_vec(),
            total: sources.len() as u64,
            complete: true,
            next,
            ..Reading::default()
        }
    }

    fn page(limit: usize) -> Page {
        Page { limit, files: Vec::new(), complete: true }
    }

    #[test]
    fn sources_of_one_name_are_one_line() {
        let mut page = page(10);
        let last = Id::from_bytes([0xff; 20]);
        assert_eq!(page.add(Id::default(), last, reading(&sources(), None)), None);
        assert_eq!(page.files.len(), 4);
        let doubled = page.files.iter().find(|file| file.name == "d").unwrap();
        assert_eq!((doubled.total, doubled.sources.len()), (2, 2));
    }

    #[test]
    fn a_full_page_goes_on_at_the_first_name_left_out() {
        let all = sources();
        let mut page = page(2);
        let next = page.add(Id::default(), Id::from_bytes([0xff; 20]), reading(&all, None));
        let keys: Vec<Id> = {
            let mut keys: Vec<Id> = all.iter().map(|source| source.file.key()).collect();
            keys.dedup();
            keys
        };
        assert_eq!(next, Some(keys[2]));
    }

    #[test]
    fn the_listing_ends_where_the_ring_passes_zero() {
        let all = sources();
        let largest = all.last().unwrap().file.key();
        let mut page = page(10);
        // The last arc leads from behind the largest identifier to the smallest one.
        assert_eq!(page.add(largest.next(), Id::from(5), reading(&all, Some(Id::from(3)))), None);
        assert!(page.files.is_empty(), "all of that lies before the key asked for");
        assert_eq!(page.add(Id::from(3), Id::from(9), reading(&[], None)), Some(Id::from(10)));
    }
}
