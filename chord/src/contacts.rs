//! Peers heard of: hints that shorten lookups to one call and lead back into the ring.
//!
//! What is known of a peer is versioned, so that tables of different peers can be merged in any order: the
//! higher (incarnation, version) wins; an even version says that the peer lives, an odd one that it is gone.
//! Who gives a peer up makes the version odd, who then hears from it makes it even again (as SWIM's
//! refutation, Das, Gupta and Motivala, DSN 2002). Versions go in steps of four, in which 0 says that it lives, 1
//! that it counts as dead, 3 that it said goodbye: whoever knows of the goodbye knows better than who found it gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Id, Peer};

/// Peers gone that are remembered at most, lest old news bring them back.
const GONE: usize = 256;
/// And for so long.
const FORGET: Duration = Duration::from_secs(600);
/// Changes that wait to be passed on at most.
const RUMORS: usize = 64;
/// How often a change is passed on; what that misses, the comparison of tables finds.
const REPEATS: u8 = 4;
/// Parts of the ring of which the tables keep a digest.
const PARTS: usize = 256;
/// Contacts in one part of a comparison, about.
const IN_PART: usize = 16;

/// What is known of one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct News {
    /// Which life of which peer.
    pub peer: Peer,
    /// Even: it lives; odd: it is gone. Of four, 3 is a goodbye.
    pub version: u32,
}

/// How a peer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Departure {
    /// It was given up.
    Failed,
    /// It said goodbye.
    Left,
}

impl News {
    /// Whether it says that the peer lives.
    pub fn is_alive(&self) -> bool {
        self.version.is_multiple_of(2)
    }

    /// How the peer went; none: it lives.
    pub fn departure(&self) -> Option<Departure> {
        match self.version % 4 {
            1 => Some(Departure::Failed),
            3 => Some(Departure::Left),
            _ => None,
        }
    }

    /// The least version behind this one that says that the peer lives.
    fn revived(&self) -> u32 {
        (self.version | 3).saturating_add(1)
    }

    fn rank(&self) -> (u64, u32) {
        (self.peer.incarnation, self.version)
    }

    /// FNV-1a with a final mix; enough where nobody gains by a collision.
    fn hash(&self) -> u64 {
        let numbers = self.peer.incarnation.to_be_bytes().into_iter().chain(self.version.to_be_bytes());
        let bytes = self.peer.id.to_bytes().into_iter().chain(numbers);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash ^ (hash >> 29)
    }

    /// Short name of this very state of the peer.
    fn mark(&self) -> u32 {
        self.hash() as u32
    }
}

/// A bounded table of peers that were heard or named, by identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contacts {
    limit: usize,
    /// The peer whose table this is: others' tables have it, too, and digests are to be equal.
    owner: News,
    peers: BTreeMap<Id, News>,
    gone: BTreeMap<Id, (News, Duration)>,
    /// Sums of hashes by part of the ring; empty where `limit` is 0.
    sums: Vec<u64>,
    rumors: Vec<(Id, u8)>,
}

impl Contacts {
    /// The table of `owner`, with nobody else in it, for at most `limit` peers; 0: it stays empty.
    pub fn new(limit: usize, owner: &Peer) -> Contacts {
        let owner = News { peer: owner.clone(), version: 0 };
        let sums = if limit == 0 { Vec::new() } else { vec![0; PARTS] };
        let (peers, gone) = (BTreeMap::new(), BTreeMap::new());
        let mut contacts = Contacts { limit, owner, peers, gone, sums, rumors: Vec::new() };
        let own = contacts.owner.clone();
        contacts.count(&own, true);
        contacts
    }

    /// Somebody named this peer. News is only what is not known, or of a later life.
    pub fn note(&mut self, peer: &Peer) {
        if self.known(peer.id).is_none_or(|known| known.peer.incarnation < peer.incarnation) {
            self.merge(News { peer: peer.clone(), version: 0 });
        }
    }

    /// The peer itself spoke.
    pub fn hear(&mut self, peer: &Peer) {
        match self.gone.get(&peer.id) {
            Some((gone, _)) if gone.peer.incarnation == peer.incarnation => {
                let version = gone.revived();
                self.merge(News { peer: peer.clone(), version });
            }
            _ => self.note(peer),
        }
    }

