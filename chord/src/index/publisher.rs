//! What a publisher shares, and how far each keeper knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::arc::within;
use super::keeper::MESSAGE_BYTES;
use super::listing::Listing;
use super::{ArcAnswer, ArcDigest, Batch, File, KeptArc, Statement, Verdict};
use crate::message::{Request, Response};
use crate::{Id, Peer, Services};

/// Parts into which an arc that differs is divided, and that are compared at a time.
const PARTS: usize = 16;
/// Changes of one arc that are remembered at most; with more, its keepers are compared with anew.
const CHANGES: usize = 16_384;

/// A publisher's files, the arcs that hold their keys, and the state of each keeper of each arc.
///
/// A key is *placed* once a lookup has shown which arc it lies in and who keeps that arc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Publisher {
    listing: Listing,
    sequence: u64,
    /// Keys without files that are not placed: their keepers may still have some.
    withdrawn: BTreeSet<Id>,
    /// By their ends.
    arcs: BTreeMap<Id, Placed>,
    links: BTreeMap<Id, Link>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Placed {
    from: Id,
    keepers: BTreeMap<Id, Known>,
    /// What has changed since, until all keepers know: by sequence, and by key.
    changes: BTreeMap<u64, Id>,
    changed: BTreeMap<Id, u64>,
    /// Changes up to this one were too many to be remembered: a comparison has to be later.
    forgotten: u64,
    /// One of its keepers is lost: it has to be looked up anew, and stands until then.
    doubtful: bool,
}

/// What a keeper has of an arc.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Known {
    /// Unknown: compare first.
    Compare,
    /// These parts differ, or may; all else is as it stood at `at`. The last one is next.
    Behind { at: u64, parts: Vec<Part> },
    /// Everything up to this sequence.
    UpTo(u64),
}

/// The arc (from, to].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    from: Id,
    to: Id,
    /// It differs, and is sent; else it is compared first.
    send: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Link {
    peer: Peer,
    /// One message at a time.
    busy: bool,
    /// It did not answer, or is busy: wait for the next tick.
    waits: bool,
    /// It takes no more, for so many entries are the most there: wait for the next renewal.
    full: Option<u64>,
    failures: u8,
    /// It has not answered for long: nothing is owed to it.
    lost: bool,
    since_renewal: Duration,
    /// It was sent a part of an arc, and has not confirmed yet that this is all: until then, what comes late from an
    /// earlier time is not void there.
    unsure: bool,
    arcs: BTreeSet<Id>,
    /// How often an arc has ceased to be kept there, since it was last told which ones are.
    dropped: u32,
}

impl Link {
    fn drop_arc(&mut self, to: Id) {
        if self.arcs.remove(&to) && !self.lost {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
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
        /// How many arcs less than before it told the keeper of.
        dropped: u32,
    },
    /// A comparison of parts of an arc that differs.
    Parts {
        /// The arc's end.
        arc: Id,
        /// As (from, to).
        parts: Vec<(Id, Id)>,
    },
    /// What lies in a part of an arc up to and including a key.
    Portion {
        /// The arc's end.
        arc: Id,
        /// The part, as (from, to).
        part: (Id, Id),
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

/// Who has acknowledged what a publisher has under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// These have.
    pub keepers: Vec<Peer>,
    /// These have not yet. Without any keeper: nobody knows yet who keeps the key.
    pub pending: Vec<Peer>,
}

impl Receipt {
    /// Whether every keeper has acknowledged it.
    pub fn is_whole(&self) -> bool {
        self.pending.is_empty() && !self.keepers.is_empty()
    }
}

/// How far a publisher has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Files that it shares.
    pub files: u64,
    /// Keys of their names and words.
    pub keys: u64,
    /// Keys that not all of their keepers have acknowledged; those without files any more, too.
    pub pending: u64,
    /// Keepers that take no more, and how many entries they take of one publisher.
    pub refusing: Vec<(Peer, u64)>,
    /// How long ago the keeper that has waited longest was told that this publisher lives.
    pub since_renewal: Duration,
}

impl Progress {
    /// How much more than twice the time between two `renewal`s that is; zero: none is late.
    pub fn late_by(&self, renewal: Duration) -> Duration {
        self.since_renewal.saturating_sub(renewal * 2)
    }
}

impl Publisher {
    /// Takes in files that are new or changed, and paths that are gone.
    pub fn update(&mut self, present: Vec<File>, gone: &[Arc<str>]) {
        let mut touched = Vec::new();
        gone.iter().for_each(|path| self.listing.remove(path, &mut touched));
        present.into_iter().for_each(|file| self.listing.put(file, &mut touched));
        touched.into_iter().for_each(|key| self.touch(key));
    }

