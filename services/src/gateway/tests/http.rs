//! What HTTP itself asks of every resource: methods, negotiation, validators, compression, pages, traces.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Answer, Harness};

const GZIP: (&str, &str) = ("accept-encoding", "gzip");
/// Its JSON is long: each letter of the name has six in there.
const LONG: &str = concat!(
    "/api/v1/files/",
    "%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01",
    "%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01",
    "%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01",
    "%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01"
);
const EVERY: [&str; 17] = [
    "/",
    "/text",
    "/assets/style.css",
    "/livez",
    "/readyz",
    "/metrics",
    "/version",
    "/api/v1/node",
    "/api/v1/ring",
    "/api/v1/catalog",
    "/api/v1/files",
    "/api/v1/files/report.pdf",
    "/api/v1/files/report.pdf/content",
    "/api/v1/search?q=a",
    "/api/v1/published",
    "/api/v1/published/report.pdf",
    "/files/docs/report.pdf",
];

impl Answer {
    /// The body as it was before gzip.
    #[track_caller]
    fn unzipped(&self) -> Vec<u8> {
        assert_eq!(self.header("content-encoding"), Some("gzip"), "{self:?}");
        let mut plain = Vec::new();
        GzDecoder::new(self.body.as_slice()).read_to_end(&mut plain).unwrap();
        plain
    }

    /// The names of its headers, sorted.
    fn names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut names: Vec<String> = lines.map(|(name, _)| name.to_lowercase()).collect();
        names.sort_unstable();
        names
    }
}

