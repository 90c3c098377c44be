//! Scenarios: networks, what befalls them and what has to come of it, as data (`configs/scenarios/*.toml`).

mod edits;
mod play;
mod report;
mod steps;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chord::Config;
use serde::{Deserialize, Deserializer};

use crate::network::Weather;

pub use play::{play, play_traced};
pub use report::Report;

/// A scenario can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file can't be read.
    #[error("{path} can't be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no scenario.
    #[error("{path} is no scenario: {source}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Its parts do not go together.
    #[error("{path}: {why}")]
    Inconsistent {
        /// Which.
        path: PathBuf,
        /// What to change.
        why: String,
    },
}

/// What a scenario is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Faults to the end: nothing wrong is ever said or done.
    Safety,
    /// Faults end, but for those without an end of their own: then ring, copies and entries become ideal
    /// within a bounded time.
    Liveness,
}

/// A whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In a sentence.
    pub what: String,
    /// Safety or liveness.
    pub mode: Mode,
    /// Files that each peer shares.
    #[serde(default)]
    pub files: usize,
    /// How the peers start.
    pub start: Start,
    /// Settings of all peers; the daemon's where nothing is said.
    #[serde(default)]
    pub config: Settings,
    /// How messages travel.
    #[serde(default)]
    pub weather: Sky,
    /// What befalls the network, at times from when the ring has settled.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// A lookup at some peer so often, from the beginning to the end.
    #[serde(default, deserialize_with = "optional_time")]
    pub lookup_every: Option<Duration>,
    /// What has to come of it.
    #[serde(default)]
    pub expect: Expect,
}

/// Whom a starting peer is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Friends {
    /// One of those that have started before.
    #[default]
    Any,
    /// One of the first.
    First,
    /// All others, whether they have started or not.
    All,
}

/// How the peers start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// How many.
    pub peers: usize,
    /// So many start one after another, and their ring settles before the others come.
    #[serde(default)]
    pub first: usize,
    /// The others start within this time.
    #[serde(default, deserialize_with = "time")]
    pub over: Duration,
    /// Whom they are told of.
    #[serde(default)]
    pub friends: Friends,
}

/// Settings that differ from the daemon's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Settings {
    pub successors: Option<usize>,
    pub replicas: Option<usize>,
    #[serde(default, deserialize_with = "optional_time")]
    pub stabilize: Option<Duration>,
    #[serde(default, deserialize_with = "optional_time")]
    pub give_up: Option<Duration>,
    #[serde(default, deserialize_with = "optional_time")]
    pub lease: Option<Duration>,
    pub contacts: Option<usize>,
}

/// How messages travel, as [`Weather`] has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Sky {
    #[serde(default, deserialize_with = "optional_span")]
    pub latency: Option<Range<Duration>>,
    #[serde(default)]
    pub loss: f64,
    #[serde(default)]
    pub repeated: f64,
    #[serde(default)]
    pub late: f64,
    #[serde(default, deserialize_with = "optional_span")]
    pub lateness: Option<Range<Duration>>,
}

/// Something that befalls the network. Hosts are drawn by the seed.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// When, from when the ring has settled.
    #[serde(deserialize_with = "time")]
    pub at: Duration,
    /// For how long; without it, to the end.
    #[serde(default, rename = "for", deserialize_with = "optional_time")]
    pub lasts: Option<Duration>,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What befalls a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Kind {
    /// Parts of these relative sizes no longer reach each other.
    Cut { parts: Vec<usize> },
    /// What this share of the hosts sends does not reach the others; the other way is open.
    OneWay { share: f64 },
    /// So many pairs of hosts don't reach each other; with `one_way`, the first not the second.
    Pairs { count: usize, one_way: bool },
    /// The links between this share of the hosts and the others are open and cut in turns.
    Flap {
        share: f64,
        #[serde(deserialize_with = "time")]
        open: Duration,
        #[serde(deserialize_with = "time")]
        cut: Duration,
    },
    /// This share of the hosts ends at once, processes and whole hosts in turns; with `for`, they come back.
    Crash { share: f64 },
    /// So many peers leave, all at once.
    Leave { count: usize },
    /// This share of the processes is stopped as by SIGSTOP.
    Pause { share: f64 },
    /// So many hosts take so much longer for each message.
    Slow {
        count: usize,
        #[serde(deserialize_with = "span")]
        by: Range<Duration>,
    },
    /// Messages travel otherwise.
    Weather(Sky),
    /// All processes are killed at once, and come back at the same second.
    Morning,
    /// So many neighbours in the ring end at the same moment, killed; with `for`, they come back.
    Neighbors { count: usize },
    /// Files are written, rewritten, renamed and removed at drawn hosts, so often, within `for`; their names are
    /// drawn out of so many.
    Edit { each_second: f64, names: usize },
    /// So many drawn faults of every kind, the first two hosts spared from ending, within `for`.
    Mix { count: usize },
}

