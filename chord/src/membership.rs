//! Who is next to whom: stabilize and rectify, after Zave's corrected Chord ("How to make Chord correct",
//! arXiv 1502.06461; "Reasoning about identifier spaces", IEEE TSE 2017).
//!
//! A pointer is adopted only from a peer that has just answered, and one operation is open at a time.
//! "Dead" means given up by the failure detector; silence alone closes an operation unchanged.

use std::time::Duration;

use crate::contacts::Departure;
use crate::interface::{Event, Output, Status, Timer, Why, about, set_timer};
use crate::message::{Errand, Neighbors, Outcome, Rejection, Request, Response};
use crate::{Node, Peer};

/// The membership operation that is open; its reply closes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// The successor was asked for its neighbours.
    Stabilize(Peer),
    /// A peer that may be a closer successor was asked for its neighbours.
    Adopt(Peer),
    /// The predecessor was asked whether it lives, because another peer claims its place.
    Rectify { predecessor: Peer, notifier: Peer },
}

impl Node {
    pub(crate) fn stabilize_soon(&mut self, out: &mut Vec<Output>) {
        self.pace = self.config.stabilize;
        set_timer(out, Timer::Stabilize, 0..20);
    }

    /// A stabilize round: asks the successor, or whoever may lead back into the ring, for its neighbours.
    pub(crate) fn stabilize(&mut self, after: Duration, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        if after >= self.config.stabilize / 2 {
            self.poked = false;
        }
        out.push(Output::SetTimer { timer: Timer::Stabilize, after: about(self.pace) });
        if self.operation.is_some() {
            return;
        }
        if let Some(peer) = self.closer_than_successor() {
            self.adopt_next(peer, out);
        } else if let Some(successor) = self.successors.first().cloned() {
            if self.send_errand(&successor, Errand::Stabilize, out) {
                return;
            }
            let last = self.last_seen.as_ref().filter(|(peer, _)| peer.is_same_life(&successor));
            let seen = last.map_or(0, |(_, neighbors)| neighbors.digest());
            self.operation = Some(Operation::Stabilize(successor.clone()));
            self.call(successor, Request::Stabilize { seen }, Why::Stabilize, out);
        } else if let Some(peer) = self.way_back() {
            self.adopt_next(peer, out);
        } else {
            self.stand_alone(out);
            if self.joining.has_friends() {
                self.join_round(out);
            }
        }
    }

    /// Nobody else is left: all keys are this peer's, also those before its dead predecessor.
    fn stand_alone(&mut self, out: &mut Vec<Output>) {
        self.waking = None;
        if self.predecessor.take().is_some() {
            self.steady = Duration::ZERO;
            self.drive_publisher(out);
        }
    }

    /// Where a peer without successors looks for one: the next peer clockwise that it knows, else its predecessor.
    fn way_back(&self) -> Option<Peer> {
        self.next_known(self.me.id.next(), &[self.me.id]).cloned().or_else(|| {
            let usable = |peer: &&Peer| peer.id != self.me.id && !self.detector.is_given_up(peer);
            self.predecessor.as_ref().filter(usable).cloned()
        })
    }

    fn adopt_next(&mut self, peer: Peer, out: &mut Vec<Output>) {
        if self.send_errand(&peer, Errand::Stabilize, out) {
            return;
        }
        self.operation = Some(Operation::Adopt(peer.clone()));
        self.call(peer, Request::Stabilize { seen: 0 }, Why::Stabilize, out);
    }

    /// The answer to a stabilize question.
    pub(crate) fn on_neighbors(&mut self, from: Peer, outcome: Outcome, out: &mut Vec<Output>) {
        let asked = |peer: &Peer| peer.is_same_life(&from);
        let open = match &self.operation {
            Some(Operation::Stabilize(peer) | Operation::Adopt(peer)) if asked(peer) => self.operation.take(),
            _ => None,
        };
        let Some(open) = open else { return };
        match (open, outcome) {
            (Operation::Stabilize(_), Outcome::Answer(Response::Unchanged)) => {
                // None: it was given up or said goodbye meanwhile, and its list is not to be followed.
                if let Some((_, neighbors)) = self.last_seen.take().filter(|(peer, _)| asked(peer)) {
                    self.follow(from, neighbors, out);
                }
            }
            (_, Outcome::Answer(Response::Neighbors(neighbors))) => self.follow(from, neighbors, out),
            (_, Outcome::Busy) => set_timer(out, Timer::Stabilize, 50..150),
            // A closer successor that does not answer is not adopted; the present one is told of us.
            (Operation::Adopt(_), _) => {
                if let Some(successor) = self.successors.first().cloned() {
                    self.notify(successor, out);
                }
            }
            (_, Outcome::Refused(_)) => set_timer(out, Timer::Stabilize, 150..250),
            _ => self.pace = self.config.stabilize,
        }
        self.resume_rectify(out);
    }

