//! Uploads: bytes from a caller into a file below the shared directory.
//!
//! What can be refused is refused on the header, before the first byte. A caller that announces a size and ends
//! without a byte has only asked: it is told what speaks against the upload, or DATA_LOSS where nothing does.
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chordial_proto::transfer_v1::transfer_service_upload_request::Part;
use chordial_proto::transfer_v1::{
    FileHeader, TransferServiceUploadRequest, TransferServiceUploadResponse, UploadHeader,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tonic::{Code, Status, Streaming};

use super::UploadOptions;
use super::catalog::CatalogClient;
use super::download::{Rest, open};
use super::fresh::Fresh;
use super::metrics::{Direction, TransferMetrics};
use super::refusal;
use super::room::{Room, Share};
use super::version::Version;
use crate::shared_dir::{Fingerprint, Incoming, Replace, SharedDir, SharedPath, StoreError};

/// A caller must send so many bytes within the stall time, or the end: one byte now and then is a stall, too.
const STEP: usize = 16 << 10;
/// Longest wait for an upload's header.
const HEADER: Duration = Duration::from_secs(5);
/// Chunks that wait to be written.
const WAITING: usize = 4;
/// Longest wait for the file system to say whether a file fits.
const LOOK: Duration = Duration::from_secs(30);
/// Longest wait for the disk to take a chunk, and for it to take all that is left.
const DISK: Duration = Duration::from_secs(120);

/// The uploads of one peer.
#[derive(Debug)]
pub(super) struct Uploads {
    dir: Arc<SharedDir>,
    peer: Arc<str>,
    /// `None`: none are taken.
    options: Option<UploadOptions>,
    slots: Arc<Semaphore>,
    room: Arc<Room>,
    stall: Duration,
    fresh: Arc<Fresh>,
    catalog: CatalogClient,
    metrics: TransferMetrics,
}

/// What an upload holds until its last byte is written or its file removed.
struct Held {
    share: Share,
    /// The one state of the file that may be replaced, if there is only one.
    replaces: Option<Version>,
    _slot: OwnedSemaphorePermit,
}

enum Step {
    Write(Bytes),
    Store,
}

impl Uploads {
    pub fn new(
        dir: Arc<SharedDir>,
        peer: Arc<str>,
        options: Option<UploadOptions>,
        stall: Duration,
        fresh: Arc<Fresh>,
        catalog: CatalogClient,
        metrics: TransferMetrics,
    ) -> Self {
        let (most, quota) = options.map_or((0, 0), |options| (options.max_uploads, options.quota));
        let room = Arc::new(Room::new(Arc::clone(&dir), quota));
        Self {
            dir,
            peer,
            options,
            slots: Arc::new(Semaphore::new(most)),
            room,
            stall,
            fresh,
            catalog,
            metrics,
        }
    }

    /// Takes one upload.
    ///
    /// # Errors
    /// As the protocol says; nothing is stored then.
    pub async fn take(
        &self,
        parts: Streaming<TransferServiceUploadRequest>,
    ) -> Result<TransferServiceUploadResponse, Status> {
        let mut moving = self.metrics.begin(Direction::Upload);
        let stored = self.store(parts).await;
        moving.ends(stored.as_ref().err().map_or(Code::Ok, Status::code));
        stored
    }

    async fn store(
        &self,
        mut parts: Streaming<TransferServiceUploadRequest>,
    ) -> Result<TransferServiceUploadResponse, Status> {
        let options = self.options.ok_or_else(|| refusal::off(&self.peer))?;
        // Before anything is read, so that only so many may have a message half sent.
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_| refusal::busy(&self.peer, options.max_uploads))?;
        let header = match timeout(self.stall.min(HEADER), next(&mut parts)).await {
            Ok(Ok(Some(Part::Header(header)))) => header,
            Ok(Err(status)) => return Err(status),
            Ok(Ok(_)) => return Err(Status::invalid_argument("an upload begins with its header")),
            Err(_) => return Err(Status::deadline_exceeded("no header came in time")),
        };
        let path = SharedPath::parse(&header.path).map_err(|e| Status::invalid_argument(e.to_string()))?;
        if [&header.digest, &header.replace_digest].iter().any(|digest| !matches!(digest.len(), 0 | 32)) {
            return Err(Status::invalid_argument("a digest has 32 bytes, or none where it is not known"));
        }
        let most = if options.max_size == 0 { u64::MAX } else { options.max_size };
        if header.size.is_some_and(|size| size > most) {
            return Err(refusal::too_large(&self.peer, most));
        }
        let held = self.reserve(&path, &header, slot).await?;
        self.receive(parts, path, header, held, most).await
    }

    /// Room for what is announced, if nothing else speaks against it. The slot stays taken as long as the file
    /// system is being asked, also where nobody waits for the answer any more.
    async fn reserve(
        &self,
        path: &SharedPath,
        header: &UploadHeader,
        slot: OwnedSemaphorePermit,
    ) -> Result<Held, Status> {
        let (dir, room, at) = (Arc::clone(&self.dir), Arc::clone(&self.room), path.clone());
        let (size, replace) = (header.size.unwrap_or(0), header.replace);
        let only = replace && !header.replace_digest.is_empty();
        let look = move || -> Result<_, StoreError> {
            dir.may_store(&at, replace, size)?;
            let there = if only { open(&dir, &at, Rest::Needed).ok().flatten() } else { None };
            let share = room.reserve(size).map_err(StoreError::Directory)?;
            Ok(share.map(|share| (Held { share, replaces: None, _slot: slot }, there)))
        };
        let (held, there) = match timeout(LOOK, tokio::task::spawn_blocking(look)).await {
            Ok(Ok(Ok(Ok(looked)))) => looked,
            Ok(Ok(Ok(Err(no_room)))) => return Err(refusal::no_room(&self.peer, &no_room)),
            Ok(Ok(Err(error))) => return Err(refusal::of_store(&self.peer, path, &error)),
            Ok(Err(error)) => return Err(crashed(&error)),
            Err(_) => return Err(self.silent_disk()),
        };
        if !only {
            return Ok(held);
        }
        match there {
            Some((_, version, fingerprint))
                if self.digest(path, &version, &fingerprint).await == header.replace_digest =>
            {
                Ok(Held { replaces: Some(version), ..held })
            }
            _ => Err(refusal::other(&self.peer, path)),
        }
    }

    /// BLAKE3 of the file in this state; empty where it is not known.
    async fn digest(&self, path: &SharedPath, version: &Version, fingerprint: &Fingerprint) -> Vec<u8> {
        match self.fresh.digest(path, version) {
            Some(digest) => digest.to_vec(),
            None => self.catalog.digest(path, fingerprint).await,
        }
    }

    async fn receive(
        &self,
        parts: Streaming<TransferServiceUploadRequest>,
        path: SharedPath,
        header: UploadHeader,
        held: Held,
        most: u64,
    ) -> Result<TransferServiceUploadResponse, Status> {
        let mut writing = None;
        let failed = match self.pump(parts, &path, &header, held, most, &mut writing).await {
            Ok(mut writing) => match self.send(&mut writing, Step::Store, &path).await {
                Ok(()) => return self.outcome(&mut writing).await,
                Err(status) => status,
            },
            Err(status) => status,
        };
        // Who hears of the failure finds its slot free and no temporary file.
        if let Some(Writing { steps, outcome }) = writing.filter(|writing| !writing.outcome.is_finished()) {
            drop(steps);
            let _ = timeout(DISK, outcome).await;
        }
        Err(failed)
    }

    /// Passes all bytes on to the writer. What it returns is to be stored; `writing` keeps one that is not.
    async fn pump(
        &self,
        mut parts: Streaming<TransferServiceUploadRequest>,
        path: &SharedPath,
        header: &UploadHeader,
        held: Held,
        most: u64,
        writing: &mut Option<Writing>,
    ) -> Result<Writing, Status> {
        let mut pace = Pace { since: Instant::now(), bytes: 0, stall: self.stall };
        let mut received: u64 = 0;
        let mut held = Some(held);
        loop {
            let part = match timeout_at(pace.deadline().into(), next(&mut parts)).await {
                Ok(part) => part?,
                Err(_) => return Err(refusal::stalled(path)),
            };
            let bytes = match part {
                Some(Part::Chunk(bytes)) => bytes,
                // A way to break off, too.
                Some(Part::Header(_)) => return Err(Status::invalid_argument("an upload has one header")),
                None => break,
            };
            received = received.saturating_add(bytes.len() as u64);
            if header.size.is_some_and(|size| received > size) {
                return Err(refusal::not_the_bytes(path, "more bytes came than were announced"));
            }
            if received > most {
                return Err(refusal::too_large(&self.peer, most));
            }
            self.metrics.bytes(Direction::Upload, bytes.len());
            pace.moved(bytes.len());
            let begun = match writing.take() {
                Some(begun) => begun,
                None => self.start(path, header, held.take())?,
            };
            let before = Instant::now();
            self.send(writing.insert(begun), Step::Write(bytes), path).await?;
            pace.pause(before.elapsed());
        }
        // To tonic, a call that its caller has cancelled looks as if it had ended well. The server drops it as
        // soon as it waits, so that a part of a file is not taken for the whole.
        tokio::task::yield_now().await;
        if let Some(size) = header.size.filter(|size| *size != received) {
            let why = format!("{received} of the {size} announced bytes came");
            return Err(refusal::not_the_bytes(path, &why));
        }
        match writing.take() {
            Some(writing) => Ok(writing),
            None => self.start(path, header, held),
        }
    }

    fn start(&self, path: &SharedPath, header: &UploadHeader, held: Option<Held>) -> Result<Writing, Status> {
        let held = held.ok_or_else(|| Status::internal("the upload has begun twice"))?;
        let (steps, receiver) = mpsc::channel(WAITING);
        let job = Job {
            dir: Arc::clone(&self.dir),
            peer: Arc::clone(&self.peer),
            fresh: Arc::clone(&self.fresh),
            path: path.clone(),
            replace: header.replace,
            digest: header.digest.clone().into(),
            held,
        };
        Ok(Writing { steps, outcome: tokio::task::spawn_blocking(move || job.run(receiver)) })
    }

    async fn send(&self, writing: &mut Writing, step: Step, path: &SharedPath) -> Result<(), Status> {
        match timeout(DISK, writing.steps.send(step)).await {
            Ok(Ok(())) => Ok(()),
            // The writer has ended, and says why.
            Ok(Err(_)) => match self.outcome(writing).await {
                Err(status) => Err(status),
                Ok(_) => Err(refusal::not_the_bytes(path, "its writer ended early")),
            },
            Err(_) => Err(self.silent_disk()),
        }
    }

    async fn outcome(&self, writing: &mut Writing) -> Result<TransferServiceUploadResponse, Status> {
        match timeout(DISK, &mut writing.outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(crashed(&error)),
            Err(_) => Err(self.silent_disk()),
        }
    }

    fn silent_disk(&self) -> Status {
        Status::unavailable(format!("the file system of {} does not answer; try again later", self.peer))
    }
}

