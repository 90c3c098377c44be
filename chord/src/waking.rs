//! What a peer may say of its own place: after a long pause of its own, and while its predecessor is not heard.
//!
//! Others may have given it up meanwhile, and another peer may stand in its place.

use std::time::Duration;

use crate::interface::{Output, Why};
use crate::message::Request;
use crate::{Node, Peer};

/// The tick is set to at most this.
const TICK: Duration = Duration::from_millis(1050);

/// What a peer that woke from a long pause still has to check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waking {
    /// No stabilize round has been answered since.
    successor: bool,
    /// The predecessor has not answered since.
    predecessor: bool,
    /// It ends then, whatever was heard: whoever has not answered by then is given up.
    left: Duration,
}

impl Node {
    /// The tick came after so long: this peer itself may have been stopped.
    pub(crate) fn notice_pause(&mut self, after: Duration, out: &mut Vec<Output>) {
        let late = after.saturating_sub(TICK);
        self.round_trips.run_late(late, &self.config);
        self.waking = self.waking.take().and_then(|waking| {
            let left = waking.left.saturating_sub(after);
            (!left.is_zero()).then_some(Waking { left, ..waking })
        });
        if late <= self.config.give_up / 2 {
            return;
        }
        self.detector.begin_anew();
        let (successor, predecessor) = (self.successors.first().is_some(), self.predecessor.is_some());
        if successor || predecessor {
            self.waking = Some(Waking { successor, predecessor, left: self.config.give_up * 2 });
            self.stabilize_soon(out);
        }
    }

    /// Whether it does not know yet that its place is still its own.
    pub(crate) fn is_waking(&self) -> bool {
        let asks = |peer: &Peer| !self.detector.is_given_up(peer);
        self.waking.as_ref().is_some_and(|waking| {
            waking.successor || waking.predecessor && self.predecessor.as_ref().is_some_and(asks)
        })
    }

    /// A stabilize round was answered.
    pub(crate) fn check_successor(&mut self) {
        self.waking.iter_mut().for_each(|waking| waking.successor = false);
    }

    /// A call to a peer was answered.
    pub(crate) fn check_predecessor(&mut self, peer: &Peer) {
        let is_predecessor = self.predecessor.as_ref().is_some_and(|known| known.is_same_life(peer));
        self.waking.iter_mut().filter(|_| is_predecessor).for_each(|waking| waking.predecessor = false);
    }

    /// A peer was heard. If it is the predecessor after a silence in which it may have given this peer up,
    /// another one may have taken entries in its place.
    pub(crate) fn hear(&mut self, peer: &Peer) {
        if self.predecessor.as_ref().is_some_and(|known| known.is_same_life(peer)) {
            if self.unheard >= self.config.unheard() * 2 {
                self.complete = None;
                self.steady = Duration::ZERO;
            }
            self.unheard = Duration::ZERO;
        }
    }

    /// Whether the predecessor, if there is one, was heard lately, so that it still names this peer to others.
    pub(crate) fn hears_predecessor(&self) -> bool {
        !self.is_waking() && (self.predecessor.is_none() || self.unheard < self.config.unheard())
    }

    /// A predecessor that ceases to stabilize is asked whether it lives.
    pub(crate) fn listen_for_predecessor(&mut self, after: Duration, out: &mut Vec<Output>) {
        let Some(predecessor) = self.predecessor.clone() else {
            self.unheard = Duration::ZERO;
            return;
        };
        self.unheard = (self.unheard + after).min(self.config.unheard() * 2);
        let asked = self.detector.is_suspect(predecessor.id) || self.detector.is_given_up(&predecessor);
        if self.unheard >= self.config.unheard() && !asked {
            self.call(predecessor, Request::Ping, Why::Probe, out);
        }
    }
}
