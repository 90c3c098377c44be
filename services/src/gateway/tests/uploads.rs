//! Uploads over a real transfer service.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

use super::fakes::Fakes;
use super::{Answer, Harness, PATIENCE};
use crate::gateway::Limits;
use crate::metrics::Metrics;
use crate::transfer::{self, UploadOptions};

const ANY: UploadOptions = UploadOptions { max_uploads: 8, max_size: 0, quota: 0 };
const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// A gateway whose peer shares `root` and takes uploads into it.
async fn taking(root: &Path, uploads: UploadOptions, limits: Limits) -> Harness {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let options = transfer::Options {
        directory: root.to_owned(),
        peer_name: "p1".to_owned(),
        catalog: Endpoint::from_static("http://127.0.0.1:1").connect_lazy(),
        chunk: 64 << 10,
        max_downloads: 8,
        stall: Duration::from_secs(20),
        uploads: Some(uploads),
        metrics: Metrics::new(),
    };
    let (_, service) = transfer::services(options).unwrap();
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let fakes = Fakes::start().await;
    let chord = fakes.chord();
    Harness::over(fakes, chord, endpoint, limits).await
}

async fn any(root: &Path) -> Harness {
    taking(root, ANY, Limits::default()).await
}

impl Harness {
    /// The head of a PUT.
    fn put_head(path: &str, headers: &[(&str, &str)]) -> String {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("PUT {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{lines}\r\n")
    }

    async fn put(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        self.raw(&format!("{}{body}", Self::put_head(path, &headers))).await
    }
}

