//! NodeService: what people and programs ask this peer about itself and, through it, about the others.

use chord::Status as Standing;
use chordial_proto::chord_v1::node_service_server::NodeService;
use chordial_proto::chord_v1::*;
use chordial_proto::convert;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{copies, files, invalid, stopped, walk};
use crate::driver::{Handle, Snapshot};

/// Handlers of NodeService.
pub(super) struct NodeApi {
    pub(super) handle: Handle,
    pub(super) catalog: Channel,
    pub(super) version: String,
}

/// Arcs of which one call reads what is kept.
const ARCS: usize = 64;

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn get_node(&self, _: Request<GetNodeRequest>) -> Answered<GetNodeResponse> {
        Ok(Response::new(GetNodeResponse { node: Some(self.own().await?) }))
    }

    async fn get_ring(&self, request: Request<GetRingRequest>) -> Answered<GetRingResponse> {
        let snapshot = self.handle.snapshot().await.ok_or_else(stopped)?;
        if snapshot.status == Standing::Joining {
            // It would see no peer of the ring, itself included, and so no disagreement.
            return Err(Status::failed_precondition(match &*snapshot.trouble {
                "" => format!("{} is still joining its ring", snapshot.me.name),
                trouble => format!("{} is still joining its ring: {trouble}", snapshot.me.name),
            }));
        }
        let near = request.into_inner().scope() == RingScope::Neighbors;
        let walk = match near {
            true => walk::near(&self.handle, snapshot, &self.version).await,
            false => walk::around(&self.handle, snapshot, &self.version).await,
        };
        let replicas = copies::count(&self.handle, &walk.members(), near).await;
        Ok(Response::new(walk.report(self.handle.config(), replicas)))
    }

    async fn get_kept(&self, request: Request<GetKeptRequest>) -> Answered<GetKeptResponse> {
        let arcs = request.into_inner().arcs;
        if arcs.len() > ARCS {
            return Err(Status::invalid_argument(format!("{} arcs: at most {ARCS} are read", arcs.len())));
        }
        let bounds = |arc: &ArcDigest| {
            let id = |bytes: &[u8]| convert::id(bytes, "GetKeptRequest.arcs").map_err(invalid);
            Ok((id(&arc.from)?, id(&arc.to)?))
        };
        let asked = arcs.iter().map(bounds).collect::<Result<Vec<_>, Status>>()?;
        let kept = self.handle.kept(asked.clone()).await.ok_or_else(stopped)?;
        let arcs = asked.into_iter().zip(kept);
        let arcs = arcs.map(|((from, to), digest)| chord::index::ArcDigest { from, to, digest }.into());
        Ok(Response::new(GetKeptResponse { arcs: arcs.collect() }))
    }

    async fn list_files(&self, request: Request<ListFilesRequest>) -> Answered<ListFilesResponse> {
        let request = request.into_inner();
        if request.peer.is_empty() {
            let own = self.own().await?;
            return files::list(self.catalog.clone(), own, request).await.map(Response::new);
        }
        let snapshot = self.handle.snapshot().await.ok_or_else(stopped)?;
        let walk = walk::around(&self.handle, snapshot, &self.version).await;
        let holder = walk.named(&request.peer)?;
        let channel = files::catalog_of(&self.handle, &holder)?;
        files::list(channel, holder, request).await.map(Response::new)
    }
}

impl NodeApi {
    async fn own(&self) -> Result<NodeInfo, Status> {
        let snapshot = self.handle.snapshot().await.ok_or_else(stopped)?;
        Ok(info(snapshot, &self.version))
    }
}

/// A snapshot in the wire's words.
pub(super) fn info(node: Snapshot, version: &str) -> NodeInfo {
    let state = match node.status {
        Standing::Joining => NodeState::Joining,
        Standing::Member => NodeState::Member,
        Standing::Leaving => NodeState::Leaving,
    };
    let finger = |(start, peer): (chord::Id, chord::Peer)| Finger {
        start: start.to_bytes().into(),
        peer: Some(peer.into()),
    };
    NodeInfo {
        peer: Some(node.me.into()),
        ring: node.ring.to_string(),
        state: state.into(),
        services: Some(node.services.into()),
        predecessor: node.predecessor.map(Into::into),
        successors: node.successors.into_iter().map(Into::into).collect(),
        fingers: node.fingers.into_iter().map(finger).collect(),
        owned: node.owned,
        replicas: node.replicas,
        shared_files: node.shared_files,
        version: version.to_string(),
        unpublished: node.unpublished,
        trouble: node.trouble,
    }
}
