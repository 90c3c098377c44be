//! `transfer.v1.TransferService`: the bytes of shared files, to whoever asks.
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::transfer_v1::transfer_service_server::TransferService;
use chordial_proto::transfer_v1::{
    FileHeader, StatRequest, StatResponse, TransferServiceDownloadRequest, TransferServiceUploadRequest,
    TransferServiceUploadResponse,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use crate::shared_dir::{Fingerprint, OpenError, PathError, SharedDir, SharedPath, shorten};

use super::Options;
use super::body::{self, Begun, Body};
use super::catalog::CatalogClient;
use super::fresh::Fresh;
use super::metrics::{Direction, TransferMetrics};
use super::upload::Uploads;
use super::version::Version;

/// Longest wait for the file system to open a file.
const OPEN: Duration = Duration::from_secs(10);

/// The downloads and uploads of one peer.
#[derive(Debug, Clone)]
pub struct Transfer {
    dir: Arc<SharedDir>,
    peer: Arc<str>,
    catalog: CatalogClient,
    slots: Arc<Semaphore>,
    max_downloads: usize,
    chunk: usize,
    stall: Duration,
    uploads: Arc<Uploads>,
    fresh: Arc<Fresh>,
    metrics: TransferMetrics,
}

impl Transfer {
    pub(super) fn new(
        dir: Arc<SharedDir>,
        peer: Arc<str>,
        catalog: CatalogClient,
        options: &Options,
    ) -> Self {
        let Options { max_downloads, chunk, stall, uploads, .. } = *options;
        let max_uploads = uploads.map_or(0, |uploads| uploads.max_uploads);
        let metrics = TransferMetrics::new(&options.metrics, max_downloads, max_uploads);
        let fresh = Arc::new(Fresh::default());
        let (own_dir, own_peer, own_fresh) = (Arc::clone(&dir), Arc::clone(&peer), Arc::clone(&fresh));
        let uploads =
            Uploads::new(own_dir, own_peer, uploads, stall, own_fresh, catalog.clone(), metrics.clone());
        Self {
            dir,
            peer,
            catalog,
            slots: Arc::new(Semaphore::new(max_downloads)),
            max_downloads,
            chunk,
            stall,
            uploads: Arc::new(uploads),
            fresh,
            metrics,
        }
    }

    /// Opens the file and states it, whole.
    async fn open(&self, path: SharedPath, rest: Rest) -> Result<(File, Version, FileHeader), Status> {
        let (dir, at) = (Arc::clone(&self.dir), path.clone());
        let opened = timeout(OPEN, tokio::task::spawn_blocking(move || open(&dir, &at, rest))).await;
        let (file, version, fingerprint) = match opened {
            Ok(Ok(Ok(Some(opened)))) => opened,
            Ok(Ok(Ok(None))) => {
                return Err(Status::aborted(format!(
                    "{:?} is just being changed; ask again in a moment",
                    path.as_str()
                )));
            }
            Ok(Ok(Err(e))) => return Err(self.refusal(&path, &e)),
            Ok(Err(e)) => return Err(Status::internal(format!("{path:?} could not be opened: {e}"))),
            Err(_) => {
                return Err(Status::unavailable(format!(
                    "the file system of {} does not answer; try again, or another holder",
                    self.peer
                )));
            }
        };
        let digest = match self.fresh.digest(&path, &version) {
            Some(digest) => digest.to_vec(),
            None => self.catalog.digest(&path, &fingerprint).await,
        };
        let size = fingerprint.size;
        let header = FileHeader {
            name: path.name(),
            path: path.as_str().to_owned(),
            size,
            modified_ms: fingerprint.modified_ms(),
            digest: digest.into(),
            offset: 0,
            length: size,
        };
        Ok((file, version, header))
    }

    /// Finds out what is to be sent.
    async fn begin(&self, request: TransferServiceDownloadRequest) -> Result<Begun, Status> {
        let TransferServiceDownloadRequest { path, offset, length } = request;
        let path = parse(&path)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{} already sends {} files, as many as it may; try again in a few seconds, or another holder",
                self.peer, self.max_downloads
            ))
        })?;
        let (file, version, header) = self.open(path, Rest::Needed).await?;
        let Some(rest) = header.size.checked_sub(offset) else {
            return Err(Status::out_of_range(format!(
                "offset {offset} lies behind the end of {:?}, which has {} bytes",
                header.path, header.size
            )));
        };
        let length = if length == 0 { rest } else { length.min(rest) };
        let header = FileHeader { offset, length, ..header };
        Ok(Begun { file, version, slot, header })
    }

    fn refusal(&self, path: &SharedPath, error: &OpenError) -> Status {
        let (peer, path) = (&self.peer, shorten(path.as_str()));
        match error {
            OpenError::NotFound => Status::not_found(format!(
                "{peer} shares no file at {path:?}; `chord-cli ls --of {peer}` lists what it shares"
            )),
            // Not in the listing either; why is said to the owner alone.
            OpenError::Unreadable(e) => {
                tracing::warn!(path, error = %e, "a shared file can't be read; check its permissions");
                Status::not_found(format!("{peer} shares no readable file at {path:?}; try another holder"))
            }
            OpenError::Directory(e) => {
                tracing::warn!(directory = %self.dir.path().display(), error = %e,
                    "the shared directory can't be reached, downloads fail");
                Status::unavailable(format!(
                    "the shared directory of {peer} can't be reached just now; try again later, or another holder"
                ))
            }
        }
    }
}

#[tonic::async_trait]
impl TransferService for Transfer {
    type DownloadStream = Body;

    async fn download(
        &self,
        request: Request<TransferServiceDownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let mut moving = self.metrics.begin(Direction::Download);
        match self.begin(request.into_inner()).await {
            Ok(begun) => Ok(Response::new(body::stream(begun, moving, self.chunk, self.stall))),
            Err(status) => {
                moving.ends(status.code());
                Err(status)
            }
        }
    }

    async fn stat(&self, request: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        let path = parse(&request.into_inner().path)?;
        let (_, _, header) = self.open(path, Rest::Unneeded).await?;
        Ok(Response::new(StatResponse { header: Some(header) }))
    }

    async fn upload(
        &self,
        request: Request<tonic::Streaming<TransferServiceUploadRequest>>,
    ) -> Result<Response<TransferServiceUploadResponse>, Status> {
        self.uploads.take(request.into_inner()).await.map(Response::new)
    }
}

/// Whether a file must be at rest, so that every later change of it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Needed,
    Unneeded,
}

/// Opens a file and says in which state it is; `None` where that just changes. Blocks on the file system.
pub(super) fn open(
    dir: &SharedDir,
    path: &SharedPath,
    rest: Rest,
) -> Result<Option<(File, Version, Fingerprint)>, OpenError> {
    let file = dir.open(path)?.file;
    let state = || {
        let version = match rest {
            Rest::Needed => Version::at_rest(&file)?,
            Rest::Unneeded => Some(Version::of(&file)?),
        };
        let fingerprint = Fingerprint::of(&file)?;
        // Both are of one state.
        let unchanged = Version::of(&file)?;
        Ok(version.filter(|version| *version == unchanged).map(|version| (version, fingerprint)))
    };
    let state = state().map_err(OpenError::Unreadable)?;
    Ok(state.map(|(version, fingerprint)| (file, version, fingerprint)))
}

fn parse(path: &str) -> Result<SharedPath, Status> {
    SharedPath::parse(path).map_err(|e| match e {
        PathError::Invalid { .. } => Status::invalid_argument(e.to_string()),
        PathError::NeverShared(_) => Status::not_found(e.to_string()),
    })
}
