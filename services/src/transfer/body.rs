//! The stream of one download. It reads the next chunk only when the one before has been taken, so that
//! the reader sets the pace; one that takes nothing loses its slot and its file.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::{FileHeader, TransferServiceDownloadResponse};
use futures::{Stream, stream};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};

use super::metrics::Moving;
use super::version::Version;

/// Longest wait for one chunk from the file system.
const READ: Duration = Duration::from_secs(30);

/// The messages of one download.
pub type Body = Pin<Box<dyn Stream<Item = Result<TransferServiceDownloadResponse, Status>> + Send>>;

/// What a running download holds.
struct Held {
    file: Arc<File>,
    _slot: OwnedSemaphorePermit,
}

struct Download {
    /// Emptied by the watchdog when the reader stalls.
    held: Arc<Mutex<Option<Held>>>,
    progress: Arc<Notify>,
    /// What the file was when it was opened, and must be behind every chunk.
    version: Version,
    path: String,
    header: Option<FileHeader>,
    offset: u64,
    end: u64,
    chunk: usize,
    stall: Duration,
    /// A file is checked once more behind its last byte, empty files as well.
    checked: bool,
    failed: bool,
    moving: Moving,
    _watchdog: DropGuard,
}

/// A download that may begin.
pub(super) struct Begun {
    pub file: File,
    pub version: Version,
    /// Given back at the end, or when the reader stalls.
    pub slot: OwnedSemaphorePermit,
    /// What is announced.
    pub header: FileHeader,
}

/// Streams the header, then chunks of at most `chunk` bytes. A reader that has taken nothing for `stall` is given up.
pub(super) fn stream(begun: Begun, moving: Moving, chunk: usize, stall: Duration) -> Body {
    let Begun { file, version, slot, header } = begun;
    let held = Arc::new(Mutex::new(Some(Held { file: Arc::new(file), _slot: slot })));
    let progress = Arc::new(Notify::new());
    let done = CancellationToken::new();
    tokio::spawn(watchdog(Arc::clone(&held), Arc::clone(&progress), done.clone(), stall));
    let download = Download {
        held,
        progress,
        version,
        path: header.path.clone(),
        offset: header.offset,
        end: header.offset.saturating_add(header.length),
        header: Some(header),
        chunk,
        stall,
        checked: false,
        failed: false,
        moving,
        _watchdog: done.drop_guard(),
    };
    Box::pin(stream::unfold(download, |mut download| async move {
        let Some(item) = download.next().await else {
            if !download.failed {
                download.moving.ends(Code::Ok);
            }
            return None;
        };
        if let Err(status) = &item {
            download.moving.ends(status.code());
            download.failed = true;
            release(&download.held);
        }
        Some((item, download))
    }))
}

/// Drops what is held when no progress is told of for `stall`; ends with the stream.
async fn watchdog(
    held: Arc<Mutex<Option<Held>>>,
    progress: Arc<Notify>,
    done: CancellationToken,
    stall: Duration,
) {
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = progress.notified() => {}
            () = tokio::time::sleep(stall) => break,
        }
    }
    release(&held);
}

fn release(held: &Mutex<Option<Held>>) {
    held.lock().unwrap_or_else(PoisonError::into_inner).take();
}

impl Drop for Download {
    fn drop(&mut self) {
        // At once, not when the watchdog comes to notice.
        release(&self.held);
    }
}

impl Download {
    async fn next(&mut self) -> Option<Result<TransferServiceDownloadResponse, Status>> {
        if self.failed || (self.checked && self.offset >= self.end) {
            return None;
        }
        self.progress.notify_one();
        if let Some(header) = self.header.take() {
            return Some(Ok(TransferServiceDownloadResponse { part: Some(Part::Header(header)) }));
        }
        let file = self.held.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|h| h.file.clone());
        let Some(file) = file else {
            return Some(Err(Status::deadline_exceeded(format!(
                "the download of {:?} was ended because nothing was read for {} s; ask again with offset {}",
                self.path,
                self.stall.as_secs_f64(),
                self.offset
            ))));
        };
        let wanted = usize::try_from(self.end - self.offset).unwrap_or(self.chunk).min(self.chunk);
        let offset = self.offset;
        let version = self.version;
        let reading = tokio::task::spawn_blocking(move || read(&file, &version, offset, wanted));
        let bytes = match timeout(READ, reading).await {
            Ok(Ok(Ok(Some(bytes)))) => bytes,
            Ok(Ok(Ok(None))) => {
                return Some(Err(Status::aborted(format!(
                    "{:?} changed while being read; what came of it so far is not to be used, ask again from \
                     the start",
                    self.path
                ))));
            }
            Ok(Ok(Err(e))) => return Some(Err(self.failure(&e.to_string()))),
            Ok(Err(e)) => return Some(Err(self.failure(&e.to_string()))),
            Err(_) => return Some(Err(self.failure("the file system does not answer"))),
        };
        self.progress.notify_one();
        self.checked = true;
        self.offset += bytes.len() as u64;
        self.moving.bytes(bytes.len());
        if self.offset >= self.end {
            // The last chunk is out of the file: neither slot nor file is needed while it is being taken.
            release(&self.held);
        }
        // An empty file was only checked.
        if bytes.is_empty() {
            return None;
        }
        Some(Ok(TransferServiceDownloadResponse { part: Some(Part::Chunk(bytes)) }))
    }

    fn failure(&self, why: &str) -> Status {
        Status::internal(format!("{:?} can't be read on ({why}); try again or another holder", self.path))
    }
}

