//! Real nodes behind real gRPC servers on loopback, asked as a client would.

use std::time::{Duration, Instant};

use chord::{Event, Id};
use chordial_proto::catalog_v1::catalog_service_server::CatalogServiceServer;
use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    FindRequest, FindResponse, FindSuccessorRequest, GetKeptRequest, GetRingRequest, GetRingResponse,
    ListFilesRequest, ListNamesRequest, PeerState, RingScope,
};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::calls::lazy_channel;
use crate::driver::testing::{FakeCatalog, TestPeer, file, quick, until, until_ring};

fn dial(peer: &TestPeer) -> Channel {
    lazy_channel(&format!("http://{}", peer.handle.me().address)).unwrap()
}

async fn find(peer: &TestPeer, name: &str) -> Result<FindResponse, Status> {
    let request = FindRequest { name: name.into() };
    IndexServiceClient::new(dial(peer)).find(request).await.map(Response::into_inner)
}

/// Who has the file, as `peer` says, living ones only.
async fn holders(peer: &TestPeer, name: &str) -> Result<Vec<String>, Status> {
    let found = find(peer, name).await?;
    let living = found.sources.into_iter().filter(|source| source.alive);
    Ok(living.filter_map(|source| Some(source.publisher?.name)).collect())
}

async fn until_holders(peer: &TestPeer, name: &str, expected: &[&str]) {
    until(&format!("{name} is held by {expected:?}"), async || match holders(peer, name).await {
        Ok(holders) if holders == expected => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// The network's listing as (key, name, total), two names a page, and whether all pages were complete.
async fn all_names(peer: &TestPeer) -> (Vec<(Vec<u8>, String, u64)>, bool) {
    let (mut names, mut complete, mut cursor) = (Vec::new(), true, String::new());
    loop {
        let request = ListNamesRequest { limit: 2, cursor };
        let page = IndexServiceClient::new(dial(peer)).list_names(request).await.unwrap().into_inner();
        assert!(page.files.len() <= 2);
        complete &= page.complete;
        names.extend(page.files.into_iter().map(|file| (file.key, file.name, file.total)));
        cursor = page.next;
        if cursor.is_empty() {
            return (names, complete);
        }
    }
}

async fn ring(peer: &TestPeer) -> GetRingResponse {
    NodeServiceClient::new(dial(peer)).get_ring(GetRingRequest::default()).await.unwrap().into_inner()
}

async fn until_agreed(peer: &TestPeer, expected: usize) -> GetRingResponse {
    until("all agree", async || {
        let ring = ring(peer).await;
        if ring.agreed && ring.peers.len() == expected { Ok(()) } else { Err(format!("{:?}", ring.problems)) }
    })
    .await;
    ring(peer).await
}

#[tokio::test]
async fn a_ring_finds_files_and_forgets_those_of_peers_that_leave_or_die() {
    let p1 = TestPeer::start("p1", &[], quick(), None).await;
    let p2 = TestPeer::start("p2", &[&p1], quick(), None).await;
    let p3 = TestPeer::start("p3", &[&p1, &p2], quick(), None).await;
    let mut p4 = TestPeer::start("p4", &[&p2], quick(), None).await;
    let peers = [&p1, &p2, &p3, &p4];
    until_ring(&peers).await;
    for (peer, own) in peers.iter().zip(["one.txt", "two.txt", "three.txt", "four.txt"]) {
        peer.handle.shared(vec![file(own), file("ñ.pdf")], vec![]).await;
    }
    for peer in peers {
        for (name, holder) in [("one.txt", "p1"), ("two.txt", "p2"), ("three.txt", "p3"), ("four.txt", "p4")]
        {
            until_holders(peer, name, &[holder]).await;
        }
        until_holders(peer, "n\u{303}.pdf", &["p1", "p2", "p3", "p4"]).await;
    }
    let found = find(&p1, "four.txt").await.unwrap();
    assert_eq!(found.key, Id::of(b"four.txt").to_bytes());
    assert_eq!((found.total, found.complete), (1, true));
    let route = found.route.unwrap();
    assert_eq!(route.path[0].peer.as_ref().unwrap().name, "p1");
    assert_eq!(route.path.len(), route.hops as usize + 1);
    let nowhere = find(&p2, "nowhere").await.unwrap();
    assert_eq!((nowhere.sources.len(), nowhere.total, nowhere.complete), (0, 0, true));

    let ring = until_agreed(&p3, 4).await;
    assert_eq!(ring.invariants.len(), 8);
    assert!(ring.invariants.iter().all(|invariant| invariant.holds), "{:?}", ring.invariants);
    until("every entry is at three peers", async || {
        let replicas = super::tests::ring(&p3).await.replicas.ok_or("no replicas")?;
        match (replicas.wanted, replicas.entries, replicas.short_entries) {
            // Each of the eight files under its name and two words.
            (3, 24, 0) => Ok(()),
            _ => Err(format!("{replicas:?}")),
        }
    })
    .await;
    let request = GetRingRequest { scope: RingScope::Neighbors.into() };
    let near = NodeServiceClient::new(dial(&p3)).get_ring(request).await.unwrap().into_inner();
    let replicas = near.replicas.unwrap();
    assert_eq!((near.problems, near.invariants, replicas.short_entries), (vec![], vec![], 0));
    assert_eq!(replicas.entries, p3.handle.snapshot().await.unwrap().owned);
    let arcs = vec![chordial_proto::chord_v1::ArcDigest::default(); 65];
    let refused = NodeServiceClient::new(dial(&p3)).get_kept(GetKeptRequest { arcs }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(ring.peers[0].peer.as_ref().unwrap().name, "p3", "the one asked comes first");
    let whole: f64 = ring.peers.iter().map(|peer| peer.share).sum();
    assert!((whole - 1.0).abs() < 1e-9, "{whole}");

    // All names, two at a time, once the newcomers know their arcs whole.
    until("the listing is complete", async || {
        let (_, complete) = all_names(&p2).await;
        if complete { Ok(()) } else { Err("it is not".into()) }
    })
    .await;
    let (names, _) = all_names(&p2).await;
    assert!(names.windows(2).all(|pair| pair[0].0 < pair[1].0), "{names:?}");
    assert_eq!(names.len(), 5);
    assert!(names.iter().any(|(_, name, total)| name == "ñ.pdf" && *total == 4));

    // One leaves: what it had is gone at once.
    assert!(p1.handle.leave(Duration::from_secs(5)).await);
    assert_eq!(find(&p1, "two.txt").await.unwrap_err().code(), Code::FailedPrecondition);
    until_ring(&[&p2, &p3, &p4]).await;
    for peer in [&p2, &p3, &p4] {
        until_holders(peer, "one.txt", &[]).await;
        until_holders(peer, "two.txt", &["p2"]).await;
    }

    // One is killed: it is refused and given up, and what it had is not offered as living any more.
    let mut events = p2.handle.events();
    let died = Instant::now();
    p4.kill();
    let gone =
        async { while !matches!(events.recv().await.unwrap(), Event::GivenUp(peer) if peer == p4.me()) {} };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("p4 is given up");
    assert!(died.elapsed() < Duration::from_secs(3), "given up only after {:?}", died.elapsed());
    until_ring(&[&p2, &p3]).await;
    for peer in [&p2, &p3] {
        until_holders(peer, "four.txt", &[]).await;
        until_holders(peer, "ñ.pdf", &["p2", "p3"]).await;
    }
    until_agreed(&p2, 2).await;
}

#[tokio::test]
async fn the_entries_of_a_dead_peer_are_gone_when_its_lease_has_run_out() {
    let config = || chord::Config { replicas: 1, ..quick() };
    let p1 = TestPeer::start("p1", &[], config(), None).await;
    let mut p2 = TestPeer::start("p2", &[&p1], config(), None).await;
    until_ring(&[&p1, &p2]).await;
    // Some of their keys are kept by p1, all but surely.
    let names: Vec<String> = (0..32).map(|number| format!("{number}.txt")).collect();
    p2.handle.shared(names.iter().map(|name| file(name)).collect(), vec![]).await;
    for name in &names {
        until_holders(&p1, name, &["p2"]).await;
    }
    assert!(p1.handle.snapshot().await.unwrap().owned > 0);
    p2.kill();
    until("the lease has run out", async || {
        let now = p1.handle.snapshot().await.unwrap();
        if now.owned + now.replicas == 0 { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(find(&p1, "1.txt").await.unwrap().total, 0);
}

#[tokio::test]
async fn a_dead_successor_is_a_problem_until_it_is_mended() {
    let slow = chord::Config { stabilize_quiet: Duration::from_secs(60), ..quick() };
    let slow = chord::Config { stabilize: Duration::from_secs(60), ..slow };
    let p1 = TestPeer::start("p1", &[], quick(), None).await;
    let mut p2 = TestPeer::start("p2", &[&p1], quick(), None).await;
    until_ring(&[&p1, &p2]).await;
    // A member that does not look for itself names the dead one as long as we like.
    let p3 = TestPeer::start("p3", &[&p1], slow, None).await;
    until("p3 is a member", async || {
        let now = p3.handle.snapshot().await.unwrap();
        if now.successors.len() == 2 { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    p2.kill();
    until("the walk tells", async || {
        let ring = ring(&p1).await;
        let suspected = |peer: &chordial_proto::chord_v1::RingPeer| {
            peer.state() == PeerState::Suspected && peer.peer.as_ref().is_some_and(|peer| peer.name == "p2")
        };
        let told = ring.problems.iter().any(|problem| problem.what.contains("p2"));
        if told && !ring.agreed && ring.peers.iter().any(suspected) {
            Ok(())
        } else {
            Err(format!("{ring:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn bad_questions_are_invalid_arguments() {
    let p1 = TestPeer::start("p1", &[], quick(), None).await;
    until_ring(&[&p1]).await;
    let mut index = IndexServiceClient::new(dial(&p1));
    let mut ring = ChordServiceClient::new(dial(&p1));
    let cursor = ListNamesRequest { limit: 1, cursor: "nonsense".into() };
    for status in [
        index.list_names(cursor).await.unwrap_err(),
        index.find(FindRequest::default()).await.unwrap_err(),
        ring.find_successor(FindSuccessorRequest { target: None }).await.unwrap_err(),
        ring.find_successor(FindSuccessorRequest { target: Some(Target::Key(vec![1])) }).await.unwrap_err(),
        ring.join(chordial_proto::chord_v1::JoinRequest::default()).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    let target = Some(Target::Name("a".into()));
    let alone = ring.find_successor(FindSuccessorRequest { target }).await.unwrap().into_inner();
    assert_eq!(alone.successor.unwrap().name, "p1");
    assert_eq!(alone.route.unwrap().hops, 0);
}

async fn health(peer: &TestPeer, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.into() };
    HealthClient::new(dial(peer)).check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn health_tells_membership_and_a_lonely_peer_says_why_it_is_none() {
    let mut gone = TestPeer::start("gone", &[], quick(), None).await;
    gone.kill();
    let p1 = TestPeer::start("p1", &[&gone], quick(), None).await;
    until("it says why", async || match find(&p1, "a").await {
        Err(status)
            if status.code() == Code::FailedPrecondition
                && status.message().contains(&*gone.me().address) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })
    .await;
    let ring = NodeServiceClient::new(dial(&p1)).get_ring(GetRingRequest::default()).await.unwrap_err();
    assert_eq!(ring.code(), Code::FailedPrecondition);
    let said =
        ["p1 is still joining its ring", &*gone.me().address].map(|words| ring.message().contains(words));
    assert_eq!(said, [true, true], "{ring:?}");
    assert_eq!(health(&p1, "").await, ServingStatus::Serving);
    assert_eq!(health(&p1, super::HEALTH).await, ServingStatus::NotServing);
    let p2 = TestPeer::start("p2", &[], quick(), None).await;
    until_ring(&[&p2]).await;
    until("a member is healthy", async || match health(&p2, super::HEALTH).await {
        ServingStatus::Serving => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn what_vanished_while_the_catalog_was_away_is_withdrawn() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (files, changes) = watch::channel(vec!["a.txt", "b.txt"]);
    let breaks = tokio_util::sync::CancellationToken::new();
    let fake = FakeCatalog { changes, breaks: breaks.clone() };
    let server = tonic::transport::Server::builder().add_service(CatalogServiceServer::new(fake));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let p1 = TestPeer::start("p1", &[], quick(), Some(url)).await;
    let p2 = TestPeer::start("p2", &[&p1], quick(), None).await;
    until_ring(&[&p1, &p2]).await;
    until_holders(&p2, "a.txt", &["p1"]).await;
    until_holders(&p2, "b.txt", &["p1"]).await;

    let ask =
        |peer: &str, cursor: &str| ListFilesRequest { peer: peer.into(), limit: 5, cursor: cursor.into() };
    let list =
        async |request| NodeServiceClient::new(dial(&p2)).list_files(request).await.map(Response::into_inner);
    let listed = list(ask("p1", "")).await.unwrap();
    assert_eq!((listed.total, listed.next.as_str(), listed.files[0].name.as_str()), (2, "n", "a.txt"));
    assert_eq!(list(ask(&p1.me().id.to_string(), "")).await.unwrap().peer.unwrap().name, "p1");
    assert_eq!(list(ask("p1", "bad")).await.unwrap_err().code(), Code::InvalidArgument);
    let unknown = list(ask("p9", "")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().contains("\"p9\"") && unknown.message().contains("p1, p2"), "{unknown}");
    let nowhere = list(ask("p2", "")).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::Unavailable, "p2 advertises no catalog: {nowhere}");
    assert_eq!(list(ask("", "")).await.unwrap().total, 0);

    files.send(vec!["b.txt", "c.txt"]).unwrap();
    breaks.cancel();
    until_holders(&p2, "a.txt", &[]).await;
    until_holders(&p2, "b.txt", &["p1"]).await;
    until_holders(&p2, "c.txt", &["p1"]).await;
}
