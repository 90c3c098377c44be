//! chord-cli: questions to a peer, and downloads from holders, for people and scripts.

mod args;
mod candidate;
mod commands;
mod completion;
mod download;
mod output;
mod part;
mod progress;

use std::process::ExitCode;

use chord_client::{Client, ClientError, explain};
use clap::Parser as _;

use crate::args::{Args, Command, EchoCommand, Format, Question, RingCommand};
use crate::output::Output;

fn main() -> ExitCode {
    match completion::answer() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("no completions: {error}"));
            return ExitCode::from(1);
        }
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            output::note(&error.render().to_string());
            return ExitCode::from(2);
        }
        // Help, and the version.
        Err(error) => error.exit(),
    };
    if args.output == Format::Table {
        output::screen::use_terminal(args.wide);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("chord-cli cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let code = match runtime.block_on(run(&args)) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&advice(&error, &args.peer.to_string()));
            error.exit_code()
        }
    };
    // What is still open (a look-up of a host name, say) is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(args: &Args) -> Result<u8, ClientError> {
    let question = match &args.command {
        Command::Completions { shell } => return commands::packaging::completions(*shell),
        Command::Man { dir } => return commands::packaging::man(dir.as_deref()),
        Command::Schema { command } => return commands::schema::run(command),
        Command::Ask(question) => question,
    };
    if let Question::Search(search) = question {
        search.text()?;
    }
    if let Question::Doctor { strict } = question {
        return commands::doctor::run(args, &Output::new(args.output), *strict).await;
    }
    if let Question::Top(top) = question {
        commands::top::check(args, top)?;
    }
    let client = Client::connect(&args.peer, args.timeout).await?;
    match ask(args, question, &client).await {
        // Errors that name another address are a holder's.
        Err(error) if names(&error, client.address()) => Err(explain(error, &args.peer, args.timeout).await),
        outcome => outcome,
    }
}

async fn ask(args: &Args, question: &Question, client: &Client) -> Result<u8, ClientError> {
    let output = Output::new(args.output);
    match question {
        Question::Ring { command: None } => commands::ring::run(client, &output).await,
        Question::Ring { command: Some(RingCommand::Check { verbose }) } => {
            commands::ring_check::run(client, &output, *verbose).await
        }
        Question::Node(of) => commands::node::run(client, &output, of).await,
        Question::Fingers(of) => commands::fingers::run(client, &output, of).await,
        Question::Lookup(lookup) => commands::lookup::run(client, &output, lookup).await,
        Question::Find { name } => commands::find::run(client, &output, name).await,
        Question::Search(search) if search.watch => {
            commands::search_watch::run(client, &output, &search.text()?).await
        }
        Question::Search(search) => commands::search::run(client, &output, search).await,
        Question::Watch(watch) => commands::watch::run(client, &output, watch).await,
        Question::Doctor { strict } => commands::doctor::run(args, &output, *strict).await,
        Question::Top(top) => commands::top::run(client, args, top).await,
        Question::Publish(publish) => commands::publish::run(client, &output, publish).await,
        Question::Ls(ls) => commands::ls::run(client, &output, ls).await,
        Question::Get(get) => commands::get::run(client, &output, get, args).await,
        Question::Put(put) => commands::put::run(client, &output, put, args).await,
        Question::Echo { command: EchoCommand::Download { name } } => {
            commands::echo::download(client, &output, name, args).await
        }
        Question::Echo { command: EchoCommand::Upload { file } } => {
            commands::echo::upload(client, &output, file, args).await
        }
    }
}

fn names(error: &ClientError, peer: &str) -> bool {
    match error {
        ClientError::Unreachable { address, .. }
        | ClientError::WrongService { address, .. }
        | ClientError::TimedOut { address, .. } => address == peer,
        _ => false,
    }
}

/// The error, and what to do about it; `peer` is the one asked.
fn advice(error: &ClientError, peer: &str) -> String {
    match error {
        ClientError::Unreachable { address, reason } if address == peer => format!(
            "no peer answers at {address} ({reason}). Is chord-peer running there? Name another with --peer."
        ),
        ClientError::Unreachable { .. } => {
            format!("{error}: a peer's transfer port, which must be reachable from here.")
        }
        ClientError::Elsewhere { .. } => {
            format!(
                "{error}. If its services are meant to run on other hosts, name them with --service-hosts."
            )
        }
        ClientError::TimedOut { .. } => format!("{error}. Allow more with --timeout."),
        _ => error.to_string(),
    }
}
