//! The model checker: all that can happen to a small network of the daemon's own [`Node`]s, in any order.
//!
//! A [`Setup`] says which peers there are and what may go wrong; [`check`] visits every state that can be
//! reached, holds each against Zave's invariants ([`chord::invariants`]), and sees whether a number of rounds
//! without faults lead from it to the ideal ring. What is left out of a state: [`Node::forget_times_and_entries`].

mod action;
mod report;
mod rounds;
mod setups;
mod state;
mod step;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chord::invariants::Invariant;
use chord::{Config, Input, Node, Peer, Services, Slips, Timer};
use stateright::{Model, Property};

pub use action::Action;
pub use report::{Limits, Report, check, header};
pub use setups::{beyond, larger, slips, usual};
pub use state::{Budget, State};
pub use step::Grain;

use rounds::Rounds;
use state::{Hashed, Seat, address_of, peer_of};
use step::Step;

/// Which faults are let happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumption {
    /// Zave's: the first members of the ring never fail (r + 1 of them, where r is the lists' length), and
    /// nobody fails who is some member's last living successor.
    Base,
    /// Anybody may fail who is not some member's last living successor.
    LiveSuccessors,
    /// Anybody may fail, but for the last one.
    Any,
}

/// What is checked.
#[derive(Clone, Debug)]
pub struct Setup {
    /// As the table names it.
    pub name: &'static str,
    /// Peers that there may be.
    pub peers: usize,
    /// Length of the successor lists.
    pub length: usize,
    /// Which of the peers are members at first, in an ideal ring.
    pub initial: &'static [usize],
    /// Which faults.
    pub assumption: Assumption,
    /// How many of them.
    pub budget: Budget,
    /// What is one step.
    pub grain: Grain,
    /// Calls under way at a time, at most; timers wait.
    pub under_way: usize,
    /// Whether the repair layer's timer runs out, too, and all peers are each other's friends.
    pub repair: bool,
    /// Contacts that a peer remembers.
    pub contacts: usize,
    /// Errors put back.
    pub slips: Slips,
    /// The invariants that are to hold.
    pub judged: &'static [Invariant],
    /// Whether each state has to lead to the ideal ring.
    pub lively: bool,
}

impl Setup {
    fn config(&self) -> Config {
        let second = Duration::from_secs(1);
        Config {
            ring: "".into(),
            successors: self.length,
            replicas: 1,
            stabilize: second,
            stabilize_quiet: second,
            shortest_timeout: Config::default().call_timeout,
            contacts: self.contacts,
            slips: self.slips,
            ..Config::default()
        }
    }

    fn friends(&self, seat: usize) -> Vec<Peer> {
        let others = (0..self.peers).filter(|other| self.repair && *other != seat);
        others.map(|other| self.stranger(other)).collect()
    }

    fn first(&self) -> State {
        let ring: Vec<Peer> = self.initial.iter().map(|seat| peer_of(*seat, 1)).collect();
        let member = |seat: usize| {
            let at = self.initial.iter().position(|first| *first == seat)?;
            let others = |step: usize| ring[(at + step) % ring.len()].clone();
            let list: Vec<Peer> = (1..ring.len()).map(others).collect();
            let contacts = if self.contacts > 0 { list.clone() } else { Vec::new() };
            let mut node =
                Node::standing(ring[at].clone(), self.config(), list.last().cloned(), &list, &contacts);
            let mut out = Vec::new();
            node.wake(&mut out);
            node.handle(Input::Friends(self.friends(seat)), &mut out);
            node.forget_times_and_entries();
            node.forget_turns();
            node.forget_last_seen();
            Some(Hashed::new(Arc::new(node)))
        };
        let seat = |seat: usize| {
            let node = member(seat);
            Seat { lives: u64::from(node.is_some()), node }
        };
        State::new((0..self.peers).map(seat).collect(), self.budget)
    }

    /// Whether it makes a difference how long ago a peer was given up.
    fn may_wait(&self) -> bool {
        self.repair || self.budget.suspicions > 0
    }

