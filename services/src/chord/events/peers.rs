//! From what a node holds of the others to what has happened to them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chord::{Departure, Id, Peer};
use chordial_proto::chord_v1::PeerChange;

use crate::driver::PeersSeen;

/// Peers gone that are remembered, to be told from new ones when they come back.
const REMEMBERED: usize = 1024;

/// What was told of each peer last. A change is told once, whatever led to it.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<Id, Known>,
    looks: u64,
}

#[derive(Debug)]
struct Known {
    peer: Peer,
    state: State,
    /// When it was seen last, in looks.
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Member,
    Suspected,
    Gone(Departure),
}

/// One change; `new_life`: nothing is known of this life of the peer from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) what: PeerChange,
    pub(super) peer: Peer,
    pub(super) new_life: bool,
}

impl Peers {
    /// How many are known to live.
    pub(super) fn alive(&self) -> usize {
        self.known.values().filter(|known| !matches!(known.state, State::Gone(_))).count()
    }

    /// What has happened since the last look. Whom the first one finds was there before.
    pub(super) fn look(&mut self, seen: &PeersSeen) -> Vec<Change> {
        if !seen.joined {
            return Vec::new();
        }
        self.looks += 1;
        let mut changes = Vec::new();
        for (peer, how) in &seen.departed {
            let Some(known) = self.known.get_mut(&peer.id) else { continue };
            if known.peer.incarnation > peer.incarnation {
                continue;
            }
            known.seen = self.looks;
            let what = match (std::mem::replace(&mut known.state, State::Gone(*how)), how) {
                // The goodbye of one that was found gone a moment before.
                (State::Gone(Departure::Failed), Departure::Left) => PeerChange::Left,
                (State::Gone(_), _) => continue,
                (_, Departure::Failed) => PeerChange::Failed,
                (_, Departure::Left) => PeerChange::Left,
            };
            changes.push(Change { what, peer: known.peer.clone(), new_life: false });
        }
        let suspects: BTreeSet<&Id> = seen.suspects.iter().collect();
        for peer in &seen.alive {
            self.see(peer, suspects.contains(&peer.id), &mut changes);
        }
        self.forget();
        changes
    }

    fn see(&mut self, peer: &Peer, suspected: bool, changes: &mut Vec<Change>) {
        let (looks, mut tell) = (self.looks, |what, new_life| {
            changes.push(Change { what, peer: peer.clone(), new_life });
        });
        let known = match self.known.entry(peer.id) {
            Entry::Vacant(vacant) => {
                if looks > 1 {
                    tell(PeerChange::Joined, true);
                }
                vacant.insert(Known { peer: peer.clone(), state: State::Member, seen: looks })
            }
            Entry::Occupied(known) => known.into_mut(),
        };
        known.seen = looks;
        let new_life = known.peer.incarnation < peer.incarnation;
        known.peer = peer.clone();
        match known.state {
            State::Gone(Departure::Failed) => tell(PeerChange::Back, new_life),
            State::Gone(Departure::Left) => tell(PeerChange::Joined, new_life),
            State::Suspected if new_life => tell(PeerChange::Back, true),
            State::Member if new_life => tell(PeerChange::Joined, true),
            State::Member | State::Suspected => {}
        }
        let before = if new_life { State::Member } else { known.state };
        known.state = if suspected { State::Suspected } else { State::Member };
        match (before, known.state) {
            (State::Member | State::Gone(_), State::Suspected) => tell(PeerChange::Suspected, false),
            (State::Suspected, State::Member) => tell(PeerChange::Back, false),
            _ => {}
        }
    }

