//! Table III of the Chord paper: lookups while peers join and vanish all the time.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Table};
use super::world::{Lookups, World};
use super::{Run, Scale};
use crate::network::Weather;

/// Joins per second, and as many failures; failed lookups of 10,000; mean path from … to; time-outs likewise.
const PAPER: [(f64, usize); 8] =
    [(0.05, 0), (0.10, 0), (0.15, 2), (0.20, 5), (0.25, 6), (0.30, 8), (0.35, 16), (0.40, 15)];

/// Table III of Stoica et al., ToN 2003, at the paper's stabilization period and at ours.
pub fn table(run: &Run) -> Vec<Table> {
    // The paper asks once a second.
    let (peers, lookups, per_second) = match run.scale {
        Scale::Quick => (100, 300, 1.0),
        Scale::Default => (1000, 10_000, 10.0),
        Scale::Full => (1000, 10_000, 1.0),
    };
    let slow = Config {
        stabilize: Duration::from_secs(30),
        stabilize_quiet: Duration::from_secs(30),
        // All fingers within one period: about ten of them differ.
        fix_fingers: Duration::from_secs(3),
        ..Config::default()
    };
    let periods = [("30 s", slow), ("1 to 1.5 s", Config::default())];
    let rows: Vec<_> = periods
        .iter()
        .flat_map(|(period, config)| PAPER.map(|(rate, failed)| (*period, config, rate, failed)))
        .filter(|(_, _, rate, _)| run.scale != Scale::Quick || *rate == 0.05 || *rate == 0.40)
        .collect();
    let rows = run.each("churn", &rows, |(period, config, rate, failed)| {
        let config = Config { successors: 20, contacts: 0, ..(*config).clone() };
        // As much of the ring joins and fails as in the paper's.
        let rate = rate * peers as f64 / 1000.0;
        let measured = under_churn(peers, config, rate, lookups, per_second);
        Row::new(vec![
            format!("{rate:.3}/s"),
            (*period).into(),
            format!("{} of {}", measured.failed(), measured.asked),
            format!("{failed} of 10000"),
            measured.hops.as_in_papers(),
            measured.timeouts.as_in_papers(),
        ])
        .target(measured.failed() == 0, format!("none failed: {:?}", measured.faults))
        .target(measured.hops.mean() <= 4.06, "the mean path is longer")
    });
    vec![Table {
        title: format!("Lookups while peers join and vanish, {peers} peers (ToN 2003, Table III)"),
        notes: vec![format!(
            "Joins and failures are Poisson processes of this rate each, lookups one of {per_second} per second \
                 (the paper's: 1). Every failure is a host that vanishes without goodbye. Successor lists of 20, \
                 fingers and lists only; one way takes 10 to 90 ms. At 30 s, stabilize runs every 30 s and all \
                 fingers are refreshed within 30 s, as in the paper. The paper's paths are 3.8 to 4.06 hops, its \
                 time-outs 0.05 to 0.46."
        )],
        columns: vec!["joins, failures", "stabilize", "failed lookups", "paper", "path", "time-outs"],
        rows,
    }]
}

fn under_churn(peers: usize, config: Config, rate: f64, lookups: usize, per_second: f64) -> Lookups {
    let weather =
        Weather { latency: Duration::from_millis(10)..Duration::from_millis(90), ..Weather::default() };
    let seed = (rate * 1000.0) as u64;
    let mut world = World::settled(seed, peers, config, weather, Duration::from_secs(60));
    let start = world.network.now();
    let mut next_join = start + world.interval(rate);
    let mut next_failure = start + world.interval(rate);
    let mut next_lookup = start + world.interval(per_second);
    let mut left = lookups;
    while left > 0 {
        let next = next_join.min(next_failure).min(next_lookup);
        world.network.run(next - world.network.now());
        if next == next_join {
            world.join();
            next_join += world.interval(rate);
        } else if next == next_failure {
            world.fail_any();
            next_failure += world.interval(rate);
        } else {
            world.look_up_any();
            next_lookup += world.interval(per_second);
            left -= 1;
        }
    }
    world.judge()
}
