//! Transfers as their callers see them: over gRPC, with a real catalog beside.
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use chordial_proto::transfer_v1::dummy_service_client::DummyServiceClient;
use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::{
    DummyServiceDownloadRequest, DummyServiceUploadRequest, FileHeader, StatRequest,
    TransferServiceDownloadRequest,
};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};

use super::{Error, Options, UploadOptions, services};
use crate::catalog::{Catalog, CatalogOptions};
use crate::metrics::Metrics;

pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) struct Peer {
    dummy: DummyServiceClient<Channel>,
    pub transfer: TransferServiceClient<Channel>,
    _stop: DropGuard,
}

/// Serves the directory; without a catalog, the channel to it leads to a port where nobody listens.
async fn serve(directory: &Path, with_catalog: bool, max_downloads: usize) -> Peer {
    serve_with(directory, with_catalog, |catalog| options(directory, catalog, max_downloads)).await
}

pub(super) async fn serve_with(
    directory: &Path,
    with_catalog: bool,
    options: impl FnOnce(Channel) -> Options,
) -> Peer {
    let cancel = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let nobody = Endpoint::from_static("http://127.0.0.1:9");
    let catalog = if with_catalog { own.connect_lazy() } else { nobody.connect_lazy() };
    let (dummy, transfer) = services(options(catalog)).unwrap();
    let mut server = Server::builder().add_service(dummy).add_service(transfer);
    if with_catalog {
        let options = CatalogOptions {
            directory: directory.to_owned(),
            peer_name: "p1".to_owned(),
            rescan: Duration::from_secs(60),
            keep: Duration::ZERO,
            hashers: 1,
            digests: None,
            metrics: Metrics::new(),
        };
        server = server.add_service(Catalog::start(options, cancel.clone()).unwrap().service());
    }
    let stop = cancel.clone().cancelled_owned();
    tokio::spawn(server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop));
    let channel = own.connect().await.unwrap();
    Peer {
        dummy: DummyServiceClient::new(channel.clone()),
        transfer: TransferServiceClient::new(channel),
        _stop: cancel.drop_guard(),
    }
}

pub(super) fn options(directory: &Path, catalog: Channel, max_downloads: usize) -> Options {
    let (directory, peer_name, metrics) = (directory.to_owned(), "p1".to_owned(), Metrics::new());
    Options { directory, peer_name, catalog, chunk: 1000, max_downloads, stall: LONG, uploads: None, metrics }
}

impl Peer {
    pub async fn get(&self, path: &str, offset: u64, length: u64) -> Result<(FileHeader, Vec<u8>), Status> {
        let request = TransferServiceDownloadRequest { path: path.to_owned(), offset, length };
        let mut stream = self.transfer.clone().download(request).await?.into_inner();
        let first = stream.message().await?.and_then(|message| message.part);
        let Some(Part::Header(header)) = first else { panic!("the header comes first, not {first:?}") };
        let mut bytes = Vec::new();
        while let Some(message) = stream.message().await? {
            let Some(Part::Chunk(chunk)) = message.part else { panic!("a second header") };
            assert!(!chunk.is_empty() && chunk.len() <= 1000);
            bytes.extend_from_slice(&chunk);
        }
        assert_eq!(bytes.len() as u64, header.length);
        Ok((header, bytes))
    }

    async fn refusal(&self, path: &str) -> Code {
        let got = self.get(path, 0, 0).await.map(|(_, bytes)| bytes).unwrap_err().code();
        let stat = self.transfer.clone().stat(StatRequest { path: path.to_owned() }).await;
        assert_eq!(stat.unwrap_err().code(), got, "{path:?}");
        got
    }
}

