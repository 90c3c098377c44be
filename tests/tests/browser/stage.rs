//! Eight peers with files, and what a peer itself says of the ring.

use std::collections::BTreeMap;

use chord::Id;
use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually, get};
use serde_json::Value;

use super::samples::{pdf, png};

/// Peers of the ring.
pub const PEERS: usize = 8;

/// A file that would run a script where its name were taken for HTML.
pub const SCRIPT: &str = "<img src=x onerror=alert(1)>.txt";
/// A file whose name reads from right to left from its middle on: `invoice_txt.exe`, as it seems.
pub const REVERSED: &str = "invoice_\u{202e}exe.txt";

/// Who shares what: the number of a peer, a path, the bytes.
fn files() -> Vec<(usize, &'static str, Vec<u8>)> {
    let text = |text: &str| text.repeat(40).into_bytes();
    vec![
        (1, "docs/ring of eight.txt", text("Eight peers stand in a ring.\n")),
        (2, "docs/annual report 2026.pdf", pdf("The annual report of 2026")),
        (3, "docs/report (draft).txt", text("A draft of the annual report.\n")),
        (4, "docs/lecture on Chord.txt", text("A key belongs to the first peer at or behind it.\n")),
        (5, "photos/spiral.png", png(240, 160)),
        (5, "Überblick 😀.txt", text("Ein Überblick.\n")),
        (6, "docs/report of the summer.txt", text("It was warm.\n")),
        (7, SCRIPT, text("Only text.\n")),
        (7, REVERSED, text("Only text, too.\n")),
        (8, "data/measurements.bin", (0..300_000_u32).map(|byte| (byte * 31 + byte / 251) as u8).collect()),
    ]
}

/// The bytes of the file of this name.
pub fn content(name: &str) -> Vec<u8> {
    let found = files().into_iter().find(|(_, path, _)| base(path) == name);
    found.unwrap_or_else(|| panic!("no file is named {name:?}")).2
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A ring of eight that is settled, whose files are all found. p1 takes uploads.
pub fn eight() -> Cluster {
    let mut cluster = Cluster::new(PEERS, &[]);
    cluster.peers[0].set("transfer.uploads", "true");
    for (peer, path, bytes) in files() {
        cluster.peers[peer - 1].share(path, &bytes);
    }
    cluster.start();
    cluster.wait_ring(PATIENCE);
    for (peer, path, _) in files() {
        let (name, holder) = (base(path), format!("p{peer}"));
        eventually(PATIENCE, &format!("{name:?} is found"), || {
            let sources = cluster.peers[0].sources(name)?;
            ensure(sources.iter().any(|source| source["peer"] == *holder), || format!("{sources:?}"))
        });
    }
    wait_copied(&cluster.peers[0]);
    cluster
}

/// Waits until every entry has all its copies.
#[track_caller]
pub fn wait_copied(peer: &TestPeer) {
    eventually(PATIENCE, "every entry has its copies", || {
        let ring = get(&peer.gateway(), "/api/v1/ring")?.json();
        ensure(ring["replicas"]["short"] == 0, || ring.to_string())
    });
}

/// The peers of a ring by name, with their identifiers, as this peer's gateway tells them.
pub fn ring(peer: &TestPeer) -> BTreeMap<String, String> {
    let answer = peer.get("/api/v1/ring").json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let peers = answer["peers"].as_array().expect("peers");
    peers.iter().map(|peer| (text(&peer["name"]), text(&peer["id"]))).collect()
}

/// Who is responsible for a name, as anybody can work it out who knows all peers: the first at or behind its hash.
pub fn owner(ring: &BTreeMap<String, String>, name: &str) -> String {
    let key = Id::of(name.as_bytes()).to_string();
    let mut peers: Vec<(&String, &String)> = ring.iter().map(|(name, id)| (id, name)).collect();
    peers.sort();
    let behind = peers.iter().find(|(id, _)| **id >= key).or(peers.first());
    behind.expect("a ring has peers").1.clone()
}

/// A name for which some other peer than this one is responsible.
pub fn name_elsewhere(ring: &BTreeMap<String, String>, than: &str) -> String {
    let mut names = (0..).map(|number| format!("lecture {number}.pdf"));
    names.find(|name| owner(ring, name) != than).expect("there are many names")
}

/// Where a peer serves a file that it shares.
pub fn url(peer: &TestPeer, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(encode).collect();
    format!("{}/files/{}", peer.gateway(), path.join("/"))
}
