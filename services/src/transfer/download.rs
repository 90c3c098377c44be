//! `transfer.v1.TransferService`: the bytes of shared files, to whoever asks.
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

use crate::shared_dir::{OpenError, OpenFile, PathError, SharedDir, SharedPath, shorten};

use super::Options;
use super::body::{self, Body};
use super::catalog::CatalogClient;

/// Longest wait for the file system to open a file.
const OPEN: Duration = Duration::from_secs(10);

/// The downloads of one peer.
#[derive(Debug, Clone)]
pub struct Transfer {
    dir: Arc<SharedDir>,
    peer: Arc<str>,
    catalog: CatalogClient,
    slots: Arc<Semaphore>,
    max_downloads: usize,
    chunk: usize,
    stall: Duration,
}

impl Transfer {
    pub(super) fn new(
        dir: Arc<SharedDir>,
        peer: Arc<str>,
        catalog: CatalogClient,
        options: &Options,
    ) -> Self {
        let Options { max_downloads, chunk, stall, .. } = *options;
        Self {
            dir,
            peer,
            catalog,
            slots: Arc::new(Semaphore::new(max_downloads)),
            max_downloads,
            chunk,
            stall,
        }
    }

    /// Opens the file and states it, whole.
    async fn open(&self, path: SharedPath) -> Result<(OpenFile, FileHeader), Status> {
        let (dir, at) = (Arc::clone(&self.dir), path.clone());
        let file = match timeout(OPEN, tokio::task::spawn_blocking(move || dir.open(&at))).await {
            Ok(Ok(Ok(file))) => file,
            Ok(Ok(Err(e))) => return Err(self.refusal(&path, &e)),
            Ok(Err(e)) => return Err(Status::internal(format!("{path:?} could not be opened: {e}"))),
            Err(_) => {
                return Err(Status::unavailable(format!(
                    "the file system of {} does not answer; try again, or another holder",
                    self.peer
                )));
            }
        };
        let digest = self.catalog.digest(&path, &file.fingerprint).await.into();
        let size = file.fingerprint.size;
        let header = FileHeader {
            name: path.name(),
            path: path.as_str().to_owned(),
            size,
            modified_ms: file.fingerprint.modified_ms(),
            digest,
            offset: 0,
            length: size,
        };
        Ok((file, header))
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
        let TransferServiceDownloadRequest { path, offset, length } = request.into_inner();
        let path = parse(&path)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{} already sends {} files, as many as it may; try again in a few seconds, or another holder",
                self.peer, self.max_downloads
            ))
        })?;
        let (file, header) = self.open(path).await?;
        let Some(rest) = header.size.checked_sub(offset) else {
            return Err(Status::out_of_range(format!(
                "offset {offset} lies behind the end of {:?}, which has {} bytes",
                header.path, header.size
            )));
        };
        let length = if length == 0 { rest } else { length.min(rest) };
        let header = FileHeader { offset, length, ..header };
        Ok(Response::new(body::stream(file, slot, header, self.chunk, self.stall)))
    }

    async fn stat(&self, request: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        let path = parse(&request.into_inner().path)?;
        let (_, header) = self.open(path).await?;
        Ok(Response::new(StatResponse { header: Some(header) }))
    }

    async fn upload(
        &self,
        _: Request<tonic::Streaming<TransferServiceUploadRequest>>,
    ) -> Result<Response<TransferServiceUploadResponse>, Status> {
        Err(Status::permission_denied(format!("{} takes no uploads", self.peer)))
    }
}

fn parse(path: &str) -> Result<SharedPath, Status> {
    SharedPath::parse(path).map_err(|e| match e {
        PathError::Invalid { .. } => Status::invalid_argument(e.to_string()),
        PathError::NeverShared(_) => Status::not_found(e.to_string()),
    })
}
