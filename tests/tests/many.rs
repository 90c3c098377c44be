//! 64 real peers on loopback, one process each, with the default intervals: one exact ring soon after they start, and
//! again after all were killed.

use std::time::{Duration, Instant};

use chordial_tests::programs::{Cluster, TestPeer, ensure, eventually, exact, get, usage};
use serde_json::Value;

/// How many; fewer would not show what is claimed.
const PEERS: usize = 64;
/// From the last start until the ring is exact: the design's number.
const WITHIN: Duration = Duration::from_secs(15);
/// The defaults, which tests otherwise shorten.
const DEFAULTS: &[(&str, &str)] = &[
    ("chord.stabilize", "1s"),
    ("chord.stabilize_quiet", "4s"),
    ("chord.fix_fingers", "1s"),
    ("index.lease", "60s"),
    ("log.level", "warn,chord_peer=info"),
];

#[test]
fn sixty_four_peers_started_at_once_are_one_ring_and_so_after_all_were_killed() {
    let mut cluster = Cluster::new(PEERS, DEFAULTS);
    // All have friends, so that who founds is for them to agree on.
    let last = cluster.peers[PEERS - 1].chord();
    cluster.peers[0].set("friend", &last);
    start(&mut cluster, "started at once");

    cluster.peers.iter_mut().for_each(TestPeer::kill);
    // Now those whom the others have as friends come last.
    cluster.peers.reverse();
    start(&mut cluster, "killed and started again, seeds last");
    let check = cluster.peers[0].cli(&["ring", "check"]).ok();
    assert!(check.out.contains("64 peers, all views agree"), "{check:?}");
}

/// Starts all; returns when their ring is exact.
fn start(cluster: &mut Cluster, what: &str) {
    let began = Instant::now();
    cluster.peers.iter_mut().for_each(|peer| peer.spawn("all"));
    let started = Instant::now();
    let spawning = started - began;
    let mut listening = None;
    eventually(WITHIN, &format!("{PEERS} peers, {what}, are one exact ring"), || {
        let nodes = nodes(cluster)?;
        listening.get_or_insert_with(|| started.elapsed());
        exact(&nodes)
    });
    let exact = started.elapsed();
    // What the machine's starting of processes is of it.
    let listening = listening.unwrap_or_default();
    println!(
        "{PEERS} processes {what} (within {spawning:.1?}): from the last start all answer after {listening:.1?}, \
         one exact ring after {exact:.1?}; {}",
        use_of_all(cluster)
    );
}

/// What each says of itself; an error as long as one does not answer.
fn nodes(cluster: &Cluster) -> Result<Vec<Value>, String> {
    let node = |peer: &TestPeer| {
        let answer = get(&peer.gateway(), "/api/v1/node")?;
        ensure(answer.status == 200, || format!("{}: {}", peer.name(), answer.status))?;
        Ok(answer.json())
    };
    cluster.peers.iter().map(node).collect()
}

/// Memory and descriptors of all.
fn use_of_all(cluster: &Cluster) -> String {
    let all: Vec<_> = cluster.peers.iter().filter_map(|peer| usage(peer.id())).collect();
    let memory: u64 = all.iter().map(|usage| usage.resident).sum();
    let descriptors: usize = all.iter().map(|usage| usage.descriptors).sum();
    format!("{} MiB and {descriptors} descriptors", memory >> 20)
}
