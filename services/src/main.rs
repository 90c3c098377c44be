//! chord-peer: the daemon's command line. Results on standard output, everything else on standard error.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chord_client::text::{lines, shown};
use chord_peer::args::{Cli, Command, ConfigCommand, HealthArgs, RunArgs};
use chord_peer::config::{self, ConfigError, Loaded, Sources};
use chord_peer::state::StateFolder;
use chord_peer::{demo, descriptors, health, logging, peer};
use clap::Parser;

/// Exit code of everything that has none of its own.
const FAILED: u8 = 1;
/// Exit code of a wrong command line, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprint!("{}", lines(&error.render().to_string()));
            return ExitCode::from(USAGE);
        }
        // Help, and the version.
        Err(error) => error.exit(),
    };
    let outcome = match cli.command {
        Command::Run(args) => run(args),
        Command::Demo(args) => {
            descriptors::raise();
            block_on(demo::run(args)).map(|()| 0)
        }
        Command::Config { command: ConfigCommand::Check { file } } => check(&file),
        Command::Config { command: ConfigCommand::Show { config, overrides } } => {
            show(&Sources::of_process(config, overrides.flags()))
        }
        Command::Health(args) => ask_health(args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("chord-peer: {}", lines(&format!("{error:#}")));
            ExitCode::from(FAILED)
        }
    }
}

fn run(args: RunArgs) -> anyhow::Result<u8> {
    let services = args.services();
    let loaded = match config::load(&Sources::of_process(args.config, args.overrides.flags())) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(refuse(&error)),
    };
    logging::init(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    descriptors::raise();
    block_on(peer::run(loaded.config, services)).map(|()| 0)
}

fn check(file: &Path) -> anyhow::Result<u8> {
    match config::check(file) {
        Ok(config) => print(&format!("{}: ok\n{}\n", file.display(), config.summary())),
        Err(error) => Ok(refuse(&error)),
    }
}

fn show(sources: &Sources) -> anyhow::Result<u8> {
    match config::load(sources) {
        Ok(loaded) => {
            warn(&loaded);
            print(&config::effective(&loaded))
        }
        Err(error) => Ok(refuse(&error)),
    }
}

fn ask_health(args: HealthArgs) -> anyhow::Result<u8> {
    let loaded = match config::load(&Sources::of_process(args.config, args.overrides.flags())) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(refuse(&error)),
    };
    let state = StateFolder::existing(&loaded.config.state);
    let reports = block_on(async { Ok(health::ask(&state).await) })?;
    if reports.is_empty() {
        eprintln!("chord-peer: nothing runs here: no service is known in {}", state.path().display());
    }
    let lines: String = reports.iter().map(|report| format!("{report}\n")).collect();
    print(&lines)?;
    Ok(health::exit_code(&reports))
}

/// Results go to standard output; a reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<u8> {
    match std::io::stdout().write_all(lines(text).as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(0),
    }
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        eprintln!("warning: {}", shown(warning));
    }
}

fn refuse(error: &ConfigError) -> u8 {
    for problem in &error.problems {
        eprintln!("error: {}", lines(problem));
    }
    if error.is_usage() { USAGE } else { FAILED }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the asynchronous runtime cannot be started")?.block_on(future)
}
