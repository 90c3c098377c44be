//! What a keeper holds: entries by publisher, each publisher under one lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::arc::{covers, each_within, within};
use super::entry::stated_hash;
use super::{ArcDigest, Digest, File, Statement, Verdict};
use crate::{Id, Peer, Services};

/// Entries of about so many bytes are put into one message; the entries of one key are never divided.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;
/// How out of date an age may be that another keeper tells, for it counts in ticks. Without adding this,
/// two keepers that compare more often than they tick would keep each other's ages at zero for ever.
const TICK: Duration = Duration::from_secs(1);
/// Who has stated something within this time may go on.
const TOLD: Duration = Duration::from_secs(5);
/// Times in a lease that entries to forget are looked for.
const SWEEPS: u32 = 12;
/// Withdrawals that are remembered at most.
const WITHDRAWN: usize = 1024;
/// Arcs of one publisher in which a keeper is known to be up to date, at most.
const CONFIRMED: usize = 256;

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
    /// What it has under each key.
    pub keys: Vec<Statement>,
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
    /// The sender holds the publisher to be dead; a newcomer may never have known it.
    pub given_up: bool,
    /// Some of its keys.
    pub keys: Vec<KeptKey>,
    /// As (from, to, sequence): at this sequence, it had nothing else in the arc (from, to].
    pub whole: Option<(Id, Id, u64)>,
}

/// What a publisher said about one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptKey {
    /// A sequence of the publisher at which this was so.
    pub sequence: u64,
    /// Since the publisher itself stated or confirmed it at some keeper.
    pub age: Duration,
    /// What it said.
    pub statement: Statement,
}

/// What a keeper has of one publisher in an arc.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublisherDigest {
    /// Whose.
    pub publisher: Peer,
    /// Since the publisher itself was last heard.
    pub age: Duration,
    /// Since it stated or confirmed at some keeper whatever it has there.
    pub covered: Duration,
    /// The sequence of the publisher at which this was all it had there; 0: this is not known.
    pub whole: u64,
    /// What.
    pub digest: Digest,
}

/// How much a keeper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// Entries of one publisher.
    pub quota: u64,
    /// Entries of all publishers.
    pub capacity: u64,
}

/// All entries that one peer keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keeper {
    pub(super) publishers: BTreeMap<Id, Kept>,
    /// Who has files of a name, as (key, publisher).
    pub(super) names: BTreeSet<(Id, Id)>,
    /// Who has files with a word.
    pub(super) words: BTreeSet<(Arc<str>, Id)>,
    /// Lives that have withdrawn all they had, and how long ago: late messages and other keepers, which missed
    /// that, don't bring it back.
    withdrawn: BTreeMap<Id, (u64, Duration)>,
    entries: u64,
    /// Time that has passed since it began to keep anything, and when it looked last for entries to forget.
    clock: Duration,
    swept: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    pub(super) publisher: Peer,
    pub(super) services: Services,
    age: Duration,
    /// Another keeper said that it is dead, and it has not been heard since.
    given_up: bool,
    /// Since it last stated anything here itself.
    stated: Duration,
    /// The highest sequence that it has said here itself: whatever it said at a lower one has come late.
    heard: u64,
    confirmed: Vec<Confirmed>,
    /// By path: every file is held once, whatever the number of its keys here.
    files: BTreeMap<Arc<str>, Shared>,
    pub(super) keys: BTreeMap<Id, Held>,
    entries: u64,
    /// Keys that the publisher's renewals do not cover, and for how long.
    uncovered: BTreeMap<Id, Duration>,
}

/// In the arc (from, to] everything up to a sequence is in; statements of earlier ones are void there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Confirmed {
    from: Id,
    to: Id,
    sequence: u64,
    /// Nothing of it has been dropped here since.
    whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shared {
    file: Arc<File>,
    hash: u128,
    uses: u32,
}

/// What is held under one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    /// Of the publisher, when it said so; 0: an earlier life said so, and this one has not confirmed it.
    sequence: u64,
    /// The publisher itself said so here, and not another keeper.
    first_hand: bool,
    /// When the publisher itself last stated or confirmed it at some keeper, in milliseconds of this keeper's clock.
    /// Keepers that pass an entry round among themselves keep it no longer than a lease after that.
    covered: u64,
    pub(super) word: Option<Arc<str>>,
    pub(super) total: u64,
    sum: u128,
    pub(super) files: Box<[Arc<File>]>,
}

