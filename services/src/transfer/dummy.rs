//! `transfer.v1.DummyService`: the assignment's echo pair. Nothing is read or written.
use std::sync::Arc;

use chordial_proto::transfer_v1::dummy_service_server::DummyService;
use chordial_proto::transfer_v1::{
    DummyServiceDownloadRequest, DummyServiceDownloadResponse, DummyServiceUploadRequest,
    DummyServiceUploadResponse,
};
use tonic::{Request, Response, Status};

use crate::shared_dir::name_problem;

use super::catalog::CatalogClient;

/// The echo pair of one peer.
#[derive(Debug, Clone)]
pub struct Dummy {
    peer: Arc<str>,
    catalog: CatalogClient,
}

impl Dummy {
    pub(super) fn new(peer: Arc<str>, catalog: CatalogClient) -> Self {
        Self { peer, catalog }
    }
}

#[tonic::async_trait]
impl DummyService for Dummy {
    async fn download(
        &self,
        request: Request<DummyServiceDownloadRequest>,
    ) -> Result<Response<DummyServiceDownloadResponse>, Status> {
        let name = request.into_inner().name;
        check(&name)?;
        let peer = &self.peer;
        let Some(file) = self.catalog.lookup(&name).await? else {
            return Err(Status::not_found(format!(
                "peer {peer} shares no file named {name:?}; `chord-cli find` says who does"
            )));
        };
        Ok(Response::new(DummyServiceDownloadResponse {
            message: format!("echo: a download would send {name:?} ({} bytes) from {peer}", file.size),
            name: file.name,
            peer: peer.to_string(),
            bytes: file.size,
        }))
    }

    async fn upload(
        &self,
        request: Request<DummyServiceUploadRequest>,
    ) -> Result<Response<DummyServiceUploadResponse>, Status> {
        let DummyServiceUploadRequest { name, size } = request.into_inner();
        check(&name)?;
        let peer = &self.peer;
        Ok(Response::new(DummyServiceUploadResponse {
            message: format!("echo: an upload would store {name:?} ({size} bytes) at {peer}"),
            name,
            peer: peer.to_string(),
            bytes: size,
        }))
    }
}

fn check(name: &str) -> Result<(), Status> {
    name_problem(name).map_or(Ok(()), |problem| Err(Status::invalid_argument(problem)))
}
