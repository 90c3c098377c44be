//! The configuration of a peer: defaults < file < environment < flags, checked as a whole.
//!
//! [`keys`] lists every key, the layers are merged by figment under the name of their origin, and
//! [`PeerConfig`] is what the rest of the daemon sees: ready types within bounds. Every problem is
//! reported, not only the first.

mod address;
pub mod keys;
mod layers;
mod peer;
mod read;
mod service;
mod show;
mod size;
mod validate;

#[cfg(test)]
mod tests;

use std::path::Path;

pub(crate) use address::base_url;
pub use address::{Advertise, HostPort, PublicUrl};
pub use layers::{Flag, Sources};
pub use peer::{
    CatalogConfig, ChordConfig, GatewayConfig, GrpcConfig, IndexConfig, LogConfig, LogFormat, PeerConfig,
    Ports, SecurityConfig, Services, TransferConfig,
};
pub use service::Service;
pub use show::{Setting, Shown, effective};
pub(crate) use size::parse as parse_size;
pub use size::show as size_text;

/// A configuration that was read, with what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: PeerConfig,
    /// What is odd but no error: environment variables that set no known key. One line each.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// One line each (a TOML syntax error shows its place in several): origin, key, value, what is wrong,
    /// what to do.
    pub problems: Vec<String>,
}

/// Problems listed at most: a file that is no configuration has one in every line.
const MAX_PROBLEMS: usize = 20;

impl ConfigError {
    fn new(mut problems: Vec<String>) -> ConfigError {
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if more > 0 {
            problems.push(format!("and {more} more: is this a configuration of chord-peer?"));
        }
        ConfigError { problems }
    }

    /// Whether a flag is wrong, so that this is an error of usage.
    pub fn is_usage(&self) -> bool {
        self.problems.iter().any(|problem| problem.starts_with("flag "))
    }
}

/// Merges and checks a configuration.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let layers = layers::Layers::merge(sources);
    let mut reader = read::Reader::new(&layers);
    let mut config = validate::peer(&mut reader);
    match reader.problems {
        problems if problems.is_empty() => {
            config.shown = Shown::of(sources, &layers, &config);
            Ok(Loaded { config, warnings: layers.warnings })
        }
        problems => Err(ConfigError::new(problems)),
    }
}

/// Checks a file by itself, without this process's environment.
pub fn check(file: &Path) -> Result<PeerConfig, ConfigError> {
    let sources = Sources { file: Some(file.to_path_buf()), ..Sources::default() };
    load(&sources).map(|loaded| loaded.config)
}

impl PeerConfig {
    /// The defaults with some keys set, as in `[("name", "p1"), ("ports.chord", "0")]`: for peers that a
    /// program starts, such as the demo's. Neither a file nor the environment is read.
    pub fn from_settings(settings: &[(&str, &str)]) -> Result<PeerConfig, ConfigError> {
        let flag = |(key, value): &(&str, &str)| Flag {
            flag: format!("`{key}`"),
            key: (*key).to_string(),
            value: (*value).to_string(),
        };
        let sources = Sources { flags: settings.iter().map(flag).collect(), ..Sources::default() };
        load(&sources).map(|loaded| loaded.config)
    }
}
