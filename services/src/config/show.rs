//! The effective configuration as TOML, each value with its origin. What it prints loads again.

use std::fmt::Write;

use super::Loaded;
use super::keys::{KEYS, Kind};

/// The effective configuration; a comment after each value says where it came from.
pub fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
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
        let (typed, origin) = loaded.layers.value(key.path);
        let value = match (key.path, key.kind) {
            ("name", _) => quoted(&loaded.config.name),
            ("state", _) => quoted(&loaded.config.state.display().to_string()),
            (_, Kind::Integer | Kind::Boolean) => typed,
            (_, Kind::Text | Kind::Duration | Kind::Size) => quoted(&typed),
        };
        // A file's name may hold anything; a line break in it would end the comment.
        let origin: String = origin.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
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
