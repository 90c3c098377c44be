//! Joining a ring, and who founds one.
//!
//! A joining peer asks its friends, then peers it remembers, one after another. Where all that it reaches
//! are joining themselves, they tell each other whom they know, and the smallest identifier founds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::interface::{Event, Output, Status, Timer, Why, set_timer};
use crate::message::{Outcome, Refusal, Rejection, Request, Response};
use crate::{Id, Node, Peer};

/// Joining peers that are remembered at most.
const KNOWN: usize = 64;
/// Steps of one way into the ring at most.
const STEPS: u8 = 64;
/// Rounds in which nobody new was met before the smallest founds: all reached / some friend unreachable.
const CALM: (u32, u32) = (3, 10);
/// Rounds in which no remembered peer answered before a peer without friends founds.
const LONELY: u32 = 3;
/// Rounds in a row in which all friends turned out to be this peer itself before it founds: a name that stands
/// for many peers may at first lead to this one only.
const MIRRORED: u32 = 8;

/// What a joining peer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Joining {
    friends: Vec<Peer>,
    /// The rounds in a row in which every friend was this peer itself; `None` if it was given no friends.
    mirrored: Option<u32>,
    remembered: Vec<Peer>,
    /// Peers that are joining, too.
    known: BTreeMap<Id, Peer>,
    met_last_round: Vec<Id>,
    calm: u32,
    rounds: u32,
    /// In words, why this has not worked yet.
    pub(crate) trouble: String,
}

impl Joining {
    pub(crate) fn friends(&self) -> &[Peer] {
        &self.friends
    }

    pub(crate) fn has_friends(&self) -> bool {
        !self.friends.is_empty()
    }

    /// Whether it has friends, and all of them are this peer itself.
    fn is_mirrored(&self) -> bool {
        self.mirrored.is_some_and(|rounds| rounds > 0)
    }
}

/// One round of asking: whom to ask next, and what went wrong so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinRound {
    queue: Vec<Peer>,
    /// The address that was asked last: a stranger's name for a peer need not be the peer's own.
    asked: Arc<str>,
    steps: u8,
    silent: Vec<Peer>,
    /// Addresses of friends that led back here.
    mirrors: Vec<Arc<str>>,
    refusal: Option<(Peer, Refusal)>,
}

impl Node {
    pub(crate) fn start(&mut self, friends: Vec<Peer>, remembered: Vec<Peer>, out: &mut Vec<Output>) {
        let other = |peer: &Peer| peer.address != self.me.address;
        self.joining.remembered = remembered.into_iter().filter(other).take(KNOWN).collect();
        self.set_friends(friends);
        self.join_round(out);
    }

    pub(crate) fn set_friends(&mut self, mut friends: Vec<Peer>) {
        friends.retain(|peer| peer.address != self.me.address);
        if !friends.is_empty() {
            self.joining.mirrored.get_or_insert(0);
        }
        self.joining.friends = friends;
    }

    /// Asks friends, peers remembered, and peers known to be joining, one after another.
    pub(crate) fn join_round(&mut self, out: &mut Vec<Output>) {
        let Joining { friends, remembered, known, .. } = &self.joining;
        let mut queue: Vec<Peer> = Vec::new();
        for peer in friends.iter().chain(remembered).chain(known.values()) {
            if queue.iter().all(|other| other.address != peer.address) {
                queue.push(peer.clone());
            }
        }
        let asked = self.me.address.clone();
        let (silent, mirrors) = (Vec::new(), Vec::new());
        let round = JoinRound { queue, asked, steps: 0, silent, mirrors, refusal: None };
        self.ask_next(round, out);
    }

    fn ask_next(&mut self, mut round: JoinRound, out: &mut Vec<Output>) {
        if round.queue.is_empty() || round.steps == STEPS {
            return self.end_round(round, out);
        }
        round.steps += 1;
        let to = round.queue.remove(0);
        round.asked = to.address.clone();
        self.call(to, Request::Join, Why::Join(Box::new(round)), out);
    }

    pub(crate) fn on_join_reply(
        &mut self,
        from: Peer,
        mut round: JoinRound,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let alone = self.status == Status::Member && self.successors.first().is_none();
        if self.status != Status::Joining && !alone {
            return;
        }
        match outcome {
            Outcome::Answer(_) if from.id == self.me.id => {
                self.joining.friends.retain(|friend| friend.address != round.asked);
                round.mirrors.push(round.asked.clone());
            }
            Outcome::Answer(Response::Neighbors(neighbors)) => {
                return self.become_member(from, neighbors.successors, out);
            }
            Outcome::Answer(Response::Closer { peers, .. }) => {
                for peer in peers.into_iter().filter(|peer| peer.id != self.me.id).rev() {
                    round.queue.insert(0, peer);
                }
            }
            Outcome::Answer(Response::Joining(peers)) => {
                peers.into_iter().for_each(|peer| self.know(peer));
            }
            Outcome::Busy => round.queue.push(from),
            Outcome::Refused(refusal @ (Refusal::WrongRing(_) | Refusal::WrongVersion(_))) => {
                round.refusal = Some((from, refusal));
            }
            Outcome::Silent | Outcome::Refused(_) => {
                self.joining.known.retain(|_, known| known.address != from.address);
                round.silent.push(from);
            }
            _ => {}
        }
        self.ask_next(round, out);
    }

