//! Prints the published tables, ours beside theirs.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;

use chordial_simulator::tables::{ALL, Run, Scale};

fn usage() -> String {
    let names: Vec<&str> = ALL.iter().map(|measurement| measurement.name).collect();
    format!(
        "tables [--quick | --full] [--markdown] [NAME…]\n\
         Measures the published tables in simulated networks and prints them, ours beside theirs.\n\
         Names: {}; none: all. Ends with 1 where a target is missed.",
        names.join(", ")
    )
}

fn main() -> ExitCode {
    let threads = available_parallelism().map_or(1, Into::into);
    let mut run = Run { scale: Scale::Default, threads, progress: |line| eprintln!("{line}") };
    let (mut markdown, mut names) = (false, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => run.scale = Scale::Quick,
            "--full" => run.scale = Scale::Full,
            "--markdown" => markdown = true,
            "--help" | "-h" => {
                println!("{}", usage());
                return ExitCode::SUCCESS;
            }
            name if ALL.iter().any(|measurement| measurement.name == name) => names.push(name.to_owned()),
            other => {
                eprintln!("{other:?} is neither a table nor an option.\n{}", usage());
                return ExitCode::from(2);
            }
        }
    }
    let mut all_met = true;
    for measurement in ALL {
        if !names.is_empty() && !names.iter().any(|name| name == measurement.name) {
            continue;
        }
        let began = Instant::now();
        for table in (measurement.tables)(&run) {
            all_met &= table.missed().is_empty();
            println!("{}", if markdown { table.markdown() } else { table.text() });
        }
        eprintln!("{}: {:.0?}", measurement.name, began.elapsed());
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
