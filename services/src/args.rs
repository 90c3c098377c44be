//! The command line of chord-peer.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Flag, Service};

/// Chordial's daemon: a peer of a file index with no server.
#[derive(Debug, Parser)]
#[command(name = "chord-peer", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable, 4 not found, 5 timed out, \
                        6 integrity.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What chord-peer can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one peer: all its services in one process, or some of them.
    Run(RunArgs),
    /// Run a whole network on this machine and show what it does.
    Demo(DemoArgs),
    /// Check or show a configuration.
    Config {
        /// Which of both.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask the liveness of whichever services this peer runs here.
    Health(HealthArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration file. Without it: defaults, environment and flags.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run only these services of the peer.
    #[arg(long, value_name = "SERVICE", value_delimiter = ',')]
    pub only: Vec<Service>,
    /// Single values.
    #[command(flatten)]
    pub overrides: Box<Overrides>,
}

impl RunArgs {
    /// The services to run, each once, in starting order; all of them without `--only`.
    pub fn services(&self) -> Vec<Service> {
        Service::ALL
            .into_iter()
            .filter(|service| self.only.is_empty() || self.only.contains(service))
            .collect()
    }
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// How many peers.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub peers: u8,
    /// End after the queries; exit code 0 only if all of it worked.
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a file is a valid configuration, by itself; name all of its errors.
    Check {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the effective configuration, with the origin of every value.
    Show {
        /// The configuration file. Without it: defaults, environment and flags.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Single values.
        #[command(flatten)]
        overrides: Box<Overrides>,
    },
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The configuration file that the peer was started with.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Single values, as the peer was started with.
    #[command(flatten)]
    pub overrides: Box<Overrides>,
}

/// Values that win over environment, file and default.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Overrides {
    /// Name shown to people.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// What others dial: auto, an address or host name, iface:NAME, cidr:NETWORK.
    #[arg(long, value_name = "WHAT")]
    pub advertise: Option<String>,
    /// Directory that this peer shares.
    #[arg(long, value_name = "DIR")]
    pub directory: Option<String>,
    /// Folder for identity and remembered peers.
    #[arg(long, value_name = "DIR")]
    pub state: Option<String>,
    /// Chord port of a friend peer, such as http://10.0.0.4:7300.
    #[arg(long, value_name = "URL")]
    pub friend: Option<String>,
    /// Asked when the friend does not answer.
    #[arg(long, value_name = "URL")]
    pub backup_friend: Option<String>,
    /// Name of the ring.
    #[arg(long, value_name = "NAME")]
    pub ring: Option<String>,
    /// Port of the chord service; 0 lets the system choose.
    #[arg(long, value_name = "PORT")]
    pub chord_port: Option<String>,
    /// Port of the catalog service; 0 lets the system choose.
    #[arg(long, value_name = "PORT")]
    pub catalog_port: Option<String>,
    /// Port of the transfer service; 0 lets the system choose.
    #[arg(long, value_name = "PORT")]
    pub transfer_port: Option<String>,
    /// Port of the gateway; 0 lets the system choose.
    #[arg(long, value_name = "PORT")]
    pub gateway_port: Option<String>,
    /// Any other key, such as chord.replicas=2; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

impl Overrides {
    /// The flags that were given; `--set` first, so that a flag with a name of its own wins over it.
    pub fn flags(&self) -> Vec<Flag> {
        let named = [
            ("--name", "name", &self.name),
            ("--ip", "ip", &self.ip),
            ("--advertise", "advertise", &self.advertise),
            ("--directory", "directory", &self.directory),
            ("--state", "state", &self.state),
            ("--friend", "friend", &self.friend),
            ("--backup-friend", "backup_friend", &self.backup_friend),
            ("--ring", "ring", &self.ring),
            ("--chord-port", "ports.chord", &self.chord_port),
            ("--catalog-port", "ports.catalog", &self.catalog_port),
            ("--transfer-port", "ports.transfer", &self.transfer_port),
            ("--gateway-port", "ports.gateway", &self.gateway_port),
        ];
        let set = self.set.iter().map(|(key, value)| Flag {
            flag: "--set".into(),
            key: key.clone(),
            value: value.clone(),
        });
        let named = named.into_iter().filter_map(|(flag, key, value)| {
            value.clone().map(|value| Flag { flag: flag.into(), key: key.into(), value })
        });
        set.chain(named).collect()
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as chord.replicas=2")?;
    Ok((key.trim().to_string(), value.trim().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn only_takes_a_list_and_keeps_the_starting_order() {
        let cli = Cli::parse_from(["chord-peer", "run", "--only", "gateway,chord", "--only", "chord"]);
        let Command::Run(args) = cli.command else { panic!("not run") };
        assert_eq!(args.services(), [Service::Chord, Service::Gateway]);
        assert!(Cli::try_parse_from(["chord-peer", "run", "--only", "ring"]).is_err());
    }

    #[test]
    fn demo_takes_1_to_64_peers() {
        for (peers, fits) in [("1", true), ("64", true), ("0", false), ("65", false), ("x", false)] {
            let parsed = Cli::try_parse_from(["chord-peer", "demo", "--peers", peers]);
            assert_eq!(parsed.is_ok(), fits, "{peers}");
        }
    }

    #[test]
    fn every_override_sets_a_known_key() {
        use clap::CommandFactory;
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let own: Vec<String> = run
            .get_arguments()
            .filter_map(|arg| arg.get_long().map(str::to_string))
            .filter(|long| !["config", "only", "set", "help", "version"].contains(&long.as_str()))
            .collect();
        let mut line = vec!["chord-peer".to_string(), "run".into(), "--set".into(), "log.level=warn".into()];
        line.extend(own.iter().flat_map(|long| [format!("--{long}"), "7".to_string()]));
        let Command::Run(args) = Cli::parse_from(line).command else { panic!("not run") };
        let flags = args.overrides.flags();
        assert_eq!(flags.len(), own.len() + 1);
        for flag in flags {
            assert!(crate::config::keys::is_known(&flag.key), "{flag:?}");
        }
    }
}
