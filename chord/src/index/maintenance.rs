//! The keepers' side of the protocol: hand-over on join and leave, repair of copies, and who may say
//! "nobody has it".

use std::time::Duration;

use super::{KeptBatch, PublisherDigest};
use crate::interface::{Output, Status, Timer, Why, about};
use crate::message::{HandedOver, Outcome, Request, Response};
use crate::{Id, Node, Peer};

/// Hand-overs at a time; a further one waits for the next repair.
const AT_ONCE: usize = 16;
/// Publishers that are told of a change at a time; the others learn of it when they renew.
const TOLD: usize = 256;
/// Times that one message of a hand-over is sent.
const TRIES: u8 = 3;
/// After so long as a member, a peer has heard of all others.
const ACQUAINTED: Duration = Duration::from_secs(5);
/// Publishers that are doubted at most; one is as good as many.
const DOUBTS: usize = 256;

/// Entries on their way to a new keeper, one message at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HandOver {
    to: Peer,
    arc: (Id, Id),
    /// Only these publishers'; none = all.
    only: Option<Vec<Id>>,
    /// Only what they said here themselves: the receiver is responsible, and knows better what is gone.
    first_hand: bool,
    /// What has been acknowledged, as (publisher, key).
    cursor: Option<(Id, Id)>,
    /// Where the message under way ends; none = it is the last.
    reached: Option<(Id, Id)>,
    done: Option<HandedOver>,
    tries: u8,
}

impl Node {
    /// The own arc is (this, own identifier].
    pub(crate) fn arc_from(&self) -> Id {
        self.predecessor.as_ref().map_or(self.me.id, |peer| peer.id)
    }

    /// How far an arc reaches back from here; (me, me] is the whole ring.
    fn span(&self, from: Id) -> (bool, Id) {
        (from == self.me.id, from.distance_to(self.me.id))
    }

    /// Where all that is known to be complete starts, unless some publisher may have more.
    fn known_from(&self) -> Option<Id> {
        self.complete.filter(|_| self.doubts.is_empty())
    }

    /// Whether all entries of the own arc are known here.
    pub(crate) fn is_arc_complete(&self) -> bool {
        let living = self.predecessor.as_ref().is_none_or(|peer| !self.detector.is_given_up(peer));
        let known = self.known_from().is_some_and(|from| self.span(from) >= self.span(self.arc_from()));
        living && known && self.hears_predecessor()
    }

    /// Whether the peers that this one knows are all there are, as far as it can tell: it is no newcomer, and
    /// has given up nobody within a lease, who may be in another part.
    pub(crate) fn knows_all_publishers(&self) -> bool {
        let lives = |id: Id| self.contacts.from(id).next().is_some_and(|peer| peer.id == id);
        self.member_for >= ACQUAINTED && self.reunion.given_up_within(self.config.lease).all(lives)
    }

    /// Whether all entries of this key are known here.
    pub(crate) fn is_complete_for(&self, key: Id) -> bool {
        self.known_from().is_some_and(|from| key.is_within(from, self.me.id))
    }

    /// A peer spoke. Where it was held to be gone, it may have been in another part of the ring, and may have
    /// published there what this peer was not told.
    pub(crate) fn doubt(&mut self, peer: &Peer) {
        let gone = self.detector.is_given_up(peer) || self.contacts.is_gone(peer);
        if gone && peer.incarnation != 0 {
            self.doubt_life(peer);
        }
    }

    /// The lease of a publisher has run out here. Unless it is gone, it could not reach this peer.
    pub(crate) fn doubt_expired(&mut self, publisher: &Peer) {
        if !self.detector.is_given_up(publisher) && !self.contacts.is_gone(publisher) {
            self.doubt_life(publisher);
        }
    }

    fn doubt_life(&mut self, peer: &Peer) {
        if self.doubts.len() < DOUBTS {
            self.doubts.insert(peer.id, Duration::ZERO);
        }
    }

    /// After this time it has renewed with everybody whom it holds to be its keeper, and has learnt who they are now.
    pub(crate) fn pass_doubts(&mut self, time: Duration) {
        let lasts = self.config.renewal() * 3 / 2;
        self.doubts.retain(|_, age| {
            *age += time;
            *age < lasts
        });
    }

