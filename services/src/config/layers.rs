//! The layers of a configuration, merged by figment: default, file, environment, flag.
//!
//! Every single value is merged under the name of where it came from, so that each error and each line of
//! `config show` can say it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::keys;

/// A configuration file larger than this many bytes is refused.
const MAX_FILE: u64 = 1 << 20;
/// What begins the name of every environment variable that sets a key.
const PREFIX: &str = "CHORD_";
/// Variables that begin so and are somebody else's: chord-cli's.
const FOREIGN: &[&str] = &["CHORD_PEER"];

/// A value given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as a user knows it: `--name`, `--set chord.replicas`.
    pub flag: String,
    /// The key that it sets.
    pub key: String,
    /// The value as typed.
    pub value: String,
}

/// Where a configuration comes from, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file, if any.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not begin with `CHORD_` are ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags; a later one wins over an earlier one.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// A file, this process's environment, and flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Sources {
        Sources { file, environment: std::env::vars_os().collect(), flags }
    }
}

/// The merged layers.
#[derive(Debug)]
pub(super) struct Layers {
    figment: Figment,
    /// Unknown keys, unreadable files.
    pub(super) problems: Vec<String>,
    /// Unknown `CHORD_` variables.
    pub(super) warnings: Vec<String>,
}

/// One value under the name of its origin.
struct Setting<'a> {
    origin: &'a str,
    path: &'a str,
    value: Value,
}

impl Provider for Setting<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = figment::util::nest(self.path, self.value.clone()).into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

impl Layers {
    /// Merges the defaults and all of `sources`; what is wrong with them is kept, not returned.
    pub(super) fn merge(sources: &Sources) -> Layers {
        let mut layers = Layers { figment: Figment::new(), problems: Vec::new(), warnings: Vec::new() };
        for key in keys::KEYS {
            layers.set("default", key.path, Value::from(key.default));
        }
        if let Some(path) = &sources.file {
            layers.add_file(path);
        }
        layers.add_environment(&sources.environment);
        for flag in &sources.flags {
            let origin = format!("flag {}", flag.flag);
            if keys::is_known(&flag.key) {
                layers.set(&origin, &flag.key, Value::from(flag.value.as_str()));
            } else {
                layers.problems.push(format!("{origin}: {}", keys::unknown(&flag.key)));
            }
        }
        layers
    }

    fn set(&mut self, origin: &str, path: &str, value: Value) {
        let figment = std::mem::take(&mut self.figment);
        self.figment = figment.merge(Setting { origin, path, value });
    }

    fn add_file(&mut self, path: &Path) {
        let origin = path.display().to_string();
        match read_document(path) {
            Ok(document) => {
                let mut problems = Vec::new();
                for (key, value) in keys::known_values(&document, &mut problems) {
                    self.set(&origin, &key, value);
                }
                self.problems.extend(problems.into_iter().map(|problem| format!("{origin}: {problem}")));
            }
            Err(problem) => self.problems.push(format!("{origin}: {problem}")),
        }
    }

    fn add_environment(&mut self, variables: &[(OsString, OsString)]) {
        // Sorted, since the order in which a system lists them says nothing.
        let mut ours: Vec<(&str, &OsString)> = variables
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) && !FOREIGN.contains(name))
            .collect();
        ours.sort();
        for (name, value) in ours {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            if !keys::is_known(&key) {
                let nearest = variable(keys::nearest(&key));
                self.warnings.push(format!(
                    "environment {name}: sets no known key and is ignored; the nearest known variable is {nearest}"
                ));
                continue;
            }
            let origin = format!("environment {name}");
            match value.to_str() {
                Some(text) => self.set(&origin, &key, Value::from(text)),
                None => self.problems.push(format!("{origin}: its value is not UTF-8")),
            }
        }
    }

    /// The value of a known key as one would type it, and where it came from.
    pub(super) fn value(&self, path: &str) -> (String, String) {
        let text = self.figment.find_value(path).ok().and_then(|value| scalar_text(&value));
        let origin = self.figment.find_metadata(path).map(|metadata| metadata.name.to_string());
        (text.unwrap_or_default(), origin.unwrap_or_else(|| "default".into()))
    }
}

/// The environment variable that sets the key at `path`.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// Text keys take numbers, and number keys take text: all values are read from what was typed.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, char) => Some(char.to_string()),
        Value::Bool(_, bool) => Some(bool.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string())),
        _ => None,
    }
}

fn read_document(path: &Path) -> Result<Dict, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "there is no such file: check the path, which is relative to the working directory".to_string()
        }
        _ => format!("cannot be read: {error}"),
    })?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MAX_FILE {
        return Err("is larger than 1 MiB: this is not a configuration file".into());
    }
    Toml::from_str(&text).map_err(|error| format!("is not valid TOML: {}", error.to_string().trim_end()))
}
