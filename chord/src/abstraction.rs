//! What the model checker leaves out of a node's state, so that its state space is finite.

use std::time::Duration;

use crate::Node;
use crate::dial_back::Door;
use crate::gossip::Gossip;
use crate::index::{Keeper, Publisher};

impl Node {
    /// Forgets what decides only *when* something happens (ages, paces, pokes, mere suspicions, who
    /// was dialled back, how far gossip has come) and what concerns entries only: states that differ in nothing
    /// else are one to the model checker, in which any timer may run out at any time.
    pub fn forget_times_and_entries(&mut self) {
        self.pace = self.config.stabilize;
        self.finger_rounds = 0;
        self.poked = false;
        self.detector.forget_times(self.config.give_up * 2);
        self.joining.forget_times();
        self.reunion.forget_times();
        self.contacts.forget_times();
        self.gossip = Gossip::default();
        self.door = Door::default();
        self.unheard = Duration::ZERO;
        self.keeper = Keeper::default();
        self.publisher = Publisher::default();
        self.complete = None;
        self.followed = true;
        self.kept_from.clear();
        self.kept_lately = None;
        self.doubts.clear();
        self.member_for = Duration::ZERO;
        self.owes = None;
        self.steady = Duration::ZERO;
        self.placing = false;
        self.hand_overs.clear();
    }

    /// Forgets what the successor's neighbours were last time, so that it is asked for them in full again.
    pub fn forget_last_seen(&mut self) {
        self.last_seen = None;
    }

    /// Forgets whose turn it is to be asked for another part of the ring.
    pub fn forget_turns(&mut self) {
        self.reunion.first_turn();
    }
}