    /// The peer counts as dead, or said goodbye.
    pub fn bury(&mut self, peer: &Peer, departure: Departure) {
        if let Some(known) = self.peers.get(&peer.id).filter(|k| k.peer.incarnation <= peer.incarnation) {
            let within = match departure {
                Departure::Failed => 1,
                Departure::Left => 3,
            };
            let version =
                (known.version.saturating_add(3) & !3 | within).max(known.version.saturating_add(1));
            self.merge(News { peer: known.peer.clone(), version });
        }
    }

    /// Takes in the latest news of another peer, to be passed on. Tells whether it was new.
    pub fn merge(&mut self, news: News) -> bool {
        let id = news.peer.id;
        let new = self.fill(news);
        if new {
            self.spread(id);
        }
        new
    }

    /// Takes in what another peer has known for some time. Tells whether it was new.
    pub fn fill(&mut self, news: News) -> bool {
        let id = news.peer.id;
        if self.limit == 0
            || news.peer.incarnation == 0
            || self.known(id).is_some_and(|k| k.rank() >= news.rank())
        {
            return false;
        }
        if id == self.owner.peer.id {
            return self.refute(news);
        }
        self.drop_alive(id);
        self.gone.remove(&id);
        if news.is_alive() {
            if self.peers.len() == self.limit {
                // The next one clockwise makes room, which keeps the table spread over the ring.
                let next = self.from(id).next().map(|peer| peer.id);
                if let Some(id) = next {
                    self.drop_alive(id);
                }
            }
            self.count(&news, true);
            self.peers.insert(id, news);
        } else {
            if self.gone.len() == GONE {
                let oldest = self.gone.iter().max_by_key(|(_, (_, age))| *age).map(|(id, _)| *id);
                oldest.map(|id| self.gone.remove(&id));
            }
            self.gone.insert(id, (news, Duration::ZERO));
        }
        true
    }

    /// Others know more of this very life of the owner: where they hold it to be gone, it says that it lives.
    fn refute(&mut self, news: News) -> bool {
        let own = news.peer.incarnation == self.owner.peer.incarnation;
        if own {
            let version = if news.is_alive() { news.version } else { news.revived() };
            self.set_owner(News { version, ..self.owner.clone() });
        }
        own
    }

    /// The owner has begun a new life.
    pub fn renew(&mut self, owner: &Peer) {
        self.set_owner(News { peer: owner.clone(), version: 0 });
    }

    fn set_owner(&mut self, owner: News) {
        let before = std::mem::replace(&mut self.owner, owner.clone());
        self.count(&before, false);
        self.count(&owner, true);
        self.spread(owner.peer.id);
    }

    fn known(&self, id: Id) -> Option<&News> {
        if id == self.owner.peer.id {
            return Some(&self.owner);
        }
        self.peers.get(&id).or_else(|| self.gone.get(&id).map(|(news, _)| news))
    }

    /// Whether this very life of a peer counts as gone.
    pub fn is_gone(&self, peer: &Peer) -> bool {
        self.gone.get(&peer.id).is_some_and(|(news, _)| news.peer.incarnation == peer.incarnation)
    }

    /// For the model checker, in which nobody gossips: what is to be passed on, and how long ago peers went.
    pub(crate) fn forget_times(&mut self) {
        self.rumors.clear();
        self.gone.values_mut().for_each(|(_, age)| *age = Duration::ZERO);
    }

    fn drop_alive(&mut self, id: Id) {
        if let Some(news) = self.peers.remove(&id) {
            self.count(&news, false);
        }
    }

    fn count(&mut self, news: &News, more: bool) {
        let part = part_of(news.peer.id, PARTS);
        if let Some(sum) = self.sums.get_mut(part) {
            *sum = if more { sum.wrapping_add(news.hash()) } else { sum.wrapping_sub(news.hash()) };
        }
    }

    fn spread(&mut self, id: Id) {
        self.rumors.retain(|(other, _)| *other != id);
        self.rumors.insert(0, (id, REPEATS));
        self.rumors.truncate(RUMORS);
    }

    /// The latest changes that are still to be passed on, `most` of them; each counts as passed on once more.
    pub fn rumors(&mut self, most: usize) -> Vec<News> {
        let told: Vec<Id> = self.rumors.iter().take(most).map(|(id, _)| *id).collect();
        self.rumors.iter_mut().take(most).for_each(|(_, left)| *left -= 1);
        // Told last, they wait behind the others.
        let turned = told.len().min(self.rumors.len());
        self.rumors.rotate_left(turned);
        self.rumors.retain(|(_, left)| *left > 0);
        told.into_iter().filter_map(|id| self.known(id).cloned()).collect()
    }