    /// So much time passes that whoever was given up is asked again where others name it.
    fn wait(&self, state: &State) -> State {
        let mut step = Step::new(state, self.grain);
        // Longer ticks would be pauses of the peers themselves.
        for _ in 0..6 {
            for seat in 0..self.peers {
                step.timer(seat, Timer::Tick, self.config().give_up / 2);
            }
            step.settle();
        }
        step.finish()
    }

    /// What rounds without faults begin with: everybody has started, and nothing is news.
    fn calm(&self, state: &State) -> State {
        if self.initial.is_empty() {
            let missing: Vec<usize> = (0..self.peers).filter(|seat| state.node(*seat).is_none()).collect();
            let start = |state: State, seat: usize| self.take(&state, &Action::Start(seat)).unwrap_or(state);
            missing.into_iter().fold(state.branch(), start)
        } else if self.may_wait() {
            self.wait(state)
        } else {
            state.branch()
        }
    }

    fn joiner(&self, seat: usize, life: u64) -> Node {
        Node::new(peer_of(seat, life), Services::default(), self.config())
    }

    /// The peer under this number as a joiner knows it.
    fn stranger(&self, seat: usize) -> Peer {
        Peer { name: address_of(seat), ..peer_of(seat, 0) }
    }
}

/// A setup with what was learnt of its states.
pub(crate) struct Checked {
    setup: Setup,
    rounds: Rounds,
    deadline: Instant,
    /// The deadline has passed before all was visited.
    cut: AtomicBool,
    /// The search has ended, and its counter-examples are gone through once more.
    over: AtomicBool,
    /// In some state all peers that there may be were members at once.
    all_joined: AtomicBool,
    /// What was seen not to hold.
    broken: Mutex<BTreeSet<&'static str>>,
}

impl Checked {
    fn new(setup: Setup, deadline: Instant) -> Checked {
        Checked {
            setup,
            rounds: Rounds::default(),
            deadline,
            cut: AtomicBool::new(false),
            over: AtomicBool::new(false),
            all_joined: AtomicBool::new(false),
            broken: Mutex::default(),
        }
    }

    fn holds(&self, state: &State, invariant: Invariant) -> bool {
        !state.broken(self.setup.length).contains(&invariant) || !self.is_first(invariant.name())
    }

    /// Whether something has not been seen not to hold before: later counter-examples are no shorter.
    fn is_first(&self, name: &'static str) -> bool {
        self.broken.lock().is_ok_and(|mut broken| broken.insert(name))
    }
}

impl Model for Checked {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.setup.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.members().count() == self.setup.peers {
            self.all_joined.store(true, Ordering::Relaxed);
        }
        if Instant::now() > self.deadline && !self.over.load(Ordering::Relaxed) {
            self.cut.store(true, Ordering::Relaxed);
            return;
        }
        self.setup.actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.setup.take(state, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        use Invariant::*;
        type Condition = fn(&Checked, &State) -> bool;
        let conditions: [(Invariant, Condition); 8] = [
            (OneLiveSuccessor, |model, state| model.holds(state, OneLiveSuccessor)),
            (SufficientPrincipals, |model, state| model.holds(state, SufficientPrincipals)),
            (NoDuplicates, |model, state| model.holds(state, NoDuplicates)),
            (OrderedSuccessorLists, |model, state| model.holds(state, OrderedSuccessorLists)),
            (AtLeastOneRing, |model, state| model.holds(state, AtLeastOneRing)),
            (AtMostOneRing, |model, state| model.holds(state, AtMostOneRing)),
            (OrderedRing, |model, state| model.holds(state, OrderedRing)),
            (ConnectedAppendages, |model, state| model.holds(state, ConnectedAppendages)),
        ];
        let judged = conditions.into_iter().filter(|(invariant, _)| self.setup.judged.contains(invariant));
        let mut properties: Vec<_> =
            judged.map(|(invariant, condition)| Property::always(invariant.name(), condition)).collect();
        if self.setup.lively {
            properties.push(Property::always("LeadsToIdeal", |model, state| {
                model.rounds.until_ideal(state, &model.setup).is_some() || !model.is_first("LeadsToIdeal")
            }));
        }
        // Without a property that never fails the search would end with the last one found.
        properties.push(Property::sometimes("SearchedToTheEnd", |_, _| false));
        properties
    }
}
