//! Every published table, with about a hundred peers instead of a thousand: what it claims holds at that size.

use std::thread::available_parallelism;

use chordial_simulator::tables::table::Table;
use chordial_simulator::tables::{ALL, Run, Scale};

fn measure(name: &str) -> Vec<Table> {
    let threads = available_parallelism().map_or(1, Into::into);
    let run = Run { scale: Scale::Quick, threads, progress: |_| {} };
    let measurement = ALL.iter().find(|measurement| measurement.name == name);
    let tables = (measurement.expect("there is such a table").tables)(&run);
    for table in &tables {
        println!("{}", table.text());
        assert!(!table.rows.is_empty(), "{} is empty", table.title);
        assert!(table.rows.iter().all(|row| row.cells.len() == table.columns.len()), "{}", table.title);
    }
    tables
}

fn all_targets_are_met(name: &str) {
    for table in measure(name) {
        assert_eq!(table.missed(), Vec::<String>::new(), "{}", table.title);
    }
}

#[test]
fn paths_are_no_longer_than_half_the_logarithm() {
    all_targets_are_met("path");
}

#[test]
fn lookups_right_after_many_vanish_are_all_right() {
    all_targets_are_met("failures");
}

#[test]
fn lists_of_three_do() {
    all_targets_are_met("three");
}

#[test]
fn no_lookup_fails_while_peers_join_and_vanish() {
    all_targets_are_met("churn");
}

#[test]
fn with_sessions_of_a_minute_lookups_are_right_at_the_first_call() {
    let missed: Vec<String> = measure("bamboo").iter().flat_map(Table::missed).collect();
    assert!(!missed.iter().any(|what| what.contains("right")), "{missed:?}");
}

#[test]
fn owners_are_one_call_away() {
    all_targets_are_met("one-hop");
}

#[test]
fn a_quiet_ring_is_quiet() {
    all_targets_are_met("quiet");
}

#[test]
fn the_dead_are_given_up_and_the_paused_are_not() {
    let given_up: Vec<String> =
        measure("detection").iter().flat_map(|table| &table.rows).map(|row| row.cells[1].clone()).collect();
    assert_eq!(given_up, ["10 of 10", "10 of 10", "0 of 10"], "killed, silent, paused");
}

#[test]
fn parted_rings_become_one() {
    all_targets_are_met("partitions");
}