#[tokio::test]
async fn options_says_what_a_resource_has() {
    let peer = Harness::new().await;
    for path in EVERY.iter().chain(&["/api/v1/search/events", "/api/v1/files?what=ever"]) {
        let answer = peer.ask("OPTIONS", path, &[("accept", "text/none")]).await;
        let methods =
            if path.starts_with("/files/") { "GET, HEAD, PUT, OPTIONS" } else { "GET, HEAD, OPTIONS" };
        assert_eq!(
            (answer.status, answer.body.len(), answer.header("allow")),
            (204, 0, Some(methods)),
            "{path}"
        );
        assert_eq!(answer.header("content-length"), None, "{answer:?}");
        assert!(answer.names().iter().all(|name| !name.starts_with("access-control")), "{answer:?}");
    }
    let all = peer.ask("OPTIONS", "*", &[]).await;
    assert_eq!((all.status, all.header("allow")), (204, Some("GET, HEAD, PUT, OPTIONS")), "{all:?}");
    for path in ["/nothing", "/api/v1/files/", "/api/v1/files/a%2Fb"] {
        assert_eq!(peer.ask("OPTIONS", path, &[]).await.status, 404, "{path}");
    }
    peer.get("*").await.problem(404, "unknown-path");
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_not_implemented() {
    let peer = Harness::new().await;
    for path in ["/livez", "/files/x", "/nothing", "*"] {
        for method in ["FROBNICATE", "get", "PROPFIND"] {
            peer.ask(method, path, &[]).await.problem(501, "not-implemented");
        }
    }
    let answer = peer.ask("TRACE", "/livez", &[]).await;
    answer.problem(405, "method-not-allowed");
    let connect = peer.raw("CONNECT test:80 HTTP/1.1\r\nhost: test:80\r\nconnection: close\r\n\r\n").await;
    assert!((400..500).contains(&connect.status), "{connect:?}");
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let peer = Harness::new().await;
    for path in EVERY.iter().chain(&[LONG, "/nothing"]) {
        for headers in [&[][..], &[GZIP]] {
            let (get, head) = (peer.ask("GET", path, headers).await, peer.ask("HEAD", path, headers).await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            assert_eq!(head.names(), get.names(), "{path}");
            // What is counted and measured differs from one request to the next.
            if !["/metrics", "/api/v1/search?q=a"].contains(path) {
                for name in ["content-length", "etag", "content-encoding", "vary", "content-type"] {
                    assert_eq!(head.header(name), get.header(name), "{name} of {path}");
                }
            }
            assert!(get.header("date").is_some());
        }
    }
}

#[tokio::test]
async fn what_is_not_accepted_is_not_sent() {
    let peer = Harness::new().await;
    // Of two forms one may do.
    for (accept, status) in [("text/plain", 200), ("text/*;q=0, */*", 200), ("text/html", 406)] {
        assert_eq!(peer.ask("GET", "/metrics", &[("accept", accept)]).await.status, status, "{accept}");
    }
    for (path, media_type) in [
        ("/api/v1/node", "application/json"),
        ("/api/v1/search/events?q=a", "text/event-stream"),
        ("/", "text/html"),
        ("/text", "text/html"),
        ("/assets/app.js", "text/javascript"),
        ("/livez", "text/plain"),
        ("/files/docs/report.pdf", "application/pdf"),
        ("/api/v1/files/x.png/content", "image/png"),
    ] {
        for method in ["GET", "HEAD"] {
            let none = format!("*/*, {media_type};q=0");
            let answer = peer.ask(method, path, &[("accept", &none)]).await;
            assert_eq!(answer.status, 406, "{method} {path}");
        }
        let family = media_type.split('/').next().unwrap();
        for accept in [media_type, "*/*;q=0.1", &format!("{family}/*")] {
            // A stream would not end.
            let answer = peer.ask("HEAD", path, &[("accept", accept)]).await;
            assert_eq!(answer.status, 200, "{path} {accept}");
        }
    }
    let refused = peer.ask("GET", "/api/v1/node", &[("accept", "text/html")]).await;
    let detail = refused.problem(406, "not-acceptable")["detail"].clone();
    assert_eq!(detail, "This resource is application/json, which Accept excludes.");
    // Bytes of files come as they are, and problems as they are wanted.
    let coded = peer.ask("GET", "/files/docs/report.pdf", &[("accept-encoding", "gzip, identity;q=0")]).await;
    assert!(coded.status == 406 && coded.unzipped().starts_with(b"{"));
    peer.ask("GET", "/livez", &[("accept-encoding", "*;q=0")]).await.problem(406, "not-acceptable");
    // Problems come in any case.
    peer.ask("GET", "/nothing", &[("accept", "text/html"), ("accept-encoding", "*;q=0")])
        .await
        .problem(404, "unknown-path");
}

#[tokio::test]
async fn what_cannot_be_met_is_refused() {
    let peer = Harness::new().await;
    for coding in ["gzip", "identity, br"] {
        let answer =
            peer.ask("PUT", "/files/a", &[("content-encoding", coding), ("content-length", "9")]).await;
        answer.problem(415, "unsupported-media-type");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    for method in ["GET", "PUT"] {
        peer.ask(method, "/files/a", &[("expect", "the-best")]).await.problem(417, "expectation-failed");
    }
    assert_eq!(peer.ask("GET", "/livez", &[("expect", "100-Continue")]).await.status, 200);
}

#[tokio::test]
async fn texts_are_compressed_for_those_who_want_it() {
    let peer = Harness::new().await;
    let plain = peer.get(LONG).await;
    assert!(plain.body.len() > 1024 && plain.header("content-encoding").is_none(), "{plain:?}");
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    let zipped = peer.ask("GET", LONG, &[GZIP]).await;
    assert_eq!(zipped.unzipped(), plain.body);
    assert!(zipped.body.len() < plain.body.len() / 2);
    assert_eq!(zipped.header("content-length"), Some(zipped.body.len().to_string().as_str()));
    assert_eq!(zipped.header("vary"), Some("Accept-Encoding"));
    let wanted = [("accept-encoding", "br, gzip;q=0.5"), ("accept", "application/openmetrics-text")];
    assert!(peer.ask("GET", "/metrics", &wanted).await.unzipped().ends_with(b"# EOF\n"));
    let problem = peer.ask("GET", &format!("/nothing/{}", "x".repeat(2000)), &[GZIP]).await;
    assert!(problem.status == 404 && problem.unzipped().starts_with(b"{"));
    // A short one only for those who take nothing else.
    let short = peer.ask("GET", "/livez", &[GZIP]).await;
    assert_eq!((short.body.as_slice(), short.header("vary")), (&b"ok\n"[..], Some("Accept-Encoding")));
    assert_eq!(peer.ask("GET", "/livez", &[("accept-encoding", "gzip, *;q=0")]).await.unzipped(), b"ok\n");
    for coding in ["gzip;q=0", "identity, gzip;q=0.9", "deflate, br"] {
        let answer = peer.ask("GET", LONG, &[("accept-encoding", coding)]).await;
        assert_eq!(answer.body, plain.body, "{coding}");
    }
    // Bytes of files and events never are.
    for path in ["/files/docs/report.pdf", "/api/v1/files/report.txt/content", "/api/v1/search/events?q=a"] {
        let answer = peer.ask("HEAD", path, &[GZIP]).await;
        assert_eq!(
            (answer.status, answer.header("content-encoding"), answer.header("vary")),
            (200, None, None)
        );
    }
}

#[tokio::test]
async fn a_text_that_is_known_is_not_sent_again() {
    let peer = Harness::new().await;
    for path in ["/version", "/", "/assets/app.js"] {
        let whole = peer.get(path).await;
        let etag = whole.header("etag").unwrap().to_owned();
        assert_eq!(whole.header("cache-control"), Some("no-cache"));
        let weak = format!("\"x\", W/{etag}");
        for tags in [etag.as_str(), "*", &weak] {
            let known = peer.ask("GET", path, &[("if-none-match", tags)]).await;
            assert_eq!((known.status, known.body.len()), (304, 0), "{tags}");
            assert_eq!(known.header("content-length"), None, "{known:?}");
            for name in ["etag", "cache-control", "vary", "content-security-policy"] {
                assert_eq!(known.header(name), whole.header(name), "{name}");
            }
        }
        for (name, value, status) in [
            ("if-none-match", "\"x\"", 200),
            ("if-match", etag.as_str(), 200),
            ("if-match", "*", 200),
            ("if-match", "\"x\"", 412),
            ("if-match", &format!("W/{etag}"), 412),
        ] {
            assert_eq!(peer.ask("GET", path, &[(name, value)]).await.status, status, "{name}: {value}");
        }
        // Each coding has a validator of its own.
        let zipped = peer.ask("GET", path, &[("accept-encoding", "gzip, *;q=0")]).await;
        assert_eq!(zipped.unzipped(), whole.body);
        assert_ne!(zipped.header("etag"), Some(etag.as_str()));
    }
}

#[tokio::test]
async fn a_condition_of_a_file_holds_or_is_a_412() {
    let peer = Harness::new().await;
    let (before, then, after) =
        ("Sun, 22 Nov 2026 09:29:59 GMT", "Sun, 22 Nov 2026 09:30:00 GMT", "Sun, 22 Nov 2026 09:30:01 GMT");
    for path in ["/files/docs/report.pdf", "/api/v1/files/report.pdf/content"] {
        let etag = peer.get(path).await.header("etag").unwrap().to_owned();
        let list = format!("\"x\" , {etag}");
        let weak = format!("W/{etag}");
        for (headers, status) in [
            (&[("if-match", etag.as_str())][..], 200),
            (&[("if-match", &list)], 200),
            (&[("if-match", "*")], 200),
            (&[("if-match", &weak)], 412),
            (&[("if-match", "\"x\"")], 412),
            (&[("if-unmodified-since", before)], 412),
            (&[("if-unmodified-since", then)], 200),
            (&[("if-unmodified-since", "nonsense")], 200),
            (&[("if-match", &etag), ("if-unmodified-since", before)], 200),
            (&[("if-match", &etag), ("if-none-match", &etag)], 304),
            (&[("if-match", "\"x\""), ("if-none-match", &etag)], 412),
            (&[("if-none-match", &list)], 304),
            (&[("if-none-match", &weak)], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"x\""), ("if-modified-since", after)], 200),
            (&[("if-modified-since", before)], 200),
            (&[("if-modified-since", after)], 304),
            (&[("range", "bytes=0-1"), ("if-range", &etag)], 206),
            (&[("range", "bytes=0-1"), ("if-range", &weak)], 200),
            (&[("range", "bytes=0-1"), ("if-range", then)], 206),
            (&[("range", "bytes=0-1"), ("if-range", after)], 200),
            (&[("range", "bytes=0-1"), ("if-match", "\"x\"")], 412),
            (&[("range", "bytes=0-1"), ("if-none-match", &etag)], 304),
        ] {
            let answer = peer.ask("GET", path, headers).await;
            assert_eq!(answer.status, status, "{headers:?}");
            if status == 412 {
                answer.problem(412, "precondition-failed");
            }
        }
    }
    let unknown = peer.ask("GET", "/files/new.html", &[("if-match", "*")]).await;
    assert_eq!(unknown.status, 200);
    let weak = unknown.header("etag").unwrap();
    assert_eq!(peer.ask("GET", "/files/new.html", &[("if-match", weak)]).await.status, 412, "{weak}");
}

#[tokio::test]
async fn pages_are_linked() {
    let peer = Harness::new().await;
    let link = async |target: &str| peer.get(target).await.header("link").unwrap().to_owned();
    assert_eq!(
        link("/api/v1/files?limit=7&cursor=a%2Bb").await,
        "<files?limit=7>; rel=\"first\", <files?limit=7&cursor=more>; rel=\"next\""
    );
    assert_eq!(link("/api/v1/catalog?peer=p2").await, "<catalog?peer=p2>; rel=\"first\"");
    let search = link("/api/v1/search?q=two+words%26").await;
    assert!(search.starts_with("<search?q=two%20words%26>; rel=\"first\""), "{search}");
}

#[tokio::test]
async fn a_trace_goes_on_in_the_services() {
    let peer = Harness::new().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let traced = async |path: &str, parent: &str| {
        peer.fakes.knobs.traces.lock().unwrap().clear();
        let answer = peer.ask("GET", path, &[("traceparent", parent), ("tracestate", "a=1")]).await;
        assert_eq!(answer.status, 200, "{path}");
        std::mem::take(&mut *peer.fakes.knobs.traces.lock().unwrap())
    };
    for path in ["/api/v1/node", "/api/v1/files/x", "/files/docs/report.pdf"] {
        let calls = traced(path, &parent).await;
        assert!(!calls.is_empty());
        for (given, state) in calls {
            assert!(given.starts_with(&format!("00-{trace}-")) && given.ends_with("-01"), "{path}: {given}");
            assert!(!given.contains("00f067aa0ba902b7") && state == "a=1", "{path}: {given} {state}");
        }
    }
    let [(given, state)] =
        traced("/api/v1/node", &parent.replace(trace, &"0".repeat(32))).await.try_into().unwrap();
    assert!(given.len() == 55 && !given.contains(trace) && state.is_empty(), "{given} {state}");
}
