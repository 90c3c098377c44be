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