    /// The arc has not grown for longer: after a whole lease, every living publisher has renewed here.
    pub(crate) fn grow_steady(&mut self, time: Duration) {
        let living = self.predecessor.as_ref().is_none_or(|peer| !self.detector.is_given_up(peer));
        if self.status != Status::Member || !living {
            self.steady = Duration::ZERO;
            return;
        }
        self.steady += time;
        if self.steady >= self.config.lease + self.config.renewal() && !self.is_arc_complete() {
            self.complete = Some(self.arc_from());
        }
    }

    /// The arc (`from`, `to`] is one peer's; of those before this peer, it is kept here, too.
    fn learn_arc(&mut self, from: Id, to: Id) {
        self.follow_own_arc();
        let at = self.kept_from.iter().position(|start| *start == to);
        if let Some(at) = at
            && self.span(from) > self.span(to)
            && self.kept_from.get(at + 1) != Some(&from)
        {
            self.kept_from.truncate(at + 1);
            self.kept_from.push(from);
            self.kept_from.truncate(self.config.replicas);
        }
    }

    fn follow_own_arc(&mut self) {
        let own = self.arc_from();
        let mut starts = std::mem::take(&mut self.kept_from);
        starts.retain(|start| self.span(*start) > self.span(own));
        starts.insert(0, own);
        starts.truncate(self.config.replicas);
        self.kept_from = starts;
    }

    /// Others keep what lies farther back than the arcs that are kept here: this peer is not told of changes
    /// there, so that it can't vouch for them any longer.
    fn forget_farther(&mut self) {
        self.follow_own_arc();
        if let (Some(known), Some(kept)) = (self.complete, self.kept_from.last().copied())
            && self.span(known) > self.span(kept)
        {
            self.complete = Some(kept);
        }
    }

    /// The predecessor has changed: a newcomer gets what it should keep.
    pub(crate) fn on_new_predecessor(&mut self, before: Option<&Peer>, now: &Peer, out: &mut Vec<Output>) {
        let from = before.map_or(self.me.id, |peer| peer.id);

        if self.span(now.id) > self.span(from) {
            self.steady = Duration::ZERO;
        } else {
            let known = self.known_from().filter(|complete| now.id.is_between(*complete, self.me.id));
            let all = known.is_some_and(|complete| self.span(complete) >= self.span(from));
            self.owes = (!all).then(|| now.clone());
            let done = HandedOver { arc: (known.unwrap_or(from), now.id), complete: known.is_some() };
            self.hand_over(now.clone(), (self.me.id, now.id), None, Some(done), out);
            self.forget_farther();
            // (a, a] is the whole ring: a later life of the same predecessor takes nothing away.
            if now.id != from {
                self.tell_publishers((from, now.id), out);
            }
        }
    }

    /// All from `from` on is known now: so is the part that the predecessor was handed too early.
    fn settle_debt(&mut self, from: Id, out: &mut Vec<Output>) {
        let Some(peer) = self.owes.clone() else { return };
        let stands = self.predecessor.as_ref().is_some_and(|predecessor| predecessor.is_same_life(&peer));
        if !stands {
            self.owes = None;
        } else if peer.id.is_between(from, self.me.id) {
            let arc = (from, peer.id);
            self.compare_with(peer, arc, true, out);
        }
    }

    /// The debt is settled once its peer has got all, or says that it has.
    fn is_settled(&mut self, peer: &Peer) {
        self.owes.take_if(|owed| owed.is_same_life(peer));
    }

    /// An arc has gone to the predecessor: its publishers place those keys anew, for the predecessor may not
    /// be the right place either, while the ring is still finding its order.
    fn tell_publishers(&mut self, lost: (Id, Id), out: &mut Vec<Output>) {
        let arc = self.kept_arc();
        let lost = self.keeper.digests(lost.0, lost.1).into_iter().filter(|lost| lost.digest.count > 0);
        let publishers = lost.map(|digest| digest.publisher);
        for publisher in publishers.filter(|peer| peer.id != self.me.id).take(TOLD) {
            self.call(publisher, Request::Moved(arc.clone()), Why::Tell, out);
        }
        self.publisher.confirm(self.me.id, self.me.id, &arc);
        self.drive_publisher(out);
    }

