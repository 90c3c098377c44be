//! The configurations that are checked.

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

/// Those of every test run.
pub fn usual() -> Vec<Setup> {
    let leaves = Budget { crashes: MANY, leaves: MANY, restarts: 0, suspicions: 0, losses: MANY };
    let restart = Budget { restarts: 1, ..leaves };
    let suspicion = Budget { suspicions: 1, ..leaves };
    let lists = &[Invariant::NoDuplicates, Invariant::OrderedSuccessorLists];
    vec![
        Setup { budget: leaves, ..Setup::base("a1 base of 3", 6, 2, &[0, 2, 4]) },
        Setup { budget: restart, ..Setup::base("a2 base of 3, one restart", 5, 2, &[0, 2, 4]) },
        Setup { budget: leaves, ..Setup::base("a3 base of 4", 6, 3, &[0, 2, 3, 5]) },
        Setup {
            budget: leaves,
            grain: Grain::QueryThenNotify,
            ..Setup::base("a4 base of 3, late notifies", 5, 2, &[0, 2, 4])
        },
        Setup {
            budget: suspicion,
            judged: lists,
            ..Setup::base("b1 base of 3, one wrong suspicion", 5, 2, &[0, 2, 4])
        },
        Setup {
            budget: suspicion,
            judged: lists,
            repair: true,
            ..Setup::base("b2 base of 3, one wrong suspicion, repair", 4, 2, &[0, 1, 2])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("c1 from one", 3, 2, &[0])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("c2 from one", 4, 2, &[0])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("c3 from two", 4, 2, &[0, 2])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("c4 from two", 4, 3, &[0, 2])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("c5 from three", 4, 2, &[0, 1, 2])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::Any,
            judged: lists,
            repair: true,
            ..Setup::base("d1 any, repair", 3, 2, &[0, 1, 2])
        },
        Setup {
            budget: leaves,
            assumption: Assumption::Any,
            judged: lists,
            repair: true,
            ..Setup::base("d2 any, repair", 4, 2, &[0, 1, 2])
        },
        Setup {
            budget: Budget { crashes: 1, losses: 1, ..Budget::default() },
            grain: Grain::Message,
            under_way: 3,
            ..Setup::base("e1 messages", 4, 2, &[0, 1, 2])
        },
        Setup {
            budget: Budget { crashes: 1, ..Budget::default() },
            grain: Grain::Message,
            under_way: 3,
            assumption: Assumption::LiveSuccessors,
            judged: WITHOUT_BASE,
            ..Setup::base("e2 messages from two", 3, 2, &[0, 1])
        },
    ]
}

/// Those of `make model`.
pub fn larger() -> Vec<Setup> {
    vec![Setup::base("z base of 3", 7, 2, &[0, 2, 4])]
}
