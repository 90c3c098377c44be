//! What an HTTP conformance checker says of the main routes: REDbot asks for each as it is, compressed, by parts and
//! conditionally. Its notes have levels; those of level `BAD` and `WARN` are complaints.

use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, ensure, eventually};
use serde_json::Value;

use crate::tools::run;

/// Complaints that are let pass, each with the reason.
const PASSED: &[(&str, &str)] = &[];

/// What is asked for: all kinds of answers.
const PATHS: [&str; 16] = [
    "/",
    "/api/v1/files/annual%20report.txt",
    "/api/v1/files/annual%20report.txt/content",
    "/api/v1/files",
    "/api/v1/files?limit=5",
    "/api/v1/search?q=note&limit=7",
    "/api/v1/node",
    "/api/v1/ring",
    "/api/v1/catalog",
    "/api/v1/published",
    "/files/docs/annual%20report.txt",
    "/livez",
    "/readyz",
    "/metrics",
    "/version",
    "/nothing",
];

/// REDbot waits for each answer, and asks some ten times.
const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn redbot_has_no_complaint() {
    let mut cluster = Cluster::new(2, &[]);
    let text = "The annual report, of many words.\n".repeat(200);
    cluster.peers[0].share("docs/annual report.txt", text.as_bytes());
    for number in 0..20 {
        cluster.peers[0].share(&format!("notes/note {number}.txt"), b"A note.\n");
    }
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let peer = &cluster.peers[0];
    eventually(PATIENCE, "all files are found, with digests", || {
        let sources = peer.sources("annual report.txt")?;
        ensure(sources.iter().any(|source| source["digest"].is_string()), || format!("{sources:?}"))?;
        let found = peer.get("/api/v1/search?q=note&limit=20").json();
        ensure(found["total"] == 20 && found["complete"] == true, || found.to_string())
    });
    let gateway = &peer.gateway();
    // It waits more than it works.
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = PATHS.iter().map(|path| scope.spawn(move || complaints(gateway, path))).collect();
        asked.into_iter().flat_map(|asked| asked.join().expect("an answer")).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What it has to say against one path.
fn complaints(gateway: &str, path: &str) -> Vec<String> {
    let url = format!("{gateway}{path}");
    let output = run("redbot/bin/redbot", &["-o", "har", &url], None, WITHIN);
    let report: Value = serde_json::from_str(&output.out)
        .unwrap_or_else(|error| panic!("{url}: {error}: {} {}", output.out, output.err));
    let entries = report["log"]["entries"].as_array().expect("the requests that it made");
    let notes = entries.iter().filter_map(|entry| entry["_red_messages"].as_array()).flatten();
    let notes: Vec<&Value> = notes.flat_map(with_subnotes).collect();
    assert!(notes.iter().any(|note| note["level"] == "GOOD"), "{url}: it has found nothing: {report}");
    let passed = |note: &Value| PASSED.iter().any(|(id, _)| note["note_id"] == *id);
    let bad = notes.into_iter().filter(|note| matches!(note["level"].as_str(), Some("BAD" | "WARN")));
    bad.filter(|note| !passed(note)).map(|note| format!("{path}: {note}")).collect()
}

fn with_subnotes(note: &Value) -> Vec<&Value> {
    let below = note["subnotes"].as_array().into_iter().flatten();
    std::iter::once(note).chain(below.flat_map(with_subnotes)).collect()
}
