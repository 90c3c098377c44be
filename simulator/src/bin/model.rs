//! `make model`: the model checker's configurations, the larger ones too, as a table.
//!
//! Arguments: seconds for each configuration at most; how the names of those to be checked begin.

use std::time::Duration;

use chordial_simulator::model::{Limits, Setup, beyond, check, header, larger, slips, usual};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(300);
    let names = arguments.next().unwrap_or_default();
    let within = |setups: Vec<Setup>, title: &str, threads: usize| {
        println!("\n{title}\n\n{}", header());
        for setup in setups.into_iter().filter(|setup| setup.name.starts_with(&names)) {
            let report = check(&setup, Limits { time: Duration::from_secs(seconds), threads });
            println!("{report}");
            report.broken.iter().for_each(|(_, trace)| eprintln!("{trace}"));
        }
    };
    within(usual(), "In every test run:", 2);
    within(slips(), "The original Chord's errors, put back one by one:", 1);
    within(beyond(), "Beyond what is claimed:", 1);
    within(larger(), "Larger, by command:", 2);
}
