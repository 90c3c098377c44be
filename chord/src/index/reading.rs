//! What a keeper reads for those who ask.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::keeper::{Held, Kept};
use super::{File, Keeper, Place, Reading, Search, Source, word_key};
use crate::{Id, Peer};

/// Sources of one name that a search tells at most.
const SOURCES: usize = 100;
/// Sources of one search at most, so that they travel in one message.
const ALL_SOURCES: usize = 8000;

impl Keeper {
    fn held(&self, publisher: Id, key: Id) -> Option<(&Kept, &Held)> {
        let kept = self.publishers.get(&publisher)?;
        Some((kept, kept.keys.get(&key)?))
    }

    /// The files of one name, at most `limit` of them. `alive` tells who has not been given up.
    pub fn read(&self, key: Id, limit: usize, alive: impl Fn(&Peer) -> bool) -> Reading {
        let mut reading = Reading::default();
        for (_, publisher) in self.names.range((key, Id::default())..).take_while(|(at, _)| *at == key) {
            let Some((kept, held)) = self.held(*publisher, key) else { continue };
            reading.total += held.total;
            let room = limit.saturating_sub(reading.sources.len());
            let alive = kept.is_alive(&alive);
            reading.sources.extend(held.files.iter().take(room).map(|file| source(kept, file, alive)));
        }
        reading
    }

    /// The names from `key` on to `to`, in ring order, whole keys only, about `limit` files.
    pub fn read_range(&self, key: Id, to: Id, limit: usize, alive: impl Fn(&Peer) -> bool) -> Reading {
        let mut reading = Reading::default();
        let mut next = Some(key);
        while let Some(at) = next.and_then(|from| self.name_from(from, to)) {
            if reading.sources.len() >= limit {
                reading.next = Some(at);
                break;
            }
            let one = self.read(at, limit.max(1), &alive);
            reading.total += one.total;
            reading.sources.extend(one.sources);
            next = (at != to).then(|| at.next());
        }
        reading
    }

    /// The first name at or behind `from`, up to `to`.
    fn name_from(&self, from: Id, to: Id) -> Option<Id> {
        let first = self.names.range((from, Id::default())..).next().or_else(|| self.names.iter().next());
        let (key, _) = first?;
        (from.distance_to(*key) <= from.distance_to(to)).then_some(*key)
    }

    /// What of a list matches a search, best first. Only words whose keys lie in the arc (from, to] count.
    pub fn search(&self, search: &Search, (from, to): (Id, Id), alive: impl Fn(&Peer) -> bool) -> Reading {
        let mut reading = Reading::default();
        let word = &search.list.word;
        let listed = |other: &str| {
            if search.list.prefix { other.starts_with(&**word) } else { *other == **word }
        };
        let words = self.words.range((word.clone(), Id::default())..);
        let mut lists = Vec::new();
        let mut known: Option<(&Arc<str>, Id)> = None;
        for (other, publisher) in words.take_while(|(other, _)| listed(other)) {
            let key = match known {
                Some((word, key)) if word == other => key,
                _ => word_key(other),
            };
            known = Some((other, key));
            if let Some((kept, held)) = self.held(*publisher, key)
                && key.is_within(from, to)
            {
                reading.held += held.files.len() as u64;
                reading.withheld += held.total.saturating_sub(held.files.len() as u64);
                lists.push((kept, held));
            }
        }
        if reading.held > search.most as u64 {
            return Reading { unread: true, ..reading };
        }
        let files = lists.iter().flat_map(|(kept, held)| held.files.iter().map(|file| (*kept, file)));
        let mut hits: BTreeMap<Place, Vec<(&Kept, &Arc<File>)>> = BTreeMap::new();
        for (kept, file) in files {
            if let Some(rank) = search.query.rank(&file.text, file, &kept.publisher) {
                let same = hits.entry(Place { rank, name: file.name.clone() }).or_default();
                // A file may have several of a list's words.
                let known = |(other, known): &(&Kept, &Arc<File>)| {
                    other.publisher.id == kept.publisher.id && known.path == file.path
                };
                if same.len() < SOURCES && !same.iter().any(known) {
                    same.push((kept, file));
                }
            }
        }
        reading.total = hits.len() as u64;
        let after = search.after.clone().map_or(Unbounded, Excluded);
        for (_, same) in hits.range((after, Unbounded)).take(search.limit) {
            if reading.sources.len() + same.len() > ALL_SOURCES {
                break;
            }
            reading.sources.extend(same.iter().map(|(kept, file)| source(kept, file, kept.is_alive(&alive))));
        }
        reading
    }
}

fn source(kept: &Kept, file: &Arc<File>, alive: bool) -> Source {
    let (publisher, services) = (kept.publisher.clone(), kept.services.clone());
    Source { publisher, services, file: file.clone(), alive }
}
