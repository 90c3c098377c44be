//! The events of the network: their form, where a reader goes on, and how a stream ends.

use std::time::{Duration, Instant};

use chordial_proto::catalog_v1::File;
use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{
    EventsEnd, FileChange, FileChanged, PeerChange, PeerChanged, WatchEventsResponse,
};
use serde_json::json;
use tokio::time::timeout;

use super::fakes::{self, MODIFIED_MS};
use super::reader::Reader;
use super::{Harness, PATIENCE};
use crate::gateway::Limits;

const PATH: &str = "/api/v1/events";

fn joined() -> Event {
    let change = PeerChange::Joined.into();
    Event::Peer(PeerChanged { change, peer: Some(fakes::peer("p4")), peers: 4 })
}

fn appeared(path: &str) -> Event {
    let file = File {
        name: path.rsplit('/').next().unwrap().to_owned(),
        path: path.to_owned(),
        size: 10,
        modified_ms: MODIFIED_MS,
        digest: Vec::new(),
    };
    Event::File(FileChanged {
        change: FileChange::Appeared.into(),
        peer: Some(fakes::peer("p2")),
        gateway: "http://p2.test:8000".to_owned(),
        file: Some(file),
    })
}

impl Harness {
    /// Tells all readers of an event.
    fn tell(&self, id: &str, event: Event) {
        for (_, reader) in &*self.fakes.knobs.readers.lock().unwrap() {
            let message =
                WatchEventsResponse { id: id.to_owned(), at_ms: MODIFIED_MS, event: Some(event.clone()) };
            // Those that have gone are of no interest.
            drop(reader.send(message));
        }
    }

    /// The ids behind which readers wanted to go on, in their order.
    fn resumed(&self) -> Vec<String> {
        self.fakes.knobs.readers.lock().unwrap().iter().map(|(after, _)| after.clone()).collect()
    }

    fn reading(&self) -> usize {
        self.fakes.knobs.readers.lock().unwrap().iter().filter(|(_, reader)| !reader.is_closed()).count()
    }