    /// `head` has just answered: it and its successors become ours; a peer between us and it is next.
    pub(crate) fn follow(&mut self, head: Peer, neighbors: Neighbors, out: &mut Vec<Output>) {
        self.adopt(&head, &neighbors, out);
        self.check_successor();
        let named = neighbors.predecessor.iter().chain(&neighbors.successors);
        let selves = named.filter(|peer| peer.id == self.me.id).map(|peer| peer.incarnation);
        self.hear_of_self(selves.max().unwrap_or_default(), &head, out);
        let closer = neighbors
            .predecessor
            .clone()
            .filter(|peer| peer.id.is_between(self.me.id, head.id) && self.is_worth_asking(peer));
        let knows_us = neighbors.predecessor.as_ref().is_some_and(|peer| peer.is_same_life(&self.me));
        self.last_seen = Some((head.clone(), neighbors));
        if !self.followed {
            self.followed = true;
            self.drive_publisher(out);
        }
        match closer {
            Some(peer) if self.config.slips.stabilize_unchecked => self.adopt_unasked(peer, out),
            Some(peer) => self.adopt_next(peer, out),
            None if !knows_us => self.notify(head, out),
            None => {}
        }
    }

    fn notify(&self, head: Peer, out: &mut Vec<Output>) {
        if !self.send_errand(&head, Errand::Notify, out) {
            self.call(head, Request::Notify, Why::Tell, out);
        }
    }

    /// The original Chord's error, see [`Slips`](crate::Slips).
    fn adopt_unasked(&mut self, peer: Peer, out: &mut Vec<Output>) {
        let following = self.successors.as_slice().iter().skip(1).cloned().collect::<Vec<_>>();
        self.successors.adopt(&peer, &following);
        self.call(peer, Request::Notify, Why::Tell, out);
    }

    /// Whether a peer that another one names may live, although it may have been given up here.
    fn is_worth_asking(&self, peer: &Peer) -> bool {
        !self.detector.is_lately_given_up(peer, self.config.give_up * 2)
    }

    fn adopt(&mut self, head: &Peer, neighbors: &Neighbors, out: &mut Vec<Output>) {
        let before = self.successors.clone();
        let tail: Vec<Peer> =
            neighbors.successors.iter().filter(|peer| self.is_worth_asking(peer)).cloned().collect();
        self.successors.adopt_with(head, &tail, self.config.slips);
        tail.iter().filter(|peer| peer.id != self.me.id).for_each(|peer| self.contacts.note(peer));
        if self.successors == before {
            self.pace = (self.pace * 3 / 2).min(self.config.stabilize_quiet);
            return;
        }
        self.pace = self.config.stabilize;
        self.poked = false;
        self.finger_rounds = 0;
        out.push(Output::SetTimer { timer: Timer::Stabilize, after: about(self.pace) });
        set_timer(out, Timer::Repair, 200..400);
        // The list travels backwards, one peer at a time; at the quiet pace that takes long.
        if let Some(predecessor) = self.living_predecessor().cloned() {
            self.call(predecessor, Request::Poke, Why::Tell, out);
        }
        if self.successors.first() != before.first() {
            out.push(Output::Event(Event::Successor(self.successors.first().cloned())));
        }
    }

    /// Answers the question that copies list and predecessor: busy while an own operation is open, lest a
    /// pointer be copied that is about to change.
    pub(crate) fn serve_stabilize(&self, seen: u64) -> Result<Response, Rejection> {
        if self.status != Status::Member {
            return Err(Rejection::NotMember);
        }
        if self.operation.is_some() {
            return Err(Rejection::Busy);
        }
        let neighbors = self.neighbors();
        Ok(if neighbors.digest() == seen { Response::Unchanged } else { Response::Neighbors(neighbors) })
    }

    pub(crate) fn neighbors(&self) -> Neighbors {
        let predecessor = self.living_predecessor().cloned();
        Neighbors { predecessor, successors: self.successors.as_slice().to_vec() }
    }

    /// The predecessor, unless it is given up and only waits for rectify to replace it.
    fn living_predecessor(&self) -> Option<&Peer> {
        self.predecessor.as_ref().filter(|peer| !self.detector.is_given_up(peer))
    }