    fn touch(&mut self, key: Id) {
        self.sequence += 1;
        let sequence = self.sequence;
        let Some(to) = self.arc_of(key).map(|(to, _)| to) else {
            match self.listing.has(key) {
                true => self.withdrawn.remove(&key),
                false => self.withdrawn.insert(key),
            };
            return;
        };
        let Some(arc) = self.arcs.get_mut(&to) else { return };
        if let Some(before) = arc.changed.insert(key, sequence) {
            arc.changes.remove(&before);
        }
        arc.changes.insert(sequence, key);
        if arc.changes.len() > CHANGES {
            arc.changes.clear();
            arc.changed.clear();
            arc.forgotten = sequence;
            arc.keepers.values_mut().for_each(|known| *known = Known::Compare);
        }
    }

    /// How many files are shared.
    pub fn len(&self) -> usize {
        self.listing.len()
    }

    /// Whether no file is shared.
    pub fn is_empty(&self) -> bool {
        self.listing.len() == 0
    }

    /// What is shared.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Keys that not all of their keepers have acknowledged.
    pub fn pending(&self) -> u64 {
        let placed: usize = self.arcs.iter().map(|(to, arc)| self.listing.count(arc.from, *to)).sum();
        let unplaced = self.listing.keys().saturating_sub(placed) + self.withdrawn.len();
        let unknown = |(to, arc): (&Id, &Placed)| {
            let parts = arc.keepers.values().map(|known| match known {
                Known::Compare => self.listing.count(arc.from, *to),
                Known::Behind { parts, .. } => {
                    parts.iter().map(|part| self.listing.count(part.from, part.to)).sum()
                }
                Known::UpTo(_) => 0,
            });
            parts.max().unwrap_or(0) + arc.changes.len()
        };
        (unplaced + self.arcs.iter().map(unknown).sum::<usize>()) as u64
    }

    /// How far all of it is known to its keepers.
    pub fn progress(&self) -> Progress {
        let full = |link: &Link| Some((link.peer.clone(), link.full?));
        let kept = self.links.values().filter(|link| !link.arcs.is_empty());
        Progress {
            files: self.len() as u64,
            keys: self.listing.keys() as u64,
            pending: self.pending(),
            refusing: self.links.values().filter_map(full).collect(),
            since_renewal: kept.map(|link| link.since_renewal).max().unwrap_or_default(),
        }
    }

    /// Who has acknowledged what there is under a key.
    pub fn receipt(&self, key: Id) -> Receipt {
        let mut receipt = Receipt::default();
        let Some((_, arc)) = self.arc_of(key) else { return receipt };
        let changed = arc.changed.get(&key).copied().unwrap_or(0);
        for (id, known) in &arc.keepers {
            let Some(link) = self.links.get(id) else { continue };
            let acknowledged = match known {
                Known::Compare => false,
                Known::Behind { at, parts } => {
                    *at >= changed && !parts.iter().any(|part| key.is_within(part.from, part.to))
                }
                Known::UpTo(sequence) => *sequence >= changed,
            };
            let side = if acknowledged { &mut receipt.keepers } else { &mut receipt.pending };
            side.push(link.peer.clone());
        }
        receipt
    }

    fn arc_of(&self, key: Id) -> Option<(Id, &Placed)> {
        let (to, arc) = self.arcs.range(key..).next().or_else(|| self.arcs.iter().next())?;
        key.is_within(arc.from, *to).then_some((*to, arc))
    }