impl Held {
    fn digest(&self) -> Digest {
        Digest::stated(self.files.len(), self.total, self.sum)
    }

    fn statement(&self, key: Id) -> Statement {
        Statement { key, word: self.word.clone(), total: self.total, files: self.files.to_vec() }
    }
}

impl Kept {
    fn new(publisher: &Peer, services: &Services) -> Kept {
        Kept {
            publisher: publisher.clone(),
            services: services.clone(),
            age: Duration::ZERO,
            given_up: false,
            stated: Duration::MAX,
            heard: 0,
            confirmed: Vec::new(),
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            entries: 0,
            uncovered: BTreeMap::new(),
        }
    }

    fn digest(&self, from: Id, to: Id) -> Digest {
        within(&self.keys, from, to).map(|(_, held)| held.digest()).sum()
    }

    /// Whether it lives, as far as this keeper and those that know its publisher were told.
    pub(super) fn is_alive(&self, known: impl Fn(&Peer) -> bool) -> bool {
        !self.given_up && known(&self.publisher)
    }

    /// Since when, in milliseconds of the keeper's clock, nothing in an arc is waiting to be covered.
    fn covered(&self, from: Id, to: Id) -> u64 {
        within(&self.keys, from, to).map(|(_, held)| held.covered).min().unwrap_or(0)
    }

    /// The publisher has confirmed all of an arc at this time of the keeper's clock.
    fn cover(&mut self, from: Id, to: Id, at: u64) {
        each_within(&mut self.keys, from, to, |held| held.covered = held.covered.max(at));
    }

    /// The sequence up to which everything about this key is in.
    fn floor(&self, key: Id) -> u64 {
        let there = self.confirmed.iter().filter(|arc| key.is_within(arc.from, arc.to));
        there.map(|arc| arc.sequence).max().unwrap_or(0)
    }

    /// The last sequence at which all that the publisher had in an arc was here, 0 if this is not known.
    fn whole(&self, from: Id, to: Id) -> u64 {
        let there = self.confirmed.iter().filter(|arc| arc.whole && covers((arc.from, arc.to), (from, to)));
        there.map(|arc| arc.sequence).max().unwrap_or(0)
    }

    /// Keys of an arc that are not `listed`, though nothing else was there at a sequence.
    fn void(&self, (from, to, sequence): (Id, Id, u64), listed: &BTreeSet<Id>) -> Vec<Id> {
        let unlisted = within(&self.keys, from, to).filter(|(key, held)| {
            held.sequence <= sequence && !held.files.is_empty() && !listed.contains(key)
        });
        unlisted.map(|(key, _)| *key).collect()
    }

    /// Whether the publisher itself stated or confirmed here what is held under a key.
    fn is_first_hand(&self, key: Id, held: &Held) -> bool {
        held.first_hand || self.floor(key) >= held.sequence.max(1)
    }

    /// The publisher has the very same in this arc, at this sequence.
    fn confirm(&mut self, from: Id, to: Id, sequence: u64, now: u64) {
        self.confirmed.retain(|arc| !covers((from, to), (arc.from, arc.to)));
        if self.confirmed.len() == CONFIRMED {
            self.confirmed.remove(0);
        }
        self.confirmed.push(Confirmed { from, to, sequence, whole: true });
        self.uncovered.retain(|key, _| !key.is_within(from, to));
        self.cover(from, to, now);
        let settled = |held: &Held| held.files.is_empty() && held.sequence <= sequence;
        let gone = within(&self.keys, from, to).filter(|(_, held)| settled(held)).map(|(key, _)| *key);
        gone.collect::<Vec<_>>().iter().for_each(|key| {
            self.keys.remove(key);
        });
    }

    /// The file as it is held from now on, and its hash.
    fn take(&mut self, file: &Arc<File>) -> (Arc<File>, u128) {
        if let Some(shared) = self.files.get_mut(&file.path) {
            shared.uses += 1;
            if shared.file != *file {
                shared.hash = file.hash();
                shared.file = file.clone();
            }
            return (shared.file.clone(), shared.hash);
        }
        let hash = file.hash();
        self.files.insert(file.path.clone(), Shared { file: file.clone(), hash, uses: 1 });
        (file.clone(), hash)
    }

