//! The effective configuration, each value with its origin: as a list, and as TOML that loads again.

use std::fmt::Write;
use std::path::PathBuf;

use super::keys::{KEYS, Kind};
use super::layers::{Layers, Sources};
use super::{Loaded, PeerConfig};

/// A configuration as people are shown it. No key of [`KEYS`] holds a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The configuration file, if any.
    pub file: Option<PathBuf>,
    /// In the order of [`KEYS`].
    pub settings: Vec<Setting>,
}

/// One value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key, as `ports.chord`.
    pub key: &'static str,
    /// As one would type it; empty: not set.
    pub value: String,
    /// `default`, the file's path, `environment NAME` or `flag --NAME`.
    pub origin: String,
}

impl Shown {
    pub(super) fn of(sources: &Sources, layers: &Layers, config: &PeerConfig) -> Shown {
        let setting = |key| {
            let (typed, origin) = layers.value(key);
            let value = match key {
                // Worked out where they are not set.
                "name" => config.name.clone(),
                "state" => config.state.display().to_string(),
                _ => typed,
            };
            Setting { key, value, origin }
        };
        Shown { file: sources.file.clone(), settings: KEYS.iter().map(|key| setting(key.path)).collect() }
    }
}

/// The effective configuration as TOML; a comment after each value says where it came from.
pub fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    for (key, setting) in KEYS.iter().zip(&loaded.config.shown.settings) {
        let name = match key.path.split_once('.') {
            Some((own, name)) => {
                if own != section {
                    section = own;
                    let _ = write!(text, "\n[{section}]\n");
                }
                name
            }
            None => key.path,
        };
        let value = match key.kind {
            Kind::Integer | Kind::Boolean => setting.value.clone(),
            Kind::Text | Kind::List | Kind::Duration | Kind::Size => quoted(&setting.value),
        };
        // A file's name may hold anything; a line break in it would end the comment.
        let origin: String = setting.origin.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let _ = writeln!(text, "{:<36} # {origin}", format!("{name} = {value}"));
    }
    text
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