    /// The first key whose keepers are unknown. Also one under which nothing is shared any more, until its
    /// keepers know that.
    pub fn unplaced(&self) -> Option<Id> {
        let first = |after: Bound<Id>| {
            let gone = self.withdrawn.range((after, Bound::Unbounded)).next().copied();
            self.listing.first_key(after).into_iter().chain(gone).min()
        };
        let mut next = first(Bound::Unbounded);
        while let Some(key) = next {
            let placed = self.arc_of(key).filter(|(_, arc)| !arc.doubtful);
            let Some((to, _)) = placed else { return Some(key) };
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
        let mut known = self.arcs.remove(&to).unwrap_or_default();
        if known.from == from && self.same_keepers(&known, keepers) {
            known.doubtful = false;
            self.arcs.insert(to, known);
            return;
        }
        // Whatever ends inside of this arc, or reaches over its start, is out of date.
        let stale: Vec<Id> = within(&self.arcs, from, to).map(|(end, _)| *end).collect();
        stale.iter().for_each(|end| self.displace(*end));
        if let Some((end, _)) = self.arc_of(to) {
            self.displace(end);
        }
        let grown = known.from != from && !from.is_between(known.from, to);
        let shrunk = !known.keepers.is_empty() && known.from != from && !grown;
        let mut arc = Placed { from, forgotten: known.forgotten, ..Placed::default() };
        for peer in keepers {
            let before = known.keepers.get(&peer.id).cloned();
            let same_life = self.links.get(&peer.id).is_some_and(|link| link.peer.is_same_life(peer));
            let known = before.filter(|_| same_life && !grown).unwrap_or(Known::Compare);
            arc.keepers.insert(peer.id, known.confined(from, to));
            let link = self.links.entry(peer.id).or_insert_with(|| Link {
                peer: peer.clone(),
                busy: false,
                waits: false,
                full: None,
                failures: 0,
                lost: false,
                since_renewal: Duration::ZERO,
                unsure: false,
                arcs: BTreeSet::new(),
                dropped: 0,
            });
            link.peer = peer.clone();
            link.arcs.insert(to);
            link.dropped = link.dropped.saturating_add(u32::from(shrunk));
        }
        for id in known.keepers.keys().filter(|id| !arc.keepers.contains_key(id)) {
            if let Some(link) = self.links.get_mut(id) {
                link.drop_arc(to);
            }
        }
        for (sequence, key) in known.changes {
            if key.is_within(from, to) {
                arc.changes.insert(sequence, key);
                arc.changed.insert(key, sequence);
            } else if !self.listing.has(key) {
                self.withdrawn.insert(key);
            }
        }
        arc.forget_settled();
        // They are told when the arc is compared, or as a change.
        let gone: Vec<Id> = self.withdrawn.iter().copied().filter(|key| key.is_within(from, to)).collect();
        self.arcs.insert(to, arc);
        for key in gone {
            self.withdrawn.remove(&key);
            self.touch(key);
        }
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
                link.drop_arc(to);
            }
        }
        let gone = arc.changes.into_values().filter(|key| !self.listing.has(*key));
        self.withdrawn.extend(gone);
    }

    /// A keeper is lost: its arcs are placed anew. Until then the others keep them.
    pub fn lose(&mut self, keeper: Id) {
        let Some(link) = self.links.get_mut(&keeper) else { return };
        link.lost = true;
        link.dropped = 0;
        for to in link.arcs.clone() {
            let Some(arc) = self.arcs.get_mut(&to) else { continue };
            arc.doubtful = true;
            if !self.listing.has_any(arc.from, to) {
                self.displace(to);
            }
        }
    }