    /// Compares the own arc with the peers that keep copies of it.
    pub(crate) fn repair(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        out.push(Output::SetTimer { timer: Timer::Repair, after: about(self.config.renewal() / 2) });
        let copies: Vec<Peer> =
            self.successors.as_slice().iter().take(self.config.replicas - 1).cloned().collect();
        for peer in copies {
            self.compare_with(peer, (self.arc_from(), self.me.id), self.is_arc_complete(), out);
        }
        if let Some(from) = self.known_from() {
            self.settle_debt(from, out);
        }
        self.drop_foreign();
    }

    /// Drops what others keep and kept at the last repair already: not at once, for a ring may still be finding its
    /// order. Nothing, as long as the arcs that are copied here are not all known.
    fn drop_foreign(&mut self) {
        self.follow_own_arc();
        let all = self.kept_from.len() == self.config.replicas;
        let kept = self.kept_from.last().copied().filter(|_| all);
        let before = std::mem::replace(&mut self.kept_lately, kept);
        if let (Some(kept), Some(before)) = (kept, before) {
            let farther = if self.span(before) > self.span(kept) { before } else { kept };
            self.keeper.drop_foreign(farther, self.me.id);
        }
    }

    /// Offers what is kept of an arc to a peer that should have the same; `complete`: it is all there is.
    pub(crate) fn compare_with(&self, peer: Peer, arc: (Id, Id), complete: bool, out: &mut Vec<Output>) {
        let publishers = self.keeper.digests(arc.0, arc.1);
        let request = Request::Compare { arc, complete, publishers };
        self.call(peer, request, Why::Compare { arc, complete }, out);
    }

    pub(crate) fn serve_compare(
        &mut self,
        from: &Peer,
        arc: (Id, Id),
        complete: bool,
        publishers: &[PublisherDigest],
        out: &mut Vec<Output>,
    ) -> Response {
        let mut wanted = self.keeper.compare(arc.0, arc.1, publishers);
        // Of its own entries this peer needs nobody's copies.
        wanted.retain(|publisher| *publisher != self.me.id);
        let differs = !wanted.is_empty();
        if arc.1 == from.id {
            wanted.retain(|publisher| !self.keeper.is_being_told(*publisher));
        }
        if complete && !differs && arc.1 == self.me.id {
            self.know_all_from(arc.0, out);
        }
        // An equal copy of a complete arc that touches ours makes us complete from its start on.
        if complete && !differs && arc.1 == from.id {
            let touches = |own: Id| own == arc.1 || arc.1.is_within(own, self.me.id);
            let farther = |own: Id| self.span(arc.0) > self.span(own);
            if self.complete.is_some_and(|own| touches(own) && farther(own)) {
                self.complete = Some(arc.0);
            }
        }
        if arc.1 == from.id {
            self.learn_arc(arc.0, arc.1);
            self.forget_farther();
        }
        // A publisher may reach this keeper and not the one that is responsible.
        if arc.1 == from.id && self.keeper.has_more(arc.0, arc.1, publishers, self.config.lease) {
            self.compare_with(from.clone(), arc, false, out);
        }
        Response::Wanted(wanted)
    }

    pub(crate) fn on_compared(
        &mut self,
        from: Peer,
        (arc, complete): ((Id, Id), bool),
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        // A repair that was under way when the leave began would be in the way of the hand-over to the heir.
        if self.status == Status::Leaving && arc.0 != arc.1 {
            return;
        }
        match outcome {
            Outcome::Answer(Response::Wanted(wanted)) if !wanted.is_empty() => {
                let done = (arc.1 == from.id).then_some(HandedOver { arc, complete });
                self.hand_over(from, arc, Some(wanted), done, out);
            }
            Outcome::Answer(_) if complete && arc.1 == from.id => self.is_settled(&from),
            _ => self.handed_all_over(out),
        }
    }

    fn hand_over(
        &mut self,
        to: Peer,
        arc: (Id, Id),
        only: Option<Vec<Id>>,
        done: Option<HandedOver>,
        out: &mut Vec<Output>,
    ) {
        let under_way = self.hand_overs.iter().any(|other| other.to.id == to.id);
        if under_way && done.is_none() {
            return;
        }
        self.hand_overs.retain(|other| other.to.id != to.id);
        if self.hand_overs.len() < AT_ONCE {
            let first_hand =
                arc.1 == to.id && done.as_ref().is_some_and(|done| !done.complete) && only.is_some();
            let hand_over =
                HandOver { to, arc, only, first_hand, cursor: None, reached: None, done, tries: 0 };
            self.send_portion(hand_over, out);
        }
    }

