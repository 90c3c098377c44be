//! The resources of the interface, and what becomes of a peer's troubles.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chordial_proto::chord_v1::NodeState;
use serde_json::json;

use super::Harness;
use crate::gateway::Limits;

#[tokio::test]
async fn a_name_is_found_with_its_holders() {
    let peer = Harness::new().await;
    let file = peer.get("/api/v1/files/report.pdf").await.json();
    assert_eq!(file["name"], "report.pdf");
    assert_eq!(file["key"], "9f".repeat(20));
    let source = &file["sources"][0];
    assert_eq!(source["peer"], "p2");
    assert_eq!(source["url"], "http://p2.test:8000/files/docs/report.pdf");
    assert_eq!(source["modified"], "2026-11-22T09:30:00Z");
    assert!(source["digest"].as_str().unwrap().starts_with("blake3:"));
    assert_eq!((&file["total"], &file["complete"]), (&json!(1), &json!(true)));
    assert_eq!(file["route"], json!({ "hops": 1, "peers": ["p1", "p2"], "elapsed_us": 840 }));
}

#[tokio::test]
async fn nobody_has_it_is_not_the_same_as_nobody_said_so() {
    let peer = Harness::new().await;
    let body = peer.get("/api/v1/files/nobody.txt").await.problem(404, "file-not-found");
    assert_eq!(body["instance"], "/api/v1/files/nobody.txt");
    let body = peer.get("/api/v1/files/unsure.txt").await.problem(504, "timeout");
    assert!(body["detail"].as_str().unwrap().contains("p5"), "{body}");
}

#[tokio::test]
async fn listings_are_paged() {
    let peer = Harness::new().await;
    let files = peer.get("/api/v1/files?limit=7&cursor=a%2Bb").await.json();
    assert_eq!((&files["files"][0]["name"], &files["next"]), (&json!("report.pdf"), &json!("more")));
    let own = peer.get("/api/v1/catalog").await.json();
    assert_eq!((&own["peer"], &own["total"], &own["next"]), (&json!("p1"), &json!(12), &json!(null)));
    assert_eq!(own["files"][0]["url"], "http://p1.test:8000/files/docs/report.pdf");
    let other = peer.get("/api/v1/catalog?peer=p2&limit=3").await.json();
    assert_eq!(other["peer"], "p2");
    let text = str::to_owned;
    let asked = [(7, text("a+b"), text("")), (0, text(""), text("")), (3, text(""), text("p2"))];
    assert_eq!(*peer.fakes.knobs.pages.lock().unwrap(), asked);
    peer.get("/api/v1/catalog?peer=p9").await.problem(404, "peer-not-found");
    peer.get("/api/v1/files?cursor=nonsense").await.problem(400, "bad-request");
}

#[tokio::test]
async fn node_and_ring_are_shown() {
    let peer = Harness::new().await;
    let node = peer.get("/api/v1/node").await.json();
    assert_eq!((&node["name"], &node["state"]), (&json!("p1"), &json!("member")));
    assert_eq!(node["entries"], json!({ "owned": 10, "replicas": 20 }));
    let ring = peer.get("/api/v1/ring").await.json();
    assert_eq!((&ring["peers"][0]["share"], &ring["agreed"]), (&json!(0.25), &json!(false)));
    assert_eq!(ring["problems"][0]["peer"], "p3");
    assert_eq!((&ring["invariants"][1]["holds"], &ring["mode"]), (&json!(false), &json!("small")));
    assert_eq!(ring["replicas"]["short"], 5);
}

#[tokio::test]
async fn another_peer_is_shown_where_it_answers() {
    let peer = Harness::new().await;
    let node = peer.get("/api/v1/node?peer=p2").await.json();
    assert_eq!((&node["name"], &node["addresses"]["gateway"]), (&json!("p2"), &json!("http://p2.test:8000")));
    assert_eq!(peer.get("/api/v1/node?peer=").await.json()["name"], "p1");
    let body = peer.get("/api/v1/node?peer=p9").await.problem(404, "peer-not-found");
    assert_eq!(body["detail"], "No peer \"p9\" answers in this ring.");
}