    /// Time has passed: keepers that did not answer are tried again. One that keeps nothing any more stays until it
    /// knows that, or until the lease has run out there.
    pub fn pass(&mut self, time: Duration, lease: Duration) {
        for link in self.links.values_mut() {
            link.since_renewal += time;
            link.waits = false;
        }
        // Arcs without keys are kept by nobody, once all their keepers know.
        let settled = |arc: &Placed| {
            arc.changes.is_empty() && arc.keepers.values().all(|known| matches!(known, Known::UpTo(_)))
        };
        let done = self.arcs.iter();
        let done = done.filter(|(to, arc)| !self.listing.has_any(arc.from, **to) && settled(arc));
        let done: Vec<Id> = done.map(|(to, _)| *to).collect();
        done.iter().for_each(|to| self.displace(*to));
        let owed = |link: &Link| link.dropped > 0 && link.since_renewal < lease;
        self.links.retain(|_, link| link.busy || !link.arcs.is_empty() || owed(link));
    }

    /// The next message that some keeper should get, if any; `but` gets none. The keeper counts as busy until
    /// [`acknowledge`](Self::acknowledge) or [`fail`](Self::fail).
    pub fn next_message(
        &mut self,
        services: &Services,
        renewal: Duration,
        limit: usize,
        but: Option<Id>,
    ) -> Option<(Peer, Request, Sent)> {
        let free = |(id, link): (&Id, &Link)| (!link.busy && !link.waits && Some(*id) != but).then_some(*id);
        let ids: Vec<Id> = self.links.iter().filter_map(free).collect();
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
        let known = |arc: &Placed| arc.keepers.get(&id).cloned();
        let compare = arcs().any(|(_, arc)| arc.keepers.get(&id) == Some(&Known::Compare));
        let due = !link.arcs.is_empty() && link.since_renewal >= renewal;
        // Else it would tell of what it has there once it is a keeper again, whatever has changed meanwhile.
        let owed = link.dropped > 0 && self.unplaced().is_none();
        let unsure = link.unsure && !arcs().any(|(_, arc)| matches!(known(arc), Some(Known::Behind { .. })));
        if due || owed || unsure || (compare && link.full.is_none()) {
            let arcs: Vec<(Id, Id)> = arcs().map(|(to, arc)| (arc.from, to)).collect();
            let all = self.unplaced().is_none();
            let dropped = if all { link.dropped } else { 0 };
            let request = self.renewal(services, &arcs, all);
            return Some((request, Sent::Renewal { sequence: self.sequence, arcs, dropped }));
        }
        if link.full.is_some() {
            return None;
        }
        arcs().find_map(|(to, arc)| match known(arc)? {
            Known::Compare => None,
            Known::Behind { parts, .. } => {
                let next = *parts.last()?;
                if next.send {
                    return Some(self.portion(to, next, services, limit));
                }
                let parts = parts.iter().rev().filter(|part| !part.send).take(PARTS);
                let parts: Vec<(Id, Id)> = parts.map(|part| (part.from, part.to)).collect();
                Some((self.renewal(services, &parts, false), Sent::Parts { arc: to, parts }))
            }
            Known::UpTo(known) => self.changes(to, arc, known, services, limit),
        })
    }

    fn renewal(&self, services: &Services, arcs: &[(Id, Id)], all: bool) -> Request {
        let digest = |(from, to): &(Id, Id)| {
            let digest = self.listing.digest(*from, *to);
            ArcDigest { from: *from, to: *to, digest }
        };
        let arcs = arcs.iter().map(digest).collect();
        Request::Renew { services: services.clone(), sequence: self.sequence, arcs, all }
    }

    fn portion(&self, arc: Id, part: Part, services: &Services, limit: usize) -> (Request, Sent) {
        let keys = self.listing.statements(part.from, part.to).map(|statement| (statement.key, statement));
        let (keys, more) = pack(keys, limit);
        let reached = keys.last().filter(|_| more).map_or(part.to, |(key, _)| *key);
        let batch = Batch {
            services: services.clone(),
            sequence: self.sequence,
            arc: (part.from, reached),
            replace: true,
            keys: keys.into_iter().map(|(_, statement)| statement).collect(),
        };
        (Request::Publish(Box::new(batch)), Sent::Portion { arc, part: (part.from, part.to), reached })
    }