    fn send_portion(&mut self, mut hand_over: HandOver, out: &mut Vec<Output>) {
        let only = hand_over.only.as_deref();
        let (mut publishers, reached, all) = self.keeper.portion(
            hand_over.arc,
            only,
            hand_over.cursor,
            self.config.batch,
            hand_over.first_hand,
        );
        publishers.iter_mut().for_each(|batch| batch.given_up |= !self.is_alive(&batch.publisher));
        if let Some(done) = &mut hand_over.done {
            done.complete &= all;
        }
        let done = if reached.is_none() { hand_over.done.clone() } else { None };
        hand_over.reached = reached;
        let why = Why::HandOver { arc: hand_over.arc, reached };
        self.call(hand_over.to.clone(), Request::HandOver { publishers, done }, why, out);
        self.hand_overs.push(hand_over);
    }

    /// One message of a hand-over has been answered; that of one which was replaced meanwhile does not count.
    pub(crate) fn on_handed_over(
        &mut self,
        from: Peer,
        (arc, reached): ((Id, Id), Option<(Id, Id)>),
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let sent =
            |other: &HandOver| other.to.is_same_life(&from) && (other.arc, other.reached) == (arc, reached);
        let Some(at) = self.hand_overs.iter().position(sent) else { return };
        let mut hand_over = self.hand_overs.remove(at);
        match outcome {
            Outcome::Answer(_) if hand_over.reached.is_some() => {
                hand_over.cursor = hand_over.reached.take();
                hand_over.tries = 0;
                self.send_portion(hand_over, out);
            }
            Outcome::Busy | Outcome::Silent if hand_over.tries < TRIES => {
                hand_over.tries += 1;
                self.send_portion(hand_over, out);
            }
            outcome => {
                let complete = hand_over.done.is_some_and(|done| done.complete);
                if complete && matches!(outcome, Outcome::Answer(_)) {
                    self.is_settled(&from);
                }
                self.handed_all_over(out);
            }
        }
    }

    pub(crate) fn serve_hand_over(
        &mut self,
        publishers: &[KeptBatch],
        done: Option<HandedOver>,
        out: &mut Vec<Output>,
    ) -> Response {
        for batch in publishers.iter().filter(|batch| batch.publisher.id != self.me.id) {
            self.keeper.accept(batch, self.config.lease);
        }
        if let Some(HandedOver { arc: (from, to), complete: true }) = done
            && to == self.me.id
        {
            self.know_all_from(from, out);
        }
        Response::Done
    }

    /// All entries of the arc from `from` on are known here now.
    fn know_all_from(&mut self, from: Id, out: &mut Vec<Output>) {
        if self.complete.is_none_or(|own| self.span(from) > self.span(own)) {
            self.complete = Some(from);
            if let Some(from) = self.known_from() {
                self.settle_debt(from, out);
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

    fn complete() -> Node {
        let mut node = Node::new(peer(30), Services::default(), Config::default());
        node.status = Status::Member;
        node.predecessor = Some(peer(20));
        node.successors.adopt(&peer(40), &[peer(20)]);
        node.complete = Some(Id::from(10));
        node
    }

    #[test]
    fn who_comes_back_may_have_published_elsewhere() {
        let mut node = complete();
        node.meet(&peer(50));
        assert!(node.is_arc_complete() && node.is_complete_for(Id::from(15)));
        node.bury(&peer(50), crate::contacts::Departure::Failed, &mut Vec::new());
        assert!(node.is_arc_complete());
        node.meet(&peer(50));
        assert!(!node.is_arc_complete() && !node.is_complete_for(Id::from(15)));
        node.pass_doubts(node.config.lease);
        assert!(node.is_arc_complete(), "it has renewed since");
    }

    #[test]
    fn a_lease_that_ran_out_casts_doubt_unless_its_publisher_is_gone() {
        let mut node = complete();
        node.bury(&peer(50), crate::contacts::Departure::Failed, &mut Vec::new());
        node.doubt_expired(&peer(50));
        assert!(node.is_arc_complete());
        node.doubt_expired(&peer(60));
        assert!(!node.is_arc_complete());
    }
}
