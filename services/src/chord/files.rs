//! ListFiles: a page of some peer's own listing, asked of its catalog service.

use std::time::Duration;

use chord_client::ServiceHosts;
use chordial_proto::catalog_v1::ListRequest;
use chordial_proto::catalog_v1::catalog_service_client::CatalogServiceClient;
use chordial_proto::chord_v1::{ListFilesRequest, ListFilesResponse, NodeInfo};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::calls::{Lane, MAX_MESSAGE};
use crate::driver::Handle;

/// Deadline of one page.
const WITHIN: Duration = Duration::from_secs(5);

/// A channel to the catalog service that `holder`, asked at its address, names; at its own host, or one of `hosts`.
pub(super) fn catalog_of(
    handle: &Handle,
    holder: &NodeInfo,
    hosts: &ServiceHosts,
) -> Result<Channel, Status> {
    let url = holder.services.as_ref().map(|services| services.catalog.as_str()).unwrap_or_default();
    let unusable =
        |why: String| Status::unavailable(format!("{} has no usable catalog address: {why}", name(holder)));
    let peer = holder.peer.as_ref().ok_or_else(|| unusable("it says nothing of itself".into()))?;
    let address = hosts.address(peer, "catalog", url).map_err(|error| unusable(error.to_string()))?;
    handle.calls().channel(&address.authority(), Lane::Bulk).map_err(|error| unusable(error.to_string()))
}

/// A page of `holder`'s listing.
pub(super) async fn list(
    catalog: Channel,
    holder: NodeInfo,
    request: ListFilesRequest,
) -> Result<ListFilesResponse, Status> {
    let mut client = CatalogServiceClient::new(catalog).max_decoding_message_size(MAX_MESSAGE);
    let ask = client.list(ListRequest { limit: request.limit, cursor: request.cursor });
    let page = match tokio::time::timeout(WITHIN, ask).await {
        Ok(Ok(page)) => page.into_inner(),
        // What the catalog itself says about the question is passed on.
        Ok(Err(status)) if matches!(status.code(), Code::InvalidArgument | Code::OutOfRange) => {
            return Err(Status::new(status.code(), status.message()));
        }
        Ok(Err(status)) => return Err(silent(&holder, status.message())),
        Err(_) => return Err(silent(&holder, &format!("no answer within {} s", WITHIN.as_secs()))),
    };
    Ok(ListFilesResponse {
        peer: holder.peer,
        services: holder.services,
        total: page.total,
        files: page.files,
        next: page.next,
        problem: page.problem,
    })
}

fn silent(holder: &NodeInfo, why: &str) -> Status {
    let url = holder.services.as_ref().map(|services| services.catalog.as_str()).unwrap_or_default();
    Status::unavailable(format!("the catalog of {} ({url}) cannot be asked: {why}", name(holder)))
}

fn name(holder: &NodeInfo) -> &str {
    holder.peer.as_ref().map(|peer| peer.name.as_str()).unwrap_or_default()
}
