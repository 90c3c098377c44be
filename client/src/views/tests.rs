//! The views against the bodies that the contract writes out.

use serde_json::json;

use chordial_proto::chord_v1::HopRule;
use chordial_proto::{catalog_v1, chord_v1};

use super::*;

const ID: &str = "0303030303030303030303030303030303030303";

fn peer(number: u8) -> chord_v1::Peer {
    chord_v1::Peer {
        id: vec![number; 20],
        address: format!("10.0.0.{number}:7300"),
        incarnation: 1,
        name: format!("p{number}"),
    }
}

fn services() -> chord_v1::Services {
    chord_v1::Services {
        catalog: "http://10.0.0.3:7301".to_owned(),
        transfer: "http://10.0.0.3:7302".to_owned(),
        gateway: "http://10.0.0.3:8000".to_owned(),
    }
}

fn source(digest: Vec<u8>) -> chord_v1::Source {
    chord_v1::Source {
        publisher: Some(peer(3)),
        services: Some(services()),
        entry: Some(chord_v1::Entry {
            kind: chord_v1::EntryKind::Name.into(),
            key: vec![0x9f; 20],
            name: "report.pdf".to_owned(),
            path: "docs/report.pdf".to_owned(),
            size: 48213,
            modified_ms: 1_795_339_800_999,
            digest,
            text: String::new(),
        }),
        alive: true,
    }
}

fn node() -> chord_v1::NodeInfo {
    chord_v1::NodeInfo {
        peer: Some(peer(3)),
        ring: "chordial".to_owned(),
        state: chord_v1::NodeState::Member.into(),
        services: Some(services()),
        predecessor: None,
        successors: vec![peer(4)],
        fingers: vec![chord_v1::Finger { start: vec![4; 20], peer: Some(peer(4)) }],
        owned: 10,
        replicas: 20,
        shared_files: 12,
        version: "0.1.0".to_owned(),
        unpublished: 0,
        trouble: String::new(),
        publishing: Some(publishing()),
        entries_sent: 171,
        publishers: 3,
    }
}

fn publishing() -> chord_v1::Publishing {
    chord_v1::Publishing { files: 12, keys: 57, acknowledged: 55, refusing: vec![peer(4)], late_ms: 1001 }
}

#[test]
fn a_found_file_has_the_body_of_the_contract() {
    let hop = |number| chord_v1::Hop { peer: Some(peer(number)), elapsed_us: 300, ..Default::default() };
    let view = FileView::from(chord_v1::FindResponse {
        name: "report.pdf".to_owned(),
        key: vec![0x9f; 20],
        sources: vec![source(vec![0xab; 32]), source(Vec::new())],
        total: 2,
        complete: true,
        route: Some(chord_v1::Route {
            hops: 2,
            path: vec![hop(1), hop(4), hop(2)],
            elapsed_us: 840,
            failed: Vec::new(),
        }),
    });
    let url = "http://10.0.0.3:8000/files/docs/report.pdf";
    let listed = |digest: serde_json::Value| {
        json!({ "peer": "p3", "id": ID, "url": url, "path": "docs/report.pdf", "size": 48213,
                "modified": "2026-11-22T09:30:00Z", "digest": digest, "alive": true })
    };
    assert_eq!(
        serde_json::to_value(view).expect("a view is JSON"),
        json!({
            "name": "report.pdf",
            "key": "9f".repeat(20),
            "sources": [listed(json!(format!("blake3:{}", "ab".repeat(32)))), listed(json!(null))],
            "total": 2,
            "complete": true,
            "route": { "hops": 2, "peers": ["p1", "p4", "p2"], "elapsed_us": 840 }
        })
    );
}

#[test]
fn a_listing_ends_with_null() {
    let page = |next: &str| chord_v1::ListNamesResponse {
        files: vec![chord_v1::NamedSources {
            name: "a".to_owned(),
            key: vec![1; 20],
            sources: Vec::new(),
            total: 0,
        }],
        next: next.to_owned(),
        complete: false,
    };
    let body = |next: serde_json::Value| {
        json!({ "files": [{ "name": "a", "key": "01".repeat(20), "sources": [], "total": 0 }],
                "next": next, "complete": false })
    };
    let last = serde_json::to_value(FilesPage::from(page(""))).expect("a view is JSON");
    assert_eq!(last, body(json!(null)));
    let first = serde_json::to_value(FilesPage::from(page("c7"))).expect("a view is JSON");
    assert_eq!(first, body(json!("c7")));
}

#[test]
fn a_node_has_the_body_of_the_contract() {
    let p4 = json!({ "id": "04".repeat(20), "name": "p4", "chord": "http://10.0.0.4:7300" });
    assert_eq!(
        serde_json::to_value(NodeView::from(node())).expect("a view is JSON"),
        json!({
            "id": ID, "name": "p3", "ring": "chordial", "state": "member",
            "addresses": { "chord": "http://10.0.0.3:7300", "catalog": "http://10.0.0.3:7301",
                           "transfer": "http://10.0.0.3:7302", "gateway": "http://10.0.0.3:8000" },
            "predecessor": null, "successors": [p4],
            "fingers": [{ "start": "04".repeat(20), "peer": p4 }],
            "entries": { "owned": 10, "replicas": 20 }, "shared_files": 12,
            "incarnation": 1, "version": "0.1.0", "unpublished": 0, "trouble": null,
            "publishing": { "files": 12, "keys": 57, "acknowledged": 55, "refusing": ["p4"], "late_seconds": 2 },
            "entries_sent": 171
        })
    );
}