#[tokio::test]
async fn the_configuration_is_shown_with_its_origins() {
    let peer = Harness::without_services().await;
    let value =
        |key: &str, value: &str, origin: &str| json!({ "key": key, "value": value, "origin": origin });
    let values = [value("name", "p1", "file p1.toml"), value("ring", "chordial", "default")];
    assert_eq!(peer.get("/api/v1/config").await.json(), json!({ "file": "p1.toml", "values": values }));
    peer.get("/api/v1/config?x=1").await.problem(400, "bad-query");
}

#[tokio::test]
async fn a_lookup_says_why_each_peer_was_asked() {
    let peer = Harness::new().await;
    let found = peer.get("/api/v1/lookup?name=report.pdf").await.json();
    assert_eq!((&found["name"], &found["successor"]["name"]), (&json!("report.pdf"), &json!("p2")));
    assert_eq!(found["arc"], json!({ "from": "31".repeat(20), "to": "32".repeat(20) }));
    assert_eq!(found["route"]["peers"], json!(["p1", "p9", "p2"]));
    let path = found["route"]["path"].as_array().unwrap();
    let rules: Vec<&str> = path.iter().map(|hop| hop["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["asked", "closest-preceding", "owner"]);
    let reason = path[2]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("p5 did not answer. p2 follows") && reason.ends_with("p2 is responsible."),
        "{reason}"
    );
    let of_key = peer.get(&format!("/api/v1/lookup?key={}", "9F".repeat(20))).await.json();
    assert_eq!((&of_key["key"], &of_key["name"]), (&json!("9f".repeat(20)), &json!(null)));
}

#[tokio::test]
async fn a_lookup_is_of_one_name_or_key() {
    let peer = Harness::new().await;
    let both = format!("name=a&key={}", "9f".repeat(20));
    let long = format!("name={}", "a".repeat(300));
    for (query, why) in [
        ("", "name="),
        ("name=&key=", "name="),
        (both.as_str(), "one of the two"),
        ("key=9f", "40 hexadecimal digits"),
        ("key=zz", "40 hexadecimal digits"),
        (long.as_str(), "300 bytes"),
    ] {
        let body = peer.get(&format!("/api/v1/lookup?{query}")).await.problem(400, "bad-query");
        assert!(body["detail"].as_str().unwrap().contains(why), "{query}: {body}");
    }
    peer.get("/api/v1/lookup?name=busy.txt").await.problem(429, "too-many-requests");
}

#[tokio::test]
async fn those_who_run_it_can_ask_how_it_is() {
    let peer = Harness::new().await;
    assert_eq!(peer.get("/livez").await.body, b"ok\n");
    assert_eq!(peer.get("/readyz").await.status, 200);
    let version: serde_json::Value = serde_json::from_slice(&peer.get("/version").await.body).unwrap();
    assert_eq!(version["name"], "chord-peer");
    let page = peer.get("/text").await;
    assert!(String::from_utf8(page.body.clone()).unwrap().contains("as seen from here: 1."), "{page:?}");
    peer.get("/secret-name").await;
    let metrics = String::from_utf8(peer.get("/metrics").await.body).unwrap();
    for line in [
        "chord_http_requests_total{route=\"/livez\",status=\"200\"} 1",
        "chord_http_requests_total{route=\"other\",status=\"404\"} 1",
        "chord_ring_member 1",
        "chord_ring_successors 2",
        "chord_index_entries_owned 10",
        "chord_shared_files 12",
        "chord_ring_invariant_holds{invariant=\"OneLiveSuccessor\"} 1",
        "chord_ring_invariant_holds{invariant=\"AtMostOneRing\"} 0",
        "chord_ring_problems 1",
        "chord_replicas_short 5",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("secret-name"));
    let walks = || peer.fakes.knobs.walks.load(Ordering::Relaxed);
    let before = walks();
    let again = String::from_utf8(peer.get("/metrics").await.body).unwrap();
    assert!(again.contains("chord_replicas_short 5\n"), "{again}");
    assert_eq!(walks(), before, "the ring is not asked at each collection");
}

#[tokio::test]
async fn the_pages_show_what_they_are_given_as_text() {
    let peer = Harness::new().await;
    let shell = String::from_utf8(peer.get("/").await.body).unwrap();
    assert!(shell.contains("<title>p1 · Chordial</title>") && !shell.contains("{{"), "{shell}");
    assert!(shell.contains("<noscript><meta http-equiv=\"refresh\" content=\"0; url=text\">"), "{shell}");
    for key in ["q", "name", "lookup"] {
        let page = peer.get(&format!("/text?{key}=%3Cimg%20src=x%3E%22%E2%80%AE")).await;
        let text = String::from_utf8(page.body.clone()).unwrap();
        assert_eq!(page.status, 200, "{key}");
        assert!(text.contains("value=\"&lt;img src=x&gt;&quot;\\u{202e}\""), "{key}: {text}");
        assert!(!text.contains("<img") && !text.contains('\u{202e}'), "{key}: {text}");
    }
    let found = String::from_utf8(peer.get("/text?q=report").await.body).unwrap();
    assert!(found.contains("/files/docs/report.pdf\">"), "{found}");
    let way = String::from_utf8(peer.get("/text?lookup=report.pdf").await.body).unwrap();
    assert!(
        way.contains("Who is responsible for report.pdf") && way.contains("<th scope=\"col\">Why</th>"),
        "{way}"
    );
}

#[tokio::test]
async fn a_peer_that_is_no_member_says_so() {
    let peer = Harness::new().await;
    peer.fakes.knobs.state.store(NodeState::Joining.into(), Ordering::Relaxed);
    for path in [
        "/readyz",
        "/api/v1/files/report.pdf",
        "/api/v1/files/report.pdf/content",
        "/api/v1/lookup?name=report.pdf",
    ] {
        let answer = peer.get(path).await;
        answer.problem(503, "not-member");
        assert_eq!(answer.header("retry-after"), Some("2"), "{path}");
    }
    let body = peer.get("/readyz").await.problem(503, "not-member");
    assert!(body["detail"].as_str().unwrap().contains("its friend does not answer"));
    // It lives, and says what it knows of itself.
    assert_eq!(peer.get("/livez").await.status, 200);
    assert_eq!(peer.get("/api/v1/node").await.json()["state"], "joining");
    let busy = peer.get("/api/v1/files/busy.txt").await;
    busy.problem(503, "not-member");
}

#[tokio::test]
async fn a_service_that_is_busy_or_slow_is_not_waited_for() {
    let peer = Harness::new().await;
    let busy = peer.get("/api/v1/files/busy.txt").await;
    busy.problem(429, "too-many-requests");
    assert_eq!(busy.header("retry-after"), Some("1"));
    // Who did not answer on the way is said.
    let late = peer.get("/api/v1/files/late.txt").await.problem(504, "timeout");
    assert_eq!(late["detail"], "The lookup ran out of time: p4 did not answer. Ask again.");
    let cut_off = peer.get("/api/v1/files/cut-off.txt").await.problem(503, "unavailable");
    assert_eq!(cut_off["detail"], "The lookup gave up after 2 hops: p4 refused.");
    let limits = Limits { request_timeout: Duration::from_millis(400), ..Limits::default() };
    let hasty = Harness::with(limits).await;
    let asked = Instant::now();
    hasty.get("/api/v1/files/slow.txt").await.problem(504, "timeout");
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn head_is_get_without_the_body_and_requests_have_identifiers() {
    let peer = Harness::new().await;
    let get = peer.get("/api/v1/node").await;
    let head = peer.ask("HEAD", "/api/v1/node", &[("x-request-id", "abc-1")]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("x-request-id"), Some("abc-1"));
    assert_eq!(get.header("x-request-id").unwrap().len(), 16);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let peer = Harness::without_services().await;
    for path in ["/api/v1/node", "/api/v1/files/x", "/api/v1/files", "/readyz", "/files/x"] {
        let answer = peer.get(path).await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("2"), "{path}");
    }
    for path in ["/livez", "/version", "/"] {
        assert_eq!(peer.get(path).await.status, 200, "{path}");
    }
    let metrics = String::from_utf8(peer.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("chord_ring_member 0\n"), "{metrics}");
}
