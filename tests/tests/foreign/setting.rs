//! A settled ring of peers with files of all kinds, and what a stranger has to know of it.

use std::path::PathBuf;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually};
use serde_json::{Value, json};

/// A file of one peer.
pub struct File {
    /// The holder's place in the cluster.
    pub holder: usize,
    /// Below its directory.
    pub path: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// The base name.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The path below a gateway that is the whole address of this file at its holder.
    pub fn encoded_path(&self) -> String {
        let segments: Vec<String> = self.path.split('/').map(encode).collect();
        format!("/files/{}", segments.join("/"))
    }
}

/// One of each kind that could make trouble: large, empty, in folders, with all sorts of names.
pub fn files() -> Vec<File> {
    let large = (0..3_000_000u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = |holder, path, bytes| File { holder, path, bytes };
    vec![
        file(0, "docs/report.pdf", b"The annual report.\n".to_vec()),
        file(0, "ten.txt", b"0123456789".to_vec()),
        file(1, "music/summer/día de playa 🏖.mp3", large),
        file(1, "empty", Vec::new()),
        file(2, "a & b #1 100% \"quoted\"?.txt", b"q".to_vec()),
        file(2, "deep/er/combining e\u{301}.html", b"<p>Hello.</p>\n".to_vec()),
    ]
}

/// The place of the one peer that takes uploads.
pub const TAKER: usize = 2;

/// Three peers with [`files`], once all of them find all, and know all digests.
pub fn settled() -> (Cluster, Vec<File>) {
    let mut cluster = Cluster::new(3, &[]);
    cluster.peers[TAKER].set("transfer.uploads", "true");
    let files = files();
    for file in &files {
        cluster.peers[file.holder].share(file.path, &file.bytes);
    }
    cluster.start();
    wait_found(&cluster, &files);
    (cluster, files)
}

/// Waits until the ring is settled and every peer finds every file, with its digest.
pub fn wait_found(cluster: &Cluster, files: &[File]) {
    cluster.wait_ring(PATIENCE);
    for peer in &cluster.peers {
        for file in files {
            eventually(PATIENCE, &format!("{} finds {:?}", peer.name(), file.path), || {
                let sources = peer.sources(file.name())?;
                let known = sources.iter().any(|source| source["digest"].is_string());
                ensure(known, || format!("{sources:?}"))
            });
        }
    }
}

/// The services of a peer and their addresses.
pub fn addresses(peer: &TestPeer) -> Value {
    peer.get("/api/v1/node").json()["addresses"].clone()
}

/// What tests/foreign/checks.py is told, in a file.
pub fn facts(cluster: &Cluster, files: &[File]) -> PathBuf {
    let peers: Vec<Value> = cluster
        .peers
        .iter()
        .map(|peer| {
            let mut fact = addresses(peer);
            fact["name"] = peer.name().into();
            fact["directory"] = peer.directory().display().to_string().into();
            fact["uploads"] = (peer.name() == cluster.peers[TAKER].name()).into();
            fact
        })
        .collect();
    let file = |file: &File| {
        let holder = &cluster.peers[file.holder];
        json!({ "holder": holder.name(), "path": file.path, "copy": holder.directory().join(file.path) })
    };
    let files: Vec<Value> = files.iter().map(file).collect();
    let path = cluster.folder().join("facts.json");
    std::fs::write(&path, json!({ "peers": peers, "files": files }).to_string()).expect("a file of facts");
    path
}
