//! Plays a scenario by a seed and shows what came of it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use chordial_simulator::scenario::{Scenario, play, play_traced};
use clap::Parser;

/// Plays a scenario in virtual time. Exit code 0: all that it expects came; 1: it did not; 2: it can't be played.
#[derive(Parser)]
struct Arguments {
    /// A scenario, such as configs/scenarios/halves.toml.
    scenario: PathBuf,
    /// All that is drawn follows from it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Writes every event and the hash of every changed state into this file.
    #[arg(long)]
    trace: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Arguments { scenario: path, seed, trace } = Arguments::parse();
    let scenario = match Scenario::load(&path) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{} (seed {seed})", scenario.what);
    let (report, written) = match &trace {
        None => (play(&scenario, seed), Ok(())),
        Some(path) => match File::create(path).map(BufWriter::new) {
            Ok(mut file) => {
                let (report, written) = play_traced(&scenario, seed, &mut file);
                (report, written.and_then(|()| file.flush()))
            }
            Err(error) => (play(&scenario, seed), Err(error)),
        },
    };
    print!("{report}");
    if let (Err(error), Some(path)) = (written, trace) {
        eprintln!("the trace can't be written to {}: {error}", path.display());
        return ExitCode::from(2);
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
