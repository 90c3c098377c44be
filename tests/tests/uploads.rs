//! Uploads into real peers: found by others, whole after kills, within their bounds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually, get_url};
use serde_json::Value;

/// From the answer to an upload until the whole network finds the file, on a busy machine.
const FOUND: Duration = Duration::from_secs(10);

/// A PUT with its body; the status and the body of the answer.
fn put(peer: &TestPeer, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let mut stream = open(peer, path, headers, body.len());
    stream.write_all(body).expect("the body is taken");
    answer(&mut stream)
}

/// The head of a PUT, sent.
fn open(peer: &TestPeer, path: &str, headers: &[(&str, &str)], length: usize) -> TcpStream {
    let gateway = peer.gateway();
    let mut stream = TcpStream::connect(gateway.trim_start_matches("http://")).expect("a gateway");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the head is taken");
    stream
}

fn answer(stream: &mut TcpStream) -> (u16, Value) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8(bytes).expect("text");
    let status = text.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn taking(count: usize, settings: &[(&str, &str)]) -> Cluster {
    Cluster::new(count, &[&[("transfer.uploads", "true")], settings].concat())
}

/// Names in a folder, temporary files included.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn temporary(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with(".chordial-upload-")).collect()
}

#[test]
fn what_is_uploaded_to_one_peer_is_found_at_another() {
    let mut cluster = taking(2, &[]);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|byte| (byte % 251) as u8).collect();
    let (status, file) = put(&cluster.peers[0], "/files/up/loaded%20%C3%A4.bin", &[], &bytes);
    assert_eq!(status, 201, "{file}");
    let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
    assert_eq!((&file["digest"], &file["path"]), (&digest.as_str().into(), &"up/loaded ä.bin".into()));
    let source = eventually(FOUND, "the other peer finds it", || {
        let sources = cluster.peers[1].sources("loaded ä.bin")?;
        sources.first().cloned().ok_or_else(|| "no source".to_owned())
    });
    assert_eq!((&source["peer"], &source["url"]), (&"p1".into(), &file["url"]));
    assert!(get_url(source["url"].as_str().expect("a URL")).expect("the bytes").body == bytes);
    // Replaced: the network comes to know the new one.
    let (status, problem) = put(&cluster.peers[0], "/files/up/loaded%20%C3%A4.bin", &[], b"new");
    assert_eq!((status, &problem["type"]), (409, &"/problems/file-exists".into()));
    let (status, file) =
        put(&cluster.peers[0], "/files/up/loaded%20%C3%A4.bin", &[("if-match", "*")], b"new");
    assert_eq!((status, &file["size"]), (200, &3.into()));
    eventually(FOUND, "the other peer knows of the new one", || {
        let sources = cluster.peers[1].sources("loaded ä.bin")?;
        ensure(sources.len() == 1 && sources[0]["size"] == 3, || format!("{sources:?}"))
    });
}

#[test]
fn a_peer_apart_takes_uploads_and_bounds_them() {
    let mut cluster = taking(1, &[("transfer.max_upload_size", "1MiB"), ("transfer.upload_quota", "1500kB")]);
    for service in ["gateway", "transfer", "catalog", "chord"] {
        cluster.peers[0].start_only(service);
    }
    let peer = &cluster.peers[0];
    eventually(PATIENCE, "it is taken", || {
        let (status, body) = put(peer, "/files/a", &[("if-none-match", "\"x\"")], &[1; 1_000_000]);
        ensure(status == 201, || format!("{status} {body}"))
    });
    for (length, status, kind) in
        [(1_048_577, 413, "/problems/body-too-large"), (600_000, 507, "/problems/insufficient-storage")]
    {
        // Refused on the head alone.
        let problem = answer(&mut open(peer, "/files/b", &[], length));
        assert_eq!((problem.0, &problem.1["type"]), (status, &kind.into()), "{problem:?}");
    }
    assert_eq!(names(&peer.directory()), ["a"]);
}

#[test]
fn a_peer_killed_in_the_middle_of_an_upload_leaves_nothing_for_long() {
    let mut cluster = taking(1, &[]);
    cluster.start();
    let folder = cluster.peers[0].directory().join("deep");
    std::fs::create_dir(&folder).expect("a folder");
    let foreign = folder.join(".chordial-upload-of-mine.part");
    std::fs::write(&foreign, "not from an upload").expect("a file");
    cluster.peers[0].share("deep/kept.txt", b"old");
    let mut stream = open(&cluster.peers[0], "/files/deep/kept.txt", &[("if-match", "*")], 1 << 20);
    stream.write_all(&[1; 1 << 19]).expect("half of it");
    eventually(PATIENCE, "it is being written", || {
        ensure(temporary(&folder).len() == 2, || format!("{:?}", names(&folder)))
    });
    cluster.peers[0].kill();
    assert_eq!(temporary(&folder).len(), 2, "killed in the middle");
    assert_eq!(std::fs::read(folder.join("kept.txt")).expect("the old file"), b"old");
    cluster.peers[0].start();
    eventually(PATIENCE, "what is left is removed", || {
        ensure(temporary(&folder) == [".chordial-upload-of-mine.part"], || format!("{:?}", names(&folder)))
    });
    assert_eq!(std::fs::read(folder.join("kept.txt")).expect("the old file"), b"old");
}

#[test]
fn a_peer_that_takes_none_says_which_key_decides() {
    let mut cluster = Cluster::new(1, &[]);
    cluster.start();
    let (status, problem) = answer(&mut open(&cluster.peers[0], "/files/a", &[], 1 << 40));
    assert_eq!((status, &problem["type"]), (403, &"/problems/uploads-not-allowed".into()));
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("transfer.uploads")),
        "{problem}"
    );
    assert!(names(&cluster.peers[0].directory()).is_empty());
}
