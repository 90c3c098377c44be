//! Joining a ring, and who founds one.
//!
//! A joining peer asks its friends, then peers it remembers, one after another. Where all that it reaches
//! are joining themselves, they tell each other whom they know, and the smallest identifier founds. Nobody
//! enters, and nobody founds among others, who can't be reached at the address that it advertises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::interface::{Event, Output, Status, Timer, Why, set_timer};
use crate::message::{Miss, NotAdmitted, Outcome, Refusal, Rejection, Request, Response};
use crate::{Id, Node, Peer, SuccessorList};

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

/// Answers "busy" in a row after which others are asked, too: some six seconds.
const BUSY: u32 = 60;

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
    /// Another peer has called since the start, so the advertised address leads here.
    pub(crate) reached: bool,
    /// Whether its own address is among its friends: who is there?
    names_itself: bool,
    /// Whom to ask first in the next round: it was busy dialling back, or knows a later life of this peer.
    first: Option<Peer>,
    busy: u32,
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

    /// For the model checker: beyond these numbers, counting further changes nothing; and whoever is busy is
    /// asked again, however often that was.
    pub(crate) fn forget_times(&mut self) {
        self.rounds = self.rounds.min(LONELY);
        self.calm = self.calm.min(CALM.1);
        self.busy = 0;
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
    /// Who does not let this peer in, and why.
    not_admitted: Option<(Peer, NotAdmitted)>,
}

impl Node {
    pub(crate) fn start(&mut self, friends: Vec<Peer>, remembered: Vec<Peer>, out: &mut Vec<Output>) {
        let other = |peer: &Peer| peer.address != self.me.address;
        self.joining.remembered = remembered.into_iter().filter(other).take(KNOWN).collect();
        self.set_friends(friends);
        self.join_round(out);
    }

    pub(crate) fn set_friends(&mut self, mut friends: Vec<Peer>) {
        self.joining.names_itself = friends.iter().any(|peer| peer.address == self.me.address);
        friends.retain(|peer| peer.address != self.me.address);
        if !friends.is_empty() {
            self.joining.mirrored.get_or_insert(0);
        }
        self.joining.friends = friends;
    }

    pub(crate) fn on_join_timer(&mut self, after: Duration, out: &mut Vec<Output>) {
        if self.status == Status::Joining {
            self.door.pass(after);
        }
        self.join_round(out);
    }

    /// Asks friends, peers remembered, and peers known to be joining, one after another; a member that is not
    /// alone only whoever knows a later life of it.
    pub(crate) fn join_round(&mut self, out: &mut Vec<Output>) {
        let first = self.joining.first.take();
        let Joining { friends, remembered, known, .. } = &self.joining;
        // Who answers for a peer that is said to be joining, is for the answer to say.
        let whoever = |peer: &Peer| Peer { incarnation: 0, ..peer.clone() };
        let itself = self.joining.names_itself.then(|| Peer::stranger(&self.me.address));
        let others = friends.iter().chain(remembered).cloned().chain(known.values().map(whoever));
        let mut queue: Vec<Peer> = Vec::new();
        for peer in first.into_iter().chain(itself.into_iter().chain(others).filter(|_| self.seeks_a_ring()))
        {
            if queue.iter().all(|other| other.address != peer.address) {
                queue.push(peer);
            }
        }
        let asked = self.me.address.clone();
        let (silent, mirrors) = (Vec::new(), Vec::new());
        let round = JoinRound { queue, asked, steps: 0, silent, mirrors, refusal: None, not_admitted: None };
        self.ask_next(round, out);
    }

