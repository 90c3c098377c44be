//! The walk around the ring: every peer that can be found is asked for its own view.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chord::{Config, Id, Peer};
use chordial_proto::chord_v1::{GetRingResponse, NodeInfo, NodeState, PeerState, Replicas, RingPeer};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tonic::Status;

use super::agreement::{self, Condition, View};
use super::invariants::invariants;
use super::named::meant;
use super::node::info;
use crate::driver::{Handle, Snapshot};

/// Peers asked at most.
const PEERS: usize = 4096;
/// Peers asked at the same time.
const AT_ONCE: usize = 16;
/// Deadline of one answer, and of all.
const WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Names listed where the one asked for is unknown.
const NAMES: usize = 32;

/// All peers that were found.
pub(super) struct Walk {
    me: Peer,
    /// Who is asked; none: everybody.
    only: Option<BTreeSet<Id>>,
    answered: BTreeMap<Id, (View, NodeInfo)>,
    silent: BTreeMap<Id, Peer>,
    /// Not asked, for want of time.
    left: BTreeMap<Id, Peer>,
}

/// Walks from this peer on, over whom it and all that answer have for neighbours.
pub(super) async fn around(handle: &Handle, own: Snapshot, version: &str) -> Walk {
    let hints = own.fingers.iter().map(|(_, peer)| peer).chain(&own.contacts).cloned().collect::<Vec<_>>();
    let mut walk = Walk::from(own, version);
    hints.into_iter().for_each(|peer| walk.note(peer));
    walk.ask(handle).await
}

/// Asks this peer's own neighbours, and nobody else.
pub(super) async fn near(handle: &Handle, own: Snapshot, version: &str) -> Walk {
    let mut walk = Walk::from(own, version);
    walk.only = Some(walk.left.keys().copied().collect());
    walk.ask(handle).await
}

/// A peer's answer; none where it is malformed.
fn view(info: &NodeInfo) -> Option<View> {
    let condition = match info.state() {
        NodeState::Member => Condition::Member,
        NodeState::Leaving => Condition::Leaving,
        NodeState::Joining | NodeState::Unspecified => Condition::Joining,
    };
    let successors = info.successors.iter().take(chordial_proto::convert::MAX_PEERS).cloned();
    Some(View {
        peer: info.peer.clone()?.try_into().ok()?,
        condition,
        predecessor: info.predecessor.clone().map(Peer::try_from).transpose().ok()?,
        successors: successors.map(Peer::try_from).collect::<Result<_, _>>().ok()?,
    })
}

impl Walk {
    fn from(own: Snapshot, version: &str) -> Walk {
        let (answered, silent, left) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut walk = Walk { me: own.me.clone(), only: None, answered, silent, left };
        let info = info(own, version);
        if let Some(view) = view(&info) {
            walk.take(view, info);
        }
        walk
    }

