//! What transfers ask of the catalog service.
use std::time::Duration;

use chordial_proto::catalog_v1::catalog_service_client::CatalogServiceClient;
use chordial_proto::catalog_v1::{File, LookupRequest, StatRequest};
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

use crate::shared_dir::{Fingerprint, SharedPath};

/// Longest wait for a lookup: longer than the catalog itself waits for its first scan.
const LOOKUP: Duration = Duration::from_secs(6);
/// Longest wait for a digest; a download goes on without.
const DIGEST: Duration = Duration::from_secs(1);

/// A client of this peer's own catalog.
#[derive(Debug, Clone)]
pub(super) struct CatalogClient(CatalogServiceClient<Channel>);

impl CatalogClient {
    pub fn new(channel: Channel) -> Self {
        Self(CatalogServiceClient::new(channel))
    }

    /// A shared file of exactly this base name, the first by path; `None` where there is none.
    ///
    /// # Errors
    /// UNAVAILABLE where the catalog does not answer.
    pub async fn lookup(&self, name: &str) -> Result<Option<File>, Status> {
        let mut client = self.0.clone();
        match timeout(LOOKUP, client.lookup(LookupRequest { name: name.to_owned() })).await {
            Ok(Ok(response)) => Ok(response.into_inner().files.into_iter().next()),
            Ok(Err(status)) if status.code() == tonic::Code::InvalidArgument => Err(status),
            Ok(Err(status)) => Err(unavailable(status.message())),
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    /// The digest of the file at `path` in just this state; empty where the catalog has none or is silent.
    pub async fn digest(&self, path: &SharedPath, fingerprint: &Fingerprint) -> Vec<u8> {
        let mut client = self.0.clone();
        let request = StatRequest { path: path.as_str().to_owned() };
        let file = match timeout(DIGEST, client.stat(request)).await {
            Ok(Ok(response)) => response.into_inner().file.unwrap_or_default(),
            _ => return Vec::new(),
        };
        let same = file.size == fingerprint.size && file.modified_ms == fingerprint.modified_ms();
        if same { file.digest } else { Vec::new() }
    }
}

fn unavailable(why: &str) -> Status {
    Status::unavailable(format!(
        "this peer's catalog service, which knows what is shared, can't be asked ({why}); try again in a few \
         seconds, and check that it runs"
    ))
}
