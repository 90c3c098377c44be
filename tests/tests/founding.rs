//! Who founds the ring, who waits for it, and what keeps a peer from starting at all.

use std::net::TcpListener;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually, get};

#[test]
fn five_peers_that_all_have_friends_form_one_ring() {
    let mut cluster = Cluster::new(5, &[]);
    let addresses: Vec<String> = cluster.peers.iter().map(TestPeer::chord).collect();
    for (index, peer) in cluster.peers.iter_mut().enumerate() {
        peer.set("friend", &addresses[(index + 1) % 5]);
        peer.set("backup_friend", &addresses[(index + 2) % 5]);
    }
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let founders = cluster.peers.iter().filter(|peer| peer.log("all").contains("founded a ring"));
    assert_eq!(founders.count(), 1, "exactly one founds");
}

#[test]
fn a_peer_whose_friend_is_away_waits_for_it_and_says_so_once() {
    let mut cluster = Cluster::new(2, &[]);
    let friend = cluster.peers[0].chord();
    cluster.peers[1].set("backup_friend", "");
    cluster.peers[1].start();
    let waiting = &cluster.peers[1];
    let unreachable = format!("no friend answers ({})", friend.trim_start_matches("http://"));
    eventually(PATIENCE, "the log names the friend", || {
        let log = waiting.log("all");
        ensure(log.contains(&unreachable), || log)
    });
    // It keeps trying: what listens there is dialled again and again. The log does not repeat itself.
    let listener = TcpListener::bind(friend.trim_start_matches("http://")).expect("the friend's port");
    listener.set_nonblocking(true).expect("a socket");
    for _ in 0..2 {
        eventually(PATIENCE, "the friend is dialled again", || {
            listener.accept().map(drop).map_err(|error| error.to_string())
        });
    }
    drop(listener);
    let ready = waiting.get("/readyz");
    let detail = ready.problem(503)["detail"].to_string();
    assert!(detail.contains("joining"), "{detail}");
    assert!(ready.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{ready:?}");
    let find = waiting.get("/api/v1/files/x");
    find.problem(503);
    assert!(find.header("retry-after").is_some(), "{find:?}");
    assert_eq!(waiting.get("/livez").status, 200);
    assert_eq!(waiting.get("/api/v1/node").json()["state"], "joining");
    assert_eq!(waiting.cli(&["find", "x"]).code, 1, "it answers, but cannot");
    let said = waiting.log("all").matches(&unreachable).count();
    assert_eq!(said, 1, "{}", waiting.log("all"));

    cluster.peers[0].start();
    cluster.wait_ring(PATIENCE);
    cluster.peers[1].wait_member();
}

#[test]
fn a_peer_whose_friend_is_a_name_for_itself_looks_for_others_then_founds() {
    let mut cluster = Cluster::new(1, &[]);
    let itself = cluster.peers[0].chord().replace("127.0.0.1", "localhost");
    cluster.peers[0].set("friend", &itself);
    cluster.peers[0].start();
    cluster.peers[0].wait_member();
    let log = cluster.peers[0].log("all");
    assert!(log.contains("all friends are this peer itself"), "{log}");
}

#[test]
fn a_friend_of_another_ring_is_refused_with_both_names() {
    let mut cluster = Cluster::new(2, &[]);
    cluster.peers[0].set("ring", "north");
    cluster.peers[1].set("ring", "south");
    cluster.start();
    let [north, south] = &cluster.peers[..] else { panic!("two peers") };
    north.wait_member();
    let both = |text: &str| text.contains("\"north\"") && text.contains("\"south\"");
    eventually(PATIENCE, "the log names both rings", || {
        let log = south.log("all");
        ensure(log.lines().any(both), || log)
    });
    let detail = south.get("/readyz").problem(503)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(both(&detail), "{detail}");
    // A ring of nobody does not agree.
    let ring = south.get("/api/v1/ring");
    let detail = ring.problem(503)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(both(&detail) && ring.header("retry-after").is_some(), "{ring:?}");
    for command in [&["ring"][..], &["ring", "check"]] {
        let output = south.cli(command);
        assert!(output.code == 1 && output.out.is_empty() && both(&output.err), "{output:?}");
        assert!(output.err.contains("still joining"), "{output:?}");
    }
    let ring = north.get("/api/v1/ring").json();
    assert_eq!(ring["peers"].as_array().map(Vec::len), Some(1), "{ring}");
}

#[test]
fn two_peers_cannot_share_a_state_folder() {
    let mut cluster = Cluster::new(2, &[]);
    let state = cluster.peers[0].state().display().to_string();
    cluster.peers[1].set("state", &state);
    cluster.peers[0].start();
    cluster.peers[1].spawn("all");
    assert_eq!(cluster.peers[1].wait_end("all"), Some(1));
    let log = cluster.peers[1].log("all");
    assert!(log.contains(&state) && log.contains("is in use by another chord-peer"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    // The first one does not notice, and a third life of the folder is possible.
    cluster.peers[0].wait_member();
    assert_eq!(cluster.peers[0].terminate(PATIENCE).code(), Some(0));
    for key in ["friend", "backup_friend"] {
        cluster.peers[1].set(key, "");
    }
    cluster.peers[1].start();
    cluster.peers[1].wait_member();
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let mut cluster = Cluster::new(1, &[]);
    let peer = &mut cluster.peers[0];
    let addresses = [("chord", peer.chord()), ("transfer", peer.transfer()), ("gateway", peer.gateway())];
    for (service, address) in addresses {
        let address = address.trim_start_matches("http://").to_owned();
        let taken = TcpListener::bind(&address).expect("a free port");
        peer.spawn("all");
        assert_eq!(peer.wait_end("all"), Some(1));
        let log = peer.log("all");
        assert!(log.contains(&format!("{address} is in use")), "{log}");
        assert!(log.contains(&format!("`ports.{service}`")), "{log}");
        drop(taken);
    }
    peer.start();
    peer.wait_member();
}

#[test]
fn a_peer_returns_to_its_ring_without_its_friend() {
    let mut cluster = Cluster::new(3, &[]);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    // What it remembers is on the disk now and then, and when it ends.
    assert_eq!(cluster.peers[2].terminate(PATIENCE).code(), Some(0));
    cluster.peers[2].set("friend", "");
    cluster.peers[2].set("backup_friend", "");
    cluster.peers[2].start();
    cluster.wait_ring(PATIENCE);
    let log = cluster.peers[2].log("all");
    assert!(!log.contains("founded a ring"), "{log}");
}

#[test]
fn a_lone_peer_is_a_ring_and_its_ports_may_be_the_systems_choice() {
    let zeros = ["ports.chord", "ports.catalog", "ports.transfer", "ports.gateway"].map(|key| (key, "0"));
    let mut cluster = Cluster::new(1, &zeros);
    cluster.peers[0].share("mine.txt", b"alone");
    cluster.start();
    let peer = &cluster.peers[0];
    peer.wait_member();
    let node = get(&peer.gateway(), "/api/v1/node").expect("an answer").json();
    assert_eq!(node["addresses"]["chord"], peer.chord(), "{node}");
    assert_eq!(node["addresses"]["gateway"], peer.gateway(), "{node}");
    assert!(peer.log("all").contains(peer.gateway().trim_start_matches("http://")), "{}", peer.log("all"));
    eventually(PATIENCE, "it finds its own file", || {
        ensure(peer.sources("mine.txt")?.len() == 1, || "not found".into())
    });
    peer.get("/api/v1/files/nothing").problem(404);
    cluster.wait_ring(PATIENCE);
    assert_eq!(cluster.peers[0].terminate(PATIENCE).code(), Some(0));
}