    /// Asks those that are left, and whom they name, until the time is up.
    async fn ask(mut self, handle: &Handle) -> Walk {
        let deadline = Instant::now() + WITHIN.1;
        let mut under_way = BTreeMap::new();
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < AT_ONCE
                && self.answered.len() + self.silent.len() < PEERS
                && let Some((id, peer)) = self.next()
            {
                under_way.insert(id, peer.clone());
                let calls = handle.calls().clone();
                asked.push(async move { (calls.node(&peer.address, WITHIN.0).await, peer) });
            }
            let Ok(Some((answer, peer))) = tokio::time::timeout_at(deadline, asked.next()).await else {
                break;
            };
            under_way.remove(&peer.id);
            match answer.ok().and_then(|info| Some((view(&info)?, info))) {
                Some((view, info)) if view.peer.id == peer.id && info.ring == **handle.ring() => {
                    self.take(view, info);
                }
                _ => {
                    self.silent.insert(peer.id, peer);
                }
            }
            // Named again by those that have answered meanwhile.
            self.left.retain(|id, _| !under_way.contains_key(id));
        }
        self.left.append(&mut under_way);
        self
    }

    fn next(&mut self) -> Option<(Id, Peer)> {
        let asked = |id: &&Id| self.only.as_ref().is_none_or(|only| only.contains(*id));
        let id = *self.left.keys().find(asked)?;
        self.left.remove_entry(&id)
    }

    fn note(&mut self, peer: Peer) {
        let known = self.answered.contains_key(&peer.id) || self.silent.contains_key(&peer.id);
        if !known && self.left.len() < PEERS {
            self.left.insert(peer.id, peer);
        }
    }

    fn take(&mut self, view: View, info: NodeInfo) {
        let named: Vec<Peer> = view.neighbors().cloned().collect();
        self.silent.remove(&view.peer.id);
        self.left.remove(&view.peer.id);
        self.answered.insert(view.peer.id, (view, info));
        named.into_iter().for_each(|peer| self.note(peer));
    }

    /// The views of the members, in ring order, this peer's first.
    pub(super) fn members(&self) -> Vec<&View> {
        let members = self.answered.values().map(|(view, _)| view);
        let mut members: Vec<&View> = members.filter(|view| view.condition == Condition::Member).collect();
        members.sort_by_key(|view| self.me.id.distance_to(view.peer.id));
        members
    }

    /// The peers of the ring, this one first, and what is wrong with it.
    pub(super) fn report(self, config: &Config, replicas: Replicas) -> GetRingResponse {
        let me = self.me.id;
        let distance = |id: Id| me.distance_to(id);
        let members = self.members();
        // Only a peer that some member counts on is missed.
        let counted_on: BTreeSet<Id> =
            members.iter().flat_map(|view| view.neighbors()).map(|peer| peer.id).collect();
        let condition = |peer: &Peer| match self.answered.get(&peer.id) {
            Some((view, _)) if peer.incarnation < view.peer.incarnation => Condition::Restarted,
            Some((view, _)) => view.condition,
            None if self.left.contains_key(&peer.id) => Condition::Unasked,
            None => Condition::Silent,
        };
        let mut problems = agreement::problems(&members, condition, config);
        let mut invariants = Vec::new();
        if self.only.is_some() {
            // Of the others' neighbours, some were not asked.
            problems.retain(|problem| problem.peer == Some(self.me.clone().into()));
        } else if self.left.is_empty() {
            invariants = self::invariants(&members, config);
        } else {
            let what = format!("{} peers could not be asked in time", self.left.len());
            problems.push(agreement::problem(&self.me, what, "ask again"));
        }
        let agreed = problems.is_empty() && invariants.iter().all(|invariant| invariant.holds);

        let share = |id: Id| match members.iter().position(|view| view.peer.id == id) {
            Some(_) if members.len() == 1 => 1.0,
            Some(at) => members[(at + members.len() - 1) % members.len()].peer.id.distance_to(id).fraction(),
            None => 0.0,
        };
        let answered = self.answered.values().filter_map(|(view, info)| {
            let state = match view.condition {
                Condition::Member => PeerState::Member,
                Condition::Leaving if counted_on.contains(&view.peer.id) => PeerState::Leaving,
                Condition::Leaving if view.peer.id == me => PeerState::Leaving,
                _ => return None,
            };
            Some((&view.peer, Some(info), state))
        });
        let silent = self.silent.values().filter(|peer| counted_on.contains(&peer.id));
        let silent = silent.map(|peer| (peer, None, PeerState::Suspected));
        let mut peers: Vec<(&Peer, Option<&NodeInfo>, PeerState)> = answered.chain(silent).collect();
        peers.sort_by_key(|(peer, _, _)| distance(peer.id));
        let peers = peers.into_iter().map(|(peer, info, state)| RingPeer {
            node: info.cloned(),
            peer: Some(peer.clone().into()),
            share: share(peer.id),
            state: state.into(),
        });
        GetRingResponse {
            // Where the arcs of some begin is not known unless all were asked.
            peers: if self.only.is_none() { peers.collect() } else { Vec::new() },
            agreed,
            problems,
            invariants,
            replicas: Some(replicas),
            list_length: config.successors as u32,
        }
    }

    /// The peer of this name or hexadecimal identifier.
    pub(super) fn named(self, wanted: &str) -> Result<NodeInfo, Status> {
        let meant = meant(wanted);
        let (fitting, others): (Vec<_>, Vec<_>) =
            self.answered.into_values().partition(|(view, _)| meant(&&view.peer));
        if fitting.len() > 1 {
            let ids: Vec<String> = fitting.iter().map(|(view, _)| view.peer.id.to_string()).collect();
            return Err(Status::invalid_argument(format!(
                "several peers are called {wanted:?}: give the identifier of one ({})",
                ids.join(", ")
            )));
        }
        fitting.into_iter().next().map(|(_, info)| info).ok_or_else(|| {
            let mut names: Vec<&str> = others.iter().map(|(view, _)| &*view.peer.name).collect();
            names.sort_unstable();
            names.truncate(NAMES);
            let wanted: String = wanted.chars().take(64).collect();
            Status::not_found(format!(
                "no peer {wanted:?} answers in this ring; these do: {}",
                names.join(", ")
            ))
        })
    }
}