    fn know(&mut self, peer: Peer) {
        let known = &mut self.joining.known;
        if peer.id == self.me.id {
            return;
        }
        if known.len() < KNOWN || known.contains_key(&peer.id) {
            let slot = known.entry(peer.id).or_insert_with(|| peer.clone());
            if peer.supersedes(slot) {
                *slot = peer;
            }
        }
    }

    /// All have been asked, and none was a member that could take us in.
    fn end_round(&mut self, round: JoinRound, out: &mut Vec<Output>) {
        if self.status != Status::Joining {
            return;
        }
        let joining = &mut self.joining;
        joining.rounds += 1;
        let met: Vec<Id> = joining.known.keys().copied().collect();
        joining.calm = if met == joining.met_last_round { joining.calm + 1 } else { 0 };
        joining.met_last_round = met;

        let unreachable = joining.friends.iter().any(|f| round.silent.iter().any(|s| s.address == f.address));
        let patience = if unreachable { CALM.1 } else { CALM.0 };
        let smallest = joining.known.keys().next().is_some_and(|smallest| self.me.id < *smallest);
        let wrong_ring = round.refusal.is_some();
        // A name that was looked up meanwhile may be among the friends again.
        let mirror = |friend: &Peer| round.mirrors.contains(&friend.address);
        let lonely = joining.known.is_empty() && joining.friends.iter().all(mirror);
        joining.mirrored = joining.mirrored.map(|rounds| if lonely { rounds + 1 } else { 0 });
        let nobody_left = (joining.remembered.is_empty() || joining.rounds >= LONELY)
            && joining.mirrored.is_none_or(|rounds| rounds >= MIRRORED);
        if (lonely && nobody_left) || (smallest && !wrong_ring && joining.calm >= patience) {
            return self.found(out);
        }

        let trouble = self.trouble_of(&round);
        if self.joining.trouble != trouble {
            self.joining.trouble.clone_from(&trouble);
            out.push(Output::Event(Event::CannotJoin(trouble)));
        }
        let wait = match self.joining.rounds {
            _ if !self.joining.known.is_empty() => 150..300,
            _ if self.joining.is_mirrored() => 500..1000,
            0..3 => 200..500,
            3..8 => 700..1300,
            _ => 2000..4000,
        };
        set_timer(out, Timer::Join, wait);
    }

    fn trouble_of(&self, round: &JoinRound) -> String {
        let list =
            |peers: &[Peer]| peers.iter().map(|peer| peer.address.to_string()).collect::<Vec<_>>().join(", ");
        match &round.refusal {
            Some((friend, Refusal::WrongRing(theirs))) => format!(
                "{} is of ring \"{theirs}\", this peer of ring \"{}\": set the same `ring`, or another friend",
                friend.address, self.config.ring
            ),
            Some((friend, Refusal::WrongVersion(version))) => {
                format!(
                    "{} speaks version {version} of the protocol, this peer another: upgrade one",
                    friend.address
                )
            }
            _ if !self.joining.known.is_empty() => {
                "the peers reached are joining, too; one of them will found".into()
            }
            _ if self.joining.is_mirrored() => "all friends are this peer itself; it will found".into(),
            _ => format!("no friend answers ({}); trying on", list(&round.silent)),
        }
    }

    /// This peer alone is the ring.
    fn found(&mut self, out: &mut Vec<Output>) {
        self.complete = Some(self.me.id);
        out.push(Output::Event(Event::Founded));
        self.be_member(out);
    }

    /// `member` stands right before us and has just told us its successors.
    fn become_member(&mut self, member: Peer, successors: Vec<Peer>, out: &mut Vec<Output>) {
        let others: Vec<Peer> = successors.into_iter().filter(|peer| peer.id != self.me.id).collect();
        match others.split_first() {
            Some((head, tail)) => self.successors.adopt(head, tail),
            None => self.successors.adopt(&member, &[]),
        }
        self.predecessor.get_or_insert_with(|| member.clone());
        others.iter().chain([&member]).for_each(|peer| self.contacts.note(peer));
        self.complete = None;
        self.owes = Some(member.clone());
        out.push(Output::Event(Event::Joined(member)));
        self.be_member(out);
    }

    pub(crate) fn be_member(&mut self, out: &mut Vec<Output>) {
        self.status = Status::Member;
        self.joining.trouble.clear();
        self.joining.known.clear();
        self.stabilize_soon(out);
        set_timer(out, Timer::FixFinger, 50..200);
        set_timer(out, Timer::Repair, 500..1000);
        set_timer(out, Timer::Tick, 0..1000);
        set_timer(out, Timer::Reunite, 2000..6000);
        if self.contacts.limit() > 0 {
            set_timer(out, Timer::Gossip, 500..1500);
        }
        self.drive_publisher(out);
    }

    /// Tells a joining peer its place, or who is closer to it.
    pub(crate) fn serve_join(&mut self, from: &Peer) -> Result<Response, Rejection> {
        match self.status {
            Status::Leaving => Err(Rejection::NotMember),
            _ if from.id == self.me.id => Ok(Response::Done),
            Status::Joining => {
                self.know(from.clone());
                let known = self.joining.known.values().filter(|peer| peer.id != from.id);
                Ok(Response::Joining(known.chain([&self.me]).cloned().collect()))
            }
            Status::Member => {
                let next = self.successors.first().map_or(self.me.id, |peer| peer.id);
                if from.id.is_between(self.me.id, next) {
                    return match self.operation {
                        Some(_) => Err(Rejection::Busy),
                        None => Ok(Response::Neighbors(self.neighbors())),
                    };
                }
                Ok(Response::Closer { peers: self.preceding(from.id, &[]), last: false })
            }
        }
    }
}
