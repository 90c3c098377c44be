//! Ways through the ring: the route of a question, and a lookup with all its steps.

use chordial_proto::chord_v1;
use serde::{Deserialize, Serialize};

use super::reason::Explained;
use super::{PeerView, hex, peers, present};

/// How a question went through the ring, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArcView {
    /// Itself not within.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub from: String,
    /// The last one within.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub to: String,
}

/// One peer on the way of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HopView {
    /// Its name.
    pub peer: String,
    /// Its identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub id: String,
    /// Microseconds of the call to it, there and back; 0 for the asker.
    pub elapsed_us: u64,
    /// Why it was asked: `asked`: it is the peer asked. `closest-preceding`: of the peers that another one knows, it
    /// comes closest before the key. `successor`: it follows next behind the key, and should be responsible.
    /// `predecessor`: the one before it should have been responsible, and the key lies before its arc. `contact`: in
    /// the asker's table of all peers it is the next behind the key. `again`: those that it named did not answer.
    /// `retry`: it was silent, and gets more time. `owner`: it is responsible; for the last one alone. Others may come.
    #[serde(default)]
    pub rule: String,
    /// The same in words, with the peers' names.
    #[serde(default)]
    pub reason: String,
}

/// A route with what each step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceView {
    /// The route in short.
    #[serde(flatten)]
    pub route: RouteView,
    /// Each peer on the way, the asker first.
    pub path: Vec<HopView>,
    /// Peers that did not answer on the way.
    pub failed: Vec<PeerView>,
}

/// `GET /api/v1/lookup`: which peer is responsible for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LookupView {
    /// The name asked about; null where a key was.
    #[serde(default)]
    pub name: Option<String>,
    /// Its key, or the key asked about.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
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
    fn from(mut found: chord_v1::FindSuccessorResponse) -> Self {
        let mut route = found.route.take().unwrap_or_default();
        let explained = Explained::new(&found, &route);
        let hop = |(index, hop): (usize, &chord_v1::Hop)| {
            let peer = hop.peer.clone().unwrap_or_default();
            let (rule, reason) = explained.hop(index);
            let (id, rule) = (hex(&peer.id), rule.to_owned());
            HopView { id, peer: peer.name, elapsed_us: hop.elapsed_us, rule, reason }
        };
        let path = route.path.iter().enumerate().map(hop).collect();
        let failed = peers(std::mem::take(&mut route.failed));
        let successor = PeerView::from(found.successor.unwrap_or_default());
        Self {
            name: present(found.name),
            key: hex(&found.key),
            arc: ArcView { from: hex(&found.arc_from), to: successor.id.clone() },
            successor,
            keepers: peers(found.keepers),
            route: TraceView { route: route.into(), path, failed },
        }
    }
}