    fn changes(
        &self,
        to: Id,
        arc: &Placed,
        known: u64,
        services: &Services,
        limit: usize,
    ) -> Option<(Request, Sent)> {
        let news = arc.changes.range(known + 1..).map(|(at, key)| (*at, self.listing.statement(*key)));
        let (news, more) = pack(news, limit);
        let (last, _) = news.last()?;
        let sequence = if more { *last } else { self.sequence };
        let batch = Batch {
            services: services.clone(),
            sequence: self.sequence,
            arc: (arc.from, to),
            replace: false,
            keys: news.into_iter().map(|(_, statement)| statement).collect(),
        };
        Some((Request::Publish(Box::new(batch)), Sent::Changes { arc: to, sequence }))
    }

    /// A keeper did what it was asked. `limit`: keys in one message.
    pub fn acknowledge(&mut self, keeper: Id, sent: Sent, response: Response, limit: usize) {
        if let Some(link) = self.links.get_mut(&keeper) {
            link.busy = false;
            link.failures = 0;
            link.lost = false;
            if let Sent::Renewal { dropped, .. } = &sent {
                link.since_renewal = Duration::ZERO;
                link.unsure = false;
                link.full = None;
                link.dropped = link.dropped.saturating_sub(*dropped);
            }
        }
        match (sent, response) {
            (Sent::Renewal { sequence, arcs, .. }, Response::Renewed(answers))
                if arcs.len() == answers.len() =>
            {
                for (arc, answer) in arcs.into_iter().zip(&answers) {
                    self.compared(keeper, arc, sequence, answer, limit);
                }
            }
            (Sent::Parts { arc, parts }, Response::Renewed(answers)) if parts.len() == answers.len() => {
                for ((from, to), answer) in parts.into_iter().zip(&answers) {
                    let divided = self.divide(Part { from, to, send: false }, answer.verdict, limit);
                    self.replace_part(keeper, arc, (from, to), divided);
                }
            }
            (Sent::Portion { arc: to, part, reached }, Response::Published(arc)) => {
                if let Some(link) = self.links.get_mut(&keeper) {
                    link.unsure = true;
                }
                self.confirm(keeper, to, &arc);
                self.sent_portion(keeper, to, part, reached);
            }
            (Sent::Changes { arc: to, sequence }, Response::Published(arc)) => {
                // First, for what has gone to another peer is not settled.
                self.confirm(keeper, to, &arc);
                if let Some(Known::UpTo(known)) = self.known(keeper, to) {
                    *known = sequence.max(*known);
                }
                self.settle(to);
            }
            (_, Response::Full(most)) => {
                if let Some(link) = self.links.get_mut(&keeper) {
                    link.full = Some(most);
                }
            }
            // Asked again at once, it would answer the same.
            _ => self.fail(keeper),
        }
    }

    fn compared(
        &mut self,
        keeper: Id,
        (from, to): (Id, Id),
        sequence: u64,
        answer: &ArcAnswer,
        limit: usize,
    ) {
        if self.arcs.get(&to).is_none_or(|arc| arc.from != from || arc.forgotten > sequence) {
            return;
        }
        let parts = self.divide(Part { from, to, send: false }, answer.verdict, limit);
        match &answer.owner {
            Some(arc) => self.confirm(keeper, to, arc),
            None if keeper == to => self.displace(to),
            None => {}
        }
        let same = answer.verdict == Verdict::Same;
        if let Some(known) = self.known(keeper, to) {
            match known {
                Known::UpTo(at) if same => *at = sequence.max(*at),
                _ if same => *known = Known::UpTo(sequence),
                // What is under way goes on.
                Known::Behind { .. } => {}
                _ => *known = Known::Behind { at: sequence, parts },
            }
        }
        self.settle(to);
    }