#[test]
fn a_ring_shows_who_answers_and_who_does_not() {
    let view = RingView::from(chord_v1::GetRingResponse {
        peers: vec![
            chord_v1::RingPeer {
                node: Some(node()),
                peer: Some(peer(3)),
                share: 0.25,
                state: chord_v1::PeerState::Member.into(),
            },
            chord_v1::RingPeer {
                node: None,
                peer: Some(peer(5)),
                share: 0.75,
                state: chord_v1::PeerState::Suspected.into(),
            },
        ],
        agreed: false,
        problems: vec![chord_v1::Problem {
            peer: Some(peer(3)),
            what: "its successor p5 does not answer".to_owned(),
            remedy: "it is given up within seconds".to_owned(),
        }],
        invariants: vec![chord_v1::Invariant {
            name: "OneLiveSuccessor".to_owned(),
            meaning: "every peer has a living one in its successor list".to_owned(),
            holds: false,
            peers: vec![peer(3)],
            remedy: "it goes back".to_owned(),
        }],
        replicas: Some(chord_v1::Replicas {
            wanted: 2,
            entries: 9,
            short_entries: 4,
            short_arcs: vec![chord_v1::ShortArc {
                peer: Some(peer(3)),
                entries: 4,
                copies: 1,
                behind: vec![peer(5)],
            }],
            remedy: "they compare".to_owned(),
        }),
        list_length: 8,
    });
    assert_eq!(
        serde_json::to_value(view).expect("a view is JSON"),
        json!({
            "peers": [
                { "id": ID, "name": "p3", "chord": "http://10.0.0.3:7300", "gateway": "http://10.0.0.3:8000",
                  "share": 0.25, "incarnation": 1, "version": "0.1.0",
                  "entries": { "owned": 10, "replicas": 20 }, "shared_files": 12, "state": "member" },
                { "id": "05".repeat(20), "name": "p5", "chord": "http://10.0.0.5:7300", "gateway": null,
                  "share": 0.75, "incarnation": 1, "version": null, "entries": null, "shared_files": null,
                  "state": "suspected" }
            ],
            "agreed": false,
            "problems": [{ "peer": "p3", "what": "its successor p5 does not answer",
                           "remedy": "it is given up within seconds" }],
            "invariants": [{ "name": "OneLiveSuccessor", "holds": false, "peers": ["p3"],
                             "meaning": "every peer has a living one in its successor list",
                             "remedy": "it goes back" }],
            "mode": "small",
            "replicas": { "wanted": 2, "entries": 9, "short": 4, "remedy": "they compare",
                          "short_arcs": [{ "peer": "p3", "entries": 4, "copies": 1, "behind": ["p5"] }] }
        })
    );
}

#[test]
fn a_catalog_has_the_body_of_the_contract() {
    let view = CatalogView::from(chord_v1::ListFilesResponse {
        peer: Some(peer(3)),
        services: Some(services()),
        total: 12,
        files: vec![catalog_v1::File {
            name: "b c.txt".to_owned(),
            path: "a/b c.txt".to_owned(),
            size: 1,
            modified_ms: 0,
            digest: Vec::new(),
        }],
        next: String::new(),
        problem: "its directory can't be read".to_owned(),
    });
    assert_eq!(
        serde_json::to_value(view).expect("a view is JSON"),
        json!({ "peer": "p3", "total": 12, "next": null, "problem": "its directory can't be read", "files": [
            { "name": "b c.txt", "path": "a/b c.txt", "size": 1, "modified": "1970-01-01T00:00:00Z",
              "digest": null, "url": "http://10.0.0.3:8000/files/a/b%20c.txt" }] })
    );
}