    async fn until_reading(&self, wanted: usize) {
        let settled = async {
            while self.reading() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{} read", self.reading()));
    }
}

#[tokio::test]
async fn events_come_with_their_ids_and_names() {
    let peer = Harness::new().await;
    let mut reader = Reader::open(&peer, PATH, "").await;
    assert!(reader.until("event: ready").await && reader.until("\n\n").await);
    for line in ["content-type: text/event-stream\r\n", "cache-control: no-store\r\n", "retry: 2000\n\n"] {
        assert!(reader.text.contains(line), "{line:?} in {}", reader.text);
    }
    peer.tell("7-2", joined());
    peer.tell("7-3", appeared("d/one\ntwo.txt"));
    assert!(reader.until("d/one").await && reader.until("7-3\n").await);
    let whom = |name: &str, digits: &str| json!({ "id": digits.repeat(20), "name": name, "chord": format!("http://{name}.test:7300") });
    let at = "2026-11-22T09:30:00Z";
    let events = reader.events();
    let file = json!({
        "name": "one\ntwo.txt", "path": "d/one\ntwo.txt", "peer": "p2", "peer_id": "32".repeat(20),
        "url": "http://p2.test:8000/files/d/one%0Atwo.txt", "size": 10, "modified": at, "digest": null, "at": at,
    });
    let expected = [
        ("ready", json!({ "peer": whom("p1", "31"), "peers": 3, "watched": 1 })),
        ("peer-joined", json!({ "peer": whom("p4", "34"), "peers": 4, "at": at })),
        ("file-appeared", file),
    ];
    assert_eq!(events, expected.map(|(name, data)| (name.to_owned(), data)));
    for whole in ["id: 7-1\nevent: ready\ndata: {", "id: 7-2\nevent: peer-joined\ndata: {"] {
        assert!(reader.text.contains(whole), "{whole:?} in {}", reader.text);
    }
}

#[tokio::test]
async fn a_reader_goes_on_behind_the_last_event_that_it_saw() {
    let peer = Harness::new().await;
    for (target, header, first) in [
        (PATH.to_owned(), "last-event-id: 7-5\r\n", "event: ready"),
        (format!("{PATH}?after=7-6"), "", "event: ready"),
        (format!("{PATH}?after=7-6"), "Last-Event-ID: old\r\n", "event: reset"),
        (PATH.to_owned(), "last-event-id: \u{fc}\r\n", "event: ready"),
    ] {
        let mut reader = Reader::open(&peer, &target, header).await;
        assert!(reader.until(first).await, "{}", reader.text);
    }
    assert_eq!(peer.resumed(), ["7-5", "7-6", "old", "\u{fc}"]);
    peer.get(&format!("{PATH}?since=1")).await.problem(400, "bad-query");
    peer.ask("POST", PATH, &[]).await.problem(405, "method-not-allowed");
    let full = peer.get(&format!("{PATH}?after=full")).await;
    full.problem(503, "unavailable");
    assert_eq!(full.header("retry-after"), Some("10"));
    Harness::without_services().await.get(PATH).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_silent_stream_has_heartbeats_and_holds_a_place() {
    let heartbeat = Duration::from_millis(100);
    let peer = Harness::with(Limits { heartbeat, max_event_streams: 1, ..Limits::default() }).await;
    let since = Instant::now();
    let mut reader = Reader::open(&peer, PATH, "").await;
    assert!(reader.until("event: ready").await && reader.until(": still here\n\n").await);
    assert!(since.elapsed() >= heartbeat);
    // Standing searches count, too.
    for target in [PATH, "/api/v1/search/events?q=a"] {
        let refused = peer.get(target).await;
        refused.problem(429, "too-many-requests");
        assert_eq!(refused.header("retry-after"), Some("10"));
    }
    drop(reader);
    peer.until_reading(0).await;
    let answered = async { while peer.ask("HEAD", PATH, &[]).await.status != 200 {} };
    timeout(PATIENCE, answered).await.expect("its place is not free");
    let head = peer.ask("HEAD", PATH, &[]).await;
    assert_eq!((head.header("content-type"), head.body.len()), (Some("text/event-stream"), 0));
    let old = peer.raw(&format!("HEAD {PATH} HTTP/1.0\r\n\r\n")).await;
    assert_eq!((old.status, old.body.len()), (200, 0));
    peer.until_reading(0).await;
}

#[tokio::test]
async fn a_stream_ends_with_a_last_word() {
    let mut peer = Harness::new().await;
    let mut slow = Reader::open(&peer, PATH, "").await;
    assert!(slow.until("event: ready").await);
    peer.tell("7-9", Event::End(EventsEnd { slow: true, why: "too far behind".to_owned() }));
    peer.fakes.knobs.readers.lock().unwrap().clear();
    // The last chunk: an end, and no broken connection.
    assert!(slow.until("\r\n0\r\n\r\n").await, "{}", slow.text);
    assert_eq!(slow.events().last(), Some(&("dropped".to_owned(), json!({ "detail": "too far behind" }))));

    let mut readers = Vec::new();
    for target in [PATH, "/api/v1/search/events?q=a"] {
        let mut reader = Reader::open(&peer, target, "").await;
        assert!(reader.until("event: ready").await);
        readers.push(reader);
    }
    let since = Instant::now();
    peer.cancel.cancel();
    for reader in &mut readers {
        assert!(reader.until("\r\n0\r\n\r\n").await, "{}", reader.text);
        let bye = ("bye".to_owned(), json!({ "detail": "this peer is stopping" }));
        assert_eq!(reader.events().last(), Some(&bye));
    }
    timeout(PATIENCE, &mut peer.served).await.expect("it does not end").unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    peer.until_reading(0).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_up_nobody_and_is_cut_off() {
    let peer = Harness::with(Limits { stall: Duration::from_millis(500), ..Limits::default() }).await;
    let _slow = Reader::open(&peer, PATH, "").await;
    peer.until_reading(1).await;
    let mut quick = Reader::open(&peer, PATH, "").await;
    assert!(quick.until("event: ready").await);
    // More than the sockets and windows between the two take.
    let long = "x".repeat(32 << 10);
    let cut_off = async {
        for number in 0.. {
            let path = format!("{number}-{long}");
            peer.tell(&format!("7-{number}"), appeared(&path));
            quick.text.clear();
            assert!(quick.until(&format!("event: file-appeared\ndata: {{\"name\":\"{number}-")).await);
            if peer.reading() == 1 {
                break;
            }
        }
    };
    timeout(PATIENCE, cut_off).await.expect("the stream is still held");
}
