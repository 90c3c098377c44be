//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use chord_client::Address;
use chord_client::choice::DigestPrefix;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// More patience than this is a slip of the hand.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable, 4 not found, 5 timed out, 6 integrity \
                          (the bytes are not the promised ones)";

/// Ask a peer of a Chordial network who has which file, and fetch it straight from its holder.
#[derive(Debug, Parser)]
#[command(name = "chord-cli", version, after_help = EXIT_CODES)]
pub struct Args {
    /// The peer to ask: http://HOST:PORT of its chord port
    #[arg(
        long,
        global = true,
        env = "CHORD_PEER",
        default_value = "http://127.0.0.1:7300",
        value_name = "URL"
    )]
    #[arg(value_parser = peer)]
    pub peer: Address,
    /// For people, or the body of the REST interface
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub output: Format,
    /// The longest wait for a connection and for each answer; a whole download may take longer
    #[arg(long, global = true, default_value = "5s", value_name = "DURATION", value_parser = timeout)]
    pub timeout: Duration,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences
    Table,
    /// The JSON body of the REST interface
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Something that a peer is asked
    #[command(flatten)]
    Ask(Question),
    /// Print the completion script of a shell
    Completions {
        /// Which one
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, chord-cli.1
    Man {
        /// Write it there instead, and one page per command
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

/// What a peer is asked.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Every peer in ring order
    Ring {
        /// Nothing: show it
        #[command(subcommand)]
        command: Option<RingCommand>,
    },
    /// The state of the peer asked
    Node,
    /// The finger table of the peer asked
    Fingers,
    /// Which peer is responsible for a name
    Lookup(Lookup),
    /// Who holds the file of exactly this name
    Find {
        /// Base name of the file
        name: String,
    },
    /// The files that the peer asked shares
    Ls(Ls),
    /// Download a file straight from a holder
    Get(Get),
    /// Upload a file to the peer asked, where that allows it
    Put(Put),
    /// The echo services: what a transfer would move; nothing is moved
    Echo {
        /// Which one
        #[command(subcommand)]
        command: EchoCommand,
    },
}

/// What to do with the ring.
#[derive(Debug, Subcommand)]
pub enum RingCommand {
    /// Ask every peer for its view and what it keeps; name each thing wrong and what mends it; exit code 1 if any is
    Check {
        /// Name each of Zave's invariants, also where all hold
        #[arg(long, short)]
        verbose: bool,
    },
}

/// The two echo services.
#[derive(Debug, Subcommand)]
pub enum EchoCommand {
    /// Ask a holder what a download would move
    Download {
        /// Base name of the file
        name: String,
    },
    /// Ask the peer what an upload would store
    Upload {
        /// A file of this machine
        file: PathBuf,
    },
}

/// Arguments of `lookup`.
#[derive(Debug, ClapArgs)]
pub struct Lookup {
    /// Base name of a file
    pub name: String,
    /// NAME is a key: 40 hexadecimal digits
    #[arg(long)]
    pub key: bool,
    /// Show each hop and its round-trip time
    #[arg(long)]
    pub trace: bool,
}

/// Arguments of `ls`.
#[derive(Debug, ClapArgs)]
pub struct Ls {
    /// The files of the whole network
    #[arg(long, conflicts_with = "of")]
    pub all: bool,
    /// The files of another peer: its name or identifier
    #[arg(long, value_name = "PEER")]
    pub of: Option<String>,
}

/// Arguments of `get`.
#[derive(Debug, ClapArgs)]
pub struct Get {
    /// Base name of the file
    pub name: String,
    /// Where to: a new file, an existing folder, or - for standard output [default: NAME in this folder]
    #[arg(short = 'o', value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Only from this peer: its name or identifier
    #[arg(long, value_name = "PEER")]
    pub from: Option<String>,
    /// Only the file with this BLAKE3 digest; its first digits do
    #[arg(long, value_parser = digest)]
    pub digest: Option<DigestPrefix>,
}

/// Arguments of `put`.
#[derive(Debug, ClapArgs)]
pub struct Put {
    /// A file of this machine
    pub file: PathBuf,
    /// What to call it below the peer's shared directory; folders that are missing are made [default: its name]
    #[arg(long = "as", value_name = "PATH")]
    pub to: Option<String>,
    /// Overwrite a file that is there already
    #[arg(long)]
    pub replace: bool,
}

fn peer(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error: chord_client::ClientError| error.to_string())
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, such as 5s or 500ms"))?;
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        return Err("it must be more than zero and at most a day".to_owned());
    }
    Ok(timeout)
}

fn digest(text: &str) -> Result<DigestPrefix, String> {
    text.parse().map_err(|error: chord_client::ClientError| error.to_string())
}

/// The bytes that hexadecimal digits stand for.
pub fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(nibble(pair.first()?)? << 4 | nibble(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn time_outs_are_read_or_refused() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["5", "0s", "-1s", "2days", "soon"] {
            assert!(timeout(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