/// Exactly `wanted` bytes from `offset` on; `None` where the file ends before or is another version by now.
/// Looked at behind the read: what was read before a change is of the version, too.
fn read(file: &File, version: &Version, offset: u64, wanted: usize) -> io::Result<Option<Bytes>> {
    let mut bytes = vec![0; wanted];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let unchanged = Version::of(file)? == *version;
    Ok(unchanged.then(|| bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{Direction, TransferMetrics};
    use super::*;
    use crate::metrics::Metrics;
    use crate::shared_dir::{SharedDir, SharedPath};
    use futures::StreamExt as _;
    use std::io::Write as _;
    use tokio::sync::Semaphore;

    const LONG: Duration = Duration::from_secs(20);

    fn begin(root: &tempfile::TempDir, size: usize, stall: Duration) -> (Body, Arc<Semaphore>) {
        std::fs::write(root.path().join("a"), vec![1; size]).unwrap();
        let path = SharedPath::parse("a").unwrap();
        let file = SharedDir::open_or_create(root.path()).unwrap().open(&path).unwrap().file;
        let version = Version::at_rest(&file).unwrap().expect("nobody writes it");
        let slots = Arc::new(Semaphore::new(1));
        let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
        let header = FileHeader { path: "a".to_owned(), length: size as u64, ..Default::default() };
        let moving = TransferMetrics::new(&Metrics::new(), 1, 0).begin(Direction::Download);
        (stream(Begun { file, version, slot, header }, moving, 10, stall), slots)
    }

    async fn chunk(body: &mut Body) -> Result<usize, tonic::Code> {
        match body.next().await.unwrap() {
            Ok(TransferServiceDownloadResponse { part: Some(Part::Chunk(bytes)) }) => Ok(bytes.len()),
            Ok(other) => panic!("no chunk: {other:?}"),
            Err(status) => Err(status.code()),
        }
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_aborts() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join("a");
        let shrink = || std::fs::File::options().write(true).open(&at).unwrap().set_len(12).unwrap();
        let grow = || std::fs::File::options().append(true).open(&at).unwrap().write_all(b"x").unwrap();
        let touch = || std::fs::File::open(&at).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        for change in [&shrink as &dyn Fn(), &grow, &touch] {
            let (mut body, slots) = begin(&root, 30, LONG);
            assert!(matches!(body.next().await, Some(Ok(_))), "the header");
            assert_eq!(chunk(&mut body).await, Ok(10));
            change();
            assert_eq!(chunk(&mut body).await, Err(tonic::Code::Aborted));
            assert!(body.next().await.is_none());
            drop(body);
            assert_eq!(slots.available_permits(), 1);
        }
    }

    #[tokio::test]
    async fn a_reader_that_stalls_loses_its_slot_and_is_told() {
        let root = tempfile::tempdir().unwrap();
        let (mut body, slots) = begin(&root, 30, Duration::from_millis(50));
        body.next().await.unwrap().unwrap();
        assert_eq!(slots.available_permits(), 0);
        let freed = timeout(LONG, slots.acquire()).await.expect("the slot was never given back");
        drop(freed);
        assert_eq!(chunk(&mut body).await, Err(tonic::Code::DeadlineExceeded));
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn chunks_add_up_and_the_slot_comes_back() {
        let root = tempfile::tempdir().unwrap();
        for (size, chunks) in [(0, vec![]), (1, vec![1]), (10, vec![10]), (25, vec![10, 10, 5])] {
            let (mut body, slots) = begin(&root, size, LONG);
            body.next().await.unwrap().unwrap();
            for expected in chunks {
                assert_eq!(chunk(&mut body).await, Ok(expected));
            }
            assert!(body.next().await.is_none());
            assert_eq!(slots.available_permits(), 1);
        }
    }
}
