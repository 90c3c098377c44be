//! The transfer microservice: the assignment's echo pair, downloads of shared files, and uploads where they are
//! allowed.
//!
//! It opens the shared directory by itself, and asks the catalog only over gRPC: for which names are shared,
//! and for digests. Downloads go on without the catalog, then without a digest.
mod body;
mod catalog;
mod download;
mod dummy;
mod fresh;
mod metrics;
pub mod refusal;
mod room;
mod upload;
mod version;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::transfer_v1::dummy_service_server::{self, DummyServiceServer};
use chordial_proto::transfer_v1::transfer_service_server::{self, TransferServiceServer};
use tonic::transport::Channel;

use crate::metrics::Metrics;
use crate::shared_dir::{SharedDir, SharedDirError};
use catalog::CatalogClient;

pub use body::Body;
pub use download::Transfer;
pub use dummy::Dummy;

/// The full names of both services.
pub const NAMES: [&str; 2] = [dummy_service_server::SERVICE_NAME, transfer_service_server::SERVICE_NAME];

/// Largest chunk, up or down, bytes: well below what one gRPC message takes.
pub const MAX_CHUNK: usize = 1 << 20;
/// Largest message taken, bytes: such a chunk, and what gRPC adds.
const MAX_MESSAGE: usize = MAX_CHUNK + (64 << 10);

/// How transfers are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The shared directory; created where it is missing.
    pub directory: PathBuf,
    /// This peer's name, as the echo pair and messages state it.
    pub peer_name: String,
    /// To this peer's own catalog service; lazy, so that the order of starting does not matter.
    pub catalog: Channel,
    /// Bytes of one chunk, 1 to [`MAX_CHUNK`]; 64 KiB is usual.
    pub chunk: usize,
    /// Downloads at one time, at least 1; more are refused.
    pub max_downloads: usize,
    /// A transfer whose other side does nothing for so long is ended; 30 s is usual.
    pub stall: Duration,
    /// How uploads are taken; `None`: none are.
    pub uploads: Option<UploadOptions>,
    /// Where transfers are counted.
    pub metrics: Metrics,
}

/// How uploads are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadOptions {
    /// Uploads at one time, at least 1; more are refused.
    pub max_uploads: usize,
    /// Bytes of one file; 0: no limit.
    pub max_size: u64,
    /// Bytes of all files below the directory, the new one included; 0: no limit.
    pub quota: u64,
}

/// Why transfers can't be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory can't be shared.
    #[error(transparent)]
    Directory(#[from] SharedDirError),
    /// An option out of its range.
    #[error("transfer option {option} is {value}; it must be {range}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        range: &'static str,
    },
}

/// Opens (or creates) the directory and makes both services, to be added to a server. Blocks briefly on the
/// file system. What a killed process left of its uploads is removed in the background.
///
/// # Errors
/// [`Error`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn services(
    options: Options,
) -> Result<(DummyServiceServer<Dummy>, TransferServiceServer<Transfer>), Error> {
    let out_of = |option, value: String, range| Err(Error::Option { option, value, range });
    if !(1..=MAX_CHUNK).contains(&options.chunk) {
        return out_of("chunk", options.chunk.to_string(), "1 to 1048576 bytes");
    }
    if !(1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&options.max_downloads) {
        return out_of("max_downloads", options.max_downloads.to_string(), "at least 1");
    }
    if options
        .uploads
        .is_some_and(|uploads| !(1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&uploads.max_uploads))
    {
        return out_of("max_uploads", "0".to_owned(), "at least 1");
    }
    if options.stall.is_zero() {
        return out_of("stall", "0s".to_owned(), "longer than 0 s");
    }
    let dir = Arc::new(SharedDir::open_or_create(&options.directory)?);
    let swept = Arc::clone(&dir);
    tokio::task::spawn_blocking(move || match swept.remove_leftovers() {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed what uploads broken off had left"),
        Err(error) => tracing::warn!(%error, "what uploads broken off have left can't be looked for"),
    });
    let peer: Arc<str> = options.peer_name.as_str().into();
    let catalog = CatalogClient::new(options.catalog.clone());
    let dummy = Dummy::new(Arc::clone(&peer), catalog.clone());
    let transfer = Transfer::new(dir, peer, catalog, &options);
    let transfer = TransferServiceServer::new(transfer).max_decoding_message_size(MAX_MESSAGE);
    Ok((DummyServiceServer::new(dummy), transfer))
}