/// What has to come of it, counted from when the last fault ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The ring is exact within this time.
    #[serde(default, deserialize_with = "optional_time")]
    pub exact_within: Option<Duration>,
    /// Every keeper has exactly the files of living peers that it should have, and every lookup gives exactly
    /// these, within this time; a lease and a third later nobody has anything else.
    #[serde(default, deserialize_with = "optional_time")]
    pub found_within: Option<Duration>,
    /// Requests and answers for each peer until then.
    pub messages_per_peer: Option<u64>,
    /// Lookups without an answer at most, of a hundred.
    pub lost_percent: Option<f64>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Where the file can't be read or is no scenario.
    pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.into(), source })?;
        let scenario: Scenario = toml::from_str(&text)
            .map_err(|source| ScenarioError::Parse { path: path.into(), source: Box::new(source) })?;
        scenario.check().map_err(|why| ScenarioError::Inconsistent { path: path.into(), why })?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let Start { peers, first, friends, .. } = self.start;
        if peers == 0 || first > peers {
            return Err(format!(
                "start.first = {first} of start.peers = {peers}: at least one peer, and first no more"
            ));
        }
        if first == 0 && friends != Friends::All {
            return Err("without start.first, nobody founds a ring: start.friends has to be \"all\"".into());
        }
        match (self.mode, self.expect.exact_within) {
            (Mode::Liveness, None) => {
                return Err("a liveness scenario needs expect.exact_within".into());
            }
            (Mode::Safety, Some(_)) => {
                return Err("a safety scenario ends amid its faults: no expect.exact_within".into());
            }
            _ => {}
        }
        self.faults.iter().try_for_each(Fault::check)?;
        self.sky_of(&self.weather).map(|_| ())?;
        self.config().validate().map_err(|error| error.to_string())
    }

    fn config(&self) -> Config {
        let Settings { successors, replicas, stabilize, give_up, lease, contacts } = self.config;
        let usual = Config::default();
        Config {
            successors: successors.unwrap_or(usual.successors),
            replicas: replicas.unwrap_or(usual.replicas),
            stabilize: stabilize.unwrap_or(usual.stabilize),
            give_up: give_up.unwrap_or(usual.give_up),
            lease: lease.unwrap_or(usual.lease),
            contacts: contacts.unwrap_or(usual.contacts),
            ..usual
        }
    }

    fn sky_of(&self, sky: &Sky) -> Result<Weather, String> {
        let usual = Weather::default();
        for (name, part) in [("loss", sky.loss), ("repeated", sky.repeated), ("late", sky.late)] {
            share(name, part)?;
        }
        Ok(Weather {
            latency: sky.latency.clone().unwrap_or(usual.latency),
            loss: sky.loss,
            repeated: sky.repeated,
            late: sky.late,
            lateness: sky.lateness.clone().unwrap_or(usual.lateness),
        })
    }
}

impl Fault {
    fn check(&self) -> Result<(), String> {
        match &self.kind {
            Kind::OneWay { share: part } | Kind::Crash { share: part } | Kind::Pause { share: part } => {
                share("share", *part)
            }
            Kind::Flap { share: part, open, cut } => {
                share("share", *part)?;
                if open.is_zero() || cut.is_zero() {
                    return Err("flap: open and cut have to last some time".into());
                }
                Ok(())
            }
            Kind::Cut { parts } if parts.len() < 2 || parts.contains(&0) => {
                Err("cut: at least two parts, none of size 0".into())
            }
            Kind::Mix { .. } | Kind::Morning | Kind::Edit { .. } if self.lasts.is_none() => {
                Err("mix, morning and edit need `for`".into())
            }
            Kind::Edit { each_second, names } if !(0.0..=1000.0).contains(each_second) || *names == 0 => {
                Err("edit: each_second from 0 to 1000, and at least one name".into())
            }
            Kind::Cut { .. }
            | Kind::Pairs { .. }
            | Kind::Leave { .. }
            | Kind::Slow { .. }
            | Kind::Weather(_)
            | Kind::Morning
            | Kind::Neighbors { .. }
            | Kind::Edit { .. }
            | Kind::Mix { .. } => Ok(()),
        }
    }
}

fn share(name: &str, part: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&part) { Ok(()) } else { Err(format!("{name} = {part} is not between 0 and 1")) }
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("{text:?} is no time such as \"30s\": {error}")))
}

fn optional_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    time(from).map(Some)
}

/// `"1ms to 20ms"`.
fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Range<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let parse = |text: &str| humantime::parse_duration(text.trim()).ok();
    let ends = text.split_once(" to ").and_then(|(least, most)| Some(parse(least)?..parse(most)?));
    ends.filter(|ends| !ends.is_empty()).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no span of times such as \"1ms to 20ms\""))
    })
}

fn optional_span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Range<Duration>>, D::Error> {
    span(from).map(Some)
}
