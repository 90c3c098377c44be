//! What a keeper holds: entries by publisher, each publisher under one lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::arc::within;
use super::{ArcDigest, Digest, Entry, Reading, Source};
use crate::{Id, Peer, Services};

/// Entries of about so many bytes are put into one message; the entries of one key are never divided.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;
/// How out of date an age may be that another keeper tells, for it counts in ticks. Without adding this,
/// two keepers that compare more often than they tick would keep each other's ages at zero for ever.
const TICK: Duration = Duration::from_secs(1);
/// Withdrawals that are remembered at most.
const WITHDRAWN: usize = 1024;

/// A publisher's statement of what it has under some keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// Where the publisher is reached.
    pub services: Services,
    /// Its changes so far.
    pub sequence: u64,
    /// With `replace`, all of the arc (from, to] that is not listed holds nothing.
    pub arc: (Id, Id),
    /// Whether the batch states the whole arc.
    pub replace: bool,
    /// All it has under each key; none = nothing any more.
    pub keys: Vec<(Id, Vec<Entry>)>,
}

/// Entries of one publisher, as a keeper passes them on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptBatch {
    /// Whose.
    pub publisher: Peer,
    /// Where it is reached.
    pub services: Services,
    /// Since the publisher itself was last heard.
    pub age: Duration,
    /// Some of its keys.
    pub keys: Vec<KeptKey>,
}

/// What a publisher said about one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptKey {
    /// The key.
    pub key: Id,
    /// Its sequence when it said so.
    pub sequence: u64,
    /// None = withdrawn.
    pub entries: Vec<Entry>,
}

/// What a keeper has of one publisher in an arc.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublisherDigest {
    /// Whose.
    pub publisher: Peer,
    /// Since the publisher itself was last heard.
    pub age: Duration,
    /// What.
    pub digest: Digest,
}

