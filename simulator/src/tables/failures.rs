//! Table II of the Chord paper: many peers vanish at once, and lookups right then.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Table};
use super::world::{Lookups, World};
use super::{Run, Scale};
use crate::network::Weather;

/// Failed percent, mean path, mean time-outs.
const PAPER: [(usize, f64, f64); 6] = [
    (0, 3.84, 0.0),
    (10, 4.03, 0.60),
    (20, 4.22, 1.17),
    (30, 4.44, 2.02),
    (40, 4.69, 3.23),
    (50, 5.09, 5.10),
];

/// Table II of Stoica et al., ToN 2003.
pub fn table(run: &Run) -> Vec<Table> {
    let (peers, lookups) = match run.scale {
        Scale::Quick => (100, 500),
        Scale::Default | Scale::Full => (1000, 10_000),
    };
    let rows = run.each("failures", &PAPER, |(percent, path, timeouts)| {
        let measured = fail_at_once(peers, *percent, lookups);
        let in_papers = |of: f64| format!("{of:.2}");
        Row::new(vec![
            format!("{percent} %"),
            format!("{} of {}", measured.right, measured.asked),
            measured.hops.as_in_papers(),
            in_papers(*path),
            measured.timeouts.as_in_papers(),
            in_papers(*timeouts),
            in_papers(measured.calls.mean()),
        ])
        .target(measured.failed() == 0, format!("all right: {:?}", measured.faults.first()))
        .target(measured.hops.mean() <= *path, "the mean path is longer")
        .target(measured.timeouts.mean() <= *timeouts, "there are more time-outs")
    });
    vec![Table {
        title: format!("Lookups right after many of {peers} peers vanish at once (ToN 2003, Table II)"),
        notes: vec![
            "Successor lists of 20, fingers and lists only. All lookups are asked at the instant of the failure, and \
             no timer runs from then on: nothing is mended, and no lookup profits from another. Path: forwarding \
             hops, so the call in which the owner answers for itself is not counted; with it: calls. Mean, and 1st \
             and 99th percentile."
                .into(),
        ],
        columns: vec!["failed", "right", "path", "paper", "time-outs", "paper", "calls"],
        rows,
    }]
}

fn fail_at_once(peers: usize, percent: usize, lookups: usize) -> Lookups {
    let config = Config { successors: 20, contacts: 0, ..Config::default() };
    let mut world =
        World::settled(percent as u64, peers, config, Weather::default(), Duration::from_secs(60));
    world.network.freeze();
    (0..peers * percent / 100).for_each(|_| world.fail_any());
    world.look_up_many(lookups);
    world.judge()
}
