//! Liveness: rounds without faults, until the ring is ideal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use chord::{Id, Timer};

use super::Setup;
use super::state::State;
use super::step::{Grain, Step};
use crate::ideal;

/// Rounds after which a state counts as one that never comes to rest.
const LIMIT: usize = 200;

/// How many rounds each state needs, as far as known; none: they never end.
#[derive(Default)]
pub(super) struct Rounds {
    known: Mutex<HashMap<u64, Option<u32>>>,
}

impl Rounds {
    /// Rounds until the ring is ideal and stays so; none: it never is.
    pub(super) fn until_ideal(&self, state: &State, setup: &Setup) -> Option<u32> {
        let mut way = Vec::new();
        let mut at = setup.calm(state);
        let mut rounds = loop {
            let hash = at.hash_all();
            if let Some(known) = self.known(hash) {
                break known;
            }
            let next = round(&at, setup.repair);
            if is_ideal(&at) && is_ideal(&next) {
                self.learn(hash, Some(0));
                break Some(0);
            }
            way.push(hash);
            if way.len() > LIMIT {
                break None;
            }
            at = next;
        };
        for hash in way.into_iter().rev() {
            rounds = rounds.map(|rounds| rounds + 1);
            self.learn(hash, rounds);
        }
        rounds
    }

    fn known(&self, state: u64) -> Option<Option<u32>> {
        self.known.lock().ok()?.get(&state).copied()
    }

    fn learn(&self, state: u64, rounds: Option<u32>) {
        if let Ok(mut known) = self.known.lock() {
            known.insert(state, rounds);
        }
    }

    /// The most that any state needed so far.
    pub(super) fn most(&self) -> u32 {
        self.known.lock().map_or(0, |known| known.values().flatten().copied().max().unwrap_or(0))
    }
}

/// Whether all members stand exactly where they should, and nobody is on the way.
pub(super) fn is_ideal(state: &State) -> bool {
    let mut ids: Vec<Id> = state.members().map(|(_, node)| node.me().id).collect();
    ids.sort();
    state.calls.is_empty()
        && state.nodes().count() == ids.len()
        && state.members().all(|(_, node)| ideal::flaw(&ids, node).is_none())
}

/// What is under way arrives; then each peer's timers run out once, one peer after another.
pub(super) fn round(state: &State, repair: bool) -> State {
    let mut step = Step::new(state, Grain::Whole).keep_turns();
    while !step.state.calls.is_empty() {
        step.deliver(0);
        step.settle();
    }
    for seat in 0..step.state.seats.len() {
        for timer in [Timer::Join, Timer::Stabilize, Timer::Reunite] {
            let due = match timer {
                Timer::Join => step.status(seat) == Some(chord::Status::Joining),
                Timer::Reunite => repair,
                _ => true,
            };
            if due {
                step.timer(seat, timer, Duration::from_secs(1));
                step.settle();
            }
        }
    }
    step.finish()
}
