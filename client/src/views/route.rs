//! Ways through the ring: the route of a question, and a lookup with all its steps.

use chordial_proto::chord_v1;
use serde::{Deserialize, Serialize};

use super::{PeerView, hex, peers};

/// How a question went through the ring, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Calls to other peers that were answered.
    pub hops: u32,
    /// Names of the peers on the way, the asker first.
    pub peers: Vec<String>,
    /// Microseconds from the question to the answer.
    pub elapsed_us: u64,
}

impl From<chord_v1::Route> for RouteView {
    fn from(route: chord_v1::Route) -> Self {
        Self {
            hops: route.hops,
            peers: route.path.into_iter().map(|hop| hop.peer.unwrap_or_default().name).collect(),
            elapsed_us: route.elapsed_us,
        }
    }
}

/// The keys behind `from` up to `to`, clockwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcView {
    /// Itself not within.
    pub from: String,
    /// The last one within.
    pub to: String,
}

/// One peer on the way of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopView {
    /// Its name.
    pub peer: String,
    /// Its identifier.
    pub id: String,
    /// Microseconds of the call to it, there and back; 0 for the asker.
    pub elapsed_us: u64,
}

/// A route with what each step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// The route in short.
    #[serde(flatten)]
    pub route: RouteView,
    /// Each peer on the way, the asker first.
    pub path: Vec<HopView>,
    /// Peers that did not answer on the way.
    pub failed: Vec<PeerView>,
}

/// Which peer is responsible for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupView {
    /// The key asked about.
    pub key: String,
    /// The responsible peer.
    pub successor: PeerView,
    /// Its arc.
    pub arc: ArcView,
    /// It and the successors that keep copies.
    pub keepers: Vec<PeerView>,
    /// How it was found.
    pub route: TraceView,
}

impl From<chord_v1::FindSuccessorResponse> for LookupView {
    fn from(found: chord_v1::FindSuccessorResponse) -> Self {
        let mut route = found.route.unwrap_or_default();
        let failed = peers(std::mem::take(&mut route.failed));
        let hop = |hop: &chord_v1::Hop| {
            let peer = hop.peer.clone().unwrap_or_default();
            HopView { id: hex(&peer.id), peer: peer.name, elapsed_us: hop.elapsed_us }
        };
        let path = route.path.iter().map(hop).collect();
        let successor = PeerView::from(found.successor.unwrap_or_default());
        Self {
            key: hex(&found.key),
            arc: ArcView { from: hex(&found.arc_from), to: successor.id.clone() },
            successor,
            keepers: peers(found.keepers),
            route: TraceView { route: route.into(), path, failed },
        }
    }
}
