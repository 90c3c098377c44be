//! The catalog as its callers see it: over gRPC, on a real directory.
mod away;
mod restart;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chordial_proto::catalog_v1::catalog_service_client::CatalogServiceClient;
use chordial_proto::catalog_v1::{
    File, ListRequest, LookupRequest, Skipped, StatRequest, WatchRequest, WatchResponse,
};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Server};
use tonic::{Code, Streaming};

use super::{Catalog, CatalogOptions};
use crate::metrics::Metrics;

const LONG: Duration = Duration::from_secs(20);
const NOTICED: Duration = Duration::from_secs(2);

async fn serve(directory: &Path) -> (CatalogServiceClient<Channel>, DropGuard) {
    serve_with(directory, None).await
}

/// A catalog that keeps its digests in a file.
async fn serve_with(directory: &Path, digests: Option<&Path>) -> (CatalogServiceClient<Channel>, DropGuard) {
    let cancel = CancellationToken::new();
    let options = CatalogOptions {
        directory: directory.to_owned(),
        peer_name: "p1".to_owned(),
        rescan: Duration::from_secs(60),
        keep: Duration::from_secs(600),
        hashers: 2,
        digests: digests.map(Path::to_owned),
        metrics: Metrics::new(),
    };
    let catalog = Catalog::start(options, cancel.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(catalog.service());
    let stop = cancel.clone().cancelled_owned();
    tokio::spawn(server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop));
    (CatalogServiceClient::connect(address).await.unwrap(), cancel.drop_guard())
}

/// A subscriber that keeps what it was told.
struct Mirror {
    stream: Streaming<WatchResponse>,
    files: BTreeMap<String, File>,
    settled: bool,
}

impl Mirror {
    async fn new(client: &mut CatalogServiceClient<Channel>) -> Self {
        let stream = client.watch(WatchRequest {}).await.unwrap().into_inner();
        let mut mirror = Self { stream, files: BTreeMap::new(), settled: false };
        while !mirror.settled {
            mirror.step(LONG).await;
        }
        mirror
    }

    async fn step(&mut self, within: Duration) {
        let message = timeout(within, self.stream.message()).await.expect("nothing noticed in time");
        let message = message.unwrap().expect("the stream ended");
        self.files.extend(message.present.into_iter().map(|file| (file.path.clone(), file)));
        for path in message.gone {
            self.files.remove(&path);
        }
        self.settled |= message.settled;
    }

    async fn until(&mut self, within: Duration, holds: impl Fn(&BTreeMap<String, File>) -> bool) {
        let deadline = Instant::now() + within;
        while !holds(&self.files) {
            self.step(deadline.saturating_duration_since(Instant::now())).await;
        }
    }
}

fn has_digest(files: &BTreeMap<String, File>, path: &str, bytes: &[u8]) -> bool {
    files.get(path).is_some_and(|file| file.digest == blake3::hash(bytes).as_bytes())
}

#[tokio::test]
async fn files_that_appear_change_and_vanish_are_noticed_in_time() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::write(at("first"), "first").unwrap();
    let (mut client, _guard) = serve(root.path()).await;
    let mut mirror = Mirror::new(&mut client).await;
    assert_eq!(mirror.files.keys().collect::<Vec<_>>(), ["first"]);
    mirror.until(LONG, |files| has_digest(files, "first", b"first")).await;

    std::fs::create_dir_all(at("deep/er")).unwrap();
    std::fs::write(at("deep/er/🦀 e\u{301}\n.txt"), "crab").unwrap();
    std::fs::write(at("deep/unfinished.part"), "").unwrap();
    mirror.until(NOTICED, |files| files.contains_key("deep/er/🦀 e\u{301}\n.txt")).await;
    mirror.until(LONG, |files| has_digest(files, "deep/er/🦀 e\u{301}\n.txt", b"crab")).await;
    assert_eq!(mirror.files["deep/er/🦀 e\u{301}\n.txt"].name, "🦀 \u{e9}\n.txt");

    std::fs::write(at("first"), "changed").unwrap();
    mirror.until(NOTICED, |files| files["first"].size == 7).await;
    mirror.until(LONG, |files| has_digest(files, "first", b"changed")).await;

    std::fs::write(at("deep/er/later"), "in a folder that came later").unwrap();
    mirror.until(NOTICED, |files| files.contains_key("deep/er/later")).await;

    std::fs::rename(at("first"), at("renamed")).unwrap();
    mirror.until(NOTICED, |files| files.contains_key("renamed") && !files.contains_key("first")).await;
    std::fs::remove_dir_all(at("deep")).unwrap();
    mirror.until(NOTICED, |files| files.keys().eq(["renamed"])).await;
}

#[tokio::test]
async fn the_listing_is_paged_in_order() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..250 {
        std::fs::write(root.path().join(format!("f{i:03}")), "x").unwrap();
    }
    let (mut client, _guard) = serve(root.path()).await;
    let mut paths = Vec::new();
    let mut sizes = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.list(ListRequest { limit: 0, cursor }).await.unwrap().into_inner();
        assert_eq!((page.peer.as_str(), page.total), ("p1", 250));
        sizes.push(page.files.len());
        paths.extend(page.files.into_iter().map(|file| file.path));
        cursor = page.next;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(paths, (0..250).map(|i| format!("f{i:03}")).collect::<Vec<_>>());
    let all = client.list(ListRequest { limit: 5000, cursor: String::new() }).await.unwrap().into_inner();
    assert_eq!((all.files.len(), all.next.as_str()), (250, ""));
    let bad = client.list(ListRequest { limit: 1, cursor: "nonsense".to_owned() }).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn lookup_and_stat_find_what_is_shared_only() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("d")).unwrap();
    std::fs::write(root.path().join("d/e\u{301}"), "x").unwrap();
    std::fs::write(root.path().join(".hidden"), "x").unwrap();
    let (mut client, _guard) = serve(root.path()).await;
    for name in ["\u{e9}", "e\u{301}"] {
        let found = client.lookup(LookupRequest { name: name.to_owned() }).await.unwrap().into_inner().files;
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!((found[0].name.as_str(), found[0].path.as_str()), ("\u{e9}", "d/e\u{301}"));
    }
    let none = client.lookup(LookupRequest { name: "e".to_owned() }).await.unwrap().into_inner();
    assert!(none.files.is_empty());
    let code = async |path: &str| client.clone().stat(StatRequest { path: path.to_owned() }).await.err();
    assert!(code("d/e\u{301}").await.is_none());
    for (path, expected) in [
        ("none", Code::NotFound),
        (".hidden", Code::NotFound),
        ("d", Code::NotFound),
        ("../x", Code::InvalidArgument),
        ("/etc/passwd", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        assert_eq!(code(path).await.unwrap().code(), expected, "{path}");
    }
    let empty = client.lookup(LookupRequest::default()).await.unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_file_that_never_holds_still_gets_its_digest_when_it_does() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log");
    std::fs::write(&path, "0").unwrap();
    let (mut client, _guard) = serve(root.path()).await;
    let mut mirror = Mirror::new(&mut client).await;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut round = 0_u32;
            let pause = Duration::from_millis(5);
            while stopped.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                round += 1;
                std::fs::write(&path, vec![b'x'; 2000 + (round % 500) as usize]).unwrap();
            }
        }
    });
    let first = mirror.files["log"].clone();
    mirror.until(LONG, |files| files["log"] != first).await;
    stop.send(()).unwrap();
    writer.join().unwrap();
    let last = std::fs::read(&path).unwrap();
    mirror.until(LONG, |files| has_digest(files, "log", &last)).await;
}
