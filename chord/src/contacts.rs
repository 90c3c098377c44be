//! Peers seen lately: hints that shorten lookups and lead back into the ring.

use std::collections::BTreeMap;

use crate::{Id, Peer};

/// A bounded table of peers that were heard or named lately, by identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contacts {
    limit: usize,
    peers: BTreeMap<Id, Peer>,
}

impl Contacts {
    /// An empty table of at most `limit` peers.
    pub fn new(limit: usize) -> Contacts {
        Contacts { limit, peers: BTreeMap::new() }
    }

    /// Notes a peer. A later life replaces an earlier one; when the table is full, the entry next
    /// clockwise makes room, which keeps the table spread over the ring.
    pub fn note(&mut self, peer: &Peer) {
        if self.limit == 0 || peer.incarnation == 0 {
            return;
        }
        match self.peers.get_mut(&peer.id) {
            Some(known) if known.incarnation < peer.incarnation => *known = peer.clone(),
            Some(_) => {}
            None => {
                if self.peers.len() == self.limit {
                    let next = self.from(peer.id).next().map(|p| p.id);
                    next.map(|id| self.peers.remove(&id));
                }
                self.peers.insert(peer.id, peer.clone());
            }
        }
    }

    /// Drops a peer.
    pub fn remove(&mut self, id: Id) {
        self.peers.remove(&id);
    }

    /// All, clockwise from the first at or behind `id`.
    pub fn from(&self, id: Id) -> impl Iterator<Item = &Peer> {
        self.peers.range(id..).chain(self.peers.range(..id)).map(|(_, peer)| peer)
    }

    /// All, counter-clockwise from the last before `id`.
    pub fn before(&self, id: Id) -> impl Iterator<Item = &Peer> {
        self.peers.range(..id).rev().chain(self.peers.range(id..).rev()).map(|(_, peer)| peer)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64, incarnation: u64) -> Peer {
        Peer { id: Id::from(number), incarnation, address: "".into(), name: "".into() }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_later_life() {
        let mut contacts = Contacts::new(2);
        [peer(1, 5), peer(2, 5), peer(3, 5), peer(3, 4)].iter().for_each(|p| contacts.note(p));
        assert_eq!(contacts.len(), 2);
        assert_eq!(contacts.from(Id::from(3)).next(), Some(&peer(3, 5)));
    }

    #[test]
    fn neighbours_are_found_around_the_ring() {
        let mut contacts = Contacts::new(9);
        [peer(10, 1), peer(20, 1)].iter().for_each(|p| contacts.note(p));
        assert_eq!(contacts.before(Id::from(10)).next().unwrap().id, Id::from(20));
        assert_eq!(contacts.from(Id::from(21)).next().unwrap().id, Id::from(10));
    }
}