    /// Digest of all that live.
    pub fn digest(&self) -> u64 {
        self.sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
    }

    /// Digests by part of the ring, of as many equal parts as suit the table: a power of two.
    pub fn digests(&self) -> Vec<u32> {
        let parts = (self.peers.len() / IN_PART).next_power_of_two().clamp(1, PARTS);
        self.digests_of(parts)
    }

    /// The same for a given number of parts, a power of two of at most 256.
    pub fn digests_of(&self, parts: usize) -> Vec<u32> {
        let sum = |sums: &[u64]| sums.iter().fold(0, |all: u64, sum| all.wrapping_add(*sum)) as u32;
        self.sums.chunks(PARTS / parts.clamp(1, PARTS)).map(sum).collect()
    }

    /// Marks of all that live in one of `parts` parts of the ring, the owner included.
    pub fn marks(&self, part: usize, parts: usize) -> impl Iterator<Item = u32> {
        self.in_part(part, parts).map(News::mark)
    }

    /// What there is in these of `parts` parts of the ring besides what `marks` name, those gone included; `most`
    /// of it.
    pub fn besides(&self, wanted: &[u32], parts: usize, marks: &[u32], most: usize) -> Vec<News> {
        let mut marks = marks.to_vec();
        marks.sort_unstable();
        let alive = wanted.iter().flat_map(|part| self.in_part(*part as usize, parts));
        let alive = alive.filter(|news| marks.binary_search(&news.mark()).is_err());
        let gone = self.gone.values().map(|(news, _)| news);
        let gone = gone.filter(|news| wanted.contains(&(part_of(news.peer.id, parts) as u32)));
        alive.chain(gone).take(most).cloned().collect()
    }

    fn in_part(&self, part: usize, parts: usize) -> impl Iterator<Item = &News> {
        let start = (part * 256).checked_div(parts).and_then(|first| u8::try_from(first).ok());
        let start =
            start.map(|first| Id::from_bytes(std::array::from_fn(|at| if at == 0 { first } else { 0 })));
        let from = start.into_iter().flat_map(|start| self.peers.range(start..));
        let here = move |news: &&News| part_of(news.peer.id, parts) == part;
        from.map(|(_, news)| news).take_while(here).chain(Some(&self.owner).filter(here))
    }

    /// Time has passed.
    pub fn pass(&mut self, time: Duration) {
        self.gone.values_mut().for_each(|(_, age)| *age += time);
        self.gone.retain(|_, (_, age)| *age < FORGET);
    }

    /// All that live, clockwise from the first at or behind `id`.
    pub fn from(&self, id: Id) -> impl Iterator<Item = &Peer> {
        self.peers.range(id..).chain(self.peers.range(..id)).map(|(_, news)| &news.peer)
    }

    /// All that live, counter-clockwise from the last before `id`.
    pub fn before(&self, id: Id) -> impl Iterator<Item = &Peer> {
        self.peers.range(..id).rev().chain(self.peers.range(id..).rev()).map(|(_, news)| &news.peer)
    }

    /// Those that are gone and not forgotten yet, clockwise from 0.
    pub fn departed(&self) -> impl Iterator<Item = (&Peer, Departure)> {
        self.gone.values().filter_map(|(news, _)| Some((&news.peer, news.departure()?)))
    }

    /// How many live.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// How many the table has room for.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// Which of `parts` equal parts of the ring an identifier lies in; a power of two of at most 256.
fn part_of(id: Id, parts: usize) -> usize {
    usize::from(id.to_bytes()[0]) * parts / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64, incarnation: u64) -> Peer {
        Peer { id: Id::from(number), incarnation, address: "".into(), name: "".into() }
    }

