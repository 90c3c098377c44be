//! The model checker's configurations that end soon, and the original Chord's errors, which it has to find.
//! Larger ones: `make model`.

use std::time::Duration;

use chordial_simulator::model::{Limits, Report, Setup, check, slips, usual};

/// Each takes seconds; this is for a machine that is busy.
const LIMITS: Limits = Limits { time: Duration::from_secs(600), threads: 2 };

/// Visits all states of the configurations with such names, and sees that everything holds in each.
fn holds(names: &str, rounds: u32) {
    let chosen: Vec<Setup> = usual().into_iter().filter(|setup| setup.name.starts_with(names)).collect();
    assert!(!chosen.is_empty(), "no configuration is named {names}");
    for setup in chosen {
        let report = check(&setup, LIMITS);
        println!("{report}");
        let traces: Vec<&str> = report.broken.iter().map(|(_, trace)| trace.as_str()).collect();
        assert!(traces.is_empty(), "{}", traces.join("\n"));
        assert!(report.complete, "not all states of \"{}\" were visited in time", setup.name);
        assert!(report.all_joined, "in \"{}\" nobody can join", setup.name);
        assert!(report.rounds <= rounds, "{report}");
    }
}

/// Puts one error back; `invariant` has to break.
fn bites(name: &str, invariant: &str) -> Report {
    let setup = slips().into_iter().find(|setup| setup.name == name).unwrap();
    let report = check(&setup, Limits { threads: 1, ..LIMITS });
    println!("{report}");
    let trace = report.broken.iter().find(|(broken, _)| broken == invariant);
    let Some((_, trace)) = trace else { panic!("{invariant} was not found to break: {report}") };
    println!("{trace}");
    let without = Setup { slips: Default::default(), ..setup };
    let report = check(&without, LIMITS);
    assert!(report.all_joined, "in \"{name}\" nobody can join");
    assert!(report.complete, "without the error put back all has to hold: {report}");
    report
}

#[test]
fn with_a_base_of_members_that_never_fail_everything_holds() {
    holds("base", 4);
}

#[test]
fn a_ring_that_grows_from_one_or_two_is_one_ring() {
    holds("small", 4);
}

#[test]
fn whoever_fails_four_rounds_repair_the_ring() {
    holds("any", 4);
}

#[test]
fn peers_that_start_together_found_one_ring() {
    holds("starting", 12);
}

#[test]
fn messages_in_any_order_do_no_harm() {
    holds("messages", 4);
}

#[test]
fn a_joiner_that_takes_one_unchecked_successor_is_found_out() {
    bites("join unchecked", "OneLiveSuccessor");
}

#[test]
fn an_unchecked_successor_in_stabilize_is_found_out() {
    bites("stabilize unchecked", "AtLeastOneRing");
}

#[test]
fn lists_with_duplicates_are_found_out() {
    bites("duplicates", "AtMostOneRing");
}

#[test]
fn lists_that_wrap_are_found_out() {
    bites("wrapping lists", "OrderedSuccessorLists");
    bites("wrapping lists, in time", "LeadsToIdeal");
}
