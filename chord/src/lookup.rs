//! Finding the peer responsible for a key, step by step, and reading there in the same call.
//!
//! Iterative: the asker puts one question after another, so no peer ever waits for another. What is known
//! of a lookup travels with its calls.

use std::time::Duration;

use crate::found::{Found, Lost, LostReason, Missed, NoAnswer, Route, Rule, Step, Ticket};
use crate::index::{KeptArc, Reading, Source};
use crate::interface::{Output, Status, Timer, Why, about};
use crate::message::{Outcome, Ownership, Read, Request, Response};
use crate::routing::{Hop, NAMED};
use crate::{Id, Node, Peer};

/// Answered calls of one lookup at most, on the way to the owner.
const STEPS: usize = 64;
/// Peers found not to answer that are named to others at most.
const AVOIDED: usize = 16;
/// Finger refreshes without a change after which they slow down: three sweeps in a ring of a thousand.
const SETTLED: u32 = 30;

/// All that is known of a lookup under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    purpose: Purpose,
    key: Id,
    read: Read,
    left: Duration,
    route: Route,
    candidates: Vec<Candidate>,
    /// How many had failed when it set out last.
    set_out_after: usize,
    /// The peer that is being asked was named as the responsible one.
    asked_last: bool,
    /// Why the peer that is being asked is, and which step named it.
    asked_for: (Rule, usize),
    /// Who said that the key lies between itself and those that follow it.
    before: Option<Id>,
    /// Its first question went to the contact that should be responsible.
    guessed: bool,
    phase: Phase,
    owner: Option<Box<Ownership>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Candidate {
    peer: Peer,
    last: bool,
    rule: Rule,
    named_by: usize,
    /// It has answered when so many had failed, and is asked again only if more have since.
    after: Option<usize>,
}

impl Candidate {
    fn new(peer: Peer, rule: Rule, named_by: usize) -> Candidate {
        let last = matches!(rule, Rule::Successor | Rule::Predecessor);
        Candidate { peer, last, rule, named_by, after: None }
    }
}

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Ticket(Ticket),
    /// To refresh this finger.
    Finger(u32),
    /// To learn who keeps an own key.
    Place,
    /// To learn who stands next to this peer, in another peer's view.
    Neighbor,
}

/// Where a lookup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// On the way to the owner.
    Route,
    /// The owner does not know all: those that keep copies are asked; `all` answered so far.
    Copies { all: bool },
    /// Nor do they: publishers are asked themselves.
    Publishers { all: bool },
}

impl Node {
    pub(crate) fn look_up(
        &mut self,
        ticket: Ticket,
        key: Id,
        read: Read,
        within: Duration,
        out: &mut Vec<Output>,
    ) {
        let lookup = Lookup::new(Purpose::Ticket(ticket), key, read, within);
        if self.status != Status::Member {
            return self.lose_lookup(lookup, LostReason::NotMember, out);
        }
        self.set_out(lookup, out);
    }

    /// Refreshes one finger, asking the peer that stands there first.
    pub(crate) fn fix_finger(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        let next = self.successors.first().and_then(|peer| self.fingers.next_to_refresh(peer.id));
        let quiet = self.finger_rounds > SETTLED;
        let pause = if quiet { self.config.fix_fingers * 10 } else { self.config.fix_fingers };
        out.push(Output::SetTimer { timer: Timer::FixFinger, after: about(pause) });
        let Some(index) = next else { return };
        self.finger_rounds = self.finger_rounds.saturating_add(1);
        let key = self.fingers.start(index);
        let mut lookup =
            Lookup::new(Purpose::Finger(index), key, Read::Nothing, self.config.call_timeout * 4);
        if let Some(known) = self.fingers.get(index).cloned() {
            lookup.candidates.push(Candidate::new(known, Rule::Successor, 0));
            return self.ask(lookup, out);
        }
        self.set_out(lookup, out);
    }

    /// Learns who keeps an own key.
    pub(crate) fn place_key(&mut self, key: Id, out: &mut Vec<Output>) {
        let lookup = Lookup::new(Purpose::Place, key, Read::Nothing, self.config.call_timeout * 4);
        self.set_out(lookup, out);
    }

