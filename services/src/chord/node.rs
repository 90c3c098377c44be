//! NodeService: what people and programs ask this peer about itself and, through it, about the others.

use std::time::{SystemTime, UNIX_EPOCH};

use chord::Status as Standing;
use chord_client::ServiceHosts;
use chordial_proto::chord_v1::node_service_server::NodeService;
use chordial_proto::chord_v1::*;
use chordial_proto::convert;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::diagnose::{Diagnosis, DialBacks};
use super::events::{Events, Subscription};
use super::index::key_of;
use super::{copies, files, invalid, named, stopped, walk};
use crate::driver::{Handle, Snapshot};

/// Handlers of NodeService.
pub(super) struct NodeApi {
    pub(super) handle: Handle,
    pub(super) catalog: Channel,
    pub(super) version: String,
    pub(super) service_hosts: ServiceHosts,
    pub(super) events: Events,
    pub(super) diagnosis: Diagnosis,
    pub(super) dial_backs: DialBacks,
}

/// Arcs of which one call reads what is kept.
const ARCS: usize = 64;

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn get_published(&self, request: Request<GetPublishedRequest>) -> Answered<GetPublishedResponse> {
        let asked = match request.into_inner().name.as_str() {
            "" => None,
            name => Some(key_of(name)?),
        };
        let published = self.handle.published(asked.as_ref().map(|(_, key)| *key)).await;
        let published = published.ok_or_else(stopped)?;
        let receipts = match (asked, published.receipt) {
            (None, _) => Vec::new(),
            (Some((name, _)), Some(receipt)) => vec![convert::receipt(name, receipt)],
            (Some((name, _)), None) => {
                return Err(Status::not_found(format!("this peer shares no file named {name:?}")));
            }
        };
        let publishing = Some(convert::publishing(published.progress, self.handle.config().renewal()));
        Ok(Response::new(GetPublishedResponse { publishing, receipts }))
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answered<GetNodeResponse> {
        let node = Some(self.of(&request.into_inner().peer).await?);
        let clock_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        Ok(Response::new(GetNodeResponse { node, clock_ms }))
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
            let own = self.of("").await?;
            return files::list(self.catalog.clone(), own, request).await.map(Response::new);
        }
        let holder = self.of(&request.peer).await?;
        let channel = files::catalog_of(&self.handle, &holder, &self.service_hosts)?;
        files::list(channel, holder, request).await.map(Response::new)
    }

    type WatchEventsStream = Subscription;

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answered<Subscription> {
        self.events.subscribe(request.get_ref()).map(Response::new)
    }

    async fn diagnose(&self, _: Request<DiagnoseRequest>) -> Answered<DiagnoseResponse> {
        self.diagnosis.facts().await.map(Response::new)
    }

    async fn dial_back(&self, request: Request<DialBackRequest>) -> Answered<DialBackResponse> {
        self.dial_backs.dial(&self.handle, request.into_inner()).await.map(Response::new)
    }
}

impl NodeApi {
    /// The state of a peer, by name or identifier; empty: of this one.
    async fn of(&self, peer: &str) -> Result<NodeInfo, Status> {
        let own = self.handle.snapshot().await.ok_or_else(stopped)?;
        match peer {
            "" => Ok(info(own, &self.version)),
            peer => named::node(&self.handle, own, &self.version, peer).await,
        }
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
        unpublished: node.published.pending,
        publishing: Some(convert::publishing(node.published, node.renewal)),
        trouble: node.trouble,
        entries_sent: node.entries_sent,
        publishers: node.publishers,
    }
}
