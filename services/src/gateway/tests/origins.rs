//! Who may be asked for what, by whom: hosts, origins, and what a browser is told.

use super::{Answer, Harness};

const FOREIGN: &str = "https://portal.example.org";

impl Harness {
    /// A request with exactly this target and these header lines.
    async fn lines(&self, first: &str, lines: &str) -> Answer {
        self.raw(&format!("{first}\r\nconnection: close\r\n{lines}\r\n")).await
    }
}

#[tokio::test]
async fn a_foreign_name_is_not_answered_for() {
    let peer = Harness::open_to(&["files.example.org"], &[]).await;
    for host in ["127.0.0.1:8000", "[::1]:8000", "localhost", "p1.test:8000", "peer-3", "files.example.org"] {
        let answer = peer.lines("GET /livez HTTP/1.1", &format!("host: {host}\r\n")).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for path in ["/livez", "/api/v1/files", "/nothing", "*"] {
        let answer = peer.lines(&format!("OPTIONS {path} HTTP/1.1"), "host: rebound.example:8000\r\n").await;
        let detail = answer.problem(421, "misdirected")["detail"].clone();
        assert!(detail.as_str().unwrap().contains("gateway.hosts"), "{detail}");
    }
    let any = Harness::open_to(&["*"], &[]).await;
    assert_eq!(any.lines("GET /livez HTTP/1.1", "host: rebound.example\r\n").await.status, 200);
}

#[tokio::test]
async fn the_host_is_named_once_and_an_absolute_target_counts() {
    let peer = Harness::new().await;
    peer.lines("GET /livez HTTP/1.1", "").await.problem(400, "bad-request");
    peer.lines("GET /livez HTTP/1.1", "host: a\r\nhost: a\r\n").await.problem(400, "bad-request");
    for host in ["", "a b", "me@localhost", "a/b"] {
        let answer = peer.lines("GET /livez HTTP/1.1", &format!("host: {host}\r\n")).await;
        answer.problem(400, "bad-request");
    }
    assert_eq!(peer.lines("GET /livez HTTP/1.0", "").await.status, 200);
    let absolute = |host: &str| format!("GET http://{host}/livez?x HTTP/1.1");
    assert_eq!(peer.lines(&absolute("localhost:8000"), "host: rebound.example\r\n").await.status, 200);
    peer.lines(&absolute("rebound.example"), "host: localhost\r\n").await.problem(421, "misdirected");
    peer.lines(&absolute("localhost"), "").await.problem(400, "bad-request");
    let root = peer.lines("GET http://localhost HTTP/1.1", "host: localhost\r\n").await;
    assert_eq!((root.status, root.header("content-type")), (200, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn every_answer_has_its_security_headers() {
    let peer = Harness::new().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/text"),
        ("GET", "/assets/app.js"),
        ("GET", "/livez"),
        ("HEAD", "/api/v1/search/events?q=a"),
        ("GET", "/files/docs/report.pdf"),
        ("GET", "/files/new.html"),
        ("GET", "/nothing"),
        ("OPTIONS", "*"),
        ("FROBNICATE", "/"),
    ] {
        let answer = peer.ask(method, path, &[("if-none-match", "\"x\"")]).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        let own_page = method == "GET" && ["/", "/text"].contains(&path);
        assert_eq!(policy.starts_with("default-src 'self'"), own_page, "{path}: {policy}");
        assert_eq!(policy.starts_with("sandbox; default-src 'none'"), !own_page, "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!answer.head.to_lowercase().contains("access-control"), "{answer:?}");
    }
}

#[tokio::test]
async fn without_configuration_no_foreign_page_reads() {
    let peer = Harness::new().await;
    let preflight = [("origin", FOREIGN), ("access-control-request-method", "GET")];
    let answer = peer.ask("OPTIONS", "/api/v1/files", &preflight).await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert!(!answer.head.to_lowercase().contains("access-control"), "{answer:?}");
}

#[tokio::test]
async fn a_configured_origin_reads_and_writes() {
    let peer = Harness::open_to(&[], &[FOREIGN]).await;
    let origin = ("origin", FOREIGN);
    for path in ["/api/v1/files", "/files/docs/report.pdf", "/nothing"] {
        let answer = peer.ask("GET", path, &[origin]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(FOREIGN), "{path}");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("ETag, Link, Location"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert!(answer.head.contains("vary: Origin"), "{answer:?}");
        let other = peer.ask("GET", path, &[("origin", "https://other.example")]).await;
        assert_eq!(other.header("access-control-allow-origin"), None, "{path}");
        assert!(other.head.contains("vary: Origin"), "{other:?}");
    }
    let asked =
        [origin, ("access-control-request-method", "PUT"), ("access-control-request-headers", "if-match")];
    let preflight = peer.ask("OPTIONS", "/files/x", &asked).await;
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", FOREIGN),
        ("access-control-allow-methods", "GET, HEAD, PUT, OPTIONS"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(preflight.header(name), Some(value));
    }
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("If-Match"));
    // The question itself comes without a preflight's headers: nothing is said of methods.
    let plain = peer.ask("OPTIONS", "/files/x", &[origin]).await;
    assert_eq!(plain.header("access-control-allow-methods"), None);

    let put = async |peer: &Harness, headers: &[(&str, &str)]| {
        peer.ask("PUT", "/files/x", &[headers, &[("content-length", "9")]].concat()).await
    };
    // This far: the peer behind takes no uploads.
    put(&peer, &[origin]).await.problem(403, "uploads-not-allowed");
    for headers in [
        &[("origin", "https://other.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://test:81")],
    ] {
        put(&peer, headers).await.problem(403, "cross-origin");
    }
    for headers in [&[][..], &[("origin", "http://test")], &[("origin", "http://p1.test:8000")]] {
        put(&peer, headers).await.problem(403, "uploads-not-allowed");
    }
}

#[tokio::test]
async fn any_origin_may_read_and_none_write() {
    let peer = Harness::open_to(&[], &["*"]).await;
    let answer = peer.ask("GET", "/api/v1/files", &[("origin", FOREIGN)]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(!answer.head.contains("vary: Origin"), "{answer:?}");
    let asked = [("origin", FOREIGN), ("access-control-request-method", "PUT")];
    let preflight = peer.ask("OPTIONS", "/files/x", &asked).await;
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    let put = peer.ask("PUT", "/files/x", &[("origin", FOREIGN), ("content-length", "9")]).await;
    put.problem(403, "cross-origin");
}