    fn table(owner: u64, limit: usize) -> Contacts {
        Contacts::new(limit, &peer(owner, 1))
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_later_life() {
        let mut contacts = table(99, 2);
        [peer(1, 5), peer(2, 5), peer(3, 5), peer(3, 4)].iter().for_each(|p| contacts.note(p));
        assert_eq!(contacts.len(), 2);
        assert_eq!(contacts.from(Id::from(3)).next(), Some(&peer(3, 5)));
    }

    #[test]
    fn neighbours_are_found_around_the_ring() {
        let mut contacts = table(99, 9);
        [peer(10, 1), peer(20, 1)].iter().for_each(|p| contacts.note(p));
        assert_eq!(contacts.before(Id::from(10)).next().unwrap().id, Id::from(20));
        assert_eq!(contacts.from(Id::from(21)).next().unwrap().id, Id::from(10));
    }

    #[test]
    fn who_is_gone_comes_back_only_by_speaking() {
        let mut contacts = table(99, 9);
        contacts.note(&peer(1, 5));
        contacts.bury(&peer(1, 5), Departure::Failed);
        contacts.note(&peer(1, 5));
        assert!(contacts.is_empty(), "hearsay of the same life");
        contacts.hear(&peer(1, 5));
        assert_eq!(contacts.len(), 1);
        contacts.bury(&peer(1, 5), Departure::Failed);
        contacts.note(&peer(1, 6));
        assert_eq!(contacts.len(), 1, "a later life");
    }

    #[test]
    fn tables_that_merge_each_other_are_equal_whatever_the_order() {
        let (mut one, mut other) = (table(1, 99), table(2, 99));
        one.hear(&peer(2, 1));
        other.hear(&peer(1, 1));
        (10..40).for_each(|n| one.note(&peer(n, 1)));
        (30..60).for_each(|n| other.note(&peer(n, 1)));
        one.bury(&peer(35, 1), Departure::Failed);
        other.note(&peer(12, 7));
        for _ in 0..2 {
            let marks: Vec<u32> = other.marks(0, 1).collect();
            one.besides(&[0], 1, &marks, 1000).into_iter().for_each(|news| {
                other.merge(news);
            });
            std::mem::swap(&mut one, &mut other);
        }
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.digests_of(4), other.digests_of(4));
        assert!(one.from(Id::from(35)).next() != Some(&peer(35, 1)), "it is gone for both");
        assert_eq!(one.from(Id::from(12)).next(), Some(&peer(12, 7)));
    }

    #[test]
    fn the_owner_refutes_that_it_is_gone() {
        let (mut one, mut other) = (table(1, 9), table(2, 9));
        other.hear(&peer(1, 1));
        other.bury(&peer(1, 1), Departure::Failed);
        let news = other.rumors(9).into_iter().find(|news| news.peer.id == Id::from(1)).unwrap();
        assert!(one.merge(news));
        let refuted = one.rumors(9);
        assert!(refuted[0].is_alive());
        assert!(other.merge(refuted[0].clone()));
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn a_goodbye_is_told_from_a_failure_whoever_hears_of_which_first() {
        let (left, failed) = (Departure::Left, Departure::Failed);
        let (mut one, mut other) = (table(1, 9), table(2, 9));
        for (table, departure) in [(&mut one, left), (&mut other, failed)] {
            table.hear(&peer(5, 1));
            table.bury(&peer(5, 1), departure);
            assert_eq!(table.departed().next(), Some((&peer(5, 1), departure)));
        }
        let told =
            |table: &mut Contacts| table.rumors(9).into_iter().find(|n| n.peer.id == Id::from(5)).unwrap();
        let (goodbye, failure) = (told(&mut one), told(&mut other));
        assert!(!one.merge(failure) && other.merge(goodbye));
        assert!(one.departed().eq(other.departed()));
        assert_eq!(other.departed().next(), Some((&peer(5, 1), left)));
        // Alive again, and gone once more.
        other.hear(&peer(5, 1));
        assert_eq!((other.len(), other.departed().count()), (1, 0));
        other.bury(&peer(5, 1), failed);
        assert_eq!(other.departed().next(), Some((&peer(5, 1), failed)));
    }

    #[test]
    fn a_change_is_passed_on_a_few_times_and_the_latest_first() {
        let mut contacts = table(99, 99);
        (1..=3).for_each(|n| contacts.note(&peer(n, 1)));
        let told: Vec<u64> =
            (0..20).flat_map(|_| contacts.rumors(2)).map(|news| news.peer.id.to_bytes()[19].into()).collect();
        assert_eq!(told[..2], [3, 2]);
        assert_eq!(told.iter().filter(|n| **n == 1).count(), usize::from(REPEATS));
        assert_eq!(told.len(), 3 * usize::from(REPEATS));
    }
}
