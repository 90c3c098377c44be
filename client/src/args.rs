//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use chord_client::choice::DigestPrefix;
use chord_client::{Address, ClientError, ServiceHosts};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// More patience than this is a slip of the hand.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A look asks every peer of the ring.
const SHORTEST_EVERY: Duration = Duration::from_millis(500);

/// The peer that is asked where nobody says another.
pub const PEER: &str = "http://127.0.0.1:7300";
/// The variable that says another.
pub const PEER_VARIABLE: &str = "CHORD_PEER";

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
        env = PEER_VARIABLE,
        default_value = PEER,
        value_name = "URL"
    )]
    #[arg(value_parser = peer)]
    pub peer: Address,
    /// For people, or the body of the REST interface
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub output: Format,
    /// On a terminal: leave lines longer than it whole
    #[arg(long, global = true)]
    pub wide: bool,
    /// The longest wait for a connection and for each answer; a whole download may take longer
    #[arg(long, global = true, default_value = "5s", value_name = "DURATION", value_parser = timeout)]
    pub timeout: Duration,
    /// Hosts and networks besides a peer's own where its transfer service may be dialled, separated by commas
    #[arg(
        long,
        global = true,
        env = "CHORD_SECURITY__SERVICE_HOSTS",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(value_name = "HOSTS")]
    pub service_hosts: ServiceHosts,
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
    /// Print the completion script of a shell, which asks the peer for names of files and peers
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
    /// Print the JSON Schema of what a command prints with --output json
    Schema {
        /// Which one: ring, search, get, …
        command: String,
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
    /// The state of the peer asked, or of another one
    Node(Of),
    /// The finger table of the peer asked, or of another one
    Fingers(Of),
    /// Which peer is responsible for a name
    Lookup(Lookup),
    /// Who holds the file of exactly this name
    Find {
        /// Base name of the file
        name: String,
    },
    /// Files by words and wildcards of their names: report -draft ext:pdf
    Search(Search),
    /// Ring and file events of the whole network as they happen, until Ctrl-C
    Watch(Watch),
    /// A live view of the ring and of what the peer asked has to do
    Top(Top),
    /// The files that the peer asked shares
    Ls(Ls),
    /// How far the files that the peer asked shares are published
    Publish(Publish),
    /// Download files straight from their holders
    Get(Get),
    /// Upload a file to the peer asked, where that allows it
    Put(Put),
    /// What keeps the peer asked from working well, and what to do: addresses, who dials it back, clock, limits, ring
    Doctor {
        /// Exit code 1 for warnings, too
        #[arg(long)]
        strict: bool,
    },
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

/// Arguments of `node` and `fingers`.
#[derive(Debug, ClapArgs)]
pub struct Of {
    /// Another peer: its name or identifier
    #[arg(long, value_name = "PEER")]
    pub of: Option<String>,
}

/// Arguments of `lookup`.
#[derive(Debug, ClapArgs)]
pub struct Lookup {
    /// Base name of a file
    pub name: String,
    /// NAME is a key: 40 hexadecimal digits
    #[arg(long)]
    pub key: bool,
    /// Show each hop, its round-trip time and the rule that chose it
    #[arg(long)]
    pub trace: bool,
}

/// Arguments of `search`.
#[derive(Debug, ClapArgs)]
pub struct Search {
    /// Words, "phrases", -word, *, ?, ext:pdf, size:>10MB, newer:7d, older:2w, peer:NAME; what begins with - comes behind --
    #[arg(required = true, value_name = "QUERY")]
    pub query: Vec<String>,
    /// Names at once
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// All names, not only the first page
    #[arg(long, conflicts_with_all = ["limit", "watch"])]
    pub all: bool,
    /// Print what begins to match from now on, until Ctrl-C
    #[arg(long, conflicts_with = "limit")]
    pub watch: bool,
}

impl Search {
    /// The query, as if it had been one argument.
    ///
    /// # Errors
    /// [`ClientError::Usage`] where it is blank.
    pub fn text(&self) -> Result<String, ClientError> {
        let text = self.query.join(" ");
        match text.trim().is_empty() {
            true => Err(ClientError::Usage(
                "the query is empty; give words of a file's name, such as `search annual report`".to_owned(),
            )),
            false => Ok(text),
        }
    }
}

/// Arguments of `watch`.
#[derive(Debug, ClapArgs)]
pub struct Watch {
    /// Only what happens to files
    #[arg(long, conflicts_with = "peers")]
    pub files: bool,
    /// Only what happens to peers
    #[arg(long)]
    pub peers: bool,
}

/// Arguments of `top`.
#[derive(Debug, ClapArgs)]
pub struct Top {
    /// Between two looks, 500ms at least; longer where an answer takes more than a tenth of it
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = every)]
    pub every: Duration,
    /// Print how it looks now, and end: works without a terminal, too
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `publish`.
#[derive(Debug, ClapArgs)]
pub struct Publish {
    /// Base name of a file that the peer shares: who keeps its entry [default: all files together]
    pub name: Option<String>,
    /// Wait until all keepers have acknowledged it
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = timeout, requires = "wait")]
    pub within: Duration,
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
    /// Base names of the files
    #[arg(value_name = "NAME", required_unless_present = "search", conflicts_with = "search")]
    pub names: Vec<String>,
    /// All files that match, as `search` finds them
    #[arg(long, value_name = "QUERY")]
    pub search: Option<String>,
    /// With --search: fetch nothing where more names match
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[arg(requires = "search")]
    pub limit: u32,
    /// Files at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub at_once: u8,
    /// Where to: a new file, a folder (made where it ends with /), or - for standard output [default: this folder]
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
    text.parse().map_err(|error: ClientError| error.to_string())
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, such as 5s or 500ms"))?;
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        return Err("it must be more than zero and at most a day".to_owned());
    }
    Ok(timeout)
}

fn every(text: &str) -> Result<Duration, String> {
    let every = timeout(text)?;
    match every < SHORTEST_EVERY {
        true => Err("the ring is asked twice a second at most: 500ms or more".to_owned()),
        false => Ok(every),
    }
}

fn digest(text: &str) -> Result<DigestPrefix, String> {
    text.parse().map_err(|error: ClientError| error.to_string())
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
    fn a_ring_is_not_asked_without_pause() {
        assert_eq!(every("500ms"), Ok(Duration::from_millis(500)));
        assert!(every("499ms").is_err() && every("soon").is_err());
    }

    #[test]
    fn time_outs_are_read_or_refused() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["5", "0s", "-1s", "2days", "soon"] {
            assert!(timeout(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