    fn set_out(&mut self, mut lookup: Lookup, out: &mut Vec<Output>) {
        let avoid: Vec<Id> = lookup.route.failed.iter().map(|miss| miss.peer.id).collect();
        lookup.set_out_after = avoid.len();
        match self.next_hop(lookup.key, &avoid, false) {
            Hop::Mine => {
                let ownership = self.ownership(lookup.key, &lookup.read);
                self.reach(lookup, ownership, out);
            }
            Hop::Closer { peers, last } => {
                lookup.before = last.then_some(self.me.id);
                let rule = if last { Rule::Successor } else { Rule::ClosestPreceding };
                lookup.candidates = peers.into_iter().map(|peer| Candidate::new(peer, rule, 0)).collect();
                if !last && let Some(peer) = self.probable_owner(lookup.key, &avoid) {
                    lookup.guessed = avoid.is_empty();
                    lookup.candidates.insert(0, Candidate::new(peer, Rule::Contact, 0));
                }
                self.ask(lookup, out);
            }
        }
    }

    /// Asks the next candidate.
    pub(crate) fn ask(&mut self, mut lookup: Lookup, out: &mut Vec<Output>) {
        if lookup.left.is_zero() || lookup.route.steps.len() >= STEPS && lookup.phase == Phase::Route {
            return self.give_in(lookup, LostReason::TimedOut, out);
        }
        while !lookup.candidates.is_empty() {
            let Candidate { peer, last, rule, named_by, after } = lookup.candidates.remove(0);
            let knows_no_more = after.is_some_and(|after| lookup.route.failed.len() == after);
            if knows_no_more || lookup.has_failed(&peer) || (peer.id == self.me.id && !last) {
                continue;
            }
            if peer.id == self.me.id {
                return self.ask_here(lookup, out);
            }
            let read = match (lookup.phase, &lookup.read) {
                (Phase::Copies { .. }, Read::Key(limit)) => Read::Copies(*limit),
                (Phase::Copies { .. }, Read::Search(search)) => Read::SearchCopies(search.clone()),
                (Phase::Publishers { .. }, Read::Key(limit)) => Read::Own(*limit),
                (_, read) => read.clone(),
            };
            let request = Request::NextHop { key: lookup.key, avoid: lookup.avoided(), last, read };
            (lookup.asked_last, lookup.asked_for) = (last, (rule, named_by));
            let within = self.timeout(&peer, &request).min(lookup.left);
            return out.push(Output::Call { to: peer, request, why: Why::Lookup(Box::new(lookup)), within });
        }
        match lookup.phase {
            Phase::Route if lookup.purpose == Purpose::Neighbor => {}
            Phase::Route if lookup.owner.is_some() => self.finish(lookup, out),
            Phase::Route if lookup.route.failed.len() > lookup.set_out_after => self.set_out(lookup, out),
            Phase::Route => self.lose_lookup(lookup, LostReason::NoWay, out),
            Phase::Copies { .. } => self.ask_publishers(lookup, out),
            Phase::Publishers { all } => {
                if let Some(owner) = &mut lookup.owner {
                    owner.reading.complete |= all;
                }
                self.finish(lookup, out);
            }
        }
    }

    /// Another peer holds this one responsible, whose own predecessor may have died.
    fn ask_here(&mut self, mut lookup: Lookup, out: &mut Vec<Output>) {
        match self.next_hop(lookup.key, &lookup.avoided(), true) {
            Hop::Mine => {
                let ownership = self.ownership(lookup.key, &lookup.read);
                self.reach(lookup, ownership, out);
            }
            Hop::Closer { peers, .. } => {
                let named = peers.into_iter().map(|peer| Candidate::new(peer, Rule::Predecessor, 0));
                lookup.candidates.splice(0..0, named.collect::<Vec<_>>());
                self.ask(lookup, out);
            }
        }
    }