    /// Those gone longest ago, and those whom the node itself has forgotten.
    fn forget(&mut self) {
        let looks = self.looks;
        self.known.retain(|_, known| known.seen == looks || matches!(known.state, State::Gone(_)));
        while self.known.len() - self.alive() > REMEMBERED {
            let gone = self.known.iter().filter(|(_, known)| matches!(known.state, State::Gone(_)));
            let oldest = gone.min_by_key(|(_, known)| known.seen).map(|(id, _)| *id);
            oldest.map(|id| self.known.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64, incarnation: u64) -> Peer {
        Peer { id: Id::from(number), incarnation, address: number.to_string().into(), name: "".into() }
    }

    /// A node's view: who lives, in which life; who is suspected; who went, and how.
    fn view(alive: &[(u64, u64)], suspects: &[u64], departed: &[(u64, u64, Departure)]) -> PeersSeen {
        PeersSeen {
            joined: true,
            alive: alive.iter().map(|&(number, life)| peer(number, life)).collect(),
            suspects: suspects.iter().map(|&number| Id::from(number)).collect(),
            departed: departed.iter().map(|&(number, life, how)| (peer(number, life), how)).collect(),
        }
    }

    #[track_caller]
    fn expect(peers: &mut Peers, seen: &PeersSeen, expected: &[(PeerChange, u64, bool)]) {
        let told = |change: Change| (change.what, change.peer.id, change.new_life);
        let changes: Vec<_> = peers.look(seen).into_iter().map(told).collect();
        let expected: Vec<_> =
            expected.iter().map(|&(what, number, new)| (what, Id::from(number), new)).collect();
        assert_eq!(changes, expected);
        assert_eq!(peers.look(seen), [], "told twice");
    }

    #[test]
    fn peers_join_and_leave_and_fail_and_come_back() {
        use Departure::{Failed, Left};
        use PeerChange as Told;
        let mut peers = Peers::default();
        let joining = PeersSeen { joined: false, ..view(&[(9, 1)], &[], &[]) };
        expect(&mut peers, &joining, &[]);
        expect(&mut peers, &view(&[(1, 1), (2, 1)], &[], &[]), &[]);
        expect(&mut peers, &view(&[(1, 1), (2, 1), (3, 1)], &[], &[]), &[(Told::Joined, 3, true)]);
        expect(&mut peers, &view(&[(1, 1), (2, 1), (3, 1)], &[3], &[]), &[(Told::Suspected, 3, false)]);
        expect(&mut peers, &view(&[(1, 1), (2, 1), (3, 1)], &[], &[]), &[(Told::Back, 3, false)]);
        let gone = view(&[(1, 1)], &[], &[(2, 1, Left), (3, 1, Failed)]);
        expect(&mut peers, &gone, &[(Told::Left, 2, false), (Told::Failed, 3, false)]);
        assert_eq!(peers.alive(), 1);
        // The same lives: a goodbye taken back, a failure that was none.
        let again = view(&[(1, 1), (2, 1), (3, 1)], &[], &[]);
        expect(&mut peers, &again, &[(Told::Joined, 2, false), (Told::Back, 3, false)]);
        let gone = view(&[(1, 1)], &[], &[(2, 1, Left), (3, 1, Failed)]);
        expect(&mut peers, &gone, &[(Told::Left, 2, false), (Told::Failed, 3, false)]);
        // The node forgets whom it has given up long ago.
        expect(&mut peers, &view(&[(1, 1)], &[], &[]), &[]);
        let later = view(&[(1, 1), (2, 2), (3, 2)], &[], &[]);
        expect(&mut peers, &later, &[(Told::Joined, 2, true), (Told::Back, 3, true)]);
    }

    #[test]
    fn a_restart_that_nobody_noticed_is_a_join_and_one_of_a_suspect_a_return() {
        let mut peers = Peers::default();
        expect(&mut peers, &view(&[(1, 1), (2, 1)], &[2], &[]), &[(PeerChange::Suspected, 2, false)]);
        let next = view(&[(1, 2), (2, 2)], &[], &[]);
        expect(&mut peers, &next, &[(PeerChange::Joined, 1, true), (PeerChange::Back, 2, true)]);
        // News of the life before come late.
        let late = view(&[(1, 2), (2, 2)], &[], &[(1, 1, Departure::Failed)]);
        expect(&mut peers, &late, &[]);
    }

    #[test]
    fn a_goodbye_that_comes_after_its_peer_was_found_gone_is_told() {
        let mut peers = Peers::default();
        expect(&mut peers, &view(&[(1, 1)], &[], &[]), &[]);
        expect(&mut peers, &view(&[], &[], &[(1, 1, Departure::Failed)]), &[(PeerChange::Failed, 1, false)]);
        expect(&mut peers, &view(&[], &[], &[(1, 1, Departure::Left)]), &[(PeerChange::Left, 1, false)]);
        expect(&mut peers, &view(&[(1, 2)], &[], &[]), &[(PeerChange::Joined, 1, true)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut peers = Peers::default();
        for number in 1..=REMEMBERED as u64 + 50 {
            peers.look(&view(&[(number, 1)], &[], &[]));
            peers.look(&view(&[], &[], &[(number, 1, Departure::Failed)]));
        }
        assert_eq!(peers.known.len(), REMEMBERED);
        assert!(!peers.known.contains_key(&Id::from(50)), "the oldest go first");
    }
}