    /// What is left to do for a part that was compared.
    fn divide(&self, part: Part, verdict: Verdict, limit: usize) -> Vec<Part> {
        let keys = self.listing.count(part.from, part.to);
        match verdict {
            Verdict::Same => return Vec::new(),
            Verdict::Differs if keys > limit => {}
            Verdict::Empty | Verdict::Differs => return vec![Part { send: true, ..part }],
        }
        let each = keys.div_ceil(PARTS);
        let ends = self.listing.keys_within(part.from, part.to).skip(each - 1).step_by(each);
        let mut parts: Vec<Part> = Vec::with_capacity(PARTS);
        let mut from = part.from;
        for to in ends.take(PARTS - 1).chain([part.to]).filter(|to| *to != part.to).collect::<Vec<_>>() {
            parts.push(Part { from, to, send: false });
            from = to;
        }
        parts.push(Part { from, to: part.to, send: false });
        parts
    }

    fn replace_part(&mut self, keeper: Id, arc: Id, (from, to): (Id, Id), by: Vec<Part>) {
        let Some(Known::Behind { at, parts }) = self.known(keeper, arc) else { return };
        let at = *at;
        if let Some(index) = parts.iter().position(|part| (part.from, part.to) == (from, to)) {
            parts.splice(index..=index, by);
        }
        if parts.is_empty() {
            self.reached(keeper, arc, at);
        }
    }

    fn sent_portion(&mut self, keeper: Id, arc: Id, part: (Id, Id), reached: Id) {
        let Some(Known::Behind { at, parts }) = self.known(keeper, arc) else { return };
        let at = *at;
        if let Some(index) = parts.iter().position(|other| (other.from, other.to) == part && other.send) {
            if reached == part.1 {
                parts.remove(index);
            } else {
                parts[index].from = reached;
            }
        }
        if parts.is_empty() {
            self.reached(keeper, arc, at);
        }
    }

    fn reached(&mut self, keeper: Id, arc: Id, sequence: u64) {
        if let Some(known) = self.known(keeper, arc) {
            *known = Known::UpTo(sequence);
        }
        self.settle(arc);
    }

    fn known(&mut self, keeper: Id, arc: Id) -> Option<&mut Known> {
        self.arcs.get_mut(&arc)?.keepers.get_mut(&keeper)
    }

    fn settle(&mut self, arc: Id) {
        if let Some(arc) = self.arcs.get_mut(&arc) {
            arc.forget_settled();
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

    /// A keeper has no time; it is asked again at the next tick.
    pub fn back_off(&mut self, keeper: Id) {
        if let Some(link) = self.links.get_mut(&keeper) {
            link.busy = false;
            link.waits = true;
        }
    }

    /// A keeper did not answer; it is tried again at the next tick, and lost after the third time.
    pub fn fail(&mut self, keeper: Id) {
        self.back_off(keeper);
        let Some(link) = self.links.get_mut(&keeper) else { return };
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

impl Known {
    /// The same of a part of the arc.
    fn confined(self, from: Id, to: Id) -> Known {
        match self {
            Known::Behind { at, parts } => {
                let inside = |id: Id| id == from || id.is_within(from, to);
                if parts.iter().all(|part| inside(part.from) && inside(part.to)) {
                    Known::Behind { at, parts }
                } else {
                    Known::Compare
                }
            }
            known => known,
        }
    }
}

impl Placed {
    /// Drops the changes that every keeper knows.
    fn forget_settled(&mut self) {
        let known = self.keepers.values().map(|known| match known {
            Known::Compare => 0,
            Known::Behind { at, .. } | Known::UpTo(at) => *at,
        });
        let known = known.min().unwrap_or(0);
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= known) {
            self.changed.remove(&first.remove());
        }
    }
}

/// As many statements as fit into one message; and whether more would follow.
fn pack<K>(statements: impl Iterator<Item = (K, Statement)>, limit: usize) -> (Vec<(K, Statement)>, bool) {
    let (mut packed, mut bytes) = (Vec::new(), 0);
    for (key, statement) in statements {
        let weight = statement.weight();
        if packed.len() == limit || (!packed.is_empty() && bytes + weight > MESSAGE_BYTES) {
            return (packed, true);
        }
        bytes += weight;
        packed.push((key, statement));
    }
    (packed, false)
}

#[cfg(test)]
mod tests;
