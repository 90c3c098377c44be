//! Peers: one peer's state, and the whole ring.

use chordial_proto::chord_v1;
use serde::{Deserialize, Serialize};

use super::{PeerView, PublishingView, hex, names, peers, present};

/// Where a peer's services are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressesView {
    /// Ring and index.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub chord: String,
    /// Its own listing.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub catalog: String,
    /// Downloads.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub transfer: String,
    /// REST.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub gateway: String,
}

/// One row of a finger table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FingerView {
    /// The identifier whose successor the finger is.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub start: String,
    /// That successor, as known; null where it is not.
    pub peer: Option<PeerView>,
}

/// How many index entries a peer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntriesView {
    /// Of its own arc.
    pub owned: u64,
    /// Copies of others'.
    pub replicas: u64,
}

/// `GET /api/v1/node`: one peer's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeView {
    /// Its identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The ring's name.
    pub ring: String,
    /// `joining`, `member` or `leaving`.
    pub state: String,
    /// Its services.
    pub addresses: AddressesView,
    /// Null where it has none.
    pub predecessor: Option<PeerView>,
    /// In ring order.
    pub successors: Vec<PeerView>,
    /// In order of their starts.
    pub fingers: Vec<FingerView>,
    /// What it keeps of the index.
    pub entries: EntriesView,
    /// Files in its own directory.
    pub shared_files: u64,
    /// Grows with every restart.
    pub incarnation: u64,
    /// The program's version.
    pub version: String,
    /// Keys of its files that some keeper has not acknowledged.
    pub unpublished: u64,
    /// Why a peer that is joining has not joined yet.
    pub trouble: Option<String>,
    /// How far its files are published; null where it does not say.
    #[serde(default)]
    pub publishing: Option<PublishingView>,
    /// Entries of its own files that it has sent to other peers since its start.
    #[serde(default)]
    pub entries_sent: u64,
}

impl From<chord_v1::NodeInfo> for NodeView {
    fn from(node: chord_v1::NodeInfo) -> Self {
        let state = node_state(node.state()).to_owned();
        let peer = node.peer.unwrap_or_default();
        let services = node.services.unwrap_or_default();
        let incarnation = peer.incarnation;
        let PeerView { id, name, chord } = peer.into();
        Self {
            id,
            name,
            ring: node.ring,
            state,
            addresses: AddressesView {
                chord,
                catalog: services.catalog,
                transfer: services.transfer,
                gateway: services.gateway,
            },
            predecessor: node.predecessor.map(PeerView::from),
            successors: peers(node.successors),
            fingers: node
                .fingers
                .into_iter()
                .map(|finger| FingerView { start: hex(&finger.start), peer: finger.peer.map(PeerView::from) })
                .collect(),
            entries: EntriesView { owned: node.owned, replicas: node.replicas },
            shared_files: node.shared_files,
            incarnation,
            version: node.version,
            unpublished: node.unpublished,
            trouble: present(node.trouble),
            publishing: node.publishing.map(PublishingView::from),
            entries_sent: node.entries_sent,
        }
    }
}

/// The finger table alone: a part of [`NodeView`], under the same names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FingersView {
    /// The peer's identifier.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// In ring order. The first one stands for all fingers that are not listed and start before it.
    pub successors: Vec<PeerView>,
    /// In order of their starts.
    pub fingers: Vec<FingerView>,
}

impl From<NodeView> for FingersView {
    fn from(node: NodeView) -> Self {
        Self { id: node.id, name: node.name, successors: node.successors, fingers: node.fingers }
    }
}

fn node_state(state: chord_v1::NodeState) -> &'static str {
    match state {
        chord_v1::NodeState::Unspecified => "unknown",
        chord_v1::NodeState::Joining => "joining",
        chord_v1::NodeState::Member => "member",
        chord_v1::NodeState::Leaving => "leaving",
    }
}

/// One peer of the ring. What only the peer itself can say is null where it did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RingPeerView {
    /// Its identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Its chord port, as URL.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub chord: String,
    /// Its REST port, as URL.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub gateway: Option<String>,
    /// Of the whole ring, 0 to 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1))]
    pub share: f64,
    /// Grows with every restart.
    pub incarnation: u64,
    /// The program's version.
    pub version: Option<String>,
    /// What it keeps of the index.
    pub entries: Option<EntriesView>,
    /// Files in its own directory.
    pub shared_files: Option<u64>,
    /// `member`, `suspected` (does not answer), `leaving` or `joining`.
    pub state: String,
}

