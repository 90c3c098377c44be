//! What a publisher shares, and how far each keeper knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::arc::within;
use super::keeper::MESSAGE_BYTES;
use super::{ArcAnswer, ArcDigest, Batch, Digest, Entry, File, KeptArc};
use crate::message::{Request, Response};
use crate::{Id, Peer, Services};

/// Files of one name that one publisher states at most.
const SAME_NAME: usize = 1000;

/// A publisher's files, the arcs that hold their keys, and the state of each keeper of each arc.
///
/// A key is *placed* once a lookup has shown which arc it lies in and who keeps that arc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Publisher {
    files: BTreeMap<Arc<str>, File>,
    keys: BTreeMap<Id, BTreeMap<Arc<str>, Entry>>,
    sequence: u64,
    /// When each key last changed, until all its keepers know.
    changed: BTreeMap<Id, u64>,
    changes: BTreeMap<u64, Id>,
    /// By their ends.
    arcs: BTreeMap<Id, Placed>,
    links: BTreeMap<Id, Link>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Placed {
    from: Id,
    keepers: BTreeMap<Id, Progress>,
}

/// What a keeper has of an arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    /// Unknown: compare digests first.
    Compare,
    /// All of it is being sent, as it stood at `at`; it has what lies before `cursor`.
    Send { cursor: Id, at: u64 },
    /// Everything up to this sequence.
    UpTo(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Link {
    peer: Peer,
    /// One message at a time.
    busy: bool,
    /// It did not answer: wait for the next tick.
    waits: bool,
    failures: u8,
    since_renewal: Duration,
    arcs: BTreeSet<Id>,
}

/// What a message to a keeper was about; comes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// A renewal, of these arcs as (from, to), when the publisher stood at this sequence.
    Renewal {
        /// The publisher's changes then.
        sequence: u64,
        /// The arcs compared.
        arcs: Vec<(Id, Id)>,
    },
    /// Part of an arc that is sent whole, up to and including this key.
    Portion {
        /// The arc's end.
        arc: Id,
        /// Where it goes on.
        reached: Id,
    },
    /// Changes of an arc up to this sequence.
    Changes {
        /// The arc's end.
        arc: Id,
        /// What the keeper knows now.
        sequence: u64,
    },
}

impl Publisher {
    /// Takes in files that are new or changed, and paths that are gone.
    pub fn update(&mut self, present: Vec<File>, gone: &[Arc<str>]) {
        for path in gone {
            self.remove(path);
        }
        for file in present {
            if self.files.get(&file.path) == Some(&file) {
                continue;
            }
            self.remove(&file.path);
            let entry = Entry::of_name(file.clone());
            self.touch(entry.key);
            self.keys.entry(entry.key).or_default().insert(file.path.clone(), entry);
            self.files.insert(file.path.clone(), file);
        }
    }

    fn remove(&mut self, path: &Arc<str>) {
        let Some(file) = self.files.remove(path) else { return };
        let key = Entry::of_name(file).key;
        if let Some(entries) = self.keys.get_mut(&key) {
            entries.remove(path);
            if entries.is_empty() {
                self.keys.remove(&key);
            }
        }
        self.touch(key);
    }

    fn touch(&mut self, key: Id) {
        self.sequence += 1;
        if let Some(before) = self.changed.insert(key, self.sequence) {
            self.changes.remove(&before);
        }
        self.changes.insert(self.sequence, key);
    }

    /// How many files are shared.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no file is shared.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What is published under a key: of very many files of one name, the first by path.
    pub fn entries(&self, key: Id) -> impl Iterator<Item = &Entry> {
        self.keys.get(&key).into_iter().flat_map(stated)
    }

    /// Keys that not all of their keepers have acknowledged.
    pub fn pending(&self) -> u64 {
        let unplaced = self.keys.keys().filter(|key| self.arc_of(**key).is_none()).count();
        let known = |arc: &Placed| arc.keepers.values().all(|p| matches!(p, Progress::UpTo(_)));
        let unsent = self.arcs.iter().filter(|(_, arc)| !known(arc));
        let unsent: usize = unsent.map(|(to, arc)| within(&self.keys, arc.from, *to).count()).sum();
        (unplaced + unsent + self.changes.len()) as u64
    }

    fn arc_of(&self, key: Id) -> Option<(Id, &Placed)> {
        let (to, arc) = self.arcs.range(key..).next().or_else(|| self.arcs.iter().next())?;
        key.is_within(arc.from, *to).then_some((*to, arc))
    }

