//! Running a check, and telling how it ended.

use std::fmt;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::{Action, Checked, Setup, State};

/// How far a check goes at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time.
    pub time: Duration,
    /// Threads; with one, the first counter-example found is a shortest one.
    pub threads: usize,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was checked.
    pub setup: Setup,
    /// Different states visited.
    pub states: usize,
    /// Steps of the longest way.
    pub depth: usize,
    /// Time taken.
    pub took: Duration,
    /// Rounds without faults after which the ring is ideal, at most.
    pub rounds: u32,
    /// Whether all states that can be reached were visited.
    pub complete: bool,
    /// Whether all peers that there may be were members at once in some state.
    pub all_joined: bool,
    /// What does not hold, by name, each with a trace.
    pub broken: Vec<(String, String)>,
}

/// Visits all states that can be reached, until something does not hold or a limit is met.
pub fn check(setup: &Setup, limits: Limits) -> Report {
    let begun = Instant::now();
    let model = Checked::new(setup.clone(), begun + limits.time);
    let checker =
        model.checker().threads(limits.threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let took = begun.elapsed();
    checker.model().over.store(true, Ordering::Relaxed);
    let mut broken: Vec<(String, String)> = checker
        .discoveries()
        .into_iter()
        .map(|(name, path)| (name.to_string(), trace(&checker.model().setup, name, path)))
        .collect();
    broken.sort();
    Report {
        setup: setup.clone(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        rounds: checker.model().rounds.most(),
        complete: broken.is_empty() && !checker.model().cut.load(Ordering::Relaxed),
        all_joined: checker.model().all_joined.load(Ordering::Relaxed),
        broken,
    }
}

/// A counter-example: each action one line, then each member's predecessor and list.
fn trace(setup: &Setup, name: &str, path: Path<State, Action>) -> String {
    let steps = path.into_vec();
    let mut text = format!("{} breaks {name} in {} steps:\n", setup.name, steps.len() - 1);
    for (number, (state, action)) in steps.iter().enumerate() {
        let broken: Vec<&str> = state.broken(setup.length).iter().map(|invariant| invariant.name()).collect();
        let _ = write!(text, "{state}");
        if !broken.is_empty() {
            let _ = writeln!(text, "        does not hold: {}", broken.join(", "));
        }
        if let Some(action) = action {
            let _ = writeln!(text, "{:>3}. {}", number + 1, setup.told(state, action));
        }
    }
    text
}

/// The head of the table that reports are the lines of.
pub fn header() -> String {
    let head =
        "| configuration | lists | peers | grain | states | depth | rounds to ideal | seconds | result |";
    format!("{head}\n|---|---|---|---|---|---|---|---|---|")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.broken.iter().map(|(name, _)| name.as_str()).collect();
        let result = match (self.broken.is_empty(), self.complete) {
            (true, true) => "holds, all states".to_string(),
            (true, false) => "nothing found; not complete".to_string(),
            (false, _) => format!("breaks {}", names.join(", ")),
        };
        let rounds = if self.setup.lively { self.rounds.to_string() } else { "–".into() };
        write!(
            f,
            "| {} | {} | {} | {:?} | {} | {} | {rounds} | {:.1} | {result} |",
            self.setup.name,
            self.setup.length,
            self.setup.peers,
            self.setup.grain,
            self.states,
            self.depth,
            self.took.as_secs_f64(),
        )
    }
}
