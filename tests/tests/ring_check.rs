//! What `chord-cli ring check`, `GET /api/v1/ring` and `/metrics` say of a ring while peers stop, come back and
//! die: each thing wrong by its name, and nothing once it is mended.

use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually};
use serde_json::{Value, json};

/// How many peers, each with a list of one successor, so that one peer that stops is enough to break an invariant.
const PEERS: usize = 4;
/// Long enough that a check, which looks twice, ends before a peer that has stopped is given up.
const GIVE_UP: &str = "12s";

#[test]
fn what_is_wrong_is_named_until_it_is_mended() {
    let settings = [
        ("chord.successors", "1"),
        ("chord.replicas", "2"),
        ("chord.give_up", GIVE_UP),
        ("index.lease", "30s"),
    ];
    let mut cluster = Cluster::new(PEERS, &settings);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    for peer in &cluster.peers {
        for number in 0..5 {
            peer.share(&format!("{number} of {}.txt", peer.name()), b"x");
        }
    }
    let asked = &cluster.peers[0];
    // Each of the 20 files under its name and its words: "1 of p1.txt" has four, the others have five.
    eventually(PATIENCE, "all entries have their copies", || {
        let checked = asked.cli(&["ring", "check"]);
        ensure(checked.out.contains("replicas: all 116 entries at 2 peers each"), || format!("{checked:?}"))
    });
    let right = asked.cli(&["ring", "check", "--verbose"]).ok().out;
    for words in ["4 peers, all views agree", "invariants: all 8 hold", "OneLiveSuccessor holds"] {
        assert!(right.contains(words), "{words:?} is missing in\n{right}");
    }
    // Digests that have just been computed are on their way to the copies for a moment.
    let replicas = json!({ "wanted": 2, "entries": 116, "short": 0, "short_arcs": [], "remedy": null });
    let mut ring = Value::Null;
    eventually(PATIENCE, "every copy is like the original", || {
        ring = asked.get("/api/v1/ring").json();
        ensure(ring["replicas"] == replicas, || format!("{ring}"))
    });
    assert_eq!((&ring["agreed"], &ring["mode"]), (&json!(true), &json!("large")));
    metrics_say(asked, "OneLiveSuccessor", 1);

    // A peer that stops is the only successor of the one before it.
    let stopped = 2;
    cluster.peers[stopped].signal("STOP");
    let before = predecessor(&ring, "p3");
    let asked = &cluster.peers[0];
    let checked = asked.cli(&["--output", "json", "ring", "check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    let wrong = checked.json();
    let broken = invariant(&wrong, "OneLiveSuccessor");
    assert_eq!((&broken["holds"], &broken["peers"]), (&json!(false), &json!([before])), "{wrong}");
    assert!(broken["remedy"].as_str().is_some_and(|remedy| remedy.contains("12 s")), "{wrong}");
    let named = |problem: &Value| {
        problem["peer"] == *before
            && problem["what"].as_str().is_some_and(|what| what.contains("p3 does not answer"))
    };
    assert!(wrong["problems"].as_array().is_some_and(|problems| problems.iter().any(named)), "{wrong}");
    assert_eq!(wrong["agreed"], false, "{wrong}");
    // What it kept has one copy left; the arc of the one behind it begins where its own did.
    let (here, behind) = (owned(&ring, "p3"), owned(&ring, &successor(&ring, "p3")));
    let short = owned(&ring, &before) + if here > 0 { here + behind } else { 0 };
    assert_eq!(wrong["replicas"]["short"], short, "{wrong}\n{ring}");
    // What p1 said last is shown for a while; p4 has not been asked yet.
    metrics_say(&cluster.peers[3], "OneLiveSuccessor", 0);

    // It is given up, and those that are left close the ring and copy its entries anew.
    eventually(PATIENCE, "three peers are a right ring", || right_ring_of(asked, PEERS - 1));
    // It comes back where it was.
    cluster.peers[stopped].signal("CONT");
    let asked = &cluster.peers[0];
    eventually(PATIENCE, "four peers are a right ring again", || right_ring_of(asked, PEERS));

    // One is killed: another copies what it kept.
    cluster.peers[stopped].kill();
    let asked = &cluster.peers[0];
    eventually(PATIENCE, "three peers keep all", || right_ring_of(asked, PEERS - 1));
    metrics_say(asked, "OneLiveSuccessor", 1);
}

/// `ring check` passes, with so many peers.
fn right_ring_of(asked: &TestPeer, peers: usize) -> Result<(), String> {
    let checked = asked.cli(&["--output", "json", "ring", "check"]);
    ensure(checked.code == 0, || format!("{checked:?}"))?;
    let ring = checked.json();
    let count = ring["peers"].as_array().map_or(0, Vec::len);
    ensure(count == peers && ring["replicas"]["short"] == 0, || ring.to_string())
}

/// Its metrics show whether the invariant holds, at the latest once the last look is too old.
fn metrics_say(asked: &TestPeer, invariant: &str, holds: u8) {
    let line = format!("chord_ring_invariant_holds{{invariant=\"{invariant}\"}} {holds}");
    eventually(Duration::from_secs(30), &line, || {
        let text = String::from_utf8_lossy(&asked.get("/metrics").body).into_owned();
        for gauge in ["chord_ring_problems ", "chord_replicas_short ", "chord_ring_peers "] {
            ensure(text.contains(gauge), || format!("no {gauge}in\n{text}"))?;
        }
        ensure(text.lines().any(|other| other == line), || text.clone())
    });
}

/// Who stands before a peer, in the ring order of this answer.
fn predecessor(ring: &Value, name: &str) -> String {
    neighbor(ring, name, PEERS - 1)
}

fn successor(ring: &Value, name: &str) -> String {
    neighbor(ring, name, 1)
}

fn neighbor(ring: &Value, name: &str, steps: usize) -> String {
    let names: Vec<&str> =
        ring["peers"].as_array().into_iter().flatten().filter_map(|peer| peer["name"].as_str()).collect();
    let at = names.iter().position(|other| *other == name).expect("it is in the ring");
    names[(at + steps) % names.len()].to_owned()
}

/// The entries of a peer's own arc.
fn owned(ring: &Value, name: &str) -> u64 {
    let mut peers = ring["peers"].as_array().into_iter().flatten();
    let peer = peers.find(|peer| peer["name"] == name).expect("it is in the ring");
    peer["entries"]["owned"].as_u64().expect("it has answered")
}

fn invariant<'a>(ring: &'a Value, name: &str) -> &'a Value {
    let all = ring["invariants"].as_array().expect("the invariants");
    assert_eq!(all.len(), 8, "{ring}");
    all.iter().find(|invariant| invariant["name"] == name).expect("it is one of them")
}
