//! Several peers on loopback.

use std::time::Duration;

use super::{Program, Settings, TestPeer, ensure, eventually, program};

/// Peers p1, p2, … below one temporary folder, which goes with them.
#[derive(Debug)]
pub struct Cluster {
    /// The peers, p1 first.
    pub peers: Vec<TestPeer>,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// So many peers that do not run yet. All but the first have it as their friend, and the one before
    /// them as backup friend.
    ///
    /// # Panics
    /// Where their folders cannot be made.
    pub fn new(count: usize, settings: Settings<'_>) -> Cluster {
        // Built before the first deadline runs.
        program(Program::ChordPeer);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut peers: Vec<TestPeer> = Vec::new();
        for number in 1..=count {
            let mut peer = TestPeer::new(folder.path(), &format!("p{number}"), settings);
            if let (Some(first), Some(last)) = (peers.first(), peers.last()) {
                peer.set("friend", &first.chord());
                peer.set("backup_friend", &last.chord());
            }
            peers.push(peer);
        }
        Cluster { peers, folder }
    }

    /// Where all their files are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts all at once; returns when all listen.
    ///
    /// # Panics
    /// Where one ends instead.
    pub fn start(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.spawn("all"));
        self.peers.iter_mut().for_each(|peer| peer.wait_listening("all"));
    }

    /// Those that run.
    pub fn living(&self) -> Vec<&TestPeer> {
        self.peers.iter().filter(|peer| peer.runs()).collect()
    }

    /// Waits until `chord-cli ring check` passes at a living peer, with all the living in the ring.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_ring(&self, within: Duration) {
        let living = self.living();
        let asked = living.first().expect("one lives");
        eventually(within, "chord-cli ring check passes", || {
            let check = asked.cli(&["--output", "json", "ring", "check"]);
            ensure(check.code == 0, || format!("{check:?}"))?;
            let ring = check.json();
            let names = ring["peers"].as_array().map_or(0, Vec::len);
            ensure(names == living.len(), || format!("{names} of {} peers: {ring}", living.len()))
        });
    }
}
