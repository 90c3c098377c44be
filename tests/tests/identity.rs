//! One identity is one peer's, and a peer is in the ring only where others can dial it.

use std::net::{TcpListener, TcpStream};
use std::thread;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually, free_port};

/// `host:port` of a URL.
fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

/// Waits until a peer says all of these words where people look: in its log and where it is asked whether it is
/// ready.
fn says(peer: &TestPeer, words: &[&str]) {
    let has_all = |text: &str| words.iter().all(|word| text.contains(word));
    eventually(PATIENCE, &format!("{} says {words:?}", peer.name()), || {
        let log = peer.log("all");
        ensure(log.lines().any(has_all), || log)?;
        let ready = peer.get("/readyz");
        ensure(ready.status == 503, || format!("{ready:?}"))?;
        let detail = ready.problem(503)["detail"].as_str().unwrap_or_default().to_owned();
        ensure(has_all(&detail), || detail)
    });
}

/// The first three of a cluster are its ring, and find each other's files.
fn three_go_on(cluster: &Cluster) {
    for asked in &cluster.peers[..3] {
        for holder in &cluster.peers[..3] {
            eventually(PATIENCE, "the file is found", || {
                let sources = asked.sources(&format!("of {}.txt", holder.name()))?;
                ensure(sources.len() == 1, || format!("{sources:?}"))
            });
        }
        let ring = asked.get("/api/v1/ring").json();
        assert_eq!(ring["peers"].as_array().map(Vec::len), Some(3), "{ring}");
        assert_eq!(ring["agreed"], true, "{ring}");
    }
}

fn three_and_one() -> Cluster {
    let mut cluster = Cluster::new(4, &[]);
    for peer in &mut cluster.peers[..3] {
        peer.share(&format!("of {}.txt", peer.name()), b"here");
        peer.spawn("all");
    }
    cluster.peers[..3].iter_mut().for_each(|peer| peer.wait_listening("all"));
    cluster.wait_ring(PATIENCE);
    cluster
}

#[test]
fn a_second_peer_of_one_identity_is_refused_by_name_and_the_first_is_unharmed() {
    let mut cluster = three_and_one();
    let of_p2 = cluster.peers[1].chord();
    let before = cluster.peers[1].get("/api/v1/node").json();
    cluster.peers[3].set("services.chord", &of_p2);
    cluster.peers[3].set("name", "second");
    cluster.peers[3].start();
    let identity = format!("the identity {} is in use by p2,", address(&of_p2));
    says(&cluster.peers[3], &[&identity, "`advertise`"]);
    // Its friend may be the very peer whose identity it has.
    assert!(cluster.peers[3].terminate(PATIENCE).success());
    cluster.peers[3].set("friend", &of_p2.replace("127.0.0.1", "localhost"));
    cluster.peers[3].set("backup_friend", "");
    cluster.peers[3].start();
    says(&cluster.peers[3], &[&identity]);
    three_go_on(&cluster);
    let after = cluster.peers[1].get("/api/v1/node").json();
    assert_eq!(after["state"], "member");
    assert_eq!(after["incarnation"], before["incarnation"], "it never had to give way");
    assert_eq!(after["predecessor"], before["predecessor"]);
    assert_eq!(after["successors"], before["successors"]);
    assert!(!cluster.peers[..3].iter().any(|peer| peer.log("all").contains("gave up")));
}

#[test]
fn a_peer_that_nobody_can_dial_stays_outside_until_its_port_is_forwarded() {
    let mut cluster = three_and_one();
    let advertised = format!("127.0.0.1:{}", free_port());
    cluster.peers[3].set("services.chord", &format!("http://{advertised}"));
    cluster.peers[3].start();
    let reach = format!("can't reach this peer at {advertised}");
    says(&cluster.peers[3], &[&reach, "nobody listens there", "`advertise`"]);
    three_go_on(&cluster);
    assert_eq!(cluster.peers[3].get("/api/v1/node").json()["state"], "joining");

    // Now the port leads to it.
    let listener = TcpListener::bind(&advertised).expect("the advertised port");
    let inside = address(&cluster.peers[3].chord());
    thread::spawn(move || {
        for outer in listener.incoming().flatten() {
            let Ok(inner) = TcpStream::connect(&inside) else { continue };
            for (mut from, mut to) in [(outer.try_clone(), inner.try_clone()), (Ok(inner), Ok(outer))]
                .into_iter()
                .filter_map(|(from, to)| Some((from.ok()?, to.ok()?)))
            {
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    cluster.peers[3].wait_member();
    cluster.wait_ring(PATIENCE);
}