fn crashed(error: &tokio::task::JoinError) -> Status {
    Status::internal(format!("the upload could not be written: {error}"))
}

/// An upload's thread and the way to it; without the last step, it removes what it wrote.
struct Writing {
    steps: mpsc::Sender<Step>,
    outcome: JoinHandle<Result<TransferServiceUploadResponse, Status>>,
}

/// What the thread of an upload needs.
struct Job {
    dir: Arc<SharedDir>,
    peer: Arc<str>,
    fresh: Arc<Fresh>,
    path: SharedPath,
    replace: bool,
    /// Empty: unknown.
    digest: Vec<u8>,
    held: Held,
}

impl Job {
    fn run(mut self, mut steps: mpsc::Receiver<Step>) -> Result<TransferServiceUploadResponse, Status> {
        let failed = |path: &SharedPath, error: StoreError| refusal::of_store(&self.peer, path, &error);
        let mut incoming = self.dir.begin(&self.path).map_err(|error| failed(&self.path, error))?;
        let (mut hasher, mut written) = (blake3::Hasher::new(), 0);
        loop {
            match steps.blocking_recv() {
                Some(Step::Write(bytes)) => {
                    written += bytes.len() as u64;
                    self.held
                        .share
                        .grow(written)
                        .map_err(|no_room| refusal::no_room(&self.peer, &no_room))?;
                    hasher.update(&bytes);
                    incoming.write(&bytes).map_err(|error| failed(&self.path, error))?;
                }
                Some(Step::Store) => break,
                None => return Err(Status::cancelled("the upload was broken off")),
            }
        }
        let digest = *hasher.finalize().as_bytes();
        if !self.digest.is_empty() && self.digest != digest {
            return Err(refusal::not_the_bytes(&self.path, "its bytes do not have the announced digest"));
        }
        let is_the_one = |file: &File| Ok(self.held.replaces == Some(Version::of(file)?));
        let replace = match (self.replace, &self.held.replaces) {
            (false, _) => Replace::Nothing,
            (true, None) => Replace::Any,
            (true, Some(_)) => Replace::Only(&is_the_one),
        };
        let replaced = incoming.store(replace).map_err(|error| failed(&self.path, error))?;
        self.held.share.stored();
        tracing::info!(path = %self.path, bytes = written, replaced, "a file was uploaded");
        self.answer(&incoming, replaced, digest).map_err(|error| failed(&self.path, error.into()))
    }

