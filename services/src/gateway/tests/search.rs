//! Searches, standing ones, and receipts.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chordial_proto::chord_v1::{NamedSources, NodeState, WatchSearchResponse};
use serde_json::json;
use tokio::time::timeout;

use super::reader::Reader;
use super::{Harness, PATIENCE};
use crate::gateway::Limits;

#[tokio::test]
async fn a_search_is_passed_on_as_it_is_written() {
    let peer = Harness::new().await;
    let page = peer.get("/api/v1/search?q=annual+%22re%20port%22&limit=1&cursor=c%2B1").await.json();
    assert_eq!((&page["query"], &page["next"]), (&json!("annual \"re port\""), &json!("more")));
    let hit = &page["hits"][0];
    assert_eq!(
        (&hit["name"], &hit["total"], &hit["key"]),
        (&json!("report.pdf"), &json!(1), &json!("9f".repeat(20)))
    );
    assert_eq!(hit["sources"][0]["url"], "http://p2.test:8000/files/docs/report.pdf");
    let last = peer.get("/api/v1/search?q=%F0%9F%A6%80").await.json();
    assert_eq!(
        (&last["next"], &last["complete"], &last["corrected"]),
        (&json!(null), &json!(true), &json!(false))
    );
    let asked = [("annual \"re port\"", 1, "c+1"), ("🦀", 0, "")];
    let asked = asked.map(|(query, limit, cursor)| (query.to_owned(), limit, cursor.to_owned()));
    assert_eq!(*peer.fakes.knobs.searches.lock().unwrap(), asked);
    let head = peer.ask("HEAD", "/api/v1/search?q=a", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn an_answer_says_what_it_lacks() {
    let peer = Harness::new().await;
    let unsure = peer.get("/api/v1/search?q=unsure").await.json();
    assert_eq!((&unsure["complete"], &unsure["silent"]), (&json!(false), &json!(["p5"])));
    assert_eq!((&unsure["asked"], &unsure["answered"]), (&json!(3), &json!(2)));
    assert_eq!(peer.get("/api/v1/search?q=reprot").await.json()["corrected"], true);
    let nothing = peer.get("/api/v1/search?q=nothing").await.json();
    assert_eq!((&nothing["hits"], &nothing["total"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    let peer = Harness::new().await;
    for path in ["/api/v1/search", "/api/v1/search/events"] {
        for query in ["", "?q=", "?q=+%20", "?q=a&q=b", "?query=a", "?q=a&peer=p2", "?q=%ff"] {
            peer.get(&format!("{path}{query}")).await.problem(400, "bad-query");
        }
        let body = peer.get(&format!("{path}?q=%22open")).await.problem(400, "bad-query");
        assert_eq!(body["detail"], "The quote before \"open\" is never closed.");
        peer.get(&format!("{path}?q={}", "w".repeat(10_000))).await.problem(414, "uri-too-long");
        peer.ask("POST", &format!("{path}?q=a"), &[]).await.problem(405, "method-not-allowed");
    }
    for query in ["q=a&limit=0", "q=a&limit=1001", "q=a&limit=x", "q=a&cursor=nonsense"] {
        peer.get(&format!("/api/v1/search?{query}")).await.problem(400, "bad-query");
    }
    peer.get("/api/v1/search/events?q=a&limit=5").await.problem(400, "bad-query");
    peer.get("/api/v1/search/more?q=a").await.problem(404, "unknown-path");
    assert!(peer.fakes.knobs.watchers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_peer_with_too_much_to_do_says_when_to_come_again() {
    let peer = Harness::new().await;
    for path in ["/api/v1/search", "/api/v1/search/events"] {
        for (query, seconds) in [("busy", "1"), ("very+busy", "3")] {
            let answer = peer.get(&format!("{path}?q={query}")).await;
            answer.problem(429, "too-many-requests");
            assert_eq!(answer.header("retry-after"), Some(seconds), "{query}");
        }
    }
    peer.fakes.knobs.state.store(NodeState::Joining.into(), Ordering::Relaxed);
    for path in ["/api/v1/search?q=a", "/api/v1/search/events?q=a"] {
        peer.get(path).await.problem(503, "not-member");
    }
    let alone = Harness::without_services().await;
    for path in
        ["/api/v1/search?q=a", "/api/v1/search/events?q=a", "/api/v1/published", "/api/v1/published/a"]
    {
        alone.get(path).await.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn receipts_name_the_keepers() {
    let peer = Harness::new().await;
    let all = peer.get("/api/v1/published").await.json();
    let progress = json!({ "files": 12, "keys": 57, "acknowledged": 55, "refusing": ["p3"], "late_seconds": 2,
                           "receipts": [] });
    assert_eq!(all, progress);
    let one = peer.get("/api/v1/published/report.pdf").await.json();
    let receipt = json!([{ "name": "report.pdf", "keepers": ["p1", "p2"], "pending": ["p3"] }]);
    assert_eq!((&one["receipts"], &one["keys"]), (&receipt, &json!(57)));
    let body = peer.get("/api/v1/published/other.txt").await.problem(404, "file-not-found");
    assert_eq!(body["detail"], "This peer shares no file named \"other.txt\".");
    peer.get("/api/v1/published/a%2Fb").await.problem(404, "file-not-found");
    peer.get("/api/v1/published/").await.problem(404, "unknown-path");
    peer.get("/api/v1/published?name=a").await.problem(400, "bad-query");
    let head = peer.ask("HEAD", "/api/v1/published", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

fn found(name: &str, complete: bool) -> WatchSearchResponse {
    let hit = NamedSources { name: name.to_owned(), key: vec![1; 20], sources: Vec::new(), total: 0 };
    WatchSearchResponse { hits: vec![hit], complete }
}

impl Harness {
    fn send(&self, message: &WatchSearchResponse) {
        for watcher in &*self.fakes.knobs.watchers.lock().unwrap() {
            // Those that have gone are of no interest.
            drop(watcher.send(message.clone()));
        }
    }

    /// Standing searches that the chord service still has.
    fn watched(&self) -> usize {
        self.fakes.knobs.watchers.lock().unwrap().iter().filter(|watcher| !watcher.is_closed()).count()
    }

    async fn until_watched(&self, wanted: usize) {
        let settled = async {
            while self.watched() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{} searches stand", self.watched()));
    }
}

#[tokio::test]
async fn a_standing_search_tells_what_appears() {
    let peer = Harness::new().await;
    let mut reader = Reader::open(&peer, "/api/v1/search/events?q=annual+rep", "").await;
    assert!(reader.until("event: ready").await && reader.until("\n\n").await);
    assert!(reader.text.contains("content-type: text/event-stream\r\n"), "{}", reader.text);
    assert!(reader.text.contains("cache-control: no-store\r\n"), "{}", reader.text);
    peer.send(&found("one\ntwo.txt", true));
    peer.send(&found("b.txt", false));
    peer.send(&found("c.txt", false));
    peer.send(&WatchSearchResponse { hits: Vec::new(), complete: true });
    assert!(reader.until("{\"complete\":true}\n").await);
    let hit = |name| {
        ("match".to_owned(), json!({ "name": name, "key": "01".repeat(20), "sources": [], "total": 0 }))
    };
    let incomplete = |complete| ("incomplete".to_owned(), json!({ "complete": complete }));
    let ready = ("ready".to_owned(), json!({ "query": "annual rep", "complete": true }));
    let expected =
        [ready, hit("one\ntwo.txt"), incomplete(false), hit("b.txt"), hit("c.txt"), incomplete(true)];
    assert_eq!(reader.events(), expected);
}

#[tokio::test]
async fn a_silent_stream_has_a_heartbeat() {
    let heartbeat = Duration::from_millis(100);
    let peer = Harness::with(Limits { heartbeat, ..Limits::default() }).await;
    let since = Instant::now();
    let mut reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
    assert!(reader.until("event: ready").await && !reader.text.contains("\n: "), "{}", reader.text);
    assert!(reader.until(": still here\n\n").await);
    assert!(since.elapsed() >= heartbeat);
}

#[tokio::test]
async fn streams_are_bounded_and_a_reader_that_goes_frees_its_own() {
    let peer = Harness::with(Limits { max_event_streams: 2, ..Limits::default() }).await;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
        assert!(reader.until("event: ready").await);
        readers.push(reader);
    }
    let refused = peer.get("/api/v1/search/events?q=a").await;
    refused.problem(429, "too-many-requests");
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(peer.get("/api/v1/search?q=a").await.status, 200, "others are not affected");
    assert_eq!(peer.watched(), 2);
    let metrics = async || String::from_utf8(peer.get("/metrics").await.body).unwrap();
    assert!(metrics().await.contains("chord_http_event_streams 2\n"));
    drop(readers.pop());
    peer.until_watched(1).await;
    let freed = async { while !metrics().await.contains("chord_http_event_streams 1\n") {} };
    timeout(PATIENCE, freed).await.expect("its place is not free");
    let mut next = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
    assert!(next.until("event: ready").await, "{}", next.text);
    // `HEAD` holds no place.
    drop(readers);
    peer.until_watched(1).await;
    let head = peer.ask("HEAD", "/api/v1/search/events?q=a", &[]).await;
    assert_eq!(
        (head.status, head.header("content-type"), head.body.len()),
        (200, Some("text/event-stream"), 0)
    );
    peer.until_watched(1).await;
}

#[tokio::test]
async fn streams_end_with_the_search_and_with_the_gateway() {
    let mut peer = Harness::new().await;
    let mut reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
    assert!(reader.until("event: ready").await);
    peer.fakes.knobs.watchers.lock().unwrap().clear();
    // The last chunk: an end, and no broken connection.
    assert!(reader.until("\r\n0\r\n\r\n").await, "{}", reader.text);

    let mut reader = Reader::open(&peer, "/api/v1/search/events?q=b", "").await;
    assert!(reader.until("event: ready").await);
    let since = Instant::now();
    peer.cancel.cancel();
    assert!(reader.until("\r\n0\r\n\r\n").await, "{}", reader.text);
    timeout(PATIENCE, &mut peer.served).await.expect("it does not end").unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    peer.until_watched(0).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let limits = Limits {
        stall: Duration::from_millis(300),
        request_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let peer = Harness::with(limits).await;
    let _reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
    peer.until_watched(1).await;
    // More than the sockets between the two take.
    let full = found(&"x".repeat(64 << 10), true);
    let cut_off = async {
        while peer.watched() > 0 {
            peer.send(&full);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, cut_off).await.expect("the stream is still held");
    // One that has nothing to take outlives both deadlines.
    let mut reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
    peer.until_watched(1).await;
    let later = Instant::now() + Duration::from_millis(800);
    tokio::time::sleep_until(later.into()).await;
    peer.send(&found("late.txt", true));
    assert!(reader.until("late.txt").await, "{}", reader.text);
}

#[tokio::test]
async fn readers_that_take_nothing_hold_up_nobody() {
    let peer = Harness::new().await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut reader = Reader::open(&peer, "/api/v1/search/events?q=a", "").await;
        assert!(reader.until("event: ready").await);
        stalled.push(reader);
    }
    // More for each than the sockets and windows on its way take.
    let full = found(&"x".repeat(256 << 10), true);
    for _ in 0..64 {
        peer.send(&full);
    }
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        let other = timeout(Duration::from_secs(3), peer.get("/api/v1/search?q=a")).await;
        assert_eq!(other.expect("it waits for those that stand still").status, 200);
    }
    assert_eq!(peer.watched(), stalled.len());
}