    /// Whether it is in no ring, or alone in its own.
    fn seeks_a_ring(&self) -> bool {
        match self.status {
            Status::Joining => true,
            Status::Member => self.successors.first().is_none(),
            Status::Leaving => false,
        }
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
        if self.status == Status::Leaving {
            return;
        }
        let busy = std::mem::take(&mut self.joining.busy);
        match outcome {
            Outcome::Busy if busy < BUSY => {
                self.joining.busy = busy + 1;
                self.joining.first = Some(from);
                return set_timer(out, Timer::Join, 50..150);
            }
            Outcome::Answer(Response::NotAdmitted(NotAdmitted::Outdated(latest))) => {
                let again = self.outlive(latest, out).then_some(from);
                round.queue.splice(0..0, again);
            }
            Outcome::Answer(Response::NotAdmitted(NotAdmitted::Unreachable(_))) if !self.seeks_a_ring() => {}
            Outcome::Answer(Response::NotAdmitted(why)) => {
                self.stand_down(out);
                round.not_admitted = Some((from, why));
            }
            _ if !self.seeks_a_ring() => return,
            Outcome::Answer(_) if from.is_same_life(&self.me) && round.asked == self.me.address => {}
            Outcome::Answer(_) if from.is_same_life(&self.me) => {
                self.joining.friends.retain(|friend| friend.address != round.asked);
                round.mirrors.push(round.asked.clone());
            }
            Outcome::Answer(_) if from.id == self.me.id => {
                self.stand_down(out);
                round.not_admitted = Some((from.clone(), NotAdmitted::Taken(from)));
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
                self.disprove(&round.asked, &from);
                peers.into_iter().for_each(|peer| self.know(peer));
            }
            _ if round.asked == self.me.address => {}
            Outcome::Refused(refusal @ (Refusal::WrongRing(_) | Refusal::WrongVersion(_))) => {
                round.refusal = Some((from, refusal));
            }
            Outcome::Silent | Outcome::Refused(_) => {
                let silent = matches!(outcome, Outcome::Silent);
                let why = NotAdmitted::Unreachable(if silent { Miss::Silent } else { Miss::Refused });
                self.forget(&round.asked, |_| Some(why.clone()));
                round.silent.push(from);
            }
            _ => {}
        }
        self.ask_next(round, out);
    }

    /// Whoever is known to be joining at the address that `from` has answered at is `from`.
    fn disprove(&mut self, address: &str, from: &Peer) {
        self.forget(address, |known| (!known.is_same_life(from)).then(|| NotAdmitted::Taken(from.clone())));
    }

    /// Forgets peers that are joining at an address, where there is a reason.
    fn forget(&mut self, address: &str, why: impl Fn(&Peer) -> Option<NotAdmitted>) {
        let door = &mut self.door;
        self.joining.known.retain(|_, known| {
            let why = (*known.address == *address).then(|| why(known)).flatten();
            why.as_ref().inspect(|why| door.turn_away(known, (*why).clone()));
            why.is_none()
        });
    }

