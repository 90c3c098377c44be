//! The OpenAPI document: linters, and a fuzzer that reads it and asks a live ring.

use std::path::PathBuf;
use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, ensure, eventually};

use crate::tools::run;

/// So that a failure can be seen again; schemathesis prints it.
const SEED: &str = "20261122";
/// For each operation, in each of schemathesis' phases.
const EXAMPLES: &str = "60";
/// A linter has one document to read.
const LINT: Duration = Duration::from_secs(60);
/// Some two minutes on two cores; a busy machine takes longer.
const FUZZ: Duration = Duration::from_secs(600);

/// Three peers with files, of which the first takes uploads.
fn ring() -> Cluster {
    let mut cluster = Cluster::new(3, &[]);
    cluster.peers[0].set("transfer.uploads", "true");
    cluster.peers[0].set("transfer.max_upload_size", "1MiB");
    cluster.peers[0].set("transfer.upload_quota", "256MiB");
    cluster.peers[0].share("report.pdf", b"The annual report.\n");
    cluster.peers[0].share("data.json", b"[1, 2]\n");
    cluster.peers[1].share("music/summer/d\u{ed}a de playa.mp3", &[7; 100_000]);
    cluster.peers[2].share("empty", b"");
    cluster.start();
    cluster.wait_ring(PATIENCE);
    for name in ["report.pdf", "data.json", "d\u{ed}a de playa.mp3", "empty"] {
        eventually(PATIENCE, &format!("{name:?} is found, with its digest"), || {
            let sources = cluster.peers[0].sources(name)?;
            ensure(sources.iter().any(|source| source["digest"].is_string()), || format!("{sources:?}"))
        });
    }
    cluster
}

/// The document of the first peer, in a file.
fn document(cluster: &Cluster) -> PathBuf {
    let answer = cluster.peers[0].get("/openapi.json");
    assert_eq!(answer.status, 200, "{answer:?}");
    let path = cluster.folder().join("openapi.json");
    std::fs::write(&path, answer.body).expect("a file for the document");
    path
}

#[test]
fn linters_find_nothing() {
    let mut cluster = Cluster::new(1, &[]);
    cluster.start();
    let document = document(&cluster);
    let document = document.to_str().expect("a path in UTF-8");
    run("openapi-spec-validator/bin/openapi-spec-validator", &[document], None, LINT).ok();
    let spectral = ["lint", "--ruleset", "tests/http/spectral.yaml", "--fail-severity", "hint", document];
    run("node/node_modules/.bin/spectral", &spectral, None, LINT).ok();
    let redocly = run("node/node_modules/.bin/redocly", &["lint", document], None, LINT).ok();
    // Warnings leave its exit code at 0.
    assert!(
        redocly.err.contains("Your API description is valid") && !redocly.err.contains("You have "),
        "{redocly:?}"
    );
}

#[test]
fn schemathesis_finds_nothing() {
    let cluster = ring();
    let url = format!("{}/openapi.json", cluster.peers[0].gateway());
    let arguments = [
        "--config-file",
        "tests/http/schemathesis.toml",
        "run",
        &url,
        "--checks",
        "all",
        "--max-examples",
        EXAMPLES,
        "--seed",
        SEED,
        "--no-color",
    ];
    let output = run("schemathesis/bin/schemathesis", &arguments, None, FUZZ);
    println!("{}", output.out);
    assert_eq!(output.code, 0, "schemathesis found something (its report is above): {}", output.err);
    // It was no report of nothing done.
    assert!(output.out.contains("Test cases:") && output.out.contains(SEED));
}
