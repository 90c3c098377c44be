//! The configurations that are checked.

use chord::Slips;
use chord::invariants::Invariant;

use super::{Assumption, Budget, Grain, Setup};

/// What holds without a base: all but that there is one.
const WITHOUT_BASE: &[Invariant] = &[
    Invariant::OneLiveSuccessor,
    Invariant::NoDuplicates,
    Invariant::OrderedSuccessorLists,
    Invariant::AtLeastOneRing,
    Invariant::AtMostOneRing,
    Invariant::OrderedRing,
    Invariant::ConnectedAppendages,
];

const MANY: u8 = u8::MAX;

/// What holds while a ring grows from one peer or two by several joins at once: for a moment it may go round twice.
const UNORDERED: &[Invariant] = &[
    Invariant::OneLiveSuccessor,
    Invariant::NoDuplicates,
    Invariant::OrderedSuccessorLists,
    Invariant::AtLeastOneRing,
    Invariant::AtMostOneRing,
    Invariant::ConnectedAppendages,
];

/// What the lists' own invariant gives, whatever happens.
const LISTS: &[Invariant] = &[Invariant::NoDuplicates, Invariant::OrderedSuccessorLists];

fn no_faults() -> Budget {
    Budget::default()
}

fn churn() -> Budget {
    Budget { crashes: MANY, leaves: MANY, losses: MANY, ..no_faults() }
}

/// Zave's assumption: the first members never fail.
fn base(name: &'static str, peers: usize, length: usize, initial: &'static [usize], budget: Budget) -> Setup {
    Setup {
        name,
        peers,
        length,
        initial,
        assumption: Assumption::Base,
        budget,
        grain: Grain::Query,
        under_way: usize::MAX,
        repair: false,
        contacts: 0,
        slips: Slips::default(),
        judged: &Invariant::ALL,
        lively: true,
    }
}

/// No base: a ring that starts as small as it likes.
fn small(
    name: &'static str,
    peers: usize,
    length: usize,
    initial: &'static [usize],
    budget: Budget,
) -> Setup {
    let assumption = Assumption::LiveSuccessors;
    Setup { assumption, judged: WITHOUT_BASE, ..base(name, peers, length, initial, budget) }
}

/// Anybody may fail at any time, and the repair layer is at work.
fn repair(
    name: &'static str,
    peers: usize,
    length: usize,
    initial: &'static [usize],
    budget: Budget,
) -> Setup {
    let assumption = Assumption::Any;
    Setup { assumption, judged: LISTS, repair: true, ..base(name, peers, length, initial, budget) }
}

/// Each message arrives in a step of its own.
fn messages(setup: Setup) -> Setup {
    Setup { grain: Grain::Message, under_way: 3, ..setup }
}

/// Those of every test run.
pub fn usual() -> Vec<Setup> {
    let restart = Budget { restarts: 1, ..churn() };
    let suspicion = Budget { suspicions: 1, ..churn() };
    let crash = Budget { crashes: 1, ..no_faults() };
    let loss = Budget { losses: 1, ..no_faults() };
    let wrong = Budget { suspicions: 1, ..no_faults() };
    vec![
        base("base", 6, 2, &[0, 2, 4], churn()),
        base("base, a restart", 5, 2, &[0, 2, 4], restart),
        base("base", 6, 3, &[0, 2, 3, 5], churn()),
        Setup { grain: Grain::QueryThenNotify, ..base("base", 5, 2, &[0, 2, 4], churn()) },
        Setup { judged: LISTS, ..base("base, a wrong suspicion", 4, 2, &[0, 1, 2], suspicion) },
        Setup { judged: UNORDERED, ..small("small, from one", 4, 2, &[0], churn()) },
        small("small, from two", 4, 2, &[0, 2], churn()),
        small("small, from two", 4, 3, &[0, 2], churn()),
        repair("any, repair", 4, 2, &[0, 1, 2], churn()),
        repair("any, repair, a wrong suspicion", 3, 2, &[0, 1, 2], suspicion),
        repair("any, repair, a restart", 3, 2, &[0, 1, 2], restart),
        Setup { contacts: 4, ..repair("any, repair, contacts", 3, 2, &[0, 1], churn()) },
        repair("starting together", 2, 2, &[], no_faults()),
        messages(base("messages, a crash", 4, 2, &[0, 1, 2], crash)),
        messages(small("messages, a crash", 3, 2, &[0, 1, 2], crash)),
        messages(small("messages, a leave", 3, 2, &[0, 1, 2], Budget { leaves: 1, ..no_faults() })),
        messages(small("messages, a loss", 3, 2, &[0, 1], loss)),
        messages(repair("messages, a wrong suspicion", 3, 2, &[0, 1, 2], wrong)),
        Setup {
            under_way: 2,
            ..messages(repair("messages, a restart", 3, 2, &[0, 1, 2], Budget { restarts: 1, ..crash }))
        },
    ]
}

