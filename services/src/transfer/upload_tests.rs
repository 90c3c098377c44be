//! Uploads and changing files as their callers see them: over gRPC.
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use chordial_proto::transfer_v1::transfer_service_download_response::Part as Down;
use chordial_proto::transfer_v1::transfer_service_upload_request::Part;
use chordial_proto::transfer_v1::{
    StatRequest, TransferServiceDownloadRequest, TransferServiceUploadRequest, TransferServiceUploadResponse,
    UploadHeader,
};
use futures::{Stream, StreamExt as _, future, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::tests::{LONG, Peer, options, serve_with};
use super::{MAX_CHUNK, Options, UploadOptions, refusal};

const ANY: UploadOptions = UploadOptions { max_uploads: 8, max_size: 0, quota: 0 };

async fn taking(root: &Path, uploads: UploadOptions) -> Peer {
    serve_with(root, true, |catalog| Options { uploads: Some(uploads), ..options(root, catalog, 8) }).await
}

fn header(path: &str) -> UploadHeader {
    UploadHeader { path: path.to_owned(), ..UploadHeader::default() }
}

fn begin(header: UploadHeader) -> TransferServiceUploadRequest {
    TransferServiceUploadRequest { part: Some(Part::Header(header)) }
}

fn chunk(bytes: &[u8]) -> TransferServiceUploadRequest {
    TransferServiceUploadRequest { part: Some(Part::Chunk(bytes.to_vec().into())) }
}

type Sent = Result<TransferServiceUploadResponse, Status>;

impl Peer {
    async fn send(
        &self,
        messages: impl Stream<Item = TransferServiceUploadRequest> + Send + 'static,
    ) -> Sent {
        Ok(self.transfer.clone().upload(messages).await?.into_inner())
    }

    /// A whole upload, in chunks of 1,000 bytes.
    async fn put(&self, header: UploadHeader, bytes: &[u8]) -> Sent {
        let mut messages = vec![begin(header)];
        messages.extend(bytes.chunks(1000).map(chunk));
        self.send(stream::iter(messages)).await
    }

    async fn stat_digest(&self, path: &str) -> Vec<u8> {
        let stat = self.transfer.clone().stat(StatRequest { path: path.to_owned() }).await;
        stat.unwrap().into_inner().header.unwrap().digest.to_vec()
    }
}

fn reason(status: &Status) -> &str {
    status.metadata().get(refusal::REASON).map_or("", |value| value.to_str().unwrap())
}

/// Names in the directory, once there is no temporary file any more.
async fn settled(root: &Path) -> Vec<String> {
    let deadline = Instant::now() + LONG;
    loop {
        let names =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        if !names.iter().any(|name| name.starts_with(".chordial-upload-")) {
            return names;
        }
        assert!(Instant::now() < deadline, "{names:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_upload_is_stored_whole_and_served() {
    let root = tempfile::tempdir().unwrap();
    let peer = taking(root.path(), ANY).await;
    let bytes: Vec<u8> = (0..300_001_u32).map(|i| (i % 251) as u8).collect();
    let digest = blake3::hash(&bytes);
    let sure = UploadHeader {
        size: Some(bytes.len() as u64),
        digest: digest.as_bytes().to_vec().into(),
        ..header("new/folder/e\u{301}.bin")
    };
    let stored = peer.put(sure, &bytes).await.unwrap();
    let of = stored.header.unwrap();
    assert!(!stored.replaced);
    assert_eq!(
        (of.name.as_str(), of.path.as_str(), of.size),
        ("\u{e9}.bin", "new/folder/e\u{301}.bin", 300_001)
    );
    assert_eq!(of.digest.as_ref(), digest.as_bytes());
    assert_eq!(peer.get("new/folder/e\u{301}.bin", 0, 0).await.unwrap().1, bytes);
    // Known at once, without the catalog.
    assert_eq!(peer.stat_digest("new/folder/e\u{301}.bin").await, digest.as_bytes());
    // Of unknown size and digest, and empty.
    peer.put(header("plain"), b"hello").await.unwrap();
    peer.send(stream::iter([begin(header("one chunk")), chunk(&[0; MAX_CHUNK])])).await.unwrap();
    peer.put(header("empty"), b"").await.unwrap();
    peer.put(UploadHeader { size: Some(0), ..header("empty too") }, b"").await.unwrap();
    assert_eq!(peer.get("plain", 0, 0).await.unwrap().1, b"hello");
    assert_eq!(settled(root.path()).await, ["empty", "empty too", "new", "one chunk", "plain"]);
}

#[tokio::test]
async fn a_peer_that_takes_none_names_the_key() {
    let root = tempfile::tempdir().unwrap();
    let peer = serve_with(root.path(), false, |catalog| options(root.path(), catalog, 8)).await;
    let said = peer.put(header("a"), b"x").await.unwrap_err();
    assert_eq!(said.code(), Code::PermissionDenied);
    assert!(said.message().contains("transfer.uploads"), "{said}");
    assert!(settled(root.path()).await.is_empty());
}

#[tokio::test]
async fn nothing_is_stored_where_it_must_not_be() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let peer = taking(root.path(), ANY).await;
    for path in ["", "/etc/x", "../x", "a/../../x", "a//b", ".hidden", "a/.git/x", "x.part", "a\0b", "a\\b"] {
        assert_eq!(peer.put(header(path), b"x").await.unwrap_err().code(), Code::InvalidArgument, "{path:?}");
    }
    for path in ["out/x", "out", "folder"] {
        let replace = UploadHeader { replace: true, ..header(path) };
        assert_eq!(peer.put(replace, b"x").await.unwrap_err().code(), Code::FailedPrecondition, "{path:?}");
    }
    assert_eq!(settled(root.path()).await, ["folder", "out"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_is_only_replaced_when_asked() {
    let root = tempfile::tempdir().unwrap();
    let peer = taking(root.path(), ANY).await;
    peer.put(header("a"), b"one").await.unwrap();
    let said = peer.put(header("a"), b"two").await.unwrap_err();
    assert_eq!(said.code(), Code::AlreadyExists, "{said}");
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"one");
    assert!(peer.put(UploadHeader { replace: true, ..header("a") }, b"three").await.unwrap().replaced);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"three");
    assert_eq!(peer.stat_digest("a").await, blake3::hash(b"three").as_bytes());
    // Of many at once exactly one wins.
    let bytes: Vec<Vec<u8>> = (0..6).map(|n| vec![n; 50_000]).collect();
    let outcomes = future::join_all(bytes.iter().map(|bytes| peer.put(header("d/new"), bytes))).await;
    let won: Vec<usize> = (0..6).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(lost.code(), Code::AlreadyExists, "{lost}");
    }
    assert_eq!(fs::read(root.path().join("d/new")).unwrap(), bytes[won[0]]);
    assert_eq!(settled(&root.path().join("d")).await, ["new"]);
}

#[tokio::test]
async fn of_two_that_would_replace_one_state_of_a_file_one_does() {
    let root = tempfile::tempdir().unwrap();
    let peer = taking(root.path(), ANY).await;
    let only =
        |digest: &[u8]| UploadHeader { replace: true, replace_digest: digest.to_vec().into(), ..header("a") };
    let old = blake3::hash(b"old");
    assert_eq!(peer.put(only(old.as_bytes()), b"x").await.unwrap_err().code(), Code::Aborted);
    assert_eq!(peer.put(only(b"short"), b"x").await.unwrap_err().code(), Code::InvalidArgument);
    peer.put(header("a"), b"old").await.unwrap();
    assert_eq!(peer.put(only(&[1; 32]), b"x").await.unwrap_err().code(), Code::Aborted);
    // Both have begun before one of them ends.
    let (senders, calls): (Vec<_>, Vec<_>) = (0..2)
        .map(|number| {
            let (sender, receiver) = mpsc::channel(8);
            sender.try_send(begin(only(old.as_bytes()))).unwrap();
            sender.try_send(chunk(&[number; 1000])).unwrap();
            let mut transfer = peer.transfer.clone();
            (sender, tokio::spawn(async move { transfer.upload(ReceiverStream::new(receiver)).await }))
        })
        .unzip();
    let deadline = Instant::now() + LONG;
    while fs::read_dir(root.path()).unwrap().count() < 3 {
        assert!(Instant::now() < deadline, "the uploads never began");
        sleep(Duration::from_millis(5)).await;
    }
    drop(senders);
    let mut codes = Vec::new();
    for call in calls {
        codes.push(call.await.unwrap().map_or_else(|said| said.code(), |_| Code::Ok));
    }
    codes.sort_by_key(|code| *code as i32);
    assert_eq!(codes, [Code::Ok, Code::Aborted]);
    assert_eq!(settled(root.path()).await, ["a"]);
}

#[tokio::test]
async fn bytes_that_are_not_the_announced_ones_are_not_stored() {
    let root = tempfile::tempdir().unwrap();
    let peer = taking(root.path(), ANY).await;
    let bytes = [7; 2500];
    let of = |size, digest: &[u8]| UploadHeader { size, digest: digest.to_vec().into(), ..header("a") };
    for header in [of(Some(2499), b""), of(Some(2501), b""), of(None, blake3::hash(b"x").as_bytes())] {
        assert_eq!(peer.put(header, &bytes).await.unwrap_err().code(), Code::DataLoss);
    }
    assert_eq!(peer.put(of(None, b"short"), &bytes).await.unwrap_err().code(), Code::InvalidArgument);
    for messages in [vec![], vec![chunk(b"x")], vec![begin(header("a")), chunk(b"x"), begin(header("a"))]] {
        assert_eq!(peer.send(stream::iter(messages)).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let large = vec![begin(header("a")), chunk(&[0; MAX_CHUNK + (64 << 10)])];
    assert_eq!(peer.send(stream::iter(large)).await.unwrap_err().code(), Code::OutOfRange);
    assert!(settled(root.path()).await.is_empty());
}

#[tokio::test]
async fn limits_are_kept_before_the_first_byte_where_they_can() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("own"), [0; 4000]).unwrap();
    let peer = taking(root.path(), UploadOptions { max_uploads: 1, max_size: 5000, quota: 8000 }).await;
    let sized = |path: &str, size| UploadHeader { size: Some(size), ..header(path) };
    let (large, no_room) = (refusal::TOO_LARGE, refusal::NO_ROOM);
    // Announced only: not a byte is sent.
    for (size, expected, key) in [
        (5001, large, "max_upload_size"),
        (1 << 60, large, "max_upload_size"),
        (4001, no_room, "upload_quota"),
    ] {
        let said = peer.put(sized("a", size), b"").await.unwrap_err();
        assert_eq!((said.code(), reason(&said)), (Code::ResourceExhausted, expected), "{said}");
        assert!(said.message().contains(key), "{said}");
    }
    // In fact.
    let said = peer.put(header("a"), &[0; 5001]).await.unwrap_err();
    assert_eq!((said.code(), reason(&said)), (Code::ResourceExhausted, large), "{said}");
    let said = peer.put(header("a"), &[0; 4001]).await.unwrap_err();
    assert_eq!((said.code(), reason(&said)), (Code::ResourceExhausted, no_room), "{said}");
    // To ask whether it would be taken is to end without a byte.
    assert_eq!(peer.put(sized("a", 4000), b"").await.unwrap_err().code(), Code::DataLoss);
    assert_eq!(settled(root.path()).await, ["own"]);

    let (sender, receiver) = mpsc::channel(8);
    sender.send(begin(sized("slow", 3000))).await.unwrap();
    sender.send(chunk(&[1; 1000])).await.unwrap();
    let mut transfer = peer.transfer.clone();
    let first = tokio::spawn(async move { transfer.upload(ReceiverStream::new(receiver)).await });
    let deadline = Instant::now() + LONG;
    while fs::read_dir(root.path()).unwrap().count() < 2 {
        assert!(Instant::now() < deadline, "the upload never began");
        sleep(Duration::from_millis(5)).await;
    }
    let said = peer.put(header("b"), b"1").await.unwrap_err();
    assert_eq!((said.code(), reason(&said)), (Code::ResourceExhausted, refusal::BUSY), "{said}");
    sender.send(chunk(&[1; 2000])).await.unwrap();
    drop(sender);
    first.await.unwrap().unwrap();
    assert_eq!(fs::metadata(root.path().join("slow")).unwrap().len(), 3000);
    // It counts at once: 4,000 and 3,000 of 8,000 are used.
    let said = peer.put(sized("c", 1001), b"").await.unwrap_err();
    assert_eq!(reason(&said), no_room, "{said}");
    peer.put(sized("c", 900), &[0; 900]).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_stalls_or_breaks_off_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let stall = Duration::from_millis(300);
    let uploads = Some(UploadOptions { max_uploads: 1, ..ANY });
    let peer = serve_with(root.path(), false, |catalog| Options {
        uploads,
        stall,
        ..options(root.path(), catalog, 8)
    })
    .await;
    // Silence before the header, behind it, and behind some bytes; a trickle.
    for messages in [vec![], vec![begin(header("a"))], vec![begin(header("a")), chunk(&[1; 40_000])]] {
        let endless = stream::iter(messages).chain(stream::pending());
        let said = timeout(LONG, peer.send(endless)).await.expect("it waits for ever").unwrap_err();
        assert_eq!(said.code(), Code::DeadlineExceeded, "{said}");
    }
    let trickle = stream::unfold((), |()| async {
        sleep(Duration::from_millis(20)).await;
        Some((chunk(b"x"), ()))
    });
    let said = timeout(LONG, peer.send(stream::iter([begin(header("a"))]).chain(trickle))).await;
    assert_eq!(said.expect("it waits for ever").unwrap_err().code(), Code::DeadlineExceeded);
    assert!(settled(root.path()).await.is_empty());
    // The caller goes away in the middle.
    let (sender, receiver) = mpsc::channel(8);
    sender.send(begin(header("a/b"))).await.unwrap();
    sender.send(chunk(&[1; 40_000])).await.unwrap();
    let mut transfer = peer.transfer.clone();
    let call = tokio::spawn(async move { transfer.upload(ReceiverStream::new(receiver)).await });
    let deadline = Instant::now() + LONG;
    while !root.path().join("a").exists() {
        assert!(Instant::now() < deadline, "the upload never began");
        sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    while root.path().join("a").exists() {
        assert!(Instant::now() < deadline, "its folder is still there");
        sleep(Duration::from_millis(5)).await;
    }
    // And its slot is free.
    while let Err(said) = peer.put(header("next"), b"x").await {
        assert_eq!(reason(&said), refusal::BUSY, "{said}");
        assert!(Instant::now() < deadline, "the slot was never given back");
        sleep(Duration::from_millis(5)).await;
    }
}

/// More than the connection's windows take, so that a download which is not read stands still.
const LARGE: usize = 24 << 20;

/// What a reader that pauses behind the first chunk gets: whole, or broken off.
async fn read_across(root: &Path, peer: &Peer, change: impl FnOnce(&Path)) -> (Vec<u8>, Option<Code>) {
    let at = root.join("a");
    fs::write(&at, vec![b'o'; LARGE]).unwrap();
    let request = TransferServiceDownloadRequest { path: "a".to_owned(), ..Default::default() };
    let mut parts = peer.transfer.clone().download(request).await.unwrap().into_inner();
    let mut got = Vec::new();
    while got.is_empty() {
        if let Some(Down::Chunk(bytes)) = parts.message().await.unwrap().unwrap().part {
            got.extend_from_slice(&bytes);
        }
    }
    change(&at);
    loop {
        match parts.message().await {
            Ok(Some(message)) => match message.part {
                Some(Down::Chunk(bytes)) => got.extend_from_slice(&bytes),
                other => panic!("no chunk: {other:?}"),
            },
            Ok(None) => return (got, None),
            Err(status) => return (got, Some(status.code())),
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_under_a_slow_reader_is_never_a_mix() {
    let root = tempfile::tempdir().unwrap();
    // Large chunks: this is about changes, not about speed.
    let peer = serve_with(root.path(), false, |catalog| Options {
        chunk: 64 << 10,
        ..options(root.path(), catalog, 8)
    })
    .await;
    let write = |at: &Path| fs::File::options().write(true).open(at).unwrap();
    let overwrite = |at: &Path| write(at).write_all(&vec![b'n'; LARGE]).unwrap();
    let forged = |at: &Path| {
        let modified = fs::metadata(at).unwrap().modified().unwrap();
        overwrite(at);
        write(at).set_modified(modified).unwrap();
    };
    let truncate = |at: &Path| write(at).set_len(LARGE as u64 / 2).unwrap();
    let append = |at: &Path| fs::File::options().append(true).open(at).unwrap().write_all(b"n").unwrap();
    for (what, change) in [
        ("overwritten", &overwrite as &dyn Fn(&Path)),
        ("overwritten, with its old time", &forged),
        ("truncated", &truncate),
        ("appended to", &append),
    ] {
        let (got, code) = read_across(root.path(), &peer, change).await;
        assert_eq!(code, Some(Code::Aborted), "{what}");
        assert!(got.len() < LARGE && got.iter().all(|byte| *byte == b'o'), "{what}: {} bytes", got.len());
    }
    // The old file lives on behind its name: all of it, or none of its end.
    let replace = |at: &Path| {
        let new = root.path().join("new");
        fs::write(&new, vec![b'n'; LARGE]).unwrap();
        fs::rename(new, at).unwrap();
    };
    let (got, code) = read_across(root.path(), &peer, replace).await;
    assert!(got.iter().all(|byte| *byte == b'o'), "a mix");
    assert!(code == Some(Code::Aborted) || got.len() == LARGE, "{code:?} after {} bytes", got.len());
}
