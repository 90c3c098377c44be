//! Every key of the configuration: where it stands, of what kind it is, its default.
//!
//! The one list that the layers, the validation, `config show` and the spelling help share.

use figment::value::{Dict, Value};

/// What may be written for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; numbers are taken as they are written.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A text with its unit, such as `"1s"` or `"250ms"`.
    Duration,
    /// Several texts: a list in a file, separated by commas elsewhere.
    List,
    /// A number of bytes with its unit, such as `"10GiB"`; `"0"` where none is a choice.
    Size,
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands, sections joined by dots: `ports.chord`.
    pub path: &'static str,
    /// What may be written for it.
    pub kind: Kind,
    /// Its default as one would type it; empty: not set, or worked out (`name`, `state`).
    pub default: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, default }
}

/// All keys, in the order in which `config show` prints them: top-level ones first, then by section.
pub const KEYS: &[Key] = &[
    key("name", Kind::Text, ""),
    key("ip", Kind::Text, "0.0.0.0"),
    key("advertise", Kind::Text, "auto"),
    key("directory", Kind::Text, "./share"),
    key("state", Kind::Text, ""),
    key("friend", Kind::Text, ""),
    key("backup_friend", Kind::Text, ""),
    key("ring", Kind::Text, "chordial"),
    key("ports.chord", Kind::Integer, "7300"),
    key("ports.catalog", Kind::Integer, "7301"),
    key("ports.transfer", Kind::Integer, "7302"),
    key("ports.gateway", Kind::Integer, "8000"),
    key("services.chord", Kind::Text, ""),
    key("services.catalog", Kind::Text, ""),
    key("services.transfer", Kind::Text, ""),
    key("services.gateway", Kind::Text, ""),
    key("chord.successors", Kind::Integer, "8"),
    key("chord.replicas", Kind::Integer, "3"),
    key("chord.stabilize", Kind::Duration, "1s"),
    key("chord.stabilize_quiet", Kind::Duration, "1500ms"),
    key("chord.fix_fingers", Kind::Duration, "1s"),
    key("chord.call_timeout", Kind::Duration, "1s"),
    key("chord.lookup_timeout", Kind::Duration, "4s"),
    key("chord.give_up", Kind::Duration, "6s"),
    key("chord.contacts", Kind::Integer, "16384"),
    key("index.lease", Kind::Duration, "60s"),
    key("index.quota", Kind::Integer, "2000000"),
    key("index.capacity", Kind::Integer, "8000000"),
    key("catalog.rescan", Kind::Duration, "60s"),
    key("catalog.keep", Kind::Duration, "5s"),
    key("catalog.hashers", Kind::Integer, "1"),
    key("transfer.uploads", Kind::Boolean, "false"),
    key("transfer.max_uploads", Kind::Integer, "8"),
    key("transfer.max_upload_size", Kind::Size, "10GiB"),
    key("transfer.upload_quota", Kind::Size, "100GiB"),
    key("transfer.chunk", Kind::Integer, "65536"),
    key("transfer.max_downloads", Kind::Integer, "64"),
    key("gateway.public_url", Kind::Text, ""),
    key("gateway.hosts", Kind::List, ""),
    key("gateway.cors_origins", Kind::List, ""),
    key("gateway.max_connections", Kind::Integer, "1024"),
    key("gateway.header_timeout", Kind::Duration, "5s"),
    key("gateway.body_timeout", Kind::Duration, "5s"),
    key("gateway.request_timeout", Kind::Duration, "10s"),
    key("gateway.idle_timeout", Kind::Duration, "60s"),
    key("gateway.stall_timeout", Kind::Duration, "30s"),
    key("gateway.requests_per_second", Kind::Integer, "500"),
    key("gateway.requests_burst", Kind::Integer, "1000"),
    key("gateway.max_headers", Kind::Integer, "16384"),
    key("gateway.max_uri", Kind::Integer, "8192"),
    key("gateway.max_body", Kind::Integer, "65536"),
    key("gateway.max_event_streams", Kind::Integer, "64"),
    key("grpc.max_connections", Kind::Integer, "1024"),
    key("grpc.max_streams", Kind::Integer, "128"),
    key("grpc.max_requests", Kind::Integer, "256"),
    key("grpc.max_headers", Kind::Integer, "16384"),
    key("grpc.max_resets", Kind::Integer, "20"),
    key("grpc.max_long_requests", Kind::Integer, "4"),
    key("grpc.half_sent_timeout", Kind::Duration, "5s"),
    key("grpc.long_timeout", Kind::Duration, "10s"),
    key("grpc.stall_timeout", Kind::Duration, "30s"),
    key("grpc.ping", Kind::Duration, "20s"),
    key("grpc.ping_timeout", Kind::Duration, "10s"),
    key("security.service_hosts", Kind::List, ""),
    key("log.level", Kind::Text, "info"),
    key("log.format", Kind::Text, "text"),
    key("log.file", Kind::Text, ""),
];

