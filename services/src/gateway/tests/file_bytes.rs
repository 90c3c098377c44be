//! Bytes: of the peer's own files, and of files fetched from others.

use std::sync::atomic::Ordering;

use super::Harness;
use super::fakes::REPORT;

const OWN: &str = "/files/docs/report.pdf";

#[tokio::test]
async fn own_files_are_given_with_their_validators() {
    let peer = Harness::new().await;
    let answer = peer.get(OWN).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, REPORT));
    let etag = format!("\"{}\"", blake3::hash(REPORT).to_hex());
    for (name, value) in [
        ("etag", etag.as_str()),
        ("last-modified", "Sun, 22 Nov 2026 09:30:00 GMT"),
        ("accept-ranges", "bytes"),
        ("content-length", "10"),
        ("content-type", "application/pdf"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("content-disposition"), None);
    let head = peer.ask("HEAD", OWN, &[]).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("10")));
    let known = peer.ask("GET", OWN, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag.as_str())));
    let empty = peer.get("/files/empty.txt").await;
    assert_eq!((empty.status, empty.body.len(), empty.header("content-length")), (200, 0, Some("0")));
    peer.get("/files/none.txt").await.problem(404, "file-not-found");
}

#[tokio::test]
async fn a_file_that_is_being_written_is_to_be_asked_for_again() {
    let peer = Harness::new().await;
    let answer = peer.get("/files/changing.txt").await;
    answer.problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_page_is_saved_and_not_shown() {
    let peer = Harness::new().await;
    let answer = peer.get("/files/new.html").await;
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment"), "{answer:?}");
    assert!(answer.header("etag").unwrap().starts_with("W/"), "no digest yet");
    let shown = peer.get(OWN).await;
    assert_eq!(shown.header("content-disposition"), None);
    let saved = peer.get(&format!("{OWN}?save")).await;
    assert!(
        saved.header("content-disposition").unwrap().starts_with("attachment; filename=\"report.pdf\""),
        "{saved:?}"
    );
    assert_eq!(saved.body, shown.body);
    peer.get(&format!("{OWN}?other")).await.problem(400, "bad-query");
}

#[tokio::test]
async fn ranges_are_given_refused_or_ignored() {
    let peer = Harness::new().await;
    for path in [OWN, "/api/v1/files/report.pdf/content"] {
        for (range, bytes, content_range) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=-3", "789", "bytes 7-9/10"),
            ("bytes=9-", "9", "bytes 9-9/10"),
        ] {
            let answer = peer.ask("GET", path, &[("range", range)]).await;
            assert_eq!((answer.status, answer.body.as_slice()), (206, bytes.as_bytes()), "{range}");
            assert_eq!(answer.header("content-range"), Some(content_range));
        }
        for range in ["bytes=10-", "bytes=-0", "bytes=99-100"] {
            let answer = peer.ask("GET", path, &[("range", range)]).await;
            answer.problem(416, "range-not-satisfiable");
            assert_eq!(answer.header("content-range"), Some("bytes */10"));
        }
        for range in ["bytes=5-2", "bytes=0-1,3-4", "pages=1-2", "nonsense", "bytes=a-b"] {
            let answer = peer.ask("GET", path, &[("range", range)]).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, REPORT), "{range}");
        }
        let other = peer.ask("GET", path, &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
        assert_eq!((other.status, other.body.as_slice()), (200, REPORT));
    }
    peer.ask("GET", "/files/empty.txt", &[("range", "bytes=0-")]).await.problem(416, "range-not-satisfiable");
}

#[tokio::test]
async fn content_comes_from_a_holder_that_gives_it() {
    let peer = Harness::new().await;
    let answer = peer.get("/api/v1/files/report.pdf/content").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, REPORT));
    assert!(answer.header("content-disposition").unwrap().contains("filename=\"report.pdf\""));
    // The first refuses, the second does not have it any more.
    assert_eq!(peer.get("/api/v1/files/moved.txt/content").await.body, REPORT);
    let body = peer.get("/api/v1/files/lost.txt/content").await.problem(502, "holder-failed");
    assert!(body["detail"].as_str().unwrap().contains("p2: nothing answers at"), "{body}");
    // Never bytes other than those that the index spoke of.
    peer.get("/api/v1/files/stale.txt/content").await.problem(502, "holder-failed");
    peer.get("/api/v1/files/nobody.txt/content").await.problem(404, "file-not-found");
}

#[tokio::test]
async fn different_contents_of_one_name_are_a_choice() {
    let peer = Harness::new().await;
    let path = "/api/v1/files/two.txt/content";
    let body = peer.get(path).await.problem(300, "several-contents");
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2, "{body}");
    assert_eq!((&choices[0]["sources"][0]["peer"], &choices[0]["size"]), (&"p2".into(), &10.into()));
    let digest = choices[0]["digest"].as_str().unwrap();
    assert_eq!(peer.get(&format!("{path}?digest={digest}")).await.body, REPORT);
    assert_eq!(peer.get(&format!("{path}?peer=p2")).await.body, REPORT);
    peer.get(&format!("{path}?peer=p9")).await.problem(404, "file-not-found");
    peer.get(&format!("{path}?peer=p3&digest={digest}")).await.problem(404, "file-not-found");
    for digest in ["blake3:12", "md5:ab", "x"] {
        peer.get(&format!("{path}?digest={digest}")).await.problem(400, "bad-query");
    }
    peer.get(&format!("{path}?holder=p2")).await.problem(400, "bad-query");
}

#[tokio::test]
async fn a_transfer_that_breaks_off_is_no_complete_answer() {
    let peer = Harness::new().await;
    let answer = peer.get("/files/rotten.bin").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("10")));
    assert!(answer.body.len() < 10, "{answer:?}");
}

#[tokio::test]
async fn no_address_is_dialled_that_is_not_the_holders_own() {
    let peer = Harness::new().await;
    for (name, why) in [
        ("elsewhere.txt", "not its own host 127.0.0.1"),
        ("misnamed.txt", "does not say that its transfer service is at"),
        ("made-up.txt", "nothing answers at http://localhost:1"),
    ] {
        let victim = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        peer.fakes.knobs.victim.store(victim.local_addr().unwrap().port(), Ordering::Relaxed);
        let answer = peer.get(&format!("/api/v1/files/{name}/content")).await;
        let body = answer.problem(502, "holder-failed");
        assert!(body["detail"].as_str().unwrap().contains(why), "{body}");
        // It has answered: whoever was dialled would stand in the queue.
        let dialled = futures::poll!(std::pin::pin!(victim.accept()));
        assert!(dialled.is_pending(), "{name}: {dialled:?}");
    }
}
