//! Others are asked before a neighbour is given up, and carry messages to one that only they reach.
//!
//! Both are one thing (SWIM's ping-req with more to ask): another peer makes a short call in this peer's place
//! and sends on what comes of it. Nobody waits: the request is answered at once, the outcome is a request of its
//! own. Whoever brings a sign of life vouches for the suspect, and the next stabilize round goes through it;
//! so a pair of peers that can't reach each other still stands next to each other in the ring.

use crate::interface::{Output, Status, Why};
use crate::message::{Errand, Neighbors, Outcome, Rejection, Request, Response};
use crate::{Node, Peer};

/// Peers that are asked about a suspect at a time.
const ASKED: usize = 3;
/// Calls under way for others at most.
const RELAYS: usize = 64;

impl Node {
    /// Asks others about suspects that stand, or ought to stand, among the neighbours. With other peers it does
    /// no lasting harm to give them up wrongly, and it would cost most where many have failed.
    pub(crate) fn ask_others(&mut self, out: &mut Vec<Output>) {
        let Node { me, predecessor, successors, .. } = &*self;
        let from = predecessor.as_ref().map_or(me.id, |peer| peer.id);
        let to = successors.as_slice().last().map_or(me.id, |peer| peer.id);
        let near = |peer: &Peer| peer.id == from || peer.id.is_within(from, to);
        for (suspect, round) in self.detector.in_doubt(self.config.give_up, near) {
            let helpers = self.helpers(&suspect);
            // Others than last time, if there are others.
            let start = round * ASKED % helpers.len().max(1);
            for helper in helpers.iter().cycle().skip(start).take(ASKED.min(helpers.len())) {
                let request = Request::Relay { to: suspect.clone(), errand: Errand::Ping };
                self.call(helper.clone(), request, Why::Tell, out);
            }
        }
    }

    /// Who could be asked about a suspect: successors, then contacts behind it.
    fn helpers(&self, suspect: &Peer) -> Vec<Peer> {
        let usable = |peer: &&Peer| ![self.me.id, suspect.id].contains(&peer.id) && self.is_usable(peer);
        let successors = self.successors.as_slice();
        let listed = |peer: &&Peer| successors.iter().any(|known| known.id == peer.id);
        let contacts = self.contacts.from(suspect.id).filter(usable).filter(|peer| !listed(peer));
        successors.iter().filter(usable).chain(contacts.take(ASKED)).cloned().collect()
    }

    /// Has an errand to a peer done by whoever vouches for it. Tells whether somebody does.
    pub(crate) fn send_errand(&self, to: &Peer, errand: Errand, out: &mut Vec<Output>) -> bool {
        let Some(voucher) = self.detector.voucher(to, self.config.give_up).cloned() else { return false };
        self.call(voucher, Request::Relay { to: to.clone(), errand }, Why::Tell, out);
        true
    }

    /// Another peer asks for something that it can't ask itself.
    pub(crate) fn serve_relay(
        &mut self,
        asker: &Peer,
        to: Peer,
        errand: Errand,
        out: &mut Vec<Output>,
    ) -> Result<Response, Rejection> {
        if self.relays == RELAYS || to.id == self.me.id {
            return Err(Rejection::Busy);
        }
        self.relays += 1;
        let request = match errand {
            Errand::Ping => Request::Ping,
            Errand::Stabilize => Request::Stabilize { seen: 0 },
            Errand::Notify => Request::NotifyFor(asker.clone()),
        };
        self.call(to, request, Why::Relay { asker: asker.clone(), errand }, out);
        Ok(Response::Done)
    }

    /// What came of an errand: a sign of life is passed on.
    pub(crate) fn on_errand(
        &mut self,
        by: Peer,
        asker: Peer,
        errand: Errand,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        self.relays = self.relays.saturating_sub(1);
        let neighbors = match outcome {
            Outcome::Answer(Response::Neighbors(neighbors)) => Some(neighbors),
            Outcome::Answer(_) if errand != Errand::Stabilize => None,
            Outcome::Busy if errand == Errand::Stabilize => None,
            _ => return,
        };
        self.call(asker, Request::Relayed { by, neighbors }, Why::Tell, out);
    }

    /// A suspect lives, says `voucher`, and these are its neighbours. They are taken as if it had said so
    /// itself, unless an operation is open: the next round asks again.
    pub(crate) fn serve_relayed(
        &mut self,
        voucher: &Peer,
        by: Peer,
        neighbors: Option<Neighbors>,
        out: &mut Vec<Output>,
    ) -> Response {
        if self.detector.vouch(&by, voucher) {
            self.reunion.forget(by.id);
            self.hear(&by);
            self.check_predecessor(&by);
            let head = self.successors.first();
            let stands =
                head.is_none_or(|head| head.is_same_life(&by) || by.id.is_between(self.me.id, head.id));
            if let Some(neighbors) = neighbors
                && stands
                && self.status == Status::Member
                && self.operation.is_none()
            {
                self.follow(by, neighbors, out);
            }
        }
        Response::Done
    }
}
