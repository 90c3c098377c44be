//! The successor list and its invariant.

use crate::config::Slips;
use crate::{Id, Peer};

/// The peers that follow on the ring, nearest first.
///
/// Invariant: strictly clockwise from the owner, so neither the owner itself nor anyone twice, and at
/// most `limit` of them. Empty: the owner stands alone. A list shorter than its limit stands for Zave's
/// list padded with placeholders ("How to make Chord correct", arXiv 1502.06461).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SuccessorList {
    owner: Id,
    limit: usize,
    peers: Vec<Peer>,
}

impl SuccessorList {
    /// The list of a peer that stands alone.
    pub fn new(owner: Id, limit: usize) -> SuccessorList {
        SuccessorList { owner, limit, peers: Vec::new() }
    }

    /// Takes `head` and those that follow it, up to where the clockwise distance ceases to grow: a copied
    /// list that wraps past the owner would otherwise lead around the ring twice.
    pub fn adopt(&mut self, head: &Peer, tail: &[Peer]) {
        self.peers.clear();
        let mut reached = Id::default();
        for peer in std::iter::once(head).chain(tail) {
            let distance = self.owner.distance_to(peer.id);
            if distance <= reached || self.peers.len() == self.limit {
                break;
            }
            reached = distance;
            self.peers.push(peer.clone());
        }
    }

    /// As [`adopt`](Self::adopt), with the original Chord's errors where they are put back.
    pub(crate) fn adopt_with(&mut self, head: &Peer, tail: &[Peer], slips: Slips) {
        if !slips.duplicates && !slips.wrapping {
            return self.adopt(head, tail);
        }
        self.peers.clear();
        for peer in std::iter::once(head).chain(tail).take(self.limit) {
            let again = peer.id == self.owner || self.get(peer.id).is_some();
            if slips.duplicates || !again {
                self.peers.push(peer.clone());
            }
        }
    }

    /// Drops a peer, whichever life of it is listed. Tells whether it was there.
    pub fn remove(&mut self, id: Id) -> bool {
        let before = self.peers.len();
        self.peers.retain(|peer| peer.id != id);
        self.peers.len() < before
    }

    /// The immediate successor; none where the owner stands alone.
    pub fn first(&self) -> Option<&Peer> {
        self.peers.first()
    }

    /// All of them, nearest first.
    pub fn as_slice(&self) -> &[Peer] {
        &self.peers
    }

    /// The listed life of a peer.
    pub fn get(&self, id: Id) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    #[test]
    fn a_copied_list_stops_where_it_wraps_past_the_owner() {
        let mut list = SuccessorList::new(Id::from(20), 4);
        list.adopt(&peer(30), &[peer(10), peer(25), peer(20)]);
        assert_eq!(list.as_slice(), [peer(30), peer(10)]);
    }

    #[test]
    fn the_owner_is_never_its_own_successor() {
        let mut list = SuccessorList::new(Id::from(20), 4);
        list.adopt(&peer(20), &[peer(30)]);
        assert_eq!(list.first(), None);
    }

    proptest! {
        #[test]
        fn any_copied_list_is_strictly_clockwise(owner: u8, limit in 1usize..6, given: Vec<u8>) {
            let mut list = SuccessorList::new(Id::from(u64::from(owner)), limit);
            let given: Vec<Peer> = given.into_iter().map(|n| peer(n.into())).collect();
            if let Some((head, tail)) = given.split_first() {
                list.adopt(head, tail);
            }
            let distances: Vec<Id> = list.as_slice().iter().map(|p| Id::from(u64::from(owner)).distance_to(p.id)).collect();
            prop_assert!(distances.len() <= limit);
            prop_assert!(distances.iter().all(|d| *d != Id::default()));
            prop_assert!(distances.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
