//! The finger table: peers at power-of-two distances, which make finding an owner fast.

use std::collections::BTreeMap;

use crate::{Id, Peer};

/// Finger i is the peer responsible for owner + 2^i (SIGCOMM 2001, §4.3). Only a hint: a stale finger
/// costs a call, never a wrong answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FingerTable {
    owner: Id,
    peers: BTreeMap<u32, Peer>,
    next: u32,
}

impl FingerTable {
    /// An empty table.
    pub fn new(owner: Id) -> FingerTable {
        FingerTable { owner, peers: BTreeMap::new(), next: Id::BITS }
    }

    /// Where finger `index` starts.
    pub fn start(&self, index: u32) -> Id {
        self.owner.plus_power_of_two(index)
    }

    /// The next finger to refresh, from the farthest down to the first whose start lies behind the
    /// `successor`: the shorter ones are the successor itself. Clears those.
    pub fn next_to_refresh(&mut self, successor: Id) -> Option<u32> {
        let reach = self.owner.distance_to(successor);
        let shortest = (0..Id::BITS).find(|i| self.owner.distance_to(self.start(*i)) > reach)?;
        self.peers = self.peers.split_off(&shortest);
        self.next = if self.next <= shortest { Id::BITS - 1 } else { self.next - 1 };
        Some(self.next)
    }

    /// Sets a finger. Tells whether that changed it.
    pub fn set(&mut self, index: u32, peer: Peer) -> bool {
        if peer.id == self.owner {
            return self.peers.remove(&index).is_some();
        }
        self.peers.insert(index, peer.clone()).as_ref() != Some(&peer)
    }

    /// One finger.
    pub fn get(&self, index: u32) -> Option<&Peer> {
        self.peers.get(&index)
    }

    /// Drops a peer wherever it stands.
    pub fn remove(&mut self, id: Id) {
        self.peers.retain(|_, peer| peer.id != id);
    }

    /// All fingers that are known, with their indices, nearest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Peer)> {
        self.peers.iter().map(|(index, peer)| (*index, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fingers_behind_the_successor_are_refreshed_farthest_first() {
        let mut table = FingerTable::new(Id::from(0));
        let successor = Id::default().plus_power_of_two(157);
        let order: Vec<_> = (0..4).map(|_| table.next_to_refresh(successor)).collect();
        assert_eq!(order, [Some(159), Some(158), Some(159), Some(158)]);
    }

    #[test]
    fn a_finger_that_is_the_owner_is_no_finger() {
        let mut table = FingerTable::new(Id::from(7));
        let me = Peer { id: Id::from(7), incarnation: 1, address: "a".into(), name: "a".into() };
        assert!(!table.set(3, me));
        assert_eq!(table.get(3), None);
    }
}