    fn release(&mut self, files: &[Arc<File>]) {
        for file in files {
            if let Some(shared) = self.files.get_mut(&file.path) {
                shared.uses -= 1;
                if shared.uses == 0 {
                    self.files.remove(&file.path);
                }
            }
        }
    }
}

impl Keeper {
    /// A publisher was heard: its lease starts anew. None: what it said belongs to an earlier life.
    fn hear(&mut self, publisher: &Peer, services: &Services) -> Option<&mut Kept> {
        if self.has_withdrawn(publisher) {
            return None;
        }
        let kept = self.publishers.entry(publisher.id).or_insert_with(|| Kept::new(publisher, services));
        if kept.publisher.incarnation > publisher.incarnation {
            return None;
        }
        if kept.publisher.incarnation < publisher.incarnation {
            kept.confirmed.clear();
            kept.heard = 0;
            kept.keys.values_mut().for_each(|held| held.sequence = 0);
        }
        kept.publisher = publisher.clone();
        kept.services = services.clone();
        kept.age = Duration::ZERO;
        kept.given_up = false;
        Some(kept)
    }

    /// A publisher renews its lease. Tells how both compare in each arc.
    pub fn renew(
        &mut self,
        publisher: &Peer,
        services: &Services,
        sequence: u64,
        arcs: &[ArcDigest],
    ) -> Vec<Verdict> {
        // Who says that nothing of it is kept here any more is right where nothing is.
        if arcs.is_empty() && !self.publishers.contains_key(&publisher.id) {
            return Vec::new();
        }
        let now = self.now();
        let Some(kept) = self.hear(publisher, services) else {
            return vec![Verdict::Same; arcs.len()];
        };
        if sequence < kept.heard {
            return vec![Verdict::Same; arcs.len()];
        }
        kept.heard = sequence;
        let mut verdicts = Vec::with_capacity(arcs.len());
        for arc in arcs {
            let digest = kept.digest(arc.from, arc.to);
            verdicts.push(if digest == arc.digest {
                kept.confirm(arc.from, arc.to, sequence, now);
                Verdict::Same
            } else if digest.count == 0 {
                Verdict::Empty
            } else {
                Verdict::Differs
            });
        }
        verdicts
    }

    /// These arcs are all that a publisher keeps here. What lies outside of them and of `own` is dropped, for it
    /// is kept by others now; returns those keys. What lies in `own` may have come from another keeper before the
    /// publisher knows: it goes with the second renewal in a row that does not cover it; at once, if an earlier life
    /// stated it, for keepers don't pass that on. A lease is three renewals.
    pub fn confine(
        &mut self,
        publisher: &Peer,
        sequence: u64,
        arcs: &[ArcDigest],
        own: (Id, Id),
        lease: Duration,
    ) -> Vec<Id> {
        let Some(kept) = self.publishers.get_mut(&publisher.id) else { return Vec::new() };
        if !kept.publisher.is_same_life(publisher) || sequence < kept.heard {
            return Vec::new();
        }
        let covered = |key: &Id| arcs.iter().any(|arc| key.is_within(arc.from, arc.to));
        let (keys, known) = (&kept.keys, &kept.uncovered);
        let uncovered = keys.keys().copied().filter(|key| !covered(key));
        let stated =
            |key: &Id| kept.keys.get(key).is_some_and(|held| held.sequence.max(kept.floor(*key)) > 0);
        let waits = |key: &Id| stated(key) && known.get(key).is_none_or(|since| *since * 4 < lease);
        let (waiting, foreign): (Vec<Id>, Vec<Id>) =
            uncovered.partition(|key| key.is_within(own.0, own.1) && waits(key));
        let since = |key: Id| (key, known.get(&key).copied().unwrap_or_default());
        kept.uncovered = waiting.into_iter().map(since).collect();
        foreign.iter().for_each(|key| self.drop_key(publisher.id, *key));
        foreign
    }