    pub(crate) fn serve_notify(&mut self, from: &Peer, out: &mut Vec<Output>) -> Result<Response, Rejection> {
        if self.status != Status::Member {
            return Err(Rejection::NotMember);
        }
        self.rectify(from.clone(), out);
        Ok(Response::Done)
    }

    /// `notifier` says that it is our predecessor.
    fn rectify(&mut self, notifier: Peer, out: &mut Vec<Output>) {
        match &self.predecessor {
            _ if notifier.id == self.me.id => {}
            None => self.set_predecessor(notifier, out),
            Some(known) if known.id == notifier.id => {
                if notifier.supersedes(known) {
                    self.set_predecessor(notifier, out);
                }
            }
            Some(known) if notifier.id.is_between(known.id, self.me.id) => {
                self.set_predecessor(notifier, out)
            }
            Some(known) if self.detector.is_given_up(known) => self.set_predecessor(notifier, out),
            Some(_) if self.operation.is_some() => self.notifier = Some(notifier),
            Some(known) => {
                let predecessor = known.clone();
                self.operation = Some(Operation::Rectify { predecessor: predecessor.clone(), notifier });
                self.call(predecessor, Request::Ping, Why::Rectify, out);
            }
        }
    }

    /// Whether the predecessor lives is known now.
    pub(crate) fn on_predecessor(&mut self, from: Peer, outcome: Outcome, out: &mut Vec<Output>) {
        match self.operation.take() {
            Some(Operation::Rectify { predecessor, notifier }) if predecessor.is_same_life(&from) => {
                let still = self.predecessor.as_ref().is_some_and(|known| known.is_same_life(&from));
                if matches!(outcome, Outcome::Answer(_) | Outcome::Busy) {
                    self.call(notifier, Request::Poke, Why::Tell, out);
                } else if still && self.detector.is_given_up(&from) {
                    self.set_predecessor(notifier, out);
                }
                self.resume_rectify(out);
            }
            other => self.operation = other,
        }
    }

    fn resume_rectify(&mut self, out: &mut Vec<Output>) {
        if self.operation.is_none()
            && let Some(notifier) = self.notifier.take()
        {
            self.rectify(notifier, out);
        }
    }

    fn set_predecessor(&mut self, peer: Peer, out: &mut Vec<Output>) {
        let before = self.predecessor.replace(peer.clone());
        out.push(Output::Event(Event::Predecessor(peer.clone())));
        self.finger_rounds = 0;
        self.unheard = Duration::ZERO;
        if self.successors.first().is_none() {
            self.stabilize_soon(out);
        }
        self.on_new_predecessor(before.as_ref(), &peer, out);
        set_timer(out, Timer::Repair, 200..400);
        // The one that stood there should look again at once; it only changes when, never what, it does.
        if let Some(before) =
            before.filter(|before| before.id != peer.id && !self.detector.is_given_up(before))
        {
            self.call(before, Request::Poke, Why::Tell, out);
        }
    }

    /// Stabilizes at once; after a poke that changed nothing, the next one counts only after a regular round,
    /// or two peers that disagree for good would never rest.
    pub(crate) fn serve_poke(&mut self, out: &mut Vec<Output>) -> Result<Response, Rejection> {
        self.pace = self.config.stabilize;
        if !self.poked {
            self.poked = true;
            set_timer(out, Timer::Stabilize, 20..100);
        }
        Ok(Response::Done)
    }

    pub(crate) fn serve_leave(&mut self, from: &Peer, out: &mut Vec<Output>) -> Result<Response, Rejection> {
        out.push(Output::Event(Event::HasLeft(from.clone())));
        self.bury(from, Departure::Left, out);
        Ok(Response::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::interface::Input;
    use crate::{Config, Id, Services};

    fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    #[test]
    fn a_successor_that_says_goodbye_while_it_is_asked_does_not_empty_the_list() {
        let mut node = Node::new(peer(10), Services::default(), Config::default());
        let mut out = Vec::new();
        node.status = Status::Member;
        let neighbors = Neighbors { predecessor: Some(peer(10)), successors: vec![peer(30), peer(40)] };
        node.follow(peer(20), neighbors, &mut out);
        node.stabilize(Duration::from_secs(1), &mut out);
        node.serve_leave(&peer(20), &mut out).unwrap();
        assert_eq!(node.successors.as_slice(), [peer(30), peer(40)]);
        let (why, took) = (Why::Stabilize, Duration::ZERO);
        let outcome = Outcome::Answer(Response::Unchanged);
        node.handle(Input::Reply { from: peer(20), why, took, outcome }, &mut out);
        assert_eq!(node.successors.as_slice(), [peer(30), peer(40)]);
        assert_eq!(node.operation, None);
    }
}