    /// Says what is stored, and remembers its digest.
    fn answer(
        &self,
        incoming: &Incoming,
        replaced: bool,
        digest: [u8; 32],
    ) -> std::io::Result<TransferServiceUploadResponse> {
        let fingerprint = Fingerprint::of(incoming.file())?;
        self.fresh.note(self.path.clone(), Version::of(incoming.file())?, digest);
        let header = FileHeader {
            name: self.path.name(),
            path: self.path.as_str().to_owned(),
            size: fingerprint.size,
            modified_ms: fingerprint.modified_ms(),
            digest: digest.to_vec().into(),
            offset: 0,
            length: fingerprint.size,
        };
        Ok(TransferServiceUploadResponse { header: Some(header), replaced })
    }
}

/// The next part; one of a kind unknown here is passed over.
async fn next(parts: &mut Streaming<TransferServiceUploadRequest>) -> Result<Option<Part>, Status> {
    loop {
        match parts.message().await? {
            Some(message) if message.part.is_none() => continue,
            message => return Ok(message.and_then(|message| message.part)),
        }
    }
}

/// Until when a caller must have sent some more.
struct Pace {
    since: Instant,
    bytes: usize,
    stall: Duration,
}

impl Pace {
    fn deadline(&self) -> Instant {
        self.since + self.stall
    }

    fn moved(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= STEP {
            (self.since, self.bytes) = (Instant::now(), 0);
        }
    }

    /// The caller had to wait for the disk.
    fn pause(&mut self, time: Duration) {
        self.since += time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_a_stall() {
        let stall = Duration::from_secs(30);
        let mut pace = Pace { since: Instant::now() - Duration::from_secs(20), bytes: 0, stall };
        let before = pace.deadline();
        pace.moved(1);
        pace.moved(STEP - 2);
        assert_eq!(pace.deadline(), before);
        pace.pause(Duration::from_secs(1));
        assert_eq!(pace.deadline(), before + Duration::from_secs(1));
        pace.moved(1);
        assert!(pace.deadline() >= before + Duration::from_secs(20));
    }
}