impl Answer {
    #[track_caller]
    fn stored(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?} {}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Waits until there is nothing in the folder, not even a temporary file.
async fn empty(root: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(entry) = fs::read_dir(root).unwrap().next() {
        assert!(Instant::now() < deadline, "{entry:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_new_file_is_created_and_named() {
    let root = tempfile::tempdir().unwrap();
    let peer = any(root.path()).await;
    let answer = peer.put("/files/new%20folder/r%C3%A9sum%C3%A9.txt", &[], "hello").await;
    let file = answer.stored(201);
    let url = "http://p1.test:8000/files/new%20folder/r%C3%A9sum%C3%A9.txt";
    let digest = blake3::hash(b"hello").to_hex().to_string();
    assert_eq!(answer.header("location"), Some(url));
    assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
    assert_eq!((&file["url"], &file["size"]), (&url.into(), &5.into()));
    assert_eq!((&file["name"], &file["path"]), (&"résumé.txt".into(), &"new folder/résumé.txt".into()));
    assert_eq!(file["digest"], format!("blake3:{digest}"));
    let got = peer.get("/files/new%20folder/r%C3%A9sum%C3%A9.txt").await;
    assert_eq!(
        (got.status, got.body.as_slice(), got.header("etag")),
        (200, &b"hello"[..], answer.header("etag"))
    );
    // Empty, and of a length that is not announced.
    peer.put("/files/empty", &[], "").await.stored(201);
    let head = Harness::put_head("/files/chunked", &[CHUNKED]);
    peer.raw(&format!("{head}5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")).await.stored(201);
    assert_eq!(fs::read(root.path().join("chunked")).unwrap(), b"hello, world");
    assert_eq!(fs::read(root.path().join("empty")).unwrap(), b"");
    // Larger than any other body may be.
    let large = "x".repeat(3 << 20);
    assert_eq!(peer.put("/files/large", &[], &large).await.stored(201)["size"], 3 << 20);
}

#[tokio::test]
async fn a_file_is_replaced_only_on_the_condition_of_the_caller() {
    let root = tempfile::tempdir().unwrap();
    let peer = any(root.path()).await;
    peer.put("/files/a", &[("if-match", "*")], "0").await.problem(412, "precondition-failed");
    let etag = peer.put("/files/a", &[("if-none-match", "*")], "1").await;
    etag.stored(201);
    let etag = etag.header("etag").unwrap().to_owned();
    let body = peer.put("/files/a", &[], "2").await.problem(409, "file-exists");
    assert!(body["detail"].as_str().unwrap().contains("If-Match"), "{body}");
    for (name, value) in [("if-none-match", "*"), ("if-none-match", &etag), ("if-match", "\"x\"")] {
        peer.put("/files/a", &[(name, value)], "2").await.problem(412, "precondition-failed");
    }
    // The condition holds, and does not say that the file may be replaced.
    peer.put("/files/a", &[("if-none-match", "\"x\"")], "2").await.problem(409, "file-exists");
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"1");
    let answer = peer.put("/files/a", &[("if-match", &etag)], "3").await;
    answer.stored(200);
    assert_eq!(answer.header("location"), None);
    peer.put("/files/a", &[("if-match", &etag)], "4").await.problem(412, "precondition-failed");
    peer.put("/files/a", &[("if-match", "*")], "5").await.stored(200);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"5");
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_is_not_replaced_again() {
    let root = tempfile::tempdir().unwrap();
    let peer = any(root.path()).await;
    let etag = peer.put("/files/a", &[], "1").await;
    let etag = etag.header("etag").unwrap();
    let mut slow = peer.connect().await;
    let head = Harness::put_head("/files/a", &[("content-length", "4"), ("if-match", etag)]);
    slow.write_all(format!("{head}sl").as_bytes()).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while fs::read_dir(root.path()).unwrap().count() < 2 {
        assert!(Instant::now() < deadline, "the upload never began");
        sleep(Duration::from_millis(5)).await;
    }
    peer.put("/files/a", &[("if-match", etag)], "2").await.stored(200);
    slow.write_all(b"ow").await.unwrap();
    Answer::read(&mut slow).await.problem(412, "precondition-failed");
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"2");
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let options = UploadOptions { max_size: 2000, quota: 3000, ..ANY };
    let peer = taking(root.path(), options, Limits::default()).await;
    peer.put("/files/.hidden", &[], "x").await.problem(400, "bad-path");
    peer.put("/files/half.part", &[], "x").await.problem(400, "bad-path");
    peer.put("/files/a%2F..%2Fb", &[], "x").await.problem(404, "file-not-found");
    peer.put("/files/folder", &[("if-none-match", "\"x\"")], "x").await.problem(409, "path-taken");
    peer.put("/files/a", &[("content-range", "bytes 0-0/2")], "x").await.problem(400, "bad-request");
    // Announced, and in fact.
    let announced = |size: &'static str| [("content-length", size)];
    peer.ask("PUT", "/files/a", &announced("2001")).await.problem(413, "body-too-large");
    let chunk = format!("7d1\r\n{}\r\n0\r\n\r\n", "x".repeat(2001));
    let head = Harness::put_head("/files/a", &[CHUNKED]);
    peer.raw(&format!("{head}{chunk}")).await.problem(413, "body-too-large");
    fs::write(root.path().join("own"), [0; 1500]).unwrap();
    let deadline = Instant::now() + PATIENCE * 2;
    loop {
        let answer = peer.put("/files/b", &[], &"x".repeat(1600)).await;
        if answer.status == 507 {
            answer.problem(507, "insufficient-storage");
            break;
        }
        // Measured before the owner's own file.
        answer.stored(201);
        fs::remove_file(root.path().join("b")).unwrap();
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!root.path().join("a").exists());
}

#[tokio::test]
async fn who_waits_to_continue_is_told_so_or_refused_at_once() {
    let root = tempfile::tempdir().unwrap();
    let peer = any(root.path()).await;
    let head = Harness::put_head("/files/a", &[("content-length", "5"), ("expect", "100-continue")]);
    let mut stream = peer.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.expect("no interim response").unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    Answer::read(&mut stream).await.stored(201);
    // Now it is there: refused, without a wait for the body.
    let mut stream = peer.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    Answer::read(&mut stream).await.problem(409, "file-exists");
}

#[tokio::test]
async fn a_refusal_reaches_who_sends_without_waiting() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a"), "x").unwrap();
    let peer = any(root.path()).await;
    let mut stream = peer.connect().await;
    let head = Harness::put_head("/files/a", &[("content-length", "8388608")]);
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of the body before anything is read.
    timeout(PATIENCE, stream.write_all(&vec![b'x'; 8 << 20])).await.expect("it is not read").unwrap();
    Answer::read(&mut stream).await.problem(409, "file-exists");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_stalls_stores_nothing() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { stall: Duration::from_millis(400), ..Limits::default() };
    let peer = taking(root.path(), ANY, limits).await;
    let half = "x".repeat(100_000);
    for (headers, start) in [
        (("content-length", "200000"), half.clone()),
        (CHUNKED, format!("186a0\r\n{half}\r\n")),
        (CHUNKED, format!("30d40\r\n{half}")),
    ] {
        let request = format!("{}{start}", Harness::put_head("/files/f/a", &[headers]));
        // Broken off once it is being written.
        let mut stream = peer.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !root.path().join("f").exists() {
            assert!(Instant::now() < deadline, "the upload never began");
            sleep(Duration::from_millis(5)).await;
        }
        drop(stream);
        empty(root.path()).await;
        // Silent.
        peer.raw(&request).await.problem(408, "body-timeout");
        empty(root.path()).await;
    }
    let head = Harness::put_head("/files/f/a", &[CHUNKED]);
    peer.raw(&format!("{head}186a0\r\n{half}\r\nnonsense\r\n")).await.problem(400, "bad-request");
    empty(root.path()).await;
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { request_timeout: Duration::from_millis(500), ..Limits::default() };
    let peer = taking(root.path(), ANY, limits).await;
    let mut stream = peer.connect().await;
    let head = Harness::put_head("/files/slow", &[("content-length", "10")]);
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in b"0123456789" {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    Answer::read(&mut stream).await.stored(201);
    assert_eq!(fs::read(root.path().join("slow")).unwrap(), b"0123456789");
}

#[tokio::test]
async fn an_upload_that_stands_still_holds_up_nobody() {
    let peer = Harness::new().await;
    let mut stream = peer.connect().await;
    let head = Harness::put_head("/files/stuck", &[("content-length", "1000000000")]);
    stream.write_all(head.as_bytes()).await.unwrap();
    // Until all windows on its way are full.
    let more = vec![b'x'; 64 << 10];
    while let Ok(sent) = timeout(Duration::from_millis(500), stream.write(&more)).await {
        assert!(sent.unwrap() > 0);
    }
    assert_eq!(peer.get("/files/docs/report.pdf").await.status, 200);
}

#[tokio::test]
async fn without_a_transfer_service_nothing_is_read() {
    let peer = Harness::without_services().await;
    let answer = peer.ask("PUT", "/files/x", &[("content-length", "999999999")]).await;
    answer.problem(503, "unavailable");
}
