//! `/metrics` of real peers, in one process and in four, and what is written of it: docs/metrics.md,
//! deploy/grafana.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use chordial_tests::programs::{PATIENCE, ensure, eventually};
use chordial_tests::scrape::{FORMS, Family, SECRETS, Series, busy_ring, families, scrape};
use serde_json::Value;

/// All labels there are.
const LABELS: [&str; 12] = [
    "code",
    "direction",
    "event",
    "invariant",
    "method",
    "outcome",
    "process",
    "reason",
    "route",
    "service",
    "status",
    "version",
];
fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table of docs/metrics.md: names, their labels and types.
fn documented() -> BTreeMap<String, (BTreeSet<String>, String)> {
    let text = source("docs/metrics.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|line| line.starts_with("chord_") || line.starts_with("process_"));
    let mut table = BTreeMap::new();
    for row in rows {
        let (metric, rest) = row.split_once("` | ").expect("a column");
        let (kind, _) = rest.split_once(" | ").expect("a type");
        let (name, labels) = metric.trim_end_matches('}').split_once('{').unwrap_or((metric, ""));
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
        assert!(table.insert(name.to_owned(), (labels, kind.to_owned())).is_none(), "{name} is there twice");
    }
    table
}

/// The metrics in PromQL expressions.
fn named(expressions: &str) -> BTreeSet<&str> {
    let words = expressions.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("chord_") || word.starts_with("process_")).collect()
}

fn expressions(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(members) => members.iter().for_each(|(key, value)| match value {
            Value::String(text) if key == "expr" => found.push(text.clone()),
            value => expressions(value, found),
        }),
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

fn check_labels(name: &str, family: &Family) {
    assert!(!family.help.is_empty() && !family.kind.is_empty(), "{name}");
    for series in &family.series {
        for (label, value) in series.labels.iter().filter(|(label, _)| *label != "le") {
            assert!(LABELS.contains(&label.as_str()), "{label} of {name}");
            let no_name = !SECRETS.iter().chain(&["p1", "p2", "p3", "p4"]).any(|name| value.contains(name));
            assert!(no_name && !value.contains("127.0."), "{label}={value:?} of {name}");
        }
    }
}

#[test]
fn a_live_ring_shows_what_is_documented_and_drawn() {
    let mut cluster = busy_ring();
    let documented = documented();
    let dashboard: Value = serde_json::from_str(&source("deploy/grafana/dashboard.json")).expect("JSON");
    let mut drawn = Vec::new();
    expressions(&dashboard, &mut drawn);
    let rules = source("deploy/grafana/alerts.yml");
    let used = [drawn.join("\n"), rules].join("\n");
    let used = named(&used);
    assert!(drawn.len() > 30 && used.len() > 40, "{used:?}");
    for peer in &cluster.peers[..2] {
        let text = scrape(peer, FORMS[0]);
        let shown = families(&text);
        for (name, family) in &shown {
            check_labels(name, family);
            let (labels, kind) = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
            assert_eq!(*kind, family.kind, "{name}");
            assert_eq!(labels.iter().map(String::as_str).collect::<BTreeSet<_>>(), family.labels(), "{name}");
        }
        for name in documented.keys() {
            assert!(shown.contains_key(name), "{} does not show {name}:\n{text}", peer.name());
        }
        let series: BTreeSet<&str> =
            shown.values().flat_map(|family| &family.series).map(|series| series.name.as_str()).collect();
        for name in &used {
            assert!(series.contains(name), "{name} is used and not shown by {}", peer.name());
        }
        let up = &shown["chord_service_up"].series;
        assert!(up.len() == 4 && up.iter().all(|series| series.value == 1.0), "{up:?}");
        let processes = shown["process_cpu_seconds_total"].series.len();
        assert_eq!(processes, if peer.name() == "p1" { 1 } else { 4 });
        let open = scrape(peer, FORMS[1]);
        assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1, "{open}");
        assert_eq!(open.matches("# TYPE ").count(), shown.len(), "{open}");
    }

    cluster.peers[1].kill_only("catalog");
    eventually(PATIENCE, "a service that is away is said to be", || {
        let began = Instant::now();
        let shown = families(&scrape(&cluster.peers[1], FORMS[0]));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        let down = |series: &&Series| series.value == 0.0;
        let down: Vec<&str> = shown["chord_service_up"]
            .series
            .iter()
            .filter(down)
            .map(|series| &*series.labels["service"])
            .collect();
        let counted = shown.contains_key("chord_catalog_files");
        ensure(down == ["catalog"] && !counted, || format!("{down:?} are down, {counted}"))
    });
}

#[test]
fn every_alert_says_what_to_do_and_is_tested() {
    let rules = source("deploy/grafana/alerts.yml");
    let (docs, tests) = (source("docs/metrics.md"), source("tests/http/alerts_test.yml"));
    let mut names = BTreeSet::new();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().expect("a name");
        assert!(names.insert(name), "{name} is there twice");
        for part in ["expr: ", "for: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        let anchor = format!("runbook: docs/metrics.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&anchor), "{name} has no {anchor}");
        assert!(docs.contains(&format!("\n#### {name}\n")), "docs/metrics.md does not explain {name}");
        // Once where it fires, and once where it does not.
        let tested = |fires: &str| tests.contains(&format!("alertname: {name}\n        exp_alerts: {fires}"));
        assert!(
            tests.matches(&format!("alertname: {name}\n")).count() >= 2 && tested("[]"),
            "{name} is not tested"
        );
    }
    assert!(names.len() >= 20, "{names:?}");
    let explained: BTreeSet<&str> = docs.lines().filter_map(|line| line.strip_prefix("#### ")).collect();
    assert_eq!(explained, names);
}