/// Whether `path` is a key.
pub fn is_known(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path)
}

/// Whether `path` is a key that takes a list.
fn is_list(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path && key.kind == Kind::List)
}

/// Whether `path` is a section, such as `ports`.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.split_once('.').is_some_and(|(section, _)| section == path))
}

/// The known key that `path` most likely means.
pub fn nearest(path: &str) -> &'static str {
    let last = |path: &'_ str| path.rsplit('.').next().unwrap_or_default().to_string();
    let likeness = |key: &Key| {
        // A key in the wrong section is more often meant than one that only looks alike as a whole.
        let alone = 0.95 * strsim::jaro_winkler(&last(path), &last(key.path));
        strsim::jaro_winkler(path, key.path).max(alone)
    };
    KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).map_or("name", |key| key.path)
}

/// The known keys of a TOML document with their values; what else is in it becomes a problem.
pub(super) fn known_values(document: &Dict, problems: &mut Vec<String>) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk("", document, &mut found, problems);
    found
}

fn walk(section: &str, dict: &Dict, found: &mut Vec<(String, Value)>, problems: &mut Vec<String>) {
    for (name, value) in dict {
        let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Dict(_, _) if is_known(&path) => {
                problems.push(format!("`{path}` is a key, not a section: write `{path} = …`"));
            }
            Value::Dict(_, inner) if is_section(&path) || !inner.is_empty() => {
                walk(&path, inner, found, problems);
            }
            Value::Array(_, items) if is_list(&path) => match joined(items) {
                Some(text) => found.push((path, Value::from(text))),
                None => problems.push(format!("`{path}` takes a list of texts without commas")),
            },
            Value::Array(_, _) if is_known(&path) => {
                problems.push(format!("`{path}` takes one value, not a list"));
            }
            _ if is_known(&path) => found.push((path, value.clone())),
            _ if is_section(&path) => {
                problems.push(format!("`{path}` is a section: write `[{path}]` and its keys below"));
            }
            _ => problems.push(unknown(&path)),
        }
    }
}

/// A list as one would type it.
fn joined(items: &[Value]) -> Option<String> {
    let texts: Option<Vec<&str>> =
        items.iter().map(|item| item.as_str().filter(|text| !text.contains(','))).collect();
    Some(texts?.join(", "))
}

/// What to say about a key that does not exist. A file's keys may be anything: escaped and cut.
pub(super) fn unknown(path: &str) -> String {
    let cut: String = path.chars().take(100).collect();
    format!("unknown key `{}`; the nearest known key is `{}`", cut.escape_debug(), nearest(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        for (typed, meant) in [
            ("nmae", "name"),
            ("port.chord", "ports.chord"),
            ("ports.gatewy", "ports.gateway"),
            ("backup-friend", "backup_friend"),
            ("stabilize", "chord.stabilize"),
            ("chord.lease", "index.lease"),
            ("friends", "friend"),
        ] {
            assert_eq!(nearest(typed), meant, "for {typed}");
        }
    }

    #[test]
    fn keys_are_unique_and_sections_stand_together() {
        let mut seen = std::collections::BTreeSet::new();
        let mut sections: Vec<&str> = Vec::new();
        for key in KEYS {
            assert!(seen.insert(key.path), "{} twice", key.path);
            let section = key.path.split_once('.').map_or("", |(section, _)| section);
            if sections.last() != Some(&section) {
                assert!(!sections.contains(&section), "section {section} is torn apart");
                sections.push(section);
            }
        }
    }
}