/// All entries that one peer keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keeper {
    publishers: BTreeMap<Id, Kept>,
    /// Who has anything under a key.
    by_key: BTreeMap<Id, BTreeSet<Id>>,
    /// Lives that have withdrawn all they had, and how long ago: late messages and other keepers, which missed
    /// that, don't bring it back.
    withdrawn: BTreeMap<Id, (u64, Duration)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept {
    publisher: Peer,
    services: Services,
    age: Duration,
    /// Everything up to this sequence is in; later statements of earlier sequences are void.
    base: u64,
    keys: BTreeMap<Id, Stated>,
    /// Keys that the publisher's renewals do not cover, and for how long.
    uncovered: BTreeMap<Id, Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stated {
    sequence: u64,
    entries: Vec<Entry>,
}

impl Kept {
    fn digest(&self, from: Id, to: Id) -> Digest {
        within(&self.keys, from, to).flat_map(|(_, stated)| &stated.entries).collect()
    }
}

impl Keeper {
    /// A publisher was heard: its lease starts anew. None: what it said belongs to an earlier life.
    fn hear(&mut self, publisher: &Peer, services: &Services) -> Option<&mut Kept> {
        if self.has_withdrawn(publisher) {
            return None;
        }
        let kept = self.publishers.entry(publisher.id).or_insert_with(|| Kept {
            publisher: publisher.clone(),
            services: services.clone(),
            age: Duration::ZERO,
            base: 0,
            keys: BTreeMap::new(),
            uncovered: BTreeMap::new(),
        });
        if kept.publisher.incarnation > publisher.incarnation {
            return None;
        }
        if kept.publisher.incarnation < publisher.incarnation {
            kept.base = 0;
            kept.keys.values_mut().for_each(|stated| stated.sequence = 0);
        }
        kept.publisher = publisher.clone();
        kept.services = services.clone();
        kept.age = Duration::ZERO;
        Some(kept)
    }

    /// A publisher renews its lease. Tells for each arc whether both have the same.
    pub fn renew(
        &mut self,
        publisher: &Peer,
        services: &Services,
        sequence: u64,
        arcs: &[ArcDigest],
    ) -> Vec<bool> {
        let Some(kept) = self.hear(publisher, services) else {
            return vec![true; arcs.len()];
        };
        let same: Vec<bool> = arcs.iter().map(|arc| kept.digest(arc.from, arc.to) == arc.digest).collect();
        if same.iter().all(|same| *same) {
            kept.base = kept.base.max(sequence);
            kept.keys.retain(|_, stated| !stated.entries.is_empty() || stated.sequence > sequence);
        }
        same
    }

    /// These arcs are all that a publisher keeps here. What lies outside of them and of `own` is dropped, for it
    /// is kept by others now; returns those keys. What lies in `own` may have come from another keeper before the
    /// publisher knows: it goes with the second renewal in a row that does not cover it. A lease is three renewals.
    pub fn confine(
        &mut self,
        publisher: &Peer,
        arcs: &[ArcDigest],
        own: (Id, Id),
        lease: Duration,
    ) -> Vec<Id> {
        let Some(kept) = self.publishers.get_mut(&publisher.id) else { return Vec::new() };
        if !kept.publisher.is_same_life(publisher) {
            return Vec::new();
        }
        let covered = |key: &Id| arcs.iter().any(|arc| key.is_within(arc.from, arc.to));
        let (keys, known) = (&kept.keys, &kept.uncovered);
        let uncovered = keys.keys().copied().filter(|key| !covered(key));
        let waits = |key: &Id| known.get(key).is_none_or(|since| *since * 4 < lease);
        let (waiting, foreign): (Vec<Id>, Vec<Id>) =
            uncovered.partition(|key| key.is_within(own.0, own.1) && waits(key));
        let since = |key: Id| (key, known.get(&key).copied().unwrap_or_default());
        kept.uncovered = waiting.into_iter().map(since).collect();
        foreign.iter().for_each(|key| self.drop_key(publisher.id, *key));
        foreign
    }

    /// A publisher states what it has under some keys.
    pub fn publish(&mut self, publisher: &Peer, batch: &Batch) {
        let Some(kept) = self.hear(publisher, &batch.services) else { return };
        if batch.sequence < kept.base {
            return;
        }
        let mut stated: Vec<(Id, &[Entry])> =
            batch.keys.iter().map(|(key, entries)| (*key, &entries[..])).collect();
        if batch.replace {
            let listed: BTreeSet<Id> = batch.keys.iter().map(|(key, _)| *key).collect();
            let gone = within(&kept.keys, batch.arc.0, batch.arc.1).map(|(key, _)| *key);
            stated.extend(gone.filter(|key| !listed.contains(key)).map(|key| (key, &[][..])));
        }
        for (key, entries) in stated {
            self.state(publisher.id, key, batch.sequence, entries);
        }
    }

    /// Another keeper passes on what a publisher said.
    pub fn accept(&mut self, batch: &KeptBatch, lease: Duration) {
        let age = batch.age + TICK;
        if age >= lease {
            return;
        }
        let id = batch.publisher.id;
        if self.has_withdrawn(&batch.publisher) {
            return;
        }
        match self.publishers.get(&id).map(|kept| (kept.publisher.incarnation, kept.age)) {
            Some((incarnation, _)) if incarnation > batch.publisher.incarnation => return,
            Some((incarnation, known)) if incarnation == batch.publisher.incarnation => {
                self.publishers.entry(id).and_modify(|kept| kept.age = known.min(age));
            }
            _ => {
                self.hear(&batch.publisher, &batch.services);
                self.publishers.entry(id).and_modify(|kept| kept.age = age);
            }
        }
        for key in &batch.keys {
            let base = self.publishers.get(&id).map_or(0, |kept| kept.base);
            let known = self.publishers.get(&id).is_some_and(|kept| kept.keys.contains_key(&key.key));
            if known || key.sequence >= base {
                self.state(id, key.key, key.sequence, &key.entries);
            }
        }
    }

    fn state(&mut self, publisher: Id, key: Id, sequence: u64, entries: &[Entry]) {
        let Some(kept) = self.publishers.get_mut(&publisher) else { return };
        let stated = kept.keys.entry(key).or_insert(Stated { sequence, entries: Vec::new() });
        if stated.sequence > sequence {
            return;
        }
        *stated = Stated { sequence, entries: entries.to_vec() };
        if entries.is_empty() {
            self.unlist(publisher, key);
        } else {
            self.by_key.entry(key).or_default().insert(publisher);
        }
    }

    fn unlist(&mut self, publisher: Id, key: Id) {
        if let Some(publishers) = self.by_key.get_mut(&key) {
            publishers.remove(&publisher);
            if publishers.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    fn drop_key(&mut self, publisher: Id, key: Id) {
        if let Some(kept) = self.publishers.get_mut(&publisher) {
            kept.keys.remove(&key);
            kept.uncovered.remove(&key);
        }
        self.unlist(publisher, key);
    }

    /// A publisher withdraws everything, or its lease has run out.
    pub fn withdraw(&mut self, publisher: Id) {
        let Some(kept) = self.publishers.remove(&publisher) else { return };
        kept.keys.keys().for_each(|key| self.unlist(publisher, *key));
    }

    /// The same, said by the publisher itself: void where a later life of it is known.
    pub fn withdraw_life(&mut self, publisher: &Peer) {
        if self
            .publishers
            .get(&publisher.id)
            .is_some_and(|k| k.publisher.incarnation <= publisher.incarnation)
        {
            self.withdraw(publisher.id);
        }
        if self.withdrawn.len() == WITHDRAWN && !self.withdrawn.contains_key(&publisher.id) {
            let oldest = self.withdrawn.iter().max_by_key(|(_, (_, age))| *age).map(|(id, _)| *id);
            oldest.map(|id| self.withdrawn.remove(&id));
        }
        let life = self.withdrawn.get(&publisher.id).map_or(0, |(life, _)| *life).max(publisher.incarnation);
        self.withdrawn.insert(publisher.id, (life, Duration::ZERO));
    }

    fn has_withdrawn(&self, publisher: &Peer) -> bool {
        self.withdrawn.get(&publisher.id).is_some_and(|(life, _)| *life >= publisher.incarnation)
    }

    /// Time has passed. Returns the publishers whose leases ran out and whose entries are gone with them. A publisher
    /// renews three times in a lease: what two of them did not cover is gone, too.
    pub fn pass(&mut self, time: Duration, lease: Duration) -> Vec<Peer> {
        self.withdrawn.values_mut().for_each(|(_, age)| *age += time);
        // Nobody keeps what has not been renewed for so long.
        self.withdrawn.retain(|_, (_, age)| *age <= lease);
        let mut forgotten = Vec::new();
        for (id, kept) in &mut self.publishers {
            kept.age += time;
            kept.uncovered.values_mut().for_each(|since| *since += time);
            let old = kept.uncovered.iter().filter(|(_, since)| **since * 3 >= lease * 2);
            forgotten.extend(old.map(|(key, _)| (*id, *key)));
        }
        forgotten.into_iter().for_each(|(publisher, key)| self.drop_key(publisher, key));
        let expired = self.publishers.values().filter(|kept| kept.age >= lease);
        let expired: Vec<Peer> = expired.map(|kept| kept.publisher.clone()).collect();
        expired.iter().for_each(|peer| self.withdraw(peer.id));
        expired
    }

    /// The entries under one key, at most `limit` of them. `alive` tells who has not been given up.
    pub fn read(&self, key: Id, limit: usize, alive: impl Fn(&Peer) -> bool) -> Reading {
        let mut reading = Reading::default();
        for id in self.by_key.get(&key).into_iter().flatten() {
            let Some(kept) = self.publishers.get(id) else { continue };
            let Some(stated) = kept.keys.get(&key) else { continue };
            reading.total += stated.entries.len() as u64;
            let room = limit.saturating_sub(reading.sources.len());
            let alive = alive(&kept.publisher);
            reading.sources.extend(stated.entries.iter().take(room).map(|entry| Source {
                publisher: kept.publisher.clone(),
                services: kept.services.clone(),
                entry: entry.clone(),
                alive,
            }));
        }
        reading
    }

    /// The entries from `key` on to `to`, in ring order, whole keys only, about `limit` of them.
    pub fn read_range(&self, key: Id, to: Id, limit: usize, alive: impl Fn(&Peer) -> bool) -> Reading {
        let mut reading = Reading::default();
        let first = self.by_key.contains_key(&key).then_some(key);
        let rest = within(&self.by_key, key, to).map(|(key, _)| *key).filter(|k| *k != key);
        for key in first.into_iter().chain(rest.take_while(|_| key != to)) {
            if reading.sources.len() >= limit {
                reading.next = Some(key);
                break;
            }
            let one = self.read(key, limit.max(1), &alive);
            reading.total += one.total;
            reading.sources.extend(one.sources);
        }
        reading
    }

    /// What is kept of each publisher in the arc (`from`, `to`].
    pub fn digests(&self, from: Id, to: Id) -> Vec<PublisherDigest> {
        let digest = |kept: &Kept| PublisherDigest {
            publisher: kept.publisher.clone(),
            age: kept.age,
            digest: kept.digest(from, to),
        };
        self.publishers.values().map(digest).filter(|d| d.digest.count > 0).collect()
    }

    /// Compares with another keeper's digests of an arc, takes over the smaller ages, and returns the
    /// publishers whose entries differ or are missing here.
    pub fn compare(&mut self, from: Id, to: Id, theirs: &[PublisherDigest]) -> Vec<Id> {
        let mut wanted = Vec::new();
        for their in theirs {
            if self.has_withdrawn(&their.publisher) {
                continue;
            }
            match self.publishers.get_mut(&their.publisher.id) {
                Some(kept) if kept.publisher.incarnation > their.publisher.incarnation => {}
                Some(kept) if kept.digest(from, to) == their.digest => {
                    if kept.publisher.incarnation == their.publisher.incarnation {
                        kept.age = kept.age.min(their.age + TICK);
                    } else {
                        wanted.push(their.publisher.id);
                    }
                }
                _ => wanted.push(their.publisher.id),
            }
        }
        wanted
    }

    /// Up to `limit` keys of the arc (`from`, `to`], behind `cursor` = (publisher, key), of the publishers
    /// `only`, or of all; with the cursor to go on behind.
    #[allow(clippy::type_complexity)]
    pub fn portion(
        &self,
        (from, to): (Id, Id),
        only: Option<&[Id]>,
        cursor: Option<(Id, Id)>,
        limit: usize,
    ) -> (Vec<KeptBatch>, Option<(Id, Id)>) {
        let mut batches: Vec<KeptBatch> = Vec::new();
        let (mut room, mut bytes) = (limit, 0);
        let start = cursor.map_or(Id::default(), |(publisher, _)| publisher);
        for (id, kept) in self.publishers.range(start..) {
            if only.is_some_and(|only| !only.contains(id)) {
                continue;
            }
            let behind = cursor.filter(|(publisher, _)| publisher == id).map(|(_, key)| key);
            let passed = |key: Id| behind.is_some_and(|b| from.distance_to(key) <= from.distance_to(b));
            let mut keys = Vec::new();
            for (key, stated) in within(&kept.keys, from, to).filter(|(key, _)| !passed(**key)) {
                keys.push(KeptKey { key: *key, sequence: stated.sequence, entries: stated.entries.clone() });
                room -= 1;
                bytes += stated.entries.iter().map(Entry::weight).sum::<usize>();
                if room == 0 || bytes >= MESSAGE_BYTES {
                    break;
                }
            }
            let last = keys.last().map(|k| k.key);
            if let Some(last) = last {
                batches.push(KeptBatch {
                    publisher: kept.publisher.clone(),
                    services: kept.services.clone(),
                    age: kept.age,
                    keys,
                });
                if room == 0 || bytes >= MESSAGE_BYTES {
                    return (batches, Some((*id, last)));
                }
            }
        }
        (batches, None)
    }

    /// What is kept of all publishers together in the arc (`from`, `to`].
    pub fn digest(&self, from: Id, to: Id) -> Digest {
        self.publishers.values().map(|kept| kept.digest(from, to)).sum()
    }

    /// How many entries lie in the arc (`from`, `to`], and how many elsewhere.
    pub fn counts(&self, from: Id, to: Id) -> (u64, u64) {
        let all = self.publishers.values().flat_map(|kept| &kept.keys);
        all.fold((0, 0), |(inside, outside), (key, stated)| {
            let entries = stated.entries.len() as u64;
            if key.is_within(from, to) { (inside + entries, outside) } else { (inside, outside + entries) }
        })
    }

    /// Whether nothing at all is kept.
    pub fn is_empty(&self) -> bool {
        self.publishers.is_empty()
    }
}

#[cfg(test)]
mod tests;
