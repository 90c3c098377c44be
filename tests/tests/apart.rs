//! One peer as four processes, each service alone, that know each other only through gRPC.

use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, Program, ensure, eventually, run};

const SERVICES: [&str; 4] = ["chord", "catalog", "transfer", "gateway"];
/// The lease; how long a catalog may be away, as at a restart, before renewing ends; and what a busy machine
/// may add.
const LEASE: Duration = Duration::from_secs(4);
const LAPSE: Duration = Duration::from_secs(3);
const MARGIN: Duration = Duration::from_secs(3);

#[test]
fn a_peer_of_four_processes_answers_as_one() {
    let mut cluster = Cluster::new(2, &[("index.lease", "4s")]);
    let song: Vec<u8> = (0..200_000u32).map(|byte| (byte % 249) as u8).collect();
    cluster.peers[0].share("apart.txt", b"Four processes share this.\n");
    cluster.peers[0].share("music/long song 🎶.mp3", &song);
    cluster.peers[1].share("of the other one.txt", b"hello");
    // The order does not matter: the gateway first, which has nobody to ask yet.
    for service in SERVICES.iter().rev() {
        cluster.peers[0].start_only(service);
    }
    cluster.peers[1].start();
    cluster.wait_ring(PATIENCE);
    let names = ["apart.txt", "long song 🎶.mp3"];
    for (index, asked) in cluster.peers.iter().enumerate() {
        for name in names {
            eventually(PATIENCE, &format!("{} finds {name:?} of the peer apart", asked.name()), || {
                let sources = asked.sources(name)?;
                ensure(sources.len() == 1 && sources[0]["peer"] == "p1", || format!("{index}: {sources:?}"))
            });
        }
    }

    // Through its own gateway.
    let apart = &cluster.peers[0];
    assert_eq!(apart.get("/livez").status, 200);
    assert_eq!(apart.get("/readyz").status, 200);
    let node = apart.get("/api/v1/node").json();
    assert_eq!((&node["name"], &node["state"]), (&"p1".into(), &"member".into()), "{node}");
    assert_eq!(node["addresses"]["gateway"], apart.gateway(), "{node}");
    assert_eq!(node["addresses"]["transfer"], apart.transfer(), "{node}");
    let catalog = apart.get("/api/v1/catalog").json();
    assert_eq!((&catalog["peer"], &catalog["total"]), (&"p1".into(), &2.into()), "{catalog}");
    let found = apart.get("/api/v1/files/of%20the%20other%20one.txt").json();
    assert_eq!(found["sources"][0]["peer"], "p2", "{found}");
    eventually(PATIENCE, "the whole network is listed", || {
        let listing = apart.get("/api/v1/files").json();
        ensure(listing["files"].as_array().is_some_and(|files| files.len() == 3), || listing.to_string())
    });
    // Bytes come from its own transfer service, in another process.
    assert!(apart.get("/files/music/long%20song%20%F0%9F%8E%B6.mp3").body == song);
    let content = apart.get("/api/v1/files/long%20song%20%F0%9F%8E%B6.mp3/content");
    assert!(content.status == 200 && content.body == song, "{}", content.status);
    assert_eq!(apart.get("/api/v1/files/of%20the%20other%20one.txt/content").body, b"hello");
    // And the other one fetches from there.
    let to = cluster.folder().join("got.mp3").display().to_string();
    cluster.peers[1].cli(&["get", names[1], "-o", &to]).ok();
    assert!(std::fs::read(to).expect("the file") == song);

    let config = apart.write_config().display().to_string();
    let health = run(Program::ChordPeer, cluster.folder(), &["health", "--config", &config]).ok();
    for service in SERVICES {
        let live = |line: &str| line.starts_with(service) && line.ends_with("live");
        assert!(health.out.lines().any(live), "{service} in {}", health.out);
    }

    // Nobody renews for a catalog that nobody hears of.
    cluster.peers[0].kill_only("catalog");
    eventually(LAPSE + LEASE + MARGIN, "a peer without its catalog has no entries", || {
        for asked in &cluster.peers {
            for name in names {
                let sources = asked.sources(name)?;
                ensure(sources.is_empty(), || format!("{}: {sources:?}", asked.name()))?;
            }
        }
        Ok(())
    });
    assert_eq!(cluster.peers[0].get("/readyz").status, 200, "the peer itself is still a member");
    let health = run(Program::ChordPeer, cluster.folder(), &["health", "--config", &config]);
    assert_eq!(health.code, 3, "{health:?}");
    cluster.peers[0].start_only("catalog");
    for asked in &cluster.peers {
        eventually(PATIENCE, &format!("{} finds the files again", asked.name()), || {
            for name in names {
                ensure(asked.sources(name)?.len() == 1, || format!("not {name:?}"))?;
            }
            Ok(())
        });
    }

    // Without its transfer service the peer still answers questions, and says what is missing.
    cluster.peers[0].kill_only("transfer");
    let problem = cluster.peers[0].get("/files/apart.txt");
    assert!(matches!(problem.status, 502 | 503), "{problem:?}");
    problem.problem(problem.status);
    assert_eq!(cluster.peers[0].get("/api/v1/files/apart.txt").status, 200);
    cluster.peers[0].start_only("transfer");
    eventually(PATIENCE, "bytes come again", || {
        let answer = cluster.peers[0].get("/files/apart.txt");
        ensure(answer.body == b"Four processes share this.\n", || format!("{answer:?}"))
    });
}