    fn know(&mut self, peer: Peer) {
        if peer.id == self.me.id || self.door.turned_away(&peer).is_some() {
            return;
        }
        let known = &mut self.joining.known;
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
        let refused = round.refusal.is_some();
        // A name that was looked up meanwhile may be among the friends again.
        let mirror = |friend: &Peer| round.mirrors.contains(&friend.address);
        let lonely = joining.known.is_empty() && joining.friends.iter().all(mirror);
        joining.mirrored = joining.mirrored.map(|rounds| if lonely { rounds + 1 } else { 0 });
        let nobody_left = (joining.remembered.is_empty() || joining.rounds >= LONELY)
            && joining.mirrored.is_none_or(|rounds| rounds >= MIRRORED);
        // Where others are, who founds must be reached by them.
        let chosen = smallest && joining.reached && !refused && joining.calm >= patience;
        if ((lonely && nobody_left) || chosen) && round.not_admitted.is_none() {
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
        if let Some((member, why)) = &round.not_admitted {
            return self.why_not(member, why);
        }
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

    /// Why this peer is not let in, and what to do about it.
    fn why_not(&self, member: &Peer, why: &NotAdmitted) -> String {
        let address = &self.me.address;
        let remedy =
            "set `advertise` and `ports.chord` to what other machines can dial, or open the firewall";
        match why {
            NotAdmitted::Unreachable(Miss::Refused) => format!(
                "{member} can't reach this peer at {address}, which it advertises: nobody listens there; {remedy}"
            ),
            NotAdmitted::Unreachable(Miss::Silent) => format!(
                "{member} can't reach this peer at {address}, which it advertises: nothing answers; {remedy}"
            ),
            NotAdmitted::Unreachable(Miss::Foreign) => format!(
                "{member} finds no peer of this ring at {address}, which this peer advertises: something else \
                 answers there; {remedy}"
            ),
            NotAdmitted::Taken(other) if other.id == self.me.id => format!(
                "the identity {address} is in use by {}, which answers there when {member} dials it: give this \
                 peer an `advertise` or a `ports.chord` of its own, or stop the other one",
                other.name
            ),
            NotAdmitted::Taken(other) => format!(
                "{address}, which this peer advertises, leads to {other} when {member} dials it; {remedy}"
            ),
            NotAdmitted::Outdated(latest) => {
                format!("{member} knows a later life of this peer, with incarnation {latest}")
            }
        }
    }

    /// This peer alone is the ring.
    fn found(&mut self, out: &mut Vec<Output>) {
        // Whoever was to be met here may be in a ring of their own meanwhile.
        let alone = self.joining.friends.is_empty() && self.joining.remembered.is_empty();
        self.complete = alone.then_some(self.me.id);
        out.push(Output::Event(Event::Founded));
        self.be_member(out);
    }

    /// `member` stands right before us and has just told us its successors.
    fn become_member(&mut self, member: Peer, successors: Vec<Peer>, out: &mut Vec<Output>) {
        let others: Vec<Peer> = successors.into_iter().filter(|peer| peer.id != self.me.id).collect();
        let slips = self.config.slips;
        match others.split_first() {
            Some((head, _)) if slips.join_unchecked => self.successors.adopt(head, &[]),
            Some((head, tail)) => self.successors.adopt_with(head, tail, slips),
            None => self.successors.adopt(&member, &[]),
        }
        self.predecessor.get_or_insert_with(|| member.clone());
        others.iter().chain([&member]).for_each(|peer| self.contacts.note(peer));
        self.followed = false;
        self.complete = None;
        self.owes = Some(member.clone());
        out.push(Output::Event(Event::Joined(member)));
        self.be_member(out);
    }

    pub(crate) fn be_member(&mut self, out: &mut Vec<Output>) {
        self.status = Status::Member;
        self.member_for = Duration::ZERO;
        self.joining.trouble.clear();
        self.joining.known.clear();
        self.joining.first = None;
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

    /// Another peer takes this one for a later life of it, which may be a second process with this identity, or
    /// one whose clock was ahead. Whoever says so is asked to dial back, which tells.
    pub(crate) fn hear_of_self(&mut self, incarnation: u64, from: &Peer, out: &mut Vec<Output>) {
        let later = incarnation > self.me.incarnation;
        if later && self.status == Status::Member && self.joining.first.is_none() {
            self.joining.first = Some(Peer { incarnation: 0, ..from.clone() });
            set_timer(out, Timer::Join, 50..150);
        }
    }

    /// Goes on as a life later than `latest`, which is none: the address leads here. False: there is no later one.
    fn outlive(&mut self, latest: u64, out: &mut Vec<Output>) -> bool {
        let Some(next) = latest.max(self.me.incarnation).checked_add(1) else { return false };
        self.me.incarnation = next;
        self.contacts.renew(&self.me);
        out.push(Output::Event(Event::Renumbered(self.me.clone())));
        if self.status == Status::Member {
            // Both neighbours drop the earlier lives as soon as this one speaks.
            for neighbor in self.predecessor.iter().chain(self.successors.first()) {
                self.call(neighbor.clone(), Request::Poke, Why::Tell, out);
            }
            self.stabilize_soon(out);
        }
        true
    }

    /// A member that is not let in any more, or was never: its place is another's.
    fn stand_down(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        self.status = Status::Joining;
        self.joining.remembered = self.successors.as_slice().to_vec();
        self.successors = SuccessorList::new(self.me.id, self.config.successors);
        (self.predecessor, self.operation, self.notifier, self.last_seen) = (None, None, None, None);
        self.complete = None;
        self.hand_overs.clear();
        set_timer(out, Timer::Join, 200..500);
    }

    /// Tells a joining peer its place, or who is closer to it.
    pub(crate) fn serve_join(&mut self, from: &Peer, out: &mut Vec<Output>) -> Result<Response, Rejection> {
        match self.status {
            Status::Leaving => Err(Rejection::NotMember),
            _ if from.id == self.me.id => Ok(Response::Done),
            Status::Joining => {
                if let Some(why) = self.door.turned_away(from) {
                    return Ok(Response::NotAdmitted(why.clone()));
                }
                self.know(from.clone());
                let known = self.joining.known.values().filter(|peer| peer.id != from.id);
                Ok(Response::Joining(known.chain([&self.me]).cloned().collect()))
            }
            Status::Member => {
                let next = self.successors.first().map_or(self.me.id, |peer| peer.id);
                // Where an earlier life of it follows, this is its place, too.
                let here = from.id.is_within(self.me.id, next);
                let later = self.later_life(from);
                if !here && later.is_none() {
                    return Ok(Response::Closer { peers: self.preceding(from.id, &[]), last: false });
                }
                match (self.dial_back(from, out), later) {
                    (Some(Err(why)), _) => Ok(Response::NotAdmitted(why)),
                    (Some(Ok(())), Some(later)) => Ok(Response::NotAdmitted(NotAdmitted::Outdated(later))),
                    (Some(Ok(())), None) if self.operation.is_none() => {
                        Ok(Response::Neighbors(self.neighbors()))
                    }
                    _ => Err(Rejection::Busy),
                }
            }
        }
    }
}
