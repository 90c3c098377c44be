//! Completions: the script that a shell is given, and what this program answers when that script asks it, by the
//! protocol of clap_complete: `COMPLETE=SHELL chord-cli -- WORDS`. Names of files and peers come from the peer.

mod ask;
mod bash;
mod words;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use crate::args::Args;
use ask::{Line, Names};

/// The variable that names the shell which asks.
const VARIABLE: &str = "COMPLETE";

const PROGRAM: &str = "chord-cli";

/// Answers a shell that asks for completions. False: none does.
///
/// # Errors
/// Where the shell is none that is known, or standard output takes no more.
pub fn answer() -> io::Result<bool> {
    let shell = std::env::var(VARIABLE).unwrap_or_default();
    if shell.is_empty() || shell == "0" {
        return Ok(false);
    }
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut answer = Vec::new();
    if words.is_empty() {
        answer = script(&shell)?;
    } else if shell == "bash" {
        bash::answer(&words, &mut answer)?;
    } else {
        let line = words.iter().map(|word| words::value(&word.to_string_lossy())).collect();
        let current_dir = std::env::current_dir().ok();
        let builtins = Shells::builtins();
        let shell = builtins.completer(&shell).ok_or_else(|| unknown(&shell))?;
        shell.write_complete(&mut command(line), words, current_dir.as_deref(), &mut answer)?;
    }
    io::stdout().write_all(&answer)?;
    Ok(true)
}

/// What a shell runs to have completions.
///
/// # Errors
/// Where the shell is none that is known.
pub fn script(shell: &str) -> io::Result<Vec<u8>> {
    if shell == "bash" {
        return Ok(bash::SCRIPT.as_bytes().to_vec());
    }
    let mut script = Vec::new();
    let builtins = Shells::builtins();
    let known = builtins.completer(shell).ok_or_else(|| unknown(shell))?;
    known.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(script)
}

fn unknown(shell: &str) -> io::Error {
    io::Error::other(format!("there are no completions for {shell:?}"))
}

/// The command line, with names from the peer of this line where an argument is one.
fn command(words: Vec<String>) -> Command {
    let mut command = with_names(Args::command(), &Line::new(words));
    command.build();
    command
}

fn with_names(command: Command, line: &Line) -> Command {
    let names_are = match command.get_name() {
        "publish" => Names::OwnFiles,
        _ => Names::Files,
    };
    let command = command.mut_args(|arg| match kind(&arg, names_are) {
        Some(kind) => {
            let line = line.clone();
            arg.add(ArgValueCompleter::new(move |begun: &OsStr| candidates(&line, kind, begun)))
        }
        None => arg,
    });
    command.mut_subcommands(|subcommand| with_names(subcommand, line))
}

/// What an argument names, by what the command line calls it.
fn kind(arg: &Arg, names_are: Names) -> Option<Names> {
    match arg.get_id().as_str() {
        "of" | "from" => Some(Names::Peers),
        "name" | "names" => Some(names_are),
        _ => None,
    }
}

fn candidates(line: &Line, kind: Names, begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = words::value(&begun.to_string_lossy());
    line.names(kind, &begun).into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_this_program() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(&shell.to_string()).expect("a script")).expect("text");
            assert!(script.contains("COMPLETE") && script.contains("chord-cli"), "{shell}: {script}");
        }
        assert!(script("tcsh").is_err());
    }

    #[test]
    fn names_are_completed_where_the_command_line_has_them() {
        let command = command(vec!["chord-cli".to_owned()]);
        let has = |path: &[&str], id: &str| {
            let command =
                path.iter().fold(&command, |command, name| command.find_subcommand(name).expect(name));
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).expect(id);
            arg.get::<ArgValueCompleter>().is_some()
        };
        for (path, id) in [
            (&["get"][..], "names"),
            (&["get"], "from"),
            (&["find"], "name"),
            (&["lookup"], "name"),
            (&["publish"], "name"),
            (&["ls"], "of"),
            (&["echo", "download"], "name"),
        ] {
            assert!(has(path, id), "{path:?} {id}");
        }
        assert!(!has(&["put"], "file"));
    }
}