#[test]
fn a_lookup_tells_each_hop() {
    let view = LookupView::from(chord_v1::FindSuccessorResponse {
        name: "a".to_owned(),
        key: vec![2; 20],
        successor: Some(peer(3)),
        arc_from: vec![1; 20],
        keepers: vec![peer(3), peer(4)],
        route: Some(chord_v1::Route {
            hops: 1,
            path: vec![
                chord_v1::Hop { peer: Some(peer(1)), rule: HopRule::Asker.into(), ..Default::default() },
                chord_v1::Hop {
                    peer: Some(peer(3)),
                    elapsed_us: 210,
                    rule: HopRule::Successor.into(),
                    ..Default::default()
                },
            ],
            elapsed_us: 250,
            failed: vec![peer(5)],
        }),
    });
    let shown = |number: u8| {
        json!({ "id": hex(&[number; 20]), "name": format!("p{number}"),
                "chord": format!("http://10.0.0.{number}:7300") })
    };
    assert_eq!(
        serde_json::to_value(view).expect("a view is JSON"),
        json!({
            "name": "a", "key": "02".repeat(20), "successor": shown(3),
            "arc": { "from": "01".repeat(20), "to": ID }, "keepers": [shown(3), shown(4)],
            "route": { "hops": 1, "peers": ["p1", "p3"], "elapsed_us": 250,
                       "path": [{ "peer": "p1", "id": "01".repeat(20), "elapsed_us": 0, "rule": "asked",
                                  "reason": "p1 was asked. The key is not in its own arc, as far as it knows." },
                                { "peer": "p3", "id": ID, "elapsed_us": 210, "rule": "owner",
                                  "reason": "p3 is the first peer at or behind the key that p1 knows and can count on, \
                                             so p3 should be responsible and is asked. The key lies in p3's arc, \
                                             behind p1 and up to p3 itself, so p3 is responsible." }],
                       "failed": [shown(5)] }
        })
    );
}

#[test]
fn a_search_has_the_body_of_the_contract() {
    let hit = chord_v1::NamedSources {
        name: "report.pdf".to_owned(),
        key: vec![0x9f; 20],
        sources: vec![source(Vec::new())],
        total: 7,
    };
    let found = chord_v1::SearchResponse {
        hits: vec![hit.clone()],
        next: "c7".to_owned(),
        complete: false,
        asked: 3,
        answered: 2,
        silent: vec![peer(5)],
        total: 40,
        corrected: true,
        elapsed_us: 310,
    };
    let shown = json!({ "name": "report.pdf", "key": "9f".repeat(20), "total": 7, "sources": [
        { "peer": "p3", "id": ID, "url": "http://10.0.0.3:8000/files/docs/report.pdf",
          "path": "docs/report.pdf", "size": 48213, "modified": "2026-11-22T09:30:00Z", "digest": null,
          "alive": true }] });
    let page = serde_json::to_value(SearchPage::new("anual report", found)).expect("a view is JSON");
    assert_eq!(
        page,
        json!({ "query": "anual report", "hits": [shown], "next": "c7", "complete": false, "asked": 3,
                "answered": 2, "silent": ["p5"], "total": 40, "corrected": true, "elapsed_us": 310 })
    );
    let last = SearchPage::new("a", chord_v1::SearchResponse::default());
    assert_eq!(serde_json::to_value(last).expect("a view is JSON")["next"], json!(null));
    let watched = WatchView::from(chord_v1::WatchSearchResponse { hits: vec![hit], complete: true });
    assert_eq!(
        serde_json::to_value(watched).expect("a view is JSON"),
        json!({ "hits": [shown], "complete": true })
    );
}

#[test]
fn a_receipt_tells_who_has_it_and_who_not_yet() {
    let receipt =
        |keepers: Vec<chord_v1::Peer>, pending| chord_v1::Receipt { name: "a".to_owned(), keepers, pending };
    let receipts = vec![
        receipt(vec![peer(1), peer(2)], vec![peer(3)]),
        receipt(vec![peer(1)], vec![]),
        receipt(vec![], vec![]),
    ];
    let published = chord_v1::GetPublishedResponse { publishing: Some(publishing()), receipts };
    let view = PublishedView::from(published);
    let complete: Vec<bool> = view.receipts.iter().map(ReceiptView::is_complete).collect();
    assert_eq!(complete, [false, true, false], "nobody is no keeper");
    let body = json!({
        "files": 12, "keys": 57, "acknowledged": 55, "refusing": ["p4"], "late_seconds": 2,
        "receipts": [{ "name": "a", "keepers": ["p1", "p2"], "pending": ["p3"] },
                     { "name": "a", "keepers": ["p1"], "pending": [] },
                     { "name": "a", "keepers": [], "pending": [] }]
    });
    assert_eq!(serde_json::to_value(&view).expect("a view is JSON"), body);
    assert_eq!(serde_json::from_value::<PublishedView>(body).expect("and back"), view);
}

#[test]
fn a_url_keeps_every_name_in_its_segment() {
    let url = |path| file_url("http://h:8000", path);
    assert_eq!(url("a/b.txt"), "http://h:8000/files/a/b.txt");
    assert_eq!(file_url("http://h:8000/", "~a-b_c.d"), "http://h:8000/files/~a-b_c.d");
    assert_eq!(url("mid year/🦀.txt"), "http://h:8000/files/mid%20year/%F0%9F%A6%80.txt");
    assert_eq!(url("a%2Fb"), "http://h:8000/files/a%252Fb");
    assert_eq!(url("\"it's\"\n?#&+"), "http://h:8000/files/%22it%27s%22%0A%3F%23%26%2B");
    assert_eq!(url("e\u{301}"), "http://h:8000/files/e%CC%81");
}

#[test]
fn a_time_outside_of_the_calendar_does_no_harm() {
    assert_eq!(rfc3339(-5), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
}