/// Those of `make model`.
pub fn larger() -> Vec<Setup> {
    let restart = Budget { restarts: 1, ..churn() };
    let suspicion = Budget { suspicions: 1, ..churn() };
    let back = Budget { crashes: 1, restarts: 1, ..no_faults() };
    vec![
        base("base", 7, 2, &[0, 2, 4], churn()),
        base("base", 7, 3, &[0, 2, 4, 6], churn()),
        base("base", 8, 3, &[0, 2, 4, 6], churn()),
        base("base, a restart", 6, 2, &[0, 2, 4], restart),
        Setup { judged: LISTS, ..base("base, a wrong suspicion", 5, 2, &[0, 2, 4], suspicion) },
        Setup { judged: UNORDERED, ..small("small, from two", 5, 2, &[0, 2], churn()) },
        repair("any, repair", 5, 2, &[0, 2, 4], churn()),
        repair("any, repair, a wrong suspicion", 4, 2, &[0, 1, 2], suspicion),
        repair("starting together", 3, 2, &[], no_faults()),
        messages(repair("messages, a restart", 3, 2, &[0, 1, 2], back)),
    ]
}

/// What breaks beyond Zave's assumption.
pub fn beyond() -> Vec<Setup> {
    let suspicion = Budget { suspicions: 1, ..churn() };
    vec![
        base("base, a wrong suspicion", 4, 2, &[0, 1, 2], suspicion),
        small("small, from one", 4, 2, &[0], churn()),
        small("small, from two", 5, 2, &[0, 2], churn()),
        Setup { judged: &Invariant::ALL, ..small("no base, from three", 4, 2, &[0, 1, 2], churn()) },
        small("no base, from three", 5, 2, &[0, 1, 2], churn()),
        Setup { assumption: Assumption::Any, ..small("any, no repair", 4, 2, &[0, 1, 2], churn()) },
        Setup {
            assumption: Assumption::Any,
            judged: LISTS,
            ..small("any, no repair", 4, 2, &[0, 1, 2], churn())
        },
    ]
}

/// The original Chord's errors, put back one by one.
pub fn slips() -> Vec<Setup> {
    let none = Slips::default();
    let zave = |name, initial, slips| Setup { slips, ..base(name, 5, 2, initial, churn()) };
    let tiny = |name, length, initial, slips| Setup { slips, ..small(name, 4, length, initial, churn()) };
    vec![
        zave("join unchecked", &[0, 3, 4], Slips { join_unchecked: true, ..none }),
        zave("stabilize unchecked", &[0, 2, 4], Slips { stabilize_unchecked: true, ..none }),
        Setup {
            judged: &[Invariant::AtMostOneRing],
            lively: false,
            ..tiny("duplicates", 2, &[0], Slips { duplicates: true, ..none })
        },
        tiny("wrapping lists", 3, &[0, 2], Slips { wrapping: true, ..none }),
        Setup {
            judged: &[],
            ..tiny("wrapping lists, in time", 3, &[0, 2], Slips { wrapping: true, ..none })
        },
    ]
}