    pub(crate) fn on_hop(
        &mut self,
        from: Peer,
        mut lookup: Lookup,
        took: Duration,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        lookup.left = lookup.left.saturating_sub(took);
        if matches!(outcome, Outcome::Answer(_)) {
            let ((rule, named_by), failed) = (lookup.asked_for, lookup.route.failed.len());
            lookup.route.steps.push(Step { peer: from.clone(), took, rule, named_by, failed });
        } else {
            lookup.route.failed.push(NoAnswer { peer: from.clone(), what: Missed::from(&outcome) });
        }
        match (lookup.phase, outcome) {
            (Phase::Route, Outcome::Answer(Response::Closer { peers, last })) => {
                if last && !lookup.asked_last {
                    lookup.before = Some(from.id);
                }
                // A stranger's place is known from its address only, which may be another name of it.
                let stranger = from.incarnation == 0;
                let closer = |peer: &Peer| last || stranger || peer.id.is_between(from.id, lookup.key);
                let named =
                    peers.into_iter().filter(closer).filter(|peer| !lookup.has_failed(peer)).take(NAMED);
                let rule = match (last, lookup.asked_last) {
                    (false, _) => Rule::ClosestPreceding,
                    (true, false) => Rule::Successor,
                    (true, true) => Rule::Predecessor,
                };
                let named_by = lookup.route.steps.len();
                let mut named: Vec<Candidate> =
                    named.map(|peer| Candidate::new(peer, rule, named_by)).collect();
                // Should none of these answer, it knows others that are nearly as close.
                let after = Some(lookup.route.failed.len());
                let (last, rule) = (lookup.asked_last, Rule::Again);
                named.push(Candidate { peer: from, last, rule, named_by, after });
                lookup.candidates.splice(0..0, named);
                lookup.candidates.truncate(STEPS);
                self.ask(lookup, out);
            }
            (Phase::Route, Outcome::Answer(Response::Owner(ownership))) => {
                self.reach(lookup, *ownership, out)
            }
            (Phase::Copies { .. }, Outcome::Answer(Response::Reading(reading))) => {
                lookup.unite(reading);
                self.ask(lookup, out);
            }
            (Phase::Publishers { .. }, Outcome::Answer(Response::Reading(reading))) => {
                lookup.hear_publisher(from.id, reading);
                self.ask(lookup, out);
            }
            (Phase::Route, _) if lookup.owner.is_some() => self.finish(lookup, out),
            (phase, _) => {
                lookup.phase = match phase {
                    Phase::Route => Phase::Route,
                    Phase::Copies { .. } => Phase::Copies { all: false },
                    Phase::Publishers { .. } => Phase::Publishers { all: false },
                };
                self.ask(lookup, out);
            }
        }
    }

    /// The owner has answered. Where it can't vouch for "that is all", others are asked, too.
    fn reach(&mut self, mut lookup: Lookup, ownership: Ownership, out: &mut Vec<Output>) {
        let enough = ownership.reading.complete || !matches!(lookup.read, Read::Key(_) | Read::Search(_));
        let keepers = ownership.keepers.clone();
        let asks_who = matches!((lookup.purpose, &lookup.read), (Purpose::Ticket(_), Read::Nothing));
        let unreached = lookup.unreached(&ownership, 1).filter(|_| asks_who && lookup.owner.is_none());
        lookup.owner = Some(Box::new(ownership));
        // Who is responsible is all that is asked, and that one may only be slow.
        if let Some(to) = unreached.and_then(|arc| arc.keepers.into_iter().next()) {
            let request =
                Request::NextHop { key: lookup.key, avoid: vec![], last: true, read: Read::Nothing };
            let within = (self.timeout(&to, &request) * 2).min(lookup.left);
            lookup.asked_for = (Rule::Retry, lookup.route.steps.len());
            return out.push(Output::Call { to, request, why: Why::Lookup(Box::new(lookup)), within });
        }
        if enough {
            return self.finish(lookup, out);
        }
        match &lookup.read {
            Read::Key(limit) => lookup.unite(self.copies(lookup.key, *limit)),
            Read::Search(search) => lookup.unite(self.search_copies(lookup.key, &search.clone())),
            _ => {}
        }
        lookup.phase = Phase::Copies { all: true };
        let named_by = lookup.route.steps.len();
        let keepers = keepers.into_iter().skip(1);
        lookup.candidates = keepers.map(|peer| Candidate::new(peer, Rule::Copies, named_by)).collect();
        self.ask(lookup, out);
    }

