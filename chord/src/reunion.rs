//! The repair layer: from any state in which the living peers know of each other, directly or through
//! others, back to one ordered ring. Rings that a partition made are merged by the same rules.
//!
//! Zave's operations keep a ring right that has a base of members which never fail; real rings have none
//! ("Reasoning about identifier spaces", IEEE TSE 2017, §5). Four rules are added, none of which adopts a
//! pointer that has not just answered:
//! 1. A contact that lies between this peer and its successor is asked for its neighbours, and adopted as a
//!    closer predecessor of the successor would be (the linearization of Onus, Richa and Scheideler, ALENEX
//!    2007).
//! 2. Now and then another peer is asked who stands next behind this one, this one left out: a friend, a peer
//!    once given up, or a contact, in turn. Who answers may be of another part.
//! 3. A contact between this peer and its predecessor is named to the predecessor.
//! 4. Whoever learns in this way of a closer successor tells the peers that it knows; they look for theirs
//!    at once (the ring merge of Shafaat, Ghodsi and Haridi, SSS 2007, by rumour).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::interface::{Output, Status, Timer, Why, about};
use crate::lookup::Lookup;
use crate::message::{Request, Response};
use crate::{Id, Node, Peer};

/// Peers given up that are remembered at most.
const REMEMBERED: usize = 256;
/// A peer that was given up so long ago is forgotten.
const FORGET: Duration = Duration::from_secs(7 * 24 * 3600);
/// Between two looks for another part of the ring: while a merge is under way, while peers were given up a
/// short time ago, and else.
const PACE: (Duration, Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(30));
/// So long ago is a short time ago.
const LATELY: Duration = Duration::from_secs(15 * 60);
/// A rumour is passed on at most once in this time, which bounds what a merge costs.
const RUMOR: Duration = Duration::from_secs(5);

/// What a peer does to find other parts of its ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reunion {
    /// Peers given up, and how long ago.
    remembered: BTreeMap<Id, (Peer, Duration)>,
    /// Heard of as closer than the successor; asked in the next stabilize round.
    found: Option<Peer>,
    /// Told by another peer: the next entry to ask.
    hint: Option<Peer>,
    /// The last look found a closer successor.
    merging: bool,
    /// Since the last rumour was passed on; none: never.
    rumor: Option<Duration>,
    turn: u32,
}

impl Reunion {
    /// A peer was given up: it may come back, and not know the way.
    pub(crate) fn remember(&mut self, peer: &Peer) {
        if self.remembered.len() == REMEMBERED && !self.remembered.contains_key(&peer.id) {
            let oldest = self.remembered.iter().max_by_key(|(_, (_, age))| *age).map(|(id, _)| *id);
            oldest.map(|id| self.remembered.remove(&id));
        }
        let stranger = Peer { incarnation: 0, ..peer.clone() };
        self.remembered.insert(peer.id, (stranger, Duration::ZERO));
    }

    /// Who was given up in this time and has not spoken to this peer since.
    pub(crate) fn given_up_within(&self, time: Duration) -> impl Iterator<Item = Id> {
        self.remembered.iter().filter(move |(_, (_, age))| *age < time).map(|(id, _)| *id)
    }

    /// A peer spoke, or said goodbye.
    pub(crate) fn forget(&mut self, id: Id) {
        self.remembered.remove(&id);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.remembered.values_mut().for_each(|(_, age)| *age += time);
        self.remembered.retain(|_, (_, age)| *age < FORGET);
        self.rumor = self.rumor.map(|age| age + time);
    }

    /// For the model checker: a look is due at any time, and any turn may be next.
    pub(crate) fn forget_times(&mut self) {
        self.remembered.values_mut().for_each(|(_, age)| *age = Duration::ZERO);
        self.merging = false;
        self.rumor = None;
    }

    pub(crate) fn first_turn(&mut self) {
        self.turn = 0;
    }

    fn pace(&self) -> Duration {
        let lately = self.remembered.values().any(|(_, age)| *age < LATELY);
        match (self.merging, lately) {
            (true, _) => PACE.0,
            (_, true) => PACE.1,
            _ => PACE.2,
        }
    }
}

impl Node {
    /// Looks for another part of the ring, if it is time for that.
    pub(crate) fn reunite(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        let entry = self.reunion.hint.take().or_else(|| self.entry());
        out.push(Output::SetTimer { timer: Timer::Reunite, after: about(self.reunion.pace()) });
        self.reunion.merging = false;
        self.introduce(out);
        if let Some(entry) = entry {
            let lookup = Lookup::beside(&self.me, entry, self.config.call_timeout * 4);
            self.ask(lookup, out);
        }
    }