    /// A publisher states what it has under some keys.
    ///
    /// # Errors
    /// It would have more entries here than there is room for: so many are the most. Nothing was taken.
    pub fn publish(&mut self, publisher: &Peer, batch: &Batch, room: Room) -> Result<(), u64> {
        let all = self.entries;
        let Some(kept) = self.hear(publisher, &batch.services) else { return Ok(()) };
        if batch.sequence < kept.heard {
            return Ok(());
        }
        kept.heard = batch.sequence;
        let stated: u64 = batch.keys.iter().map(|statement| statement.files.len() as u64).sum();
        let known = batch.keys.iter().filter_map(|statement| kept.keys.get(&statement.key));
        let known: u64 = known.map(|held| held.files.len() as u64).sum();
        for (there, most) in [(kept.entries, room.quota), (all, room.capacity)] {
            if stated > known && there + stated > most + known {
                return Err(most);
            }
        }
        let mut gone = Vec::new();
        if batch.replace {
            let listed: BTreeSet<Id> = batch.keys.iter().map(|statement| statement.key).collect();
            let known = within(&kept.keys, batch.arc.0, batch.arc.1).map(|(key, _)| *key);
            gone = known.filter(|key| !listed.contains(key)).collect();
        }
        for statement in &batch.keys {
            self.state(publisher.id, batch.sequence, statement, None);
        }
        for key in gone {
            self.state(publisher.id, batch.sequence, &Statement::nothing(key), None);
        }
        Ok(())
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
        match self.publishers.get_mut(&id) {
            Some(kept) if kept.publisher.incarnation > batch.publisher.incarnation => return,
            Some(kept) if kept.publisher.incarnation == batch.publisher.incarnation => {
                kept.given_up &= batch.given_up || kept.age <= age;
                kept.age = kept.age.min(age);
            }
            _ => {
                let Some(kept) = self.hear(&batch.publisher, &batch.services) else { return };
                kept.age = age;
                kept.given_up = batch.given_up;
            }
        }
        for key in batch.keys.iter().filter(|key| key.age + TICK < lease) {
            self.state(id, key.sequence, &key.statement, Some(key.age + TICK));
        }
        if let (Some(whole), Some(kept)) = (batch.whole, self.publishers.get(&id)) {
            let listed = batch.keys.iter().map(|key| key.statement.key).collect();
            kept.void(whole, &listed).into_iter().for_each(|key| self.drop_key(id, key));
        }
    }

    /// Milliseconds of its clock.
    fn now(&self) -> u64 {
        millis(self.clock)
    }

    /// `age`: another keeper passes on what the publisher stated or confirmed so long ago; none: it says so itself, now.
    fn state(&mut self, publisher: Id, sequence: u64, statement: &Statement, age: Option<Duration>) {
        let covered = self.now().saturating_sub(age.map_or(0, millis));
        let Some(kept) = self.publishers.get_mut(&publisher) else { return };
        let key = statement.key;
        let before = kept.keys.get(&key);
        if before.is_some_and(|held| held.sequence > sequence) || kept.floor(key) > sequence {
            return;
        }
        let same = before.filter(|held| held.sequence == sequence);
        if age.is_none() {
            kept.uncovered.remove(&key);
        }
        let first_hand = age.is_none() || same.is_some_and(|held| held.first_hand);
        let covered = covered.max(same.map_or(0, |held| held.covered));
        let mut files = Vec::with_capacity(statement.files.len());
        let mut sum = 0_u128;
        for file in &statement.files {
            let (file, hash) = kept.take(file);
            sum = sum.wrapping_add(stated_hash(key, hash));
            files.push(file);
        }
        let (word, total) = (statement.word.clone(), statement.total);
        let held = Held { sequence, first_hand, covered, word, total, sum, files: files.into() };
        kept.entries += held.files.len() as u64;
        self.entries += held.files.len() as u64;
        let listed = !held.files.is_empty();
        let word = held.word.clone();
        if let Some(before) = kept.keys.insert(key, held) {
            self.forget(publisher, key, &before);
        }
        if listed {
            match word {
                Some(word) => self.words.insert((word, publisher)),
                None => self.names.insert((key, publisher)),
            };
        }
    }

    /// What was held under a key is so no longer.
    fn forget(&mut self, publisher: Id, key: Id, held: &Held) {
        if let Some(kept) = self.publishers.get_mut(&publisher) {
            kept.release(&held.files);
            kept.entries -= held.files.len() as u64;
        }
        self.entries -= held.files.len() as u64;
        match &held.word {
            Some(word) => self.words.remove(&(word.clone(), publisher)),
            None => self.names.remove(&(key, publisher)),
        };
    }

    fn drop_key(&mut self, publisher: Id, key: Id) {
        let Some(kept) = self.publishers.get_mut(&publisher) else { return };
        kept.uncovered.remove(&key);
        kept.confirmed.iter_mut().for_each(|arc| arc.whole &= !key.is_within(arc.from, arc.to));
        if let Some(held) = kept.keys.remove(&key) {
            self.forget(publisher, key, &held);
        }
    }

