//! `make model`: the model checker's configurations, larger ones too, as a table.

use std::time::Duration;

use chordial_simulator::model::{Limits, Setup, beyond, check, header, larger, slips, usual};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(300);
    let wanted = arguments.next().unwrap_or_default();
    let limits = Limits { time: Duration::from_secs(seconds), threads: 2 };
    println!("{}", header());
    let wanted = |setup: &Setup| setup.name.starts_with(&wanted);
    for setup in usual().into_iter().chain(larger()).chain(beyond()).chain(slips()).filter(wanted) {
        let report = check(&setup, limits);
        println!("{report}");
        report.broken.iter().for_each(|(_, trace)| eprintln!("{trace}"));
    }
}
