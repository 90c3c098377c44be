//! Lists of three: the setting in which the best Rust Chord publishes its figures.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Table};
use super::world::{Lookups, World};
use super::{Run, Scale};
use crate::network::Weather;

/// Failed percent; percent right that rings publishes; ours to reach.
const RINGS: [(usize, f64, f64); 2] = [(10, 99.02, 99.9), (20, 96.85, 99.0)];

/// 1,600 peers with lists of three, some of which vanish at once.
pub fn table(run: &Run) -> Vec<Table> {
    let (peers, lookups) = match run.scale {
        Scale::Quick => (100, 500),
        Scale::Default | Scale::Full => (1600, 10_000),
    };
    let rows: Vec<_> = RINGS.iter().flat_map(|row| [(row, true), (row, false)]).collect();
    let rows = run.each("three", &rows, |((percent, theirs, target), frozen)| {
        let measured = fail_at_once(peers, *percent, lookups, *frozen);
        let right = 100.0 * measured.share_right();
        Row::new(vec![
            format!("{percent} %"),
            if *frozen { "at once, nothing mended" } else { "during the 30 s of repair" }.into(),
            format!("{right:.2} %"),
            format!("{theirs} %"),
            measured.hops.as_in_papers(),
            measured.timeouts.as_in_papers(),
        ])
        .target(right >= *target, format!("{target} % right: {:?}", measured.faults.first()))
    });
    vec![Table {
        title: format!("Lookups after some of {peers} peers vanish at once, lists of 3 (beside rings, 2026-07)"),
        notes: vec![
            "Fingers and lists only. At once: as in Table II, no timer runs. During repair: the lookups are spread \
             over the 30 s after the failure."
                .into(),
        ],
        columns: vec!["failed", "lookups", "right", "rings", "path", "time-outs"],
        rows,
    }]
}

fn fail_at_once(peers: usize, percent: usize, lookups: usize, frozen: bool) -> Lookups {
    let config = Config { successors: 3, contacts: 0, ..Config::default() };
    let mut world =
        World::settled(percent as u64, peers, config, Weather::default(), Duration::from_secs(60));
    if frozen {
        world.network.freeze();
    }
    (0..peers * percent / 100).for_each(|_| world.fail_any());
    if frozen {
        world.look_up_many(lookups);
    } else {
        let pause = Duration::from_secs(30) / lookups as u32;
        for _ in 0..lookups {
            world.look_up_any();
            world.network.run(pause);
        }
    }
    world.judge()
}