    /// The first key whose keepers are unknown. Also one under which nothing is shared any more, until its
    /// keepers know that.
    pub fn unplaced(&self) -> Option<Id> {
        let first = |after: Bound<Id>| {
            let range = (after, Bound::Unbounded);
            let (shared, changed) = (self.keys.range(range).next(), self.changed.range(range).next());
            shared.map(|(key, _)| *key).into_iter().chain(changed.map(|(key, _)| *key)).min()
        };
        let mut next = first(Bound::Unbounded);
        while let Some(key) = next {
            let Some((to, _)) = self.arc_of(key) else { return Some(key) };
            if to < key {
                return None;
            }
            next = first(Bound::Excluded(to));
        }
        None
    }

    /// The first of the keepers is responsible for this arc; all of them keep it.
    pub fn place(&mut self, KeptArc { from, keepers }: &KeptArc) {
        let (from, Some(to)) = (*from, keepers.first().map(|owner| owner.id)) else { return };
        if self.arcs.get(&to).is_some_and(|arc| arc.from == from && self.same_keepers(arc, keepers)) {
            return;
        }
        let known = self.arcs.remove(&to);
        // Whatever ends inside of this arc, or reaches over its start, is out of date.
        let stale: Vec<Id> = within(&self.arcs, from, to).map(|(end, _)| *end).collect();
        stale.iter().for_each(|end| self.displace(*end));
        if let Some((end, _)) = self.arc_of(to) {
            self.displace(end);
        }
        let grown = known.as_ref().is_some_and(|arc| arc.from != from && !from.is_between(arc.from, to));
        let mut arc = Placed { from, keepers: BTreeMap::new() };
        for peer in keepers {
            let before = known.as_ref().and_then(|arc| arc.keepers.get(&peer.id)).copied();
            let same_life = self.links.get(&peer.id).is_some_and(|link| link.peer.is_same_life(peer));
            let progress = before.filter(|_| same_life && !grown).unwrap_or(Progress::Compare);
            arc.keepers.insert(peer.id, progress);
            let link = self.links.entry(peer.id).or_insert_with(|| Link {
                peer: peer.clone(),
                busy: false,
                waits: false,
                failures: 0,
                since_renewal: Duration::ZERO,
                arcs: BTreeSet::new(),
            });
            link.peer = peer.clone();
            link.arcs.insert(to);
        }
        for id in known.iter().flat_map(|arc| arc.keepers.keys()).filter(|id| !arc.keepers.contains_key(id)) {
            if let Some(link) = self.links.get_mut(id) {
                link.arcs.remove(&to);
            }
        }
        self.arcs.insert(to, arc);
    }

    fn same_keepers(&self, arc: &Placed, keepers: &[Peer]) -> bool {
        let known = |peer: &Peer| self.links.get(&peer.id).is_some_and(|link| link.peer.is_same_life(peer));
        arc.keepers.len() == keepers.len()
            && keepers.iter().all(|k| arc.keepers.contains_key(&k.id) && known(k))
    }

    fn displace(&mut self, to: Id) {
        let Some(arc) = self.arcs.remove(&to) else { return };
        for id in arc.keepers.keys() {
            if let Some(link) = self.links.get_mut(id) {
                link.arcs.remove(&to);
            }
        }
    }

    /// A keeper is lost: its arcs are placed anew.
    pub fn lose(&mut self, keeper: Id) {
        let arcs: Vec<Id> = self.links.get(&keeper).into_iter().flat_map(|link| link.arcs.clone()).collect();
        arcs.iter().for_each(|to| self.displace(*to));
    }

    /// Time has passed: keepers that did not answer are tried again.
    pub fn pass(&mut self, time: Duration) {
        for link in self.links.values_mut() {
            link.since_renewal += time;
            link.waits = false;
        }
        self.forget_settled();
    }