    /// No keeper knows all: asks the publishers that are known, unless a copy was complete.
    fn ask_publishers(&mut self, mut lookup: Lookup, out: &mut Vec<Output>) {
        let complete = lookup.owner.as_ref().is_some_and(|owner| owner.reading.complete);
        // What publishers have of a word is for the asker to ask: all of them, over a tree.
        let (false, &Read::Key(limit)) = (complete, &lookup.read) else { return self.finish(lookup, out) };
        lookup.hear_publisher(self.me.id, self.own(lookup.key, limit));
        let contacts = self.contacts.from(lookup.key);
        let noted = |peer: &&Peer| self.contacts.from(peer.id).next().is_some_and(|next| next.id == peer.id);
        let others = self.successors.as_slice().iter().filter(|peer| !noted(peer));
        let known = contacts.chain(others).cloned();
        lookup.candidates = known.map(|peer| Candidate::new(peer, Rule::Publisher, 0)).collect();
        // Whoever was silent on the way, and may live, may have it; so may peers of another part of the ring.
        let all = lookup.route.failed.iter().all(|miss| self.detector.is_given_up(&miss.peer));
        let all = all && self.knows_all_publishers();
        lookup.phase = Phase::Publishers { all };
        self.ask(lookup, out);
    }

    /// Out of time: what was read so far is still an answer, only not a complete one.
    fn give_in(&mut self, lookup: Lookup, reason: LostReason, out: &mut Vec<Output>) {
        if lookup.owner.as_ref().is_some_and(|owner| !owner.reading.sources.is_empty()) {
            self.finish(lookup, out);
        } else {
            self.lose_lookup(lookup, reason, out);
        }
    }

    fn finish(&mut self, mut lookup: Lookup, out: &mut Vec<Output>) {
        let Some(ownership) = lookup.owner.take() else { return };
        if lookup.guessed {
            self.gossip.judge(lookup.route.steps.len() == 1 && lookup.route.failed.is_empty());
        }
        let unreached = lookup.unreached(&ownership, self.config.replicas);
        let Ownership { owner, arc_from, keepers, reading } = *ownership;
        match lookup.purpose {
            Purpose::Ticket(ticket) => {
                let found = Found { key: lookup.key, owner, arc_from, keepers, reading, route: lookup.route };
                out.push(Output::Found(ticket, Box::new(found)));
            }
            Purpose::Finger(index) => {
                if self.fingers.set(index, owner) {
                    self.finger_rounds = 0;
                }
            }
            Purpose::Neighbor => self.on_neighbor(owner, out),
            Purpose::Place => {
                self.placing = false;
                self.publisher.place(&KeptArc { from: arc_from, keepers });
                if let Some(arc) = unreached {
                    self.publisher.place(&arc);
                    return self.drive_publisher(out);
                }
                // Whoever claims a key that its own arc does not hold is in the middle of a change: the next
                // tick asks again. At once, a peer that asks itself would do so without end.
                if lookup.key.is_within(arc_from, owner.id) {
                    self.drive_publisher(out);
                }
            }
        }
    }

    fn lose_lookup(&mut self, lookup: Lookup, reason: LostReason, out: &mut Vec<Output>) {
        match lookup.purpose {
            Purpose::Ticket(ticket) => {
                let lost = Lost { key: lookup.key, reason, route: lookup.route };
                out.push(Output::Lost(ticket, Box::new(lost)));
            }
            Purpose::Finger(_) | Purpose::Neighbor => {}
            // Tried again at the next tick.
            Purpose::Place => self.placing = false,
        }
    }
}

impl Lookup {
    fn new(purpose: Purpose, key: Id, read: Read, left: Duration) -> Lookup {
        Lookup {
            purpose,
            key,
            read,
            left,
            route: Route::default(),
            candidates: Vec::new(),
            set_out_after: 0,
            asked_last: false,
            asked_for: (Rule::Contact, 0),
            before: None,
            guessed: false,
            phase: Phase::Route,
            owner: None,
        }
    }

    /// Asks `entry` who stands next behind `me`, `me` left out.
    pub(crate) fn beside(me: &Peer, entry: Peer, left: Duration) -> Lookup {
        let mut lookup = Lookup::new(Purpose::Neighbor, me.id.next(), Read::Nothing, left);
        lookup.route.failed.push(NoAnswer { peer: me.clone(), what: Missed::NotMember });
        lookup.candidates.push(Candidate::new(entry, Rule::Contact, 0));
        lookup
    }

    fn has_failed(&self, peer: &Peer) -> bool {
        self.route.failed.iter().any(|miss| miss.peer.id == peer.id)
    }