#[tokio::test]
async fn offset_and_length_choose_bytes() {
    let root = tempfile::tempdir().unwrap();
    let all: Vec<u8> = (0..3500_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(root.path().join("a"), &all).unwrap();
    std::fs::write(root.path().join("empty"), "").unwrap();
    let peer = serve(root.path(), false, 8).await;
    for (offset, length, range) in [
        (0, 0, 0..3500),
        (0, 1, 0..1),
        (999, 2, 999..1001),
        (3000, 0, 3000..3500),
        (3499, 5000, 3499..3500),
        (1, u64::MAX, 1..3500),
        (3500, 0, 3500..3500),
    ] {
        let (header, bytes) = peer.get("a", offset, length).await.unwrap();
        assert_eq!(bytes, all[range], "{offset} {length}");
        assert_eq!((header.size, header.offset, header.name.as_str()), (3500, offset, "a"));
    }
    assert_eq!(peer.get("a", 3501, 0).await.unwrap_err().code(), Code::OutOfRange);
    assert_eq!(peer.get("a", u64::MAX, u64::MAX).await.unwrap_err().code(), Code::OutOfRange);
    assert!(peer.get("empty", 0, 0).await.unwrap().1.is_empty());
}

#[tokio::test]
async fn only_shared_files_are_served_even_without_a_catalog() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir_all(at("sub/.git")).unwrap();
    for name in ["sub/in", "sub/.git/config", ".env", "half.part"] {
        std::fs::write(at(name), "text").unwrap();
    }
    symlink(outside.path().join("secret"), at("out_file")).unwrap();
    symlink(outside.path(), at("out_dir")).unwrap();
    symlink("sub/in", at("link_in")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let peer = serve(root.path(), false, 8).await;
    let absolute = outside.path().join("secret");
    for path in ["", "..", "../secret", "sub/../../x", "/etc/passwd", "a\0b", "sub//in", "sub\\in"] {
        assert_eq!(peer.refusal(path).await, Code::InvalidArgument, "{path:?}");
    }
    assert_eq!(peer.refusal(absolute.to_str().unwrap()).await, Code::InvalidArgument);
    for path in [
        "out_file",
        "out_dir/secret",
        "sub/.git/config",
        ".env",
        "half.part",
        "pipe",
        "sub",
        "none",
        "%2e%2e/secret",
        "sub%2fin",
    ] {
        assert_eq!(peer.refusal(path).await, Code::NotFound, "{path:?}");
    }
    assert_eq!(peer.get("link_in", 0, 0).await.unwrap().1, b"text");
    assert_eq!(peer.get("sub/in", 0, 0).await.unwrap().1, b"text");
}

#[tokio::test]
async fn the_digest_comes_from_the_catalog() {
    let root = tempfile::tempdir().unwrap();
    let names = ["a b", "🦀.rs", "e\u{301}", "two\nlines", "100%25"];
    for name in names {
        std::fs::write(root.path().join(name), name).unwrap();
    }
    let peer = serve(root.path(), true, 8).await;
    let deadline = Instant::now() + LONG;
    for name in names {
        loop {
            let (header, bytes) = peer.get(name, 0, 0).await.unwrap();
            assert_eq!((bytes.as_slice(), header.path.as_str()), (name.as_bytes(), name));
            if !header.digest.is_empty() {
                assert_eq!(header.digest.as_ref(), blake3::hash(&bytes).as_bytes());
                break;
            }
            assert!(Instant::now() < deadline, "no digest of {name}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_echo_pair_echoes_and_moves_nothing() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("d")).unwrap();
    std::fs::write(root.path().join("d/e\u{301}"), "12345").unwrap();
    let mut peer = serve(root.path(), true, 8).await;
    let ask = |name: &str| DummyServiceDownloadRequest { name: name.to_owned() };
    let echo = peer.dummy.download(ask("\u{e9}")).await.unwrap().into_inner();
    assert_eq!((echo.name.as_str(), echo.peer.as_str(), echo.bytes), ("\u{e9}", "p1", 5));
    let none = peer.dummy.download(ask("nobody has this")).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    assert!(none.message().contains("nobody has this"), "{none}");
    let up = |name: &str| DummyServiceUploadRequest { name: name.to_owned(), size: 1 << 40 };
    let echo = peer.dummy.upload(up("big")).await.unwrap().into_inner();
    assert_eq!((echo.name.as_str(), echo.peer.as_str(), echo.bytes), ("big", "p1", 1 << 40));
    assert!(!root.path().join("big").exists());
    for bad in ["", "a/b", "a\0b", &"x".repeat(256)] {
        assert_eq!(peer.dummy.download(ask(bad)).await.unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
        assert_eq!(peer.dummy.upload(up(bad)).await.unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
    }
}

#[tokio::test]
async fn without_a_catalog_the_echo_says_so() {
    let root = tempfile::tempdir().unwrap();
    let mut peer = serve(root.path(), false, 8).await;
    let said = peer.dummy.download(DummyServiceDownloadRequest { name: "a".to_owned() }).await.unwrap_err();
    assert_eq!(said.code(), Code::Unavailable);
    assert!(said.message().contains("catalog"), "{said}");
}

#[tokio::test]
async fn more_downloads_than_allowed_are_refused_until_one_ends() {
    let root = tempfile::tempdir().unwrap();
    // More than a connection's windows take, so that the first download can't end by itself.
    std::fs::write(root.path().join("a"), vec![0; 32 << 20]).unwrap();
    std::fs::write(root.path().join("small"), "x").unwrap();
    let peer = serve(root.path(), false, 1).await;
    let ask = TransferServiceDownloadRequest { path: "a".to_owned(), ..Default::default() };
    let mut first = peer.transfer.clone().download(ask).await.unwrap().into_inner();
    first.message().await.unwrap().unwrap();
    assert_eq!(peer.get("small", 0, 0).await.unwrap_err().code(), Code::ResourceExhausted);
    drop(first);
    let deadline = Instant::now() + LONG;
    while let Err(status) = peer.get("small", 0, 0).await {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(Instant::now() < deadline, "the slot was never given back");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn options_out_of_range_are_named() {
    let root = tempfile::tempdir().unwrap();
    let good = || options(root.path(), Endpoint::from_static("http://127.0.0.1:9").connect_lazy(), 1);
    assert!(services(good()).is_ok());
    for (bad, named) in [
        (Options { chunk: 0, ..good() }, "chunk"),
        (Options { chunk: 2 << 20, ..good() }, "chunk"),
        (Options { max_downloads: 0, ..good() }, "max_downloads"),
        (Options { stall: Duration::ZERO, ..good() }, "stall"),
        (
            Options { uploads: Some(UploadOptions { max_uploads: 0, max_size: 0, quota: 0 }), ..good() },
            "max_uploads",
        ),
    ] {
        let error = services(bad).err().unwrap();
        assert!(matches!(error, Error::Option { .. }) && error.to_string().contains(named), "{error}");
    }
}