    /// Drops changes that every keeper knows, arcs without keys, and links without arcs.
    fn forget_settled(&mut self) {
        let settled: Vec<u64> = self
            .changes
            .iter()
            .filter(|(sequence, key)| match self.arc_of(**key) {
                Some((_, arc)) => {
                    arc.keepers.values().all(|p| matches!(p, Progress::UpTo(known) if known >= *sequence))
                }
                None => false,
            })
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in settled {
            if let Some(key) = self.changes.remove(&sequence) {
                self.changed.remove(&key);
            }
        }
        let unchanged = |from, to| within(&self.changed, from, to).next().is_none();
        let empty = |from, to| within(&self.keys, from, to).next().is_none();
        let done = self.arcs.iter().filter(|(to, arc)| empty(arc.from, **to) && unchanged(arc.from, **to));
        let done: Vec<Id> = done.map(|(to, _)| *to).collect();
        done.iter().for_each(|to| self.displace(*to));
        self.links.retain(|_, link| link.busy || !link.arcs.is_empty());
    }

    /// The next message that some keeper should get, if any. The keeper counts as busy until
    /// [`acknowledge`](Self::acknowledge) or [`fail`](Self::fail).
    pub fn next_message(
        &mut self,
        services: &Services,
        renewal: Duration,
        limit: usize,
    ) -> Option<(Peer, Request, Sent)> {
        let ids: Vec<Id> =
            self.links.iter().filter(|(_, l)| !l.busy && !l.waits).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some((request, sent)) = self.message_to(id, services, renewal, limit) {
                let link = self.links.get_mut(&id)?;
                link.busy = true;
                return Some((link.peer.clone(), request, sent));
            }
        }
        None
    }

    fn message_to(
        &self,
        id: Id,
        services: &Services,
        renewal: Duration,
        limit: usize,
    ) -> Option<(Request, Sent)> {
        let link = self.links.get(&id)?;
        let arcs = || link.arcs.iter().filter_map(|to| Some((*to, self.arcs.get(to)?)));
        let progress = |arc: &Placed| arc.keepers.get(&id).copied();
        let compare = arcs().any(|(_, arc)| progress(arc) == Some(Progress::Compare));
        if !link.arcs.is_empty() && (compare || link.since_renewal >= renewal) {
            let digests =
                arcs().map(|(to, arc)| ArcDigest { from: arc.from, to, digest: self.digest(arc.from, to) });
            let digests: Vec<ArcDigest> = digests.collect();
            let sent = Sent::Renewal {
                sequence: self.sequence,
                arcs: digests.iter().map(|digest| (digest.from, digest.to)).collect(),
            };
            let request = Request::Renew {
                services: services.clone(),
                sequence: self.sequence,
                arcs: digests,
                all: self.unplaced().is_none(),
            };
            return Some((request, sent));
        }
        arcs().find_map(|(to, arc)| match progress(arc)? {
            Progress::Compare => None,
            Progress::Send { cursor, .. } => Some(self.portion(to, cursor, services, limit)),
            Progress::UpTo(known) => self.changes(arc.from, to, known, services, limit),
        })
    }

    fn digest(&self, from: Id, to: Id) -> Digest {
        within(&self.keys, from, to).flat_map(|(_, entries)| stated(entries)).collect()
    }

    fn portion(&self, to: Id, cursor: Id, services: &Services, limit: usize) -> (Request, Sent) {
        let arc = within(&self.keys, cursor, to).map(|(key, entries)| (*key, stated(entries)));
        let (keys, more) = pack(arc, limit);
        let reached = keys.last().filter(|_| more).map_or(to, |(key, _)| *key);
        let batch = Batch {
            services: services.clone(),
            sequence: self.sequence,
            arc: (cursor, reached),
            replace: true,
            keys,
        };
        (Request::Publish(Box::new(batch)), Sent::Portion { arc: to, reached })
    }

    fn changes(
        &self,
        from: Id,
        to: Id,
        known: u64,
        services: &Services,
        limit: usize,
    ) -> Option<(Request, Sent)> {
        let news = self.changes.range(known + 1..).filter(|(_, key)| key.is_within(from, to));
        let (news, more) = pack(news.map(|(at, key)| ((*at, *key), self.entries(*key))), limit);
        let ((last, _), _) = news.last()?;
        let sequence = if more { *last } else { self.sequence };
        let keys = news.into_iter().map(|((_, key), entries)| (key, entries)).collect();
        let batch = Batch {
            services: services.clone(),
            sequence: self.sequence,
            arc: (from, to),
            replace: false,
            keys,
        };
        Some((Request::Publish(Box::new(batch)), Sent::Changes { arc: to, sequence }))
    }

    /// A keeper did what it was asked.
    pub fn acknowledge(&mut self, keeper: Id, sent: Sent, response: Response) {
        if let Some(link) = self.links.get_mut(&keeper) {
            link.busy = false;
            link.failures = 0;
            if matches!(sent, Sent::Renewal { .. }) {
                link.since_renewal = Duration::ZERO;
            }
        }
        match (sent, response) {
            (Sent::Renewal { sequence, arcs }, Response::Renewed(answers)) if arcs.len() == answers.len() => {
                for (arc, answer) in arcs.into_iter().zip(&answers) {
                    self.compared(keeper, arc, sequence, answer);
                }
            }
            (Sent::Portion { arc: to, reached }, Response::Published(arc)) => {
                self.advance(keeper, to, |progress| match progress {
                    Progress::Send { at, .. } if reached == to => Progress::UpTo(at),
                    Progress::Send { at, .. } => Progress::Send { cursor: reached, at },
                    other => other,
                });
                self.confirm(keeper, to, &arc);
            }
            (Sent::Changes { arc: to, sequence }, Response::Published(arc)) => {
                self.advance(keeper, to, |progress| match progress {
                    Progress::UpTo(known) => Progress::UpTo(known.max(sequence)),
                    other => other,
                });
                self.confirm(keeper, to, &arc);
            }
            // Asked again at once, it would answer the same.
            _ => self.fail(keeper),
        }
        self.forget_settled();
    }

    fn compared(&mut self, keeper: Id, (from, to): (Id, Id), sequence: u64, answer: &ArcAnswer) {
        if self.arcs.get(&to).is_none_or(|arc| arc.from != from) {
            return;
        }
        self.advance(keeper, to, |progress| match (progress, answer.same) {
            (Progress::UpTo(known), true) => Progress::UpTo(known.max(sequence)),
            (_, true) => Progress::UpTo(sequence),
            (Progress::Send { .. }, false) => progress,
            (_, false) => Progress::Send { cursor: from, at: sequence },
        });
        match &answer.owner {
            Some(arc) => self.confirm(keeper, to, arc),
            None if keeper == to => self.displace(to),
            None => {}
        }
    }

    /// A keeper said what it is responsible for. Where it is the one responsible for the arc that ends at
    /// `to`, this counts: a part of the arc may have gone to a newcomer.
    pub fn confirm(&mut self, keeper: Id, to: Id, arc: &KeptArc) {
        if keeper == to
            && self.arcs.contains_key(&to)
            && arc.keepers.first().is_some_and(|owner| owner.id == to)
        {
            self.place(arc);
        }
    }

    fn advance(&mut self, keeper: Id, to: Id, step: impl Fn(Progress) -> Progress) {
        if let Some(progress) = self.arcs.get_mut(&to).and_then(|arc| arc.keepers.get_mut(&keeper)) {
            *progress = step(*progress);
        }
    }

    /// A keeper did not answer; it is tried again at the next tick, and lost after the third time.
    pub fn fail(&mut self, keeper: Id) {
        let Some(link) = self.links.get_mut(&keeper) else { return };
        link.busy = false;
        link.waits = true;
        link.failures += 1;
        if link.failures >= 3 {
            link.failures = 0;
            self.lose(keeper);
        }
    }

    /// All keepers that hold anything for this publisher.
    pub fn keepers(&self) -> Vec<Peer> {
        self.links.values().map(|link| link.peer.clone()).collect()
    }
}

/// The entries of one key that are published: bounded, since they travel in one message.
fn stated(entries: &BTreeMap<Arc<str>, Entry>) -> impl Iterator<Item = &Entry> {
    let mut bytes = 0;
    entries.values().take(SAME_NAME).take_while(move |entry| {
        bytes += entry.weight();
        bytes <= MESSAGE_BYTES
    })
}

/// As many keys, each with its entries, as fit into one message; and whether more would follow.
fn pack<'a, K, E: Iterator<Item = &'a Entry>>(
    keys: impl Iterator<Item = (K, E)>,
    limit: usize,
) -> (Vec<(K, Vec<Entry>)>, bool) {
    let (mut packed, mut bytes) = (Vec::new(), 0);
    for (key, entries) in keys {
        if packed.len() == limit || bytes >= MESSAGE_BYTES {
            return (packed, true);
        }
        let entries: Vec<Entry> = entries.cloned().collect();
        bytes += entries.iter().map(Entry::weight).sum::<usize>();
        packed.push((key, entries));
    }
    (packed, false)
}

#[cfg(test)]
mod tests;