impl From<chord_v1::RingPeer> for RingPeerView {
    fn from(ring: chord_v1::RingPeer) -> Self {
        let state = match (ring.state(), ring.node.as_ref().map(chord_v1::NodeInfo::state)) {
            (chord_v1::PeerState::Suspected, _) => "suspected",
            (chord_v1::PeerState::Leaving, _) => "leaving",
            (_, Some(chord_v1::NodeState::Joining)) => "joining",
            (chord_v1::PeerState::Member, _) => "member",
            (chord_v1::PeerState::Unspecified, _) => "unknown",
        };
        let answered = ring.node.as_ref().and_then(|node| node.peer.clone());
        let peer = ring.peer.or(answered).unwrap_or_default();
        let incarnation = peer.incarnation;
        let PeerView { id, name, chord } = peer.into();
        let (mut gateway, mut version, mut entries, mut shared_files) = (None, None, None, None);
        if let Some(node) = ring.node {
            gateway = node.services.and_then(|services| present(services.gateway));
            version = present(node.version);
            entries = Some(EntriesView { owned: node.owned, replicas: node.replicas });
            shared_files = Some(node.shared_files);
        }
        Self {
            id,
            name,
            chord,
            gateway,
            share: ring.share,
            incarnation,
            version,
            entries,
            shared_files,
            state: state.to_owned(),
        }
    }
}

/// Where one peer's view is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemView {
    /// Its name.
    pub peer: String,
    /// What is wrong.
    pub what: String,
    /// What will mend it.
    pub remedy: String,
}

/// One of Zave's invariants of the ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvariantView {
    /// Her name for it.
    pub name: String,
    /// What it says.
    pub meaning: String,
    /// Whether it holds.
    pub holds: bool,
    /// At whom it shows that it does not hold: names, 64 of them at most.
    pub peers: Vec<String>,
    /// What will mend it; null where it holds.
    pub remedy: Option<String>,
}

/// How often the entries are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplicasView {
    /// How many peers should keep each entry; fewer than configured in a ring that is smaller.
    pub wanted: u32,
    /// All entries of the ring, each counted once.
    pub entries: u64,
    /// Those of them that fewer peers agree on.
    pub short: u64,
    /// The arcs that these lie in, 64 of them at most.
    pub short_arcs: Vec<ShortArcView>,
    /// What will mend it; null where nothing is short.
    pub remedy: Option<String>,
}

/// An arc that fewer peers keep alike than should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShortArcView {
    /// Whose arc.
    pub peer: String,
    /// What is in it.
    pub entries: u64,
    /// How many peers keep exactly that.
    pub copies: u32,
    /// Those that should and do not.
    pub behind: Vec<String>,
}

/// `GET /api/v1/ring`: all peers in ring order, and what is wrong with the ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RingView {
    /// In ring order.
    pub peers: Vec<RingPeerView>,
    /// Whether all views fit together and all invariants hold.
    pub agreed: bool,
    /// Every disagreement found.
    pub problems: Vec<ProblemView>,
    /// Zave's invariants, in her order; empty where not every peer could be asked.
    #[serde(default)]
    pub invariants: Vec<InvariantView>,
    /// `small`: of at most as many peers as a successor list is long, so that each names all others; else `large`.
    #[serde(default)]
    pub mode: String,
    /// Null where the peers could not be asked what they keep.
    #[serde(default)]
    pub replicas: Option<ReplicasView>,
}

impl From<chord_v1::GetRingResponse> for RingView {
    fn from(ring: chord_v1::GetRingResponse) -> Self {
        let problem = |problem: chord_v1::Problem| ProblemView {
            peer: problem.peer.unwrap_or_default().name,
            what: problem.what,
            remedy: problem.remedy,
        };
        let small = ring.peers.len() <= ring.list_length as usize;
        Self {
            peers: ring.peers.into_iter().map(RingPeerView::from).collect(),
            agreed: ring.agreed,
            problems: ring.problems.into_iter().map(problem).collect(),
            invariants: ring.invariants.into_iter().map(InvariantView::from).collect(),
            mode: if small { "small" } else { "large" }.to_owned(),
            replicas: ring.replicas.map(ReplicasView::from),
        }
    }
}

impl From<chord_v1::Invariant> for InvariantView {
    fn from(invariant: chord_v1::Invariant) -> Self {
        Self {
            name: invariant.name,
            meaning: invariant.meaning,
            holds: invariant.holds,
            peers: names(invariant.peers),
            remedy: present(invariant.remedy),
        }
    }
}

impl From<chord_v1::Replicas> for ReplicasView {
    fn from(replicas: chord_v1::Replicas) -> Self {
        let arc = |arc: chord_v1::ShortArc| ShortArcView {
            peer: arc.peer.unwrap_or_default().name,
            entries: arc.entries,
            copies: arc.copies,
            behind: names(arc.behind),
        };
        Self {
            wanted: replicas.wanted,
            entries: replicas.entries,
            short: replicas.short_entries,
            short_arcs: replicas.short_arcs.into_iter().map(arc).collect(),
            remedy: present(replicas.remedy),
        }
    }
}
