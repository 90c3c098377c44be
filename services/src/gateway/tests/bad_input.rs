//! Requests that make no sense, and names that make more sense than they seem to.

use super::Harness;

#[tokio::test]
async fn unknown_paths_are_problems() {
    let peer = Harness::new().await;
    for path in
        ["/nothing", "/api", "/api/v1", "/api/v1/", "/api/v2/files", "/livez/", "//", "/api/v1/node/x"]
    {
        peer.get(path).await.problem(404, "unknown-path");
    }
    // An empty name.
    for path in ["/api/v1/files/", "/api/v1/files//content", "/files", "/files/"] {
        peer.get(path).await.problem(404, "unknown-path");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let peer = Harness::new().await;
    for path in ["/api/v1/files", "/api/v1/files/x", "/api/v1/ring", "/livez", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "QUERY"] {
            let answer = peer.ask(method, path, &[]).await;
            answer.problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
    let answer = peer.ask("DELETE", "/files/x", &[]).await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, OPTIONS"));
    // The path comes first.
    peer.ask("POST", "/nothing", &[]).await.problem(404, "unknown-path");
}

#[tokio::test]
async fn uploads_are_refused_before_they_are_read() {
    let peer = Harness::new().await;
    let answer = peer.ask("PUT", "/files/big.iso", &[("content-length", "999999999")]).await;
    answer.problem(403, "uploads-not-allowed");
}

#[tokio::test]
async fn bad_encodings_are_refused() {
    let peer = Harness::new().await;
    for path in ["/api/v1/files/%", "/api/v1/files/%4", "/api/v1/files/a%zz", "/files/%c3%28", "/%ff"] {
        peer.get(path).await.problem(400, "bad-path");
    }
    for query in ["limit=1&limit=2", "limit=%", "cursor=%ff", "Limit=1", "limit=0", "limit=1001", "limit=x"] {
        peer.get(&format!("/api/v1/files?{query}")).await.problem(400, "bad-query");
    }
    let body = peer.get("/api/v1/files?lmit=1").await.problem(400, "bad-query");
    assert!(body["detail"].as_str().unwrap().contains("limit, cursor"), "{body}");
    // Probes may add what they like.
    assert_eq!(peer.get("/livez?now=1").await.status, 200);
    assert!(peer.fakes.knobs.asked.lock().unwrap().is_empty(), "the ring was asked");
}

#[tokio::test]
async fn names_of_any_letters_arrive_as_they_are() {
    let peer = Harness::new().await;
    let names = [
        ("annual%20report.pdf", "annual report.pdf"),
        ("a+b.txt", "a+b.txt"),
        ("%F0%9F%98%80.txt", "😀.txt"),
        ("e%CC%81t%C3%A9", "e\u{301}té"),
        ("%22quoted%22%20'too'", "\"quoted\" 'too'"),
        ("two%0Alines", "two\nlines"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("a%3Fb%23c%3Bd", "a?b#c;d"),
        ("%3Cscript%3E", "<script>"),
    ];
    for (encoded, name) in names {
        let file = peer.get(&format!("/api/v1/files/{encoded}")).await.json();
        assert_eq!(file["name"], name);
        let content = peer.get(&format!("/api/v1/files/{encoded}/content")).await;
        assert_eq!(content.status, 200, "{name}: {content:?}");
        assert!(content.header("content-disposition").unwrap().contains("filename*=UTF-8''"));
    }
    let asked: Vec<String> = names.iter().flat_map(|(_, name)| [*name; 2]).map(str::to_owned).collect();
    assert_eq!(*peer.fakes.knobs.asked.lock().unwrap(), asked);
}

#[tokio::test]
async fn names_that_no_file_can_have_are_not_asked_for() {
    let peer = Harness::new().await;
    let long = "x".repeat(256);
    for name in ["a%2Fb", "%2F", "..", ".", "%2e%2e", "a%00b", &long] {
        peer.get(&format!("/api/v1/files/{name}")).await.problem(404, "file-not-found");
        peer.get(&format!("/files/{name}")).await.problem(404, "file-not-found");
    }
    for path in
        ["../secret", "docs/%2e%2e/%2e%2e/secret", "docs%2Freport.pdf", "/etc/passwd", "docs/", "docs//x"]
    {
        peer.get(&format!("/files/{path}")).await.problem(404, "file-not-found");
    }
    assert!(peer.fakes.knobs.asked.lock().unwrap().is_empty(), "the ring was asked");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_name() {
    let peer = Harness::new().await;
    peer.get(&format!("/api/v1/files/{}", "n".repeat(10_000))).await.problem(414, "uri-too-long");
    // 10,000 characters of three bytes each, encoded.
    peer.get(&format!("/api/v1/files/{}", "%E2%82%AC".repeat(6_000))).await.problem(414, "uri-too-long");
    peer.get(&format!("/livez?{}", "q".repeat(9_000))).await.problem(414, "uri-too-long");
    let header = "h".repeat(17 << 10);
    peer.ask("GET", "/livez", &[("x-large", &header)]).await.problem(431, "headers-too-large");
    // Beyond what the parser reads: its own answer, without a body.
    let answer = peer.get(&format!("/api/v1/files/{}", "n".repeat(90_000))).await;
    assert!(matches!(answer.status, 414 | 431) && answer.body.is_empty(), "{answer:?}");
    assert_eq!(peer.get("/a b").await.status, 400);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let peer = Harness::new().await;
    peer.ask("GET", "/livez", &[("content-length", "65537")]).await.problem(413, "body-too-large");
    let chunk = format!("10000\r\n{}\r\n", "b".repeat(0x10000));
    let head = "GET /livez HTTP/1.1\r\nhost: t\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    peer.raw(&format!("{head}{chunk}1\r\nb\r\n0\r\n\r\n")).await.problem(413, "body-too-large");
    assert_eq!(peer.raw(&format!("{head}{chunk}0\r\n\r\n")).await.status, 200);
    peer.raw(&format!("{head}nonsense\r\n")).await.problem(400, "bad-request");
}
