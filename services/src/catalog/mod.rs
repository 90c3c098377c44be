//! The catalog microservice: the files of this peer's directory, kept true while it runs.
//!
//! A scanner reads the whole directory (on a hint of the operating system, else now and then) into the
//! listing; hashers add digests, which a cache keeps across restarts; the service answers from the listing and
//! streams its changes.
mod digest_cache;
mod hashing;
mod listing;
mod metrics;
mod renames;
mod scan;
mod scanner;
mod service;
mod subscription;
mod unread;
mod watcher;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::catalog_v1::catalog_service_server::CatalogServiceServer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::shared_dir::{SharedDir, SharedDirError};
use digest_cache::DigestCache;
use listing::Listing;
use metrics::CatalogMetrics;

pub use service::Service;
pub use subscription::Subscription;

/// How a catalog is run.
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// The shared directory; created where it is missing.
    pub directory: PathBuf,
    /// This peer's name, as pages of the listing state it.
    pub peer_name: String,
    /// Longest time between two scans, even if nothing hints at a change; 60 s is usual, 1 s the least.
    pub rescan: Duration,
    /// How long files stay listed that can't be read; zero: they are taken for gone at once.
    pub keep: Duration,
    /// Files that are hashed at one time; 1 or 2 is usual, 0 counts as 1.
    pub hashers: usize,
    /// The file that keeps digests across restarts; `None`: each start reads every file.
    pub digests: Option<PathBuf>,
    /// Where scans are counted.
    pub metrics: Metrics,
}

/// Why a catalog can't start.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory can't be shared.
    #[error(transparent)]
    Directory(#[from] SharedDirError),
}

/// A running catalog; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Catalog {
    service: Service,
}

impl Catalog {
    /// Opens (or creates) the directory and starts scanning and hashing on the current tokio runtime, until
    /// `cancel` ends it; streams of `Watch` end then, too. Blocks briefly on the file system.
    ///
    /// # Errors
    /// [`CatalogError`]: the directory can't be created or read.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(options: CatalogOptions, cancel: CancellationToken) -> Result<Self, CatalogError> {
        let CatalogOptions { directory, peer_name, rescan, keep, hashers, digests, metrics } = options;
        let dir = Arc::new(SharedDir::open_or_create(&directory)?);
        let (listing, metrics) = (Arc::new(Listing::new()), CatalogMetrics::new(&metrics));
        let service = Service::new(Arc::clone(&listing), &peer_name, cancel.clone());
        tokio::spawn(async move {
            // This reads all of it. A panic is said by the panic itself.
            let open = tokio::task::spawn_blocking(move || DigestCache::open(digests.as_deref()));
            let cache = Arc::new(open.await.unwrap_or_else(|_| DigestCache::open(None)));
            let scanned = Arc::new(Notify::new());
            let hashing = hashing::run(
                Arc::clone(&dir),
                Arc::clone(&listing),
                Arc::clone(&cache),
                Arc::clone(&scanned),
                hashers,
                metrics.clone(),
                cancel.clone(),
            );
            let scanner = scanner::Scanner {
                dir,
                listing,
                cache: Arc::clone(&cache),
                scanned,
                rescan: rescan.max(Duration::from_secs(1)),
                keep,
                metrics,
                set_watcher: watcher::Watcher::new,
                cancel: cancel.clone(),
            };
            tokio::join!(cache.run(cancel), hashing, scanner.run())
        });
        Ok(Self { service })
    }

    /// The gRPC service, to be added to a server.
    pub fn service(&self) -> CatalogServiceServer<Service> {
        CatalogServiceServer::new(self.service.clone())
    }
}
