//! Leaving gracefully: withdraw the own entries, hand over those of others, say goodbye.
//!
//! For the ring a leave is a failure that was announced; nothing is dropped before somebody else has it.

use crate::interface::{Output, Status, Why};
use crate::message::Request;
use crate::{Node, Peer};

/// How far a leave has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leaving {
    withdrawals: usize,
    handing_over: bool,
    farewells: Option<usize>,
}

impl Node {
    pub(crate) fn leave(&mut self, out: &mut Vec<Output>) {
        match self.status {
            Status::Leaving => return,
            Status::Joining => {
                self.status = Status::Leaving;
                return out.push(Output::Left);
            }
            Status::Member => self.status = Status::Leaving,
        }
        self.operation = None;
        self.hand_overs.clear();
        let keepers: Vec<Peer> =
            self.publisher.keepers().into_iter().filter(|peer| peer.id != self.me.id).collect();
        let heir = self.successors.first().cloned();
        self.leaving =
            Some(Leaving { withdrawals: keepers.len(), handing_over: heir.is_some(), farewells: None });
        self.keeper.withdraw(self.me.id);
        for keeper in keepers {
            self.call(keeper, Request::Withdraw, Why::Withdraw, out);
        }
        if let Some(heir) = heir {
            self.compare_with(heir, (self.me.id, self.me.id), false, out);
        }
        self.leave_on(out);
    }

    /// What this peer kept is with its heir, or can't be brought there.
    pub(crate) fn handed_all_over(&mut self, out: &mut Vec<Output>) {
        if let Some(leaving) = &mut self.leaving {
            leaving.handing_over = false;
            self.leave_on(out);
        }
    }

    pub(crate) fn on_farewell(&mut self, why: &Why, out: &mut Vec<Output>) {
        match (&mut self.leaving, why) {
            (Some(leaving), Why::Withdraw) => leaving.withdrawals = leaving.withdrawals.saturating_sub(1),
            (Some(Leaving { farewells: Some(farewells), .. }), Why::Farewell) => {
                *farewells = farewells.saturating_sub(1)
            }
            _ => {}
        }
        self.leave_on(out);
    }

    fn leave_on(&mut self, out: &mut Vec<Output>) {
        match &mut self.leaving {
            Some(Leaving { withdrawals: 0, handing_over: false, farewells: farewells @ None }) => {
                let mut neighbors: Vec<Peer> = self.successors.as_slice().to_vec();
                let predecessor = self.predecessor.iter().filter(|p| neighbors.iter().all(|n| n.id != p.id));
                neighbors.extend(predecessor.cloned().collect::<Vec<_>>());
                *farewells = Some(neighbors.len());
                if neighbors.is_empty() {
                    return out.push(Output::Left);
                }
                for neighbor in neighbors {
                    self.call(neighbor, Request::Leave, Why::Farewell, out);
                }
            }
            Some(Leaving { farewells: Some(0), .. }) => {
                self.leaving = None;
                out.push(Output::Left);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::interface::Input;
    use crate::message::{Outcome, Response};
    use crate::{Config, Id, Services};

    fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    #[test]
    fn the_end_of_a_repair_is_not_the_end_of_the_hand_over() {
        let mut node = Node::new(peer(10), Services::default(), Config::default());
        let mut out = Vec::new();
        node.status = Status::Member;
        node.predecessor = Some(peer(40));
        node.successors.adopt(&peer(20), &[peer(30)]);
        node.leave(&mut out);
        let mut compared = |from: u64, arc: (u64, u64)| {
            let why = Why::Compare { arc: (Id::from(arc.0), Id::from(arc.1)), complete: false };
            let outcome = Outcome::Answer(Response::Wanted(Vec::new()));
            node.handle(Input::Reply { from: peer(from), why, took: Duration::ZERO, outcome }, &mut out);
            out.iter().any(|output| matches!(output, Output::Call { why: Why::Farewell, .. }))
        };
        assert!(!compared(30, (40, 10)), "its heir has not answered");
        assert!(compared(20, (10, 10)));
    }
}
