//! A peer can't make others dial an address that is not its own.

use std::io::ErrorKind;
use std::net::TcpListener;

use chord::Id;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::{Entry, Envelope, KeyEntries, Peer, PublishRequest, Services};
use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually, raw_grpc};
use tonic::Code;

/// Somebody who listens, and whom nobody should dial.
struct Victim(TcpListener);

impl Victim {
    fn new() -> Victim {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        Victim(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    /// Whoever had dialled would stand in its queue.
    #[track_caller]
    fn was_left_alone(&self, what: &str) {
        let dialled = self.0.accept();
        assert!(
            dialled.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "{what}: {dialled:?}"
        );
    }
}

/// Waits until the peer knows one holder of the file.
fn finds(asked: &TestPeer, name: &str) {
    eventually(PATIENCE, &format!("{} finds {name}", asked.name()), || {
        let sources = asked.sources(name)?;
        ensure(sources.len() == 1, || format!("{sources:?}"))
    });
}

#[test]
fn services_that_are_not_at_their_peers_own_host_are_not_dialled() {
    let mut cluster = Cluster::new(4, &[]);
    let victim = Victim::new();
    // p3 is where it says, but under another name, which p2 allows; p4 says that it is where the victim is.
    let really = cluster.peers[2].transfer().replace("127.0.0.1", "localhost");
    cluster.peers[1].set("security.service_hosts", "localhost");
    cluster.peers[2].set("services.transfer", &really);
    let strange = format!("http://localhost:{}", victim.port());
    cluster.peers[3].set("services.transfer", &strange);
    cluster.peers[3].set("services.catalog", &strange);
    cluster.peers[2].share("apart.txt", b"here");
    cluster.peers[3].share("strange.txt", b"here");
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let [p1, p2, p3, p4] = &cluster.peers[..] else { panic!("four peers") };
    for name in ["apart.txt", "strange.txt"] {
        finds(p1, name);
        finds(p2, name);
    }
    assert!(p4.log("all").contains("`security.service_hosts`"), "it was warned: {}", p4.log("all"));

    let content = |peer: &TestPeer, name: &str| peer.get(&format!("/api/v1/files/{name}/content"));
    for (peer, name) in [(p1, "apart.txt"), (p1, "strange.txt"), (p3, "strange.txt")] {
        let problem = content(peer, name).problem(502);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("not its own host 127.0.0.1"), "{detail}");
    }
    assert_eq!(content(p2, "apart.txt").body, b"here");
    let listing = p1.get("/api/v1/catalog?peer=p4");
    assert!(matches!(listing.status, 502 | 503), "{listing:?}");
    assert!(listing.problem(listing.status)["detail"].to_string().contains("localhost"), "{listing:?}");

    for arguments in [&["get", "-o", "-", "strange.txt"][..], &["echo", "download", "strange.txt"]] {
        let refused = p1.cli(arguments);
        assert!(refused.code == 1 && refused.err.contains(&strange), "{refused:?}");
        assert!(refused.err.contains("--service-hosts"), "{refused:?}");
    }
    assert_ne!(p1.cli(&["ls", "--of", "p4"]).code, 0);
    victim.was_left_alone("nobody was to be dialled");

    assert_eq!(p1.cli(&["--service-hosts", "localhost", "get", "-o", "-", "apart.txt"]).ok().out, "here");
}

#[test]
fn entries_that_anybody_publishes_lead_nowhere() {
    let mut cluster = Cluster::new(1, &[]);
    cluster.start();
    let peer = &cluster.peers[0];
    peer.wait_member();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let publish = |address: &str, transfer: &str, name: &str| {
        let id = Id::of(address.as_bytes()).to_bytes().to_vec();
        let sender = Peer { id, address: address.into(), incarnation: 1, name: "evil".into() };
        let entry =
            Entry { name: name.into(), path: name.into(), size: 4, modified_ms: 1, ..Entry::default() };
        let key = Id::of(name.as_bytes()).to_bytes().to_vec();
        let keys = vec![KeyEntries { key, entries: vec![entry], ..KeyEntries::default() }];
        let envelope =
            Envelope { version: 1, ring: "chordial".into(), sender: Some(sender), ..Envelope::default() };
        let services = Services { transfer: transfer.into(), ..Services::default() };
        let (envelope, services) = (Some(envelope), Some(services));
        let request = PublishRequest {
            envelope,
            services,
            sequence: 1,
            keys,
            from: vec![0; 20],
            to: vec![0; 20],
            replace: false,
        };
        runtime.block_on(async {
            let mut client = IndexServiceClient::new(raw_grpc::channel(&peer.chord()));
            client.publish(request).await.map(drop)
        })
    };

    let victim = Victim::new();
    let port = victim.port();
    for transfer in [
        format!("http://127.0.0.1:7@localhost:{port}"),
        format!("http://127.0.0.1:7/@localhost:{port}"),
        format!("https://127.0.0.1:{port}"),
        format!("gopher://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/latest/meta-data"),
        format!("http://0.0.0.0:{port}"),
        format!("http://2130706433:{port}"),
    ] {
        let refused = publish("127.0.0.1:7", &transfer, "refused.txt").expect_err(&transfer);
        assert_eq!(refused.code(), Code::InvalidArgument, "{transfer}: {refused}");
    }
    assert_eq!(peer.sources("refused.txt"), Ok(Vec::new()));

    // A publisher's own address, with somebody else's service; a publisher that does not exist, at the victim's host.
    for (name, address, transfer) in [
        ("elsewhere.txt", "127.0.0.1:7", format!("http://localhost:{port}")),
        ("mapped.txt", "localhost:7", format!("http://[::ffff:127.0.0.1]:{port}")),
        ("metadata.txt", "127.0.0.1:8", "http://169.254.169.254:80".to_owned()),
        ("made-up.txt", "127.0.0.1:9", format!("http://127.0.0.1:{port}")),
    ] {
        publish(address, &transfer, name).expect("it is taken: nobody knows better");
        finds(peer, name);
        let answer = peer.get(&format!("/api/v1/files/{name}/content"));
        answer.problem(502);
        if name != "made-up.txt" {
            let refused = peer.cli(&["get", "-o", "-", name]);
            assert!(refused.code == 1 && refused.err.contains("not its own host"), "{refused:?}");
        }
        victim.was_left_alone(name);
    }
}