    /// A publisher withdraws everything, or its lease has run out.
    pub fn withdraw(&mut self, publisher: Id) {
        let Some(kept) = self.publishers.remove(&publisher) else { return };
        kept.keys.iter().for_each(|(key, held)| self.forget(publisher, *key, held));
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
        self.clock += time;
        if self.clock - self.swept >= lease / SWEEPS {
            self.swept = self.clock;
            self.forget_uncovered(lease);
        }
        self.withdrawn.values_mut().for_each(|(_, age)| *age += time);
        // Nobody keeps what has not been renewed for so long.
        self.withdrawn.retain(|_, (_, age)| *age <= lease);
        let mut forgotten = Vec::new();
        for (id, kept) in &mut self.publishers {
            kept.age += time;
            kept.stated = kept.stated.saturating_add(time);
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

    /// Drops what lies outside of the arc (`from`, `to`] and came from other keepers only: nobody tells this one of
    /// changes there.
    pub fn drop_foreign(&mut self, from: Id, to: Id) {
        self.drop_where(|kept, key, held| !key.is_within(from, to) && !kept.is_first_hand(key, held));
    }

    /// Drops what no publisher has stated or confirmed for a lease, at this keeper or at those that passed it on.
    fn forget_uncovered(&mut self, lease: Duration) {
        if let Some(oldest) = self.clock.checked_sub(lease).map(millis) {
            self.drop_where(|_, _, held| held.covered <= oldest);
        }
    }

    fn drop_where(&mut self, which: impl Fn(&Kept, Id, &Held) -> bool) {
        let mut gone = Vec::new();
        for (id, kept) in &self.publishers {
            let keys = kept.keys.iter().filter(|(key, held)| which(kept, **key, held));
            gone.extend(keys.map(|(key, _)| (*id, *key)));
        }
        gone.into_iter().for_each(|(publisher, key)| self.drop_key(publisher, key));
    }

    /// What is kept of each publisher in the arc (`from`, `to`].
    pub fn digests(&self, from: Id, to: Id) -> Vec<PublisherDigest> {
        let digest = |kept: &Kept| PublisherDigest {
            publisher: kept.publisher.clone(),
            age: kept.age,
            covered: Duration::from_millis(self.now().saturating_sub(kept.covered(from, to))),
            whole: kept.whole(from, to),
            digest: kept.digest(from, to),
        };
        self.publishers.values().map(digest).filter(|d| d.digest.count > 0 || d.whole > 0).collect()
    }

    /// Compares with another keeper's digests of an arc, takes over the smaller ages, and returns the
    /// publishers whose entries differ or are missing here.
    pub fn compare(&mut self, from: Id, to: Id, theirs: &[PublisherDigest]) -> Vec<Id> {
        let now = self.now();
        let mut wanted = Vec::new();
        for their in theirs {
            if self.has_withdrawn(&their.publisher) {
                continue;
            }
            let id = their.publisher.id;
            if their.digest.count == 0 {
                let same = |kept: &&Kept| their.whole > 0 && kept.publisher.is_same_life(&their.publisher);
                let void = self
                    .publishers
                    .get(&id)
                    .filter(same)
                    .map(|kept| kept.void((from, to, their.whole), &BTreeSet::new()));
                void.unwrap_or_default().into_iter().for_each(|key| self.drop_key(id, key));
                continue;
            }
            match self.publishers.get_mut(&id) {
                Some(kept) if kept.publisher.incarnation > their.publisher.incarnation => {}
                Some(kept) if kept.digest(from, to) == their.digest => {
                    if kept.publisher.incarnation == their.publisher.incarnation {
                        kept.age = kept.age.min(their.age + TICK);
                        let covered = now.saturating_sub(millis(their.covered + TICK));
                        kept.cover(from, to, covered);
                    } else {
                        wanted.push(id);
                    }
                }
                _ => wanted.push(id),
            }
        }
        wanted
    }

    /// Whether a publisher is stating something here these days: it tells all of its keepers, and another keeper need
    /// not.
    pub fn is_being_told(&self, publisher: Id) -> bool {
        self.publishers.get(&publisher).is_some_and(|kept| kept.stated < TOLD)
    }

    /// Whether anything is kept here, in the arc (`from`, `to`], that the keeper with these digests seems to lack, and
    /// that nobody is telling it. What came from other keepers does not count: it may have been withdrawn meanwhile.
    /// Likewise, whether that keeper has not been told for long of what was confirmed here.
    pub fn has_more(&self, from: Id, to: Id, theirs: &[PublisherDigest], lease: Duration) -> bool {
        let theirs: BTreeMap<Id, &PublisherDigest> =
            theirs.iter().map(|their| (their.publisher.id, their)).collect();
        self.publishers.iter().any(|(id, kept)| {
            let their = theirs.get(id);
            let known = their.map_or(0, |their| self.now().saturating_sub(millis(their.covered)));
            if their.is_some_and(|their| their.digest.count > 0)
                && kept.covered(from, to) > known + millis(lease / 2)
            {
                return true;
            }
            let lacking = their.map_or(0, |their| their.digest.count);
            let first_hand = |(key, held): &(&Id, &Held)| kept.is_first_hand(**key, held);
            kept.stated >= TOLD && kept.digest(from, to).count > lacking && {
                let known = within(&kept.keys, from, to).filter(first_hand);
                known.map(|(_, held)| held.files.len() as u64).sum::<u64>() > lacking
            }
        })
    }

    /// Up to `limit` keys of the arc (`from`, `to`], behind `cursor` = (publisher, key), of the publishers
    /// `only`, or of all, and with `first_hand` only what they said here themselves; with the cursor to go on behind, and
    /// whether all is told: what a later life of a publisher has not confirmed yet is left out.
    #[allow(clippy::type_complexity)]
    pub fn portion(
        &self,
        (from, to): (Id, Id),
        only: Option<&[Id]>,
        cursor: Option<(Id, Id)>,
        limit: usize,
        first_hand: bool,
    ) -> (Vec<KeptBatch>, Option<(Id, Id)>, bool) {
        let mut batches: Vec<KeptBatch> = Vec::new();
        let (mut room, mut bytes, mut all) = (limit, 0, true);
        let start = cursor.map_or(Id::default(), |(publisher, _)| publisher);
        for (id, kept) in self.publishers.range(start..) {
            if only.is_some_and(|only| !only.contains(id)) {
                continue;
            }
            let behind = cursor.filter(|(publisher, _)| publisher == id).map(|(_, key)| key);
            let first = behind.filter(|key| *key != to).unwrap_or(from);
            let mut keys = Vec::new();
            let mut last = None;
            let rest = within(&kept.keys, first, to).filter(|_| behind != Some(to));
            for (key, held) in rest {
                let sequence = held.sequence.max(kept.floor(*key));
                if sequence == 0 || (first_hand && !kept.is_first_hand(*key, held)) {
                    all = false;
                    continue;
                }
                let statement = held.statement(*key);
                bytes += statement.weight();
                let age = Duration::from_millis(self.now().saturating_sub(held.covered));
                keys.push(KeptKey { sequence, age, statement });
                last = Some(*key);
                room -= 1;
                if room == 0 || bytes >= MESSAGE_BYTES {
                    break;
                }
            }
            if let Some(last) = last {
                let full = room == 0 || bytes >= MESSAGE_BYTES;
                let end = if full { last } else { to };
                // What was left out is not gone.
                let whole = if all { kept.whole(first, end) } else { 0 };
                batches.push(KeptBatch {
                    publisher: kept.publisher.clone(),
                    services: kept.services.clone(),
                    age: kept.age,
                    given_up: kept.given_up,
                    keys,
                    whole: (whole > 0).then_some((first, end, whole)),
                });
                if full {
                    return (batches, Some((*id, last)), all);
                }
            }
        }
        (batches, None, all)
    }

    /// What is kept of all publishers together in the arc (`from`, `to`].
    pub fn digest(&self, from: Id, to: Id) -> Digest {
        self.publishers.values().map(|kept| kept.digest(from, to)).sum()
    }

    /// How many entries lie in the arc (`from`, `to`], and how many elsewhere.
    pub fn counts(&self, from: Id, to: Id) -> (u64, u64) {
        let inside: u64 = self.publishers.values().map(|kept| kept.digest(from, to).count).sum();
        (inside, self.entries - inside)
    }

    /// Of how many publishers anything is kept, under a lease each.
    pub fn publisher_count(&self) -> usize {
        self.publishers.len()
    }

    /// Whether nothing at all is kept.
    pub fn is_empty(&self) -> bool {
        self.publishers.is_empty()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