    /// A contact between the predecessor and this peer ought to be the predecessor's successor.
    fn introduce(&self, out: &mut Vec<Output>) {
        let Some(predecessor) = self.predecessor.clone() else { return };
        let contacts = self.contacts.before(self.me.id);
        let mut between = contacts.take_while(|peer| peer.id.is_between(predecessor.id, self.me.id));
        if let Some(contact) = between.find(|peer| self.is_usable(peer)).cloned() {
            self.call(predecessor, Request::Reunite(contact), Why::Tell, out);
        }
    }

    pub(crate) fn is_usable(&self, peer: &Peer) -> bool {
        !self.detector.is_given_up(peer) && !self.detector.is_suspect(peer.id)
    }

    /// Whom to ask this time: friends, peers given up and contacts in turn.
    fn entry(&mut self) -> Option<Peer> {
        for _ in 0..3 {
            let turn = self.reunion.turn;
            self.reunion.turn = turn.wrapping_add(1);
            let nth = turn / 3;
            // Any place will do, if it is another one each time.
            let place = Id::of(&[&self.me.id.to_bytes()[..], &nth.to_be_bytes()].concat());
            let entry = match turn % 3 {
                0 => {
                    let friends = self.joining.friends();
                    friends.get(nth as usize % friends.len().max(1)).cloned()
                }
                1 => {
                    let remembered = &self.reunion.remembered;
                    let mut from_there = remembered.range(place..).chain(remembered);
                    from_there.next().map(|(_, (peer, _))| peer.clone())
                }
                _ => {
                    let mut contacts = self.contacts.from(place);
                    contacts.find(|peer| !self.detector.is_suspect(peer.id)).cloned()
                }
            };
            if entry.is_some() {
                return entry;
            }
        }
        None
    }

    /// Another peer holds `peer` to be the next one after this.
    pub(crate) fn on_neighbor(&mut self, peer: Peer, out: &mut Vec<Output>) {
        let closer = self.successors.first().is_none_or(|head| peer.id.is_between(self.me.id, head.id));
        if peer.id == self.me.id || !closer {
            return;
        }
        self.reunion.merging = true;
        self.reunion.found = Some(peer.clone());
        self.stabilize_soon(out);
        out.push(Output::SetTimer { timer: Timer::Reunite, after: about(self.reunion.pace()) });
        if self.reunion.rumor.is_none_or(|age| age >= RUMOR) {
            self.reunion.rumor = Some(Duration::ZERO);
            for told in self.acquaintances() {
                if told.id != peer.id {
                    self.call(told, Request::Reunite(peer.clone()), Why::Tell, out);
                }
            }
        }
    }

    /// Successors and fingers, each once.
    fn acquaintances(&self) -> Vec<Peer> {
        let fingers = self.fingers.iter().map(|(_, peer)| peer);
        let all: BTreeMap<Id, &Peer> =
            self.successors.as_slice().iter().chain(fingers).map(|peer| (peer.id, peer)).collect();
        all.into_values().cloned().collect()
    }

    /// Another peer has found that the ring has a part it did not know, and names a peer of it.
    pub(crate) fn serve_reunite(&mut self, peer: Peer, out: &mut Vec<Output>) -> Response {
        let news = self.reunion.rumor.is_none_or(|age| age >= RUMOR) && self.reunion.hint.is_none();
        if self.status == Status::Member && peer.id != self.me.id && news {
            self.reunion.hint = Some(Peer { incarnation: 0, ..peer });
            out.push(Output::SetTimer { timer: Timer::Reunite, after: Duration::ZERO..PACE.0 / 2 });
        }
        Response::Done
    }

    /// A peer that is heard of and lies between this one and its successor.
    pub(crate) fn closer_than_successor(&mut self) -> Option<Peer> {
        let me = self.me.id;
        let head = self.successors.first().map_or(me, |head| head.id);
        let found = self.reunion.found.take();
        found.filter(|peer| peer.id.is_between(me, head) && self.is_usable(peer)).or_else(|| {
            let mut between = self.contacts.from(me.next()).take_while(|peer| peer.id.is_between(me, head));
            between.find(|peer| self.is_usable(peer)).cloned()
        })
    }
}
