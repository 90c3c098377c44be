//! What a peer's own tables say about a key: whose it is, and who comes closer.

use std::sync::Arc;

use crate::index::{File, KeptArc, Reading, Search, Source};
use crate::interface::Status;
use crate::message::{Ownership, Read, Rejection, Response};
use crate::{Id, Node, Peer};

/// Candidates in one answer.
pub(crate) const NAMED: usize = 3;

/// A peer's answer from its own tables.
pub(crate) enum Hop {
    Mine,
    Closer { peers: Vec<Peer>, last: bool },
}

impl Node {
    /// Answers one step of somebody's lookup.
    pub(crate) fn serve_next_hop(
        &self,
        key: Id,
        avoid: &[Id],
        last: bool,
        read: Read,
    ) -> Result<Response, Rejection> {
        match read {
            Read::Own(limit) => return Ok(Response::Reading(self.own(key, limit))),
            Read::Copies(limit) => return Ok(Response::Reading(self.copies(key, limit))),
            Read::SearchCopies(search) => {
                return Ok(Response::Reading(self.search_copies(key, &search)));
            }
            Read::Nothing | Read::Key(_) | Read::Range(_) | Read::Search(_) => {}
        }
        if self.status != Status::Member {
            return Err(Rejection::NotMember);
        }
        Ok(match self.next_hop(key, avoid, last) {
            Hop::Mine if self.is_waking() => return Err(Rejection::Busy),
            Hop::Mine => Response::Owner(Box::new(self.ownership(key, &read))),
            Hop::Closer { peers, last } => Response::Closer { peers, last },
        })
    }

    /// Whose the key is, as far as this peer's tables tell. `last`: somebody holds this peer responsible.
    pub(crate) fn next_hop(&self, key: Id, avoid: &[Id], last: bool) -> Hop {
        let usable = |peer: &&Peer| !avoid.contains(&peer.id) && !self.detector.is_given_up(peer);
        let predecessor = self.predecessor.as_ref().filter(usable);
        let mut following = self.successors.as_slice().iter().filter(usable).take(NAMED).peekable();
        match (predecessor, following.peek()) {
            (Some(predecessor), _) if key.is_within(predecessor.id, self.me.id) => Hop::Mine,
            (Some(predecessor), _) if last => Hop::Closer { peers: vec![predecessor.clone()], last: true },
            // The predecessor is dead and we follow next.
            (None, _) if last => Hop::Mine,
            (_, Some(first)) if key.is_within(self.me.id, first.id) => {
                Hop::Closer { peers: following.cloned().collect(), last: true }
            }
            (None, None) => Hop::Mine,
            // All that follow have failed: whoever is known behind the key leads back to its owner.
            (Some(predecessor), None) => {
                let next = self.next_known(key, avoid).unwrap_or(predecessor);
                Hop::Closer { peers: vec![next.clone()], last: true }
            }
            (_, Some(_)) => Hop::Closer { peers: self.preceding(key, avoid), last: false },
        }
    }

    /// The known peers that come closest before a key, closest first; suspects last.
    pub(crate) fn preceding(&self, key: Id, avoid: &[Id]) -> Vec<Peer> {
        let usable = |peer: &&Peer| {
            peer.id.is_between(self.me.id, key)
                && !avoid.contains(&peer.id)
                && !self.detector.is_given_up(peer)
        };
        let contacts = self.contacts.before(key).take_while(|peer| peer.id.is_between(self.me.id, key));
        let contacts = contacts.filter(usable).take(NAMED);
        let fingers = self.fingers.iter().map(|(_, peer)| peer).filter(usable);
        let successors = self.successors.as_slice().iter().filter(usable);
        let mut peers: Vec<&Peer> = contacts.chain(fingers).chain(successors).collect();
        peers.sort_by_key(|peer| (self.detector.is_suspect(peer.id), peer.id.distance_to(key)));
        peers.dedup_by_key(|peer| peer.id);
        peers.into_iter().take(NAMED).cloned().collect()
    }

    /// Who passes a message on to all peers between `from` and `until`, at most `count` of them in ring order: each to
    /// those behind it, up to the next one. The first is the nearest that is known, so that together they reach
    /// everybody, whoever knows whom, as long as each knows its successor.
    pub fn delegates(&self, from: Id, until: Id, avoid: &[Id], count: usize) -> Vec<Peer> {
        let usable = |peer: &&Peer| {
            peer.id.is_between(from, until) && peer.id != self.me.id && !avoid.contains(&peer.id)
        };
        let usable = |peer: &&Peer| usable(peer) && !self.detector.is_given_up(peer);
        let known =
            self.contacts.from(from.next()).chain(self.successors.as_slice()).chain(&self.predecessor);
        let mut known: Vec<&Peer> = known.filter(usable).collect();
        known.sort_by_key(|peer| from.distance_to(peer.id));
        known.dedup_by_key(|peer| peer.id);
        let each = known.len().div_ceil(count.max(1)).max(1);
        known.into_iter().step_by(each).cloned().collect()
    }