    /// The arc that holds the key, where this peer does not reach the one responsible, and the one behind it answers
    /// in its place: it keeps copies, and passes them on.
    fn unreached(&self, stand_in: &Ownership, replicas: usize) -> Option<KeptArc> {
        let (before, behind) = (self.before?, stand_in.owner.id);
        let mut between = self.route.failed.iter().filter(|miss| miss.peer.id.is_between(before, behind));
        let owner = &between.next().filter(|miss| miss.peer.id == stand_in.arc_from)?.peer;
        if between.any(|miss| miss.peer.id != owner.id) || !self.key.is_within(before, owner.id) {
            return None;
        }
        let keepers = std::iter::once(owner).chain(&stand_in.keepers).take(replicas).cloned().collect();
        Some(KeptArc { from: before, keepers })
    }

    fn avoided(&self) -> Vec<Id> {
        self.route.failed.iter().rev().take(AVOIDED).map(|miss| miss.peer.id).collect()
    }

    /// A publisher says what it has: whatever keepers told of it is void.
    fn hear_publisher(&mut self, publisher: Id, own: Reading) {
        if let Some(Ownership { reading, .. }) = self.owner.as_deref_mut() {
            let known = reading.sources.len();
            reading.sources.retain(|source| source.publisher.id != publisher);
            reading.total = reading.total.saturating_sub((known - reading.sources.len()) as u64);
        }
        self.unite(own);
    }

    /// Adds what another peer read. One file of one publisher counts once, in its latest life; of a search, that is
    /// left to the asker, which puts all in order anyway.
    fn unite(&mut self, other: Reading) {
        let Some(owner) = &mut self.owner else { return };
        let reading = &mut owner.reading;
        reading.complete |= other.complete;
        reading.held = reading.held.max(other.held);
        reading.withheld = reading.withheld.max(other.withheld);
        reading.unread |= other.unread;
        reading.total = reading.total.max(other.total);
        if matches!(self.read, Read::Search(_)) {
            return reading.sources.extend(other.sources);
        }
        for source in other.sources {
            let same = |known: &&mut Source| {
                known.publisher.id == source.publisher.id && known.file.path == source.file.path
            };
            match reading.sources.iter_mut().find(same) {
                Some(known) if known.publisher.incarnation < source.publisher.incarnation => *known = source,
                Some(known) => known.alive &= source.alive,
                None => {
                    reading.sources.push(source);
                    reading.total = reading.total.max(reading.sources.len() as u64);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Services};

    fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    /// Who is asked next, and the lookup that asks.
    fn call(out: &mut Vec<Output>) -> (Peer, Lookup) {
        match out.pop() {
            Some(Output::Call { to, why: Why::Lookup(lookup), .. }) => (to, *lookup),
            other => panic!("no call of a lookup: {other:?}"),
        }
    }

    #[test]
    fn each_step_knows_why_it_was_taken() {
        let mut node = Node::new(peer(10), Services::default(), Config::default());
        node.status = Status::Member;
        node.predecessor = Some(peer(90));
        node.successors.adopt(&peer(20), &[peer(30)]);
        let mut out = Vec::new();
        node.look_up(Ticket(1), Id::from(75), Read::Nothing, Duration::from_secs(9), &mut out);
        let closer = |numbers: &[u64], last| {
            let peers = numbers.iter().map(|number| peer(*number)).collect();
            Outcome::Answer(Response::Closer { peers, last })
        };
        let owner = Ownership {
            owner: peer(80),
            arc_from: Id::from(70),
            keepers: vec![peer(80)],
            reading: Reading::default(),
        };
        for (asked, outcome) in [
            (30, closer(&[60, 50], false)),
            (60, Outcome::Silent),
            (50, closer(&[90], true)),
            (90, closer(&[80], true)),
            (80, Outcome::Answer(Response::Owner(Box::new(owner)))),
        ] {
            let (to, lookup) = call(&mut out);
            assert_eq!(to, peer(asked));
            node.on_hop(to, lookup, Duration::ZERO, outcome, &mut out);
        }
        let Some(Output::Found(_, found)) = out.pop() else { panic!("nothing was found") };
        let way: Vec<_> = found
            .route
            .steps
            .iter()
            .map(|step| (step.peer.id, step.rule, step.named_by, step.failed))
            .collect();
        let expected = [
            (30, Rule::ClosestPreceding, 0, 0),
            (50, Rule::ClosestPreceding, 1, 1),
            (90, Rule::Successor, 2, 1),
            (80, Rule::Predecessor, 3, 1),
        ];
        assert_eq!(way, expected.map(|(id, rule, named_by, failed)| (Id::from(id), rule, named_by, failed)));
    }
}
