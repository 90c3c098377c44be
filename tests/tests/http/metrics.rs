//! What Prometheus' own tools say of `/metrics` and of the alert rules.

use std::time::Duration;

use chordial_tests::scrape::{FORMS, busy_ring, scrape};

use super::tools::run;

const PROMTOOL: &str = "promtool/usr/bin/promtool";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn promtool_finds_nothing_in_what_a_live_ring_shows() {
    let cluster = busy_ring();
    // p1 runs in one process, p2 in four.
    for peer in &cluster.peers[..2] {
        let text = scrape(peer, FORMS[0]);
        let file = cluster.folder().join(format!("{}.txt", peer.name()));
        std::fs::write(&file, &text).expect("a file");
        let found = run(PROMTOOL, &["check", "metrics"], Some(&file), PATIENCE);
        assert!(found.code == 0 && found.err.is_empty() && found.out.is_empty(), "{found:?} in\n{text}");
    }
    // It does find something.
    let file = cluster.folder().join("bad.txt");
    std::fs::write(&file, "# TYPE chord_calls counter\nchord_calls 1\n").expect("a file");
    assert_ne!(run(PROMTOOL, &["check", "metrics"], Some(&file), PATIENCE).code, 0);
}

#[test]
fn the_rules_are_sound_and_fire_when_they_should() {
    for arguments in [
        ["check", "config", "deploy/grafana/prometheus.yml"],
        ["check", "rules", "deploy/grafana/alerts.yml"],
        ["test", "rules", "tests/http/alerts_test.yml"],
    ] {
        let found = run(PROMTOOL, &arguments, None, PATIENCE);
        assert!(found.code == 0 && found.out.contains("SUCCESS"), "{arguments:?}: {found:?}");
    }
}