    /// The first contact or finger at or behind a place that is neither to be avoided nor suspected.
    pub(crate) fn next_known(&self, from: Id, avoid: &[Id]) -> Option<&Peer> {
        let usable = |peer: &&Peer| !avoid.contains(&peer.id) && self.is_usable(peer);
        let contact = self.contacts.from(from).find(usable);
        let fingers = self.fingers.iter().map(|(_, peer)| peer).filter(usable);
        fingers.chain(contact).min_by_key(|peer| from.distance_to(peer.id))
    }

    /// The contact next behind a key, if the table is likely to name everybody there.
    pub(crate) fn probable_owner(&self, key: Id, avoid: &[Id]) -> Option<Peer> {
        let usable = |peer: &&Peer| !avoid.contains(&peer.id) && self.is_usable(peer);
        let next = self.contacts.from(key).find(usable).filter(|_| self.gossip.is_trusted())?;
        // This peer itself is nearer: its own tables tell.
        (key == next.id || !self.me.id.is_between(key, next.id)).then(|| next.clone())
    }

    /// Nobody has told this peer that another one is dead.
    pub(crate) fn is_alive(&self, peer: &Peer) -> bool {
        !self.detector.is_given_up(peer) && !self.contacts.is_gone(peer)
    }

    /// This peer's claim to a key.
    pub(crate) fn ownership(&self, key: Id, read: &Read) -> Ownership {
        let alive = |peer: &Peer| self.is_alive(peer);
        let mut reading = match read {
            Read::Key(limit) => self.keeper.read(key, *limit, alive),
            Read::Range(limit) => self.keeper.read_range(key, self.me.id, *limit, alive),
            Read::Search(search) => self.keeper.search(search, (self.arc_from(), self.me.id), alive),
            Read::Nothing | Read::Own(_) | Read::Copies(_) | Read::SearchCopies(_) => Reading::default(),
        };
        // The asker may know that the predecessor is dead before this peer does.
        reading.complete = self.is_arc_complete() && self.is_complete_for(key);
        let KeptArc { from: arc_from, keepers } = self.kept_arc();
        Ownership { owner: self.me.clone(), arc_from, keepers, reading }
    }

    pub(crate) fn copies(&self, key: Id, limit: usize) -> Reading {
        let alive = |peer: &Peer| self.is_alive(peer);
        Reading { complete: self.is_complete_for(key), ..self.keeper.read(key, limit, alive) }
    }

    /// Of copies it matters little whose arc they lie in: an entry that is told twice counts once.
    pub(crate) fn search_copies(&self, key: Id, search: &Search) -> Reading {
        let alive = |peer: &Peer| self.is_alive(peer);
        let all = (self.me.id, self.me.id);
        Reading { complete: self.is_complete_for(key), ..self.keeper.search(search, all, alive) }
    }

    pub(crate) fn own(&self, key: Id, limit: usize) -> Reading {
        let source = |file: &Arc<File>| Source {
            publisher: self.me.clone(),
            services: self.services.clone(),
            file: file.clone(),
            alive: true,
        };
        let files = self.publisher.listing().under(key);
        let sources = files.iter().take(limit).map(source).collect();
        Reading { total: files.len() as u64, sources, ..Reading::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Services};

    fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    #[test]
    fn of_a_key_before_its_own_arc_a_peer_does_not_say_that_it_knows_all() {
        let mut node = Node::new(peer(30), Services::default(), Config::default());
        node.status = Status::Member;
        node.predecessor = Some(peer(20));
        node.successors.adopt(&peer(10), &[peer(20)]);
        node.complete = Some(Id::from(20));
        let complete =
            |key: u64, avoid: &[Id]| match node.serve_next_hop(Id::from(key), avoid, true, Read::Key(9)) {
                Ok(Response::Owner(ownership)) => Some(ownership.reading.complete),
                _ => None,
            };
        assert_eq!(complete(25, &[]), Some(true));
        assert_eq!(complete(15, &[]), None, "its predecessor is named");
        assert_eq!(complete(15, &[Id::from(20)]), Some(false), "the asker found the predecessor dead");
    }
}
